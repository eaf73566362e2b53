//! A node's answer that comes in pieces, read without a connection: for the fuzz target.

use bytes::BytesMut;

use super::chunks::Piece;
use super::head;

/// Status and body as far as they came; an error where the answer breaks the rules.
pub(crate) fn answer(pieces: &[&[u8]]) -> Result<Option<(u16, Vec<u8>)>, &'static str> {
    let (mut read, mut found, mut body) = (BytesMut::new(), None, Vec::new());
    for piece in pieces {
        read.extend_from_slice(piece);
        if found.is_none() {
            found = head::take(&mut read, false, 0)?;
        }
        let Some(head) = &mut found else { continue };
        loop {
            match head.framing.next(&mut read)? {
                Piece::Data(data) => body.extend_from_slice(&data),
                Piece::Trailers(_) => {}
                Piece::Over | Piece::Missing => break,
            }
        }
    }
    Ok(found.map(|head| (head.status.as_u16(), body)))
}
