//! Small HTTP servers for operators: status and metrics.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// An answer: status, content type, body.
pub(crate) type Answer = (StatusCode, &'static str, String);

/// Serves `answer` by path for as long as the runtime lives.
///
/// # Errors
/// When the address cannot be taken; the error names it.
pub(crate) async fn serve(
    address: SocketAddr,
    answer: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static,
) -> io::Result<SocketAddr> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot bind {address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(named)?;
    let bound = listener.local_addr()?;
    tokio::spawn(accept(listener, Arc::new(answer)));
    Ok(bound)
}

async fn accept(listener: TcpListener, answer: Arc<impl Fn(&str) -> Option<Answer> + Send + Sync + 'static>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        let answer = answer.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let response = respond(answer(request.uri().path()));
            async move { Ok::<_, Infallible>(response) }
        });
        let mut engine = http1::Builder::new();
        engine.timer(TokioTimer::new());
        tokio::spawn(async move {
            let _ = engine.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn respond(answer: Option<Answer>) -> Response<Full<Bytes>> {
    let not_found = || (StatusCode::NOT_FOUND, "application/json", "{\"error_msg\":\"not found\"}\n".to_owned());
    let (status, content_type, body) = answer.unwrap_or_else(not_found);
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
