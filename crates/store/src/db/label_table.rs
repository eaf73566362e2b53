//! Labels of a list's rows, which stand in side tables.

/// Where the labels of the rows stand. The side table has the alias `l`, the rows have `t`.
pub(crate) enum LabelTable {
    /// By one id.
    ById {
        /// The row's, never NULL: `t.id`.
        row: &'static str,
        /// The side table's: `l.group_id`.
        of: &'static str,
        /// The side table, up to where a condition goes on: `group_labels AS l WHERE`.
        table: &'static str,
    },
    /// By more: the side table joined to the row, `resource_labels AS l WHERE l.path = t.path`.
    Joined(&'static str),
}

impl LabelTable {
    /// The condition that a row has a label of which `test`, about `l`, holds. True or false, never NULL.
    ///
    /// `IS TRUE` keeps PostgreSQL from making a join of it: with tables of which it has no statistics yet, or old ones,
    /// it takes the labelled rows to be one, and then looks through the whole list for each of the many that there are.
    /// So it finds the labelled ids once, whatever it believes.
    pub(crate) fn having(&self, test: &str) -> String {
        match self {
            LabelTable::ById { row, of, table } => format!("({row} IN (SELECT {of} FROM {table} {test})) IS TRUE"),
            LabelTable::Joined(joined) => format!("EXISTS (SELECT 1 FROM {joined} AND {test})"),
        }
    }
}

/// Of gateway groups.
pub(crate) const OF_GROUPS: LabelTable =
    LabelTable::ById { row: "t.id", of: "l.group_id", table: "group_labels AS l WHERE" };
/// Of the groups that rows belong to.
pub(crate) const OF_THEIR_GROUPS: LabelTable =
    LabelTable::ById { row: "t.group_id", of: "l.group_id", table: "group_labels AS l WHERE" };
/// Of users.
pub(crate) const OF_USERS: LabelTable =
    LabelTable::ById { row: "t.id", of: "l.id", table: "iam_labels AS l WHERE l.kind = 'user' AND" };
/// Of roles.
pub(crate) const OF_ROLES: LabelTable =
    LabelTable::ById { row: "t.id", of: "l.id", table: "iam_labels AS l WHERE l.kind = 'role' AND" };
/// Of permission policies.
pub(crate) const OF_POLICIES: LabelTable =
    LabelTable::ById { row: "t.id", of: "l.id", table: "iam_labels AS l WHERE l.kind = 'permission_policy' AND" };
