//! `flotilla control-plane`: API and config channel over one database.

mod recover_admin;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::audit_stream::{self, StreamPace};
use api::{ApiSettings, ServerCertificate};
use channel::{ChannelSettings, TlsMaterial};
use clap::{Args, Subcommand};
use control::{Control, ControlSettings, FirstAdmin, SystemClock};
use ipnet::IpNet;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::database::DatabaseArguments;
use crate::{duration, master_key, signals};
use recover_admin::RecoverAdmin;

/// Where the made-up password of the first admin is left, in the data directory.
const FIRST_PASSWORD_FILE: &str = "first-admin-password";

/// Run a control plane: one replica on SQLite, or any number on PostgreSQL.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  flotilla control-plane --data-dir /var/lib/flotilla
  FLOTILLA_DATABASE=postgres://flotilla:PASSWORD@db/flotilla flotilla control-plane --config control.toml
  flotilla control-plane recover-admin --data-dir /var/lib/flotilla")]
pub(crate) struct ControlPlaneArguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Settings file (TOML); what is given here or in the environment wins over it.
    #[arg(long, env = "FLOTILLA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
}

#[derive(Debug, Subcommand)]
enum Action {
    RecoverAdmin(RecoverAdmin),
}

/// Settings of the control plane that `control-plane` and `up` share.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Overrides {
    #[command(flatten)]
    database: DatabaseArguments,
    /// Address of the API over HTTPS. [default: 0.0.0.0:7443]
    #[arg(long, env = "FLOTILLA_API_HTTPS_LISTEN", value_name = "ADDRESS")]
    api_https_listen: Option<SocketAddr>,
    /// Address of the API over HTTP. [default: 127.0.0.1:7080]
    #[arg(long, env = "FLOTILLA_API_HTTP_LISTEN", value_name = "ADDRESS")]
    api_http_listen: Option<SocketAddr>,
    /// Address of the Apache APISIX Admin API. [default: 127.0.0.1:9180]
    #[arg(long, env = "FLOTILLA_APISIX_ADMIN_LISTEN", value_name = "ADDRESS")]
    apisix_admin_listen: Option<SocketAddr>,
    /// Address of the config channel, where instances join. [default: 0.0.0.0:7943]
    #[arg(long, env = "FLOTILLA_CHANNEL_LISTEN", value_name = "ADDRESS")]
    channel_listen: Option<SocketAddr>,
    /// Names and addresses under which instances and clients reach this control plane, parted by commas.
    #[arg(long, env = "FLOTILLA_SERVER_NAMES", value_delimiter = ',', value_name = "NAME")]
    server_names: Option<Vec<String>>,
    /// Certificate chain for the API, a PEM file. [default: one of the control plane's own CA]
    #[arg(long, env = "FLOTILLA_CERTIFICATE", requires = "certificate_key", value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// The certificate's key, a PEM file.
    #[arg(long, env = "FLOTILLA_CERTIFICATE_KEY", requires = "certificate", value_name = "FILE")]
    certificate_key: Option<PathBuf>,
    /// Whether a login ends the user's other sessions. [default: true]
    #[arg(long, env = "FLOTILLA_ONE_SESSION_PER_USER", value_name = "BOOL")]
    one_session_per_user: Option<bool>,
    /// How long a login lasts: 30m, 24h, 7d. [default: 24h]
    #[arg(long, env = "FLOTILLA_SESSION_LIFE", value_parser = duration::parse, value_name = "DURATION")]
    session_life: Option<Duration>,
    /// API requests a second from one address, and by one key or session; 0 for any number. [default: 1000]
    #[arg(long, env = "FLOTILLA_API_REQUESTS_PER_SECOND", value_name = "NUMBER")]
    api_requests_per_second: Option<u32>,
    /// Proxies whose X-Forwarded-For says where API requests come from: addresses and networks, separated by commas.
    /// [default: none]
    #[arg(long, env = "FLOTILLA_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network, value_name = "CIDR")]
    trusted_proxies: Option<Vec<IpNet>>,
    /// Wrong passwords in a row after which a name is locked; 0 for never. [default: 10]
    #[arg(long, env = "FLOTILLA_LOGIN_LOCK_AFTER", value_name = "NUMBER")]
    login_lock_after: Option<u32>,
    /// How long it is locked: 30m, 24h. [default: 30m]
    #[arg(long, env = "FLOTILLA_LOGIN_LOCK_LIFE", value_parser = duration::parse, value_name = "DURATION")]
    login_lock_life: Option<Duration>,
    /// Longest body of an API request, in bytes. [default: 8 MiB]
    #[arg(long, env = "FLOTILLA_BODY_LIMIT", value_name = "BYTES")]
    body_limit: Option<usize>,
}

/// The settings file. Every field has a default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SettingsFile {
    data_dir: Option<PathBuf>,
    database: Option<String>,
    master_key_file: Option<PathBuf>,
    server_names: Option<Vec<String>>,
    body_limit: Option<usize>,
    one_session_per_user: Option<bool>,
    api_requests_per_second: Option<u32>,
    /// As on the command line: `24h`.
    session_life: Option<String>,
    /// As on the command line: `["10.0.0.0/8"]`.
    trusted_proxies: Option<Vec<String>>,
    login_lock_after: Option<u32>,
    /// As on the command line: `30m`.
    login_lock_life: Option<String>,
    listen: ListenSection,
    certificate: CertificateSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ListenSection {
    https: Option<SocketAddr>,
    http: Option<SocketAddr>,
    apisix_admin: Option<SocketAddr>,
    channel: Option<SocketAddr>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CertificateSection {
    chain: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl SettingsFile {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("settings file {}", path.display()))
    }

    /// Where it says that the database is.
    fn database(&self) -> DatabaseArguments {
        DatabaseArguments {
            data_dir: self.data_dir.clone(),
            database: self.database.clone(),
            master_key_file: self.master_key_file.clone(),
        }
    }
}

impl Overrides {
    /// What is given here, else what the file says.
    fn over(self, file: SettingsFile) -> anyhow::Result<Self> {
        let session_life = file.session_life.as_deref().map(duration::parse).transpose();
        let session_life = session_life.map_err(|error| anyhow::anyhow!("session_life: {error}"))?;
        let login_lock_life = file.login_lock_life.as_deref().map(duration::parse).transpose();
        let login_lock_life = login_lock_life.map_err(|error| anyhow::anyhow!("login_lock_life: {error}"))?;
        let networks = |texts: &Vec<String>| texts.iter().map(|text| network(text)).collect::<Result<Vec<_>, _>>();
        let trusted_proxies = file.trusted_proxies.as_ref().map(networks).transpose();
        let trusted_proxies = trusted_proxies.map_err(|error| anyhow::anyhow!("trusted_proxies: {error}"))?;
        Ok(Self {
            database: self.database.or(file.database()),
            api_https_listen: self.api_https_listen.or(file.listen.https),
            api_http_listen: self.api_http_listen.or(file.listen.http),
            apisix_admin_listen: self.apisix_admin_listen.or(file.listen.apisix_admin),
            channel_listen: self.channel_listen.or(file.listen.channel),
            server_names: self.server_names.or(file.server_names),
            certificate: self.certificate.or(file.certificate.chain),
            certificate_key: self.certificate_key.or(file.certificate.key),
            body_limit: self.body_limit.or(file.body_limit),
            one_session_per_user: self.one_session_per_user.or(file.one_session_per_user),
            api_requests_per_second: self.api_requests_per_second.or(file.api_requests_per_second),
            session_life: self.session_life.or(session_life),
            trusted_proxies: self.trusted_proxies.or(trusted_proxies),
            login_lock_after: self.login_lock_after.or(file.login_lock_after),
            login_lock_life: self.login_lock_life.or(login_lock_life),
        })
    }

    /// The data directory in force.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.database.data_dir()
    }

    fn control_settings(&self) -> ControlSettings {
        let mut settings = ControlSettings::default();
        settings.server_names.extend(self.server_names.clone().unwrap_or_default());
        settings.one_session_per_user = self.one_session_per_user.unwrap_or(settings.one_session_per_user);
        settings.session_life = self.session_life.unwrap_or(settings.session_life);
        settings.login_lock_after = self.login_lock_after.unwrap_or(settings.login_lock_after);
        settings.login_lock_life = self.login_lock_life.unwrap_or(settings.login_lock_life);
        // Secrets come by the environment: every user of the machine can read arguments.
        let secret = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        settings.first_admin_password = secret("FLOTILLA_ADMIN_PASSWORD");
        // No argument and no line of the settings file: it is for the hour in which no login option works.
        settings.force_built_in_login = std::env::var("FLOTILLA_BUILT_IN_LOGIN").is_ok_and(|value| value == "on");
        settings.apisix_admin_key = secret("FLOTILLA_APISIX_ADMIN_KEY");
        settings
    }

    fn api_settings(&self) -> anyhow::Result<ApiSettings> {
        let read =
            |path: &Path| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
        let certificate = match (&self.certificate, &self.certificate_key) {
            (Some(chain), Some(key)) => ServerCertificate::Given { chain_pem: read(chain)?, key_pem: read(key)? },
            _ => ServerCertificate::OwnCa,
        };
        let defaults = ApiSettings::default();
        Ok(ApiSettings {
            http: Some(self.api_http_listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 7080)))),
            https: Some(self.api_https_listen.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 7443)))),
            apisix_admin: Some(self.apisix_admin_listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9180)))),
            certificate,
            body_limit_bytes: self.body_limit.unwrap_or(defaults.body_limit_bytes),
            requests_per_second: self.api_requests_per_second.unwrap_or(defaults.requests_per_second),
            trusted_proxies: self.trusted_proxies.clone().unwrap_or_default(),
            ..defaults
        })
    }
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let address = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
    text.parse()
        .ok()
        .or_else(address)
        .ok_or_else(|| format!("{text:?} is neither an address nor a network (10.0.0.0/8)"))
}

/// A control plane at work.
pub(crate) struct ControlPlane {
    /// The use cases.
    pub(crate) control: Control,
    /// The login that the first start made.
    pub(crate) first_admin: Option<FirstAdmin>,
    /// Where the API listens.
    pub(crate) api: api::Running,
    /// Where the config channel listens.
    pub(crate) channel_address: SocketAddr,
    channel: JoinHandle<Result<(), channel::ChannelError>>,
    audit_stream: JoinHandle<()>,
    stop: CancellationToken,
}

impl ControlPlane {
    /// Opens the database, listens, serves.
    pub(crate) async fn start(settings: &Overrides) -> anyhow::Result<Self> {
        let data_dir = settings.data_dir();
        master_key::create_private_dir(&data_dir)
            .with_context(|| format!("cannot use the data directory {}", data_dir.display()))?;
        let store = settings.database.open().await?;
        let started =
            Control::start(store, plugins::registry(), settings.control_settings(), Arc::new(SystemClock)).await?;
        let control = started.control;
        let stop = CancellationToken::new();

        let address = settings.channel_listen.unwrap_or(SocketAddr::from(([0, 0, 0, 0], 7943)));
        let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
        let channel_address = listener.local_addr()?;
        let certificate = control.issue_server_certificate()?;
        let tls = TlsMaterial { ca: control.ca_certificate().clone(), chain: certificate.chain, key: certificate.key };
        let channel_settings = ChannelSettings::new(tls, control.trust_domain());
        let channel = tokio::spawn(channel::serve(listener, channel_settings, Arc::new(control.clone()), stop.clone()));

        let api = api::serve(settings.api_settings()?, control.clone(), stop.clone()).await?;
        let audit_stream = audit_stream::run(control.clone(), StreamPace::default(), stop.clone());
        let audit_stream = tokio::spawn(audit_stream);
        Ok(Self { control, first_admin: started.first_admin, api, channel_address, channel, audit_stream, stop })
    }

    /// Lets requests under way end, says goodbye to the instances, and stops.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.api.wait().await;
        self.channel.await??;
        self.audit_stream.await?;
        self.control.shutdown().await;
        Ok(())
    }
}

impl ControlPlaneArguments {
    /// Whether it serves, rather than repairs something.
    pub(crate) fn is_server(&self) -> bool {
        self.action.is_none()
    }

    /// Serves until SIGINT or SIGTERM, or does what is asked for instead.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        if let Some(Action::RecoverAdmin(recover_admin)) = self.action {
            return recover_admin.run(self.config, self.overrides.database).await;
        }
        let stop = signals::stop_token()?;
        let file = self.config.as_deref().map(SettingsFile::read).transpose()?.unwrap_or_default();
        let settings = self.overrides.over(file)?;
        let control_plane = ControlPlane::start(&settings).await?;
        announce(&control_plane, &settings.data_dir())?;
        stop.cancelled().await;
        control_plane.stop().await
    }
}

/// The addresses, the first login, and the line that scripts wait for.
#[allow(clippy::print_stdout)]
fn announce(control_plane: &ControlPlane, data_dir: &Path) -> anyhow::Result<()> {
    if let Some(admin) = control_plane.first_admin.as_ref().filter(|admin| admin.generated) {
        println!("first admin: {} / {}", admin.username, told_or_kept(&admin.password, data_dir)?);
    }
    println!("CA fingerprint: {}", control_plane.control.ca_fingerprint());
    let address = |scheme: &str, address: Option<SocketAddr>| address.map(|address| format!("{scheme}://{address}"));
    let api = [address("https", control_plane.api.https), address("http", control_plane.api.http)];
    let api: Vec<_> = api.into_iter().flatten().collect();
    let apisix_admin =
        address("http", control_plane.api.apisix_admin).map(|address| format!(" apisix-admin={address}"));
    let channel = control_plane.channel_address;
    println!("ready api={}{} channel=https://{channel}", api.join(","), apisix_admin.unwrap_or_default());
    Ok(())
}

/// A made-up password, for a person who reads it. What is no terminal is kept by somebody (a container's log, a journal):
/// there it stands in a file for its owner alone.
fn told_or_kept(password: &str, data_dir: &Path) -> anyhow::Result<String> {
    if std::io::stdout().is_terminal() {
        return Ok(password.to_owned());
    }
    let file = data_dir.join(FIRST_PASSWORD_FILE);
    master_key::write_private(&file, format!("{password}\n").as_bytes()).with_context(|| {
        format!("cannot write the first admin's password to {}; set one by recover-admin", file.display())
    })?;
    Ok(format!("(the password in {}; remove it when you have it)", file.display()))
}
