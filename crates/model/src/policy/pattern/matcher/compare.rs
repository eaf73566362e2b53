//! Comparisons of short texts, in line. A decision makes hundreds of them, and what `==` calls for each, the C
//! library's `memcmp`, was seven tenths of its time where that is slow to begin.

/// As `one == other`. Ends first: ids stand there, and ARNs begin alike.
#[inline]
pub(in crate::policy) fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let (Some(end), Some(other_end)) = (one.last_chunk::<8>(), other.last_chunk::<8>()) else {
        return is_same_byte_by_byte(one, other);
    };
    if end != other_end {
        return false;
    }
    let (mut one, mut other) = (one, other);
    // What is left after the last eight whole bytes was compared with the ends.
    while let (Some((head, rest)), Some((other_head, other_rest))) =
        (one.split_first_chunk::<8>(), other.split_first_chunk::<8>())
    {
        if head != other_head {
            return false;
        }
        (one, other) = (rest, other_rest);
    }
    true
}

/// Of texts of one length.
#[inline]
fn is_same_byte_by_byte(one: &[u8], other: &[u8]) -> bool {
    let mut difference = 0;
    for (byte, other) in one.iter().zip(other) {
        difference |= byte ^ other;
    }
    difference == 0
}

/// As `text.strip_prefix(prefix)`.
#[inline]
pub(super) fn strip_prefix<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    is_same(head, prefix).then_some(rest)
}

/// As `text.strip_suffix(suffix)`.
#[inline]
pub(super) fn strip_suffix<'a>(text: &'a [u8], suffix: &[u8]) -> Option<&'a [u8]> {
    let (rest, tail) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    is_same(tail, suffix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_those_of_the_standard_library(one in "[ab]{0,20}", other in "[ab]{0,20}", at in 0usize..20) {
            let (one, other) = (one.as_bytes(), other.as_bytes());
            let part = &one[..at.min(one.len())];
            prop_assert!(is_same(one, one));
            for other in [other, part] {
                prop_assert_eq!(is_same(one, other), one == other);
                prop_assert_eq!(strip_prefix(one, other), one.strip_prefix(other));
                prop_assert_eq!(strip_suffix(one, other), one.strip_suffix(other));
            }
        }

        #[test]
        fn one_byte_makes_a_difference(text in proptest::collection::vec(any::<u8>(), 1..40), at in any::<prop::sample::Index>()) {
            let mut other = text.clone();
            other[at.index(text.len())] ^= 1;
            prop_assert!(!is_same(&text, &other));
        }
    }
}
