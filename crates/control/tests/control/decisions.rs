//! Why decisions come out as they do, and what a change of a policy would change.

use control::iam::{
    Action, Actor, Invitation, Object, Policy, PolicyChange, PolicySpec, Question, RoleSpec, UserPatch, UserSpec,
};
use serde_json::{Value, json};

use crate::permissions::{act, everything_where, grant, group, is_refused, labels, policy, user};
use crate::support::{Plane, default_group, pointers, root};

#[tokio::test]
async fn decisions_are_explained_and_simulated() {
    let plane = Plane::start().await;
    let test = group(&plane, "test", &[("env", "test")]).await;
    let id = user(&plane, "ann").await;
    let role = grant(&plane, &id, "testers", everything_where("env", "test")).await;
    let ann = act(&plane, "ann").await;
    let ask = |object| Question { action: Action::UpdateGatewayGroup, object };
    let allowed = plane.explain(&ann, None, &ask(Object::Group(test.clone()))).await.unwrap();
    assert!(allowed.allowed && allowed.decided_by[0].policy_name == "testers", "{allowed:?}");
    let denied = plane.explain(&root(), Some(&id), &ask(Object::Group(default_group()))).await.unwrap();
    assert!(!denied.allowed && !denied.missing.is_empty(), "{denied:?}");
    let bob = user(&plane, "bob").await;
    let about_bob = plane.explain(&ann, Some(&bob), &ask(Object::Group(test.clone()))).await;
    assert!(is_refused(&about_bob));

    let document = json!({ "statement": everything_where("env", "none") });
    let saved = plane.policies_of_role(&root(), &role).await.unwrap().remove(0).id;
    let change = PolicyChange { policy: Some(saved), document: Some(document), roles: Vec::new() };
    let questions = [ask(Object::Group(test.clone())), ask(Object::Group(default_group()))];
    let simulation = plane.simulate_policy(&root(), &change, &questions).await.unwrap();
    assert_eq!(simulation.differences.len(), 1, "{simulation:?}");
    let difference = &simulation.differences[0];
    assert_eq!((difference.username.as_str(), difference.now.allowed, difference.then.allowed), ("ann", true, false));
    let still = plane.explain(&ann, None, &ask(Object::Group(test))).await.unwrap();
    assert!(still.allowed, "a simulation changes nothing");
}

/// More than are read at once: each has what is its own, and none is left out.
#[tokio::test]
async fn many_users_are_looked_at_one_by_one() {
    let plane = Plane::start().await;
    let test = group(&plane, "test", &[("env", "test")]).await;
    let mut ids = Vec::new();
    for number in 0..130 {
        let (username, attributes) = (format!("user-{number:03}"), "{}".to_owned());
        let spec = UserSpec { username, attributes, active: true, ..UserSpec::default() };
        let made = plane.provision_user(&root(), spec).await.unwrap();
        ids.push(made.provisioned.user.id);
    }
    let role = grant(&plane, &ids[7], "testers", everything_where("env", "test")).await;
    plane.assign_roles(&root(), &ids[121], std::slice::from_ref(&role)).await.unwrap();
    let permitted = plane.permitted_users(&root(), &test).await.unwrap().list;
    let names: Vec<_> = permitted.iter().map(|user| user.username.as_str()).filter(|name| *name != "admin").collect();
    assert_eq!(names, ["user-007", "user-121"]);

    let saved = plane.policies_of_role(&root(), &role).await.unwrap().remove(0).id;
    let gone = PolicyChange { policy: Some(saved), document: None, roles: Vec::new() };
    let questions = [Question { action: Action::UpdateGatewayGroup, object: Object::Group(test) }];
    let simulation = plane.simulate_policy(&root(), &gone, &questions).await.unwrap();
    let changed: Vec<_> = simulation.differences.iter().map(|one| one.username.as_str()).collect();
    assert_eq!(changed, ["user-121", "user-007"]);
}

fn names(policies: &[Policy]) -> Vec<&str> {
    policies.iter().map(|policy| policy.name.as_str()).collect()
}

fn see(what: &str, resources: &str) -> Value {
    json!({ "effect": "allow", "actions": [format!("iam:Get{what}")], "resources": [resources] })
}

/// Who may see a role or a user sees of their policies those that it may see by themselves.
#[tokio::test]
async fn policies_of_roles_and_users_are_shown_as_far_as_they_may_be_seen() {
    let plane = Plane::start().await;
    let labelled = async |name: &str, team: &str| {
        let document = json!({ "statement": everything_where("team", team) });
        let spec =
            PolicySpec { name: name.into(), labels: labels(&[("team", team)]), document, ..PolicySpec::default() };
        plane.create_policy(&root(), spec).await.unwrap().policy.id
    };
    let (own, other) = (labelled("own", "a").await, labelled("other", "b").await);
    let both = [own, other];
    let role = RoleSpec { name: "both".into(), ..RoleSpec::default() };
    let role = plane.create_role(&root(), &role, &both).await.unwrap().id;
    let bob = user(&plane, "bob").await;
    plane.set_boundaries(&root(), &bob, &both).await.unwrap();

    let ann = user(&plane, "ann").await;
    let mut of_team = see("PermissionPolicy", "arn:api7:iam:permissionpolicy/<.*>");
    of_team["conditions"] = json!({ "permission_policy_label": { "type": "MatchLabel",
        "options": { "key": "team", "operator": "exact_match", "value": "a" } } });
    let people = [see("Role", "arn:api7:iam:role/<.*>"), see("User", "arn:api7:iam:user/<.*>")];
    grant(&plane, &ann, "people", json!(people)).await;
    let seen = async |actor: &Actor| {
        let (of_role, of_bob) =
            (plane.policies_of_role(actor, &role).await.unwrap(), plane.boundaries_of(actor, &bob).await.unwrap());
        assert_eq!(names(&of_role), names(&of_bob));
        names(&of_role).join(" ")
    };
    assert_eq!(seen(&act(&plane, "ann").await).await, "");
    grant(&plane, &ann, "people and policies", json!([people[0], people[1], of_team])).await;
    assert_eq!(seen(&act(&plane, "ann").await).await, "own");
    assert_eq!(seen(&root()).await, "other own");
    assert!(is_refused(&plane.policies_of_role(&act(&plane, "bob").await, &role).await));
}

fn update(group: &model::GroupId) -> Question {
    Question { action: Action::UpdateGatewayGroup, object: Object::Group(group.clone()) }
}

/// Whose decisions would come out otherwise, and how.
async fn changed(plane: &Plane, change: &PolicyChange, question: Question) -> Vec<(String, bool, bool)> {
    let simulation = plane.simulate_policy(&root(), change, &[question]).await.unwrap();
    let differences = simulation.differences.into_iter();
    differences.map(|one| (one.username, one.now.allowed, one.then.allowed)).collect()
}

#[tokio::test]
async fn a_new_policy_is_simulated_for_a_role_that_has_none() {
    let plane = Plane::start().await;
    let test = group(&plane, "test", &[("env", "test")]).await;
    let (ann, _bob) = (user(&plane, "ann").await, user(&plane, "bob").await);
    let role =
        plane.create_role(&root(), &RoleSpec { name: "empty".into(), ..Default::default() }, &[]).await.unwrap().id;
    plane.assign_roles(&root(), &ann, std::slice::from_ref(&role)).await.unwrap();
    let document = Some(json!({ "statement": everything_where("env", "test") }));
    let new = PolicyChange { policy: None, document, roles: vec![role] };
    assert_eq!(changed(&plane, &new, update(&test)).await, [("ann".to_owned(), false, true)]);
    assert!(!plane.explain(&act(&plane, "ann").await, None, &update(&test)).await.unwrap().allowed);

    for (wrong, pointer) in [
        (PolicyChange { roles: vec!["none".into()], ..new.clone() }, "/roles/0"),
        (PolicyChange { policy: Some("none".into()), ..new.clone() }, "/permission_policy_id"),
    ] {
        let refused = plane.simulate_policy(&root(), &wrong, &[update(&test)]).await;
        assert_eq!(pointers(refused.unwrap_err()), [pointer]);
    }
}

#[tokio::test]
async fn a_changed_boundary_is_simulated_for_whom_it_bounds() {
    let plane = Plane::start().await;
    let test = group(&plane, "test", &[("env", "test")]).await;
    let (ann, bob) = (user(&plane, "ann").await, user(&plane, "bob").await);
    let role = grant(&plane, &ann, "all", everything_where("env", "test")).await;
    plane.assign_roles(&root(), &bob, &[role]).await.unwrap();
    let boundary = policy(&plane, "boundary", everything_where("env", "test")).await;
    plane.set_boundaries(&root(), &ann, std::slice::from_ref(&boundary)).await.unwrap();
    let into = |document| PolicyChange { policy: Some(boundary.clone()), document, roles: Vec::new() };
    let narrower = into(Some(json!({ "statement": everything_where("env", "prod") })));
    assert_eq!(changed(&plane, &narrower, update(&test)).await, [("ann".to_owned(), true, false)]);
    // Gone, it would bound nobody: what the role gives is left.
    let in_default = Question { object: Object::Group(default_group()), ..update(&test) };
    assert_eq!(changed(&plane, &into(None), in_default).await, []);
    let role_s = everything_where("env", "prod");
    let narrow = policy(&plane, "narrow", role_s).await;
    plane.set_boundaries(&root(), &ann, std::slice::from_ref(&narrow)).await.unwrap();
    let gone = PolicyChange { policy: Some(narrow), document: None, roles: Vec::new() };
    assert_eq!(changed(&plane, &gone, update(&test)).await, [("ann".to_owned(), false, true)]);
}

/// What `can-i` says of others is what would be answered to them now.
#[tokio::test]
async fn who_cannot_come_in_can_do_nothing() {
    let plane = Plane::start().await;
    let invitation = Invitation { username: "ann".into(), password: "once".into(), ..Invitation::default() };
    let ann = plane.invite_user(&root(), invitation).await.unwrap().id;
    plane.assign_roles(&root(), &ann, &["viewer_id".into()]).await.unwrap();
    let look = Question { action: Action::GetGatewayGroup, object: Object::Group(default_group()) };
    let told = async |actor: &Actor, user: Option<&str>| {
        let told = serde_json::to_value(plane.explain(actor, user, &look).await.unwrap()).unwrap();
        (told["allowed"].as_bool().unwrap(), told["missing"][0]["reason"].as_str().map(str::to_owned))
    };
    let must_choose = (false, Some("must_change_password".to_owned()));
    assert_eq!(told(&root(), Some(&ann)).await, must_choose);
    let fresh = plane.login("ann", "once").await.unwrap().actor;
    assert!(is_refused(&plane.get_group(&fresh, &default_group()).await));
    assert_eq!(told(&fresh, None).await, must_choose);
    plane.change_password(&fresh, "once", crate::permissions::PASSWORD).await.unwrap();
    assert_eq!(told(&root(), Some(&ann)).await, (true, None));
    let off = UserPatch { active: Some(false), ..UserPatch::default() };
    plane.update_user(&root(), &ann, &off).await.unwrap();
    assert_eq!(told(&root(), Some(&ann)).await, (false, Some("inactive".to_owned())));
}

/// Labels are shown to those who may see what carries them.
#[tokio::test]
async fn an_explanation_tells_no_labels_of_what_the_asker_may_not_see() {
    let plane = Plane::start().await;
    let hidden = group(&plane, "hidden", &[("env", "confidential"), ("line", "x")]).await;
    let (ann, bob) = (user(&plane, "ann").await, user(&plane, "bob").await);
    let mut statement = everything_where("env", "test");
    statement[0]["conditions"]["gateway_group_label"]["options"] = json!([
        { "key": "env", "operator": "exact_match", "value": "test" }, { "key": "line", "operator": "present" }]);
    grant(&plane, &bob, "test only", statement.clone()).await;
    let mut people = statement.as_array().unwrap().clone();
    people.push(see("User", "arn:api7:iam:user/<.*>"));
    grant(&plane, &ann, "people", json!(people)).await;
    let about = async |actor: &Actor, user: Option<&str>| {
        let told = plane.explain(actor, user, &update(&hidden)).await.unwrap();
        assert!(!told.allowed);
        let told = serde_json::to_value(told).unwrap();
        let near = told["missing"][0]["near_misses"][0]["shortfall"]["failed"].as_array().unwrap().clone();
        near.iter().map(|one| (one["label"].clone(), one["found"].clone(), one["hidden"].clone())).collect::<Vec<_>>()
    };
    let neither = [(json!("env"), json!(null), json!(true)), (json!("line"), json!(null), json!(true))];
    let asker = act(&plane, "ann").await;
    assert_eq!(about(&asker, Some(&bob)).await, neither, "nor which of the two it is");
    assert_eq!(about(&asker, None).await, neither);
    let shown = [(json!("env"), json!("confidential"), json!(false))];
    assert_eq!(about(&root(), Some(&bob)).await, shown);

    // Whoever may see all policies and users sees by a simulation no more than by looking.
    people.push(see("PermissionPolicy", "arn:api7:iam:permissionpolicy/<.*>"));
    grant(&plane, &ann, "people and policies", json!(people)).await;
    let all = json!({ "statement": [{ "effect": "allow", "actions": ["<.*>"], "resources": ["<.*>"] }] });
    let of_bob = plane.get_user(&root(), &bob).await.unwrap().roles.remove(0).id;
    let change = PolicyChange { policy: None, document: Some(all), roles: vec![of_bob] };
    let simulated = plane.simulate_policy(&act(&plane, "ann").await, &change, &[update(&hidden)]).await.unwrap();
    assert_eq!(simulated.differences.len(), 1);
    let why = serde_json::to_string(&simulated.differences[0].now).unwrap();
    assert!(!why.contains("confidential") && why.contains("\"hidden\":true"), "{why}");
}
