//! Properties that the channel and the change log stand on.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn kind() -> impl Strategy<Value = Kind> {
    proptest::sample::select(Kind::ALL.to_vec())
}

/// Few ids and bodies, so that puts replace, deletes hit, and states coincide often.
fn change() -> impl Strategy<Value = Change> {
    (kind(), 0..3u8, 0..4u8, proptest::option::of(0..3u8)).prop_map(|(kind, parent, id, body)| {
        let id = ResourceId::new(format!("id{id}")).expect("id");
        let parent = (parent > 0).then(|| ResourceId::new(format!("p{parent}")).expect("id"));
        let key = ResourceKey { kind, parent, id };
        match body {
            Some(body) => Change::Put(key, format!("{{\"b\":{body}}}").into_bytes().into()),
            None => Change::Delete(key),
        }
    })
}

fn state() -> impl Strategy<Value = GroupState> {
    vec(change(), 0..40).prop_map(|changes| {
        let mut state = GroupState::default();
        state.apply_all(&changes);
        state
    })
}

proptest! {
    #[test]
    fn applying_the_diff_gives_the_target(mut a in state(), b in state()) {
        a.apply_all(&a.diff(&b));
        prop_assert_eq!(&a, &b);
        prop_assert_eq!(a.digest(), b.digest());
        prop_assert!(a.diff(&b).is_empty());
    }

    #[test]
    fn digests_are_equal_exactly_when_states_are(a in state(), b in state()) {
        prop_assert_eq!(a == b, a.digest() == b.digest());
    }

    #[test]
    fn the_digest_does_not_depend_on_the_way(state in state(), order in any::<u64>()) {
        let mut resources: Vec<_> = state.iter().map(|(k, b)| Change::Put(k.clone(), b.clone())).collect();
        if !resources.is_empty() {
            let middle = (order as usize) % resources.len();
            resources.rotate_left(middle);
        }
        let mut again = GroupState::default();
        again.apply_all(&resources);
        prop_assert_eq!(again.digest(), state.digest());
    }

    #[test]
    fn listing_by_kind_and_parent_is_complete(state in state()) {
        let by_kind: usize = Kind::ALL.into_iter().map(|kind| state.of_kind(kind).count()).sum();
        prop_assert!(by_kind <= state.len());
        for (key, _) in state.iter() {
            if let Some(parent) = &key.parent {
                prop_assert!(state.below(key.kind, parent).any(|(found, _)| found == key));
            }
            prop_assert!(state.of_kind(key.kind).any(|(found, _)| found == key));
        }
    }
}

#[test]
fn moving_bytes_between_key_and_body_changes_the_digest() {
    let put = |id: &str, body: &str| {
        let mut state = GroupState::default();
        let key = ResourceKey::new(Kind::Route, ResourceId::new(id).expect("id"));
        state.apply(&Change::Put(key, body.as_bytes().into()));
        state.digest()
    };
    assert_ne!(put("a", "bc"), put("ab", "c"));
}

fn key(text: &str) -> ResourceKey {
    let parts: Vec<_> = text.split('/').collect();
    let id = |text: &str| ResourceId::new(text).expect("id");
    let kind = parts[0].parse().expect("kind");
    match parts[1..] {
        [parent, own] => ResourceKey::below(id(parent), kind, id(own)),
        _ => ResourceKey::new(kind, id(parts[1])),
    }
}

fn holding(keys: &[&str]) -> GroupState {
    let mut state = GroupState::default();
    for text in keys {
        state.apply(&Change::Put(key(text), b"{}".as_slice().into()));
    }
    state
}

#[test]
fn listings_keep_to_their_kind_and_parent() {
    // "-" is the least id there is.
    let state = holding(&[
        "upstream/-",
        "upstream/zz",
        "upstream/a/-",
        "upstream/a/zz",
        "upstream/a.b/x",
        "upstream/ab/x",
        "service/a",
        "consumer/a",
    ]);
    let below = |parent: &str| {
        let parent = ResourceId::new(parent).expect("id");
        state.below(Kind::Upstream, &parent).map(|(key, _)| key.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(below("a"), ["upstream/a/-", "upstream/a/zz"]);
    assert_eq!(below("a.b"), ["upstream/a.b/x"]);
    assert!(below("b").is_empty());
    assert_eq!(state.of_kind(Kind::Upstream).count(), 6);
    assert_eq!(state.of_kind(Kind::Service).count(), 1);
    assert_eq!(state.of_kind(Kind::Route).count(), 0);
}

#[test]
fn a_diff_never_leaves_a_reference_without_its_object() {
    let full = ["upstream/u", "plugin_config/p", "service/s", "route/r", "consumer/c", "credential/c/k"];
    let names = |changes: Vec<Change>| changes.iter().map(|change| change.key().to_string()).collect::<Vec<_>>();
    let (empty, state) = (GroupState::default(), holding(&full));
    assert_eq!(names(empty.diff(&state)), full);
    assert_eq!(names(state.diff(&empty)), full.iter().rev().map(ToString::to_string).collect::<Vec<_>>());
}

#[test]
fn what_stood_before_is_given_back() {
    let mut state = holding(&["route/r"]);
    let put = Change::Put(key("route/r"), b"[]".as_slice().into());
    assert_eq!(state.apply(&put).as_deref(), Some(b"{}".as_slice()));
    assert_eq!(state.apply(&Change::Delete(key("route/r"))).as_deref(), Some(b"[]".as_slice()));
    assert_eq!(state.apply(&Change::Delete(key("route/r"))), None);
    assert_eq!(state.digest(), Digest::default());
}
