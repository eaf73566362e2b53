//! Fields within objects that are not known: APISIX's schemas let them pass, and nothing follows from them.
//!
//! What a kind itself does not have its schema refuses before, in APISIX's words.

use model::{Kind, validate};
use serde_json::Value;

/// Leaves out what the model has no place for.
pub(super) fn leave_out(kind: Kind, body: &mut Value) {
    let Err(faults) = validate::validate(kind, body) else { return };
    let is_unknown = |message: &str| message.starts_with("property \"") && message.ends_with("\" is unsupported");
    for fault in faults.0.iter().filter(|fault| is_unknown(&fault.message)) {
        remove(body, &fault.pointer);
    }
}

fn remove(body: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    if let Some(fields) = body.pointer_mut(parent).and_then(Value::as_object_mut) {
        fields.remove(&name.replace("~1", "/").replace("~0", "~"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_known_stays() {
        let mut upstream = json!({
            "nodes": [{ "host": "a", "port": 1, "weight": 1, "a/b~": 1 }],
            "timeout": { "connect": 1, "send": 1, "read": 1, "more": 1 },
        });
        leave_out(Kind::Upstream, &mut upstream);
        let known = json!({
            "nodes": [{ "host": "a", "port": 1, "weight": 1 }], "timeout": { "connect": 1, "send": 1, "read": 1 },
        });
        assert_eq!(upstream, known);
    }
}
