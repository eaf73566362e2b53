//! A provider of OpenID Connect for the tests of one process: discovery, keys, authorisation with PKCE, tokens, userinfo,
//! by the specification and over real sockets, and faults to order.
//!
//! A person signs in by a page on which they choose who they are; a test adds `&login_hint=NAME` to the address that a
//! client gives it, or `&deny=1`, and is sent on at once.

mod endpoints;
mod fault;
mod keys;
mod pages;
mod tokens;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;
pub use fault::{Endpoint, Fault};
pub use keys::Algorithm;
use keys::Key;

/// A client that a provider knows, and the users that it has.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The client's name.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Where users may be sent back to.
    pub redirect_uris: Vec<String>,
    /// Who can sign in.
    pub users: Vec<User>,
}

/// Somebody who can sign in.
#[derive(Debug, Clone)]
pub struct User {
    /// What is chosen on the page and by `login_hint`.
    pub name: String,
    /// The claim `sub`; several users may share it, as one user before and after a change.
    pub subject: String,
    /// An object of claims that the ID token has beside those of the protocol.
    pub token_claims: Value,
    /// An object of claims that the userinfo endpoint gives.
    pub userinfo: Value,
}

/// A running provider; it stops when this is dropped.
pub struct Provider {
    /// Its issuer: `http://127.0.0.1:PORT`.
    pub issuer: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    issuer: String,
    registration: Registration,
    state: Mutex<State>,
}

/// What changes.
struct State {
    /// The last one signs.
    keys: Vec<Key>,
    fault: Option<Fault>,
    /// What the description says otherwise.
    description: Value,
    grants: HashMap<String, Grant>,
    /// Names of users by access token.
    sessions: HashMap<String, String>,
    calls: BTreeMap<Endpoint, usize>,
}

/// What a code stands for.
#[derive(Clone)]
struct Grant {
    user: String,
    redirect_uri: String,
    nonce: Option<String>,
    challenge: String,
}

impl Provider {
    /// Starts a provider on a free port, within the runtime of the caller.
    ///
    /// # Errors
    /// When there is no port or no key.
    pub async fn start(registration: Registration) -> anyhow::Result<Self> {
        Self::start_with(registration, None).await
    }

    /// The same over HTTPS, with a certificate of `authority` for 127.0.0.1.
    ///
    /// # Errors
    /// When there is no port, no key or no certificate.
    pub async fn start_tls(registration: Registration, authority: &Authority) -> anyhow::Result<Self> {
        let tls = TlsAcceptor::from(Arc::new(authority.issue("127.0.0.1")?.server()?));
        Self::start_with(registration, Some(tls)).await
    }

    async fn start_with(registration: Registration, tls: Option<TlsAcceptor>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let issuer = format!("{scheme}://{}", listener.local_addr()?);
        let state = State {
            keys: vec![Key::generate(Algorithm::Rs256)?],
            fault: None,
            description: Value::Null,
            grants: HashMap::new(),
            sessions: HashMap::new(),
            calls: BTreeMap::new(),
        };
        let shared = Arc::new(Shared { issuer: issuer.clone(), registration, state: Mutex::new(state) });
        let server = tokio::spawn(serve(listener, tls, shared.clone()));
        Ok(Self { issuer, shared, server })
    }

    /// Does this wrong from now on; nothing with `None`.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.shared.state().fault = fault;
    }

    /// Changes the description: fields of this object replace those that are right, and null takes one out.
    pub fn describe(&self, changes: Value) {
        self.shared.state().description = changes;
    }

    /// Signs with a new key from now on, and publishes that alone.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn rotate(&self, algorithm: Algorithm) -> anyhow::Result<()> {
        let key = Key::generate(algorithm)?;
        self.shared.state().keys = vec![key];
        Ok(())
    }

    /// How often an endpoint was called.
    pub fn calls(&self, endpoint: Endpoint) -> usize {
        self.shared.state().calls.get(&endpoint).copied().unwrap_or_default()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn user(&self, is: impl Fn(&User) -> bool) -> Option<&User> {
        self.registration.users.iter().find(|user| is(user))
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (shared, tls) = (shared.clone(), tls.clone());
        connections.spawn(async move {
            match tls {
                None => converse(stream, shared).await,
                Some(tls) => {
                    // A client that does not believe the certificate hangs up.
                    if let Ok(stream) = tls.accept(stream).await {
                        converse(stream, shared).await;
                    }
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, shared: Arc<Shared>) {
    let service = hyper::service::service_fn(|request| endpoints::answer(shared.clone(), request));
    // A client that hangs up is none of the provider's faults.
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}
