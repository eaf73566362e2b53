//! The audit log.

use std::time::Duration;

use api_types::{AuditConfig, AuditLog, AuditVerification, Listing};
use reqwest::{Method, Response};

use crate::client::Client;
use crate::error::{ClientError, ClientResult};

/// A long log takes long to walk or to send.
const LONG: Duration = Duration::from_secs(3600);

/// Which rows are wanted; empty fields filter nothing.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// At or after, in unix seconds.
    pub start_at: Option<i64>,
    /// Before, in unix seconds.
    pub end_at: Option<i64>,
    /// Name of a user, or `admin-key:<group>`, `system`, `anonymous`.
    pub operator: Option<String>,
    /// The action.
    pub event_type: Option<String>,
    /// Kind of what it was done to.
    pub resource_type: Option<String>,
    /// Id of what it was done to.
    pub resource_id: Option<String>,
    /// Id of the group.
    pub gateway_group_id: Option<String>,
    /// `ok`, `refused` or `failed`.
    pub outcome: Option<String>,
    /// Text that a row contains.
    pub search: Option<String>,
    /// Oldest first.
    pub oldest_first: bool,
}

/// How rows are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// A JSON array.
    Json,
    /// CSV with a line of names.
    Csv,
}

/// An export on its way.
#[derive(Debug)]
pub struct Export {
    response: Response,
    server: String,
}

impl Export {
    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// When the server breaks off.
    pub async fn chunk(&mut self) -> ClientResult<Option<Vec<u8>>> {
        let chunk = self.response.chunk().await;
        let chunk = chunk.map_err(|source| ClientError::NoAnswer { server: self.server.clone(), source })?;
        Ok(chunk.map(Vec::from))
    }
}

impl AuditFilter {
    fn pairs(&self) -> Vec<(&'static str, String)> {
        let texts = [
            ("operator", &self.operator),
            ("event_type", &self.event_type),
            ("resource_type", &self.resource_type),
            ("resource_id", &self.resource_id),
            ("gateway_group_id", &self.gateway_group_id),
            ("outcome", &self.outcome),
            ("search", &self.search),
        ];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?)));
        let moments = [("start_at", self.start_at), ("end_at", self.end_at)];
        let moments = moments.into_iter().filter_map(|(name, at)| Some((name, at?.to_string())));
        let direction = if self.oldest_first { "asc" } else { "desc" };
        texts.chain(moments).chain([("direction", direction.to_owned())]).collect()
    }
}

impl Client {
    /// A page of the rows that the filter lets through.
    ///
    /// # Errors
    /// 403 when the caller may not read the log.
    pub async fn audit_logs(&self, filter: &AuditFilter, page: u32, page_size: u32) -> ClientResult<Listing<AuditLog>> {
        let mut pairs = filter.pairs();
        pairs.extend([("page", page.to_string()), ("page_size", page_size.to_string())]);
        self.call(Method::GET, &["api", "audit_logs"]).query(&borrowed(&pairs)).list().await
    }

    /// Begins an export of the rows that the filter lets through.
    ///
    /// # Errors
    /// 403 when the caller may not export the log.
    pub async fn export_audit_logs(&self, filter: &AuditFilter, format: ExportFormat) -> ClientResult<Export> {
        let mut pairs = filter.pairs();
        let format = match format {
            ExportFormat::Json => "json",
            ExportFormat::Csv => "csv",
        };
        pairs.push(("format", format.to_owned()));
        let call = self.call(Method::GET, &["api", "audit_logs", "export"]).query(&borrowed(&pairs)).within(LONG);
        Ok(Export { response: call.send().await?, server: self.server().to_owned() })
    }

    /// Walks the log's hash chains.
    ///
    /// # Errors
    /// 403 when the caller may not read the whole log.
    pub async fn verify_audit_logs(&self) -> ClientResult<AuditVerification> {
        self.call(Method::GET, &["api", "audit_logs", "verify"]).within(LONG).value().await
    }

    /// The log's settings.
    ///
    /// # Errors
    /// 403 when the caller may not read the whole log.
    pub async fn audit_config(&self) -> ClientResult<AuditConfig> {
        self.call(Method::GET, &["api", "audit_logs", "config"]).value().await
    }

    /// Replaces the log's settings.
    ///
    /// # Errors
    /// 400 when they cannot be, 403 when the caller may not.
    pub async fn set_audit_config(&self, config: &AuditConfig) -> ClientResult<AuditConfig> {
        self.call(Method::PUT, &["api", "audit_logs", "config"]).json(config).value().await
    }
}

fn borrowed<'p>(pairs: &'p [(&'static str, String)]) -> Vec<(&'p str, &'p str)> {
    pairs.iter().map(|(name, value)| (*name, value.as_str())).collect()
}
