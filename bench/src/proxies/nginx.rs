//! nginx, one worker.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use anyhow::Result;

use super::{Site, Subject, free_address, paths};
use crate::case::{Case, Peer};

pub(crate) const PROGRAM: &str = "nginx";

/// Starts it for `case`.
pub(crate) fn start(case: Case, site: &Site) -> Result<Subject> {
    let address = free_address()?;
    let prefix = site.dir.join(format!("nginx-{case}"));
    fs::create_dir_all(&prefix)?;
    fs::write(prefix.join("nginx.conf"), config(case, &address.to_string(), site)?)?;
    let mut command = Command::new(PROGRAM);
    command.arg("-p").arg(&prefix).args(["-c", "nginx.conf", "-e", "stderr"]);
    Subject::start(Peer::Nginx, case, command, address, site)
}

fn config(case: Case, address: &str, site: &Site) -> Result<String> {
    let certificate = if case.is_tls() { certificate(site) } else { String::new() };
    let mut locations = String::new();
    for path in paths(case) {
        let exact = if matches!(case, Case::Routes(_)) { "= " } else { "" };
        let pass = if case == Case::Grpc { "grpc_pass grpc" } else { "proxy_pass http" };
        writeln!(locations, "    location {exact}{path} {{ {pass}://upstream; }}")?;
    }
    // What a client of HTTP/2 calls :authority is not among nginx's headers.
    let host = if matches!(case, Case::Http2 | Case::Grpc) { "$host" } else { "$http_host" };
    let kind = if case == Case::Grpc { "grpc" } else { "proxy" };
    let (upstream, options, connection) = (site.upstream(case), listen_options(case), connection(case));
    Ok(format!(
        r#"{user}daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  tcp_nodelay on;
  upstream upstream {{ server {upstream}; keepalive 512; keepalive_requests 1000000000; keepalive_timeout 1h; }}
  server {{
    listen {address}{options} reuseport;
    {certificate}
    {connection}
    {kind}_set_header Host {host};
    {kind}_set_header X-Real-IP $remote_addr;
    {kind}_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    {kind}_set_header X-Forwarded-Proto $scheme;
    {kind}_set_header X-Forwarded-Host $host;
    {kind}_set_header X-Forwarded-Port $server_port;
{locations}  }}
}}
"#,
        user = user(),
    ))
}

fn certificate(site: &Site) -> String {
    let (chain, key) = (site.certificate.chain_file.display(), site.certificate.key_file.display());
    format!("ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;")
}

fn listen_options(case: Case) -> &'static str {
    match case {
        Case::Http2 => " ssl http2",
        Case::Grpc => " http2",
        Case::Tls | Case::Handshakes => " ssl",
        _ => "",
    }
}

/// How the upstream's connection is kept, or becomes a WebSocket.
fn connection(case: Case) -> &'static str {
    match case {
        // The module for gRPC keeps connections by itself.
        Case::Grpc => "",
        Case::WebSocket => {
            "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;\n    \
             proxy_read_timeout 1h;"
        }
        _ => "proxy_http_version 1.1; proxy_set_header Connection \"\";",
    }
}

/// As root nginx would give its worker to somebody who cannot enter our directory.
fn user() -> &'static str {
    // SAFETY: geteuid only returns a number.
    if unsafe { libc::geteuid() } == 0 { "user root;\n" } else { "" }
}
