//! Listening sockets, one per worker and address; the kernel spreads connections over them.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted; the kernel's own limit (`somaxconn`) may be lower.
const BACKLOG: i32 = 4096;

/// Takes `address` once per worker, without listening yet. Port 0 gives all of them the same free port.
pub(crate) fn bind(address: SocketAddr, workers: usize) -> io::Result<Vec<Socket>> {
    let first = bind_one(address)?;
    let address = first.local_addr()?.as_socket().unwrap_or(address);
    let others = (1..workers.max(1)).map(|_| bind_one(address));
    std::iter::once(Ok(first)).chain(others).collect()
}

/// From now on the kernel takes connections for this socket.
pub(crate) fn listen(socket: &Socket) -> io::Result<()> {
    socket.listen(BACKLOG)
}

fn bind_one(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
