//! Who asks: the key decides the group.

use control::Control;
use control::iam::Actor;
use http::{HeaderMap, StatusCode};
use model::GroupId;
use serde_json::json;

use super::query::Query;
use super::refusal::Refusal;
use crate::attempt::Attempt;
use crate::auth::{cookie, kind_of_key};

/// The group of keys that are good for several.
const DEFAULT_GROUP: &str = "default";

/// Who asks, and which group it is about.
pub(super) struct Caller {
    pub(super) actor: Actor,
    pub(super) group: GroupId,
}

/// Takes the key where APISIX takes it: argument, header, cookie.
pub(super) async fn authenticate(
    control: &Control,
    headers: &HeaderMap,
    query: &Query,
    attempt: &Attempt,
) -> Result<Caller, Refusal> {
    let in_header = || headers.get("x-api-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let key = query.get("api_key").map(str::to_owned).or_else(in_header).or_else(|| cookie(headers, "x_api_key"));
    let key = key.ok_or_else(|| refuse("missing apikey"))?;
    attempt.tries(kind_of_key(&key), "");
    let actor = control.authenticate_key(&key).await.map_err(|error| match error {
        control::ControlError::Unauthenticated(_) => refuse("wrong apikey"),
        other => other.into(),
    })?;
    let default = GroupId::new(DEFAULT_GROUP).map_err(|error| Refusal::internal(&error))?;
    let group = actor.own_group().cloned().unwrap_or(default);
    let actor = attempt.recognised(actor);
    Ok(Caller { actor, group })
}

fn refuse(why: &str) -> Refusal {
    Refusal::body(StatusCode::UNAUTHORIZED, json!({ "error_msg": "failed to check token", "description": why }))
}
