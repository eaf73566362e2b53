//! `GET /api/audit_logs/verify`

use api_types::{AuditChain, AuditVerification, BrokenAuditRow, Valued};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use control::{Control, ControlError};
use futures_util::stream;
use http::header;
use store::audit::{BrokenRow, ChainReport, Verification};

use crate::auth::Caller;
use crate::error::ApiResult;

/// Walks the hash chains of the whole log and names the first row that is not as it was written.
#[utoipa::path(get, path = "/api/audit_logs/verify", tag = "audit",
    responses((status = OK, body = Valued<AuditVerification>), (status = FORBIDDEN, body = api_types::ErrorBody)))]
pub(crate) async fn verify_audit_logs(caller: Caller, State(control): State<Control>) -> ApiResult<Response> {
    let verifier = control.audit_verifier(&caller.actor).await?;
    // The walk is the body's making: a long log takes longer than a request may take to be answered.
    let body = stream::once(async move {
        let found = verifier.run().await.inspect_err(|error| tracing::error!(%error, "a verification broke off"))?;
        serde_json::to_vec(&Valued { value: shown(found) }).map_err(|error| ControlError::Internal(error.to_string()))
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from_stream(body)).into_response())
}

fn shown(found: Verification) -> AuditVerification {
    let broken = found.broken().map(broken);
    let chains = found.chains.iter().map(chain).collect();
    AuditVerification { intact: broken.is_none(), broken, chains, unchained: found.unchained }
}

fn chain(report: &ChainReport) -> AuditChain {
    AuditChain {
        scope: report.scope.clone(),
        anchor_sequence: report.anchor,
        head_sequence: report.head,
        head_hash: report.head_hash.to_string(),
        intact_rows: report.intact,
        broken: report.broken.as_ref().map(broken),
    }
}

fn broken(row: &BrokenRow) -> BrokenAuditRow {
    let BrokenRow { scope, sequence, id, fault } = row.clone();
    BrokenAuditRow { scope, sequence, id, fault: fault.to_string() }
}
