//! Which users or roles are wanted, as SQL.
//!
//! Texts that SCIM compares in any case are folded by the database: SQLite folds the letters of ASCII alone.

use crate::db::{Arg, Select};
use crate::page::Direction;

/// A condition on users or on roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The value of a field.
    Text(Field, Test, String),
    /// The field has a value.
    Present(Field),
    /// Users that may come in, or may not.
    Active(bool),
    /// Roles that this user has.
    Member(String),
    /// All of these.
    All(Vec<Condition>),
    /// Any of these.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
}

/// A text to compare; a field of roles must not be asked of users, nor the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Id of either.
    Id,
    /// The id that the SCIM client has for either.
    ExternalId,
    /// A user's name.
    Username,
    /// What a user is called.
    DisplayName,
    /// One of a user's mail addresses.
    Email,
    /// A role's name.
    RoleName,
}

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// The whole.
    Equals,
    /// A part.
    Contains,
    /// The beginning.
    StartsWith,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub by: SortBy,
    /// Which way.
    pub direction: Direction,
}

/// What a list is ordered by; ties are broken by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// The name of a user or role.
    Name,
    /// Its id.
    Id,
    /// When it was made.
    CreatedAt,
    /// When it was last changed.
    UpdatedAt,
}

impl Sort {
    /// `name` is the column of the name.
    pub(super) fn sql(self, name: &str) -> String {
        let column = match self.by {
            SortBy::Name => name,
            SortBy::Id => "t.id",
            SortBy::CreatedAt => "t.created_at_ms",
            SortBy::UpdatedAt => "t.updated_at_ms",
        };
        format!("{column} {}, t.id", self.direction.sql())
    }
}

impl Field {
    fn column(self) -> &'static str {
        match self {
            Field::Id => "t.id",
            Field::ExternalId => "t.scim_external_id",
            Field::Username => "t.username",
            Field::DisplayName => "t.scim_display_name",
            Field::Email => "t.email",
            Field::RoleName => "t.name",
        }
    }

    /// RFC 7643: ids are compared letter by letter, names are not.
    fn is_exact(self) -> bool {
        matches!(self, Field::Id | Field::ExternalId)
    }
}

impl Select {
    /// Keeps the rows of `t` that meet the condition.
    pub(super) fn and_condition(&mut self, condition: &Condition) -> &mut Self {
        let (mut text, mut args) = (String::new(), Vec::new());
        write(condition, &mut text, &mut args);
        self.and(&text, args)
    }
}

/// Writes a condition with `?` for each argument; it is true or false, never NULL, so that `NOT` means not.
fn write(condition: &Condition, text: &mut String, args: &mut Vec<Arg>) {
    match condition {
        Condition::All(parts) => write_joined(parts, " AND ", "1 = 1", text, args),
        Condition::Any(parts) => write_joined(parts, " OR ", "1 = 0", text, args),
        Condition::Not(part) => {
            text.push_str("NOT (");
            write(part, text, args);
            text.push(')');
        }
        Condition::Present(field) => text.push_str(&format!("{} IS NOT NULL", field.column())),
        Condition::Active(active) => {
            text.push_str("t.active = ?");
            args.push((*active).into());
        }
        Condition::Member(user) => {
            text.push_str("EXISTS (SELECT 1 FROM user_roles AS ur WHERE ur.role_id = t.id AND ur.user_id = ?)");
            args.push(user.into());
        }
        Condition::Text(Field::Email, test, value) => {
            text.push('(');
            write_test(Field::Email.column(), false, *test, value, text, args);
            text.push_str(" OR EXISTS (SELECT 1 FROM user_further_emails AS e WHERE e.user_id = t.id AND ");
            write_test("e.email", false, *test, value, text, args);
            text.push_str("))");
        }
        Condition::Text(field, test, value) => {
            write_test(field.column(), field.is_exact(), *test, value, text, args);
        }
    }
}

fn write_joined(parts: &[Condition], by: &str, empty: &str, text: &mut String, args: &mut Vec<Arg>) {
    for (number, part) in parts.iter().enumerate() {
        text.push_str(if number == 0 { "(" } else { by });
        write(part, text, args);
    }
    text.push_str(if parts.is_empty() { empty } else { ")" });
}

/// Not LIKE, for which SQLite takes capitals and small letters as the same whether we want it or not.
fn write_test(column: &str, exact: bool, test: Test, value: &str, text: &mut String, args: &mut Vec<Arg>) {
    let fold = |what: &str| if exact { what.to_owned() } else { format!("LOWER({what})") };
    let (own, wanted) = (fold(column), fold("?"));
    let compared = match test {
        Test::Equals => format!("{own} = {wanted}"),
        Test::StartsWith => format!("SUBSTR({own}, 1, {}) = {wanted}", value.chars().count()),
        // Whatever holds the empty text.
        Test::Contains if value.is_empty() => format!("{own} >= {wanted}"),
        Test::Contains => format!("REPLACE({own}, {wanted}, '') <> {own}"),
    };
    text.push_str(&format!("({column} IS NOT NULL AND {compared})"));
    args.push(value.into());
}
