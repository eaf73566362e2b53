//! One connection: its bytes, who is on the other end, and a way to cut it.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;
use wire::InstanceIdentity;

/// What a request can know of its connection.
#[derive(Clone)]
pub(crate) struct LineInfo {
    /// From the verified client certificate; absent without one, or when it names no instance.
    pub(crate) identity: Option<InstanceIdentity>,
    /// The other end's address, without the port.
    pub(crate) address: IpAddr,
    /// Cuts the connection, whatever the other end does. A stream alone could only be ended politely,
    /// and politeness waits for a peer that does not read.
    pub(crate) cut: CancellationToken,
}

pub(crate) struct Line {
    stream: TlsStream<TcpStream>,
    info: LineInfo,
    is_cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Line {
    pub(crate) fn new(stream: TlsStream<TcpStream>, info: LineInfo) -> Self {
        let is_cut = Box::pin(info.cut.clone().cancelled_owned());
        Self { stream, info, is_cut }
    }

    fn check_cut(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.is_cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl Drop for Line {
    /// Ends the timers that would have cut it.
    fn drop(&mut self) {
        self.info.cut.cancel();
    }
}

impl Connected for Line {
    type ConnectInfo = LineInfo;
    fn connect_info(&self) -> LineInfo {
        self.info.clone()
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check_cut(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check_cut(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_cut(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_cut(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
