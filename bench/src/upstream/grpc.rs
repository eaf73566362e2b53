//! A gRPC server without TLS: one message for every call, with trailers.

use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, server};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use super::TICK;
use crate::grpc;

/// INVALID_ARGUMENT, for a call that is not the one of the benchmark.
const NOT_OURS: &str = "3";

/// Serves until told to stop.
pub(super) fn run(listener: TcpListener, stop: &AtomicBool) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let all = LocalSet::new();
    runtime.block_on(all.run_until(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(serve(stream));
            }
        });
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep(TICK).await;
        }
        Ok(())
    }))
}

/// A connection that breaks is for the load to notice.
async fn serve(stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut builder = server::Builder::new();
    builder.max_concurrent_streams(1024).initial_connection_window_size(1 << 20);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    while let Some(Ok((call, answer))) = connection.accept().await {
        tokio::task::spawn_local(respond(call, answer));
    }
}

async fn respond(call: Request<RecvStream>, mut answer: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let is_ours = is_ours(call).await?;
    let mut head = Response::new(());
    head.headers_mut().insert("content-type", HeaderValue::from_static(grpc::TYPE));
    let mut stream = answer.send_response(head, false)?;
    if is_ours {
        stream.send_data(Bytes::from_static(grpc::REPLY), false)?;
    }
    let status = if is_ours { "0" } else { NOT_OURS };
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(grpc::STATUS, HeaderValue::from_static(status));
    stream.send_trailers(trailers)
}

/// Reads the whole call.
async fn is_ours(call: Request<RecvStream>) -> Result<bool, h2::Error> {
    let (head, mut body) = call.into_parts();
    let mut read = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        read.extend_from_slice(&chunk);
    }
    Ok(read == grpc::CALL && head.headers.get("te").is_some_and(|te| te == "trailers"))
}
