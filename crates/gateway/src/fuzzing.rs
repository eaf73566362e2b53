//! The parsers of untrusted bytes, opened for the fuzz targets.

/// The rule that a connection breaks which comes in these pieces; `None` when it breaks none.
pub fn framing(pieces: &[&[u8]]) -> Option<&'static str> {
    let mut guard = crate::worker::HeadGuard::new();
    pieces.iter().find_map(|piece| guard.feed(piece).err()).map(|violation| violation.rule)
}

/// The rule that a connection of HTTP/2 breaks which comes in these pieces, when its client takes no answers; `None` when it
/// breaks none.
pub fn frames(pieces: &[&[u8]]) -> Option<&'static str> {
    let now = std::time::Instant::now();
    let mut guard = crate::worker::FrameGuard::new(100, now);
    pieces.iter().find_map(|piece| guard.feed(piece, 0, now).err()).map(|violation| violation.rule)
}

/// Reads a client's certificate, and whether it is believed when these bytes are its only authority.
pub fn client_certificate(der: &[u8], authority: &[u8]) -> bool {
    let _ = crate::worker::read_client_certificate(der);
    plan::fuzzed_client(der, authority)
}

/// A path as routes match it; `None` when it is refused.
pub fn normalise(path: &str) -> Option<String> {
    crate::request::normalised(path)
}

/// Status and body of a node's answer that comes in these pieces, as far as it came; an error where it breaks the rules.
///
/// # Errors
/// The rule that is broken.
pub fn answer(pieces: &[&[u8]]) -> Result<Option<(u16, Vec<u8>)>, &'static str> {
    crate::upstream::fuzzed_answer(pieces)
}

/// Reads a last good file.
pub fn last_good(bytes: &[u8]) {
    crate::config::read_records(bytes);
}
