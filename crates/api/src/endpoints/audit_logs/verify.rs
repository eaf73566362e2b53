//! `GET /api/audit_logs/verify`

use api_types::{AuditChain, AuditVerification, BrokenAuditRow, Valued};
use axum::Json;
use axum::extract::State;
use control::Control;
use store::audit::{BrokenRow, ChainReport, Verification};

use crate::auth::Caller;
use crate::envelope::value;
use crate::error::ApiResult;

/// Walks the hash chains of the whole log and names the first row that is not as it was written.
#[utoipa::path(get, path = "/api/audit_logs/verify", tag = "audit",
    responses((status = OK, body = Valued<AuditVerification>), (status = FORBIDDEN, body = api_types::ErrorBody)))]
pub(crate) async fn verify_audit_logs(
    caller: Caller,
    State(control): State<Control>,
) -> ApiResult<Json<Valued<AuditVerification>>> {
    Ok(value(shown(control.verify_audit_log(&caller.actor).await?)))
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
