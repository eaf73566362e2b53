//! A connection that stopped being HTTP (WebSocket and other upgrades): bytes in both directions until one side ends.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional_with_sizes};

use crate::request::Live;
use crate::upstream::Stream;
use crate::worker::stream::{ClientStream, Tally};
use crate::worker::wheel::Timer;

/// Bytes under way in each direction.
const BUFFER: usize = 16 * 1024;

/// What a connection becomes once the head of the response was sent.
pub(crate) struct Tunnel {
    /// The request that asked for it; its end is logged when the tunnel ends.
    pub(crate) live: Box<Live>,
    /// The node's connection, and what it said already.
    pub(crate) node: (Stream, Bytes),
    /// How long both sides may be silent.
    pub(crate) idle: Duration,
}

impl Tunnel {
    /// Runs until one side ends, breaks off, or both have been silent for too long.
    pub(crate) async fn run<S: AsyncRead + AsyncWrite + Unpin>(mut self, client: ClientStream<S>, tally: &Tally) {
        let before = tally.written.get();
        if let Err(error) = self.relay(client, tally).await {
            tracing::debug!(%error, "a tunnel broke off");
        }
        self.live.exchange.outcome.body_bytes_sent += tally.written.get() - before;
    }

    async fn relay<S>(&mut self, mut client: ClientStream<S>, tally: &Tally) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (node, said) = &mut self.node;
        let mut copying = std::pin::pin!(async {
            client.write_all(said).await?;
            copy_bidirectional_with_sizes(&mut client, node, BUFFER, BUFFER).await
        });
        let timer = Timer::new();
        let moved = || tally.read.get() + tally.written.get();
        loop {
            let seen = moved();
            match timer.limit(self.idle, &mut copying).await {
                Ok(ended) => return ended.map(drop),
                Err(_) if moved() == seen => return Err(io::ErrorKind::TimedOut.into()),
                Err(_) => {}
            }
        }
    }
}
