//! Rows of the audit log as CSV (RFC 4180).

use api_types::AuditLog;

const NAMES: [&str; 30] = [
    "id",
    "created_at_ms",
    "operator",
    "actor",
    "operator_id",
    "credential_kind",
    "credential_id",
    "credential_name",
    "event_type",
    "resource_type",
    "resource_id",
    "resource_name",
    "gateway_group_id",
    "revision",
    "ip",
    "source",
    "request_id",
    "method",
    "uri",
    "user_agent",
    "outcome",
    "error",
    "repeats",
    "scope",
    "sequence",
    "previous_hash",
    "hash",
    "token_name",
    "created_at",
    "detail",
];

/// The line of names.
pub(super) fn names() -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(NAMES)?;
    finish(writer)
}

/// A line for each row.
pub(super) fn rows(rows: &[AuditLog]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(cells(row).map(harmless))?;
    }
    finish(writer)
}

fn finish(writer: csv::Writer<Vec<u8>>) -> Result<Vec<u8>, csv::Error> {
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn cells(row: &AuditLog) -> [String; 30] {
    let text = |text: &String| text.clone();
    let chain = row.chain.as_ref();
    [
        text(&row.id),
        row.created_at_ms.to_string(),
        text(&row.operator),
        text(&row.actor),
        text(&row.operator_id),
        text(&row.credential.kind),
        text(&row.credential.id),
        text(&row.credential.name),
        text(&row.event_type),
        text(&row.resource_type),
        text(&row.resource_id),
        text(&row.resource_name),
        row.gateway_group_id.clone().unwrap_or_default(),
        row.revision.map(|revision| revision.to_string()).unwrap_or_default(),
        text(&row.ip),
        text(&row.source),
        text(&row.request.id),
        text(&row.request.method),
        text(&row.request.uri),
        text(&row.request.user_agent),
        text(&row.outcome),
        text(&row.error),
        row.repeats.to_string(),
        chain.map(|chain| chain.scope.clone()).unwrap_or_default(),
        chain.map(|chain| chain.sequence.to_string()).unwrap_or_default(),
        chain.map(|chain| chain.previous_hash.clone()).unwrap_or_default(),
        chain.map(|chain| chain.hash.clone()).unwrap_or_default(),
        text(&row.token_name),
        row.created_at.to_string(),
        row.detail.to_string(),
    ]
}

/// Spreadsheets run what begins so; a name that somebody tried to log in by must not.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"] {
            assert_eq!(harmless(formula.to_owned()), format!("'{formula}"));
        }
        assert_eq!(harmless("a=b".to_owned()), "a=b");
    }
}
