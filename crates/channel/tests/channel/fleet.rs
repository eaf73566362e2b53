//! The channel over the real use cases and a real database: what the fakes of the other tests leave open.

use std::path::Path;
use std::sync::Arc;

use channel::{ChannelSettings, TlsMaterial, serve};
use control::iam::Actor;
use control::{Control, ControlSettings, SystemClock};
use gateway::config::ConfigError;
use plugin_api::Registry;
use serde_json::json;
use store::{MasterKey, Store};
use tempfile::tempdir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::control_plane::{group, route};
use crate::instance::Instance;
use crate::wait;

struct Site {
    runtime: Runtime,
    control: Control,
    url: String,
}

impl Site {
    fn start(dir: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let url = format!("sqlite://{}", dir.join("control.db").display());
        let (control, url) = runtime.block_on(async {
            let store = Store::open(&url, MasterKey::generate().unwrap()).await.unwrap();
            let settings =
                ControlSettings { first_admin_password: Some("long enough".into()), ..ControlSettings::default() };
            let registry = Box::leak(Box::new(Registry::new([])));
            let started = Control::start(store, registry, settings, Arc::new(SystemClock)).await.unwrap();
            let control = started.control;
            let own = control.issue_server_certificate().unwrap();
            let tls = TlsMaterial { ca: control.ca_certificate().clone(), chain: own.chain, key: own.key };
            let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("https://{}", tcp.local_addr().unwrap());
            let settings = ChannelSettings::new(tls, control.trust_domain());
            tokio::spawn(serve(tcp, settings, Arc::new(control.clone()), CancellationToken::new()));
            (control, url)
        });
        Self { runtime, control, url }
    }

    fn token(&self) -> String {
        let (control, actor) = (&self.control, Actor::system());
        self.runtime.block_on(control.create_join_token(&actor, &group("default"), None, Some(1))).unwrap().token
    }

    fn put(&self, id: &str) -> u64 {
        let body =
            json!({ "uri": format!("/{id}"), "upstream": { "type": "roundrobin", "nodes": { "127.0.0.1:1": 1 } } });
        let (actor, group) = (Actor::system(), group("default"));
        let put = self.control.put_resource(&actor, &group, route(id), body, None);
        self.runtime.block_on(put).unwrap().revision
    }
}

#[test]
fn what_control_commits_reaches_an_instance_and_what_it_reports_reaches_the_database() {
    let (dir, data) = (tempdir().unwrap(), tempdir().unwrap());
    let site = Site::start(dir.path());
    let instance = Instance::start(&site.url, Some(&site.token()), data.path());
    instance.wait_for(0);
    let (_, revision) = (site.put("r1"), site.put("r2"));
    instance.wait_for(revision);
    assert!(instance.state().contains(&route("r1")) && instance.state().contains(&route("r2")));
    let id = instance.id();
    let actor = Actor::system();
    wait::until_true("the applied revision in the database", || {
        let known = site.runtime.block_on(site.control.get_instance(&actor, &group("default"), &id)).unwrap();
        known.applied_revision == Some(revision)
    });
    site.runtime.block_on(site.control.revoke_instance(&actor, &group("default"), &id)).unwrap();
    assert!(matches!(instance.end(), Err(ConfigError::Revoked(_))));
    assert!(matches!(Instance::start(&site.url, None, data.path()).end(), Err(ConfigError::Revoked(_))));
}
