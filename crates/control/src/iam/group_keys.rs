//! Admin keys of a group: each decides the group by itself. API7 knows one for each group; there may be more, each with
//! an end and with rights of its own.

use model::GroupId;
use serde_json::Value;
use store::SecretHash;
use store::access::GroupAccess;
use store::iam::group_keys::{GroupKey, NewGroupKey};

use super::action::Action;
use super::actor::Actor;
use crate::audit;
use crate::control::Control;
use crate::error::ControlError;
use crate::secret;

pub(super) const ADMIN_KEY_PREFIX: &str = "a7adm-";
/// The name of the one key that API7 knows.
const THE_KEY: &str = "admin-key";
const MAX_NAME_CHARACTERS: usize = 256;

/// What a new key is given.
#[derive(Debug, Clone, Default)]
pub struct GroupKeySpec {
    /// Unique in the group; 1 to 256 characters.
    pub name: String,
    /// What it is narrowed to: a policy document. `None`: all that a key may.
    pub document: Option<Value>,
    /// Unix seconds; `None`: never.
    pub expires_at: Option<i64>,
}

/// A key with its secret, told this once.
pub struct IssuedGroupKey {
    /// Its id.
    pub id: String,
    /// The secret: `a7adm-...`.
    pub key: String,
    /// Unix seconds.
    pub created_at: i64,
}

impl Control {
    /// Gives a group the key that API7 knows, anew, and returns it, this once; the one before it ends.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn regenerate_admin_key(&self, actor: &Actor, group: &GroupId) -> Result<IssuedGroupKey, ControlError> {
        let permit = self.permit(actor, Action::UpdateGatewayGroup, group).await?;
        let (new, key) = new_key(permit.group(), THE_KEY.to_owned(), None, None)?;
        let entry = entry(actor, "RegenerateAdminKey", &new);
        self.within(self.inner.store.group_keys().put(&new, &entry.into())).await?;
        Ok(IssuedGroupKey { id: new.id, key, created_at: self.now() })
    }

    /// Makes a further key of a group.
    ///
    /// # Errors
    /// [`ControlError::Invalid`], [`ControlError::Conflict`] when the name is taken, [`ControlError::NotFound`],
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn create_admin_key(
        &self,
        actor: &Actor,
        group: &GroupId,
        spec: GroupKeySpec,
    ) -> Result<IssuedGroupKey, ControlError> {
        let permit = self.permit(actor, Action::UpdateGatewayGroup, group).await?;
        if spec.name.is_empty() || spec.name.chars().count() > MAX_NAME_CHARACTERS {
            return Err(ControlError::fault("/name", format!("must have 1 to {MAX_NAME_CHARACTERS} characters")));
        }
        self.check_end(spec.expires_at)?;
        let document = self.check_document(spec.document.as_ref())?;
        let (new, key) = new_key(permit.group(), spec.name, document, spec.expires_at)?;
        let entry = entry(actor, "CreateAdminKey", &new);
        self.within(self.inner.store.group_keys().create(&new, &entry.into())).await?;
        Ok(IssuedGroupKey { id: new.id, key, created_at: self.now() })
    }

    /// A group's keys by name, without their secrets.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn list_admin_keys(&self, actor: &Actor, group: &GroupId) -> Result<Vec<GroupKey>, ControlError> {
        let permit = self.permit(actor, Action::GetAdminKey, group).await?;
        self.within(self.inner.store.groups().get(permit.group())).await?;
        self.within(self.inner.store.group_keys().list(permit.group())).await
    }

    /// Ends a key of a group.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn delete_admin_key(&self, actor: &Actor, group: &GroupId, id: &str) -> Result<(), ControlError> {
        let permit = self.permit(actor, Action::UpdateGatewayGroup, group).await?;
        let entry = audit::entry(actor, "DeleteAdminKey").of("admin_key", id).within(permit.group());
        self.within(self.inner.store.group_keys().delete(permit.group(), id, &entry.into())).await
    }

    /// When a group was given the key that API7 knows, in unix seconds; `None` when it has none.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn admin_key_created_at(&self, actor: &Actor, group: &GroupId) -> Result<Option<i64>, ControlError> {
        let keys = self.list_admin_keys(actor, group).await?;
        Ok(keys.into_iter().find(|key| key.name == THE_KEY).map(|key| key.created_at))
    }
}

fn new_key(
    group: &GroupAccess,
    name: String,
    document: Option<String>,
    expires_at: Option<i64>,
) -> Result<(NewGroupKey, String), ControlError> {
    let key = secret::generate(ADMIN_KEY_PREFIX)?;
    let id = uuid::Uuid::now_v7().to_string();
    Ok((NewGroupKey { id, group: group.clone(), name, hash: SecretHash::of(&key), document, expires_at }, key))
}

fn entry(actor: &Actor, action: &str, new: &NewGroupKey) -> audit::Entry {
    audit::entry(actor, action).of("admin_key", &new.id).named(&new.name).within(&new.group)
}
