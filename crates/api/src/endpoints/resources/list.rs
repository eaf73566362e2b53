//! `GET /apisix/admin/{kind}`

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use control::Control;
use control::iam::Actor;
use model::{GroupId, Kind, ResourceId, ResourceKey};
use serde_json::{Map, Value};
use store::Listed;
use store::config::{ParentFilter, ResourceFilter, StoredResource};

use crate::envelope::{page, value};
use crate::error::ApiResult;
use crate::input::{Collection, GroupOfRequest, GroupParam, ListParams, ListQuery};
use crate::shape;

/// The resources of a kind, all of them unless a page is asked for. `service_id` keeps those of one service. Plugin metadata
/// comes as one object, `{"value": {"<plugin>": {...}}}`.
#[utoipa::path(get, path = "/apisix/admin/{kind}",
    params(("kind" = String, Path), GroupParam, ListParams,
        ("service_id" = Option<String>, Query, description = "Routes and stream routes of this service alone")),
    responses((status = OK, body = api_types::Listing<Value>)))]
pub(crate) async fn list_resource(
    asked: GroupOfRequest,
    State(control): State<Control>,
    collection: Collection,
    query: ListQuery,
) -> ApiResult<Response> {
    let kind = collection.kind;
    if let Some(parent) = collection.parent_key() {
        control.get_resource(&asked.caller.actor, &asked.group, &parent).await?;
    }
    let found = control.list_resources(&asked.caller.actor, &asked.group, &filter(collection, query)?).await?;
    if kind == Kind::PluginMetadata { by_plugin(&found) } else { in_order(&found) }
}

/// The routes or stream routes of a service that is there.
pub(crate) async fn list_of_service(
    control: &Control,
    actor: &Actor,
    group: &GroupId,
    (kind, service): (Kind, ResourceId),
    query: ListQuery,
) -> ApiResult<Response> {
    control.get_resource(actor, group, &ResourceKey::new(Kind::Service, service.clone())).await?;
    let filter = ResourceFilter { service_id: Some(service), ..filter(Collection { kind, parent: None }, query)? };
    in_order(&control.list_resources(actor, group, &filter).await?)
}

fn filter(collection: Collection, query: ListQuery) -> ApiResult<ResourceFilter> {
    let service_id = query.resource("service_id")?;
    let has_labels = !matches!(collection.kind, Kind::GlobalRule | Kind::PluginMetadata);
    let (page, order) = (query.page(), query.order()?);
    Ok(ResourceFilter {
        kind: collection.kind,
        parent: collection.parent.map_or(ParentFilter::TopLevel, ParentFilter::Of),
        service_id,
        // Clients send label selectors for kinds without labels too; there they select nothing away.
        labels: if has_labels { query.labels } else { Default::default() },
        search: query.search,
        name: query.name,
        page,
        order,
    })
}

fn in_order(found: &Listed<StoredResource>) -> ApiResult<Response> {
    let list: ApiResult<Vec<Value>> = found.list.iter().map(shape::read).collect();
    Ok(page(list?, found.total).into_response())
}

fn by_plugin(found: &Listed<StoredResource>) -> ApiResult<Response> {
    let named = found.list.iter().map(|stored| Ok((stored.key.id.to_string(), shape::read(stored)?)));
    let all: Map<String, Value> = named.collect::<ApiResult<_>>()?;
    Ok(value(all).into_response())
}
