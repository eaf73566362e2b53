//! Our own: a control plane and its gateways, by the command line and the API that users have.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Site, free_address};
use crate::case::Case;
use crate::cpu::Cpu;
use crate::http::{Api, Connection};
use crate::load::route_path;
use crate::process::{Process, wait_for};

const PASSWORD: &str = "bench-Password-1";
const START_LIMIT: Duration = Duration::from_secs(60);
/// Routes in one atomic batch.
const BATCH: usize = 2000;

/// A running control plane with an empty database of its own.
pub(crate) struct ControlPlane {
    pub(crate) process: Process,
    pub(crate) api: Api,
    /// Of the API.
    pub(crate) address: SocketAddr,
    pub(crate) channel: SocketAddr,
    program: PathBuf,
    dir: PathBuf,
}

impl ControlPlane {
    /// Starts one with its data in `dir`, on one processor when one is given, and logs in.
    pub(crate) fn start(program: &Path, dir: &Path, cpu: Option<Cpu>) -> Result<Self> {
        Self::start_on(program, dir, cpu, None)
    }

    /// The same on a database that is there.
    pub(crate) fn start_on(program: &Path, dir: &Path, cpu: Option<Cpu>, database: Option<&str>) -> Result<Self> {
        let (address, channel) = (free_address()?, free_address()?);
        let mut command = Command::new(program);
        command.arg("control-plane").arg("--data-dir").arg(dir.join("control-plane"));
        command.args(["--api-http-listen", &address.to_string(), "--api-https-listen", &free_address()?.to_string()]);
        command.args(["--apisix-admin-listen", &free_address()?.to_string()]);
        command.args(["--channel-listen", &channel.to_string(), "--server-names", "127.0.0.1"]);
        command.env("FLOTILLA_ADMIN_PASSWORD", PASSWORD);
        if let Some(database) = database {
            command.env("FLOTILLA_DATABASE", database).env("FLOTILLA_MASTER_KEY", "07".repeat(32));
        }
        let mut process = Process::start("control-plane", command, cpu, dir)?;
        let is_up = || Connection::new(address).get("/api/status", &[]).is_ok_and(|answer| answer.status == 200);
        wait_for(&mut process, START_LIMIT, is_up)?;
        let api = login(address)?;
        Ok(Self { process, api, address, channel, program: program.to_owned(), dir: dir.to_owned() })
    }

    /// Makes a group and returns its id.
    pub(crate) fn create_group(&mut self, name: &str) -> Result<String> {
        let answer = self.api.call("POST", "/api/gateway_groups", &json!({ "name": name }))?;
        text(&answer, "/value/id")
    }

    /// A join token of the group, good for `uses` instances.
    pub(crate) fn join_token(&mut self, group: &str, uses: usize) -> Result<String> {
        let path = format!("/api/gateway_groups/{group}/instance_token?only_token=true");
        let answer = self.api.call("POST", &path, &json!({ "name": "bench", "max_uses": uses }))?;
        text(&answer, "/value/token_plain_text")
    }

    /// Puts one resource; `path` as in `routes/1`.
    pub(crate) fn put(&mut self, group: &str, path: &str, body: &Value) -> Result<()> {
        put(&mut self.api, group, path, body)
    }

    /// Makes the group's configuration that of `case`.
    pub(crate) fn configure(&mut self, group: &str, case: Case, site: &Site) -> Result<()> {
        let scheme = if case == Case::Grpc { "grpc" } else { "http" };
        self.put(group, "upstreams/bench", &upstream(scheme, &[site.upstream(case)]))?;
        self.put(group, "global_rules/metrics", &json!({ "plugins": { "prometheus": {} } }))?;
        if case.is_tls() {
            self.put(group, "ssls/bench", &site.certificate.resource())?;
        }
        match case {
            Case::Auth => self.configure_auth(group),
            Case::Routes(routes) => self.put_routes(group, routes),
            Case::WebSocket => {
                let mut body = route("/*", &json!({}));
                body["enable_websocket"] = json!(true);
                self.put(group, "routes/all", &body)
            }
            _ => self.put(group, "routes/all", &route("/*", &json!({}))),
        }
    }

    /// Makes a consumer with this credential; `plugin` is the one that finds it.
    pub(crate) fn put_credential(&mut self, group: &str, plugin: &str, conf: &Value) -> Result<()> {
        self.put(group, "consumers/bench", &json!({ "username": "bench" }))?;
        let credential = json!({ "plugins": { plugin: conf } });
        self.put(group, &format!("consumers/bench/credentials/{plugin}"), &credential)
    }

    /// All of `changes` as one revision.
    pub(crate) fn batch(&mut self, group: &str, changes: &[Value]) -> Result<()> {
        let body = json!({ "changes": changes });
        self.api.call("POST", &format!("/api/gateway_groups/{group}/batch"), &body).map(drop)
    }

    fn configure_auth(&mut self, group: &str) -> Result<()> {
        self.put_credential(group, "key-auth", &json!({ "key": "bench-key" }))?;
        let limit = json!({ "count": 2_000_000_000, "time_window": 3600, "rejected_code": 429, "key": "remote_addr" });
        self.put(group, "routes/all", &route("/*", &json!({ "key-auth": {}, "limit-count": limit })))
    }

    fn put_routes(&mut self, group: &str, routes: u32) -> Result<()> {
        let numbers: Vec<u32> = (0..routes).collect();
        for numbers in numbers.chunks(BATCH) {
            let change = |number: &u32| {
                let value = route(&route_path(*number), &json!({}));
                json!({ "op": "put", "kind": "route", "id": format!("r{number}"), "value": value })
            };
            self.batch(group, &numbers.iter().map(change).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Starts a gateway of the group.
    pub(crate) fn start_gateway(&mut self, group: &str, name: &str, cpu: Option<Cpu>) -> Result<Gateway> {
        let token = self.join_token(group, 1)?;
        let setup = GatewaySetup {
            program: self.program.clone(),
            dir: self.dir.clone(),
            name: name.to_owned(),
            control_plane: format!("https://{}", self.channel),
            token,
            cpu,
        };
        setup.start()
    }
}

/// All that is needed to start the same instance again.
#[derive(Clone)]
pub(crate) struct GatewaySetup {
    program: PathBuf,
    dir: PathBuf,
    name: String,
    control_plane: String,
    token: String,
    cpu: Option<Cpu>,
}

/// A running gateway, ready or not.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) status: SocketAddr,
    pub(crate) setup: GatewaySetup,
}

impl GatewaySetup {
    /// Starts the instance, with the data it left behind if it ran before.
    pub(crate) fn start(&self) -> Result<Gateway> {
        let (http, https, status) = (free_address()?, free_address()?, free_address()?);
        let mut command = Command::new(&self.program);
        command.args(["gateway", "--control-plane", &self.control_plane, "--token", &self.token]);
        command.arg("--data-dir").arg(self.dir.join(&self.name)).args(["--workers", "1"]);
        command.args(["--http-listen", &http.to_string(), "--https-listen", &https.to_string()]);
        command.args(["--status-listen", &status.to_string(), "--metrics-listen", &free_address()?.to_string()]);
        let process = Process::start(&self.name, command, self.cpu, &self.dir)?;
        Ok(Gateway { process, http, https, status, setup: self.clone() })
    }
}

impl Gateway {
    /// Waits until it says that it has a plan.
    pub(crate) fn wait_ready(&mut self) -> Result<()> {
        let mut connection = Connection::new(self.status);
        let is_ready = || connection.get("/status/ready", &[]).is_ok_and(|answer| answer.status == 200);
        wait_for(&mut self.process, START_LIMIT, is_ready)
    }

    /// Waits for the first right answer to `path`.
    pub(crate) fn wait_right(&mut self, path: &str, headers: &[&str]) -> Result<()> {
        let mut connection = Connection::new(self.http);
        let is_right = || connection.get(path, headers).is_ok_and(|answer| answer.status == 200);
        wait_for(&mut self.process, START_LIMIT, is_right)
    }
}

/// An upstream with these nodes.
pub(crate) fn upstream(scheme: &str, nodes: &[SocketAddr]) -> Value {
    let nodes: serde_json::Map<_, _> = nodes.iter().map(|node| (node.to_string(), json!(1))).collect();
    json!({ "type": "roundrobin", "scheme": scheme, "nodes": nodes })
}

/// A route to the one upstream.
pub(crate) fn route(uri: &str, plugins: &Value) -> Value {
    json!({ "uri": uri, "upstream_id": "bench", "plugins": plugins })
}

/// Puts one resource of a group.
pub(crate) fn put(api: &mut Api, group: &str, path: &str, body: &Value) -> Result<()> {
    api.call("PUT", &format!("/apisix/admin/{path}?gateway_group_id={group}"), body).map(drop)
}

fn login(address: SocketAddr) -> Result<Api> {
    let body = json!({ "username": "admin", "password": PASSWORD }).to_string();
    let answer =
        Connection::new(address).ask("POST", "/api/login", &["Content-Type: application/json"], body.as_bytes())?;
    let cookie = answer.header("set-cookie:").context("logging in gave no session")?;
    let cookie = cookie.split(';').next().unwrap_or_default();
    let mut api = Api::new(address).with_header(format!("Cookie: {cookie}"));
    let issued = api.call("POST", "/api/tokens", &json!({ "name": "bench" }))?;
    Ok(Api::new(address).with_header(format!("X-API-KEY: {}", text(&issued, "/value/token")?)))
}

/// A text of an answer.
pub(crate) fn text(answer: &Value, pointer: &str) -> Result<String> {
    let found = answer.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("the API's answer has no {pointer}: {answer}"))
}
