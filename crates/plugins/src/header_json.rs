//! Headers as JSON, and from it.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use model::Fault;
use plugin_api::{Exchange, Template};
use serde_json::{Map, Value};

/// Names in lower case; several of one name are a list.
pub(crate) fn of(headers: &HeaderMap) -> Value {
    let text = |value: &HeaderValue| Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned());
    let named = headers.keys().map(|name| {
        let mut all: Vec<Value> = headers.get_all(name).iter().map(text).collect();
        let value = if all.len() == 1 { all.swap_remove(0) } else { Value::Array(all) };
        (name.as_str().to_owned(), value)
    });
    Value::Object(named.collect())
}

/// Headers of a configuration whose values have variables.
pub(crate) struct HeaderTemplates(Vec<(HeaderName, Template)>);

impl HeaderTemplates {
    /// Those that stand at `pointer`; values are texts or numbers.
    ///
    /// # Errors
    /// When a name cannot be a header's.
    pub(crate) fn parse(fields: &Map<String, Value>, pointer: &str) -> Result<Self, Fault> {
        let header = |(name, value): (&String, &Value)| {
            let name = HeaderName::try_from(name.as_str());
            let name = name.map_err(|_| Fault::new(pointer, "must have headers' names"))?;
            Ok((name, Template::parse(&text_of(value))))
        };
        fields.iter().map(header).collect::<Result<_, _>>().map(Self)
    }

    /// With the values of this exchange; one that cannot stand in a header is left out.
    pub(crate) fn render<'a>(&'a self, exchange: &'a Exchange) -> impl Iterator<Item = (HeaderName, HeaderValue)> + 'a {
        self.0.iter().filter_map(|(name, value)| {
            HeaderValue::try_from(value.render(exchange)).ok().map(|value| (name.clone(), value))
        })
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Constant headers of a configuration that stand at `pointer`; values are texts or numbers.
///
/// # Errors
/// When a name or a value cannot stand in a header.
pub(crate) fn parse(fields: &Map<String, Value>, pointer: &str) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let pair = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::try_from(text_of(value)).ok());
        let (name, value) = pair.ok_or_else(|| Fault::new(pointer, "must have headers' names and values"))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_become_json_and_back() {
        let fields = json!({ "X-A": "b", "x-n": 5 });
        let mut headers = parse(fields.as_object().expect("fields"), "/headers").expect("headers");
        headers.append("x-a", HeaderValue::from_static("c"));
        assert_eq!(of(&headers), json!({ "x-a": ["b", "c"], "x-n": "5" }));
        let wrong = json!({ "a b": "c" });
        assert_eq!(parse(wrong.as_object().expect("fields"), "/headers").expect_err("a fault").pointer, "/headers");
    }
}
