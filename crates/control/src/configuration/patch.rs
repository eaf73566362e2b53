//! PATCH: RFC 6902 (an array of operations) and RFC 7396 (an object to be merged).

use model::{Fault, Faults};
use serde_json::Value;

/// The document after the patch.
pub(super) fn apply(document: &Value, patch: &Value) -> Result<Value, Faults> {
    let mut patched = document.clone();
    match patch {
        Value::Object(_) => json_patch::merge(&mut patched, patch),
        Value::Array(_) => apply_operations(&mut patched, patch)?,
        _ => return Err(Fault::new("", "must be an array of JSON Patch operations or an object to be merged").into()),
    }
    Ok(patched)
}

fn apply_operations(document: &mut Value, patch: &Value) -> Result<(), Fault> {
    let operations: json_patch::Patch = serde_json::from_value(patch.clone())
        .map_err(|error| Fault::new("", format!("must be JSON Patch operations (RFC 6902): {error}")))?;
    json_patch::patch(document, &operations)
        .map_err(|error| Fault::new(format!("/{}", error.operation), error.kind.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_change_the_document() {
        let document = json!({"name": "a", "desc": "d", "uris": ["/a"]});
        let merged = apply(&document, &json!({"name": "b", "desc": null})).unwrap();
        assert_eq!(merged, json!({"name": "b", "uris": ["/a"]}));
        let operations =
            json!([{"op": "add", "path": "/uris/-", "value": "/b"}, {"op": "test", "path": "/name", "value": "a"}]);
        assert_eq!(apply(&document, &operations).unwrap()["uris"], json!(["/a", "/b"]));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let fault = |patch| apply(&json!({"name": "a"}), &patch).unwrap_err().0.remove(0);
        assert_eq!(fault(json!(7)).pointer, "");
        assert_eq!(fault(json!([{"op": "fly"}])).pointer, "");
        let second = fault(json!([{"op": "remove", "path": "/name"}, {"op": "remove", "path": "/name"}]));
        assert_eq!(second.pointer, "/1");
    }
}
