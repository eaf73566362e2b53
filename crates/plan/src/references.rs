//! References to environment variables in plugin configurations and in place of certificates: `$env://NAME`, and `$env://NAME/key` for a field of a
//! variable that holds a JSON object.
//!
//! They are resolved where a request is served and nowhere else: the control plane compiles the reference as the text
//! it is, for its own environment is none of the instances' business. So what an instance compiles may differ from
//! what the control plane has accepted; where that cannot be served, the text itself is, as APISIX does with a variable
//! that is not set. Source: <https://apisix.apache.org/docs/apisix/terminology/secret/>

mod certificates;

use std::borrow::Cow;

use model::Fault;
use model::reference::in_environment;
use serde_json::Value;

/// Where variables are read; nowhere on the control plane.
#[derive(Clone, Copy, Default)]
pub struct References {
    environment: Option<fn(&str) -> Option<String>>,
}

impl References {
    /// Resolves references with these variables.
    pub fn to(environment: fn(&str) -> Option<String>) -> Self {
        Self { environment: Some(environment) }
    }

    /// Compiles the configuration with its references resolved; with the texts themselves where that fails, since a
    /// variable of one instance must not keep a revision from being served.
    ///
    /// # Errors
    /// Those of `compile` for the configuration as it is.
    pub(crate) fn compile<T>(
        self,
        conf: &Value,
        owner: &str,
        compile: impl Fn(&Value) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let resolved = match self.resolve(conf, owner) {
            Cow::Borrowed(conf) => return compile(conf),
            Cow::Owned(resolved) => resolved,
        };
        compile(&resolved).or_else(|fault| {
            // The fault's message may show the secret.
            tracing::error!(owner, pointer = fault.pointer, "what a reference leads to cannot be used, so it stays");
            compile(conf)
        })
    }

    /// The configuration with its references resolved. One that leads nowhere is logged and stays as it is.
    pub(crate) fn resolve<'v>(self, conf: &'v Value, owner: &str) -> Cow<'v, Value> {
        match self.environment {
            Some(environment) if has_reference(conf) => {
                let mut resolved = conf.clone();
                replace(&mut resolved, environment, owner);
                Cow::Owned(resolved)
            }
            _ => Cow::Borrowed(conf),
        }
    }
}

fn has_reference(value: &Value) -> bool {
    match value {
        Value::String(text) => in_environment(text).is_some(),
        Value::Array(items) => items.iter().any(has_reference),
        Value::Object(fields) => fields.values().any(has_reference),
        _ => false,
    }
}

fn replace(value: &mut Value, environment: fn(&str) -> Option<String>, owner: &str) {
    match value {
        Value::String(text) => match in_environment(text).map(|path| find(path, environment)) {
            Some(Ok(found)) => *value = found,
            Some(Err(reason)) => tracing::error!(reference = text, owner, reason, "a reference stays as it is"),
            None => {}
        },
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, environment, owner)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, environment, owner)),
        _ => {}
    }
}

/// What `NAME` or `NAME/key` stands for.
fn find(path: &str, environment: fn(&str) -> Option<String>) -> Result<Value, &'static str> {
    let (name, key) = path.split_once('/').map_or((path, ""), |(name, key)| (name, key));
    let text = environment(name).ok_or("no such variable is set")?;
    if key.is_empty() {
        return Ok(Value::String(text));
    }
    let object: Value = serde_json::from_str(&text).map_err(|_| "the variable holds no JSON")?;
    object.get(key).filter(|found| !found.is_null()).cloned().ok_or("the variable's JSON has no such field")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "KEY" => Some("k1".to_owned()),
            "JACK" => Some(r#"{"key": "k2", "a/b": "k3", "port": 6379, "none": null}"#.to_owned()),
            _ => None,
        }
    }

    #[test]
    fn references_become_what_they_name_or_stay() {
        let cases = [
            (json!("$env://KEY"), json!("k1")),
            (json!("$ENV://KEY"), json!("k1")),
            (json!("$env://JACK/key"), json!("k2")),
            (json!("$env://JACK/a/b"), json!("k3")),
            (json!("$env://JACK/port"), json!(6379)),
            (json!({ "a": ["$env://KEY", 1], "b": "x$env://KEY" }), json!({ "a": ["k1", 1], "b": "x$env://KEY" })),
            (json!("$env://NOBODY"), json!("$env://NOBODY")),
            (json!("$env://KEY/key"), json!("$env://KEY/key")),
            (json!("$env://JACK/none"), json!("$env://JACK/none")),
            (json!("$secret://vault/1/a/b"), json!("$secret://vault/1/a/b")),
            (json!("$env"), json!("$env")),
        ];
        for (conf, expected) in cases {
            assert_eq!(*References::to(environment).resolve(&conf, "route/r"), expected, "{conf}");
            assert_eq!(*References::default().resolve(&conf, "route/r"), conf, "not on the control plane");
        }
    }
}
