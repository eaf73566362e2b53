use model::Kind;
use store::{MasterKey, Store, StoreError};

use crate::support::*;

async fn two_routes(f: &Fixture) {
    for name in ["g", "h"] {
        let g = create_group(&f.store, name).await;
        let changes =
            vec![put(Kind::Route, "r1", r#"{"desc":"hush-1"}"#), put(Kind::Route, "r2", r#"{"desc":"hush-2"}"#)];
        commit(&f.store, &g, 0, changes).await.unwrap();
    }
}

pub(crate) async fn another_master_key_is_refused(f: Fixture) {
    let error = Store::open(&f.url, MasterKey::new([8; 32])).await.err().unwrap();
    assert!(matches!(error, StoreError::WrongMasterKey), "{error:?}");
    f.replica().await;
}

pub(crate) async fn nothing_secret_is_in_clear(f: Fixture) {
    two_routes(&f).await;
    f.store.settings().put("ca", b"hush-ca").await.unwrap();
    // An UPDATE that changes nothing counts the rows where the text can be found.
    let hex = if f.url.starts_with("sqlite") {
        [
            "UPDATE resources SET id = id WHERE hex(body) LIKE '%68757368%'",
            "UPDATE changes SET id = id WHERE hex(after_body) LIKE '%68757368%'",
            "UPDATE settings SET name = name WHERE hex(value) LIKE '%68757368%'",
        ]
    } else {
        [
            "UPDATE resources SET id = id WHERE encode(body, 'hex') LIKE '%68757368%'",
            "UPDATE changes SET id = id WHERE encode(after_body, 'hex') LIKE '%68757368%'",
            "UPDATE settings SET name = name WHERE encode(value, 'hex') LIKE '%68757368%'",
        ]
    };
    for statement in hex {
        assert_eq!(tamper(&f.url, statement).await, 0, "{statement}");
    }
    assert_eq!(&f.store.settings().get("ca").await.unwrap().unwrap()[..], b"hush-ca");
}

pub(crate) async fn a_moved_resource_is_noticed(f: Fixture) {
    two_routes(&f).await;
    let moved = "UPDATE resources SET body = (SELECT body FROM resources WHERE group_id = 'g' AND id = 'r2') \
         WHERE group_id = 'g' AND id = 'r1'";
    assert_eq!(tamper(&f.url, moved).await, 1);
    let error = f.store.config().get(&group("g"), &key(Kind::Route, "r1")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { what, .. } if what.contains("route/r1")), "{error:?}");
    assert!(matches!(f.store.config().load(&group("g")).await.unwrap_err(), StoreError::Corrupt { .. }));
    assert!(f.store.config().load(&group("h")).await.is_ok());
}

pub(crate) async fn a_moved_change_is_noticed(f: Fixture) {
    two_routes(&f).await;
    let moved = "UPDATE changes SET after_body = (SELECT after_body FROM changes WHERE group_id = 'g' AND position = 1) \
         WHERE group_id = 'g' AND position = 0";
    assert_eq!(tamper(&f.url, moved).await, 1);
    let error = f.store.config().revisions_after(&group("g"), 0, 9).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

pub(crate) async fn a_data_key_of_another_group_is_noticed(f: Fixture) {
    two_routes(&f).await;
    let moved =
        "UPDATE gateway_groups SET data_key = (SELECT data_key FROM gateway_groups WHERE id = 'h') WHERE id = 'g'";
    assert_eq!(tamper(&f.url, moved).await, 1);
    let error = f.store.config().load(&group("g")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { what, .. } if what.contains("data key")), "{error:?}");
}
