//! Gateway instances.

use api_types::{Instance, StatusCount};
use reqwest::Method;

use crate::client::Client;
use crate::error::ClientResult;

/// Which instances to list; empty fields filter nothing.
#[derive(Debug, Clone, Default)]
pub struct InstanceFilter {
    /// Id of the group.
    pub gateway_group_id: Option<String>,
    /// `Healthy`, `OutOfSync`, `LostConnection` or `Offline`.
    pub status: Option<String>,
    /// Text that id or host name contains.
    pub search: Option<String>,
}

impl Client {
    /// The instances the filter lets through.
    ///
    /// # Errors
    /// 400 when the status is none of the four.
    pub async fn instances(&self, filter: &InstanceFilter) -> ClientResult<Vec<Instance>> {
        let asked =
            [("gateway_group_id", &filter.gateway_group_id), ("status", &filter.status), ("search", &filter.search)];
        let asked: Vec<_> = asked.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?))).collect();
        self.call(Method::GET, &["api", "instances"]).query(&asked).list().await.map(|listing| listing.list)
    }

    /// One instance.
    ///
    /// # Errors
    /// 404 when there is none.
    pub async fn instance(&self, group: &str, id: &str) -> ClientResult<Instance> {
        self.call(Method::GET, &["api", "gateway_groups", group, "instances", id]).value().await
    }

    /// Revokes an instance: its connection ends at once and it cannot return.
    ///
    /// # Errors
    /// 404 when there is none.
    pub async fn revoke_instance(&self, group: &str, id: &str) -> ClientResult<()> {
        self.call(Method::DELETE, &["api", "gateway_groups", group, "instances", id]).send().await.map(drop)
    }

    /// How many instances have which status.
    ///
    /// # Errors
    /// 401 when the key is not good.
    pub async fn instance_counts(&self) -> ClientResult<Vec<StatusCount>> {
        self.call(Method::GET, &["api", "instances", "count", "status"]).value().await
    }
}
