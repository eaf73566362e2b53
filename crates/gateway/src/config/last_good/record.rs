//! One frame in a file: length, checksum, encoded frame.
//!
//! The checksum tells a write that was cut off from a file that was changed on purpose: the latter has
//! right checksums and is found by the signature.

use std::io::{self, Read, Write};

use prost::Message;
use wire::limits::MAX_TO_INSTANCE_BYTES;
use wire::v1::{self, to_instance::Frame};

const CHECKSUM_BYTES: usize = 8;
const HEAD_BYTES: usize = 4 + CHECKSUM_BYTES;

#[derive(Debug)]
pub(super) enum RecordError {
    Io(io::Error),
    /// Not a whole record, or not what was written.
    Torn(&'static str),
}

/// Writes a frame and returns how many bytes that took.
pub(super) fn write_record(frame: &v1::ToInstance, out: &mut (impl Write + ?Sized)) -> io::Result<u64> {
    let payload = frame.encode_to_vec();
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&checksum(&payload))?;
    out.write_all(&payload)?;
    Ok((HEAD_BYTES + payload.len()) as u64)
}

/// Reads the next frame (absent when of a later version) and how many bytes it took; none at the end.
pub(super) fn read_record(input: &mut impl Read) -> Result<Option<(Option<Frame>, u64)>, RecordError> {
    let mut length = [0; 4];
    if !fill(input, &mut length)? {
        return Ok(None);
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_TO_INSTANCE_BYTES {
        return Err(RecordError::Torn("has a record of impossible length"));
    }
    let mut expected = [0; CHECKSUM_BYTES];
    let mut payload = vec![0; length];
    if !fill(input, &mut expected)? || !(length == 0 || fill(input, &mut payload)?) {
        return Err(RecordError::Torn("is cut off"));
    }
    if checksum(&payload) != expected {
        return Err(RecordError::Torn("is damaged: a checksum is wrong"));
    }
    let frame = v1::ToInstance::decode(bytes::Bytes::from(payload)).map_err(|_| RecordError::Torn("is unreadable"))?;
    Ok(Some((frame.frame, (HEAD_BYTES + length) as u64)))
}

/// Fills the buffer; false when the input was at its end already.
fn fill(input: &mut impl Read, mut buffer: &mut [u8]) -> Result<bool, RecordError> {
    let wanted = buffer.len();
    while !buffer.is_empty() {
        match input.read(buffer) {
            Ok(0) if buffer.len() == wanted => return Ok(false),
            Ok(0) => return Err(RecordError::Torn("is cut off")),
            Ok(n) => buffer = buffer.get_mut(n..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(RecordError::Io(error)),
        }
    }
    Ok(true)
}

fn checksum(payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut out = [0; CHECKSUM_BYTES];
    let hash = blake3::hash(payload);
    out.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
    out
}
