//! The laws of which crate may know which, read from cargo's own graph; and of who may go into a gateway group, read
//! from the sources.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

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

/// What the graph cannot tell: tokio and the standard library have sockets, too.
#[test]
fn control_opens_no_socket() {
    let sources = sources(&["crates/control/src"]);
    assert!(sources.len() > 20, "hardly any source is found");
    for (path, text) in sources {
        for socket in ["tokio::net", "std::net::Tcp", "std::net::Udp", "TcpStream", "TcpListener", "UdpSocket"] {
            assert!(!text.contains(socket), "{path} has {socket}");
        }
    }
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

/// Where the proof of permission is defined.
const PROOF: &str = "crates/store/src/access.rs";

/// Every Rust source below these directories by its path in the repository, without its comments. This file is left out.
fn sources(directories: &[&str]) -> Vec<(String, String)> {
    let (root, mut found) = (Path::new(".."), Vec::new());
    let mut open: Vec<_> = directories.iter().map(|directory| root.join(directory)).collect();
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source");
                let code: Vec<_> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                let name = path.strip_prefix(root).expect("below the root").to_str().expect("a name").to_owned();
                found.push((name, code.join("\n")));
            }
        }
    }
    found.retain(|(name, _)| name != file!());
    found.sort();
    found
}

/// Sources of the whole workspace that hold the text.
fn files_with(text: &str) -> Vec<String> {
    let sources = sources(&["crates", "tests", "bench", "fuzz"]);
    assert!(sources.iter().any(|(name, _)| name == PROOF), "the definition is not read: {} sources", sources.len());
    sources.into_iter().filter(|(name, code)| name != PROOF && code.contains(text)).map(|(name, _)| name).collect()
}

#[test]
fn a_group_is_granted_where_permissions_are_decided() {
    // Without the name of the type, which may be renamed where it is imported.
    assert_eq!(files_with("::granted"), ["crates/control/src/iam/authorise.rs"]);
}

#[test]
fn the_control_plane_goes_into_groups_by_itself_in_few_places() {
    let is_test = |name: &str| name.contains("/tests/") || name.ends_with("/tests.rs");
    // Nothing calls `GroupAccess::system` without a reason.
    let mut giving_reasons = files_with("SystemReason");
    giving_reasons.retain(|name| !is_test(name));
    let expected = [
        "crates/control/src/audit/refusals.rs",
        "crates/control/src/configuration/expiry.rs",
        "crates/control/src/configuration/head.rs",
        "crates/control/src/configuration/permission.rs",
        "crates/control/src/feed.rs",
    ];
    assert_eq!(giving_reasons, expected);
}

#[test]
fn a_proof_of_permission_is_made_in_two_ways() {
    let (_, code) = sources(&["crates/store/src"]).into_iter().find(|(name, _)| name == PROOF).expect("the proof");
    assert_eq!(code.matches("-> Self").count(), 2, "granted and system");
    for other_way in ["pub id", "From<", "Deserialize", "Default", "DerefMut"] {
        assert!(!code.contains(other_way), "{other_way}");
    }
}

/// Whatever else names a group takes the proof. Lists and counts of many groups take their reader's scope.
#[test]
fn functions_of_the_store_that_take_an_id_are_those_that_decide_or_count() {
    let mut taking_ids = Vec::new();
    for (name, code) in sources(&["crates/store/src"]) {
        for function in code.split("pub async fn ").skip(1) {
            let signature = function.split(" {\n").next().unwrap_or_default();
            if signature.contains("&GroupId") || signature.contains("&model::GroupId") {
                let called = signature.split('(').next().unwrap_or_default();
                taking_ids.push(format!("{} {called}", name.trim_start_matches("crates/store/src/")));
            }
        }
    }
    let expected = [
        "audit/mod.rs actions",
        "config/read.rs labels",
        "groups.rs labels",
        "instances/table.rs count_by_status",
        "instances/table.rs is_admitted",
    ];
    assert_eq!(taking_ids, expected);
}
