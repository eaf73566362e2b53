//! What can go wrong in the store, in the words of those who call it.

use model::{GroupId, Revision};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or is too busy. The call may succeed later. When it was a
    /// write, it is unknown whether it took place: read before writing again.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The commit was made against a revision that is no longer the head.
    #[error("gateway group {group} is at revision {head} by now")]
    Conflict {
        /// The group that moved on.
        group: GroupId,
        /// Its head.
        head: Revision,
    },
    /// Another write came between the caller's read and its own.
    #[error("{what} {id} was changed meanwhile")]
    Changed {
        /// In words: `user`.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// There is no such thing.
    #[error("{what} {id} does not exist")]
    NotFound {
        /// In words: `gateway group`, `user`.
        what: &'static str,
        /// The id asked for.
        id: String,
    },
    /// Another one has the same value where values are unique.
    #[error("{what} with this {field} exists already")]
    Duplicate {
        /// In words: `gateway group`, `user`.
        what: &'static str,
        /// The field whose value is taken.
        field: &'static str,
    },
    /// A text that is to be kept, or looked for, has the character NUL, which PostgreSQL has in no text.
    #[error("a text with the character NUL cannot be kept or looked for")]
    Nul,
    /// Others need it as it is.
    #[error("{what} {id} cannot be removed: {why}")]
    InUse {
        /// In words: `role`.
        what: &'static str,
        /// Its id.
        id: String,
        /// Who needs it.
        why: &'static str,
    },
    /// The instance was revoked and cannot return.
    #[error("gateway instance {0} is revoked")]
    Revoked(model::InstanceId),
    /// The database was sealed with another master key.
    #[error("the master key is not the one this database was sealed with")]
    WrongMasterKey,
    /// The address is not one of a database we can use.
    #[error("{0:?} is not a database address: give sqlite:///path/to/file.db or postgres://user@host/database")]
    BadUrl(String),
    /// What stands in the database is not what was written: damaged, moved or forged.
    #[error("{what} is corrupt: {reason}")]
    Corrupt {
        /// Which row, in words.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The tables could not be brought to this version's shape.
    #[error("the database cannot be migrated: {0}")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// The database refused a statement: a fault of ours.
    #[error("the database refused: {0}")]
    Internal(#[source] sqlx::Error),
}

impl StoreError {
    pub(crate) fn corrupt(what: impl Into<String>, reason: impl ToString) -> Self {
        StoreError::Corrupt { what: what.into(), reason: reason.to_string() }
    }

    pub(crate) fn not_found(what: &'static str, id: impl ToString) -> Self {
        StoreError::NotFound { what, id: id.to_string() }
    }

    /// Gives a violated unique constraint the name of the field whose value is taken: the first of
    /// `fields` that the database's message mentions.
    pub(crate) fn or_duplicate(self, what: &'static str, fields: &[&'static str]) -> Self {
        let StoreError::Internal(sqlx::Error::Database(cause)) = &self else { return self };
        if !cause.is_unique_violation() {
            return self;
        }
        // SQLite names `table.column` in the message, PostgreSQL `table_column_key` as the constraint.
        let place = cause.constraint().unwrap_or_else(|| cause.message());
        let field = fields.iter().find(|field| place.contains(*field)).copied().unwrap_or("id");
        StoreError::Duplicate { what, field }
    }
}

impl StoreError {
    /// A reference to what is not there.
    pub(crate) fn or_missing(self, what: &'static str, id: &str) -> Self {
        if self.is_foreign_key_violation() { StoreError::not_found(what, id) } else { self }
    }

    /// A removal of what others refer to.
    pub(crate) fn or_in_use(self, what: &'static str, id: &str, why: &'static str) -> Self {
        if self.is_foreign_key_violation() { StoreError::InUse { what, id: id.to_owned(), why } } else { self }
    }

    fn is_foreign_key_violation(&self) -> bool {
        matches!(self, StoreError::Internal(sqlx::Error::Database(cause)) if cause.is_foreign_key_violation())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let unavailable = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(cause) => cause.code().is_some_and(|code| passes_by_itself(&code)),
            _ => false,
        };
        if unavailable { StoreError::Unavailable(error.to_string()) } else { StoreError::Internal(error) }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
        match error {
            MigrateError::Execute(cause) => cause.into(),
            other => StoreError::Migration(other),
        }
    }
}

/// Whether an error code means "not now" rather than "not this".
fn passes_by_itself(code: &str) -> bool {
    // PostgreSQL: class 08 connection, 53 resources, 57P shutdown and start-up, 58 disk, 40 deadlock.
    if code.len() == 5 {
        return ["08", "53", "57P", "58", "40"].iter().any(|class| code.starts_with(class));
    }
    // SQLite result codes (low byte): BUSY, LOCKED, IOERR, FULL, CANTOPEN.
    let result: Option<u32> = code.parse().ok();
    result.is_some_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13 | 14))
}
