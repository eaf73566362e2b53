//! Names and descriptions of what is managed: groups, roles, permission policies.

use model::{Fault, Faults};

const MAX_DESCRIPTION_BYTES: usize = 64 * 1024;

/// # Errors
/// Faults at `/name` and `/desc`.
pub(crate) fn check(name: Option<&str>, description: Option<&str>, max_name_characters: usize) -> Result<(), Faults> {
    let mut faults = Vec::new();
    if name.is_some_and(|name| name.trim().is_empty() || name.chars().count() > max_name_characters) {
        faults.push(Fault::new("/name", format!("must have 1 to {max_name_characters} characters")));
    }
    if description.is_some_and(|text| text.len() > MAX_DESCRIPTION_BYTES) {
        faults.push(Fault::new("/desc", format!("must have at most {MAX_DESCRIPTION_BYTES} bytes")));
    }
    if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
}
