//! Reading the log: lists, export, verification.

use model::GroupId;
use serde_json::json;
use store::audit::{AuditFilter, AuditRow, Outcome, Position, Verification};
use store::{Direction, Listed, Page};

use super::entry;
use crate::control::Control;
use crate::error::ControlError;
use crate::iam::{Action, Actor, Coming, Object};

/// Rows of the log that are held at once while it is exported.
pub const AUDIT_PAGE: u32 = 100;

/// An export under way: page by page, so that a log of any length needs little memory.
pub struct AuditExport {
    control: Control,
    filter: AuditFilter,
    direction: Direction,
    position: Option<Position>,
    ended: bool,
}

impl AuditExport {
    /// The next rows; none at the end.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn next(&mut self) -> Result<Vec<AuditRow>, ControlError> {
        if self.ended {
            return Ok(Vec::new());
        }
        let log = self.control.inner.store.audit();
        let page = log.after(&self.filter, self.direction, self.position.as_ref(), AUDIT_PAGE);
        let rows = self.control.within(page).await?;
        self.position = rows.last().map(Position::from);
        self.ended = rows.len() < AUDIT_PAGE as usize;
        Ok(rows)
    }
}

impl Control {
    /// The audit log by time.
    ///
    /// # Errors
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn audit_log(
        &self,
        actor: &Actor,
        filter: &AuditFilter,
        direction: Direction,
        page: Option<Page>,
    ) -> Result<Listed<AuditRow>, ControlError> {
        self.permit_audit(actor, Action::GetAudit).await?;
        self.within(self.inner.store.audit().list(filter, direction, page)).await
    }

    /// The actions that occur in the log.
    ///
    /// # Errors
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn audit_event_types(&self, actor: &Actor, group: Option<&GroupId>) -> Result<Vec<String>, ControlError> {
        self.permit_audit(actor, Action::GetAudit).await?;
        self.within(self.inner.store.audit().actions(group)).await
    }

    /// Begins an export, which is itself on record.
    ///
    /// # Errors
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn export_audit_log(
        &self,
        actor: &Actor,
        filter: AuditFilter,
        direction: Direction,
    ) -> Result<AuditExport, ControlError> {
        self.permit_audit(actor, Action::ExportAudits).await?;
        let entry = entry(actor, "ExportAudits").of("audit_log", "").detail(shown(&filter));
        self.within(self.inner.store.audit().record(&entry.into())).await?;
        Ok(AuditExport { control: self.clone(), filter, direction, position: None, ended: false })
    }

    /// Walks the chains of the whole log and names the first broken row of each.
    ///
    /// # Errors
    /// [`ControlError::Forbidden`], [`ControlError::Unavailable`].
    pub async fn verify_audit_log(&self, actor: &Actor) -> Result<Verification, ControlError> {
        self.audit_verifier(actor).await?.run().await
    }

    /// The permission to walk the chains, apart from the walk, which takes long when the log is long.
    ///
    /// # Errors
    /// [`ControlError::Forbidden`].
    pub async fn audit_verifier(&self, actor: &Actor) -> Result<AuditVerifier, ControlError> {
        self.permit_audit(actor, Action::GetAudit).await?;
        Ok(AuditVerifier { control: self.clone() })
    }
}

/// A walk along all chains, permitted.
pub struct AuditVerifier {
    control: Control,
}

impl AuditVerifier {
    /// Walks. There is no deadline over the whole: each of its steps has one.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub async fn run(self) -> Result<Verification, ControlError> {
        Ok(self.control.inner.store.audit().verify().await?)
    }
}

fn shown(filter: &AuditFilter) -> serde_json::Value {
    json!({ "filter": {
        "gateway_group_id": filter.group,
        "operator": filter.actor,
        "event_type": filter.action,
        "resource_type": filter.resource_kind,
        "resource_id": filter.resource_id,
        "outcome": filter.outcome.map(Outcome::name),
        "search": filter.search,
        "start_at": filter.since,
        "end_at": filter.until,
    } })
}

impl Control {
    /// The log is the organization's: whoever reads it reads of all groups.
    pub(super) async fn permit_audit(&self, actor: &Actor, action: Action) -> Result<(), ControlError> {
        self.authorise(actor, action, &Object::Organization, Coming::default()).await
    }
}
