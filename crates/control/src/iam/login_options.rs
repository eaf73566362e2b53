//! Login options: making, changing, removing. What a kind of option takes is not known here, see [`LoginOptionRules`].

use std::collections::BTreeSet;

use model::{Fault, Faults};
use serde_json::{Value, json};
use store::iam::login_options::{BuiltIn, Changed};
pub use store::iam::login_options::{LoginKind, LoginOption, LoginOptionSpec};

use super::action::Action;
use super::actor::Actor;
use super::authorise;
use super::built_in_login::BuiltInLogin;
use super::object::{Coming, Object};
use super::rules::SUPER_ADMIN;
use crate::audit::{self, MASK};
use crate::control::Control;
use crate::error::ControlError;
use crate::names;

const MAX_NAME_CHARACTERS: usize = 100;
const MAX_LOGO_BYTES: usize = 64 * 1024;

/// What the kinds of login option take. It speaks with the world outside, which this crate does not.
pub trait LoginOptionRules: Sync {
    /// JSON pointers of a configuration's secrets.
    fn secrets(&self, kind: LoginKind) -> &'static [&'static str];
    /// JSON pointers of what says where the secrets are sent to.
    fn destination(&self, kind: LoginKind) -> &'static [&'static str];
    /// Whether configuration and mapping can be used.
    ///
    /// # Errors
    /// Every fault with its JSON pointer, `/oidc/issuer`.
    fn check(&self, spec: &LoginOptionSpec) -> Result<(), Faults>;
}

impl Control {
    /// Makes a login option.
    ///
    /// # Errors
    /// [`ControlError::Invalid`], [`ControlError::Conflict`] when the name is taken, [`ControlError::Forbidden`],
    /// [`ControlError::Unavailable`].
    pub async fn create_login_option(
        &self,
        actor: &Actor,
        mut spec: LoginOptionSpec,
        rules: &dyn LoginOptionRules,
    ) -> Result<LoginOption, ControlError> {
        self.authorise(actor, Action::CreateLoginOption, &Object::Organization, Coming::default()).await?;
        keep_secrets(&mut spec, &Value::Null, rules)?;
        self.check_login_option(&spec, rules).await?;
        if maps_super_admin(&spec) && !actor.is_super_admin() {
            return Err(only_for_super_admins(actor, Action::CreateLoginOption));
        }
        let id = uuid::Uuid::new_v4().to_string();
        let entry = entry(actor, Action::CreateLoginOption, &id, &spec).detail(difference(None, Some(&spec), rules));
        self.within(self.inner.store.login_options().create(&id, &spec, &entry.into())).await?;
        Ok(shown(self.within(self.inner.store.login_options().get(&id)).await?, rules))
    }

    /// All login options by name, their secrets masked.
    ///
    /// # Errors
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn list_login_options(
        &self,
        actor: &Actor,
        rules: &dyn LoginOptionRules,
    ) -> Result<Vec<LoginOption>, ControlError> {
        self.authorise(actor, Action::GetLoginOption, &Object::Organization, Coming::default()).await?;
        let found = self.within(self.inner.store.login_options().list()).await?;
        Ok(found.into_iter().map(|option| shown(option, rules)).collect())
    }

    /// One login option, its secrets masked.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn get_login_option(
        &self,
        actor: &Actor,
        id: &str,
        rules: &dyn LoginOptionRules,
    ) -> Result<LoginOption, ControlError> {
        self.authorise(actor, Action::GetLoginOption, &Object::Organization, Coming::default()).await?;
        Ok(shown(self.within(self.inner.store.login_options().get(id)).await?, rules))
    }

    /// Changes a login option. Secrets that are left out or masked stay as they are.
    ///
    /// # Errors
    /// [`ControlError::Invalid`], also when the secrets of old would go elsewhere; [`ControlError::Conflict`] when the
    /// name is taken, the kind is another, or nobody could log in any more; [`ControlError::NotFound`],
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn update_login_option(
        &self,
        actor: &Actor,
        id: &str,
        mut spec: LoginOptionSpec,
        rules: &dyn LoginOptionRules,
    ) -> Result<LoginOption, ControlError> {
        let before = self.login_option_for(actor, Action::UpdateLoginOption, id).await?;
        if before.spec.kind != spec.kind {
            return Err(ControlError::Conflict("the type of a login option stays: its users come by it".to_owned()));
        }
        keep_secrets(&mut spec, &before.spec.config, rules)?;
        self.check_login_option(&spec, rules).await?;
        if maps_super_admin(&spec) && !actor.is_super_admin() {
            return Err(only_for_super_admins(actor, Action::UpdateLoginOption));
        }
        // What was read stands before: the change is made at its version alone.
        let entry = entry(actor, Action::UpdateLoginOption, id, &spec);
        let entry = entry.detail(difference(Some(&before.spec), Some(&spec), rules)).into();
        let options = self.inner.store.login_options();
        let changed = options.update(id, before.version, &spec, self.built_in_as(), &entry);
        done(self.within(changed).await?)?;
        Ok(shown(self.within(options.get(id)).await?, rules))
    }

    /// Removes a login option and the users who come by it; their sessions and tokens end at once.
    ///
    /// # Errors
    /// [`ControlError::Conflict`] when nobody could log in any more, [`ControlError::NotFound`],
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn delete_login_option(
        &self,
        actor: &Actor,
        id: &str,
        rules: &dyn LoginOptionRules,
    ) -> Result<(), ControlError> {
        let before = self.login_option_for(actor, Action::DeleteLoginOption, id).await?;
        let entry = entry(actor, Action::DeleteLoginOption, id, &before.spec);
        let entry = entry.detail(difference(Some(&before.spec), None, rules));
        let options = self.inner.store.login_options();
        done(self.within(options.delete(id, before.version, self.built_in_as(), &entry.into())).await?)
    }

    fn built_in_as(&self) -> BuiltIn {
        if self.inner.settings.force_built_in_login { BuiltIn::Forced } else { BuiltIn::AsSet }
    }

    /// What a login page shows: the options that are enabled, and whether name and password work. Only id, name, kind
    /// and logo of the options may go out.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn ways_in(&self) -> Result<(Vec<LoginOption>, BuiltInLogin), ControlError> {
        let mut options = self.within(self.inner.store.login_options().list()).await?;
        options.retain(|option| option.spec.enabled);
        Ok((options, self.built_in_login().await?))
    }

    /// An enabled login option of this kind with its secrets, to log somebody in by it.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] when there is none or it is disabled, [`ControlError::Unavailable`].
    pub async fn login_option_in_use(&self, id: &str, kind: LoginKind) -> Result<LoginOption, ControlError> {
        let option = self.within(self.inner.store.login_options().get(id)).await?;
        if option.spec.enabled && option.spec.kind == kind {
            return Ok(option);
        }
        Err(ControlError::NotFound { what: "login option", id: id.to_owned() })
    }

    /// A login option that the actor may do the action to. Whoever changes where it asks becomes any of its users, so
    /// one that Super Admins come by is theirs alone to touch.
    async fn login_option_for(&self, actor: &Actor, action: Action, id: &str) -> Result<LoginOption, ControlError> {
        self.authorise(actor, action, &Object::Organization, Coming::default()).await?;
        let options = self.inner.store.login_options();
        let option = self.within(options.get(id)).await?;
        if actor.is_super_admin() {
            return Ok(option);
        }
        if maps_super_admin(&option.spec) || self.within(options.has_holder_of(id, SUPER_ADMIN)).await? {
            return Err(only_for_super_admins(actor, action));
        }
        Ok(option)
    }

    async fn check_login_option(
        &self,
        spec: &LoginOptionSpec,
        rules: &dyn LoginOptionRules,
    ) -> Result<(), ControlError> {
        names::check(Some(&spec.name), None, MAX_NAME_CHARACTERS)?;
        if !is_logo(&spec.logo) {
            let right = "must be empty, an https:// address or a data:image/ one, of at most 64 KiB";
            return Err(ControlError::fault("/logo", right));
        }
        rules.check(spec)?;
        self.check_mapped(spec).await
    }

    /// Roles and policies that a mapping names must be there now.
    async fn check_mapped(&self, spec: &LoginOptionSpec) -> Result<(), ControlError> {
        for id in mapped(spec, "role_mapping", "roles") {
            let found = self.within(self.inner.store.roles().get(id)).await;
            found.map_err(|error| named_at(error, "/role_mapping"))?;
        }
        for id in mapped(spec, "boundary_mapping", "permission_policies") {
            let found = self.within(self.inner.store.policies().get(id)).await;
            found.map_err(|error| named_at(error, "/boundary_mapping"))?;
        }
        Ok(())
    }
}

fn done(changed: Changed) -> Result<(), ControlError> {
    let why = match changed {
        Changed::Done => return Ok(()),
        Changed::Stale => "somebody else changed the login option just now; read it again",
        Changed::LastWayIn => {
            "the login option stays: it is the only way in, for built-in login is off; switch that on first"
        }
    };
    Err(ControlError::Conflict(why.to_owned()))
}

/// Puts secrets that are left out or masked back. They stay where they were given to: with another destination they
/// must be given again, or whoever may change it could have them sent to itself.
fn keep_secrets(spec: &mut LoginOptionSpec, before: &Value, rules: &dyn LoginOptionRules) -> Result<(), ControlError> {
    let moved =
        rules.destination(spec.kind).iter().any(|pointer| spec.config.pointer(pointer) != before.pointer(pointer));
    for pointer in rules.secrets(spec.kind) {
        let given = spec.config.pointer(pointer);
        if given.is_some_and(|given| given != MASK) {
            continue;
        }
        let (Some(object), Some(name)) = (spec.config.as_object_mut(), pointer.strip_prefix('/')) else { continue };
        object.remove(name);
        let Some(kept) = before.pointer(pointer).filter(|kept| *kept != "") else { continue };
        if moved {
            let right = "must be given again, for the login option now asks elsewhere";
            return Err(Fault::new(format!("/{}{pointer}", spec.kind.name()), right).into());
        }
        object.insert(name.to_owned(), kept.clone());
    }
    Ok(())
}

/// The option with masks in place of its secrets.
fn shown(mut option: LoginOption, rules: &dyn LoginOptionRules) -> LoginOption {
    option.spec.config = masked(option.spec.config, option.spec.kind, rules);
    option
}

fn masked(mut config: Value, kind: LoginKind, rules: &dyn LoginOptionRules) -> Value {
    for pointer in rules.secrets(kind) {
        if let Some(secret) = config.pointer_mut(pointer).filter(|secret| **secret != "") {
            *secret = MASK.into();
        }
    }
    config
}

/// The ids in one of the mappings.
fn mapped<'s>(spec: &'s LoginOptionSpec, mapping: &str, field: &str) -> BTreeSet<&'s str> {
    let rules = spec.mapping.get(mapping).and_then(Value::as_array).into_iter().flatten();
    let ids = rules.filter_map(|rule| rule.get(field)?.as_array()).flatten();
    ids.filter_map(Value::as_str).collect()
}

fn maps_super_admin(spec: &LoginOptionSpec) -> bool {
    mapped(spec, "role_mapping", "roles").contains(SUPER_ADMIN)
}

fn named_at(error: ControlError, pointer: &str) -> ControlError {
    match error {
        ControlError::NotFound { what, id } => {
            ControlError::fault(pointer, format!("must name what is there: {what} {id:?} is not"))
        }
        other => other,
    }
}

/// A login page fetches it: nothing that runs, nothing in the clear.
fn is_logo(logo: &str) -> bool {
    let is_known = logo.is_empty() || logo.starts_with("https://") || logo.starts_with("data:image/");
    is_known && logo.len() <= MAX_LOGO_BYTES && !logo.chars().any(char::is_control)
}

fn entry(actor: &Actor, action: Action, id: &str, spec: &LoginOptionSpec) -> audit::Entry {
    audit::entry(actor, action.short_name()).of("login_option", id).named(&spec.name)
}

/// What the audit log shows: both sides without their secrets, and whether one of those is another.
fn difference(
    before: Option<&LoginOptionSpec>,
    after: Option<&LoginOptionSpec>,
    rules: &dyn LoginOptionRules,
) -> Value {
    let side = |spec: &LoginOptionSpec| {
        let config = masked(spec.config.clone(), spec.kind, rules);
        json!({ "name": spec.name, "type": spec.kind.name(), "logo": spec.logo, "enabled": spec.enabled,
            "config": config, "mapping": spec.mapping })
    };
    let secrets = |spec: &LoginOptionSpec| {
        rules.secrets(spec.kind).iter().map(|pointer| spec.config.pointer(pointer).cloned()).collect::<Vec<_>>()
    };
    let secret_changed = before.zip(after).is_some_and(|(before, after)| secrets(before) != secrets(after));
    json!({ "before": before.map(side), "after": after.map(side), "secret_changed": secret_changed })
}

fn only_for_super_admins(actor: &Actor, action: Action) -> ControlError {
    let mut forbidden = authorise::forbidden(actor, action, &Object::Organization);
    forbidden.hint = ": Super Admins come by this login option, and only they can touch it";
    forbidden.into()
}
