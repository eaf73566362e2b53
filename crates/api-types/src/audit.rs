//! The audit log: its rows, its settings, its verification.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Who did what to what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditLog {
    /// Unique.
    pub id: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub created_at_ms: i64,
    /// Who: a user's name, `admin-key:<group>`, `system`, or `anonymous` when nobody was recognised.
    pub operator: String,
    /// Who, as it is hashed: a user's name after `user:`.
    pub actor: String,
    /// Id of the user; empty for others.
    pub operator_id: String,
    /// By what the operator came.
    pub credential: AuditCredential,
    /// Name of the personal token it was done with; empty for what was done otherwise.
    pub token_name: String,
    /// The action, such as `Login` or `CreateGatewayGroup`.
    pub event_type: String,
    /// Kind of what it was done to: `route`, `gateway_group`.
    pub resource_type: String,
    /// Its id.
    pub resource_id: String,
    /// Its name.
    pub resource_name: String,
    /// The group it was done in.
    #[serde(default)]
    pub gateway_group_id: Option<String>,
    /// The revision it made, if it was a commit.
    #[serde(default)]
    pub revision: Option<u64>,
    /// Address of the client.
    pub ip: String,
    /// `dashboard`, `api`, `apisix-admin`, `cli` or `system`.
    pub source: String,
    /// The request it was done in.
    pub request: AuditRequest,
    /// `ok`, `refused` or `failed`.
    pub outcome: String,
    /// Why it did not end well.
    pub error: String,
    /// How many more of the same this row stands for.
    pub repeats: u64,
    /// What was before and after, without secrets.
    pub detail: Value,
    /// Its place in the hash chain; none for rows from before there was one.
    #[serde(default)]
    pub chain: Option<AuditLink>,
}

/// By what an operator came; never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditCredential {
    /// `session`, `password`, `token`, `admin_key`, `join_token`, `certificate`; empty for the system.
    pub kind: String,
    /// Its id, where it has one.
    pub id: String,
    /// Its name; for a refused login the name that was tried.
    pub name: String,
}

/// A request on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditRequest {
    /// As answered in `X-Request-Id`.
    pub id: String,
    /// HTTP method.
    pub method: String,
    /// Path, without the query.
    pub uri: String,
    /// What the client says it is.
    pub user_agent: String,
}

/// A row's place in its hash chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditLink {
    /// Id of the group, or empty for what belongs to no group.
    pub scope: String,
    /// From 1, without gaps.
    pub sequence: u64,
    /// SHA-256 of the row before it, in hexadecimal digits.
    pub previous_hash: String,
    /// SHA-256 of that hash and this row, in hexadecimal digits.
    pub hash: String,
}

/// Settings of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditConfig {
    /// Older rows are removed.
    #[serde(default = "default_retention")]
    #[schema(minimum = 1, maximum = 36500)]
    pub retention_days: u32,
    /// Where rows are sent as they are recorded; nowhere unless set.
    #[serde(default)]
    pub stream: Option<AuditStream>,
    /// How the stream fares; only in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub stream_state: Option<AuditStreamState>,
}

fn default_retention() -> u32 {
    60
}

/// Where rows are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AuditStream {
    /// POST requests.
    Webhook(AuditWebhook),
    /// Syslog messages (RFC 5424).
    Syslog(AuditSyslog),
}

/// A server that takes rows by POST.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditWebhook {
    /// `http://` or `https://`.
    pub url: String,
    /// `lines`: a JSON object a line; `array`: one JSON array.
    #[serde(default = "lines")]
    pub format: String,
    /// A header that lets the control plane in.
    #[serde(default)]
    pub header: Option<AuditHeader>,
}

fn lines() -> String {
    "lines".to_owned()
}

/// A header with a secret value: answers show `***`, and a body with `***` keeps what stands.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditHeader {
    /// Such as `Authorization`.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl std::fmt::Debug for AuditHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditHeader").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A syslog server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditSyslog {
    /// `host:port`.
    pub address: String,
    /// `tcp` (octet counting, RFC 6587) or `udp`.
    #[serde(default = "tcp")]
    pub transport: String,
    /// 0 to 23; 13 is "log audit".
    #[serde(default = "log_audit")]
    #[schema(maximum = 23)]
    pub facility: u8,
}

fn tcp() -> String {
    "tcp".to_owned()
}

fn log_audit() -> u8 {
    13
}

/// How a stream fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditStreamState {
    /// Rows that arrived.
    pub delivered: u64,
    /// Rows that wait to be sent.
    pub waiting: u64,
    /// Rows that retention removed before they were sent.
    pub lost: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Why the last one failed; empty once one succeeds.
    pub last_error: String,
    /// Unix seconds of the last that arrived; 0 for none.
    pub delivered_at: i64,
}

/// What a walk over all hash chains found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditVerification {
    /// Whether every row is as it was written, and none is missing.
    pub intact: bool,
    /// The first row that is not.
    #[serde(default)]
    pub broken: Option<BrokenAuditRow>,
    /// Chain by chain.
    pub chains: Vec<AuditChain>,
    /// Rows from before there were chains; nothing vouches for them.
    pub unchained: u64,
}

/// What a walk over one chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditChain {
    /// Id of the group, or empty for what belongs to no group.
    pub scope: String,
    /// It begins after this sequence; retention took what was before.
    pub anchor_sequence: u64,
    /// Its last sequence.
    pub head_sequence: u64,
    /// Hash of its last row: noted elsewhere, it proves that nothing before it was changed since.
    pub head_hash: String,
    /// Rows that are as they were written.
    pub intact_rows: u64,
    /// The first row that is not.
    #[serde(default)]
    pub broken: Option<BrokenAuditRow>,
}

/// A row that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BrokenAuditRow {
    /// The chain's scope.
    pub scope: String,
    /// The row's place in it.
    pub sequence: u64,
    /// The row's id; empty when it is missing.
    pub id: String,
    /// `changed content`, `missing row`, `wrong link` or `head differs`.
    pub fault: String,
}
