//! Certificates that OpenSSL takes, and so APISIX, where the library that checks them here does not: those of version 1,
//! which have no extensions and are what `openssl x509 -req` makes when it is not told of any, and those that clients show
//! though they are authorities themselves.
//!
//! Few rules decide about one that a client shows: an authority itself has signed it, with none between, it is in time, and
//! it is not for something else.

use std::borrow::Cow;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{self, WebPkiSupportedAlgorithms};
use rustls::sign::SigningKey;
use rustls::{CertificateError, DigitallySignedStruct, Error};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime};
use x509_parser::asn1_rs::Sequence;
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate, X509Version};

/// Checks a signature of the handshake, as [`crypto::verify_tls12_signature`] does for the certificates that it reads.
///
/// # Errors
/// When it is not of the certificate's key.
pub fn verify_tls12_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let Some(old) = version_1(certificate) else {
        return crypto::verify_tls12_signature(message, certificate, signed, algorithms);
    };
    let known = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
    let mut fitting = known.into_iter().flat_map(|(_, algorithms)| algorithms.iter());
    match fitting.any(|algorithm| is_signed(&old, *algorithm, message, signed.signature())) {
        true => Ok(HandshakeSignatureValid::assertion()),
        false => Err(CertificateError::BadSignature.into()),
    }
}

/// The same for TLS 1.3, as [`crypto::verify_tls13_signature`].
///
/// # Errors
/// When it is not of the certificate's key.
pub fn verify_tls13_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let Some(old) = version_1(certificate) else {
        return crypto::verify_tls13_signature(message, certificate, signed, algorithms);
    };
    let key = SubjectPublicKeyInfoDer::from(old.public_key().raw);
    crypto::verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
}

/// Whether it is one of version 1.
pub(super) fn is_version_1(certificate: &CertificateDer<'_>) -> bool {
    version_1(certificate).is_some()
}

/// Whether the key is that of a certificate of version 1; `None` for another certificate.
pub(super) fn is_key_of(key: &dyn SigningKey, certificate: &CertificateDer<'_>) -> Option<bool> {
    let old = version_1(certificate)?;
    Some(key.public_key().is_some_and(|key| *key == *old.public_key().raw))
}

/// Checks a client's certificate by the rules above; `authorities` are believed as they are.
pub(super) fn verify_client(
    certificate: &CertificateDer<'_>,
    authorities: &[CertificateDer<'_>],
    now: UnixTime,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), CertificateError> {
    let own = parse(certificate).ok_or(CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).ok().and_then(|seconds| ASN1Time::from_timestamp(seconds).ok());
    if !now.is_some_and(|now| own.validity().is_valid_at(now)) {
        return Err(CertificateError::Expired);
    }
    match own.extended_key_usage() {
        Ok(usage) if usage.as_ref().is_none_or(|usage| usage.value.any || usage.value.client_auth) => {}
        _ => return Err(CertificateError::InvalidPurpose),
    }
    let by = signature_algorithm(certificate).ok_or(CertificateError::BadEncoding)?;
    let fitting = || algorithms.all.iter().filter(|algorithm| *algorithm.signature_alg_id() == *by);
    let vouches = |authority: X509Certificate<'_>| {
        own.issuer().as_raw() == authority.subject().as_raw()
            && matches!(authority.name_constraints(), Ok(None))
            && fitting().any(|algorithm| {
                is_signed(&authority, *algorithm, own.tbs_certificate.as_ref(), &own.signature_value.data)
            })
    };
    match authorities.iter().filter_map(parse).any(vouches) {
        true => Ok(()),
        false => Err(CertificateError::UnknownIssuer),
    }
}

/// For the fuzz targets: whether a client is believed that shows `certificate`, by this authority alone.
#[cfg(feature = "fuzzing")]
pub fn fuzzed_client(certificate: &[u8], authority: &[u8]) -> bool {
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
    verify_client(&certificate.into(), &[authority.into()], now, &algorithms).is_ok()
}

fn parse<'d>(certificate: &'d CertificateDer<'_>) -> Option<X509Certificate<'d>> {
    let (rest, certificate) = X509Certificate::from_der(certificate).ok()?;
    rest.is_empty().then_some(certificate)
}

fn version_1<'d>(certificate: &'d CertificateDer<'_>) -> Option<X509Certificate<'d>> {
    parse(certificate).filter(|certificate| certificate.version() == X509Version::V1)
}

/// Whether this certificate's key has signed the message.
fn is_signed(
    by: &X509Certificate<'_>,
    algorithm: &dyn SignatureVerificationAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let key = by.public_key();
    let of_key = first(key.raw).and_then(|content| first(&content).map(Cow::into_owned));
    of_key.is_some_and(|of_key| of_key == *algorithm.public_key_alg_id())
        && algorithm.verify_signature(&key.subject_public_key.data, message, signature).is_ok()
}

/// What says how a certificate is signed: the second of its three parts, after what is signed.
fn signature_algorithm(certificate: &[u8]) -> Option<Vec<u8>> {
    let whole = first(certificate)?;
    let (after, _) = Sequence::from_der(&whole).ok()?;
    first(after).map(Cow::into_owned)
}

/// What is in the sequence that stands first.
fn first(der: &[u8]) -> Option<Cow<'_, [u8]>> {
    Some(Sequence::from_der(der).ok()?.1.content)
}
