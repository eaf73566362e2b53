//! The control plane's certificate authority: it vouches for instances and for the control plane's own listeners.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_ED25519, SanType, string::Ia5String,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::Store;
use zeroize::Zeroizing;

use crate::error::ControlError;
use crate::fleet::JoinRefusal;

const SETTING: &str = "certificate-authority";
const CA_LIFE_SECONDS: i64 = 10 * 365 * 24 * 3600;
/// Certificates begin this much in the past, for clocks that are behind ours.
const CLOCK_SKEW_SECONDS: i64 = 300;

/// The authority with its key.
pub struct CertificateAuthority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate of a listener of ours, with its key.
pub struct ServerCertificate {
    /// Leaf first, the authority's own certificate last.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

/// A certificate issued to an instance.
#[derive(Debug, Clone)]
pub struct IssuedCertificate {
    /// DER, leaf first, the authority's own certificate last.
    pub chain: Vec<Vec<u8>>,
    /// Its end, in unix seconds.
    pub expires_at: i64,
}

/// As it lies in the store, sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// The life of a certificate, in unix seconds.
struct Life {
    now: i64,
    end: i64,
}

impl CertificateAuthority {
    /// The authority of this database; made on the first start. Replicas that start at once agree on one.
    pub(crate) async fn load(store: &Store, now: i64) -> Result<Self, ControlError> {
        let fresh = Zeroizing::new(serde_json::to_vec(&generate(now)?).map_err(ControlError::internal)?);
        let stands = store.settings().put_if_absent(SETTING, &fresh).await?;
        let kept: Kept = serde_json::from_slice(&stands).map_err(ControlError::internal)?;
        let key = PrivatePkcs8KeyDer::from(Zeroizing::new(kept.key).to_vec());
        let key =
            KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256).map_err(ControlError::internal)?;
        let certificate = CertificateDer::from(kept.certificate);
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(ControlError::internal)?;
        Ok(Self { certificate, issuer })
    }

    /// Its own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// SHA-256 of its certificate in hexadecimal digits: what a join token carries.
    pub fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(&self.certificate))
    }

    /// A certificate for a listener under these names and addresses, with a fresh key.
    ///
    /// # Errors
    /// [`ControlError::Internal`] when a name is neither a DNS name nor an address.
    pub(crate) fn issue_server(
        &self,
        names: &[String],
        now: i64,
        life: i64,
    ) -> Result<ServerCertificate, ControlError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(ControlError::internal)?;
        let mut params = CertificateParams::new(names).map_err(ControlError::internal)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        shape(&mut params, "Flotilla control plane", &Life { now, end: now.saturating_add(life) });
        let leaf = params.signed_by(&key, &self.issuer).map_err(ControlError::internal)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(ServerCertificate { chain: vec![leaf.der().clone(), self.certificate.clone()], key })
    }

    /// A client certificate with one SAN, `uri`, over the key of `csr`; nothing else of the CSR counts.
    pub(crate) fn issue_instance(
        &self,
        csr: &Csr,
        uri: &str,
        now: i64,
        life: i64,
    ) -> Result<IssuedCertificate, ControlError> {
        let expires_at = now.saturating_add(life);
        let mut params = CertificateParams::default();
        let uri = Ia5String::try_from(uri.to_owned()).map_err(ControlError::internal)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        shape(&mut params, "Flotilla gateway instance", &Life { now, end: expires_at });
        let leaf = params.signed_by(&csr.0.public_key, &self.issuer).map_err(ControlError::internal)?;
        Ok(IssuedCertificate { chain: vec![leaf.der().to_vec(), self.certificate.to_vec()], expires_at })
    }
}

/// A certificate signing request whose own signature is right and whose key we take.
pub(crate) struct Csr(CertificateSigningRequestParams);

impl Csr {
    /// Reads PKCS#10 in DER.
    pub(crate) fn read(der: &[u8]) -> Result<Self, JoinRefusal> {
        let csr = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(der))
            .map_err(|error| JoinRefusal::BadRequest(error.to_string()))?;
        let taken = [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519];
        if !taken.contains(&csr.public_key.algorithm()) {
            return Err(JoinRefusal::BadRequest("the key must be ECDSA P-256, P-384 or Ed25519".to_owned()));
        }
        Ok(Self(csr))
    }
}

fn generate(now: i64) -> Result<Kept, ControlError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(ControlError::internal)?;
    let mut params = CertificateParams::default();
    shape(&mut params, "Flotilla CA", &Life { now, end: now.saturating_add(CA_LIFE_SECONDS) });
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = false;
    let certificate = params.self_signed(&key).map_err(ControlError::internal)?;
    Ok(Kept { certificate: certificate.der().to_vec(), key: key.serialize_der() })
}

fn shape(params: &mut CertificateParams, common_name: &str, life: &Life) {
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let at = |seconds: i64| {
        let since = std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        rcgen::date_time_ymd(1970, 1, 1) + since
    };
    params.not_before = at(life.now.saturating_sub(CLOCK_SKEW_SECONDS));
    params.not_after = at(life.end);
}
