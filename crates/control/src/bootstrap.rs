//! The first start: the group `default` and the first admin.

use model::group::GroupType;
use model::{Digest, GroupId, Labels};
use store::StoreError;
use store::groups::NewGroup;
use store::iam::users::NewUser;

use crate::audit;
use crate::control::Control;
use crate::error::ControlError;
use crate::iam::{Actor, SUPER_ADMIN, usernames};
use crate::secret;

/// Stands in the settings once the first start is through, so that what an operator deleted stays deleted.
const DONE: &str = "first-start-done";
pub(crate) const DEFAULT_GROUP: &str = "default";
const ADMIN: &str = "admin";

/// A control plane that has taken up work.
pub struct Started {
    /// The use cases.
    pub control: Control,
    /// The login that the first start made; told this once.
    pub first_admin: Option<FirstAdmin>,
}

/// The login of the first admin.
pub struct FirstAdmin {
    /// Its name.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Whether the password was made up rather than given.
    pub generated: bool,
}

pub(crate) async fn first_start(control: &Control) -> Result<Option<FirstAdmin>, ControlError> {
    fill_in_keys(control).await?;
    free_first_admin(control).await?;
    let settings = control.inner.store.settings();
    if control.within(settings.get(DONE)).await?.is_some() {
        return Ok(None);
    }
    make_default_group(control).await?;
    let admin = make_admin(control).await?;
    control.within(settings.put_if_absent(DONE, b"1")).await?;
    Ok(admin)
}

async fn make_default_group(control: &Control) -> Result<(), ControlError> {
    let id = GroupId::new(DEFAULT_GROUP).map_err(ControlError::internal)?;
    let new = NewGroup {
        signature: control.inner.signer.sign(&id, 0, &Digest::default()),
        name: id.to_string(),
        description: "The group that is there from the start".to_owned(),
        labels: Labels::new(),
        group_type: GroupType::default(),
        region: None,
        variables: Default::default(),
        enforce_service_publishing: false,
        id,
    };
    let entry = audit::entry(&Actor::system(), "CreateGatewayGroup").of("gateway_group", DEFAULT_GROUP);
    let entry = entry.named(DEFAULT_GROUP).within(&new.id);
    made_or_there(control.within_store(control.inner.store.groups().create(&new, &entry.into())).await).map(drop)
}

async fn make_admin(control: &Control) -> Result<Option<FirstAdmin>, ControlError> {
    let given = control.inner.settings.first_admin_password.clone();
    let generated = given.is_none();
    let password = given.map_or_else(|| secret::generate(""), Ok)?;
    let new = NewUser {
        id: uuid::Uuid::now_v7().to_string(),
        username: ADMIN.to_owned(),
        username_key: usernames::lookalike_key(ADMIN),
        password_hash: Some(control.inner.passwords.hash(password.clone()).await?),
        root: true,
        roles: vec![SUPER_ADMIN.to_owned()],
        ..NewUser::default()
    };
    let entry = audit::entry(&Actor::system(), "CreateUser").of("user", &new.id).named(ADMIN);
    let made = made_or_there(control.within_store(control.inner.store.users().create(&new, &entry.into())).await)?;
    Ok(made.then(|| FirstAdmin { username: ADMIN.to_owned(), password, generated }))
}

/// Users made by an older version have no key yet. Two that look alike keep their names; the first one keeps the key.
async fn fill_in_keys(control: &Control) -> Result<(), ControlError> {
    let users = control.inner.store.users();
    for user in control.within(users.without_key()).await? {
        let key = usernames::lookalike_key(&user.username);
        made_or_there(control.within_store(users.set_key(&user.id, &key)).await)?;
    }
    Ok(())
}

/// Versions before let the first admin be given further roles, which can only deny it something: they go.
async fn free_first_admin(control: &Control) -> Result<(), ControlError> {
    let store = &control.inner.store;
    let Some(admin) = control.within(store.users().first_admin()).await? else { return Ok(()) };
    let id = admin.id;
    let mut roles = control.within(store.roles().of_users(std::slice::from_ref(&id))).await?;
    let roles = roles.remove(&id).unwrap_or_default();
    if roles.iter().map(|role| role.id.as_str()).eq([SUPER_ADMIN]) {
        return Ok(());
    }
    tracing::warn!(user = id, "the first admin has the role Super Admin alone now; it had others, too");
    let roles = [SUPER_ADMIN.to_owned()];
    let entry = audit::entry(&Actor::system(), "UpdateUserRole").of("user", &id);
    control.within(store.users().set_roles(&id, &roles, &entry.into())).await
}

/// Another replica that started at the same time may have been first.
fn made_or_there<T>(outcome: Result<T, StoreError>) -> Result<bool, ControlError> {
    match outcome {
        Ok(_) => Ok(true),
        Err(StoreError::Duplicate { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
