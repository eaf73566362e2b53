//! `GET /api/audit_logs/export`

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use control::audit::AuditExport;
use control::{Control, ControlError};
use futures_util::stream;
use http::header;

use super::filter::{AuditParams, filter};
use super::{csv_rows, shown};
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::input::ListQuery;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
}

/// The rows that the filters let through, as a JSON array or as CSV, sent as they are read.
#[utoipa::path(get, path = "/api/audit_logs/export", tag = "audit",
    params(AuditParams, ("format" = Option<String>, Query, description = "`json` or `csv`; JSON unless said otherwise")),
    responses(
        (status = OK, description = "A JSON array of rows, or CSV with a line of names", content((Vec<api_types::AuditLog> = "application/json"), (String = "text/csv"))),
        (status = FORBIDDEN, body = api_types::ErrorBody)))]
pub(crate) async fn export_audit_logs(
    caller: Caller,
    State(control): State<Control>,
    query: ListQuery,
) -> ApiResult<Response> {
    let format = format(query.other("format"))?;
    let export = control.export_audit_log(&caller.actor, filter(&query)?, query.direction()).await?;
    let (content_type, name) = match format {
        Format::Json => ("application/json", "attachment; filename=\"audit_logs.json\""),
        Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"audit_logs.csv\""),
    };
    let headers = [(header::CONTENT_TYPE, content_type), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, body(export, format)).into_response())
}

fn format(asked: Option<&str>) -> ApiResult<Format> {
    match asked {
        None | Some("json") => Ok(Format::Json),
        Some("csv") => Ok(Format::Csv),
        Some(other) => {
            Err(ApiError::bad_request(format!("parameter \"format\" must be \"json\" or \"csv\", not {other:?}")))
        }
    }
}

/// Where a body is.
enum Step {
    Begin,
    Rows { written: bool },
    Ended,
}

/// A page at a time, when the client has taken the one before. An error cuts the body short, which clients notice.
fn body(export: AuditExport, format: Format) -> Body {
    let steps = stream::try_unfold((export, Step::Begin), move |(mut export, step)| async move {
        let next = match step {
            Step::Begin => (opening(format)?, Step::Rows { written: false }),
            Step::Rows { written } => match page(&mut export, format, written).await? {
                Some(bytes) => (bytes, Step::Rows { written: true }),
                None => (closing(format), Step::Ended),
            },
            Step::Ended => return Ok::<_, ControlError>(None),
        };
        Ok(Some((next.0, (export, next.1))))
    });
    Body::from_stream(steps)
}

fn opening(format: Format) -> Result<Bytes, ControlError> {
    match format {
        Format::Json => Ok(Bytes::from_static(b"[")),
        Format::Csv => csv_rows::names().map(Bytes::from).map_err(internal),
    }
}

fn closing(format: Format) -> Bytes {
    match format {
        Format::Json => Bytes::from_static(b"\n]\n"),
        Format::Csv => Bytes::new(),
    }
}

async fn page(export: &mut AuditExport, format: Format, written: bool) -> Result<Option<Bytes>, ControlError> {
    let rows: Vec<_> = export.next().await?.into_iter().map(shown).collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let bytes = match format {
        Format::Csv => csv_rows::rows(&rows).map_err(internal)?,
        Format::Json => {
            let mut bytes = Vec::new();
            for (row, n) in rows.iter().zip(0..) {
                bytes.extend_from_slice(if written || n > 0 { b",\n" } else { b"\n" });
                serde_json::to_writer(&mut bytes, row).map_err(internal)?;
            }
            bytes
        }
    };
    Ok(Some(bytes.into()))
}

fn internal(cause: impl std::fmt::Display) -> ControlError {
    tracing::error!(%cause, "an export of the audit log broke off");
    ControlError::Internal(cause.to_string())
}
