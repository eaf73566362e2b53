//! Opening a database and bringing its tables to this version's shape.

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use super::Db;
use crate::error::StoreError;

/// Version, description, text. Never change one that was released: add the next.
const MIGRATIONS: [(i64, &str, &str); 13] = [
    (1, "init", include_str!("../migrations/0001_init.sql")),
    (2, "created revision", include_str!("../migrations/0002_created_revision.sql")),
    (3, "iam", include_str!("../migrations/0003_iam.sql")),
    (4, "audit", include_str!("../migrations/0004_audit.sql")),
    (5, "login options", include_str!("../migrations/0005_login_options.sql")),
    (6, "scim", include_str!("../migrations/0006_scim.sql")),
    (7, "second factor", include_str!("../migrations/0007_second_factor.sql")),
    (8, "expirations", include_str!("../migrations/0008_expirations.sql")),
    (9, "login options of sessions", include_str!("../migrations/0009_session_login_option.sql")),
    (10, "users made by SCIM", include_str!("../migrations/0010_scim_made.sql")),
    (11, "labels by name", include_str!("../migrations/0011_labels_by_name.sql")),
    (13, "locks of logins", include_str!("../migrations/0013_login_lock.sql")),
    (14, "health of nodes", include_str!("../migrations/0014_node_health.sql")),
];

/// How long a call waits for a connection before it says that the database is not available.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(3);
/// Writers of SQLite queue for one connection; a queue is no outage.
const SQLITE_QUEUE_LIMIT: Duration = Duration::from_secs(10);
const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;

impl Db {
    /// Opens the database and migrates it.
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let db = match url.split_once(':') {
            Some(("sqlite", _)) => open_sqlite(url).await?,
            Some(("postgres" | "postgresql", _)) => open_postgres(url).await?,
            _ => return Err(StoreError::BadUrl(without_password(url))),
        };
        db.migrate().await?;
        Ok(db)
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let migrations = MIGRATIONS.iter().map(|(version, description, text)| {
            let text = match self {
                Db::Sqlite { .. } => text.replace("BYTEA", "BLOB"),
                Db::Postgres(_) => (*text).to_owned(),
            };
            let text = AssertSqlSafe(text).into_sql_str();
            Migration::new(*version, (*description).into(), MigrationType::Simple, text, false)
        });
        let migrator = Migrator::with_migrations(migrations.collect());
        match self {
            Db::Sqlite { writer, .. } => migrator.run(writer).await?,
            Db::Postgres(pool) => migrator.run(pool).await?,
        }
        Ok(())
    }
}

async fn open_sqlite(url: &str) -> Result<Db, StoreError> {
    let options = SqliteConnectOptions::from_str(url).map_err(|_| StoreError::BadUrl(url.to_owned()))?;
    if url.contains(":memory:") {
        // Every connection would see a database of its own.
        return Err(StoreError::BadUrl(url.to_owned()));
    }
    create_private_file(options.get_filename()).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let options = options
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL may lose the last commits on power failure; an accepted write must stand.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .foreign_keys(true)
        // `REGEXP` in list filters, by the same engine that decides single actions.
        .with_regexp();
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(SQLITE_QUEUE_LIMIT)
        // It is a file: a connection does not go stale.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None);
    let readers = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .acquire_timeout(SQLITE_QUEUE_LIMIT)
        .test_before_acquire(false);
    Ok(Db::Sqlite {
        writer: writer.connect_with(options.clone()).await?,
        readers: readers.connect_with(options.pragma("query_only", "ON")).await?,
    })
}

/// The file is readable by its owner only; SQLite gives its companions the same mode.
fn create_private_file(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

async fn open_postgres(url: &str) -> Result<Db, StoreError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| StoreError::BadUrl(without_password(url)))?;
    let pool = PgPoolOptions::new().max_connections(POSTGRES_CONNECTIONS).acquire_timeout(ACQUIRE_LIMIT);
    Ok(Db::Postgres(pool.connect_with(options.application_name("flotilla")).await?))
}

/// The address as it may stand in a message: what is before the host stays out.
fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://...@{host}"),
        _ => url.to_owned(),
    }
}
