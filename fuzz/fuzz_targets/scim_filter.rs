//! SCIM filters: whatever is accepted is checked and evaluated without a fault, and `not` means not.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use scim::Object;
use scim::filter::Filter;
use scim::path::AttributePath;
use scim::schema::{GROUP, USER};
use serde_json::json;

static USER_OBJECT: LazyLock<Object> = LazyLock::new(|| {
    let user = json!({
        "userName": "Ann", "active": true, "name": { "givenName": "Ann" }, "externalId": "1",
        "emails": [{ "value": "a@x", "type": "work", "primary": true }, { "value": "h@x", "type": "home" }],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "d" },
    });
    USER.read(&user).expect("a user")
});

fuzz_target!(|text: &str| {
    if let Ok(path) = AttributePath::parse(text) {
        assert_eq!(AttributePath::parse(&path.to_string()).as_ref(), Ok(&path));
    }
    let Ok(filter) = Filter::parse(text) else { return };
    let _ = filter.check(&GROUP);
    if filter.check(&USER).is_ok() {
        let met = filter.matches(&USER, &USER_OBJECT);
        assert_eq!(Filter::Not(Box::new(filter)).matches(&USER, &USER_OBJECT), !met);
    }
});
