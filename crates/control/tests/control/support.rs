//! A control plane on a throw-away database, with a clock that tests move and two plugins.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};

use control::iam::{Actor, RequestContext, Session};
use control::{Clock, Control, ControlError, ControlSettings, FirstAdmin};
use model::{Fault, GroupId, Kind, ResourceId, ResourceKey};
use plugin_api::{CompileInput, Phases, Plugin, PluginType, Registry};
use serde_json::{Value, json};
use store::{MasterKey, Store};

pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A control plane, and what it runs on.
pub(crate) struct Plane {
    pub(crate) control: Control,
    pub(crate) admin: Option<FirstAdmin>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) url: String,
    _directory: Option<Arc<tempfile::TempDir>>,
}

impl std::ops::Deref for Plane {
    type Target = Control;
    fn deref(&self) -> &Control {
        &self.control
    }
}

impl Plane {
    /// On a fresh SQLite file.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("flotilla.db").display());
        let mut plane = Self::on(url).await;
        plane._directory = Some(Arc::new(directory));
        plane
    }

    /// On a database that is there.
    pub(crate) async fn on(url: String) -> Self {
        Self::with_plugins(url, &REGISTRY).await
    }

    async fn with_plugins(url: String, registry: &'static Registry) -> Self {
        let store = Store::open(&url, MasterKey::new([7; 32])).await.unwrap();
        // Close to the present: the store stamps rows with the machine's clock.
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
        let clock = Arc::new(ManualClock(AtomicI64::new(now)));
        let started = Control::start(store, registry, ControlSettings::default(), clock.clone()).await.unwrap();
        Self { control: started.control, admin: started.first_admin, clock, url, _directory: None }
    }

    /// The time by the clock that tests move.
    pub(crate) fn clock_now(&self) -> i64 {
        self.clock.now()
    }

    /// Another replica on the same database.
    pub(crate) async fn replica(&self) -> Self {
        let mut replica = Self::on(self.url.clone()).await;
        replica._directory.clone_from(&self._directory);
        replica
    }

    pub(crate) async fn login(&self, username: &str, password: &str) -> Result<Session, ControlError> {
        self.control.login(username, password, None, &RequestContext::default()).await
    }

    /// By Basic authentication.
    pub(crate) async fn authenticate(&self, username: &str, password: &str) -> Result<Actor, ControlError> {
        self.control.authenticate_password(username, password, &RequestContext::default()).await
    }

    /// A later version on the same database, whose `limited` takes counts above 10 only.
    pub(crate) async fn upgraded(&self) -> Self {
        let mut later = Self::with_plugins(self.url.clone(), &STRICTER).await;
        later._directory.clone_from(&self._directory);
        later
    }

    pub(crate) async fn put(&self, key: ResourceKey, body: Value) -> Result<u64, ControlError> {
        let written = self.put_resource(&root(), &default_group(), key, body, None).await?;
        Ok(written.revision)
    }

    pub(crate) async fn delete(&self, key: ResourceKey) -> Result<u64, ControlError> {
        self.delete_resource(&root(), &default_group(), key, None).await
    }

    pub(crate) async fn head(&self) -> u64 {
        self.feed_head(&default_group()).await.unwrap().revision
    }

    pub(crate) async fn exists(&self, key: ResourceKey) -> bool {
        self.get_resource(&root(), &default_group(), &key).await.is_ok()
    }
}

pub(crate) fn root() -> Actor {
    Actor::system()
}

pub(crate) fn default_group() -> GroupId {
    "default".parse().unwrap()
}

pub(crate) fn id(text: &str) -> ResourceId {
    text.parse().unwrap()
}

pub(crate) fn key(kind: Kind, text: &str) -> ResourceKey {
    ResourceKey::new(kind, id(text))
}

pub(crate) fn below(parent: &str, kind: Kind, text: &str) -> ResourceKey {
    ResourceKey::below(id(parent), kind, id(text))
}

pub(crate) fn upstream() -> Value {
    json!({ "nodes": { "127.0.0.1:1980": 1 } })
}

pub(crate) fn service() -> Value {
    json!({ "name": "s", "upstream": upstream() })
}

pub(crate) fn route(uri: &str) -> Value {
    json!({ "uri": uri, "upstream": upstream() })
}

pub(crate) fn route_of(service: &str) -> Value {
    json!({ "uri": "/", "service_id": service })
}

/// The pointers of an invalid write's faults.
pub(crate) fn pointers(error: ControlError) -> Vec<String> {
    match error {
        ControlError::Invalid(faults) => faults.0.into_iter().map(|fault| fault.pointer).collect(),
        other => panic!("not a matter of faults: {other:?}"),
    }
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::new([&KEY_AUTH as &'static dyn PluginType, &LIMITED]));
static STRICTER: LazyLock<Registry> =
    LazyLock::new(|| Registry::new([&KEY_AUTH as &'static dyn PluginType, &STRICTLY_LIMITED]));
static SCHEMA: LazyLock<Value> = LazyLock::new(|| json!({ "type": "object" }));
static KEY_AUTH: KeyAuth = KeyAuth;
static LIMITED: Limited = Limited { above: 0 };
static STRICTLY_LIMITED: Limited = Limited { above: 10 };

/// Authenticates by `key`.
struct KeyAuth;

impl PluginType for KeyAuth {
    fn name(&self) -> &'static str {
        "key-auth"
    }
    fn priority(&self) -> i32 {
        2500
    }
    fn schema(&self) -> &'static Value {
        &SCHEMA
    }
    fn consumer_schema(&self) -> Option<&'static Value> {
        Some(&SCHEMA)
    }
    fn is_authentication(&self) -> bool {
        true
    }
    fn credential_key<'v>(&self, credential: &'v Value) -> Option<&'v str> {
        credential.get("key")?.as_str()
    }
    fn secret_fields(&self) -> &'static [&'static str] {
        &["key"]
    }
    fn compile(&self, _: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        Ok(Arc::new(Idle))
    }
}

/// Refuses a `count` that is not above its bound when it is compiled.
struct Limited {
    above: i64,
}

impl PluginType for Limited {
    fn name(&self) -> &'static str {
        "limited"
    }
    fn priority(&self) -> i32 {
        1000
    }
    fn schema(&self) -> &'static Value {
        &SCHEMA
    }
    fn compile(&self, input: &CompileInput<'_>) -> Result<Arc<dyn Plugin>, Fault> {
        match input.conf.get("count").and_then(Value::as_i64) {
            Some(count) if count > self.above => Ok(Arc::new(Idle)),
            _ => Err(Fault::new("/count", "must be above 0")),
        }
    }
}

struct Idle;

impl Plugin for Idle {
    fn phases(&self) -> Phases {
        Phases::default()
    }
}
