//! First contact: trades the join token for an identity, and later a CSR for a fresh certificate.

use tonic::Status;
use wire::v1;

use super::connect::{Client, ConnectError, connect};
use super::identity::{CertificateRequest, Identity, IdentityFileError};
use super::token::JoinToken;
use super::verify::Trust;

/// Why joining or renewing failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum JoinError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The control plane said no, in its own words.
    #[error("{}", .0.message())]
    Answer(#[from] Box<Status>),
    #[error(transparent)]
    Identity(#[from] IdentityFileError),
    #[error("the control plane's answer does not fit: {0}")]
    Mismatch(&'static str),
}

impl JoinError {
    /// Whether asking again with the same token is pointless.
    pub(super) fn is_final(&self) -> bool {
        use tonic::Code::{InvalidArgument, PermissionDenied, Unauthenticated};
        match self {
            JoinError::Answer(status) => matches!(status.code(), InvalidArgument | PermissionDenied | Unauthenticated),
            JoinError::Connect(ConnectError::BadUrl(_)) => true,
            JoinError::Connect(_) | JoinError::Identity(_) | JoinError::Mismatch(_) => false,
        }
    }
}

/// Joins at one control plane. The secret is told only to a server whose CA has the token's fingerprint.
pub(super) async fn join(url: &str, token: &JoinToken, facts: v1::InstanceFacts) -> Result<Identity, JoinError> {
    let request = CertificateRequest::new()?;
    let mut client = connect(url, Trust::Fingerprint(token.ca), None).await?;
    let csr = request.csr.clone().into();
    let message = v1::JoinRequest { secret: token.secret.clone(), csr, facts: Some(facts) };
    let answer = client.join(message).await.map_err(Box::new)?.into_inner();
    let certificate = answer.certificate.ok_or(JoinError::Mismatch("it has no certificate"))?;
    let identity = request.fulfilled(certificate)?;
    if !identity.is_of(&token.ca) {
        return Err(JoinError::Mismatch("the certificate is of another CA"));
    }
    if identity.name.group.as_str() != answer.group_id || identity.name.instance.as_str() != answer.instance_id {
        return Err(JoinError::Mismatch("the certificate names another instance"));
    }
    Ok(identity)
}

/// A fresh certificate, with a fresh key, for the same instance.
pub(super) async fn renew(client: &mut Client, old: &Identity) -> Result<Identity, JoinError> {
    let request = CertificateRequest::new()?;
    let message = v1::RenewRequest { csr: request.csr.clone().into() };
    let answer = client.renew(message).await.map_err(Box::new)?.into_inner();
    let certificate = answer.certificate.ok_or(JoinError::Mismatch("it has no certificate"))?;
    let identity = request.fulfilled(certificate)?;
    if identity.name != old.name {
        return Err(JoinError::Mismatch("the certificate names another instance"));
    }
    if identity.ca() != old.ca() {
        return Err(JoinError::Mismatch("the certificate is of another CA"));
    }
    Ok(identity)
}
