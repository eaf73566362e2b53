//! Views of a group's services.

use api_types::ServiceHealth;
use reqwest::Method;

use crate::client::Client;
use crate::error::ClientResult;

impl Client {
    /// How the nodes of a service are, as instances tell; `upstream`: of this one alone.
    ///
    /// # Errors
    /// 404 when there is no such group or service.
    pub async fn service_health(
        &self,
        group: &str,
        service: &str,
        upstream: Option<&str>,
    ) -> ClientResult<ServiceHealth> {
        let path = ["api", "gateway_groups", group, "services", service, "healthcheck"];
        let asked: Vec<_> = upstream.map(|id| ("upstream_id", id)).into_iter().collect();
        self.call(Method::GET, &path).query(&asked).read().await
    }
}
