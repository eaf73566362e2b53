use std::sync::{Arc, LazyLock};

use model::Change;
use serde_json::{Value, json};

use crate::fixture::{compiled, delete, put, registry};
use crate::{Compiler, References};

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
fn an_asterisk_alone_serves_what_nothing_else_does_and_the_root_s_dot_is_no_part_of_a_name() {
    let compiler = compiled(&[ssl("all", &["*"]), ssl("dotted", &["www.shop.test."]), ssl("shops", &["*.shop.test"])]);
    let plan = compiler.plan();
    let find = |name: &str| plan.tls().find(name).map(Arc::as_ptr);
    assert!(find("www.shop.test").is_some());
    assert_ne!(find("www.shop.test"), find("a.shop.test"));
    assert_eq!(find("www.shop.test."), find("www.shop.test"));
    assert_eq!(find("a.shop.test."), find("a.shop.test"));
    assert_ne!(find("a.shop.test"), find("other.test"));
    assert!(find("other.test").is_some());
    assert_eq!(find("other.test"), find("deep.other.test"));
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

/// What an instance finds in its environment.
fn environment(name: &str) -> Option<String> {
    static PAIRS: LazyLock<[(String, String); 2]> = LazyLock::new(|| [pair(&["a.test"]), pair(&["b.test"])]);
    let [(cert, key), (_, other_key)] = &*PAIRS;
    match name {
        "CERT" => Some(cert.clone()),
        "KEY" => Some(key.clone()),
        "OTHER_KEY" => Some(other_key.clone()),
        "PAIR" => Some(json!({ "cert": cert, "key": key }).to_string()),
        "WRONG" => Some("no PEM".to_owned()),
        _ => None,
    }
}

/// Whether hands can be shaken for the name; `None` when it is not known.
fn shakes_hands(compiler: &Compiler, name: &str) -> Option<bool> {
    let host = compiler.plan().tls().find(name)?.clone();
    let mut client = client(name);
    let mut server = rustls::ServerConnection::new(host.config.clone()).expect("a server");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("written");
    server.read_tls(&mut bytes.as_slice()).expect("read");
    Some(server.process_new_packets().is_ok())
}

fn client(name: &str) -> rustls::ClientConnection {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    rustls::ClientConnection::new(Arc::new(config), name.to_owned().try_into().expect("a name")).expect("a client")
}

#[test]
fn references_in_place_of_certificates_are_resolved_on_instances_alone() {
    let body = |cert: &str, key: &str| put("ssl/s", json!({ "snis": ["a.test"], "cert": cert, "key": key }));
    let wildcard = ssl("any", &["*.test"]);
    let cases = [
        ("$env://CERT", "$env://KEY", true),
        ("$ENV://PAIR/cert", "$env://PAIR/key", true),
        ("$env://CERT", "$env://OTHER_KEY", false),
        ("$env://WRONG", "$env://KEY", false),
        ("$env://CERT", "$env://NOBODY", false),
        ("$secret://vault/1/a/cert", "$secret://vault/1/a/key", false),
    ];
    for (cert, key, serves) in cases {
        let mut instance = Compiler::new(registry()).resolving(References::to(environment));
        instance.apply(&[body(cert, key), wildcard.clone()]).expect("a variable keeps no revision from being served");
        assert_eq!(shakes_hands(&instance, "a.test"), Some(serves), "{cert} {key}");
        assert_eq!(shakes_hands(&instance, "b.test"), Some(true), "others do not feel it");
        let mut control = compiled(&[]);
        control.apply(&[body(cert, key)]).expect("the control plane takes references as they are");
    }
}

#[test]
fn further_pairs_and_authorities_may_be_references_too() {
    let (cert, key) = pair(&["a.test"]);
    let body = |extra: Value| {
        let mut body = json!({ "snis": ["a.test"], "cert": cert, "key": key });
        body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        put("ssl/s", body)
    };
    let cases = [
        (json!({ "certs": ["$env://CERT"], "keys": ["$env://KEY"] }), true),
        (json!({ "certs": ["$env://CERT"], "keys": ["$env://NOBODY"] }), false),
        (json!({ "client": { "ca": "$env://CERT" } }), true),
        (json!({ "client": { "ca": "$env://WRONG" } }), false),
        (json!({ "client": { "ca": "$env://NOBODY" } }), false),
    ];
    for (extra, serves) in cases {
        let mut instance = Compiler::new(registry()).resolving(References::to(environment));
        instance.apply(&[body(extra.clone())]).expect("served");
        assert_eq!(shakes_hands(&instance, "a.test"), Some(serves), "{extra}");
        let host = instance.plan().tls().find("a.test").cloned().expect("a name");
        assert_eq!(host.client_auth.is_some(), extra.get("client").is_some(), "what was asked of clients still is");
    }
}

#[test]
fn what_nodes_are_shown_may_be_a_reference() {
    let tls =
        |cert: &str, key: &str| json!({ "nodes": { "n:1": 1 }, "tls": { "client_cert": cert, "client_key": key } });
    for (cert, key, shown) in [("$env://CERT", "$env://KEY", true), ("$env://CERT", "$env://NOBODY", false)] {
        let route = json!({ "uri": "/", "upstream": tls(cert, key) });
        let by_id = json!({ "nodes": { "n:1": 1 }, "tls": { "client_cert_id": "c" } });
        let ssl = json!({ "type": "client", "cert": cert, "key": key });
        let changes =
            [put("upstream/u", tls(cert, key)), put("ssl/c", ssl), put("upstream/by-id", by_id), put("route/r", route)];
        let mut instance = Compiler::new(registry()).resolving(References::to(environment));
        instance.apply(&changes).expect("served");
        let plan = instance.plan();
        for id in ["u", "by-id"] {
            let upstream = plan.upstream_by_id(None, id).expect("an upstream");
            assert_eq!(upstream.client_identity.is_some(), shown, "{id} with {key}");
        }
        compiled(&changes);
    }
}

#[test]
fn an_upstream_is_not_served_without_the_certificate_that_it_shows() {
    let (cert, key) = (environment("CERT"), environment("KEY"));
    let ssl = put("ssl/c", json!({ "type": "client", "cert": cert, "key": key }));
    let upstream = put("upstream/u", json!({ "nodes": { "n:1": 1 }, "tls": { "client_cert_id": "c" } }));
    let mut compiler = compiled(&[ssl.clone(), upstream]);
    let serves = |compiler: &Compiler| compiler.plan().upstream_by_id(None, "u").is_some();
    assert!(serves(&compiler));
    compiler.apply(&[delete("ssl/c")]).expect("whoever takes it away has been told");
    assert!(!serves(&compiler) && compiler.faulty().count() == 1);
    compiler.apply(&[ssl]).expect("applied");
    assert!(serves(&compiler) && compiler.faulty().count() == 0);
}

#[test]
fn a_key_that_is_no_pem_is_told_from_one_that_cannot_be_read() {
    let begins = "-----BEGIN PRIVATE KEY-----\n*\n-----END PRIVATE KEY-----\n";
    for (key, message) in [("A", "must be in PEM form"), (begins, "must be a private key in PEM form")] {
        let tls = json!({ "client_cert": environment("CERT"), "client_key": key });
        let upstream = put("upstream/u", json!({ "nodes": { "n:1": 1 }, "tls": tls }));
        let rejection = Compiler::new(registry()).apply(&[upstream]).expect_err("refused");
        assert_eq!((rejection.pointer.as_str(), rejection.message.as_str()), ("/tls/client_key", message));
    }
}
