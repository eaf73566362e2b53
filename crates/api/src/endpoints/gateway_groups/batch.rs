//! `POST /api/gateway_groups/{gateway_group_id}/batch`

use api_types::{Batch, BatchChange, BatchOperation, BatchResult, ItemError};
use axum::extract::State;
use axum::response::Response;
use control::Control;
use control::configuration::Operation;
use model::{Fault, GroupId, Kind, ResourceId, ResourceKey};

use crate::auth::Caller;
use crate::envelope::{at_revision, value};
use crate::error::{ApiError, ApiResult};
use crate::input::{IfMatch, JsonBody, PathOf};
use crate::shape;

/// Many changes as one revision: all of them, or none and every fault of them.
#[utoipa::path(post, path = "/api/gateway_groups/{gateway_group_id}/batch", tag = "configuration", request_body = Batch,
    params(("gateway_group_id" = String, Path)),
    responses((status = OK, body = api_types::Valued<BatchResult>), (status = BAD_REQUEST, body = api_types::ErrorBody),
        (status = PRECONDITION_FAILED, body = api_types::ErrorBody)))]
pub(crate) async fn apply_batch(
    caller: Caller,
    State(control): State<Control>,
    PathOf(group): PathOf<GroupId>,
    IfMatch(head): IfMatch,
    JsonBody(batch): JsonBody<Batch>,
) -> ApiResult<Response> {
    let (head, changes) = (head.or(batch.revision), batch.changes.len() as u64);
    let operations = operations(batch.changes)?;
    let revision = control.batch(&caller.actor, &group, operations, head).await?;
    Ok(at_revision(revision, value(BatchResult { revision, changes })))
}

/// Every change read, or what is wrong with every one that cannot be.
fn operations(changes: Vec<BatchChange>) -> ApiResult<Vec<Operation>> {
    if changes.is_empty() {
        return Err(Fault::new("/changes", "value must hold at least one change").into());
    }
    let (mut operations, mut errors) = (Vec::with_capacity(changes.len()), Vec::new());
    for (index, change) in changes.into_iter().enumerate() {
        let (kind, id) = (change.kind.clone(), change.id.clone());
        match operation(change) {
            Ok(operation) => operations.push(operation),
            Err(error) => errors.push(ItemError {
                resource_type: kind,
                resource_id: id,
                index: index as u64,
                error: error.into_message(),
            }),
        }
    }
    if errors.is_empty() { Ok(operations) } else { Err(ApiError::items(errors)) }
}

fn operation(change: BatchChange) -> ApiResult<Operation> {
    let key = key(&change)?;
    match (change.op, change.value) {
        (BatchOperation::Put, Some(value)) => Ok(Operation::Put { body: shape::body_of(&key, value)?, key }),
        (BatchOperation::Put, None) => Err(Fault::new("/value", "a put needs a value").into()),
        (BatchOperation::Delete, _) => Ok(Operation::Delete { key }),
    }
}

fn key(change: &BatchChange) -> ApiResult<ResourceKey> {
    let named = |kind: &Kind| kind.name() == change.kind || kind.plural() == change.kind;
    let kind = Kind::ALL.into_iter().find(named).ok_or_else(|| {
        let names = Kind::ALL.map(Kind::name).join(", ");
        Fault::new("/kind", format!("value must be one of {names}"))
    })?;
    let id = |name: &str, text: &str| {
        ResourceId::new(text).map_err(|error| Fault::new(format!("/{name}"), format!("value {error}")))
    };
    let parent = change.parent.as_deref().map(|parent| id("parent", parent)).transpose()?;
    let (may, must) = (matches!(kind, Kind::Credential | Kind::Upstream), kind == Kind::Credential);
    match &parent {
        None if must => Err(Fault::new("/parent", "a credential needs its consumer").into()),
        Some(_) if !may => Err(Fault::new("/parent", format!("a {kind} has no parent")).into()),
        _ => Ok(ResourceKey { kind, parent, id: id("id", &change.id)? }),
    }
}
