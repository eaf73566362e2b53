//! The allocator of all processes: mimalloc, asked the short way.
//!
//! The crate `mimalloc` asks for an alignment with every block, and that takes a long way through the allocator unless a
//! block of the size happens to lie ready: a thousand instructions for each request that a gateway forwards. What C's
//! `malloc` aligns anyway need not be asked for.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::time::{Duration, Instant};

use libmimalloc_sys as mimalloc;

/// What `malloc` aligns every block to that is as large (C11, section 7.22.3).
const ALIGNED_ANYWAY: usize = 16;

/// How often free memory is given back.
const GIVE_BACK: Duration = Duration::from_secs(2);

/// Gives free memory of this thread, and of no thread, back to the system. mimalloc does so by itself a little after memory
/// became free, but only when it is asked for memory again: after a burst it would keep what nobody needs.
pub(crate) fn give_back() {
    // SAFETY: the call has no preconditions, and touches no other thread's memory.
    unsafe { mimalloc::mi_collect(true) }
}

/// [`give_back`] of a thread that is about to rest, unless it did so a moment ago.
pub(crate) fn give_back_at_rest() {
    thread_local! {
        static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
    }
    let now = Instant::now();
    if LAST.get().is_none_or(|last| now.duration_since(last) >= GIVE_BACK) {
        LAST.set(Some(now));
        give_back();
    }
}

/// [`give_back`] now and then, for as long as a server runs.
pub(crate) async fn give_back_often() {
    let mut turns = tokio::time::interval(GIVE_BACK);
    loop {
        turns.tick().await;
        give_back();
    }
}

/// mimalloc as Rust wants it.
pub(crate) struct Mimalloc;

fn is_aligned_anyway(align: usize, size: usize) -> bool {
    align <= ALIGNED_ANYWAY && align <= size
}

// SAFETY: mimalloc keeps the contract of malloc, and its functions may be mixed: any of them frees or resizes what another gave.
unsafe impl GlobalAlloc for Mimalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: both take any size; the alignment of a layout is a power of two.
        unsafe {
            if is_aligned_anyway(layout.align(), layout.size()) {
                mimalloc::mi_malloc(layout.size()).cast()
            } else {
                mimalloc::mi_malloc_aligned(layout.size(), layout.align()).cast()
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        unsafe {
            if is_aligned_anyway(layout.align(), layout.size()) {
                mimalloc::mi_zalloc(layout.size()).cast()
            } else {
                mimalloc::mi_zalloc_aligned(layout.size(), layout.align()).cast()
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller has the block from us.
        unsafe { mimalloc::mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller has the block from us.
        unsafe {
            if is_aligned_anyway(layout.align(), size) {
                mimalloc::mi_realloc(block.cast(), size).cast()
            } else {
                mimalloc::mi_realloc_aligned(block.cast(), size, layout.align()).cast()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_as_asked_and_keep_what_they_hold() {
        for align in [1, 2, 8, 16, 32, 64, 4096] {
            for size in [1, 7, 8, 15, 16, 24, 40, 100, 1000, 8192, 100_000] {
                let layout = Layout::from_size_align(size, align).expect("a layout");
                // SAFETY: the layout's size is not zero, and the block goes back with the layout it has.
                unsafe {
                    let block = Mimalloc.alloc_zeroed(layout);
                    assert!(block.addr().is_multiple_of(align), "{size} at {align}");
                    assert_eq!((block.read(), block.add(size - 1).read()), (0, 0));
                    block.add(size - 1).write(7);
                    let block = Mimalloc.realloc(block, layout, size + 8);
                    assert!(block.addr().is_multiple_of(align), "{size} at {align}, grown");
                    assert_eq!(block.add(size - 1).read(), 7);
                    let grown = Layout::from_size_align(size + 8, align).expect("a layout");
                    Mimalloc.dealloc(block, grown);
                    let block = Mimalloc.alloc(layout);
                    assert!(block.addr().is_multiple_of(align), "{size} at {align}");
                    Mimalloc.dealloc(block, layout);
                }
            }
        }
    }
}
