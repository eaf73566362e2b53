//! Arguments of a request.

use axum::extract;
use http::Uri;

/// The arguments, in order.
#[derive(Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn of(uri: &Uri) -> Self {
        let pairs = extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
        Self(pairs.map(|extract::Query(pairs)| pairs).unwrap_or_default())
    }

    /// Arguments within an argument: `service_id=1&upstream_id=2`.
    pub(super) fn parse(text: &str) -> Self {
        let uri = Uri::builder().path_and_query(format!("/?{text}")).build();
        uri.map(|uri| Self::of(&uri)).unwrap_or_default()
    }

    /// Name and value of each.
    pub(super) fn into_pairs(self) -> impl Iterator<Item = (String, String)> {
        self.0.into_iter()
    }

    /// An argument that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// An argument as it was given.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }
}
