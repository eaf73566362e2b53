//! What `/status` says of the instance's configuration.

use model::{GroupId, InstanceId, Revision};
use wire::Applied;

/// The state of the config channel and of what is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The group, once joined.
    pub group: Option<GroupId>,
    /// This instance, once joined.
    pub instance: Option<InstanceId>,
    /// The control plane whose stream is open.
    pub control_plane: Option<String>,
    /// What is served; absent until the first configuration.
    pub applied: Option<Applied>,
    /// A revision that was refused and not yet followed by a better one.
    pub refused: Option<StatusRefusal>,
    /// Why the last good configuration on disk was not taken; until the control plane brings one.
    pub last_good_error: Option<String>,
    /// What went wrong last with the connection; kept until the stream is open again.
    pub last_error: Option<String>,
}

impl Status {
    /// Whether a stream to a control plane is open.
    pub fn is_connected(&self) -> bool {
        self.control_plane.is_some()
    }
}

/// A refused revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRefusal {
    /// The revision.
    pub revision: Revision,
    /// Object, field and reason.
    pub message: String,
}
