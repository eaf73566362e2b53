//! `flotilla up` with the Admin API of Apache APISIX, into which examples are loaded.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::caller::Gateway;
use super::format::Example;
use crate::support::{Process, client, command, get};

const KEY: &str = "key-of-the-examples";
const DEADLINE: Duration = Duration::from_secs(30);
/// A route of the test's own: it comes and goes after everything else, so it tells what the gateway has.
const LAST: (&str, &str) = ("routes/loaded", "/-/loaded");

pub struct Loader {
    pub gateway: Gateway,
    process: Process,
    admin: SocketAddr,
    http: reqwest::Client,
    /// Paths of what has been stored and not been removed, in order.
    stored: Vec<String>,
    is_last_stored: bool,
}

impl Loader {
    pub fn start(dir: &Path) -> anyhow::Result<Self> {
        let (any, admin) = ("127.0.0.1:0", free_address()?);
        let mut command = command(&["up", "--http-listen", any, "--https-listen", any, "--status-listen", any]);
        command.args(["--metrics-listen", any, "--api-http-listen", any, "--api-https-listen", any]);
        command.args(["--channel-listen", any, "--workers", "1", "--data-dir"]).arg(dir);
        command.env("FLOTILLA_APISIX_ADMIN_LISTEN", admin.to_string()).env("FLOTILLA_APISIX_ADMIN_KEY", KEY);
        let process = Process::start(command);
        let https = process.ready.split(' ').find_map(|word| word.strip_prefix("https://"));
        let https = https.context("an address for HTTPS")?.parse()?;
        let gateway = Gateway { http: process.http(), https };
        Ok(Self { gateway, process, admin, http: client(), stored: Vec::new(), is_last_stored: false })
    }

    pub fn stop(self) -> anyhow::Result<()> {
        let status = self.process.stop();
        ensure!(status.success(), "ended with {status}");
        Ok(())
    }

    /// Stores its resources in order and waits until the gateway has them all.
    pub async fn load(&mut self, example: &Example) -> anyhow::Result<()> {
        for (path, body) in example.paths_and_bodies()? {
            self.call("PUT", path, Some(body)).await?;
            self.stored.push(path.to_owned());
        }
        let body = json!({ "uri": LAST.1, "plugins": { "mocking": { "response_example": "{}" } } });
        self.call("PUT", LAST.0, Some(&body)).await?;
        self.is_last_stored = true;
        self.until(|status| status != 404).await
    }

    /// Removes all that is stored, the last one first, and waits until the gateway has none of it.
    pub async fn unload(&mut self) -> anyhow::Result<()> {
        while let Some(path) = self.stored.pop() {
            self.call("DELETE", &path, None).await?;
        }
        if std::mem::take(&mut self.is_last_stored) {
            self.call("DELETE", LAST.0, None).await?;
        }
        self.until(|status| status == 404).await
    }

    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<()> {
        let url = format!("http://{}/apisix/admin/{path}", self.admin);
        let request = self.http.request(method.parse()?, url).header("X-API-KEY", KEY);
        let request = body.into_iter().fold(request, |request, body| request.json(body));
        let answer = request.send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "{method} {path}: {status} {}", answer.text().await?);
        Ok(())
    }

    async fn until(&self, is_so: impl Fn(u16) -> bool) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let answer = get(&self.http, self.gateway.http, LAST.1).await;
            if answer.as_ref().is_some_and(|(status, _)| is_so(*status)) {
                return Ok(());
            }
            ensure!(started.elapsed() < DEADLINE, "the gateway does not follow the API: {answer:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// `up` does not tell where the Admin API listens, so its port is chosen here. It is one of a loopback address that
/// nothing else uses: nobody takes it between our look and the start.
fn free_address() -> anyhow::Result<SocketAddr> {
    let [.., high, low] = std::process::id().to_be_bytes();
    let listener = TcpListener::bind((Ipv4Addr::new(127, 91, high, low), 0))?;
    Ok(listener.local_addr()?)
}
