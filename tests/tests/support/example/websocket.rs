//! As much of RFC 6455 as a short talk needs: text messages of one frame, at most 65,535 bytes each.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A whole message of text.
const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const MASKED: u8 = 0x80;
/// A length that stands in the next two bytes.
const TWO_BYTES: u8 = 126;
const LONGEST_SHORT: usize = 125;

/// Who writes: clients mask what they send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

pub async fn send(stream: &mut (impl AsyncWrite + Unpin), side: Side, text: &str) -> io::Result<()> {
    write(stream, side, TEXT, text.as_bytes()).await
}

/// Normal closure, without a reason.
pub async fn close(stream: &mut (impl AsyncWrite + Unpin), side: Side) -> io::Result<()> {
    write(stream, side, CLOSE, &[]).await
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), side: Side, kind: u8, payload: &[u8]) -> io::Result<()> {
    let masked = if side == Side::Client { MASKED } else { 0 };
    let length = u16::try_from(payload.len()).map_err(io::Error::other)?;
    let mut frame = vec![kind];
    if payload.len() <= LONGEST_SHORT {
        frame.push(masked | length as u8);
    } else {
        frame.push(masked | TWO_BYTES);
        frame.extend(length.to_be_bytes());
    }
    if side == Side::Client {
        // Any mask will do for a test.
        let mask = [7, 77, 177, 227];
        frame.extend(mask);
        frame.extend(unmasked(payload, mask));
    } else {
        frame.extend(payload);
    }
    stream.write_all(&frame).await
}

/// The next message; `None` when the other side closes.
pub async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<String>> {
    let (kind, length) = (stream.read_u8().await?, stream.read_u8().await?);
    let size = match length & !MASKED {
        TWO_BYTES => usize::from(stream.read_u16().await?),
        short => usize::from(short),
    };
    let mut mask = [0; 4];
    if length & MASKED != 0 {
        stream.read_exact(&mut mask).await?;
    }
    let mut payload = vec![0; size];
    stream.read_exact(&mut payload).await?;
    match kind {
        TEXT => String::from_utf8(unmasked(&payload, mask)).map(Some).map_err(io::Error::other),
        CLOSE => Ok(None),
        other => Err(io::Error::other(format!("a frame of kind {other:#x}"))),
    }
}

fn unmasked(payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}
