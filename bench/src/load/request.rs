//! What is asked over HTTP/1.1, and which answer is right.

use std::sync::Arc;

use crate::upstream::BODY;

/// A request, or many that differ in one number.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(super) bytes: Vec<u8>,
    /// Where the six digits of the route's number stand.
    digits: Option<usize>,
    /// How many routes there are to choose from.
    routes: u32,
    right: Right,
}

/// The one right answer.
#[derive(Debug, Clone)]
pub(crate) struct Right {
    pub(crate) status: u16,
    pub(crate) body: Arc<[u8]>,
}

impl Default for Right {
    /// The upstream's.
    fn default() -> Self {
        Self { status: 200, body: Arc::from(BODY) }
    }
}

/// Digits of a route's number in its path.
const DIGITS: usize = 6;

impl Request {
    /// `GET path`; `headers` are whole lines without their end.
    pub(crate) fn get(path: &str, headers: &[&str]) -> Self {
        Self::new("GET", path, headers, "")
    }

    /// With a body, unless it is empty.
    pub(crate) fn new(method: &str, path: &str, headers: &[&str], body: &str) -> Self {
        let mut lines: String = headers.iter().flat_map(|line| [line, "\r\n"]).collect();
        if !body.is_empty() {
            lines.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench\r\nAccept: */*\r\n{lines}\r\n{body}"
        );
        Self { bytes: text.into_bytes(), digits: None, routes: 1, right: Right::default() }
    }

    /// `GET` of one of `routes` paths of [`route_path`], each time another.
    pub(crate) fn any_route(routes: u32) -> Self {
        let request = Self::get(&route_path(0), &[]);
        Self { digits: Some("GET ".len() + route_path(0).len() - DIGITS), routes, ..request }
    }

    /// Expects this answer instead of the upstream's.
    pub(crate) fn expecting(self, right: Right) -> Self {
        Self { right, ..self }
    }

    pub(super) fn choose_route(&mut self, random: u64) {
        let Some(at) = self.digits else { return };
        let mut number = random % u64::from(self.routes);
        for digit in self.bytes.iter_mut().skip(at).take(DIGITS).rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }

    /// What is wrong with an answer.
    pub(super) fn fault(&self, status: u16, body: &[u8]) -> Option<String> {
        let is_right = status == self.right.status && body == &*self.right.body;
        (!is_right).then(|| format!("status {status}, body {:?}", shown(body)))
    }
}

/// The beginning of a body, for people.
fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body.get(..80).unwrap_or(body)).into_owned()
}

/// The path of the route with this number, below a million.
pub(crate) fn route_path(number: u32) -> String {
    format!("/api/v1/r/{number:06}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_route_is_written_into_the_path() {
        let mut request = Request::any_route(1000);
        request.choose_route(4_000_123);
        let text = String::from_utf8(request.bytes).unwrap();
        assert!(text.starts_with("GET /api/v1/r/000123 HTTP/1.1\r\n"), "{text}");
    }

    #[test]
    fn only_the_expected_status_and_body_are_right() {
        let request = Request::new("POST", "/", &[], "{}");
        assert!(request.bytes.ends_with(b"Content-Length: 2\r\n\r\n{}"));
        assert_eq!(request.fault(200, BODY), None);
        assert!(request.fault(404, BODY).is_some());
        assert!(request.fault(200, b"A small, fixed lie...").is_some());
        let request = request.expecting(Right { status: 204, body: Arc::from(&b""[..]) });
        assert_eq!(request.fault(204, b""), None);
    }
}
