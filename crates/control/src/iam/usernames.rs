//! Names of users: which will do, and which look alike.

use unicode_security::skeleton;

use crate::error::ControlError;

const MAX_CHARACTERS: usize = 100;

/// What two names share that a person could take for each other: `admin` and its like with a Cyrillic `а`, `Admin`.
pub(crate) fn lookalike_key(name: &str) -> String {
    skeleton(&name.to_lowercase()).collect::<String>().to_lowercase()
}

/// # Errors
/// [`ControlError::Invalid`] at `/username`.
pub(super) fn check(name: &str) -> Result<(), ControlError> {
    let fits = !name.is_empty() && name.chars().count() <= MAX_CHARACTERS;
    let is_plain = name.trim() == name && !name.chars().any(is_hidden);
    if fits && is_plain {
        return Ok(());
    }
    let wanted =
        format!("must have 1 to {MAX_CHARACTERS} characters, no control or invisible ones, and no space at its ends");
    Err(ControlError::fault("/username", wanted))
}

/// Control characters, and those that take no room or turn the writing direction.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_share_a_key() {
        for other in ["Admin", "\u{430}dmin", "adm\u{131}n", "ADMIN"] {
            assert_eq!(lookalike_key(other), lookalike_key("admin"), "{other}");
        }
        assert_ne!(lookalike_key("admin2"), lookalike_key("admin"));
    }

    #[test]
    fn invisible_characters_are_refused() {
        for wrong in ["", " a", "a ", "a\u{200b}b", "a\nb", "\u{202e}a", &"x".repeat(101)] {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
        for right in ["a", "Ann Example", "ann@example.com", "Žofie"] {
            assert!(check(right).is_ok(), "{right:?}");
        }
    }
}
