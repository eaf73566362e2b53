//! The handle on the database, shared by all of a control plane.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::audit::AuditLog;
use crate::config::Config;
use crate::db::Db;
use crate::error::StoreError;
use crate::groups::Groups;
use crate::heads::{Head, Heads, Watcher};
use crate::iam::access::Grants;
use crate::iam::group_keys::GroupKeys;
use crate::iam::login_failures::LoginFailures;
use crate::iam::login_options::LoginOptions;
use crate::iam::policies::Policies;
use crate::iam::provisioning::Provisioning;
use crate::iam::roles::Roles;
use crate::iam::second_factors::SecondFactors;
use crate::iam::sessions::Sessions;
use crate::iam::sign_in::SignIns;
use crate::iam::tokens::Tokens;
use crate::iam::users::Users;
use crate::instances::Instances;
use crate::join_tokens::JoinTokens;
use crate::seal::{MasterKey, Sealer};
use crate::settings::{self, Settings};

/// A control plane's database. Clones share its connections; when the last one is dropped, the task that
/// watches for other replicas' commits ends.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    master: Sealer,
    heads: Arc<Heads>,
    _watcher: Watcher,
}

impl Store {
    /// Opens `sqlite:///path/to/file.db` (made when missing) or `postgres://user@host/database`, brings its
    /// tables to this version's shape and checks the master key.
    ///
    /// # Errors
    /// [`StoreError::WrongMasterKey`], [`StoreError::BadUrl`], [`StoreError::Migration`] (an older version
    /// opens a newer database), [`StoreError::Unavailable`].
    pub async fn open(url: &str, master_key: MasterKey) -> Result<Self, StoreError> {
        let db = Db::open(url).await?;
        let master = Sealer::of_master(&master_key)?;
        settings::check_master_key(&db, &master).await?;
        let heads = Arc::new(Heads::default());
        let watcher = Watcher::start(db.clone(), heads.clone());
        Ok(Self { inner: Arc::new(Inner { db, master, heads, _watcher: watcher }) })
    }

    /// Every new head of every group from now on, whichever replica made it. A head may come late, and a
    /// slow receiver may miss some: what it says is "look again", never "this is all".
    pub fn subscribe(&self) -> broadcast::Receiver<Head> {
        self.inner.heads.subscribe()
    }

    /// Gateway groups.
    pub fn groups(&self) -> Groups<'_> {
        Groups { store: self }
    }

    /// The groups' configuration: resources, revisions, changes.
    pub fn config(&self) -> Config<'_> {
        Config { store: self }
    }

    /// Gateway instances.
    pub fn instances(&self) -> Instances<'_> {
        Instances { store: self }
    }

    /// Tokens with which instances join a group.
    pub fn join_tokens(&self) -> JoinTokens<'_> {
        JoinTokens { store: self }
    }

    /// Admin keys of groups.
    pub fn group_keys(&self) -> GroupKeys<'_> {
        GroupKeys { store: self }
    }

    /// Users.
    pub fn users(&self) -> Users<'_> {
        Users { store: self }
    }

    /// Second factors of users.
    pub fn second_factors(&self) -> SecondFactors<'_> {
        SecondFactors { store: self }
    }

    /// Roles.
    pub fn roles(&self) -> Roles<'_> {
        Roles { store: self }
    }

    /// Permission policies.
    pub fn policies(&self) -> Policies<'_> {
        Policies { store: self }
    }

    /// What is provisioned by SCIM.
    pub fn provisioning(&self) -> Provisioning<'_> {
        Provisioning { store: self }
    }

    /// What users were given.
    pub fn grants(&self) -> Grants<'_> {
        Grants { store: self }
    }

    /// Sessions of users who logged in.
    pub fn sessions(&self) -> Sessions<'_> {
        Sessions { store: self }
    }

    /// Wrong passwords in a row.
    pub fn login_failures(&self) -> LoginFailures<'_> {
        LoginFailures { store: self }
    }

    /// Ways to log in beside name and password.
    pub fn login_options(&self) -> LoginOptions<'_> {
        LoginOptions { store: self }
    }

    /// Logins by a login option.
    pub fn sign_ins(&self) -> SignIns<'_> {
        SignIns { store: self }
    }

    /// Personal tokens of users.
    pub fn tokens(&self) -> Tokens<'_> {
        Tokens { store: self }
    }

    /// Who did what.
    pub fn audit(&self) -> AuditLog<'_> {
        AuditLog { store: self }
    }

    /// Small sealed values of the control plane itself.
    pub fn settings(&self) -> Settings<'_> {
        Settings { store: self }
    }

    pub(crate) fn db(&self) -> &Db {
        &self.inner.db
    }

    pub(crate) fn master(&self) -> &Sealer {
        &self.inner.master
    }

    pub(crate) fn heads(&self) -> &Heads {
        &self.inner.heads
    }
}
