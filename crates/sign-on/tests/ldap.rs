//! Signing in by a real OpenLDAP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sign_on::{ExternalIdentity, Ldap, LdapConfig, SignOnError};
use testkit::authority::Authority;
use testkit::ldap::{Clients, Ldap as Server, SUFFIX};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const ENTRIES: &str = "
dn: cn=reader,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: readers secret

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=guests,dc=example,dc=org
objectClass: organizationalUnit
ou: guests

dn: uid=alice,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: alice
cn: Alice Adams
sn: Adams
mail: alice@example.com
mail: al@example.com
departmentNumber: payments
userPassword: alices secret

dn: cn=Odd (One) * \\5C,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: odd*)(name\\
cn: Odd (One) * \\
sn: One
userPassword: odd secret

dn: uid=keyless,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: keyless
cn: Keyless
sn: Keyless

dn: uid=twin,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: twin
cn: Twin
sn: Twin
userPassword: twins secret

dn: uid=twin,ou=guests,dc=example,dc=org
objectClass: inetOrgPerson
uid: twin
cn: Twin
sn: Twin
userPassword: twins secret

dn: cn=developers,dc=example,dc=org
objectClass: groupOfNames
cn: developers
member: uid=alice,ou=people,dc=example,dc=org
";

fn server() -> Server {
    certified(&Authority::new().expect("an authority"), Clients::Anyone)
}

fn certified(authority: &Authority, clients: Clients) -> Server {
    let mut server = Server::start(authority, clients).expect("OpenLDAP");
    server.load(ENTRIES).expect("entries");
    server
}

fn client(server: &Server, changes: Value) -> Ldap {
    let mut config = json!({
        "host": "127.0.0.1", "port": server.port, "base_dn": SUFFIX,
        "bind_dn": format!("cn=reader,{SUFFIX}"), "bind_password": "readers secret",
    });
    config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    Ldap::new(LdapConfig::parse(&config).expect("a configuration")).expect("a client")
}

fn refusal(result: Result<ExternalIdentity, SignOnError>) -> &'static str {
    match result {
        Err(SignOnError::Credentials { why, .. }) => why,
        other => panic!("not refused as wrong credentials: {other:?}"),
    }
}

#[tokio::test]
async fn a_user_signs_in_with_name_and_password() {
    let server = server();
    let ldap = client(&server, json!({}));
    let alice = ldap.sign_in("alice", "alices secret").await.expect("signed in");
    assert_eq!((alice.username.as_str(), alice.email.as_deref()), ("alice", Some("alice@example.com")));
    assert_eq!(alice.display_name.as_deref(), Some("Alice Adams"));
    assert_eq!(alice.attributes["mail"], json!(["alice@example.com", "al@example.com"]));
    assert_eq!(alice.attributes["departmentNumber"], json!(["payments"]));
    assert_eq!(alice.attributes["memberOf"], json!([format!("cn=developers,{SUFFIX}")]));
    assert_eq!(alice.attributes["dn"], json!([format!("uid=alice,ou=people,{SUFFIX}")]));
    // The account that searches may read the hash; nobody after it.
    assert!(!alice.attributes.contains_key("userPassword"), "{:?}", alice.attributes);
    assert_eq!(alice.attributes["entryUUID"], json!([alice.subject]));

    // The directory pays no heed to case, and this is still the same user.
    let again = ldap.sign_in("ALICE", "alices secret").await.expect("signed in");
    assert_eq!(again, alice);
    let by_mail = client(&server, json!({"identifier": "mail", "attributes": {"display_name": "sn"}}));
    let by_mail = by_mail.sign_in("al@example.com", "alices secret").await.expect("signed in");
    assert_eq!((by_mail.subject, by_mail.display_name.as_deref()), (alice.subject, Some("Adams")));
}

#[tokio::test]
async fn who_does_not_prove_it_is_refused() {
    let server = server();
    let ldap = client(&server, json!({}));
    assert_eq!(refusal(ldap.sign_in("alice", "bobs secret").await), "a wrong password");
    assert_eq!(refusal(ldap.sign_in("nobody", "alices secret").await), "no such user");
    assert_eq!(refusal(ldap.sign_in("alice", "").await), "an empty password");
    assert_eq!(refusal(ldap.sign_in("", "alices secret").await), "a name that is empty or too long");
    assert_eq!(refusal(ldap.sign_in(&"a".repeat(257), "alices secret").await), "a name that is empty or too long");
    assert_eq!(refusal(ldap.sign_in("keyless", "anything").await), "a wrong password");
    let twin = ldap.sign_in("twin", "twins secret").await;
    assert!(matches!(twin, Err(SignOnError::Ambiguous { .. })), "{twin:?}");
    let below = client(&server, json!({"base_dn": format!("ou=guests,{SUFFIX}")}));
    below.sign_in("twin", "twins secret").await.expect("the only one below");

    // Nobody learns from the text whether a user is there.
    let texts = [ldap.sign_in("alice", "x").await, ldap.sign_in("nobody", "x").await, ldap.sign_in("twin", "x").await];
    let texts = texts.map(|result| result.expect_err("refused").user_text());
    assert!(texts.iter().all(|text| text == &texts[0]), "{texts:?}");
}

#[tokio::test]
async fn a_name_is_no_filter() {
    let server = server();
    let ldap = client(&server, json!({}));
    let attempts = [
        "*",
        "a*",
        "alic?",
        "*)(uid=*",
        "alice)(objectClass=*",
        "alice))(|(uid=*",
        "al\\69ce",
        "\\61lice",
        "alice\0",
        "\0",
        "\\",
        "alice\\00",
        "alice,ou=people",
        "uid=alice",
        "&",
        "|(uid=alice)",
        "(uid=alice)",
        "\u{ff0a}",
    ];
    for name in attempts {
        let result = ldap.sign_in(name, "alices secret").await;
        assert_eq!(refusal(result), "no such user", "{name:?}");
    }
    let odd = ldap.sign_in("odd*)(name\\", "odd secret").await.expect("such a name is a name");
    assert_eq!(odd.display_name.as_deref(), Some("Odd (One) * \\"));
}

#[tokio::test]
async fn a_directory_may_be_searched_anonymously_or_not() {
    let server = server();
    let anonymous = |base: String| client(&server, json!({"bind_dn": "", "bind_password": "", "base_dn": base}));
    anonymous(format!("ou=guests,{SUFFIX}")).sign_in("twin", "twins secret").await.expect("open to all");
    let error = anonymous(SUFFIX.to_owned()).sign_in("alice", "alices secret").await.expect_err("refused");
    assert!(matches!(error, SignOnError::Directory { code: 50, .. }), "{error}");
    let stranger = client(&server, json!({"bind_password": "wrong"}));
    let error = stranger.sign_in("alice", "alices secret").await.expect_err("refused");
    assert!(matches!(error, SignOnError::Directory { what: "to bind as bind_dn", code: 49, .. }), "{error}");
    assert!(!error.is_users());
    let elsewhere = client(&server, json!({"base_dn": "dc=example,dc=com"}));
    let error = elsewhere.sign_in("alice", "alices secret").await.expect_err("refused");
    assert!(matches!(error, SignOnError::Directory { what: "to search below base_dn", .. }), "{error}");
}

#[tokio::test]
async fn a_directory_that_is_gone_comes_back() {
    let mut server = server();
    let ldap = client(&server, json!({}));
    server.stop().expect("stopped");
    let error = ldap.sign_in("alice", "alices secret").await.expect_err("gone");
    assert!(matches!(error, SignOnError::Unreachable { .. }), "{error}");
    server.start_again().expect("started");
    ldap.sign_in("alice", "alices secret").await.expect("signed in");
}

#[tokio::test]
async fn a_directory_that_hangs_is_not_waited_for() {
    let mut server = server();
    for changes in [json!({"timeout": 1}), json!({"timeout": 1, "use_ssl": true, "port": server.tls_port})] {
        let ldap = client(&server, changes);
        server.pause().expect("paused");
        let begun = Instant::now();
        let error = ldap.sign_in("alice", "alices secret").await.expect_err("silent");
        assert!(matches!(error, SignOnError::TimedOut { .. }), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(8), "it was waited for");
        server.resume().expect("resumed");
    }
    client(&server, json!({})).sign_in("alice", "alices secret").await.expect("signed in");
}

#[tokio::test]
async fn tls_believes_the_configured_authority_alone() {
    let authority = Authority::new().expect("an authority");
    let server = certified(&authority, Clients::Anyone);
    let tls = |changes: Value| {
        let mut all = json!({"use_ssl": true, "port": server.tls_port});
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        client(&server, all)
    };
    tls(json!({"root_ca_cert": authority.pem()})).sign_in("alice", "alices secret").await.expect("signed in");
    tls(json!({"ssl_verify": false})).sign_in("alice", "alices secret").await.expect("signed in");
    let stranger = Authority::new().expect("an authority").pem();
    for changes in
        [json!({}), json!({"root_ca_cert": stranger}), json!({"root_ca_cert": authority.pem(), "host": "localhost"})]
    {
        let error = tls(changes.clone()).sign_in("alice", "alices secret").await.expect_err("not believed");
        assert!(matches!(error, SignOnError::Unreachable { .. }), "{changes}: {error}");
        assert!(error.to_string().contains("certificate"), "{changes}: {error}");
    }
    // Plain LDAP spoken to a TLS port ends, and not by a panic.
    let error = client(&server, json!({"port": server.tls_port})).sign_in("alice", "alices secret").await;
    assert!(error.is_err());
}

#[tokio::test]
async fn a_directory_may_ask_for_our_certificate() {
    let authority = Authority::new().expect("an authority");
    let server = certified(&authority, Clients::Certified);
    let own = authority.issue("flotilla").expect("a certificate");
    let base = json!({"use_ssl": true, "port": server.tls_port, "root_ca_cert": authority.pem()});
    let without = client(&server, base.clone()).sign_in("alice", "alices secret").await.expect_err("not let in");
    assert!(matches!(without, SignOnError::Unreachable { .. }), "{without}");
    let mut with = base;
    with["client_cert"] = own.certificate.into();
    with["client_key"] = own.key.into();
    client(&server, with).sign_in("alice", "alices secret").await.expect("signed in");
}

/// A server that answers whatever it is asked with these bytes.
async fn answers(bytes: Vec<u8>) -> Result<ExternalIdentity, SignOnError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let config = json!({"host": "127.0.0.1", "port": port, "base_dn": "dc=x", "timeout": 5});
    let ldap = Ldap::new(LdapConfig::parse(&config).expect("a configuration")).expect("a client");
    let serve = async {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut request = [0; 1024];
        let read = stream.read(&mut request).await.expect("a request");
        assert!(read > 0);
        // The client may have heard enough before all is sent.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        // Until the client hangs up, lest what was sent is lost with the connection.
        while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
    };
    tokio::join!(ldap.sign_in("alice", "alices secret"), serve).0
}

#[tokio::test]
async fn what_is_no_ldap_is_refused() {
    let cases = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        b"\x30\x00".to_vec(),
        b"\x30\x80\x00\x00".to_vec(),
        b"\x30\x84\xff\xff\xff\xff".to_vec(),
        b"\x02\x01\x01".to_vec(),
        // An answer to what was not asked, and of a kind that is none.
        b"\x30\x0c\x02\x01\x07\x65\x07\x0a\x01\x00\x04\x00\x04\x00".to_vec(),
        b"\x30\x0c\x02\x01\x01\x7f\x07\x0a\x01\x00\x04\x00\x04\x00".to_vec(),
        b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00".to_vec(),
    ];
    for bytes in cases {
        let error = answers(bytes.clone()).await.expect_err("refused");
        assert!(matches!(error, SignOnError::Answer { .. } | SignOnError::TooLarge { .. }), "{bytes:?}: {error}");
    }
    // A notice of disconnection, and a connection that ends.
    for bytes in [b"\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00".to_vec(), b"\x30\x0c\x02".to_vec()] {
        let error = answers(bytes.clone()).await.expect_err("refused");
        assert!(matches!(error, SignOnError::Unreachable { .. }), "{bytes:?}: {error}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    // References to elsewhere, one after the other, far beyond any limit.
    let references = b"\x30\x0c\x02\x01\x01\x73\x07\x04\x05ldap:".repeat(200_000);
    let error = answers(references).await.expect_err("refused");
    assert!(matches!(error, SignOnError::TooLarge { .. }), "{error}");
}

/// A root entry has no name, and a bind without a name proves nothing whatever the password.
#[tokio::test]
async fn an_entry_without_a_name_is_nobody() {
    let entry = b"\x30\x09\x02\x01\x01\x64\x04\x04\x00\x30\x00";
    let done = b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00";
    assert_eq!(refusal(answers([&entry[..], done].concat()).await), "an entry without a name");
}

/// A bind as the user that ends with anything but success is none, whatever it ends with.
#[tokio::test]
async fn only_success_signs_in() {
    let found =
        b"\x30\x0d\x02\x01\x01\x64\x08\x04\x04cn=a\x30\x00\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00";
    for code in 0..=90_u8 {
        let bind = [0x30, 0x0c, 2, 1, 2, 0x61, 7, 0x0a, 1, code, 4, 0, 4, 0];
        match answers([&found[..], &bind].concat()).await {
            Ok(identity) => assert_eq!((code, identity.subject.as_str()), (0, "cn=a")),
            Err(SignOnError::Credentials { .. }) => assert!(matches!(code, 48 | 49), "{code}"),
            Err(SignOnError::Directory { what: "to bind as the user", .. }) => {
                assert!(!matches!(code, 0 | 48 | 49), "{code}")
            }
            Err(other) => panic!("{code}: {other}"),
        }
    }
}
