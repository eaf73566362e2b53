//! The laws of which crate may know which, read from cargo's own graph.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeSet, HashMap};

use cargo_metadata::{DependencyKind, MetadataCommand, PackageId};

/// Names of all packages that a package needs to be built, by normal dependencies.
fn needs(name: &str) -> BTreeSet<String> {
    let metadata = MetadataCommand::new().manifest_path("../Cargo.toml").exec().expect("cargo metadata");
    let names: HashMap<&PackageId, String> =
        metadata.packages.iter().map(|package| (&package.id, package.name.to_string())).collect();
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let nodes: HashMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let start = names.iter().find(|(_, own)| *own == name).map(|(id, _)| *id).expect("the package");
    let (mut found, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(id) = open.pop() {
        for dependency in &nodes[id].deps {
            let is_normal = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            if is_normal && found.insert(names[&dependency.pkg].clone()) {
                open.push(&dependency.pkg);
            }
        }
    }
    found
}

fn assert_none(of: &str, forbidden: &[&str]) {
    let needed = needs(of);
    assert!(needed.len() > 5, "{of} needs hardly anything: is the graph read rightly?");
    for name in forbidden {
        assert!(!needed.contains(*name), "{of} must not need {name}");
    }
}

#[test]
fn the_gateway_knows_no_control_plane_and_no_database() {
    let forbidden = [
        "flotilla-store",
        "flotilla-control",
        "flotilla-api",
        "flotilla-channel",
        "sqlx",
        "sqlx-core",
        "libsqlite3-sys",
    ];
    assert_none("flotilla-gateway", &forbidden);
}

#[test]
fn control_knows_no_socket_and_no_gateway() {
    let forbidden = ["flotilla-gateway", "flotilla-api", "flotilla-channel", "flotilla-wire", "axum", "tonic", "hyper"];
    assert_none("flotilla-control", &forbidden);
}

#[test]
fn the_model_knows_none_of_ours() {
    assert!(needs("flotilla-model").iter().all(|name| !name.starts_with("flotilla")));
}

#[test]
fn plugins_know_the_plugin_api_and_no_gateway() {
    let needed = needs("flotilla-plugins");
    assert!(needed.contains("flotilla-plugin-api"));
    assert_none("flotilla-plugins", &["flotilla-gateway", "flotilla-plan", "flotilla-store"]);
}

#[test]
fn sign_on_knows_the_model_alone() {
    let ours: Vec<_> = needs("flotilla-sign-on").into_iter().filter(|name| name.starts_with("flotilla")).collect();
    assert_eq!(ours, ["flotilla-model"]);
    assert_none("flotilla-sign-on", &["axum", "sqlx", "native-tls", "openssl-sys"]);
}

#[test]
fn scim_knows_none_of_ours() {
    assert!(needs("flotilla-scim").iter().all(|name| !name.starts_with("flotilla")));
}
