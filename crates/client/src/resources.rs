//! A group's configuration, resource by resource, as JSON.

use model::{Kind, ResourceKey};
use reqwest::Method;
use serde_json::Value;

use crate::client::Client;
use crate::error::ClientResult;

/// Where a resource is addressed: its group and its key. An admin key needs no group.
#[derive(Debug, Clone)]
pub struct ResourcePath {
    /// Id of the group; none with a group's admin key.
    pub group: Option<String>,
    /// The resource.
    pub key: ResourceKey,
}

impl ResourcePath {
    fn segments(&self) -> Vec<&str> {
        let mut segments = collection(self.key.kind, self.key.parent.as_ref().map(|parent| parent.as_str()));
        segments.push(self.key.id.as_str());
        segments
    }
}

/// The path of all resources of a kind, below their parent where they have one.
fn collection(kind: Kind, parent: Option<&str>) -> Vec<&str> {
    match (kind, parent) {
        (Kind::Credential, Some(consumer)) => vec!["apisix", "admin", "consumers", consumer, "credentials"],
        (Kind::Upstream, Some(service)) => vec!["apisix", "admin", "services", service, "upstreams"],
        (kind, _) => vec!["apisix", "admin", kind.plural()],
    }
}

fn group_parameter(group: Option<&str>) -> Vec<(&'static str, &str)> {
    group.map(|id| ("gateway_group_id", id)).into_iter().collect()
}

impl Client {
    /// All resources of a kind in a group (below a parent, for credentials and further upstreams).
    ///
    /// # Errors
    /// 404 when there is no such group or parent.
    pub async fn resources(&self, group: Option<&str>, kind: Kind, parent: Option<&str>) -> ClientResult<Vec<Value>> {
        let call = self.call(Method::GET, &collection(kind, parent)).query(&group_parameter(group));
        call.list().await.map(|listing| listing.list)
    }

    /// One resource.
    ///
    /// # Errors
    /// 404 when there is none.
    pub async fn resource(&self, path: &ResourcePath) -> ClientResult<Value> {
        let call = self.call(Method::GET, &path.segments());
        call.query(&group_parameter(path.group.as_deref())).value().await
    }

    /// Creates or replaces a resource; with a revision, only while that is the head.
    ///
    /// # Errors
    /// 400 with the JSON pointer of the wrong field, 412 when the head is another.
    pub async fn put_resource(&self, path: &ResourcePath, body: &Value, revision: Option<u64>) -> ClientResult<Value> {
        let call = self.call(Method::PUT, &path.segments()).if_match(revision);
        call.query(&group_parameter(path.group.as_deref())).json(body).value().await
    }

    /// Removes a resource with all that stands below it.
    ///
    /// # Errors
    /// 404 when there is none.
    pub async fn delete_resource(&self, path: &ResourcePath, revision: Option<u64>) -> ClientResult<()> {
        let call = self.call(Method::DELETE, &path.segments()).if_match(revision);
        call.query(&group_parameter(path.group.as_deref())).send().await.map(drop)
    }
}
