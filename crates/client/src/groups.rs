//! Gateway groups, their keys, join tokens, status, history, and many changes at once.

use api_types::{
    AdminKey, AdminKeySpec, Batch, BatchResult, GatewayGroup, GatewayGroupSpec, GroupStatus, IssuedAdminKey,
    IssuedJoinToken, JoinToken, JoinTokenSpec, NamedAdminKey, Revision, ValidationBody,
};
use reqwest::Method;

use crate::client::Client;
use crate::error::{ClientError, ClientResult};

const GROUPS: [&str; 2] = ["api", "gateway_groups"];

impl Client {
    /// All groups whose labels meet the selector (`env=prod,line`); an empty one selects all.
    ///
    /// # Errors
    /// 401 when the key is not good.
    pub async fn groups(&self, labels: &str) -> ClientResult<Vec<GatewayGroup>> {
        let call = self.call(Method::GET, &GROUPS);
        let call = if labels.is_empty() { call } else { call.query(&[("labels", labels)]) };
        call.list().await.map(|listing| listing.list)
    }

    /// The group of this exact name.
    ///
    /// # Errors
    /// [`ClientError::NoSuch`] when there is none.
    pub async fn group_by_name(&self, name: &str) -> ClientResult<GatewayGroup> {
        let found = self.call(Method::GET, &GROUPS).query(&[("name", name)]).list().await?;
        let no_such = || ClientError::NoSuch { kind: "gateway group", name: name.to_owned() };
        found.list.into_iter().next().ok_or_else(no_such)
    }

    /// One group by its id.
    ///
    /// # Errors
    /// 404 when there is none.
    pub async fn group(&self, id: &str) -> ClientResult<GatewayGroup> {
        self.call(Method::GET, &["api", "gateway_groups", id]).value().await
    }

    /// Makes a group.
    ///
    /// # Errors
    /// 409 when the name is taken.
    pub async fn create_group(&self, spec: &GatewayGroupSpec) -> ClientResult<GatewayGroup> {
        self.call(Method::POST, &GROUPS).json(spec).value().await
    }

    /// Replaces what a group says of itself.
    ///
    /// # Errors
    /// 404 when there is none, 409 when the name is taken.
    pub async fn update_group(&self, id: &str, spec: &GatewayGroupSpec) -> ClientResult<GatewayGroup> {
        self.call(Method::PUT, &["api", "gateway_groups", id]).json(spec).value().await
    }

    /// Removes a group with everything in it.
    ///
    /// # Errors
    /// 404 when there is none.
    pub async fn delete_group(&self, id: &str) -> ClientResult<()> {
        self.call(Method::DELETE, &["api", "gateway_groups", id]).send().await.map(drop)
    }

    /// Where a group's instances stand.
    ///
    /// # Errors
    /// 404 when there is none.
    pub async fn group_status(&self, id: &str) -> ClientResult<GroupStatus> {
        self.call(Method::GET, &["api", "gateway_groups", id, "status"]).value().await
    }

    /// The revisions of a group, the newest first; `limit` of them.
    ///
    /// # Errors
    /// 404 when there is no such group.
    pub async fn revisions(&self, id: &str, limit: u32) -> ClientResult<Vec<Revision>> {
        let call = self.call(Method::GET, &["api", "gateway_groups", id, "revisions"]);
        let listing = call.query(&[("page", "1"), ("page_size", &limit.to_string())]).list().await?;
        Ok(listing.list)
    }

    /// Makes a new admin key of the group; the old one ends.
    ///
    /// # Errors
    /// 404 when there is no such group.
    pub async fn regenerate_admin_key(&self, id: &str) -> ClientResult<AdminKey> {
        self.call(Method::PUT, &["api", "gateway_groups", id, "admin_key"]).value().await
    }

    /// The group's admin keys, without their secrets.
    ///
    /// # Errors
    /// 404 when there is no such group.
    pub async fn admin_keys(&self, group: &str) -> ClientResult<Vec<NamedAdminKey>> {
        let call = self.call(Method::GET, &["api", "gateway_groups", group, "admin_keys"]);
        call.list().await.map(|listing| listing.list)
    }

    /// Makes a further admin key of the group; its secret is in this answer only.
    ///
    /// # Errors
    /// 400 for a wrong document or an end in the past, 409 when the name is taken.
    pub async fn create_admin_key(&self, group: &str, spec: &AdminKeySpec) -> ClientResult<IssuedAdminKey> {
        self.call(Method::POST, &["api", "gateway_groups", group, "admin_keys"]).json(spec).value().await
    }

    /// Ends an admin key of the group.
    ///
    /// # Errors
    /// 404 when there is none of this id.
    pub async fn delete_admin_key(&self, group: &str, id: &str) -> ClientResult<()> {
        self.call(Method::DELETE, &["api", "gateway_groups", group, "admin_keys", id]).send().await.map(drop)
    }

    /// Makes a join token; its secret is in this answer only.
    ///
    /// # Errors
    /// 404 when there is no such group.
    pub async fn create_join_token(&self, group: &str, spec: &JoinTokenSpec) -> ClientResult<IssuedJoinToken> {
        let call = self.call(Method::POST, &["api", "gateway_groups", group, "instance_token"]);
        call.query(&[("only_token", "true")]).json(spec).value().await
    }

    /// The group's join tokens, without their secrets.
    ///
    /// # Errors
    /// 404 when there is no such group.
    pub async fn join_tokens(&self, group: &str) -> ClientResult<Vec<JoinToken>> {
        let call = self.call(Method::GET, &["api", "gateway_groups", group, "instance_tokens"]);
        call.list().await.map(|listing| listing.list)
    }

    /// Ends a join token; instances that joined with it stay.
    ///
    /// # Errors
    /// 404 when there is none of this id.
    pub async fn revoke_join_token(&self, group: &str, id: &str) -> ClientResult<()> {
        self.call(Method::DELETE, &["api", "gateway_groups", group, "instance_tokens", id]).send().await.map(drop)
    }

    /// Many changes as one revision, or none of them.
    ///
    /// # Errors
    /// 400 with every fault, 412 when the head is not the batch's revision.
    pub async fn batch(&self, group: &str, batch: &Batch) -> ClientResult<BatchResult> {
        self.call(Method::POST, &["api", "gateway_groups", group, "batch"]).json(batch).value().await
    }

    /// Checks a whole configuration without storing any of it.
    ///
    /// # Errors
    /// 400 with every fault.
    pub async fn validate(&self, group: &str, body: &ValidationBody) -> ClientResult<()> {
        let call = self.call(Method::POST, &["apisix", "admin", "configs", "validate"]);
        call.query(&[("gateway_group_id", group)]).json(body).send().await.map(drop)
    }
}
