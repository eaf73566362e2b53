//! Joining and renewing: a token or a certificate in, a certificate out.

use model::{GroupId, InstanceId};
use rustls_pki_types::CertificateDer;
use serde_json::json;
use store::instances::Joining;
use store::join_tokens::{JoinToken, TokenUse};
use store::{Credential, RequestContext, SecretHash};

use crate::audit::{self, Attempt};
use crate::authority::{Csr, IssuedCertificate, ServerCertificate};
use crate::control::Control;
use crate::error::ControlError;
use crate::iam::Actor;
use crate::settings::seconds;

/// Longest text of an instance about itself, in characters; the rest is cut.
const MAX_FACT_CHARACTERS: usize = 255;

/// Why an instance may not join, renew or stay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinRefusal {
    /// No such token, or one that was revoked.
    #[error("the join token is not known or was revoked")]
    TokenUnknown,
    /// The token's time is over.
    #[error("the join token has expired")]
    TokenExpired,
    /// The token was used as often as it may be.
    #[error("the join token is used up")]
    TokenUsedUp,
    /// The CSR cannot be read, its signature is wrong, or its key is of a kind that is not taken.
    #[error("the certificate signing request is not acceptable: {0}")]
    BadRequest(String),
    /// The instance was revoked or removed, or never existed in this group.
    #[error("the instance was revoked or is not known")]
    NotAdmitted,
}

/// What a joining instance brings.
#[derive(Debug, Clone)]
pub struct JoinRequest {
    /// The join token as it was issued, or its secret alone.
    pub token: String,
    /// PKCS#10 in DER. Only its public key counts.
    pub csr: Vec<u8>,
    /// Of its machine, as it says.
    pub hostname: String,
    /// Of its software, as it says.
    pub version: String,
    /// Where the connection came from.
    pub address: String,
}

/// A new instance of a group.
#[derive(Debug, Clone)]
pub struct Joined {
    /// Its id.
    pub instance: InstanceId,
    /// The token's group.
    pub group: GroupId,
    /// Its first certificate.
    pub certificate: IssuedCertificate,
}

impl Control {
    /// Trades a join token for an identity in the token's group. A use of the token is taken even when the
    /// database then fails to enter the instance: of many at once no more may join than the token allows.
    ///
    /// # Errors
    /// [`ControlError::Join`], [`ControlError::Unavailable`].
    pub async fn join(&self, request: JoinRequest) -> Result<Joined, ControlError> {
        let joined = self.try_join(&request).await;
        if let Err(ControlError::Join(refusal)) = &joined {
            let from = from_address(&request.address);
            let error = refusal.to_string();
            let credential = Credential { kind: "join_token".to_owned(), ..Credential::default() };
            let attempt = Attempt { credential, ..Attempt::refused(&from, "JoinInstance", &error) };
            self.note_attempt(Attempt { resource_name: cut_fact(&request.hostname), ..attempt }).await;
        }
        joined
    }

    async fn try_join(&self, request: &JoinRequest) -> Result<Joined, ControlError> {
        let csr = Csr::read(&request.csr)?;
        let token = self.use_token(&request.token).await?;
        let group = token.group;
        let instance = InstanceId::new(uuid::Uuid::now_v7().to_string()).map_err(ControlError::internal)?;
        let certificate = self.issue(&csr, &group, &instance)?;
        let joining = Joining {
            id: instance.clone(),
            group: group.clone(),
            hostname: cut_fact(&request.hostname),
            version: cut_fact(&request.version),
            address: cut_fact(&request.address),
            certificate_expires_at: certificate.expires_at,
            at: self.now(),
        };
        let actor = Actor::system().by("join_token", &token.id, "").in_request(from_address(&joining.address));
        self.enter(&actor, &joining, "JoinInstance").await?;
        Ok(Joined { instance, group, certificate })
    }

    /// A fresh certificate for an instance that still belongs to the fleet. `group` and `instance` are those of
    /// the certificate it came with.
    ///
    /// # Errors
    /// [`ControlError::Join`], [`ControlError::Unavailable`].
    pub async fn renew(
        &self,
        group: &GroupId,
        instance: &InstanceId,
        csr: &[u8],
    ) -> Result<IssuedCertificate, ControlError> {
        let renewed = self.try_renew(group, instance, csr).await;
        if let Err(ControlError::Join(refusal)) = &renewed {
            let (from, error) = (from_address(""), refusal.to_string());
            let credential =
                Credential { kind: "certificate".to_owned(), id: instance.to_string(), ..Credential::default() };
            let attempt = Attempt { credential, ..Attempt::refused(&from, "RenewInstanceCertificate", &error) };
            self.note_attempt(Attempt { group: Some(group.clone()), resource_id: instance.to_string(), ..attempt })
                .await;
        }
        renewed
    }

    async fn try_renew(
        &self,
        group: &GroupId,
        instance: &InstanceId,
        csr: &[u8],
    ) -> Result<IssuedCertificate, ControlError> {
        let csr = Csr::read(csr)?;
        self.admit(group, instance).await?;
        let known = self.within(self.inner.store.instances().get(instance, self.liveness())).await?;
        let certificate = self.issue(&csr, group, instance)?;
        let joining = Joining {
            id: instance.clone(),
            group: group.clone(),
            hostname: known.hostname,
            version: known.version,
            address: known.address,
            certificate_expires_at: certificate.expires_at,
            at: self.now(),
        };
        let actor = Actor::system().by("certificate", instance.as_str(), "").in_request(from_address(&joining.address));
        self.enter(&actor, &joining, "RenewInstanceCertificate").await?;
        Ok(certificate)
    }

    /// Whether an instance still belongs to the fleet: known, of this group, not revoked.
    ///
    /// # Errors
    /// [`ControlError::Join`] with [`JoinRefusal::NotAdmitted`], [`ControlError::Unavailable`].
    pub async fn admit(&self, group: &GroupId, instance: &InstanceId) -> Result<(), ControlError> {
        let admitted = self.within(self.inner.store.instances().is_admitted(instance, group)).await?;
        if admitted { Ok(()) } else { Err(JoinRefusal::NotAdmitted.into()) }
    }

    /// The Ed25519 key whose signatures on configurations are valid.
    pub fn signing_public_key(&self) -> [u8; 32] {
        self.inner.signer.public_key()
    }

    /// The certificate of the control plane's authority.
    pub fn ca_certificate(&self) -> &CertificateDer<'static> {
        self.inner.authority.certificate()
    }

    /// SHA-256 of the authority's certificate in hexadecimal digits.
    pub fn ca_fingerprint(&self) -> String {
        self.inner.authority.fingerprint()
    }

    /// Trust domain of instance certificates.
    pub fn trust_domain(&self) -> &str {
        &self.inner.settings.trust_domain
    }

    /// A fresh certificate for a listener of this process under the names of the settings.
    ///
    /// # Errors
    /// [`ControlError::Internal`] when a name is neither a DNS name nor an address.
    pub fn issue_server_certificate(&self) -> Result<ServerCertificate, ControlError> {
        let settings = &self.inner.settings;
        self.inner.authority.issue_server(&settings.server_names, self.now(), seconds(settings.server_certificate_life))
    }

    async fn use_token(&self, token: &str) -> Result<JoinToken, ControlError> {
        let secret = token.split_once('.').map_or(token, |(secret, _)| secret);
        let used = self.inner.store.join_tokens();
        match self.within(used.use_once(&SecretHash::of(secret), self.now())).await? {
            TokenUse::Accepted(token) => Ok(token),
            TokenUse::Unknown | TokenUse::Revoked => Err(JoinRefusal::TokenUnknown.into()),
            TokenUse::Expired => Err(JoinRefusal::TokenExpired.into()),
            TokenUse::UsedUp => Err(JoinRefusal::TokenUsedUp.into()),
        }
    }

    fn issue(&self, csr: &Csr, group: &GroupId, instance: &InstanceId) -> Result<IssuedCertificate, ControlError> {
        let settings = &self.inner.settings;
        let uri = format!("spiffe://{}/gateway-group/{group}/instance/{instance}", settings.trust_domain);
        self.inner.authority.issue_instance(csr, &uri, self.now(), seconds(settings.instance_certificate_life))
    }

    async fn enter(&self, actor: &Actor, joining: &Joining, action: &str) -> Result<(), ControlError> {
        let entry = audit::entry(actor, action)
            .of("gateway_instance", joining.id.as_str())
            .named(&joining.hostname)
            .within(&joining.group)
            .detail(json!({ "certificate_expires_at": joining.certificate_expires_at, "version": joining.version }));
        self.within(self.inner.store.instances().join(joining, &entry.into())).await
    }
}

fn from_address(address: &str) -> RequestContext {
    RequestContext { address: cut_fact(address), source: "system".to_owned(), ..RequestContext::default() }
}

/// What an instance says of itself, as much of it as is kept. Reports are written together: what no text column takes would
/// keep those of other instances out.
pub fn cut_fact(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_FACT_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_an_instance_says_is_kept_what_can_be_kept() {
        assert_eq!(cut_fact("gateway-1\0\n"), "gateway-1");
        assert_eq!(cut_fact(&"é".repeat(MAX_FACT_CHARACTERS + 1)).chars().count(), MAX_FACT_CHARACTERS);
    }
}
