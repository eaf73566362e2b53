//! The one thread that brings entries to files and servers. It starts with the first entry and fetches ten times a second
//! what workers have gathered; what it cannot take in time is dropped and counted, for no request waits for a log.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::gathered::{self, Gathered, Lines};

/// Batches being sent at once.
const SENDING: usize = 64;
/// How often files are written and batches looked at.
const TURN: Duration = Duration::from_millis(100);

static DROPPED: AtomicU64 = AtomicU64::new(0);
/// Entries that the courier has fetched and not yet brought or given up.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Where batches go.
pub(crate) trait Sink: Send + Sync {
    /// Names the sink: batches of one name are one.
    fn key(&self) -> u64;
    /// When a batch is full or old enough, and how often to try.
    fn rules(&self) -> BatchRules;
    /// How many entries may wait, on their way all together; a further one is dropped.
    fn most_pending(&self) -> usize;
    /// Sends a batch; whether it arrived.
    fn send(&self, entries: Vec<Bytes>) -> std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;
}

/// Source: `batch-processor.lua` of APISIX.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchRules {
    /// Most entries.
    pub(crate) size: usize,
    /// Sent when none was added for so long.
    pub(crate) inactive: Duration,
    /// Sent when the oldest entry is so old.
    pub(crate) buffer: Duration,
    /// Further tries.
    pub(crate) retries: u32,
    /// Between two tries.
    pub(crate) retry_delay: Duration,
}

/// Adds a line to a file: what `write` appends, which has no line break.
pub(crate) fn write_line(path: &Arc<Path>, write: impl FnOnce(&mut Vec<u8>)) {
    if gathered::with_own(|own| own.line(path, write)).is_err() {
        drop_entries(1);
    }
}

/// Adds an entry to the sink's batch: what `write` appends.
pub(crate) fn deliver(sink: &Arc<dyn Sink>, write: impl FnOnce(&mut Vec<u8>)) {
    if gathered::with_own(|own| own.entry(sink, write)).is_err() {
        drop_entries(1);
    }
}

/// Entries that were dropped: too many at once, or their sink was gone for too long.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// So many entries are fetched from a worker.
pub(super) fn hold(count: usize) {
    HELD.fetch_add(count, Ordering::Relaxed);
}

/// Entries that were fetched from workers and have not arrived.
pub(super) fn held() -> usize {
    HELD.load(Ordering::Relaxed)
}

/// Brings all that is on its way to its sink, but takes no longer than `limit`.
pub(crate) async fn flush(limit: Duration) {
    // Nothing was ever logged: there is no thread to wait for.
    if LazyLock::get(&COURIER).is_none() {
        return;
    }
    let (done, is_done) = oneshot::channel();
    let flushed = async {
        if COURIER.send(done).await.is_ok() {
            let _ = is_done.await;
        }
    };
    if tokio::time::timeout(limit, flushed).await.is_err() {
        tracing::warn!("log entries were still on their way when the time ended");
    }
}

/// Starts the thread, once.
pub(super) fn start() {
    LazyLock::force(&COURIER);
}

/// Takes those who wait for all to be brought.
static COURIER: LazyLock<mpsc::Sender<oneshot::Sender<()>>> = LazyLock::new(|| {
    let (flushes, queue) = mpsc::channel(1);
    let run = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(queue)),
        Err(error) => tracing::error!(%error, "nothing is logged: the thread cannot start"),
    };
    if let Err(error) = std::thread::Builder::new().name("logs".to_owned()).spawn(run) {
        tracing::error!(%error, "nothing is logged: the thread cannot start");
    }
    flushes
});

fn drop_entries(count: usize) {
    DROPPED.fetch_add(count as u64, Ordering::Relaxed);
}

async fn run(mut flushes: mpsc::Receiver<oneshot::Sender<()>>) {
    let mut courier = Courier::default();
    let mut turns = tokio::time::interval(TURN);
    loop {
        tokio::select! {
            flush = flushes.recv() => {
                let Some(done) = flush else { return };
                courier.turn(true);
                courier.arrived().await;
                let _ = done.send(());
            }
            _ = turns.tick() => courier.turn(false),
        }
    }
}

struct Courier {
    files: HashMap<PathBuf, (File, u64)>,
    batches: HashMap<u64, Batch>,
    sending: Arc<Semaphore>,
}

struct Batch {
    sink: Arc<dyn Sink>,
    entries: Vec<Bytes>,
    first: Instant,
    last: Instant,
}

impl Default for Courier {
    fn default() -> Self {
        let sending = Arc::new(Semaphore::new(SENDING));
        Self { files: HashMap::new(), batches: HashMap::new(), sending }
    }
}

impl Courier {
    fn add(&mut self, sink: &Arc<dyn Sink>, entry: Bytes) {
        let now = Instant::now();
        let key = sink.key();
        let new = || Batch { sink: sink.clone(), entries: Vec::new(), first: now, last: now };
        let batch = self.batches.entry(key).or_insert_with(new);
        batch.entries.push(entry);
        batch.last = now;
        if batch.entries.len() >= batch.sink.rules().size {
            self.dispatch(key);
        }
    }

    /// Writes files, sends what is due; all of it when `everything` is wanted.
    fn turn(&mut self, everything: bool) {
        for gathered in gathered::take() {
            self.take_in(gathered);
        }
        let is_due = |batch: &Batch| {
            let rules = batch.sink.rules();
            everything || batch.last.elapsed() >= rules.inactive || batch.first.elapsed() >= rules.buffer
        };
        let due: Vec<u64> = self.batches.iter().filter(|(_, batch)| is_due(batch)).map(|(key, _)| *key).collect();
        due.into_iter().for_each(|key| self.dispatch(key));
    }

    fn take_in(&mut self, gathered: Gathered) {
        for (path, Lines(lines)) in gathered.lines.into_values() {
            self.append(&path, &lines);
        }
        for (sink, entries) in gathered.entries.into_values() {
            entries.split().for_each(|entry| self.add(&sink, entry));
        }
    }

    fn dispatch(&mut self, key: u64) {
        let Some(batch) = self.batches.remove(&key) else { return };
        // A sink that is away must not gather batches without end.
        let count = batch.entries.len();
        let Ok(place) = self.sending.clone().try_acquire_owned() else {
            HELD.fetch_sub(count, Ordering::Relaxed);
            return drop_entries(count);
        };
        tokio::spawn(async move {
            batch.send().await;
            HELD.fetch_sub(count, Ordering::Relaxed);
            drop(place);
        });
    }

    /// Waits until all batches have arrived or been given up.
    async fn arrived(&self) {
        let _ = self.sending.acquire_many(SENDING as u32).await;
    }

    /// Appends to a file, which is opened anew when it was moved away.
    fn append(&mut self, path: &Path, lines: &[u8]) {
        let on_disk = std::fs::metadata(path).map(|metadata| metadata.ino()).ok();
        if self.files.get(path).is_none_or(|(_, opened)| Some(*opened) != on_disk) {
            self.files.remove(path);
            let opened = OpenOptions::new().create(true).append(true).open(path);
            match opened.and_then(|file| file.metadata().map(|metadata| (file, metadata.ino()))) {
                Ok(opened) => drop(self.files.insert(path.to_owned(), opened)),
                Err(error) => return give_up(path, lines, &error),
            }
        }
        if let Some((file, _)) = self.files.get_mut(path)
            && let Err(error) = file.write_all(lines)
        {
            give_up(path, lines, &error);
        }
    }
}

fn give_up(path: &Path, lines: &[u8], error: &std::io::Error) {
    tracing::error!(%error, path = %path.display(), "a log file cannot be written, lines are lost");
    drop_entries(lines.iter().filter(|byte| **byte == b'\n').count());
}

impl Batch {
    async fn send(self) {
        let rules = self.sink.rules();
        for tried in 0..=rules.retries {
            match self.sink.send(self.entries.clone()).await {
                Ok(()) => return,
                Err(reason) => tracing::warn!(tried, reason, "log entries did not arrive"),
            }
            if tried < rules.retries {
                tokio::time::sleep(rules.retry_delay).await;
            }
        }
        drop_entries(self.entries.len());
    }
}
