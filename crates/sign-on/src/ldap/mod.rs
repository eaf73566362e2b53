//! Signing in by an LDAP directory (RFC 4511, 4513).
//!
//! One conversation for each sign-in: bind as the account that may search, look for the one entry whose identifier is the
//! typed name, and bind as that entry with the typed password. The directory itself says whether the password is right.

mod ber;
mod connection;
mod entry;
mod message;

use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::config::LdapConfig;
use crate::error::SignOnError;
use crate::identity::ExternalIdentity;
use crate::tls::{self, Identity, Trust};
use connection::Connection;
use message::{Entry, Outcome, Search};

/// Longest name that may be typed.
const NAME_LENGTH_MAX: usize = 256;

/// Result codes (RFC 4511, appendix A).
const SUCCESS: u32 = 0;
const SIZE_LIMIT_EXCEEDED: u32 = 4;
/// What a bind as a user ends with when it is the user's doing: the entry has no password, or another one.
const WRONG_PASSWORD: [u32; 2] = [48, 49];

/// A client of one directory.
#[derive(Debug)]
pub struct Ldap {
    config: LdapConfig,
    /// `ldaps://host:port`, for errors.
    what: String,
    tls: Option<Tls>,
}

#[derive(Debug)]
struct Tls {
    config: Arc<ClientConfig>,
    server: ServerName<'static>,
}

impl Ldap {
    /// A client; it connects to nobody yet.
    ///
    /// # Errors
    /// When TLS cannot be set up with the configured certificates.
    pub fn new(config: LdapConfig) -> Result<Self, SignOnError> {
        let tls = config.use_ssl.then(|| Tls::new(&config)).transpose()?;
        let scheme = if tls.is_some() { "ldaps" } else { "ldap" };
        let what = format!("{scheme}://{}", address(&config));
        Ok(Self { config, what, tls })
    }

    /// Who the user with this name and password is.
    ///
    /// # Errors
    /// [`SignOnError::Credentials`] when there is none; others when the directory cannot say.
    pub async fn sign_in(&self, name: &str, password: &str) -> Result<ExternalIdentity, SignOnError> {
        let refused = |why| SignOnError::Credentials { name: name.chars().take(NAME_LENGTH_MAX).collect(), why };
        // RFC 4513, 5.1.2: a bind without a password succeeds for any name and proves nothing.
        if password.is_empty() {
            return Err(refused("an empty password"));
        }
        if !(1..=NAME_LENGTH_MAX).contains(&name.len()) {
            return Err(refused("a name that is empty or too long"));
        }
        let after = self.config.deadline();
        let in_time = timeout(after, self.connect_and_ask(name, password)).await;
        in_time.unwrap_or_else(|_| Err(SignOnError::TimedOut { what: self.what.clone(), after }))
    }

    async fn connect_and_ask(&self, name: &str, password: &str) -> Result<ExternalIdentity, SignOnError> {
        let broken =
            |error: std::io::Error| SignOnError::Unreachable { what: self.what.clone(), why: error.to_string() };
        let stream = TcpStream::connect(address(&self.config)).await.map_err(broken)?;
        match &self.tls {
            None => self.ask(stream, name, password).await,
            Some(tls) => {
                let connector = TlsConnector::from(tls.config.clone());
                let stream = connector.connect(tls.server.clone(), stream).await.map_err(broken)?;
                self.ask(stream, name, password).await
            }
        }
    }

    async fn ask<S>(&self, stream: S, name: &str, password: &str) -> Result<ExternalIdentity, SignOnError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let refused = |why| SignOnError::Credentials { name: name.to_owned(), why };
        let mut connection = Connection::new(self.what.clone(), stream);
        self.bind_to_search(&mut connection).await?;
        let entry = self.find(&mut connection, name).await?.ok_or_else(|| refused("no such user"))?;
        // An entry without a name is the root, and a bind as nobody succeeds.
        if entry.dn.is_empty() {
            return Err(refused("an entry without a name"));
        }
        let outcome = connection.bind(&entry.dn, password).await?;
        connection.end().await;
        if WRONG_PASSWORD.contains(&outcome.code) {
            return Err(refused("a wrong password"));
        }
        success("to bind as the user", outcome)?;
        Ok(entry::identity(entry, &self.config.identifier, name, &self.config.attributes))
    }

    async fn bind_to_search<S>(&self, connection: &mut Connection<S>) -> Result<(), SignOnError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.config.bind_dn.is_empty() {
            return Ok(());
        }
        let outcome = connection.bind(&self.config.bind_dn, self.config.bind_password.reveal()).await?;
        success("to bind as bind_dn", outcome)
    }

    /// The one entry with this name.
    async fn find<S>(&self, connection: &mut Connection<S>, name: &str) -> Result<Option<Entry>, SignOnError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let search = Search {
            base_dn: &self.config.base_dn,
            attribute: &self.config.identifier,
            value: name,
            // A second one is enough to know that there is more than one.
            entries_max: 2,
            seconds_max: u32::try_from(self.config.timeout).unwrap_or(u32::MAX),
        };
        let (mut entries, outcome) = connection.search(search).await?;
        if outcome.code == SIZE_LIMIT_EXCEEDED || entries.len() > 1 {
            return Err(SignOnError::Ambiguous { name: name.to_owned() });
        }
        success("to search below base_dn", outcome)?;
        Ok(entries.pop())
    }
}

impl Tls {
    fn new(config: &LdapConfig) -> Result<Self, SignOnError> {
        let trust = Trust::of(config.ssl_verify, &config.root_ca_cert);
        let identity = Identity { certificate: &config.client_cert, key: config.client_key.reveal() };
        let client = tls::client(trust, (!config.client_cert.is_empty()).then_some(identity))?;
        let server = ServerName::try_from(config.host.clone());
        let server =
            server.map_err(|_| model::Faults::from(model::Fault::new("/host", "must be a name or an address")))?;
        Ok(Self { config: Arc::new(client), server })
    }
}

/// Brackets go around an IPv6 address.
fn address(config: &LdapConfig) -> String {
    let (host, port) = (&config.host, config.port());
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn success(what: &'static str, outcome: Outcome) -> Result<(), SignOnError> {
    let Outcome { code, diagnostic } = outcome;
    if code == SUCCESS { Ok(()) } else { Err(SignOnError::Directory { what, code, diagnostic }) }
}

#[cfg(feature = "fuzzing")]
pub(crate) fn fuzzed(bytes: &[u8]) -> Option<(usize, bool)> {
    let size = ber::size(bytes).ok()??;
    let whole = bytes.get(..size)?;
    let is_message = match message::decode(whole) {
        Ok((_, message::Response::Entry(found))) => {
            let _ = entry::identity(found, "uid", "typed", &Default::default());
            true
        }
        other => other.is_ok(),
    };
    Some((size, is_message))
}
