//! A statement with its arguments, not yet bound to a database.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use sqlx::types::Json;

use crate::error::StoreError;

/// An argument. Each variant may be NULL, since PostgreSQL wants a type for it.
#[derive(Debug, Clone)]
pub(crate) enum Arg {
    Text(Option<String>),
    Int(Option<i64>),
    Bytes(Option<Vec<u8>>),
    /// Any number of texts, as the keys of a JSON object: `SELECT e.key FROM json_each(?) AS e`.
    Keys(Vec<String>),
}

impl Arg {
    fn is_storable(&self) -> bool {
        match self {
            Arg::Text(text) => text.as_deref().is_none_or(is_storable),
            Arg::Keys(keys) => keys.iter().all(|key| is_storable(key)),
            Arg::Int(_) | Arg::Bytes(_) => true,
        }
    }
}

/// SQL text with `$1`, `$2`, ... and what to put there. The text is always ours; whatever comes
/// from outside is an argument.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(super) text: Cow<'static, str>,
    pub(super) args: Vec<Arg>,
}

impl Query {
    pub(crate) fn new(text: impl Into<Cow<'static, str>>, args: Vec<Arg>) -> Self {
        Self { text: text.into(), args }
    }

    /// PostgreSQL calls by `~` what SQLite calls by `REGEXP`, and `jsonb_each` is its function for what we send; nothing
    /// else differs in our texts.
    pub(super) fn for_postgres(mut self) -> Self {
        for (ours, theirs) in [(" REGEXP ", " ~ "), (" json_each(", " jsonb_each(")] {
            if self.text.contains(ours) {
                self.text = self.text.replace(ours, theirs).into();
            }
        }
        self
    }

    /// The same; refused when PostgreSQL would refuse an argument, so that both databases answer alike.
    pub(super) fn storable(self) -> Result<Self, StoreError> {
        if self.args.iter().all(Arg::is_storable) { Ok(self) } else { Err(StoreError::Nul) }
    }
}

/// Whether a text may stand in a row at all: PostgreSQL keeps none with a NUL, and takes none to compare with.
pub(crate) fn is_storable(text: &str) -> bool {
    !text.contains('\0')
}

/// The arguments of a [`Query`], each by its `From`.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Arg::from($value)),*] };
}
pub(crate) use args;

/// Turns a [`Query`] into sqlx's for the database that the context asks for, the one way for all of them. Statements of many rows come
/// in every length; kept prepared, they would push out those that come back.
macro_rules! prepare {
    ($query:expr) => {{
        let $crate::db::Query { text, args } = $query.storable()?;
        let query = sqlx::query(sqlx::AssertSqlSafe(text)).persistent(args.len() <= $crate::db::MAX_PREPARED_ARGS);
        args.into_iter().fold(query, |query, arg| match arg {
            $crate::db::Arg::Text(value) => query.bind(value),
            $crate::db::Arg::Int(value) => query.bind(value),
            $crate::db::Arg::Bytes(value) => query.bind(value),
            $crate::db::Arg::Keys(keys) => query.bind($crate::db::keys(keys)),
        })
    }};
}
pub(super) use prepare;

/// Statements with more arguments are not kept prepared.
pub(super) const MAX_PREPARED_ARGS: usize = 64;
/// The databases would take 32,766, but SQLite finds a placeholder's number by walking through all that
/// came before it: a statement's cost grows with the square of its arguments.
const MAX_ARGS: usize = 900;

/// Inserts of many rows, in as few statements as the databases allow. `ending` follows the rows.
pub(crate) fn insert(table: &str, columns: &[&str], rows: Vec<Vec<Arg>>, ending: &str) -> Vec<Query> {
    let per_statement = (MAX_ARGS / columns.len()).max(1);
    let mut rows = rows.into_iter().peekable();
    let mut statements = Vec::new();
    while rows.peek().is_some() {
        let chunk: Vec<Vec<Arg>> = rows.by_ref().take(per_statement).collect();
        let tuples = tuples(columns.len(), chunk.len());
        let text = format!("INSERT INTO {table} ({}) VALUES {tuples}{ending}", columns.join(", "));
        statements.push(Query::new(text, chunk.into_iter().flatten().collect()));
    }
    statements
}

/// `($1, $2), ($3, $4)`: `count` tuples of `width` placeholders.
fn tuples(width: usize, count: usize) -> String {
    let mut text = String::with_capacity(count * width * 7);
    for tuple in 0..count {
        text.push_str(if tuple == 0 { "(" } else { ", (" });
        for column in 0..width {
            let separator = if column == 0 { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(text, "{separator}${}", tuple * width + column + 1);
        }
        text.push(')');
    }
    text
}

/// What an [`Arg::Keys`] is bound as: text in SQLite, `jsonb` in PostgreSQL.
pub(super) fn keys(keys: Vec<String>) -> Json<BTreeMap<String, ()>> {
    Json(keys.into_iter().map(|key| (key, ())).collect())
}

impl From<&str> for Arg {
    fn from(value: &str) -> Self {
        Arg::Text(Some(value.to_owned()))
    }
}

impl From<&String> for Arg {
    fn from(value: &String) -> Self {
        Arg::Text(Some(value.clone()))
    }
}

impl From<String> for Arg {
    fn from(value: String) -> Self {
        Arg::Text(Some(value))
    }
}

impl From<Option<String>> for Arg {
    fn from(value: Option<String>) -> Self {
        Arg::Text(value)
    }
}

impl From<&model::GroupId> for Arg {
    fn from(value: &model::GroupId) -> Self {
        Arg::from(value.as_str())
    }
}

impl From<&crate::access::GroupAccess> for Arg {
    fn from(value: &crate::access::GroupAccess) -> Self {
        Arg::from(value.as_str())
    }
}

impl From<&model::InstanceId> for Arg {
    fn from(value: &model::InstanceId) -> Self {
        Arg::from(value.as_str())
    }
}

impl From<&model::ResourceId> for Arg {
    fn from(value: &model::ResourceId) -> Self {
        Arg::from(value.as_str())
    }
}

impl From<i64> for Arg {
    fn from(value: i64) -> Self {
        Arg::Int(Some(value))
    }
}

impl From<Option<i64>> for Arg {
    fn from(value: Option<i64>) -> Self {
        Arg::Int(value)
    }
}

impl From<bool> for Arg {
    fn from(value: bool) -> Self {
        Arg::Int(Some(value.into()))
    }
}

/// Revisions and counters; beyond 2^63 they would not fit the column and no counter gets there.
impl From<u64> for Arg {
    fn from(value: u64) -> Self {
        Arg::Int(Some(i64::try_from(value).unwrap_or(i64::MAX)))
    }
}

impl From<&[u8]> for Arg {
    fn from(value: &[u8]) -> Self {
        Arg::Bytes(Some(value.to_vec()))
    }
}

impl From<Vec<u8>> for Arg {
    fn from(value: Vec<u8>) -> Self {
        Arg::Bytes(Some(value))
    }
}

impl From<Option<Vec<u8>>> for Arg {
    fn from(value: Option<Vec<u8>>) -> Self {
        Arg::Bytes(value)
    }
}

impl From<&model::Digest> for Arg {
    fn from(value: &model::Digest) -> Self {
        Arg::Bytes(Some(value.0.to_vec()))
    }
}
