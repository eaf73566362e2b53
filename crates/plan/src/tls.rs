//! Certificates by server name.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use model::Fault;
use model::reference::is_reference;
use model::resource::{HostPattern, Ssl, SslProtocol, SslType, Status};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::server::{ClientHello, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

mod client_auth;
mod version1;

pub use client_auth::ClientAuth;
#[cfg(feature = "fuzzing")]
pub use version1::fuzzed_client;
pub use version1::{verify_tls12_signature, verify_tls13_signature};

/// What an ssl resource became: how to shake hands for its names.
pub(crate) struct CompiledSsl {
    snis: Vec<HostPattern>,
    host: Arc<TlsHost>,
}

/// How to serve a server name.
pub struct TlsHost {
    /// How to shake hands.
    pub config: Arc<ServerConfig>,
    /// What clients must show; `None` when they need not show anything.
    pub client_auth: Option<ClientAuth>,
}

/// A certificate with its key, to be shown to nodes; two are the same when their certificates are.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    /// What TLS signs with.
    pub certified: Arc<CertifiedKey>,
}

impl ClientIdentity {
    /// # Errors
    /// When a text is no PEM, or the key is not the certificate's; the pointers say where they stand.
    pub(crate) fn new(cert: &str, key: &str, cert_pointer: &str, key_pointer: &str) -> Result<Self, Fault> {
        let certified = certified_key(cert, key, cert_pointer, key_pointer, &aws_lc_rs::default_provider())?;
        Ok(Self { certified: Arc::new(certified) })
    }
}

impl PartialEq for ClientIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }
}

impl Eq for ClientIdentity {}

impl Hash for ClientIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.certified.cert.hash(state);
    }
}

fn certified_key(
    cert: &str,
    key: &str,
    cert_pointer: &str,
    key_pointer: &str,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Fault> {
    let chain = certificates(cert, cert_pointer)?;
    let what = if key.contains("-----BEGIN ") { "must be a private key in PEM form" } else { "must be in PEM form" };
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| Fault::new(key_pointer, what))?;
    let wrong = |error| Fault::new(key_pointer, format!("must be the key of the certificate: {error}"));
    let certified = CertifiedKey::new(chain, provider.key_provider.load_private_key(key).map_err(wrong)?);
    let old = certified.cert.first().and_then(|own| version1::is_key_of(&*certified.key, own));
    let fits = match old {
        Some(true) => Ok(()),
        Some(false) => Err(InconsistentKeys::KeyMismatch.into()),
        None => certified.keys_match(),
    };
    match fits {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(error) => Err(wrong(error)),
    }
}

/// How to shake hands, by the server name that the client asks for.
#[derive(Default)]
pub struct TlsMap {
    exact: HashMap<Box<str>, Arc<TlsHost>>,
    /// By what follows the `*`.
    wildcard: HashMap<Box<str>, Arc<TlsHost>>,
    asks_clients: bool,
}

impl TlsMap {
    /// Of two resources with one name the one with the lower id wins, on every instance alike.
    pub(crate) fn new(ssls: &BTreeMap<model::ResourceId, CompiledSsl>) -> Self {
        let mut map = Self::default();
        for ssl in ssls.values().rev() {
            map.asks_clients |= ssl.host.client_auth.is_some();
            for sni in &ssl.snis {
                match sni.wildcard_suffix() {
                    Some(suffix) => map.wildcard.insert(without_root(suffix).into(), ssl.host.clone()),
                    None => map.exact.insert(without_root(sni.as_str()).into(), ssl.host.clone()),
                };
            }
        }
        map
    }

    /// The handshake for a server name: the exact one, else the wildcard, whose `*` stands for one label, as it does in
    /// certificates (RFC 9525, section 6.3), else that of `*` alone.
    pub fn find(&self, sni: &str) -> Option<&Arc<TlsHost>> {
        let sni = without_root(sni).to_ascii_lowercase();
        let by_label = || {
            let dot = sni.find('.').filter(|dot| *dot > 0)?;
            self.wildcard.get(sni.get(dot..)?)
        };
        self.exact.get(&*sni).or_else(by_label).or_else(|| self.wildcard.get(""))
    }

    /// Whether clients of any name must show a certificate.
    pub fn asks_clients(&self) -> bool {
        self.asks_clients
    }

    /// Whether there is no certificate at all.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.wildcard.is_empty()
    }
}

/// A name without the dot that stands for the root of names.
fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// Compiles an ssl resource; `None` when it serves no names (disabled, or for upstreams).
pub(crate) fn compile(ssl: &Ssl) -> Result<Option<CompiledSsl>, Fault> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    // A reference that was not resolved: the name stays known, and nobody gets in by a wildcard instead.
    let is_open = ssl.pairs().any(|(cert, key)| is_reference(cert) || is_reference(key))
        || ssl.client.as_ref().is_some_and(|client| is_reference(&client.ca));
    let keys = if is_open { Vec::new() } else { certified_keys(ssl, &provider)? };
    if ssl.ssl_type == SslType::Client || ssl.status == Status::Disabled {
        return Ok(None);
    }
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions(&ssl.ssl_protocols)?)
        .map_err(|error| Fault::new("/ssl_protocols", error.to_string()))?;
    let client_auth = ssl.client.as_ref().map(ClientAuth::new).transpose()?;
    let builder = match (&client_auth, &ssl.client) {
        (Some(auth), Some(client)) if !is_open => builder.with_client_cert_verifier(auth.verifier(client, provider)?),
        _ => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByKeyType(keys)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = ticketer(client_auth.is_some())?;
    let host = TlsHost { config: Arc::new(config), client_auth };
    Ok(Some(CompiledSsl { snis: ssl.all_snis().cloned().collect(), host: Arc::new(host) }))
}

fn certified_keys(ssl: &Ssl, provider: &CryptoProvider) -> Result<Vec<Arc<CertifiedKey>>, Fault> {
    let pairs = ssl.pairs().enumerate();
    let keys = pairs.map(|(n, (cert, key))| {
        // The first pair stands in `cert` and `key`, the others in `certs` and `keys`.
        let pointer = |one: &str| {
            if n == 0 { format!("/{one}") } else { format!("/{one}s/{}", n - 1) }
        };
        certified_key(cert, key, &pointer("cert"), &pointer("key"), provider).map(Arc::new)
    });
    keys.collect()
}

fn certificates(pem: &str, pointer: &str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let wrong = || Fault::new(pointer, "must be a certificate chain in PEM form");
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>().map_err(|_| wrong())?;
    if chain.is_empty() { Err(wrong()) } else { Ok(chain) }
}

/// Whether it is a certificate chain in PEM form.
pub(crate) fn is_chain(pem: &str) -> bool {
    certificates(pem, "").is_ok()
}

fn versions(protocols: &[SslProtocol]) -> Result<Vec<&'static SupportedProtocolVersion>, Fault> {
    if protocols.is_empty() {
        return Ok(rustls::ALL_VERSIONS.to_vec());
    }
    let version = |protocol: &SslProtocol| match protocol {
        SslProtocol::Tls11 => None,
        SslProtocol::Tls12 => Some(&rustls::version::TLS12),
        SslProtocol::Tls13 => Some(&rustls::version::TLS13),
    };
    let versions: Vec<_> = protocols.iter().filter_map(version).collect();
    if versions.is_empty() {
        return Err(Fault::new("/ssl_protocols", "must contain TLSv1.2 or TLSv1.3"));
    }
    Ok(versions)
}

/// Sessions are resumed from tickets that the client keeps. All names share one key, so that a new certificate ends
/// no session; names that ask for client certificates have a key of their own configuration, so that no ticket from
/// before gets past the question.
fn ticketer(asks_clients: bool) -> Result<Arc<dyn ProducesTickets>, Fault> {
    static SHARED: LazyLock<Result<Arc<dyn ProducesTickets>, rustls::Error>> = LazyLock::new(Ticketer::new);
    let ticketer = if asks_clients { Ticketer::new() } else { SHARED.clone() };
    ticketer.map_err(|error| Fault::new("", error.to_string()))
}

/// Several certificates for the same names: the first whose key the client can verify.
#[derive(Debug)]
struct ByKeyType(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByKeyType {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let fits = |certified: &&Arc<CertifiedKey>| certified.key.choose_scheme(hello.signature_schemes()).is_some();
        self.0.iter().find(fits).or(self.0.first()).cloned()
    }
}

#[cfg(test)]
mod tests;
