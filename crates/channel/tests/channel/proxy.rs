//! A TCP proxy that cuts its first connection after a number of bytes towards the client.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
}

/// Every connection before the `cut`th and all after it pass; that one ends after `bytes`.
pub(crate) fn start(server: SocketAddr, cut: usize, bytes: usize) -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            let limit = if number == cut { bytes } else { usize::MAX };
            relay(client.unwrap(), TcpStream::connect(server).unwrap(), limit);
        }
    });
    Proxy { address, connections }
}

fn relay(client: TcpStream, server: TcpStream, limit: usize) {
    let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || copy(from_client, to_server, usize::MAX));
    std::thread::spawn(move || copy(server, client, limit));
}

fn copy(mut from: TcpStream, mut to: TcpStream, limit: usize) {
    let (mut buffer, mut left) = ([0; 4096], limit);
    while left > 0 {
        let Ok(n @ 1..) = from.read(&mut buffer) else { break };
        let n = n.min(left);
        left -= n;
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
