//! One byte form for each JSON value, so that equal configurations have equal digests.

use serde_json::Value;

/// Writes `value` with object keys sorted by their bytes and no white space.
///
/// Does not rely on `serde_json::Map` being ordered: a dependency could switch that off.
pub fn canonical(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by(|a, b| a.0.cmp(b.0));
            out.push(b'{');
            for (n, (key, value)) in entries.into_iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write_scalar(&Value::String(key.clone()), out);
                out.push(b':');
                write(value, out);
            }
            out.push(b'}');
        }
        Value::Array(items) => {
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        scalar => write_scalar(scalar, out),
    }
}

fn write_scalar(value: &Value, out: &mut Vec<u8>) {
    // `Display` of a scalar is its JSON text and cannot fail.
    out.extend_from_slice(value.to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_space_of_the_input_do_not_show() {
        let one: Value = serde_json::from_str(r#"{"b": [1, {"y":null,"x":"é\n"}], "a": true}"#).expect("json");
        let two: Value = serde_json::from_str(r#"{"a":true,"b":[1,{"x":"é\n","y":null}]}"#).expect("json");
        assert_eq!(canonical(&one), canonical(&two));
        assert_eq!(String::from_utf8(canonical(&one)).expect("utf8"), r#"{"a":true,"b":[1,{"x":"é\n","y":null}]}"#);
    }
}
