//! Tokens with which instances join a group.

use std::time::Duration;

use model::GroupId;
use serde_json::json;
use store::SecretHash;
use store::join_tokens::{JoinToken, NewJoinToken};

use crate::audit;
use crate::control::Control;
use crate::error::ControlError;
use crate::iam::{Action, Actor};
use crate::secret;
use crate::settings::seconds;

/// A join token with its secret, told this once.
pub struct IssuedJoinToken {
    /// Its id.
    pub id: String,
    /// What an instance is started with: `<secret>.<SHA-256 of the CA's certificate>`, so that the first contact is
    /// authenticated both ways.
    pub token: String,
    /// Unix seconds; `None`: never.
    pub expires_at: Option<i64>,
    /// How many instances may join with it; `None`: any number.
    pub max_uses: Option<u32>,
}

impl Control {
    /// Makes a join token. `life`: `None` is the control plane's default, zero is for ever.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn create_join_token(
        &self,
        actor: &Actor,
        group: &GroupId,
        life: Option<Duration>,
        max_uses: Option<u32>,
    ) -> Result<IssuedJoinToken, ControlError> {
        let permit = self.permit(actor, Action::CreateGatewayInstance, group).await?;
        let life = life.unwrap_or(self.inner.settings.join_token_life);
        let expires_at = (!life.is_zero()).then(|| self.now().saturating_add(seconds(life)));
        let secret = secret::generate("")?;
        let new = NewJoinToken {
            id: uuid::Uuid::now_v7().to_string(),
            group: permit.group().clone(),
            hash: SecretHash::of(&secret),
            expires_at,
            max_uses,
        };
        let entry = audit::entry(actor, "CreateJoinToken")
            .of("join_token", &new.id)
            .within(group)
            .detail(json!({ "before": null, "after": { "expires_at": expires_at, "max_uses": max_uses } }));
        self.within(self.inner.store.join_tokens().create(&new, &entry.into())).await?;
        let token = format!("{secret}.{}", self.inner.authority.fingerprint());
        Ok(IssuedJoinToken { id: new.id, token, expires_at, max_uses })
    }

    /// A group's join tokens, newest first, without their secrets.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn list_join_tokens(&self, actor: &Actor, group: &GroupId) -> Result<Vec<JoinToken>, ControlError> {
        let permit = self.permit(actor, Action::GetGatewayInstance, group).await?;
        self.within(self.inner.store.groups().get(permit.group())).await?;
        self.within(self.inner.store.join_tokens().list(permit.group())).await
    }

    /// Ends a join token; instances that joined with it stay.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn revoke_join_token(&self, actor: &Actor, group: &GroupId, id: &str) -> Result<(), ControlError> {
        let permit = self.permit(actor, Action::CreateGatewayInstance, group).await?;
        let entry = audit::entry(actor, "RevokeJoinToken").of("join_token", id).within(group);
        self.within(self.inner.store.join_tokens().revoke(permit.group(), id, self.now(), &entry.into())).await
    }
}
