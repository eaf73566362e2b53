//! The README's lines as they stand there, on free ports.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::{PASSWORD, Process, client, command, directory, soon_status};

/// The ports that the README has.
const PORTS: [u16; 16] =
    [7080, 7443, 7943, 9180, 9080, 9443, 7085, 9091, 9081, 9444, 7086, 9092, 9082, 9445, 7087, 9093];

/// A free port for each of them.
struct Ports(HashMap<u16, u16>);

impl Ports {
    fn new() -> Self {
        let listeners = PORTS.map(|port| (port, TcpListener::bind("127.0.0.1:0").expect("a free port")));
        Self(
            listeners
                .iter()
                .map(|(port, listener)| (*port, listener.local_addr().expect("an address").port()))
                .collect(),
        )
    }

    fn of(&self, port: u16) -> u16 {
        self.0[&port]
    }

    fn in_place(&self, text: &str) -> String {
        let replaced = self
            .0
            .iter()
            .fold(text.to_owned(), |text, (port, free)| text.replace(&format!(":{port}"), &format!(":<{free}>")));
        replaced.replace(":<", ":").replace(">", "")
    }
}

/// The README's blocks of shell.
fn blocks() -> Vec<String> {
    let text = std::fs::read_to_string("../README.md").expect("the README");
    text.split("```sh\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0.to_owned())).collect()
}

/// Runs lines where `flotilla` is on the path and `./data` that of `make up`.
fn shell(dir: &Path, lines: &str) -> Command {
    let mut command = Command::new("bash");
    let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").expect("a path"));
    command.args(["-euo", "pipefail", "-c", lines]).current_dir(dir).env("PATH", path).env("PASSWORD", PASSWORD);
    command.env("FLOTILLA_LOG", "warn").env("HOME", dir);
    command
}

fn told(mut command: Command) -> String {
    let output = command.output().expect("ran");
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{errors}");
    out.into_owned()
}

/// Ended with its children: they are of a group of their own.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        use std::os::unix::process::CommandExt;
        Self(command.process_group(0).stdout(Stdio::null()).spawn().expect("started"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = i32::try_from(self.0.id()).expect("pid");
        // SAFETY: the group is ours, and its leader has not been waited for.
        unsafe { libc::kill(-group, libc::SIGKILL) };
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn its_lines_do_what_it_says() {
    let (dir, ports, blocks) = (directory(), Ports::new(), blocks());
    let [commands, resources, requests, instances] = &blocks[..] else { panic!("{} blocks", blocks.len()) };
    assert!(commands.contains("make up") && commands.contains("make test"), "{commands}");
    std::fs::create_dir(dir.path().join("bin")).expect("a directory");
    let binary = command(&[]).get_program().to_owned();
    std::os::unix::fs::symlink(binary, dir.path().join("bin/flotilla")).expect("a link");

    let mut up = command(&["up", "--data-dir", "./data", "--workers", "1"]);
    for (argument, port) in [
        ("api-http-listen", 7080),
        ("api-https-listen", 7443),
        ("channel-listen", 7943),
        ("apisix-admin-listen", 9180),
        ("http-listen", 9080),
        ("https-listen", 9443),
        ("status-listen", 7085),
        ("metrics-listen", 9091),
    ] {
        up.arg(format!("--{argument}=127.0.0.1:{}", ports.of(port)));
    }
    up.current_dir(dir.path());
    let up = Process::start(up);

    let answers = told(shell(dir.path(), &ports.in_place(resources)));
    assert_eq!(answers.lines().filter(|line| line.starts_with('{') && !line.contains("error")).count(), 4, "{answers}");
    let http = client();
    soon_status(&http, ([127, 0, 0, 1], ports.of(9080)).into(), "/status", 401).await;
    let answers = told(shell(dir.path(), &ports.in_place(requests)));
    let statuses: Vec<_> = answers.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)).collect();
    assert_eq!(statuses, ["401", "200", "200", "429"], "{answers}");
    assert!(answers.contains("Missing API key in request"), "{answers}");

    let lines: Vec<_> = instances.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).collect();
    let [second, group, payment] = lines[..] else { panic!("{lines:?}") };
    let _second = Running::start(shell(dir.path(), &ports.in_place(second)));
    soon_status(&http, ([127, 0, 0, 1], ports.of(7086)).into(), "/status/ready", 200).await;
    soon_status(&http, ([127, 0, 0, 1], ports.of(9081)).into(), "/status", 401).await;
    told(shell(dir.path(), &ports.in_place(group)));
    let _payment = Running::start(shell(dir.path(), &ports.in_place(payment)));
    soon_status(&http, ([127, 0, 0, 1], ports.of(7087)).into(), "/status/ready", 200).await;
    soon_status(&http, ([127, 0, 0, 1], ports.of(9082)).into(), "/status", 404).await;
    let begun = Instant::now();
    loop {
        let status = told(shell(dir.path(), "flotilla status"));
        let rows: Vec<Vec<&str>> = status.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        let in_sync = |name: &str| rows.iter().find(|row| row[0] == name).map(|row| row[2]);
        if (in_sync("default"), in_sync("payment-prod")) == (Some("2"), Some("1")) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{status}");
    }
    assert!(up.stop().success());
}
