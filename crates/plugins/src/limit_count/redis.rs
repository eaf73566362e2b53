//! Counting in Redis (`policy: redis`), so that all instances of a group count together.
//!
//! Each worker has a connection of its own to each server, which carries all its requests at once. One script counts and
//! answers how the window stands, in one round trip.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use limit::{Decision, Rule, Standing, WindowType};
use model::Fault;
use plugin_api::{CompileInput, instance};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisError, Script,
};
use serde::Deserialize;

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis.lua")));

/// How long a server that could not be reached is taken for gone, so that not every request waits for it.
const GONE: Duration = Duration::from_millis(500);

thread_local! {
    static CONNECTIONS: RefCell<HashMap<Arc<Server>, State>> = RefCell::default();
}

/// The fields `redis_*` of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub(super) struct Server {
    redis_host: String,
    #[serde(default = "port")]
    redis_port: u16,
    redis_username: Option<String>,
    redis_password: Option<String>,
    #[serde(default)]
    redis_database: u32,
    /// Milliseconds, for connecting and for an answer.
    #[serde(default = "timeout")]
    redis_timeout: u64,
    #[serde(default)]
    redis_ssl: bool,
    #[serde(default)]
    redis_ssl_verify: bool,
}

fn port() -> u16 {
    6379
}

fn timeout() -> u64 {
    1000
}

/// What a worker knows of a server.
enum State {
    Open(MultiplexedConnection),
    GoneSince(Instant, String),
}

/// Counters of one configuration.
pub(super) struct Counters {
    server: Arc<Server>,
    /// What all its keys begin with.
    prefix: String,
}

impl Counters {
    /// Those of one group count together, whoever uses it; else this configuration of this owner does.
    pub(super) fn new(group: Option<&str>, input: &CompileInput<'_>) -> Result<Self, Fault> {
        let server: Server = crate::read(input.conf)?;
        let prefix = match group {
            Some(group) => format!("group:{group}"),
            None => {
                let canonical = model::json::canonical(&super::counters::without_meta(input.conf));
                let digest = digest::digest(&digest::SHA256, &canonical);
                let short: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
                format!("{}:{short}", input.owner)
            }
        };
        Ok(Self { server: Arc::new(server), prefix })
    }

    /// Counts a request now.
    ///
    /// # Errors
    /// Why the server cannot be asked, in words without its password.
    pub(super) async fn hit(&self, key: &str, rule: &Rule) -> Result<Decision, String> {
        let key = format!("plugin-limit-count:{}:{}:{key}", instance::gateway_group(), self.prefix);
        let window_type = match rule.window_type {
            WindowType::Fixed => "fixed",
            WindowType::Sliding => "sliding",
        };
        let mut script = SCRIPT.key(key);
        script.arg(rule.limit).arg(rule.window_ms).arg(window_type);
        let (mut connection, is_kept) = self.connection().await?;
        let mut answer = script.invoke_async(&mut connection).await;
        // A kept connection may have been closed since; that says nothing of the server.
        if is_kept && answer.as_ref().is_err_and(RedisError::is_io_error) {
            self.forget();
            (connection, _) = self.connection().await?;
            answer = script.invoke_async(&mut connection).await;
        }
        let (count, before, left_ms): (u64, u64, u64) = answer.map_err(|error| {
            if error.is_io_error() || error.is_unrecoverable_error() {
                self.forget();
            }
            error.to_string()
        })?;
        Ok(rule.decide(Standing { count, before, left_ms }))
    }

    /// The worker's connection, and whether it was open before.
    async fn connection(&self) -> Result<(MultiplexedConnection, bool), String> {
        let known = CONNECTIONS.with_borrow(|connections| match connections.get(&self.server) {
            Some(State::Open(connection)) => Some(Ok((connection.clone(), true))),
            Some(State::GoneSince(since, why)) if since.elapsed() < GONE => Some(Err(why.clone())),
            _ => None,
        });
        if let Some(known) = known {
            return known;
        }
        let opened = self.server.open().await.map_err(|error| error.to_string());
        let state = match &opened {
            Ok(connection) => State::Open(connection.clone()),
            Err(why) => State::GoneSince(Instant::now(), why.clone()),
        };
        CONNECTIONS.with_borrow_mut(|connections| connections.insert(self.server.clone(), state));
        opened.map(|connection| (connection, false))
    }

    fn forget(&self) {
        CONNECTIONS.with_borrow_mut(|connections| connections.remove(&self.server));
    }
}

impl Server {
    async fn open(&self) -> Result<MultiplexedConnection, RedisError> {
        let timeout = Some(Duration::from_millis(self.redis_timeout));
        let settings = AsyncConnectionConfig::new().set_connection_timeout(timeout).set_response_timeout(timeout);
        let client = Client::open(self.address().into_connection_info()?.set_redis_settings(self.login()))?;
        client.get_multiplexed_async_connection_with_config(&settings).await
    }

    fn address(&self) -> ConnectionAddr {
        let (host, port) = (self.redis_host.clone(), self.redis_port);
        if self.redis_ssl {
            return ConnectionAddr::TcpTls { host, port, insecure: !self.redis_ssl_verify, tls_params: None };
        }
        ConnectionAddr::Tcp(host, port)
    }

    fn login(&self) -> RedisConnectionInfo {
        let login = RedisConnectionInfo::default().set_db(i64::from(self.redis_database));
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let login = match given(&self.redis_password) {
            Some(password) => login.set_password(password),
            None => login,
        };
        match given(&self.redis_username) {
            Some(username) => login.set_username(username),
            None => login,
        }
    }
}

/// What is decided by a reply of these bytes; `None` when it is no reply of the script.
#[cfg(feature = "fuzzing")]
pub(super) fn fuzzed(bytes: &[u8], rule: &Rule) -> Option<Decision> {
    let value = redis::parse_redis_value(bytes).ok()?;
    let (count, before, left_ms): (u64, u64, u64) = redis::from_redis_value(value).ok()?;
    Some(rule.decide(Standing { count, before, left_ms }))
}

#[cfg(test)]
mod tests;
