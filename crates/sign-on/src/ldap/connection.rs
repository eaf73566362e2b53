//! One conversation with a directory: a request, its answers, the next request.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::ber;
use super::message::{self, Entry, Outcome, Request, Response, Search, UNSOLICITED};
use crate::error::SignOnError;

/// Bytes that a directory may send in the whole of one sign-in: two entries with generous attributes.
const ANSWERS_LIMIT_BYTES: usize = 1024 * 1024;

/// A connection to `what`.
pub(super) struct Connection<S> {
    what: String,
    stream: S,
    buffer: Vec<u8>,
    received: usize,
    last_id: u32,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(what: String, stream: S) -> Self {
        Self { what, stream, buffer: Vec::new(), received: 0, last_id: 0 }
    }

    pub(super) async fn bind(&mut self, dn: &str, password: &str) -> Result<Outcome, SignOnError> {
        self.send(&Request::Bind { dn, password }).await?;
        match self.receive().await? {
            Response::Bind(outcome) => Ok(outcome),
            _ => Err(self.wrong("not with what answers a bind")),
        }
    }

    /// The entries that were found, and how the search ended.
    pub(super) async fn search(&mut self, search: Search<'_>) -> Result<(Vec<Entry>, Outcome), SignOnError> {
        self.send(&Request::Search(search)).await?;
        let mut entries = Vec::new();
        loop {
            match self.receive().await? {
                Response::Entry(entry) => entries.push(entry),
                Response::Reference => {}
                Response::Done(outcome) => return Ok((entries, outcome)),
                Response::Bind(_) | Response::Notice(_) => return Err(self.wrong("not with what answers a search")),
            }
        }
    }

    /// Says goodbye. What became of the user is known by then, so that a failure changes nothing.
    pub(super) async fn end(mut self) {
        let _ = self.send(&Request::Unbind).await;
        let _ = self.stream.shutdown().await;
    }

    async fn send(&mut self, request: &Request<'_>) -> Result<(), SignOnError> {
        self.last_id += 1;
        let bytes = request.encode(self.last_id);
        let sent = self.stream.write_all(&bytes).await;
        let flushed = if sent.is_ok() { self.stream.flush().await } else { sent };
        flushed.map_err(|error| self.broken(&error.to_string()))
    }

    /// The next answer to the last request.
    async fn receive(&mut self) -> Result<Response, SignOnError> {
        loop {
            // Seen at the first byte: what is no LDAP may never become a whole message.
            let is_other = self.buffer.first().is_some_and(|&tag| tag != ber::SEQUENCE);
            let size = if is_other { Err(ber::Malformed) } else { ber::size(&self.buffer) };
            let size = size.map_err(|_| self.wrong("what is no LDAP"))?;
            if let Some(size) = size.filter(|&size| size <= self.buffer.len()) {
                let read = self.buffer.get(..size).ok_or(ber::Malformed).and_then(message::decode);
                self.buffer.drain(..size);
                let (id, response) = read.map_err(|_| self.wrong("what is no LDAP"))?;
                return self.belonging(id, response);
            }
            if size.is_some_and(|size| size > ANSWERS_LIMIT_BYTES) {
                return Err(self.too_large());
            }
            self.fill().await?;
        }
    }

    fn belonging(&self, id: u32, response: Response) -> Result<Response, SignOnError> {
        match response {
            Response::Notice(notice) if id == UNSOLICITED => {
                Err(self
                    .broken(&format!("it ends the conversation with code {}: {:?}", notice.code, notice.diagnostic)))
            }
            response if id == self.last_id => Ok(response),
            _ => Err(self.wrong("what was not asked")),
        }
    }

    async fn fill(&mut self) -> Result<(), SignOnError> {
        let read = self.stream.read_buf(&mut self.buffer).await.map_err(|error| self.broken(&error.to_string()))?;
        if read == 0 {
            return Err(self.broken("it closed the connection"));
        }
        self.received += read;
        if self.received > ANSWERS_LIMIT_BYTES { Err(self.too_large()) } else { Ok(()) }
    }

    fn broken(&self, why: &str) -> SignOnError {
        SignOnError::Unreachable { what: self.what.clone(), why: why.to_owned() }
    }

    fn wrong(&self, why: &str) -> SignOnError {
        SignOnError::Answer { what: self.what.clone(), why: why.to_owned() }
    }

    fn too_large(&self) -> SignOnError {
        SignOnError::TooLarge { what: self.what.clone(), limit_bytes: ANSWERS_LIMIT_BYTES }
    }
}
