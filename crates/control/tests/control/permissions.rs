//! Users, roles and policies, and what they let whom do.

use control::ControlError;
use control::groups::{GroupFilter, GroupPatch, GroupSpec};
use control::iam::{
    Actor, GroupKeySpec, Invitation, PolicySpec, RequestContext, RoleSpec, TokenSpec, UserFilter, UserPatch,
};
use model::{GroupId, Kind, Labels};
use serde_json::{Value, json};
use store::config::ResourceFilter;
use store::instances::InstanceFilter;

use crate::support::{Plane, below, default_group, key, root, route, service};

pub(crate) const PASSWORD: &str = "a passphrase of their own";

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(crate) async fn group(plane: &Plane, name: &str, pairs: &[(&str, &str)]) -> GroupId {
    let spec = GroupSpec { name: name.into(), labels: labels(pairs), ..GroupSpec::default() };
    plane.create_group(&root(), spec).await.unwrap().id
}

/// A user who chose its password, and its id.
pub(crate) async fn user(plane: &Plane, name: &str) -> String {
    let invitation = Invitation { username: name.into(), password: "once".into(), ..Invitation::default() };
    let id = plane.invite_user(&root(), invitation).await.unwrap().id;
    let actor = plane.login(name, "once").await.unwrap().actor;
    plane.change_password(&actor, "once", PASSWORD).await.unwrap();
    id
}

pub(crate) async fn act(plane: &Plane, name: &str) -> Actor {
    plane.authenticate(name, PASSWORD).await.unwrap()
}

pub(crate) async fn policy(plane: &Plane, name: &str, statement: Value) -> String {
    let document = json!({ "statement": statement });
    let spec = PolicySpec { name: name.into(), document, ..PolicySpec::default() };
    plane.create_policy(&root(), spec).await.unwrap().policy.id
}

/// A role of this name with one policy of these statements, given to the user.
pub(crate) async fn grant(plane: &Plane, user: &str, name: &str, statement: Value) -> String {
    let policy = policy(plane, name, statement).await;
    let spec = RoleSpec { name: name.into(), ..RoleSpec::default() };
    let role = plane.create_role(&root(), &spec, &[policy]).await.unwrap().id;
    plane.assign_roles(&root(), user, std::slice::from_ref(&role)).await.unwrap();
    role
}

pub(crate) fn everything_where(label: &str, value: &str) -> Value {
    json!([{ "effect": "allow", "actions": ["<.*>"], "resources": ["arn:api7:gateway:gatewaygroup/<.*>"],
        "conditions": { "gateway_group_label": {
            "type": "MatchLabel", "options": { "key": label, "operator": "exact_match", "value": value } } } }])
}

pub(crate) fn is_refused<T>(outcome: &Result<T, ControlError>) -> bool {
    matches!(outcome, Err(ControlError::Forbidden(_)))
}

#[tokio::test]
async fn a_new_user_may_do_nothing_but_choose_a_password() {
    let plane = Plane::start().await;
    let invitation = Invitation { username: "ann".into(), password: "once".into(), ..Invitation::default() };
    plane.invite_user(&root(), invitation).await.unwrap();
    let fresh = plane.login("ann", "once").await.unwrap().actor;
    assert!(fresh.must_change_password());
    let token = plane.create_token(&fresh, TokenSpec { name: "t".into(), ..TokenSpec::default() }).await;
    assert!(matches!(token, Err(ControlError::OwnAccount(_))));
    let refusal = plane.get_group(&fresh, &default_group()).await.unwrap_err().to_string();
    assert!(refusal.contains("gateway:GetGatewayGroup on gateway group default") && refusal.contains("/api/password"));
    plane.change_password(&fresh, "once", PASSWORD).await.unwrap();
    let ann = act(&plane, "ann").await;
    assert!(!ann.must_change_password());
    assert_eq!(plane.list_groups(&ann, &GroupFilter::default()).await.unwrap().total, 0);
    assert!(is_refused(&plane.get_group(&ann, &default_group()).await));
}

#[tokio::test]
async fn names_that_look_alike_are_taken_once() {
    let plane = Plane::start().await;
    for name in ["Admin", "\u{430}dmin"] {
        let invitation = Invitation { username: name.into(), password: "once".into(), ..Invitation::default() };
        assert!(matches!(plane.invite_user(&root(), invitation).await, Err(ControlError::Conflict(_))), "{name}");
    }
}

#[tokio::test]
async fn labels_of_a_group_decide_at_once() {
    let plane = Plane::start().await;
    let (test, prod) =
        (group(&plane, "test", &[("env", "test")]).await, group(&plane, "prod", &[("env", "prod")]).await);
    let id = user(&plane, "ann").await;
    grant(&plane, &id, "test only", everything_where("env", "test")).await;
    let ann = act(&plane, "ann").await;

    let listed = plane.list_groups(&ann, &GroupFilter::default()).await.unwrap();
    assert_eq!((listed.total, &listed.list[0].id), (1, &test));
    plane.put_resource(&ann, &test, key(Kind::Service, "s"), service(), None).await.unwrap();
    plane.put_resource(&ann, &test, key(Kind::Consumer, "jack"), json!({ "username": "jack" }), None).await.unwrap();
    assert!(is_refused(&plane.put_resource(&ann, &prod, key(Kind::Service, "s"), service(), None).await));
    assert!(is_refused(&plane.get_group(&ann, &prod).await));
    assert!(is_refused(&plane.create_join_token(&ann, &prod, None, None).await));
    let of_prod = InstanceFilter { group: Some(prod.clone()), ..InstanceFilter::default() };
    assert!(is_refused(&plane.list_instances(&ann, &of_prod).await));

    let relabelled = GroupPatch { labels: Some(labels(&[("env", "test")])), ..GroupPatch::default() };
    plane.update_group(&root(), &prod, &relabelled).await.unwrap();
    plane.put_resource(&ann, &prod, key(Kind::Service, "s"), service(), None).await.unwrap();
    assert_eq!(plane.list_groups(&ann, &GroupFilter::default()).await.unwrap().total, 2);
}

#[tokio::test]
async fn an_administrator_of_one_service_has_its_routes_and_no_other_s() {
    let plane = Plane::start().await;
    let g = default_group();
    for id in ["own", "other"] {
        plane.put(key(Kind::Service, id), service()).await.unwrap();
        let body = json!({ "service_id": id, "uri": format!("/{id}") });
        plane.put(key(Kind::Route, &format!("r-{id}")), body).await.unwrap();
    }
    plane.put(key(Kind::Route, "free"), route("/free")).await.unwrap();
    plane.put(key(Kind::Consumer, "jack"), json!({ "username": "jack" })).await.unwrap();
    let id = user(&plane, "ann").await;
    let statement = json!([{ "effect": "allow", "actions": ["gateway:<.*>PublishedService"],
        "resources": ["arn:api7:gateway:gatewaygroup/default/publishedservice/own"] }]);
    grant(&plane, &id, "own", statement).await;
    let ann = act(&plane, "ann").await;

    for (kind, expected) in [(Kind::Service, vec!["own"]), (Kind::Route, vec!["r-own"])] {
        let listed = plane.list_resources(&ann, &g, &ResourceFilter::new(kind)).await.unwrap();
        assert_eq!(listed.list.iter().map(|one| one.key.id.as_str()).collect::<Vec<_>>(), expected);
    }
    for group in [&g, &"none".parse().unwrap()] {
        let listed = plane.list_resources(&ann, group, &ResourceFilter::new(Kind::Consumer)).await.unwrap();
        assert_eq!(listed.total, 0, "it may see none of {group}, and does not learn whether it is there");
    }
    let put = async |id: &str, service: &str, uri: &str| {
        let body = json!({ "service_id": service, "uri": uri });
        plane.put_resource(&ann, &g, key(Kind::Route, id), body, None).await
    };
    put("r-own", "own", "/changed").await.unwrap();
    put("r-new", "own", "/new").await.unwrap();
    assert!(is_refused(&put("r-other", "other", "/x").await));
    assert!(is_refused(&put("r-other", "own", "/stolen").await), "a route moves away from its service");
    assert!(is_refused(&put("r-own", "other", "/planted").await), "a route moves to another service");
    for patch in
        [json!({ "service_id": "other" }), json!([{ "op": "replace", "path": "/service_id", "value": "other" }])]
    {
        let patched = plane.patch_resource(&ann, &g, key(Kind::Route, "r-own"), patch, None).await;
        assert!(is_refused(&patched), "{patched:?}");
    }
    let patch = json!({ "priority": 3 });
    plane.patch_resource(&ann, &g, key(Kind::Route, "r-own"), patch, None).await.unwrap();
    assert!(is_refused(&plane.get_resource(&ann, &g, &key(Kind::Route, "free")).await));
    assert!(is_refused(&plane.get_resource(&ann, &g, &key(Kind::Route, "nothing")).await));
    plane.get_resource(&ann, &g, &key(Kind::Route, "r-own")).await.unwrap();
    let upstream = json!({ "nodes": { "127.0.0.1:1": 1 } });
    let of = async |service: &str| {
        plane.put_resource(&ann, &g, below(service, Kind::Upstream, "u"), upstream.clone(), None).await
    };
    of("own").await.unwrap();
    assert!(is_refused(&of("other").await));
    let batch = vec![
        control::configuration::Operation::Delete { key: key(Kind::Route, "r-new") },
        control::configuration::Operation::Delete { key: key(Kind::Route, "r-other") },
    ];
    assert!(is_refused(&plane.batch(&ann, &g, batch, None).await), "one forbidden operation of a batch");
    assert!(plane.exists(key(Kind::Route, "r-new")).await, "nothing of a refused batch is done");
    assert!(is_refused(&plane.batch(&ann, &g, Vec::new(), None).await), "asking for nothing permits nothing");
}

#[tokio::test]
async fn a_boundary_caps_and_a_denial_wins() {
    let plane = Plane::start().await;
    let id = user(&plane, "ann").await;
    let all = json!([{ "effect": "allow", "actions": ["<.*>"], "resources": ["<.*>"] }]);
    let role = grant(&plane, &id, "all", all).await;
    plane.create_group(&act(&plane, "ann").await, GroupSpec { name: "g".into(), ..Default::default() }).await.unwrap();

    let read = json!([{ "effect": "allow", "actions": ["<.*>Get<.*>"], "resources": ["<.*>"] }]);
    let boundary = policy(&plane, "read", read).await;
    plane.set_boundaries(&root(), &id, std::slice::from_ref(&boundary)).await.unwrap();
    let bounded = act(&plane, "ann").await;
    assert!(is_refused(&plane.create_group(&bounded, GroupSpec { name: "h".into(), ..Default::default() }).await));
    plane.get_group(&bounded, &default_group()).await.unwrap();
    assert!(matches!(plane.delete_policy(&root(), &boundary).await, Err(ControlError::Conflict(_))), "it is in use");
    plane.set_boundaries(&root(), &id, &[]).await.unwrap();

    let deny = json!([{ "effect": "deny", "actions": ["gateway:GetGatewayGroup"],
        "resources": ["arn:api7:gateway:gatewaygroup/default"] }]);
    let deny = policy(&plane, "deny", deny).await;
    plane.change_role_policies(&root(), &role, &[deny], &[]).await.unwrap();
    let denied = act(&plane, "ann").await;
    assert!(is_refused(&plane.get_group(&denied, &default_group()).await));
    assert_eq!(plane.list_groups(&denied, &GroupFilter::default()).await.unwrap().total, 1, "the other group");
}

#[tokio::test]
async fn a_viewer_sees_everything_and_changes_nothing() {
    let plane = Plane::start().await;
    let id = user(&plane, "ann").await;
    plane.assign_roles(&root(), &id, &["viewer_id".into()]).await.unwrap();
    let ann = act(&plane, "ann").await;
    plane.put(key(Kind::Service, "s"), service()).await.unwrap();
    plane.get_resource(&ann, &default_group(), &key(Kind::Service, "s")).await.unwrap();
    assert_eq!(plane.list_users(&ann, &UserFilter::default()).await.unwrap().total, 2);
    assert!(is_refused(&plane.delete_resource(&ann, &default_group(), key(Kind::Service, "s"), None).await));
}

/// What the largest policy may say is decided; and a list that it would filter by too much says so rather than keep the
/// database from answering others.
#[tokio::test]
async fn a_policy_of_ten_thousand_statements_is_decided_or_refused() {
    let plane = Plane::start().await;
    let other = group(&plane, "other", &[]).await;
    let id = user(&plane, "ann").await;
    let statement = |resource: String| json!({ "effect": "allow", "actions": ["<.*>"], "resources": [resource] });
    let on = |id: &str| statement(format!("arn:api7:gateway:gatewaygroup/{id}"));
    let mut ids: Vec<_> = (1..10_000).map(|n| on(&format!("g{n}"))).collect();
    ids.push(on(other.as_str()));
    grant(&plane, &id, "ten thousand ids", ids.into()).await;
    let ann = act(&plane, "ann").await;
    let seen = plane.list_groups(&ann, &GroupFilter::default()).await.unwrap();
    assert_eq!((seen.total, &seen.list[0].id), (1, &other));
    assert!(is_refused(&plane.get_group(&ann, &default_group()).await));

    let mut beginnings: Vec<_> = (1..10_000).map(|n| on(&format!("{n}-<.*>"))).collect();
    beginnings.push(on(other.as_str()));
    grant(&plane, &id, "ten thousand beginnings", beginnings.into()).await;
    let ann = act(&plane, "ann").await;
    plane.get_group(&ann, &other).await.unwrap();
    let refused = plane.list_groups(&ann, &GroupFilter::default()).await.unwrap_err();
    assert!(matches!(refused, ControlError::Conflict(_)), "{refused}");
    assert!(refused.to_string().contains("10000 different conditions, 1000 are the most"), "{refused}");
}

#[tokio::test]
async fn who_goes_is_out_at_once() {
    let plane = Plane::start().await;
    let id = user(&plane, "ann").await;
    plane.assign_roles(&root(), &id, &["viewer_id".into()]).await.unwrap();
    let session = plane.login("ann", PASSWORD).await.unwrap();
    let ann = session.actor;
    let token = plane.create_token(&ann, TokenSpec { name: "ci".into(), ..TokenSpec::default() }).await.unwrap().token;
    let replica = plane.replica().await;
    replica.authenticate_key(&token).await.unwrap();
    plane.assign_roles(&root(), &id, &[]).await.unwrap();
    let there = replica.authenticate_key(&token).await.unwrap();
    assert!(is_refused(&replica.get_group(&there, &default_group()).await), "another replica knows at once");
    let off = UserPatch { active: Some(false), ..UserPatch::default() };
    plane.update_user(&root(), &id, &off).await.unwrap();
    assert!(replica.authenticate_key(&token).await.is_err());
    assert!(plane.authenticate_session(&session.token).await.is_err());
    plane.delete_user(&root(), &id).await.unwrap();
    assert!(plane.authenticate_key(&token).await.is_err());

    // One who is still active when it is removed.
    let id = user(&plane, "bob").await;
    plane.assign_roles(&root(), &id, &["viewer_id".into()]).await.unwrap();
    let session = plane.login("bob", PASSWORD).await.unwrap();
    let bob = session.actor;
    let token = plane.create_token(&bob, TokenSpec { name: "ci".into(), ..TokenSpec::default() }).await.unwrap().token;
    replica.authenticate_key(&token).await.unwrap();
    replica.authenticate_session(&session.token).await.unwrap();
    plane.delete_user(&root(), &id).await.unwrap();
    for control in [&plane, &replica] {
        assert!(control.authenticate_key(&token).await.is_err());
        assert!(control.authenticate_session(&session.token).await.is_err());
        assert!(control.login("bob", PASSWORD).await.is_err());
    }
}

#[tokio::test]
async fn a_second_login_ends_the_first_and_says_so() {
    let plane = Plane::start().await;
    user(&plane, "ann").await;
    let client = |address: &str| RequestContext {
        address: address.into(),
        user_agent: "browser".into(),
        ..RequestContext::default()
    };
    let first = plane.control.login("ann", PASSWORD, None, &client("192.0.2.1")).await.unwrap();
    let second = plane.control.login("ann", PASSWORD, None, &client("192.0.2.2")).await.unwrap();
    let refusal = plane.authenticate_session(&first.token).await.unwrap_err();
    assert!(matches!(refusal, ControlError::SessionEnded(_)) && refusal.to_string().contains("192.0.2.2"), "{refusal}");
    let ann = plane.authenticate_session(&second.token).await.unwrap();
    let id = ann.user_id().unwrap().to_owned();
    let open = plane.list_sessions(&ann, &id).await.unwrap();
    assert_eq!((open.len(), open[0].address.as_str()), (1, "192.0.2.2"));
    plane.end_session(&root(), &id, &open[0].id).await.unwrap();
    assert!(plane.authenticate_session(&second.token).await.is_err());
}

#[tokio::test]
async fn a_narrowed_token_has_less_and_cannot_make_itself_more() {
    let plane = Plane::start().await;
    let admin = plane.admin.as_ref().unwrap();
    let user = plane.authenticate(&admin.username, &admin.password).await.unwrap();
    let document =
        json!({ "statement": [{ "effect": "allow", "actions": ["gateway:Get<.*>"], "resources": ["<.*>"] }] });
    let spec = TokenSpec { name: "reader".into(), document: Some(document), expires_at: None };
    let issued = plane.create_token(&user, spec).await.unwrap();
    let reader = plane.authenticate_key(&issued.token).await.unwrap();
    plane.get_group(&reader, &default_group()).await.unwrap();
    assert!(is_refused(&plane.delete_group(&reader, &default_group()).await));
    let more = plane.create_token(&reader, TokenSpec { name: "more".into(), ..TokenSpec::default() }).await;
    assert!(matches!(more, Err(ControlError::OwnAccount(_))));
    let wrong = TokenSpec { name: "w".into(), document: Some(json!({ "statement": [] })), expires_at: None };
    let ControlError::Invalid(faults) = plane.create_token(&user, wrong).await.err().unwrap() else { panic!("saved") };
    assert_eq!(faults.0[0].pointer, "/policy_document/statement");
}

#[tokio::test]
async fn admin_keys_have_rights_and_ends_of_their_own() {
    let plane = Plane::start().await;
    let g = default_group();
    let ends = plane.clock_now() + 100;
    let document = json!({ "statement": [{ "effect": "allow", "actions": ["<.*>Get<.*>"], "resources": ["<.*>"] }] });
    let spec = GroupKeySpec { name: "reader".into(), document: Some(document), expires_at: Some(ends) };
    let reader = plane.create_admin_key(&root(), &g, spec).await.unwrap().key;
    let full = plane.regenerate_admin_key(&root(), &g).await.unwrap().key;
    let (holder, all) = (plane.authenticate_key(&reader).await.unwrap(), plane.authenticate_key(&full).await.unwrap());
    assert!(is_refused(&plane.put_resource(&holder, &g, key(Kind::Service, "s"), service(), None).await));
    plane.put_resource(&all, &g, key(Kind::Service, "s"), service(), None).await.unwrap();
    plane.get_resource(&holder, &g, &key(Kind::Service, "s")).await.unwrap();
    assert_eq!(plane.list_admin_keys(&root(), &g).await.unwrap().len(), 2);
    plane.clock.advance(101);
    assert!(plane.authenticate_key(&reader).await.is_err());
    plane.authenticate_key(&full).await.unwrap();
}

#[tokio::test]
async fn a_wrong_policy_is_refused_with_every_fault_and_an_odd_one_warned_of() {
    let plane = Plane::start().await;
    let document = json!({ "statement": [{ "effect": "permit", "actions": [], "resources": ["<("] }] });
    let wrong = PolicySpec { name: String::new(), document, ..PolicySpec::default() };
    let ControlError::Invalid(faults) = plane.create_policy(&root(), wrong).await.err().unwrap() else {
        panic!("saved")
    };
    let pointers: Vec<_> = faults.0.iter().map(|fault| fault.pointer.as_str()).collect();
    for pointer in ["/name", "/policy_document/statement/0/effect", "/policy_document/statement/0/resources/0"] {
        assert!(pointers.contains(&pointer), "{pointers:?}");
    }
    let document = json!({ "statement": [{ "effect": "allow", "actions": ["gateway:Ge<.*>"],
        "resources": ["arn:gatewaygroup:<[^:]*>"] }] });
    let odd = PolicySpec { name: "odd".into(), document, ..PolicySpec::default() };
    let saved = plane.create_policy(&root(), odd).await.unwrap();
    assert_eq!(saved.warnings.len(), 1, "{:?}", saved.warnings);
}

/// A condition on what nothing carries labels for never holds, so that a denial by it denies nothing.
#[tokio::test]
async fn a_condition_on_labels_that_nothing_carries_is_warned_of() {
    let plane = Plane::start().await;
    let warnings = async |key: &str| {
        let mut statement = everything_where("env", "test");
        let condition = statement[0]["conditions"]["gateway_group_label"].clone();
        statement[0]["conditions"] = json!({ key: condition });
        let spec =
            PolicySpec { name: key.into(), document: json!({ "statement": statement }), ..PolicySpec::default() };
        plane.create_policy(&root(), spec).await.unwrap().warnings
    };
    let nothing = [
        "secret_provider_label",
        "ca_certificate_label",
        "sni_label",
        "contact_point_label",
        "alert_policy_label",
        "developer_label",
        "api_product_label",
    ];
    for key in nothing {
        let warnings = warnings(key).await;
        let told = format!("/statement/0/conditions/{key}: never holds");
        assert!(warnings.len() == 1 && warnings[0].starts_with(&told), "{warnings:?}");
    }
    let carried = [
        "gateway_group_label",
        "service_label",
        "consumer_label",
        "certificate_label",
        "user_label",
        "role_label",
        "permission_policy_label",
    ];
    for key in carried {
        assert_eq!(warnings(key).await, [""; 0], "{key}");
    }
}

#[tokio::test]
async fn a_user_has_the_rights_of_all_its_roles() {
    let plane = Plane::start().await;
    let (test, prod) =
        (group(&plane, "test", &[("env", "test")]).await, group(&plane, "prod", &[("env", "prod")]).await);
    let id = user(&plane, "ann").await;
    let first = grant(&plane, &id, "test only", everything_where("env", "test")).await;
    let second = grant(&plane, &id, "prod only", everything_where("env", "prod")).await;
    let sees = async || {
        let ann = act(&plane, "ann").await;
        let listed = plane.list_groups(&ann, &GroupFilter::default()).await.unwrap().list;
        let one_by_one = [&test, &prod].map(|group| plane.get_group(&ann, group));
        let [of_test, of_prod] = one_by_one;
        let mut names: Vec<_> = listed.into_iter().map(|group| group.name).collect();
        names.sort();
        (of_test.await.is_ok(), of_prod.await.is_ok(), names.join(" "))
    };
    assert_eq!(sees().await, (false, true, "prod".to_owned()), "the second took the place of the first");
    plane.assign_roles(&root(), &id, &[first.clone(), second]).await.unwrap();
    assert_eq!(sees().await, (true, true, "prod test".to_owned()));
    plane.assign_roles(&root(), &id, &[first]).await.unwrap();
    assert_eq!(sees().await, (true, false, "test".to_owned()));
}

/// `examples/policies/team-leader.json`, with the ids of users that are there.
#[tokio::test]
async fn a_team_leader_gives_its_own_team_s_roles_alone() {
    let plane = Plane::start().await;
    let (alice, bob, carol) = (user(&plane, "alice").await, user(&plane, "bob").await, user(&plane, "carol").await);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/policies/team-leader.json");
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.replace("user/alice", &format!("user/{alice}")).replace("user/bob", &format!("user/{bob}"));
    let example: Value = serde_json::from_str(&text).unwrap();
    let leader = user(&plane, "leo").await;
    grant(&plane, &leader, "leader", example["policy_document"]["statement"].clone()).await;
    let role = async |name: &str, team: &str| {
        let all = policy(&plane, name, everything_where("team", team)).await;
        let spec = RoleSpec { name: name.into(), labels: labels(&[("team", team)]), ..RoleSpec::default() };
        plane.create_role(&root(), &spec, &[all]).await.unwrap().id
    };
    let (member, administrator) =
        (role("payment member", "payment").await, role("payment administrator", "payment").await);
    let other = role("orders administrator", "orders").await;
    let leo = act(&plane, "leo").await;
    let assign = async |user: &str, roles: &[&String]| {
        let roles: Vec<String> = roles.iter().map(|role| (*role).clone()).collect();
        plane.assign_roles(&leo, user, &roles).await
    };
    assign(&alice, &[&member]).await.unwrap();
    assign(&alice, &[&member, &administrator]).await.unwrap();
    let given = assign(&alice, &[&member, &administrator, &other]).await.unwrap_err().to_string();
    assert!(given.contains(&format!("iam:UpdateUserRole on role {other}")), "{given}");
    assert!(is_refused(&assign(&carol, &[&member]).await), "she is of another team");
    assert!(is_refused(&assign(&leader, &[&other]).await), "nor are they themselves theirs to change");
    assert!(is_refused(&assign(&alice, &[&"none".to_owned()]).await), "whether a role is there is not told");

    // What another gave stays: it is neither taken nor asked for.
    plane.assign_roles(&root(), &bob, std::slice::from_ref(&other)).await.unwrap();
    assert!(is_refused(&assign(&bob, &[]).await), "another team's role is taken");
    assign(&bob, &[&other, &member]).await.unwrap();
    assign(&bob, &[&other]).await.unwrap();
    assign(&alice, &[]).await.unwrap();
}

/// Nothing needs one, but it is the organization's: not everybody's to put, and on record.
#[tokio::test]
async fn a_licence_is_put_by_whom_it_is_permitted() {
    let plane = Plane::start().await;
    let id = user(&plane, "ann").await;
    plane.assign_roles(&root(), &id, &["viewer_id".into()]).await.unwrap();
    let refusal = plane.put_license(&act(&plane, "ann").await).await.unwrap_err().to_string();
    assert!(refusal.contains("iam:UpdateLicense on the organization"), "{refusal}");
    let admin = plane.admin.as_ref().unwrap();
    let first_admin = plane.authenticate(&admin.username, &admin.password).await.unwrap();
    plane.put_license(&first_admin).await.unwrap();
    let log = plane.audit_log(&root(), &Default::default(), store::Direction::Descending, None).await.unwrap().list;
    let put: Vec<_> = log.iter().filter(|row| row.entry.action == "UpdateLicense").collect();
    assert_eq!(put.iter().map(|row| row.entry.actor.as_str()).collect::<Vec<_>>(), ["user:admin"]);
}
