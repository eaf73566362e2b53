//! Pages, order and what a list returns.

/// One page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    offset: i64,
    size: u32,
}

impl Page {
    /// The `number`th page (from 1) of `size` entries each; zeros count as one.
    pub fn new(number: u32, size: u32) -> Self {
        let size = size.max(1);
        Self { offset: i64::from(number.max(1) - 1) * i64::from(size), size }
    }

    /// `size` entries after the first `offset`; a size of zero counts as one.
    pub fn after(offset: u32, size: u32) -> Self {
        Self { offset: offset.into(), size: size.max(1) }
    }

    pub(crate) fn size(self) -> i64 {
        self.size.into()
    }

    pub(crate) fn offset(self) -> i64 {
        self.offset
    }
}

/// A list, or one page of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The entries of the page.
    pub list: Vec<T>,
    /// How many entries there are on all pages.
    pub total: u64,
}

/// Which way a list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Least first.
    Ascending,
    /// Latest first, as API7 does unless told otherwise.
    #[default]
    Descending,
}

impl Direction {
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Direction::Ascending => "ASC",
            Direction::Descending => "DESC",
        }
    }
}

/// What a list of groups or resources is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OrderBy {
    /// When it was created.
    CreatedAt,
    /// When it was last changed.
    #[default]
    UpdatedAt,
    /// Its name.
    Name,
    /// Its id.
    Id,
}

/// Order of a list of groups or resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Order {
    /// By what.
    pub by: OrderBy,
    /// Which way.
    pub direction: Direction,
}

impl Order {
    /// ORDER BY text for a table under the alias `t`, made unique by `key`.
    pub(crate) fn sql(self, key: &str) -> String {
        let column = match self.by {
            OrderBy::CreatedAt => "t.created_at_ms",
            OrderBy::UpdatedAt => "t.updated_at_ms",
            OrderBy::Name => "t.name",
            OrderBy::Id => "t.id",
        };
        format!("{column} {}, {key}", self.direction.sql())
    }
}
