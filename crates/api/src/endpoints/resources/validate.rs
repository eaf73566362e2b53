//! `POST /apisix/admin/configs/validate`

use api_types::{ItemError, ValidationBody};
use axum::extract::State;
use axum::response::Response;
use control::Control;
use control::configuration::Operation;
use model::{Kind, ResourceKey};
use serde_json::Value;

use crate::envelope::done;
use crate::error::{self, ApiError, ApiResult};
use crate::input::{GroupOfRequest, GroupParam, JsonBody};
use crate::shape;

/// Checks a whole configuration on top of what the group holds, and stores none of it. Answers every fault.
#[utoipa::path(post, path = "/apisix/admin/configs/validate", tag = "validation", request_body = ValidationBody,
    params(GroupParam), responses((status = OK), (status = BAD_REQUEST, body = api_types::ErrorBody)))]
pub(crate) async fn validate_configuration(
    asked: GroupOfRequest,
    State(control): State<Control>,
    JsonBody(body): JsonBody<ValidationBody>,
) -> ApiResult<Response> {
    let (items, mut errors) = read(body);
    let (places, operations): (Vec<Place>, Vec<_>) = items.into_iter().unzip();
    let faults = control.validate_configuration(&asked.caller.actor, &asked.group, operations).await?;
    errors.extend(faults.into_iter().map(|fault| {
        let place = places.get(fault.index).cloned().unwrap_or_default();
        ItemError { index: place.index, resource_id: place.id, ..error::item(fault) }
    }));
    if errors.is_empty() { Ok(done()) } else { Err(ApiError::items(errors)) }
}

/// Where an item stands, for the client to find it again.
#[derive(Debug, Clone, Default)]
struct Place {
    /// Within the array it came in.
    index: u64,
    /// The id that the client gave it; empty without one.
    id: String,
}

/// Every item as the operation that would write it; those that cannot be read are told at once.
fn read(body: ValidationBody) -> (Vec<(Place, Operation)>, Vec<ItemError>) {
    let (mut items, mut errors) = (Vec::new(), Vec::new());
    for (kind, values) in by_kind(body) {
        for (index, value) in (0..).zip(values) {
            let place = Place { index, id: shape::given_id(kind, &value).unwrap_or_default() };
            match operation(kind, value) {
                Ok(operation) => items.push((place, operation)),
                Err(error) => errors.push(ItemError {
                    resource_type: kind.plural().to_owned(),
                    resource_id: place.id,
                    index,
                    error: error.into_message(),
                }),
            }
        }
    }
    (items, errors)
}

fn by_kind(body: ValidationBody) -> [(Kind, Vec<Value>); 9] {
    [
        (Kind::Service, body.services),
        (Kind::Route, body.routes),
        (Kind::StreamRoute, body.stream_routes),
        (Kind::Upstream, body.upstreams),
        (Kind::Consumer, body.consumers),
        (Kind::Ssl, body.ssls),
        (Kind::GlobalRule, body.global_rules),
        (Kind::PluginMetadata, body.plugin_metadata),
        (Kind::PluginConfig, body.plugin_configs),
    ]
}

fn operation(kind: Kind, value: Value) -> ApiResult<Operation> {
    let key = ResourceKey::new(kind, shape::id_of_new(kind, &value)?);
    Ok(Operation::Put { body: shape::body_of(&key, value)?, key })
}
