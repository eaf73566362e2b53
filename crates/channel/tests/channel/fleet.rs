//! The channel over the real use cases and a real database: what the fakes of the other tests leave open.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use channel::{ChannelSettings, TlsMaterial, serve};
use control::iam::Actor;
use control::{Control, ControlSettings, SystemClock};
use gateway::config::ConfigError;
use model::InstanceId;
use plugin_api::Registry;
use serde_json::json;
use store::instances::{Instance as Known, InstanceStatus, Nack};
use store::{MasterKey, Store};
use tempfile::tempdir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::control_plane::{HEARTBEAT, group, route};
use crate::instance::{COUNTED, Instance};
use crate::wait;

const HOUR: Duration = Duration::from_secs(3600);

struct Site {
    runtime: Runtime,
    control: Control,
    url: String,
}

impl Site {
    fn start(dir: &Path, heartbeat: Duration) -> Self {
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
            let settings = ChannelSettings { heartbeat, ..ChannelSettings::new(tls, control.trust_domain()) };
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

    fn delete(&self, id: &str) -> u64 {
        let (actor, group) = (Actor::system(), group("default"));
        self.runtime.block_on(self.control.delete_resource(&actor, &group, route(id), None)).unwrap()
    }

    fn known(&self, id: &InstanceId) -> Known {
        let (actor, group) = (Actor::system(), group("default"));
        self.runtime.block_on(self.control.get_instance(&actor, &group, id)).unwrap()
    }

    fn revoke(&self, id: &InstanceId) {
        let (actor, group) = (Actor::system(), group("default"));
        self.runtime.block_on(self.control.revoke_instance(&actor, &group, id)).unwrap();
    }
}

#[test]
fn what_control_commits_reaches_an_instance_and_what_it_reports_reaches_the_database() {
    let (dir, data) = (tempdir().unwrap(), tempdir().unwrap());
    let site = Site::start(dir.path(), HEARTBEAT);
    let instance = Instance::start(&site.url, Some(&site.token()), data.path());
    instance.wait_for(0);
    let (_, revision) = (site.put("r1"), site.put("r2"));
    instance.wait_for(revision);
    assert!(instance.state().contains(&route("r1")) && instance.state().contains(&route("r2")));
    let id = instance.id();
    wait::until_true("the applied revision in the database", || site.known(&id).applied_revision == Some(revision));
    let counted = json!({
        "requests": COUNTED.requests,
        "responses_5xx": COUNTED.responses_5xx,
        "connections_now": COUNTED.connections_now,
        "requests_now": COUNTED.requests_now,
        "bytes_received": COUNTED.bytes_received,
        "bytes_sent": COUNTED.bytes_sent,
        "cpu_milliseconds": COUNTED.cpu_milliseconds,
        "rss_bytes_now": COUNTED.rss_bytes_now,
        "uptime_seconds": COUNTED.uptime_seconds,
    });
    wait::until_true("the heartbeat's counters in the database", || site.known(&id).counters == counted);
    site.revoke(&id);
    assert!(matches!(instance.end(), Err(ConfigError::Revoked(_))));
    assert!(matches!(Instance::start(&site.url, None, data.path()).end(), Err(ConfigError::Revoked(_))));
}

#[test]
fn what_an_instance_refuses_is_known_with_object_and_field_until_it_is_repaired() {
    let (dir, data) = (tempdir().unwrap(), tempdir().unwrap());
    let site = Site::start(dir.path(), HEARTBEAT);
    let instance = Instance::start_refusing(&[&site.url], Some(&site.token()), data.path(), Some("bad"));
    let good = site.put("r1");
    instance.wait_for(good);
    let (bad, id) = (site.put("bad"), instance.id());
    let refused = wait::until("the refusal in the database", || Some(site.known(&id)).filter(|is| is.nack.is_some()));
    let nack =
        Nack { revision: bad, resource: "route/bad".into(), pointer: "/uri".into(), message: "no such thing".into() };
    assert_eq!((refused.nack, refused.applied_revision), (Some(nack), Some(good)));
    assert_eq!((refused.status, refused.head_revision), (InstanceStatus::OutOfSync, bad));
    let repaired = site.delete("bad");
    instance.wait_for(repaired);
    let well = wait::until("the refusal's end", || Some(site.known(&id)).filter(|is| is.nack.is_none()));
    assert_eq!((well.status, well.applied_revision), (InstanceStatus::Healthy, Some(repaired)));
}

#[test]
fn control_closes_a_revoked_instance_at_once() {
    let (dir, data) = (tempdir().unwrap(), tempdir().unwrap());
    let site = Site::start(dir.path(), HOUR);
    let instance = Instance::start(&site.url, Some(&site.token()), data.path());
    instance.wait_for(0);
    let id = instance.id();
    // What it says last, written down: no report can find the revocation.
    wait::until_true("the first word of its nodes", || instance.told.times_asked() == 1);
    let revision = site.put("r1");
    wait::until_true("the applied revision in the database", || site.known(&id).applied_revision == Some(revision));
    let revoked = Instant::now();
    site.revoke(&id);
    assert!(matches!(instance.end(), Err(ConfigError::Revoked(_))));
    assert!(revoked.elapsed() < Duration::from_secs(1), "closed after {:?}", revoked.elapsed());
}
