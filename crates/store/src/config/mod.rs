//! The configuration of gateway groups: resources as they stand, and the change log they came from.
//!
//! [`commit`](Config::commit) is the one way in; `read` lists and loads; `log` reads revisions back.

mod commit;
mod expiry;
mod log;
mod read;
mod rows;

use model::change::{Body, Change};
use model::{Digest, Kind, LabelSelector, Labels, ResourceId, ResourceKey, Revision};

pub use expiry::Expiry;
pub(crate) use rows::{path, read_key};

use crate::access::GroupAccess;
use crate::audit::AuditEntry;
use crate::page::{Order, Page};
use crate::store::Store;

/// The configuration of all groups.
pub struct Config<'a> {
    pub(crate) store: &'a Store,
}

/// The head of a group's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadRow {
    /// Its newest revision.
    pub revision: Revision,
    /// The digest at that revision.
    pub digest: Digest,
    /// The control plane's signature over group, revision and digest.
    pub signature: Vec<u8>,
}

/// Changes to become a group's next revision, all or none.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The group.
    pub group: GroupAccess,
    /// The head against which the changes were checked.
    pub parent: Revision,
    /// In this order.
    pub changes: Vec<Change>,
    /// The digest after them.
    pub digest: Digest,
    /// Signature over group, `parent + 1` and digest.
    pub signature: Vec<u8>,
    /// Who wrote them.
    pub author: String,
    /// What the audit log shall say.
    pub audit: AuditEntry,
}

/// A resource as it stands at the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResource {
    /// Which it is.
    pub key: ResourceKey,
    /// Its canonical JSON.
    pub body: Body,
    /// Its labels.
    pub labels: Labels,
    /// Its name; a consumer's username, a certificate's SNIs; may be empty.
    pub name: String,
    /// First put, in unix seconds.
    pub created_at: i64,
    /// Last put, in unix seconds.
    pub updated_at: i64,
    /// The revision that put it.
    pub revision: Revision,
    /// The revision that put it first; 0 when that was before it was kept.
    pub created_revision: Revision,
}

/// Under which parent resources are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ParentFilter {
    /// Those that have none.
    #[default]
    TopLevel,
    /// A consumer's credentials, a service's further upstreams.
    Of(ResourceId),
    /// All, whatever their parent.
    Any,
}

/// Which resources are wanted.
#[derive(Debug, Clone)]
pub struct ResourceFilter {
    /// Of this kind.
    pub kind: Kind,
    /// Below this parent.
    pub parent: ParentFilter,
    /// That refer to this service.
    pub service_id: Option<ResourceId>,
    /// Whose labels meet this.
    pub labels: LabelSelector,
    /// Whose name or id contains this, in any case.
    pub search: Option<String>,
    /// Whose name is exactly this.
    pub name: Option<String>,
    /// `None`: all of them.
    pub page: Option<Page>,
    /// In which order.
    pub order: Order,
}

impl ResourceFilter {
    /// Every resource of a kind that has no parent.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            parent: ParentFilter::default(),
            service_id: None,
            labels: LabelSelector::default(),
            search: None,
            name: None,
            page: None,
            order: Order::default(),
        }
    }
}

/// A revision with the changes that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionRow {
    /// Its number.
    pub revision: Revision,
    /// The digest at it.
    pub digest: Digest,
    /// The control plane's signature.
    pub signature: Vec<u8>,
    /// Who wrote it.
    pub author: String,
    /// When, in unix seconds.
    pub created_at: i64,
    /// What it changed, in order.
    pub changes: Vec<LoggedChange>,
}

/// A change and what stood there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedChange {
    /// What was done.
    pub change: Change,
    /// The body before it, if there was one.
    pub before: Option<Body>,
}
