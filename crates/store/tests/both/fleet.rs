use model::policy::Scope;
use model::{Digest, InstanceId, Kind, ResourceKey};
use serde_json::json;
use store::instances::{
    Heartbeat, InstanceFilter, InstanceOrder, InstanceStatus, Joining, Liveness, Nack, NodeState, NodeStatus, NodesOf,
    NodesTold,
};
use store::join_tokens::{NewJoinToken, TokenUse};
use store::{Direction, SecretHash, Store, StoreError};

use crate::support::*;

fn token(id: &str, max_uses: Option<u32>) -> NewJoinToken {
    NewJoinToken { id: id.into(), group: group("g"), hash: SecretHash::of(id), expires_at: Some(1_000), max_uses }
}

pub(crate) async fn a_join_token_is_used_no_more_than_it_allows(f: Fixture) {
    create_group(&f.store, "g").await;
    f.store.join_tokens().create(&token("t", Some(3)), &entry("a")).await.unwrap();
    let other = f.replica().await;
    let tasks: Vec<_> = (0..10)
        .map(|task| {
            let store = if task % 2 == 0 { f.store.clone() } else { other.clone() };
            tokio::spawn(async move { store.join_tokens().use_once(&SecretHash::of("t"), 999).await.unwrap() })
        })
        .collect();
    let mut accepted = 0;
    for task in tasks {
        match task.await.unwrap() {
            TokenUse::Accepted(token) => {
                assert_eq!(token.group, group_id("g"));
                accepted += 1;
            }
            refused => assert_eq!(refused, TokenUse::UsedUp),
        }
    }
    assert_eq!(accepted, 3);
    assert_eq!(f.store.join_tokens().list(&group("g")).await.unwrap()[0].uses, 3);
}

pub(crate) async fn a_join_token_ends(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    let tokens = f.store.join_tokens();
    tokens.create(&token("t", None), &entry("a")).await.unwrap();
    assert!(matches!(tokens.use_once(&SecretHash::of("t"), 999).await.unwrap(), TokenUse::Accepted(_)));
    assert_eq!(tokens.use_once(&SecretHash::of("t"), 1_000).await.unwrap(), TokenUse::Expired);
    assert_eq!(tokens.use_once(&SecretHash::of("x"), 999).await.unwrap(), TokenUse::Unknown);
    tokens.revoke(&g, "t", 5, &entry("a")).await.unwrap();
    assert_eq!(tokens.use_once(&SecretHash::of("t"), 999).await.unwrap(), TokenUse::Revoked);
    assert!(matches!(tokens.revoke(&g, "x", 5, &entry("a")).await.unwrap_err(), StoreError::NotFound { .. }));
    let lost = NewJoinToken { group: group("none"), ..token("u", None) };
    assert!(matches!(tokens.create(&lost, &entry("a")).await.unwrap_err(), StoreError::NotFound { .. }));
}

fn joining(id: &str, in_group: &str, at: i64) -> Joining {
    Joining {
        id: id.parse().unwrap(),
        group: group_id(in_group),
        hostname: format!("Host-{id}"),
        version: "0.1.0".into(),
        address: "10.0.0.1".into(),
        certificate_expires_at: 2_000,
        at,
    }
}

fn heartbeat(id: &str, at: i64, applied: Option<(u64, Digest)>) -> Heartbeat {
    Heartbeat {
        hostname: format!("host-{id}"),
        version: "0.2.0".into(),
        id: id.parse().unwrap(),
        group: group_id("g"),
        at,
        applied,
        nack: None,
        counters: json!({ "requests": 5 }),
        nodes: None,
    }
}

async fn join(store: &Store, id: &str, in_group: &str, at: i64) -> Result<(), StoreError> {
    store.instances().join(&joining(id, in_group, at), &entry("JoinInstance")).await
}

const NOW: Liveness = Liveness { now: 1_000, lost_after: 30, offline_after: 100 };

pub(crate) async fn instances_tell_how_they_are(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    create_group(&f.store, "h").await;
    commit(&f.store, &g, 0, vec![put(Kind::Route, "r", "{}")]).await.unwrap();
    let digest = f.store.config().head(&g).await.unwrap().digest;
    for (id, at) in [("good", 980), ("behind", 980), ("drift", 980), ("refused", 980), ("lost", 960), ("off", 900)] {
        join(&f.store, id, "g", at).await.unwrap();
    }
    join(&f.store, "elsewhere", "h", 999).await.unwrap();
    let nack = Nack { revision: 1, resource: "route/r".into(), pointer: "/uris".into(), message: "bad".into() };
    let heartbeats = [
        heartbeat("good", 990, Some((1, digest))),
        heartbeat("behind", 990, Some((0, Digest::default()))),
        heartbeat("drift", 990, Some((1, Digest::default()))),
        Heartbeat { nack: Some(nack.clone()), ..heartbeat("refused", 990, Some((1, digest))) },
        heartbeat("stranger", 990, None),
        Heartbeat { group: group_id("h"), ..heartbeat("good", 990, None) },
    ];
    let refused = f.store.instances().heartbeat(&heartbeats).await.unwrap();
    assert_eq!(refused, ["good".parse().unwrap(), "stranger".parse::<InstanceId>().unwrap()]);

    let status = async |id: &str| f.store.instances().get(&id.parse().unwrap(), NOW).await.unwrap().status;
    assert_eq!(status("good").await, InstanceStatus::Healthy);
    for id in ["behind", "drift", "refused", "elsewhere"] {
        assert_eq!(status(id).await, InstanceStatus::OutOfSync, "{id}");
    }
    assert_eq!(status("lost").await, InstanceStatus::LostConnection);
    assert_eq!(status("off").await, InstanceStatus::Offline);
    let seen = f.store.instances().get(&"refused".parse().unwrap(), NOW).await.unwrap();
    assert_eq!((&*seen.hostname, &*seen.version), ("host-refused", "0.2.0"), "as it says now, not as it joined");
    assert_eq!((seen.nack, seen.counters, seen.head_revision), (Some(nack), json!({ "requests": 5 }), 1));

    let counts = f.store.instances().count_by_status(Some(&g), &Scope::Everything, NOW).await.unwrap();
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [1, 3, 1, 1]);
    let counts = f.store.instances().count_by_group(&Scope::Everything).await.unwrap();
    assert_eq!(counts, [(group_id("g"), 6), (group_id("h"), 1)].into());
    let ids = async |filter: InstanceFilter| {
        let listed = f.store.instances().list(&filter, &Scope::Everything, NOW).await.unwrap();
        listed.list.into_iter().map(|instance| instance.id.to_string()).collect::<Vec<_>>()
    };
    let lost = InstanceFilter { status: Some(InstanceStatus::LostConnection), ..InstanceFilter::default() };
    assert_eq!(ids(lost).await, ["lost"]);
    let search = InstanceFilter { search: Some("host-o".into()), ..InstanceFilter::default() };
    assert_eq!(ids(search).await, ["off"]);
    let by_heartbeat = InstanceFilter {
        order_by: InstanceOrder::LastHeartbeat,
        direction: Direction::Ascending,
        ..InstanceFilter::default()
    };
    assert_eq!(ids(by_heartbeat).await, ["off", "lost", "behind", "drift", "good", "refused", "elsewhere"]);
}

pub(crate) async fn a_revoked_instance_cannot_return(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    create_group(&f.store, "h").await;
    let id: InstanceId = "i".parse().unwrap();
    join(&f.store, "i", "g", 1).await.unwrap();
    join(&f.store, "i", "g", 2).await.unwrap();
    let taken = join(&f.store, "i", "h", 3).await.unwrap_err();
    assert!(matches!(taken, StoreError::Duplicate { field: "id", .. }), "{taken:?}");
    let nowhere = join(&f.store, "k", "none", 3).await.unwrap_err();
    assert!(matches!(nowhere, StoreError::NotFound { .. }), "{nowhere:?}");
    assert!(f.store.instances().is_admitted(&id, &g).await.unwrap());
    assert!(!f.store.instances().is_admitted(&id, &group("h")).await.unwrap());
    f.store.instances().revoke(&id, 4, &entry("a")).await.unwrap();
    assert!(!f.store.instances().is_admitted(&id, &g).await.unwrap());
    assert!(matches!(join(&f.store, "i", "g", 5).await.unwrap_err(), StoreError::Revoked(who) if who == id));
    assert_eq!(f.store.instances().heartbeat(&[heartbeat("i", 5, None)]).await.unwrap(), std::slice::from_ref(&id));
    f.store.instances().delete(&id, &entry("a")).await.unwrap();
    let missing = f.store.instances().get(&id, NOW).await.unwrap_err();
    assert!(matches!(missing, StoreError::NotFound { .. }));
}

fn gone(instance: &store::instances::Gone) -> store::AuditEntry {
    store::AuditEntry {
        group: Some(instance.group.clone()),
        resource_id: instance.id.to_string(),
        ..entry("RemoveSilentInstance")
    }
}

pub(crate) async fn instances_long_gone_are_removed(f: Fixture) {
    create_group(&f.store, "g").await;
    join(&f.store, "old", "g", 10).await.unwrap();
    join(&f.store, "new", "g", 900).await.unwrap();
    assert!(f.store.instances().delete_silent_since(500, 1_999, gone).await.unwrap().is_empty());
    let gone = f.store.instances().delete_silent_since(500, 2_001, gone).await.unwrap();
    assert_eq!(gone, ["old".parse::<InstanceId>().unwrap()]);
    assert_eq!(f.store.instances().list(&InstanceFilter::default(), &Scope::Everything, NOW).await.unwrap().total, 1);
}

fn told(nodes: &[(ResourceKey, &str, NodeStatus)], left_out: u32) -> Option<std::sync::Arc<NodesTold>> {
    let mut told = NodesTold { left_out, ..NodesTold::default() };
    for (owner, host, status) in nodes {
        let (host, status) = ((*host).to_owned(), *status);
        let node = NodeState {
            host,
            status,
            port: 80,
            priority: -1,
            passive: true,
            successes: 0,
            http_failures: 1,
            tcp_failures: 2,
            timeouts: 3,
        };
        told.nodes.entry(owner.clone()).or_default().push(node);
    }
    Some(told.into())
}

pub(crate) async fn instances_tell_how_nodes_are(f: Fixture) {
    let g = create_group(&f.store, "g").await;
    let h = create_group(&f.store, "h").await;
    let (s, u) = (id("s"), id("u"));
    let further = ResourceKey::below(s.clone(), Kind::Upstream, u.clone());
    let parent = ResourceKey::new(Kind::Service, s.clone());
    let changes = vec![
        put(Kind::Service, "s", "{}"),
        put(Kind::Route, "r", r#"{"service_id":"s"}"#),
        put(Kind::Route, "other", r#"{"service_id":"t"}"#),
        put(Kind::Upstream, "u", "{}"),
        model::Change::Put(further.clone(), body("{}")),
    ];
    commit(&f.store, &g, 0, changes.clone()).await.unwrap();
    commit(&f.store, &h, 0, changes).await.unwrap();
    for (who, group) in [("a", "g"), ("b", "g"), ("c", "h")] {
        join(&f.store, who, group, 990).await.unwrap();
    }
    let all = [
        (parent.clone(), "own", NodeStatus::Healthy),
        (parent.clone(), "own-2", NodeStatus::Unhealthy),
        (key(Kind::Route, "r"), "route", NodeStatus::MostlyHealthy),
        (further.clone(), "further", NodeStatus::MostlyUnhealthy),
        (key(Kind::Route, "other"), "another service", NodeStatus::Healthy),
        (key(Kind::Upstream, "u"), "beside", NodeStatus::Healthy),
        (key(Kind::Route, "unknown"), "of nothing", NodeStatus::Healthy),
    ];
    let a = Heartbeat { nodes: told(&all, 0), ..heartbeat("a", 990, None) };
    let b = Heartbeat { nodes: told(&all[..1], 7), ..heartbeat("b", 960, None) };
    let c = Heartbeat { group: group_id("h"), nodes: told(&all[1..2], 0), ..heartbeat("c", 990, None) };
    // Of another group's certificate: refused, and what it tells with it.
    let stranger = Heartbeat { group: group_id("h"), nodes: told(&[], 0), ..heartbeat("a", 990, None) };
    let refused = f.store.instances().heartbeat(&[a, b, c, stranger]).await.unwrap();
    assert_eq!(refused, ["a".parse::<InstanceId>().unwrap()]);

    // As another replica sees it.
    let other = f.replica().await;
    let seen = async |group, of: NodesOf<'_>| {
        let seen = other.instances().nodes_of(group, of, NOW).await.unwrap();
        let rows = seen.into_iter().map(|one| {
            let nodes: Vec<_> = one.nodes.iter().map(|node| node.host.clone()).collect();
            (one.owner.to_string(), one.instance.to_string(), nodes.join(","))
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort();
        rows
    };
    let row = |owner: &str, instance: &str, nodes: &str| (owner.to_owned(), instance.to_owned(), nodes.to_owned());
    let of = NodesOf { service: &s, named: None, upstream: None };
    let own = [
        row("route/r", "a", "route"),
        row("service/s", "a", "own,own-2"),
        row("service/s", "b", "own"),
        row("upstream/s/u", "a", "further"),
    ];
    assert_eq!(seen(&g, of).await, own);
    assert_eq!(seen(&h, of).await, [row("service/s", "c", "own-2")], "each group its own");
    let named = NodesOf { named: Some(&u), ..of };
    assert_eq!(seen(&g, named).await[3..], [row("upstream/s/u", "a", "further"), row("upstream/u", "a", "beside")]);
    assert_eq!(seen(&g, NodesOf { upstream: Some(&u), ..of }).await, own[3..]);
    assert_eq!(seen(&g, NodesOf { upstream: Some(&s), ..of }).await, []);
    let nobody = id("nobody");
    assert_eq!(seen(&g, NodesOf { service: &nobody, ..of }).await, []);
    assert!(other.instances().leaves_nodes_out(&g).await.unwrap());
    assert!(!other.instances().leaves_nodes_out(&h).await.unwrap());

    let mut whole = f.store.instances().nodes_of(&g, of, NOW).await.unwrap();
    whole.sort_by_key(|one| (one.owner.to_string(), one.instance.clone()));
    let [first, .., lost, _] = &whole[..] else { panic!("{whole:?}") };
    assert_eq!(first.nodes, told(&all[2..3], 0).unwrap().nodes[&first.owner], "nothing is lost on the way");
    assert_eq!((&*first.hostname, first.instance_status, first.told_at), ("host-a", InstanceStatus::OutOfSync, 990));
    assert_eq!((&*lost.hostname, lost.instance_status, lost.told_at), ("host-b", InstanceStatus::LostConnection, 960));

    // Nothing new leaves it as it is; what is new replaces all of it.
    f.store.instances().heartbeat(&[heartbeat("a", 995, None)]).await.unwrap();
    let still = f.store.instances().nodes_of(&g, of, NOW).await.unwrap();
    assert!(still.iter().filter(|one| one.instance.as_str() == "a").all(|one| one.told_at == 990), "{still:?}");
    let (less, none) = (told(&all[..1], 0), told(&[], 0));
    let less = Heartbeat { nodes: less, ..heartbeat("a", 996, None) };
    let none = Heartbeat { nodes: none, ..heartbeat("b", 996, None) };
    f.store.instances().heartbeat(&[less, none]).await.unwrap();
    assert_eq!(seen(&g, of).await, [row("service/s", "a", "own")]);
    assert!(!other.instances().leaves_nodes_out(&g).await.unwrap());
    f.store.instances().delete(&"a".parse().unwrap(), &entry("a")).await.unwrap();
    assert_eq!(seen(&g, of).await, [], "it goes with its instance");
}
