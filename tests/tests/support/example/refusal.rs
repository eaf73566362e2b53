//! Whether it was the gateway that closed a connection. A client that goes away because it does not believe the
//! certificate, or waits in vain, was not refused.

use std::io;

use rustls::Error as TlsError;

pub fn is_of_the_gateway(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| match (cause.downcast_ref::<io::Error>(), cause.downcast_ref::<hyper::Error>()) {
        (Some(error), _) => closes(error),
        (_, Some(error)) => error.is_incomplete_message() || error.is_closed(),
        _ => false,
    })
}

fn closes(error: &io::Error) -> bool {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        Some(tls) => matches!(tls, TlsError::AlertReceived(_)),
        None => matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset),
    }
}
