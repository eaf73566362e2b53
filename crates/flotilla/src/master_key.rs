//! The master key that seals secrets at rest, and files for their owner alone.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use store::MasterKey;

/// The key from the environment or a file; the file is made when it is missing and `may_create` holds.
pub(crate) fn load(given: Option<&str>, file: &Path, may_create: bool) -> anyhow::Result<MasterKey> {
    if let Some(text) = given {
        return parse(text).context("FLOTILLA_MASTER_KEY");
    }
    match std::fs::read_to_string(file) {
        Ok(text) => parse(text.trim()).with_context(|| format!("master key file {}", file.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound && may_create => create(file),
        Err(error) => Err(error).with_context(|| {
            // Replicas share a database, so each making a key of its own would lock the others out.
            let how =
                "make one for all replicas, `openssl rand -hex 32`, and give it by FLOTILLA_MASTER_KEY or as this file";
            format!("cannot read the master key file {}: {how}", file.display())
        }),
    }
}

fn parse(text: &str) -> anyhow::Result<MasterKey> {
    let mut bytes = [0; 32];
    if hex::decode_to_slice(text, &mut bytes).is_err() {
        bail!("must be 64 hexadecimal digits (32 random bytes)");
    }
    Ok(MasterKey::new(bytes))
}

fn create(file: &Path) -> anyhow::Result<MasterKey> {
    let bytes: [u8; 32] = rand::random();
    write_private(file, hex::encode(bytes).as_bytes()).with_context(|| format!("cannot write {}", file.display()))?;
    tracing::info!(file = %file.display(), "made a master key: keep a copy, without it the database cannot be read");
    Ok(MasterKey::new(bytes))
}

/// Writes a file that only its owner can read; whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let temporary = path.with_extension("tmp");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}

/// Makes a directory that only its owner can enter.
pub(crate) fn create_private_dir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
