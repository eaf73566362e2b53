//! Texts that stand for another one, kept elsewhere: `$env://NAME` in the environment of an instance, `$secret://vault/1/...` in
//! a manager of secrets. Source: <https://apisix.apache.org/docs/apisix/terminology/secret/>

const ENVIRONMENT: &str = "$env://";
const SECRET: &str = "$secret://";

/// Whether the text stands for another one.
pub fn is_reference(text: &str) -> bool {
    in_environment(text).is_some() || after(SECRET, text).is_some()
}

/// `NAME` or `NAME/key` of a reference to an environment variable.
pub fn in_environment(text: &str) -> Option<&str> {
    after(ENVIRONMENT, text)
}

/// What follows the scheme, which is written in letters of any case.
fn after<'t>(scheme: &str, text: &'t str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_from_other_texts() {
        for reference in ["$env://KEY", "$ENV://KEY/a", "$secret://vault/1/a", "$Secret://", "$env://"] {
            assert!(is_reference(reference), "{reference}");
        }
        for text in ["", "$", "$env:/KEY", "env://KEY", " $env://KEY", "$secretes://", "$env\u{e9}://", "-----BEGIN"] {
            assert!(!is_reference(text), "{text}");
        }
        assert_eq!(in_environment("$ENV://JACK/key"), Some("JACK/key"));
        assert_eq!(in_environment("$secret://JACK"), None);
    }
}
