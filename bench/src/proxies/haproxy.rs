//! HAProxy, one thread: as an HTTP proxy, and relaying bytes as the floor.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::{Site, Subject, free_address};
use crate::case::{Case, Peer};

pub(crate) const PROGRAM: &str = "haproxy";

/// Starts it as an HTTP proxy.
pub(crate) fn start(case: Case, site: &Site) -> Result<Subject> {
    let tls = match case {
        Case::Tls => format!(" ssl crt {} alpn http/1.1 ssl-min-ver TLSv1.3", site.certificate.both_file.display()),
        _ => String::new(),
    };
    let proto = if case == Case::Tls { "https" } else { "http" };
    let rules = format!(
        "  option forwardfor
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Proto {proto}
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-reuse always
"
    );
    launch(Peer::Haproxy, case, "http", &tls, &rules, site)
}

/// Starts it as a relay of bytes, which no HTTP proxy on sockets can beat by much.
pub(crate) fn start_relay(site: &Site) -> Result<Subject> {
    launch(Peer::Relay, Case::Plain, "tcp", "", "", site)
}

fn launch(peer: Peer, case: Case, mode: &str, tls: &str, rules: &str, site: &Site) -> Result<Subject> {
    let (address, upstream) = (free_address()?, site.upstream(case));
    let config = format!(
        "global
  nbthread 1
  maxconn 8192
defaults
  mode {mode}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
listen bench
  bind {address}{tls}
{rules}  server upstream {upstream}
"
    );
    let file = site.dir.join(format!("{peer}-{case}.cfg"));
    fs::write(&file, config)?;
    let mut command = Command::new(PROGRAM);
    command.arg("-db").arg("-f").arg(&file);
    Subject::start(peer, case, command, address, site)
}
