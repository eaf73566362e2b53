use std::sync::Arc;

use model::Change;
use serde_json::{Value, json};

use crate::fixture::{compiled, delete, put};

fn pair(names: &[&str]) -> (String, String) {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn ssl(id: &str, names: &[&str]) -> Change {
    let (cert, key) = pair(names);
    put(&format!("ssl/{id}"), json!({ "snis": names, "cert": cert, "key": key }))
}

#[test]
fn the_exact_name_goes_before_a_wildcard_of_one_label_and_the_lower_id_wins() {
    let mut compiler = compiled(&[
        ssl("exact", &["a.shop.test"]),
        ssl("shops", &["*.shop.test"]),
        ssl("top", &["*.test"]),
        ssl("twin-a", &["twin.example"]),
        ssl("twin-b", &["twin.example"]),
    ]);
    let plan = compiler.plan();
    let find = |name: &str| plan.tls().find(name).map(Arc::as_ptr);
    assert!(find("A.shop.TEST").is_some(), "case does not matter");
    assert_ne!(find("a.shop.test"), find("b.shop.test"));
    assert_eq!(find("b.shop.test"), find("c.shop.test"));
    assert_eq!((find("c.d.shop.test"), find(".shop.test")), (None, None), "a wildcard is one label, and not none");
    assert_ne!(find("b.shop.test"), find("shop.test"));
    assert_eq!(find("shop.test"), find("other.test"));
    assert_eq!((find("test"), find("unknown.example"), find("")), (None, None, None));
    let first = find("twin.example");
    compiler.apply(&[delete("ssl/twin-b")]).expect("applied");
    assert_eq!(compiler.plan().tls().find("twin.example").map(Arc::as_ptr), first, "twin-a had it");
    compiler.apply(&[delete("ssl/twin-a")]).expect("applied");
    assert!(compiler.plan().tls().find("twin.example").is_none());
    assert!(plan.tls().find("twin.example").is_some(), "a plan does not change");
}

#[test]
fn disabled_and_client_certificates_serve_no_names() {
    let (cert, key) = pair(&["a.test"]);
    for extra in [json!({ "status": 0 }), json!({ "type": "client" })] {
        let mut body = json!({ "snis": ["a.test"], "cert": cert, "key": key });
        body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        assert!(compiled(&[put("ssl/s", body)]).plan().tls().is_empty());
    }
}

#[test]
fn bad_pairs_are_refused_with_their_pointer() {
    let ((cert, key), (other, _)) = (pair(&["a.test"]), pair(&["b.test"]));
    let body = |cert: &str, key: &str| json!({ "snis": ["a.test"], "cert": cert, "key": key });
    let refused = |body: Value| {
        let mut compiler = compiled(&[]);
        compiler.apply(&[put("ssl/s", body)]).expect_err("refused").pointer
    };
    assert_eq!(refused(body("no certificate", &key)), "/cert");
    assert_eq!(refused(body(&cert, "no key")), "/key");
    assert_eq!(refused(body(&other, &key)), "/key", "the key of another certificate");
    let mut further = body(&cert, &key);
    further["certs"] = json!([other]);
    further["keys"] = json!([key]);
    assert_eq!(refused(further), "/keys/0");
    let mut old = body(&cert, &key);
    old["ssl_protocols"] = json!(["TLSv1.1"]);
    assert_eq!(refused(old), "/ssl_protocols");
}
