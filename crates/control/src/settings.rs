//! What an operator can set about the control plane's rules.

use std::time::Duration;

/// The settings; every one has a default.
#[derive(Debug, Clone)]
pub struct ControlSettings {
    /// Trust domain of instance certificates (SPIFFE-ID section 2.1).
    pub trust_domain: String,
    /// DNS names and addresses in certificates that the control plane issues to its own listeners.
    pub server_names: Vec<String>,
    /// Life of an instance certificate; instances renew at two thirds of it.
    pub instance_certificate_life: Duration,
    /// Life of a certificate of the control plane's own listeners.
    pub server_certificate_life: Duration,
    /// Life of a join token where its maker does not say.
    pub join_token_life: Duration,
    /// Life of a session.
    pub session_life: Duration,
    /// Whether a login ends the user's other sessions, as in API7.
    pub one_session_per_user: bool,
    /// Wrong passwords in a row after which a name is locked; 0: never.
    pub login_lock_after: u32,
    /// How long it is locked.
    pub login_lock_life: Duration,
    /// Whether login by name and password works even where it is switched off: the way back in when no login option works.
    pub force_built_in_login: bool,
    /// Silence after which an instance counts as lost.
    pub lost_after: Duration,
    /// Silence after which an instance counts as offline.
    pub offline_after: Duration,
    /// Silence after which an instance is removed.
    pub removed_after: Duration,
    /// How often what has ended is swept: silent instances, sessions, idle groups.
    pub sweep_every: Duration,
    /// How long a group's configuration stays in memory without a write.
    pub idle_group_after: Duration,
    /// How long the store may take for one call.
    pub store_deadline: Duration,
    /// Password of the first admin; generated when `None`. It counts on the first start only.
    pub first_admin_password: Option<String>,
    /// A key that is good for the group `default` alone, for clients of the Apache APISIX Admin API that have one.
    pub apisix_admin_key: Option<String>,
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Default for ControlSettings {
    fn default() -> Self {
        Self {
            trust_domain: "flotilla".to_owned(),
            server_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()],
            instance_certificate_life: DAY,
            server_certificate_life: DAY * 365,
            join_token_life: HOUR,
            session_life: DAY,
            one_session_per_user: true,
            login_lock_after: 10,
            login_lock_life: HOUR / 2,
            force_built_in_login: false,
            lost_after: Duration::from_secs(30),
            offline_after: HOUR * 2,
            removed_after: DAY * 7,
            sweep_every: Duration::from_secs(60),
            idle_group_after: HOUR / 2,
            store_deadline: Duration::from_secs(10),
            first_admin_password: None,
            apisix_admin_key: None,
        }
    }
}

/// Whole seconds as the store counts them.
pub(crate) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
