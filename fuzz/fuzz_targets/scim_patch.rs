//! Changes by SCIM: whatever is accepted gives a resource that can be read again, and reading it twice changes nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use scim::patch::Patch;
use scim::schema::{Definition, GROUP, USER};
use serde_json::{Value, json};

fuzz_target!(|bytes: &[u8]| {
    let Ok(body) = serde_json::from_slice::<Value>(bytes) else { return };
    // A change is mostly what stands in `Operations`; the list alone is as good.
    let body = if body.is_array() { json!({ "Operations": body }) } else { body };
    let Ok(patch) = Patch::parse(&body) else { return };
    let user = json!({
        "userName": "ann", "active": true, "name": { "givenName": "Ann" },
        "emails": [{ "value": "a@x", "type": "work", "primary": true }, { "value": "h@x", "type": "home" }],
    });
    change(&USER, &patch, &user);
    change(&GROUP, &patch, &json!({ "displayName": "g", "members": [{ "value": "1" }, { "value": "2" }] }));
});

fn change(definition: &Definition, patch: &Patch, resource: &Value) {
    let before = definition.read(resource).expect("a resource");
    let Ok(changed) = patch.apply(definition, &before) else { return };
    let Ok(read) = definition.read(&Value::Object(changed)) else { return };
    assert_eq!(definition.read(&Value::Object(read.clone())).as_ref(), Ok(&read));
}
