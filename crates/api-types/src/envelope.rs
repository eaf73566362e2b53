//! The three shapes every answer has: a value, a list, an error.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::batch::ItemError;

/// One object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Valued<T> {
    /// The object.
    pub value: T,
}

/// Many objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Listing<T> {
    /// The objects of this page; all of them when no paging was asked for.
    pub list: Vec<T>,
    /// How many there are on all pages together.
    pub total: u64,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What is wrong, with the JSON pointer of the wrong field where there is one:
    /// `Error at "/path_prefix": value must be a string`.
    pub error_msg: String,
    /// Every fault by item, where a request carried many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ItemError>,
}
