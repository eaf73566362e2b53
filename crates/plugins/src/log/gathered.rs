//! What workers have logged since the courier came by. Each worker writes into a place of its own, whose lock it
//! shares with the courier alone and for a moment every tenth of a second: logging wakes no thread and hands nothing
//! over piece by piece, which had cost more than all the rest of a request.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use foldhash::fast::RandomState;

use super::courier::{self, Sink};

/// Most entries of one worker between two visits.
const ENTRIES: usize = 65_536;
/// Most bytes of one worker between two visits.
const BYTES: usize = 64 * 1024 * 1024;

static PLACES: Mutex<Vec<Arc<Place>>> = Mutex::new(Vec::new());

thread_local! {
    static OWN: Arc<Place> = {
        let own = Arc::<Place>::default();
        locked(&PLACES).push(own.clone());
        courier::start();
        own
    };
}

#[derive(Default)]
struct Place(Mutex<Gathered>);

/// Lines and entries of one worker, in the order in which it wrote them.
#[derive(Default)]
pub(super) struct Gathered {
    /// By the address of the path, which lives as long as it stands here.
    pub(super) lines: HashMap<usize, (Arc<Path>, Lines), RandomState>,
    /// By the sink's key.
    pub(super) entries: HashMap<u64, (Arc<dyn Sink>, Entries), RandomState>,
    entry_count: usize,
    /// Lines and entries.
    count: usize,
    bytes: usize,
}

/// Whole lines of a file.
#[derive(Default)]
pub(super) struct Lines(pub(super) Vec<u8>);

/// Entries one behind the other, and where each ends.
#[derive(Default)]
pub(super) struct Entries {
    data: Vec<u8>,
    ends: Vec<usize>,
}

/// Why nothing was taken.
#[derive(Debug, PartialEq)]
pub(super) struct Full;

impl Gathered {
    /// # Errors
    /// When the courier is too far behind; nothing was written then.
    pub(super) fn line(&mut self, path: &Arc<Path>, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Full> {
        self.room()?;
        let (_, Lines(lines)) =
            self.lines.entry(Arc::as_ptr(path).addr()).or_insert_with(|| (path.clone(), Lines::default()));
        let before = lines.len();
        write(lines);
        lines.push(b'\n');
        self.bytes += lines.len() - before;
        Ok(())
    }

    /// # Errors
    /// As [`Gathered::line`]; also when more wait than the sink has room for. What other workers have gathered since the
    /// courier came by is not among them.
    pub(super) fn entry(&mut self, sink: &Arc<dyn Sink>, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Full> {
        if courier::held() + self.entry_count > sink.most_pending() {
            return Err(Full);
        }
        self.room()?;
        self.entry_count += 1;
        let (_, entries) = self.entries.entry(sink.key()).or_insert_with(|| (sink.clone(), Entries::default()));
        let before = entries.data.len();
        write(&mut entries.data);
        entries.ends.push(entries.data.len());
        self.bytes += entries.data.len() - before;
        Ok(())
    }

    fn room(&mut self) -> Result<(), Full> {
        if self.count >= ENTRIES || self.bytes >= BYTES {
            return Err(Full);
        }
        self.count += 1;
        Ok(())
    }
}

impl Entries {
    /// Each entry, all in one piece of memory.
    pub(super) fn split(self) -> impl Iterator<Item = Bytes> {
        let data = Bytes::from(self.data);
        let mut start = 0;
        self.ends.into_iter().map(move |end| data.slice(std::mem::replace(&mut start, end)..end))
    }
}

/// Runs `write` on what this thread has gathered.
///
/// # Errors
/// As [`Gathered::line`]; also when the thread is about to end.
pub(super) fn with_own(write: impl FnOnce(&mut Gathered) -> Result<(), Full>) -> Result<(), Full> {
    OWN.try_with(|own| write(&mut locked(&own.0))).map_err(|_| Full).flatten()
}

/// Takes away what all threads have gathered.
pub(super) fn take() -> Vec<Gathered> {
    let mut places = locked(&PLACES);
    // Of a thread that has ended nothing more can come once its place was emptied.
    let ended: Vec<bool> = places.iter().map(|place| Arc::strong_count(place) == 1).collect();
    let all = places.iter().map(|place| fetched(&mut locked(&place.0))).collect();
    let mut ended = ended.into_iter();
    places.retain(|_| !ended.next().unwrap_or(false));
    all
}

/// What is fetched is held from the same moment, for those who count it.
fn fetched(gathered: &mut Gathered) -> Gathered {
    courier::hold(gathered.entry_count);
    std::mem::take(gathered)
}

/// A thread that panicked has left whole entries behind, or at worst one that is cut short.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_path_are_one_piece() {
        let (one, other): (Arc<Path>, Arc<Path>) = (Path::new("/one").into(), Path::new("/other").into());
        let mut gathered = Gathered::default();
        for (path, text) in [(&one, "a"), (&other, "b"), (&one, "c")] {
            assert_eq!(gathered.line(path, |out| out.extend_from_slice(text.as_bytes())), Ok(()));
        }
        let mut lines: Vec<_> = gathered.lines.into_values().map(|(path, Lines(data))| (path, data)).collect();
        lines.sort();
        assert_eq!(lines, [(one, b"a\nc\n".to_vec()), (other, b"b\n".to_vec())]);
    }

    #[test]
    fn entries_come_apart_again() {
        let entries = Entries { data: b"onetwo".to_vec(), ends: vec![3, 3, 6] };
        assert_eq!(entries.split().collect::<Vec<_>>(), ["one", "", "two"]);
        assert_eq!(Entries::default().split().count(), 0);
    }

    #[test]
    fn what_a_worker_gathers_is_bounded() {
        let path: Arc<Path> = Path::new("/one").into();
        let mut gathered = Gathered { count: ENTRIES - 1, ..Gathered::default() };
        assert_eq!(gathered.line(&path, |_| {}), Ok(()));
        assert_eq!(gathered.line(&path, |_| {}), Err(Full), "too many");
        let mut gathered = Gathered { bytes: BYTES, ..Gathered::default() };
        assert_eq!(gathered.line(&path, |_| {}), Err(Full), "too long");
    }
}
