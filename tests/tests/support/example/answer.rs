//! What came of a request.

use std::io::Read;

use flate2::read::GzDecoder;
use hyper::HeaderMap;
use rustls_pki_types::CertificateDer;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub trailers: HeaderMap,
    /// As it came; of a gRPC call, its message without the frame.
    pub body: Vec<u8>,
    /// What a WebSocket's other side said.
    pub messages: Vec<String>,
    /// What the gateway showed, over TLS.
    pub certificate: Option<CertificateDer<'static>>,
}

impl Answer {
    /// The body as text, unpacked.
    pub fn text(&self) -> String {
        let is_packed = self.headers.get("content-encoding").is_some_and(|coding| coding == "gzip");
        let mut unpacked = Vec::new();
        let bytes = match GzDecoder::new(&self.body[..]).read_to_end(&mut unpacked) {
            Ok(_) if is_packed => &unpacked,
            _ => &self.body,
        };
        String::from_utf8_lossy(bytes).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let value = self.headers.get(name).or_else(|| self.trailers.get(name))?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// The upstream that answered, if one did.
    pub fn upstream(&self) -> Option<String> {
        self.header("x-upstream")
    }

    /// For whoever reads why a test failed.
    pub fn summary(&self) -> String {
        let text: String = self.text().chars().take(600).collect();
        format!("{} {:?} {:?} {text}", self.status, self.headers, self.messages)
    }
}
