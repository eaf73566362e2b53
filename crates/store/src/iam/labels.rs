//! Labels of users, roles and policies: kept with the object to be shown, and in a side table to be selected by.

use model::Labels;

use crate::db::{Arg, Query, Tx, args, insert};
use crate::error::StoreError;

/// Replaces the labels of one object in the side table.
pub(crate) async fn write(tx: &mut Tx, kind: &str, id: &str, labels: &Labels) -> Result<(), StoreError> {
    remove(tx, kind, id).await?;
    let rows: Vec<Vec<Arg>> = labels.iter().map(|(label, value)| args![kind, id, label, value]).collect();
    for statement in insert("iam_labels", &["kind", "id", "label", "value"], rows, "") {
        tx.execute(statement).await?;
    }
    Ok(())
}

/// Removes the labels of an object that goes.
pub(crate) async fn remove(tx: &mut Tx, kind: &str, id: &str) -> Result<(), StoreError> {
    tx.execute(Query::new("DELETE FROM iam_labels WHERE kind = $1 AND id = $2", args![kind, id])).await.map(drop)
}

/// As they stand in the object's own row.
pub(crate) fn text(labels: &Labels) -> Result<String, StoreError> {
    serde_json::to_string(labels).map_err(|error| StoreError::corrupt("labels", error))
}
