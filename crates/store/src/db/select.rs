//! Lists: filters joined by AND, order, page and the total, composed from fixed texts.

use model::LabelSelector;

use super::label_table::LabelTable;
use super::{Arg, Db, Query, Row};
use crate::error::StoreError;
use crate::page::Page;

/// A list query under construction. Conditions write `?` where an argument goes; numbers are given
/// in the order in which parts are added.
pub(crate) struct Select {
    columns: &'static str,
    source: String,
    conditions: Vec<String>,
    args: Vec<Arg>,
    group: String,
    order: String,
}

impl Select {
    /// `columns` of `source` (a table, a join, or a subquery with `?` for each of `args`).
    pub(crate) fn new(columns: &'static str, source: &str, args: Vec<Arg>) -> Self {
        let mut select = Self {
            columns,
            source: String::new(),
            conditions: Vec::new(),
            args: Vec::new(),
            group: String::new(),
            order: String::new(),
        };
        select.source = select.number(source, args);
        select
    }

    /// Adds a condition that every row must meet.
    pub(crate) fn and(&mut self, condition: &str, args: Vec<Arg>) -> &mut Self {
        let condition = self.number(condition, args);
        self.conditions.push(condition);
        self
    }

    /// Adds a condition if there is a value to compare with.
    pub(crate) fn and_if<T: Into<Arg>>(&mut self, condition: &str, value: Option<T>) -> &mut Self {
        if let Some(value) = value {
            self.and(condition, vec![value.into()]);
        }
        self
    }

    /// Adds one condition for each required label.
    pub(crate) fn and_labels(&mut self, labels: &LabelTable, selector: &LabelSelector) -> &mut Self {
        for (label, value) in &selector.requirements {
            match value {
                Some(value) => {
                    self.and(&labels.having("l.label = ? AND l.value = ?"), vec![label.into(), value.into()])
                }
                None => self.and(&labels.having("l.label = ?"), vec![label.into()]),
            };
        }
        self
    }

    /// Adds the condition that a column has one of these values.
    pub(crate) fn and_in(&mut self, column: &str, values: &[String]) -> &mut Self {
        if values.is_empty() {
            return self.and("1 = 0", Vec::new());
        }
        let places = vec!["?"; values.len()].join(", ");
        self.and(&format!("{column} IN ({places})"), values.iter().map(Arg::from).collect())
    }

    /// One row for each value of a column, in its order.
    pub(crate) fn group_by(&mut self, column: &str) -> &mut Self {
        self.group = format!(" GROUP BY {column}");
        self.order_by(column)
    }

    /// What stands after ORDER BY: a fixed text that ends in something unique, so that pages do not overlap.
    pub(crate) fn order_by(&mut self, order: impl Into<String>) -> &mut Self {
        self.order = order.into();
        self
    }

    /// The rows of the page, and how many rows there are on all pages. Without a page: everything.
    pub(crate) async fn run(self, db: &Db, page: Option<Page>) -> Result<(Vec<Row>, u64), StoreError> {
        let from = self.from();
        let everything = format!("SELECT {} FROM {from}{} ORDER BY {}", self.columns, self.group, self.order);
        let Some(page) = page else {
            let rows = db.fetch_all(Query::new(everything, self.args)).await?;
            let total = rows.len() as u64;
            return Ok((rows, total));
        };
        let mut tx = db.read().await?;
        let count = tx.fetch_optional(Query::new(format!("SELECT COUNT(*) AS total FROM {from}"), self.args.clone()));
        let total = count.await?.map_or(Ok(0), |row| row.unsigned("total"))?;
        let number = self.args.len();
        let text = format!("{everything} LIMIT ${} OFFSET ${}", number + 1, number + 2);
        let mut args = self.args;
        args.extend([page.size().into(), page.offset().into()]);
        Ok((tx.fetch_all(Query::new(text, args)).await?, total))
    }

    /// The first `limit` rows, without counting all there are.
    pub(crate) async fn first(self, db: &Db, limit: u32) -> Result<Vec<Row>, StoreError> {
        let number = self.args.len() + 1;
        let text = format!("SELECT {} FROM {} ORDER BY {} LIMIT ${number}", self.columns, self.from(), self.order);
        let mut args = self.args;
        args.push(i64::from(limit).into());
        db.fetch_all(Query::new(text, args)).await
    }

    /// How the database would read all rows, and what it took.
    #[cfg(test)]
    pub(crate) async fn explained(self, db: &Db) -> Result<Vec<Row>, StoreError> {
        let text = format!("EXPLAIN (ANALYZE, COSTS OFF) SELECT {} FROM {}", self.columns, self.from());
        db.fetch_all(Query::new(text, self.args)).await
    }

    fn from(&self) -> String {
        if self.conditions.is_empty() {
            return self.source.clone();
        }
        format!("{} WHERE ({})", self.source, self.conditions.join(") AND ("))
    }

    fn number(&mut self, text: &str, args: Vec<Arg>) -> String {
        let mut numbered = String::with_capacity(text.len() + 8);
        let mut next = self.args.len();
        for part in text.split_inclusive('?') {
            match part.strip_suffix('?') {
                Some(before) => {
                    next += 1;
                    numbered.push_str(&format!("{before}${next}"));
                }
                None => numbered.push_str(part),
            }
        }
        debug_assert_eq!(next, self.args.len() + args.len(), "{text}");
        self.args.extend(args);
        numbered
    }
}

/// A LIKE pattern (with `\` as escape) for "contains this text".
pub(crate) fn contains(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::args;

    #[test]
    fn placeholders_are_numbered_across_parts() {
        let mut select = Select::new("*", "(SELECT ? AS x) AS t", args![1i64]);
        select.and("a = ? OR b = ?", args!["u", "v"]).and_if("c = ?", None::<String>).and_if("d = ?", Some("w"));
        assert_eq!(select.from(), "(SELECT $1 AS x) AS t WHERE (a = $2 OR b = $3) AND (d = $4)");
        assert_eq!(select.args.len(), 4);
    }

    #[test]
    fn a_search_text_is_taken_literally() {
        assert_eq!(contains(r"50%_\"), r"%50\%\_\\%");
    }
}
