//! One SQL text on two databases.
//!
//! [`Query`] is a text with `$n` placeholders and its arguments; [`Db`] and [`Tx`] run it on SQLite or
//! PostgreSQL; [`Row`] reads what comes back. Nothing above this module knows which database it is.

mod connect;
pub(crate) mod label_table;
mod query;
mod select;

use std::future::Future;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, PgPool, Postgres, Row as _, Sqlite, SqlitePool, Transaction, Type};

pub(crate) use query::{Arg, Query, args, insert, is_storable};
pub(crate) use select::{Select, contains};

use crate::error::StoreError;
use query::{MAX_PREPARED_ARGS, keys, prepare};

/// No statement may hold its caller longer.
const STATEMENT_LIMIT: Duration = Duration::from_secs(15);

/// The channel on which replicas tell each other about new heads.
pub(crate) const HEADS_CHANNEL: &str = "flotilla_heads";

/// A database's connections.
#[derive(Clone)]
pub(crate) enum Db {
    /// SQLite lets one write at a time: one connection writes, several read beside it (WAL).
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool),
}

impl Db {
    /// Reads rows with one statement outside a transaction.
    pub(crate) async fn fetch_all(&self, query: Query) -> Result<Vec<Row>, StoreError> {
        within(async {
            Ok(match self {
                Db::Sqlite { readers, .. } => sqlite_rows(prepare!(query).fetch_all(readers).await?),
                Db::Postgres(pool) => postgres_rows(prepare!(query.for_postgres()).fetch_all(pool).await?),
            })
        })
        .await
    }

    /// Reads at most one row with one statement outside a transaction.
    pub(crate) async fn fetch_optional(&self, query: Query) -> Result<Option<Row>, StoreError> {
        within(async {
            Ok(match self {
                Db::Sqlite { readers, .. } => prepare!(query).fetch_optional(readers).await?.map(Row::Sqlite),
                Db::Postgres(pool) => prepare!(query).fetch_optional(pool).await?.map(Row::Postgres),
            })
        })
        .await
    }

    /// Writes with one statement; returns how many rows it touched.
    pub(crate) async fn execute(&self, query: Query) -> Result<u64, StoreError> {
        within(async {
            Ok(match self {
                Db::Sqlite { writer, .. } => prepare!(query).execute(writer).await?.rows_affected(),
                Db::Postgres(pool) => prepare!(query).execute(pool).await?.rows_affected(),
            })
        })
        .await
    }

    /// Begins a transaction that sees one moment of the database.
    pub(crate) async fn read(&self) -> Result<Tx, StoreError> {
        within(async {
            Ok(match self {
                Db::Sqlite { readers, .. } => Tx::Sqlite(readers.begin_with("BEGIN").await?),
                Db::Postgres(pool) => {
                    Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
                }
            })
        })
        .await
    }

    /// Begins a transaction that writes.
    pub(crate) async fn write(&self) -> Result<Tx, StoreError> {
        within(async {
            Ok(match self {
                // IMMEDIATE: a deferred one would fail as busy when it turns from reading to writing.
                Db::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
                Db::Postgres(pool) => Tx::Postgres(pool.begin().await?),
            })
        })
        .await
    }
}

/// A transaction; dropped without [`Tx::commit`] it leaves nothing behind.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub(crate) async fn fetch_all(&mut self, query: Query) -> Result<Vec<Row>, StoreError> {
        within(async {
            Ok(match self {
                Tx::Sqlite(tx) => sqlite_rows(prepare!(query).fetch_all(&mut **tx).await?),
                Tx::Postgres(tx) => postgres_rows(prepare!(query.for_postgres()).fetch_all(&mut **tx).await?),
            })
        })
        .await
    }

    pub(crate) async fn fetch_optional(&mut self, query: Query) -> Result<Option<Row>, StoreError> {
        within(async {
            Ok(match self {
                Tx::Sqlite(tx) => prepare!(query).fetch_optional(&mut **tx).await?.map(Row::Sqlite),
                Tx::Postgres(tx) => prepare!(query.for_postgres()).fetch_optional(&mut **tx).await?.map(Row::Postgres),
            })
        })
        .await
    }

    pub(crate) async fn execute(&mut self, query: Query) -> Result<u64, StoreError> {
        within(async {
            Ok(match self {
                Tx::Sqlite(tx) => prepare!(query).execute(&mut **tx).await?.rows_affected(),
                Tx::Postgres(tx) => prepare!(query).execute(&mut **tx).await?.rows_affected(),
            })
        })
        .await
    }

    /// Tells the other replicas, when and only when this transaction commits. SQLite has none.
    pub(crate) async fn notify(&mut self, payload: String) -> Result<(), StoreError> {
        if let Tx::Postgres(_) = self {
            self.fetch_optional(Query::new("SELECT pg_notify($1, $2)", args![HEADS_CHANNEL, payload])).await?;
        }
        Ok(())
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        within(async {
            match self {
                Tx::Sqlite(tx) => tx.commit().await?,
                Tx::Postgres(tx) => tx.commit().await?,
            }
            Ok(())
        })
        .await
    }
}

/// A row of either database.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// The value of a column; an `Option` where it may be NULL.
    pub(crate) fn get<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        match self {
            Row::Sqlite(row) => row.try_get(column),
            Row::Postgres(row) => row.try_get(column),
        }
        .map_err(StoreError::Internal)
    }

    /// A truth value, which stands as 0 or 1.
    pub(crate) fn flag(&self, column: &str) -> Result<bool, StoreError> {
        self.get::<i64>(column).map(|value| value != 0)
    }

    /// A counter or revision, which are never negative.
    pub(crate) fn unsigned(&self, column: &str) -> Result<u64, StoreError> {
        let value: i64 = self.get(column)?;
        value.try_into().map_err(|error| StoreError::corrupt(format!("column {column}"), error))
    }

    /// A text that was written from a `T` and must read as one.
    pub(crate) fn parse<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        let text: String = self.get(column)?;
        text.parse().map_err(|error| StoreError::corrupt(format!("column {column}"), error))
    }

    /// A column that holds JSON.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(|error| StoreError::corrupt(format!("column {column}"), error))
    }

    /// A column that holds a configuration digest.
    pub(crate) fn digest(&self, column: &str) -> Result<model::Digest, StoreError> {
        let bytes: Vec<u8> = self.get(column)?;
        let digest = model::Digest::from_slice(&bytes);
        digest.ok_or_else(|| StoreError::corrupt(format!("column {column}"), "a digest has 32 bytes"))
    }

    /// A column of milliseconds as unix seconds.
    pub(crate) fn seconds(&self, column: &str) -> Result<i64, StoreError> {
        let milliseconds: i64 = self.get(column)?;
        Ok(milliseconds.div_euclid(1000))
    }
}

fn sqlite_rows(rows: Vec<SqliteRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Sqlite).collect()
}

fn postgres_rows(rows: Vec<PgRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Postgres).collect()
}

async fn within<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match tokio::time::timeout(STATEMENT_LIMIT, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(StoreError::Unavailable(format!("no answer within {} s", STATEMENT_LIMIT.as_secs()))),
    }
}
