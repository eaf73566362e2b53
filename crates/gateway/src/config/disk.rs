//! Files that hold secrets: for the owner alone, and whole or not there at all.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes a directory that only the owner may enter.
pub(super) fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Replaces a file: written beside it, synced, renamed over it, and the rename synced too. After a
/// crash at any moment the file is the old one or the new one.
pub(super) fn replace_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let beside = path.with_extension("new");
    let file = open_private(OpenOptions::new().create(true).write(true).truncate(true), &beside)?;
    let mut buffered = io::BufWriter::with_capacity(256 << 10, file);
    write(&mut buffered)?;
    buffered.into_inner()?.sync_all()?;
    std::fs::rename(&beside, path)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// Opens a file that only the owner may read and write, whatever the umask.
pub(super) fn open_private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.mode(0o600).open(path)
}
