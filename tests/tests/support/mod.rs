//! The real binary, started and stopped; upstreams; waiting for what must come true.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod second_factor;
pub mod terminal;
pub mod verbs;

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub const PASSWORD: &str = "first-admin-password";
/// Generous: the machine may be busy with other tests.
const DEADLINE: Duration = Duration::from_secs(30);

/// Built by `make test` before the tests run.
fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("own path");
    let debug = own.ancestors().nth(2).expect("target directory");
    let binary = debug.join("flotilla");
    assert!(binary.exists(), "{} is missing: run `cargo build --bin flotilla` first", binary.display());
    binary
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).env("FLOTILLA_ADMIN_PASSWORD", PASSWORD).env("FLOTILLA_LOG", "warn");
    // Its default is a fixed port, and tests run side by side.
    command.env("FLOTILLA_APISIX_ADMIN_LISTEN", "127.0.0.1:0");
    command
}

/// A process of ours; killed by its pid when dropped.
pub struct Process {
    child: Child,
    /// The line that began with `ready`.
    pub ready: String,
    /// The lines before it.
    pub before: Vec<String>,
}

impl Process {
    /// Starts it and waits for its ready line.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("started");
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let (started, mut before) = (Instant::now(), Vec::new());
        loop {
            let left = DEADLINE.saturating_sub(started.elapsed());
            match receiver.recv_timeout(left) {
                Ok(ready) if ready.starts_with("ready") => return Self { child, ready, before },
                Ok(line) => before.push(line),
                Err(error) => {
                    let _ = child.kill();
                    panic!("no ready line: {error}, {:?}", child.wait());
                }
            }
        }
    }

    /// The address after `http://` in the ready line.
    pub fn http(&self) -> SocketAddr {
        let word = self.ready.split([' ', ',', '=']).find_map(|word| word.strip_prefix("http://"));
        word.expect("an address").parse().expect("an address")
    }

    /// The value of `channel=` in the ready line.
    pub fn channel(&self) -> String {
        let word = self.ready.split(' ').find_map(|word| word.strip_prefix("channel="));
        word.expect("a channel").to_owned()
    }

    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("pid");
        // SAFETY: the child is ours and has not been waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    /// Asks it to stop and waits for its end.
    pub fn stop(self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        self.end()
    }

    /// Waits for its end.
    pub fn end(mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("status") {
                return status;
            }
            assert!(started.elapsed() < DEADLINE, "does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A control plane in a directory of its own.
pub struct ControlPlane {
    pub process: Process,
    pub api: Api,
    pub channel: String,
}

impl ControlPlane {
    /// One that runs.
    pub fn of(process: Process) -> Self {
        let api = Api { base: format!("http://{}", process.http()), http: client() };
        let channel = process.channel();
        Self { process, api, channel }
    }

    /// Kills it; where its API and its channel were, for the next one.
    pub fn kill(self) -> (String, String) {
        let listened = (self.process.http().to_string(), self.channel.trim_start_matches("https://").to_owned());
        self.process.kill();
        listened
    }
}

/// An address that nobody listens on, now.
pub fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("an address")
}

/// Starts a control plane; `listen` are the API's and the channel's addresses (port 0 takes free ones).
pub fn control_plane(dir: &Path, listen: (&str, &str)) -> ControlPlane {
    ControlPlane::of(Process::start(control_plane_command(dir, listen)))
}

/// The same on a database of PostgreSQL; what its master key seals can be read by the next one.
pub fn control_plane_on(database: &str, dir: &Path, listen: (&str, &str)) -> ControlPlane {
    let mut command = control_plane_command(dir, listen);
    command.env("FLOTILLA_DATABASE", database).env("FLOTILLA_MASTER_KEY", "5a".repeat(32));
    ControlPlane::of(Process::start(command))
}

fn control_plane_command(dir: &Path, listen: (&str, &str)) -> Command {
    let mut command = command(&["control-plane", "--api-http-listen", listen.0, "--channel-listen", listen.1]);
    command.args(["--api-https-listen", "127.0.0.1:0", "--data-dir"]).arg(dir);
    command
}

/// Starts a gateway that joins by `token`, or comes back without one.
pub fn gateway(dir: &Path, channel: &str, token: Option<&str>) -> Process {
    Process::start(gateway_command(dir, channel, token))
}

pub fn gateway_command(dir: &Path, channel: &str, token: Option<&str>) -> Command {
    gateway_command_on("127.0.0.1:0", dir, channel, token)
}

pub fn gateway_command_on(http: &str, dir: &Path, channel: &str, token: Option<&str>) -> Command {
    let any = "127.0.0.1:0";
    let mut command = command(&["gateway", "--control-plane", channel, "--http-listen", http, "--https-listen", any]);
    command.args(["--status-listen", any, "--metrics-listen", any, "--workers", "1", "--data-dir"]).arg(dir);
    if let Some(token) = token {
        command.env("FLOTILLA_JOIN_TOKEN", token);
    }
    command
}

pub fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

pub fn client() -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().timeout(Duration::from_secs(10)).build().expect("a client")
}

/// The management API.
#[derive(Clone)]
pub struct Api {
    pub base: String,
    http: reqwest::Client,
}

impl Api {
    pub async fn try_call(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<(u16, Value), reqwest::Error> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.http.request(method, format!("{}{path}", self.base)).basic_auth("admin", Some(PASSWORD));
        let answer = request.json(&body.unwrap_or_else(|| json!({}))).send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await.unwrap_or_default()))
    }

    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.try_call(method, path, body).await.expect("an answer");
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    pub async fn put(&self, group: &str, path: &str, body: Value) {
        self.call("PUT", &format!("/apisix/admin/{path}?gateway_group_id={group}"), Some(body)).await;
    }

    pub async fn join_token(&self, group: &str) -> String {
        let answer = self
            .call("POST", &format!("/api/gateway_groups/{group}/instance_token"), Some(json!({ "max_uses": 5 })))
            .await;
        let token = answer.pointer("/value/token_plain_text").or(answer.get("token_plain_text"));
        token.and_then(Value::as_str).unwrap_or_else(|| panic!("no token in {answer}")).to_owned()
    }

    /// A service and a route `r` to it, on this path.
    pub async fn route(&self, group: &str, path: &str, upstream: SocketAddr) {
        let upstream = json!({ "nodes": { upstream.to_string(): 1 } });
        self.put(group, "services/s", json!({ "name": "s", "upstream": upstream })).await;
        self.put(group, "routes/r", json!({ "name": "r", "paths": [path], "service_id": "s" })).await;
    }

    /// Waits until the group's only instance has acknowledged the newest revision: from then on it is on its disk.
    /// An instance serves a revision a moment before that.
    pub async fn until_acknowledged(&self, group: &str) {
        let started = Instant::now();
        loop {
            let status = self.call("GET", &format!("/api/gateway_groups/{group}/status"), None).await;
            let list = self.call("GET", &format!("/api/gateway_groups/{group}/instances"), None).await;
            let (newest, applied) = (&status["value"]["revision"], &list["list"][0]["applied_revision"]);
            if newest.is_u64() && newest == applied {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "revision {newest}, acknowledged {applied}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// An upstream that answers its name.
pub async fn upstream(name: &'static str) -> SocketAddr {
    upstream_on(name, SocketAddr::from(([127, 0, 0, 1], 0))).await.0
}

/// The same on this address; once its task is aborted it takes no more connections.
pub async fn upstream_on(name: &'static str, address: SocketAddr) -> (SocketAddr, JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind(address).await.expect("an address");
    let address = listener.local_addr().expect("an address");
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = service_fn(move |_: Request<hyper::body::Incoming>| async move {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(name.as_bytes()))))
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    (address, accepting)
}

/// Status and body of a GET; `None` when nobody answers.
pub async fn get(client: &reqwest::Client, gateway: SocketAddr, path: &str) -> Option<(u16, String)> {
    let answer = client.get(format!("http://{gateway}{path}")).send().await.ok()?;
    Some((answer.status().as_u16(), answer.text().await.ok()?))
}

/// Waits until the gateway answers with this status.
pub async fn soon_status(client: &reqwest::Client, gateway: SocketAddr, path: &str, expected: u16) {
    let started = Instant::now();
    while get(client, gateway, path).await.is_none_or(|(status, _)| status != expected) {
        assert!(started.elapsed() < DEADLINE, "{path} does not answer {expected}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the gateway answers so.
pub async fn soon(client: &reqwest::Client, gateway: SocketAddr, path: &str, expected: (u16, &str)) {
    let started = Instant::now();
    let mut last = None;
    while started.elapsed() < DEADLINE {
        last = get(client, gateway, path).await;
        if last.as_ref().is_some_and(|(status, body)| (*status, body.as_str()) == expected) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{path} answers {last:?}, not {expected:?}");
}

/// A client that asks on and on, and must get the same each time.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<usize>,
}

impl Traffic {
    pub fn start(gateway: SocketAddr, path: &'static str, answer: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let asking = tokio::spawn(async move {
            let (http, mut asked) = (client(), 0);
            while !stopped.load(Ordering::Relaxed) {
                assert_eq!(get(&http, gateway, path).await, Some((200, answer.into())), "after {asked}");
                asked += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            asked
        });
        Self { stop, asking }
    }

    /// How often it asked.
    pub async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.asking.await.expect("traffic goes on")
    }
}
