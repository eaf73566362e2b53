//! The parsers of untrusted bytes, opened for the fuzz targets.

/// What the reader of APISIX's Admin API says is wrong with a body; `None` when nothing is.
pub fn admin_body(bytes: &[u8]) -> Option<String> {
    crate::apisix_admin::fuzzed_body(bytes)
}
