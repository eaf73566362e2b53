//! `GET /api/gateway_groups/count/{what}`

use api_types::{CountOf, GroupCount, Listing};
use axum::Json;
use axum::extract::State;
use control::Control;

use crate::auth::Caller;
use crate::envelope::listing;
use crate::error::ApiResult;
use crate::input::PathOf;

/// How many certificates, consumers, services, routes or instances each group has.
#[utoipa::path(get, path = "/api/gateway_groups/count/{what}", tag = "gateway groups", params(("what" = CountOf, Path)),
    responses((status = OK, body = Listing<GroupCount>)))]
pub(crate) async fn count_by_gateway_group(
    caller: Caller,
    State(control): State<Control>,
    PathOf(what): PathOf<CountOf>,
) -> ApiResult<Json<Listing<GroupCount>>> {
    let counts = match kind(what) {
        Some(kind) => control.count_resources_by_group(&caller.actor, kind).await?,
        None => control.count_instances_by_group(&caller.actor).await?,
    };
    Ok(listing(counts.into_iter().map(|(group, count)| GroupCount { key: group.to_string(), count }).collect()))
}

fn kind(what: CountOf) -> Option<model::Kind> {
    match what {
        CountOf::Ssl => Some(model::Kind::Ssl),
        CountOf::Consumer => Some(model::Kind::Consumer),
        CountOf::Service => Some(model::Kind::Service),
        CountOf::Route => Some(model::Kind::Route),
        CountOf::GatewayInstance => None,
    }
}
