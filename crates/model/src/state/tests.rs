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
