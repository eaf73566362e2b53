//! Reads along with HTTP/2 and counts the frames that ask for nothing.
//!
//! The engine answers each PING and SETTINGS, takes a request up and lets it go again at each RST_STREAM, and passes over
//! PRIORITY and what it does not know: a client can have it do so for ever. Who takes answers may send such frames in
//! proportion, who takes none has a number of them and one more each second, for a ping now and then keeps a long wait alive.
//! WINDOW_UPDATE is not among them: it costs no more than its own reading, and some clients send one for every frame they get.

use std::time::{Duration, Instant};

use super::head_guard::Violation;

/// The preface, before the first frame (RFC 9113, section 3.4).
const PREFACE: u32 = 24;
/// Length, type, flags and stream (RFC 9113, section 4.1).
const HEADER: usize = 9;
/// Bytes of answers that a client takes for each idle frame that it may send: the shortest answer pays for one.
const BYTES_PER_FRAME: u64 = 16;
/// The engine's answers: a PING gives back its eight bytes, the one to SETTINGS is empty.
const PING_ANSWER: u64 = HEADER as u64 + 8;
const SETTINGS_ANSWER: u64 = HEADER as u64;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// Reads along with one connection.
#[derive(Debug)]
pub(crate) struct FrameGuard {
    header: [u8; HEADER],
    /// Bytes of the header that are here.
    have: usize,
    /// Bytes to come that are no header.
    left: u32,
    /// Idle frames that no answer has paid for.
    idle: u32,
    most: u32,
    /// Bytes of answers that have paid.
    paid: u64,
    /// Seconds since this have paid.
    paid_at: Instant,
    owed: u64,
    heads: u64,
    head: Head,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    None,
    /// Frames of it are to come.
    Open,
    /// It ends with the frame under way.
    Ends,
}

impl FrameGuard {
    /// `most` idle frames without an answer that was taken.
    pub(crate) fn new(most: u32, now: Instant) -> Self {
        Self {
            header: [0; HEADER],
            have: 0,
            left: PREFACE,
            idle: 0,
            most,
            paid: 0,
            paid_at: now,
            owed: 0,
            heads: 0,
            head: Head::None,
        }
    }

    /// Bytes of the engine's answers to what was fed: what it writes that nobody asked for to have it.
    pub(crate) fn owed(&self) -> u64 {
        self.owed
    }

    /// The head that has begun and not ended, by its number; 0 when there is none.
    pub(crate) fn open_head(&self) -> u64 {
        if self.head == Head::None { 0 } else { self.heads }
    }

    /// Reads the next bytes of the connection, whose client has by `now` taken so many bytes of answers.
    ///
    /// # Errors
    /// There are too many idle frames; the connection must not be read on after it.
    pub(crate) fn feed(&mut self, bytes: &[u8], taken: u64, now: Instant) -> Result<(), Violation> {
        self.pay(taken, now);
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.left > 0 {
                let now = (self.left as usize).min(rest.len());
                self.left -= now as u32;
                at += now;
            } else {
                let begins = at;
                at += self.take_header(rest);
                if self.have == HEADER {
                    self.have = 0;
                    self.begin_frame().map_err(|rule| Violation { at: begins, rule })?;
                }
            }
            if self.left == 0 && self.head == Head::Ends && self.have == 0 {
                self.head = Head::None;
            }
        }
        Ok(())
    }

    fn pay(&mut self, taken: u64, now: Instant) {
        let frames = taken.saturating_sub(self.paid) / BYTES_PER_FRAME;
        self.paid += frames * BYTES_PER_FRAME;
        let seconds = now.duration_since(self.paid_at).as_secs();
        self.paid_at += Duration::from_secs(seconds);
        self.idle = self.idle.saturating_sub(u32::try_from(frames + seconds).unwrap_or(u32::MAX));
    }

    /// As much of a frame's header as is here; how much that was.
    fn take_header(&mut self, rest: &[u8]) -> usize {
        let now = (HEADER - self.have).min(rest.len());
        let place = self.header.get_mut(self.have..self.have + now);
        if let (Some(place), Some(part)) = (place, rest.get(..now)) {
            place.copy_from_slice(part);
        }
        self.have += now;
        now
    }

    /// What is not as it must be, the engine refuses: an ill-sized frame, a frame within a head.
    fn begin_frame(&mut self) -> Result<(), &'static str> {
        let [high, middle, low, kind, flags, ..] = self.header;
        self.left = u32::from_be_bytes([0, high, middle, low]);
        match kind {
            // DATA: an empty one asks for nothing but to end its body, and the engine bounds those that do not.
            0x0 => return Ok(()),
            // HEADERS, CONTINUATION
            0x1 | 0x9 => {
                self.heads += u64::from(kind == 0x1);
                self.head = if flags & END_HEADERS != 0 { Head::Ends } else { Head::Open };
                return Ok(());
            }
            // SETTINGS, PING
            0x4 if flags & ACK == 0 => self.owed += SETTINGS_ANSWER,
            0x6 if flags & ACK == 0 => self.owed += PING_ANSWER,
            // WINDOW_UPDATE
            0x8 => return Ok(()),
            _ => {}
        }
        self.idle += 1;
        if self.idle > self.most { Err("too many frames that ask for nothing") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 1][..], payload].concat()
    }

    /// A guard past the preface, at a time that stands still.
    struct Still(FrameGuard, Instant);

    impl Still {
        fn feed(&mut self, bytes: &[u8], taken: u64) -> Result<(), Violation> {
            self.0.feed(bytes, taken, self.1)
        }
    }

    fn guard(most: u32) -> Still {
        let now = Instant::now();
        let mut guard = Still(FrameGuard::new(most, now), now);
        assert_eq!(guard.feed(&[b'x'; PREFACE as usize], 0), Ok(()));
        guard
    }

    #[test]
    fn frames_that_ask_for_something_are_not_counted() {
        let mut guard = guard(0);
        for frame in [frame(0, 0, b"data"), frame(1, 5, b"head"), frame(9, 4, b"more"), frame(8, 0, &[0; 4])] {
            assert_eq!(guard.feed(&frame.repeat(100), 0), Ok(()));
        }
        for kind in [2, 3, 4, 5, 6, 7, 10, 0xfa] {
            let bytes = [frame(0, 0, b"data"), frame(kind, 0, b"payload")].concat();
            assert_eq!(self::guard(0).feed(&bytes, 0).map_err(|violation| violation.at), Err(13), "{kind}");
        }
    }

    #[test]
    fn answers_that_are_taken_pay_for_idle_frames_and_none_are_saved_up() {
        let mut guard = guard(10);
        let pings = |count| frame(6, 0, &[0; 8]).repeat(count);
        assert_eq!(guard.feed(&pings(10), 0), Ok(()));
        assert_eq!(guard.feed(&pings(5), 5 * BYTES_PER_FRAME), Ok(()));
        assert_eq!(guard.feed(&pings(10), 1000 * BYTES_PER_FRAME), Ok(()));
        assert!(guard.feed(&pings(1), 1000 * BYTES_PER_FRAME).is_err());
    }

    #[test]
    fn each_second_pays_for_one() {
        let mut guard = guard(10);
        let pings = |count| frame(6, 0, &[0; 8]).repeat(count);
        assert_eq!(guard.feed(&pings(10), 0), Ok(()));
        for _ in 0..4 {
            guard.1 += Duration::from_millis(1500);
            assert_eq!(guard.feed(&pings(1), 0), Ok(()));
        }
        assert_eq!(guard.feed(&pings(2), 0), Ok(()), "of six seconds four were used");
        assert!(guard.feed(&pings(1), 0).is_err());
    }

    #[test]
    fn what_the_engine_answers_unasked_is_known() {
        let mut guard = guard(10);
        let frames = [frame(6, 0, &[0; 8]), frame(6, ACK, &[0; 8]), frame(4, 0, &[]), frame(4, ACK, &[])].concat();
        assert_eq!(guard.feed(&frames, 0), Ok(()));
        assert_eq!(guard.0.owed(), 17 + 9);
    }

    #[test]
    fn a_head_is_open_from_its_first_frame_to_its_last_byte() {
        let mut guard = guard(0);
        let [first, last] = [frame(1, 0, b"ab"), frame(9, END_HEADERS, b"cd")];
        let mut open = Vec::new();
        for byte in [first, last].concat() {
            guard.feed(&[byte], 0).unwrap();
            open.push(guard.0.open_head());
        }
        assert_eq!(open, [vec![0; 8], vec![1; 13], vec![0]].concat());
        guard.feed(&frame(1, END_HEADERS, b""), 0).unwrap();
        assert_eq!(guard.0.open_head(), 0);
        guard.feed(&frame(1, END_HEADERS, b"ab")[..10], 0).unwrap();
        assert_eq!(guard.0.open_head(), 3);
    }

    /// However a connection is cut into pieces, the same frame is one too many.
    #[test]
    fn pieces_change_nothing() {
        let text = [&[b'x'; PREFACE as usize][..], &frame(1, 5, b"head"), &frame(6, 0, &[0; 8]).repeat(3)].concat();
        for cut in 0..text.len() - 8 {
            let now = Instant::now();
            let mut guard = Still(FrameGuard::new(2, now), now);
            let (first, second) = text.split_at(cut);
            assert_eq!(guard.feed(first, 0), Ok(()), "{cut}");
            assert!(guard.feed(second, 0).is_err(), "{cut}");
        }
    }
}
