//! Small values of the control plane itself, sealed with the master key: its CA, its signing key.

use zeroize::Zeroizing;

use crate::audit::{self, AuditEntry};
use crate::clock::now_ms;
use crate::db::{Db, Query, Row, Tx, args};
use crate::error::StoreError;
use crate::seal::{Place, Sealer};
use crate::store::Store;

/// A known value under this name proves that the master key is the right one.
const MASTER_KEY_CHECK: &str = "master-key-check";
const CHECK_VALUE: &[u8] = b"flotilla";

const ON_REPLACE: &str = "DO UPDATE SET value = excluded.value, updated_at_ms = excluded.updated_at_ms";

/// The settings.
pub struct Settings<'a> {
    pub(crate) store: &'a Store,
}

impl Settings<'_> {
    /// The value under `name`, wiped from memory when dropped.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it does not open, [`StoreError::Unavailable`].
    pub async fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        get(self.store.db(), self.store.master(), name).await
    }

    /// Puts `value` under `name`, replacing what stood there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn put(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        let query = insert(self.store.master(), name, value, ON_REPLACE)?;
        self.store.db().execute(query).await.map(drop)
    }

    /// Puts `value` under `name`, replacing what stood there, and records who did.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn put_audited(&self, name: &str, value: &[u8], entry: &AuditEntry) -> Result<(), StoreError> {
        let mut tx = self.store.db().write().await?;
        tx.execute(insert(self.store.master(), name, value, ON_REPLACE)?).await?;
        audit::record(&mut tx, entry, None).await?;
        tx.commit().await
    }

    /// Puts `value` under `name` unless there is one, and returns what stands there then: two replicas that
    /// start at once agree.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when what stands does not open, [`StoreError::Unavailable`].
    pub async fn put_if_absent(&self, name: &str, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        put_if_absent(self.store.db(), self.store.master(), name, value).await
    }
}

/// Leaves a mark of the master key in a new database, and refuses another key in an old one.
pub(crate) async fn check_master_key(db: &Db, master: &Sealer) -> Result<(), StoreError> {
    match put_if_absent(db, master, MASTER_KEY_CHECK, CHECK_VALUE).await {
        Err(StoreError::Corrupt { .. }) => Err(StoreError::WrongMasterKey),
        outcome => outcome.map(drop),
    }
}

async fn put_if_absent(db: &Db, master: &Sealer, name: &str, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    if let Some(stands) = get(db, master, name).await? {
        return Ok(stands);
    }
    db.execute(insert(master, name, value, "DO NOTHING")?).await?;
    // Another replica may have been first, so what counts is what stands.
    get(db, master, name).await?.ok_or_else(|| StoreError::not_found("setting", name))
}

async fn get(db: &Db, master: &Sealer, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let row = db.fetch_optional(select(name)).await?;
    row.map(|row| open(master, name, &row)).transpose()
}

/// The value under `name` as it stands in a transaction.
pub(crate) async fn get_within(
    tx: &mut Tx,
    master: &Sealer,
    name: &str,
) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let row = tx.fetch_optional(select(name)).await?;
    row.map(|row| open(master, name, &row)).transpose()
}

/// Puts `value` under `name` in a transaction.
pub(crate) async fn put_within(tx: &mut Tx, master: &Sealer, name: &str, value: &[u8]) -> Result<(), StoreError> {
    tx.execute(insert(master, name, value, ON_REPLACE)?).await.map(drop)
}

fn select(name: &str) -> Query {
    Query::new("SELECT value FROM settings WHERE name = $1", args![name])
}

fn open(master: &Sealer, name: &str, row: &Row) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let sealed: Vec<u8> = row.get("value")?;
    let plain = master.open(&Place::setting(name), &sealed);
    plain.map(Zeroizing::new).map_err(|error| StoreError::corrupt(format!("setting {name}"), error))
}

fn insert(master: &Sealer, name: &str, value: &[u8], on_conflict: &str) -> Result<Query, StoreError> {
    let sealed = master.seal(&Place::setting(name), value)?;
    let text = format!(
        "INSERT INTO settings (name, value, updated_at_ms) VALUES ($1, $2, $3) ON CONFLICT (name) {on_conflict}"
    );
    Ok(Query::new(text, args![name, sealed, now_ms()]))
}
