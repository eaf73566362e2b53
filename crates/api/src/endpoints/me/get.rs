//! `GET /api/me`

use api_types::{Me, Valued};
use axum::Json;
use control::iam::{Actor, ActorKind};

use crate::auth::Caller;
use crate::envelope::value;

/// Who the caller is.
#[utoipa::path(get, path = "/api/me", tag = "access", responses((status = OK, body = Valued<Me>)))]
pub(crate) async fn get_me(caller: Caller) -> Json<Valued<Me>> {
    value(shown(&caller.actor))
}

/// The caller in the API's words.
pub(crate) fn shown(actor: &Actor) -> Me {
    let (id, username, kind) = match actor.kind() {
        ActorKind::User { id, username, .. } => (id.clone(), username.clone(), "user"),
        ActorKind::GroupAdminKey { .. } => (actor.audit_name(), String::new(), "group_admin_key"),
        ActorKind::Scim => (actor.audit_name(), String::new(), "scim"),
        ActorKind::System => (actor.audit_name(), String::new(), "system"),
    };
    let gateway_group_id = actor.own_group().map(ToString::to_string);
    Me { id, username, kind: kind.to_owned(), must_change_password: actor.must_change_password(), gateway_group_id }
}
