//! The last good configuration on disk, so that the instance starts with the control plane away.
//!
//! Two files, both made of the channel's own frames, so that what is read at start passes the very
//! checks (signature, revision, digest) that it passed when it came: `last-good.snapshot` is replaced
//! as a whole, `last-good.log` is appended a delta at a time, so that a hundred changes a second do
//! not write a hundred thousand routes each. When the log has grown, both become a new snapshot.

mod record;

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use model::GroupState;
use wire::{Receiver, Signed, Step, frame, v1};

use super::disk;
use record::{RecordError, read_record, write_record};

/// A log below this is never worth a new snapshot, in bytes.
const SMALL_LOG_BYTES: u64 = 1 << 20;
/// Each delta of the log costs a signature's verification at start.
const LONG_LOG_DELTAS: u64 = 1000;
/// How much larger than wanted the log may grow when there is never a quiet moment.
const PATIENCE: u64 = 8;

/// Why what lies on disk is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum LastGoodError {
    #[error("last good configuration: {0}")]
    Io(#[from] io::Error),
    #[error("last good configuration refused: {file} {reason}")]
    Refused { file: &'static str, reason: String },
}

/// Reads all records there are.
#[cfg(feature = "fuzzing")]
pub(crate) fn read_records(mut bytes: &[u8]) {
    while let Ok(Some(_)) = read_record(&mut bytes) {}
}

/// The two files.
pub(super) struct LastGood {
    snapshot: PathBuf,
    log: PathBuf,
    appender: Option<File>,
    snapshot_bytes: u64,
    log_bytes: u64,
    log_deltas: u64,
    is_unsynced: bool,
}

impl LastGood {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self {
            snapshot: data_dir.join("last-good.snapshot"),
            log: data_dir.join("last-good.log"),
            appender: None,
            snapshot_bytes: 0,
            log_bytes: 0,
            log_deltas: 0,
            is_unsynced: false,
        }
    }

    /// Brings an empty receiver to what lies on disk; false when nothing does. After an error the
    /// receiver is not to be used.
    pub(super) fn load(&mut self, receiver: &mut Receiver) -> Result<bool, LastGoodError> {
        let Some(snapshot) = open_existing(&self.snapshot)? else { return Ok(false) };
        self.snapshot_bytes = snapshot.metadata()?.len();
        load_snapshot(snapshot, receiver)?;
        if let Some(log) = open_existing(&self.log)? {
            self.load_log(log, receiver)?;
        }
        Ok(true)
    }

    fn load_log(&mut self, log: File, receiver: &mut Receiver) -> Result<(), LastGoodError> {
        let mut reader = BufReader::new(log);
        loop {
            match read_record(&mut reader) {
                Ok(Some((frame, bytes))) => {
                    take_delta(frame, receiver)?;
                    self.log_bytes += bytes;
                    self.log_deltas += 1;
                }
                Ok(None) => return Ok(()),
                Err(RecordError::Io(error)) => return Err(error.into()),
                // The process died while it appended: what came before is whole and signed.
                Err(RecordError::Torn(reason)) => {
                    tracing::warn!(
                        reason,
                        deltas = self.log_deltas,
                        "last good configuration: the log's end is cut off"
                    );
                    return Ok(self.cut_log()?);
                }
            }
        }
    }

    fn cut_log(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.log)?;
        file.set_len(self.log_bytes)?;
        file.sync_data()
    }

    /// Appends an applied delta. Not synced: losing the last moments in a power cut leaves an older
    /// signed configuration, which the control plane brings up to date.
    pub(super) fn append(&mut self, delta: &v1::ToInstance) -> io::Result<()> {
        let file = match &mut self.appender {
            Some(file) => file,
            closed => closed.insert(disk::open_private(OpenOptions::new().create(true).append(true), &self.log)?),
        };
        let mut record = Vec::new();
        write_record(delta, &mut record)?;
        file.write_all(&record)?;
        self.log_bytes += record.len() as u64;
        self.log_deltas += 1;
        self.is_unsynced = true;
        Ok(())
    }

    /// Replaces both files by one snapshot.
    pub(super) fn rewrite(&mut self, signed: &Signed, state: &GroupState) -> io::Result<()> {
        let mut bytes = 0;
        disk::replace_file(&self.snapshot, |file| {
            for frame in frame::snapshot(signed.clone(), state.iter()) {
                bytes += write_record(&frame, file)?;
            }
            Ok(())
        })?;
        // A crash before this leaves deltas that the snapshot holds already; loading skips them.
        self.appender = None;
        disk::open_private(OpenOptions::new().create(true).write(true).truncate(true), &self.log)?;
        (self.snapshot_bytes, self.log_bytes, self.log_deltas, self.is_unsynced) = (bytes, 0, 0, false);
        Ok(())
    }

    /// Whether the log has grown enough for a new snapshot at the next quiet moment.
    pub(super) fn wants_rewrite(&self) -> bool {
        self.exceeds(1)
    }

    /// Whether it can no longer wait for a quiet moment.
    pub(super) fn needs_rewrite(&self) -> bool {
        self.exceeds(PATIENCE)
    }

    fn exceeds(&self, factor: u64) -> bool {
        let wanted = SMALL_LOG_BYTES.max(self.snapshot_bytes / 2);
        self.log_bytes > wanted * factor || self.log_deltas > LONG_LOG_DELTAS * factor
    }

    /// Whether something was appended that a power cut could lose.
    pub(super) fn is_unsynced(&self) -> bool {
        self.is_unsynced
    }

    /// Makes what was appended survive a power cut.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = self.appender.as_ref().filter(|_| self.is_unsynced) {
            file.sync_data()?;
        }
        self.is_unsynced = false;
        Ok(())
    }
}

fn open_existing(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn load_snapshot(snapshot: File, receiver: &mut Receiver) -> Result<(), LastGoodError> {
    let refused = |reason: String| LastGoodError::Refused { file: "last-good.snapshot", reason };
    let mut reader = BufReader::with_capacity(256 << 10, snapshot);
    loop {
        let (frame, _) = match read_record(&mut reader) {
            Ok(Some(record)) => record,
            Ok(None) => return Err(refused("is cut off".to_owned())),
            Err(RecordError::Io(error)) => return Err(error.into()),
            Err(RecordError::Torn(reason)) => return Err(refused(reason.to_owned())),
        };
        match frame.map(|frame| receiver.receive(frame)) {
            Some(Step::Nothing) | None => {}
            Some(Step::Apply(candidate)) => {
                candidate.commit();
                return Ok(());
            }
            Some(Step::Refuse(nack)) => return Err(refused(nack.message)),
            Some(Step::Resync(resync)) => return Err(refused(resync.message)),
        }
    }
}

fn take_delta(frame: Option<v1::to_instance::Frame>, receiver: &mut Receiver) -> Result<(), LastGoodError> {
    let Some(frame) = frame else { return Ok(()) };
    let refused = |reason: String| Err(LastGoodError::Refused { file: "last-good.log", reason });
    match receiver.receive(frame) {
        Step::Nothing => Ok(()),
        Step::Apply(candidate) => {
            candidate.commit();
            Ok(())
        }
        // Left from before the snapshot.
        Step::Refuse(nack) if nack.reason() == v1::NackReason::Older => Ok(()),
        Step::Refuse(nack) => refused(nack.message),
        Step::Resync(resync) => refused(resync.message),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
