//! Names of headers that configurations may choose.

use http::header::{HeaderName, InvalidHeaderName};

/// What they are called unless something else was configured.
const USUAL: [&str; 4] = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-request-id"];

/// The name of a header. One of the usual names costs nothing to put on a message: others count, in memory that all
/// workers share, how often they are in use.
pub(crate) fn parse(name: &str) -> Result<HeaderName, InvalidHeaderName> {
    match USUAL.into_iter().find(|usual| usual.eq_ignore_ascii_case(name)) {
        Some(usual) => Ok(HeaderName::from_static(usual)),
        None => HeaderName::try_from(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_and_others() {
        assert_eq!(parse("X-RateLimit-Reset").expect("a name"), "x-ratelimit-reset");
        assert_eq!(parse("X-Tenant").expect("a name"), "x-tenant");
        parse("a b").expect_err("no name");
    }
}
