//! BER as LDAP uses it (RFC 4511, section 5.1): definite lengths, tags of one byte.
//!
//! Our own, for the client library there is ends the process at an answer that it does not understand, and bounds none:
//! whoever is on the way to a directory must not be able to end the control plane.

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// Bytes that are no BER of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Writes an element of parts.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 6);
    out.push(tag);
    put_length(&mut out, length);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// Writes a number that is not negative.
pub(super) fn number(tag: u8, value: u32) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count().min(3);
    let significant = bytes.get(zeros..).unwrap_or_default();
    // The first bit is the sign.
    let sign: &[u8] = if significant.first().is_some_and(|first| first & 0x80 != 0) { &[0] } else { &[] };
    element(tag, &[sign, significant])
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
            out.push(0x80 | (bytes.len() - zeros) as u8);
            out.extend_from_slice(bytes.get(zeros..).unwrap_or_default());
        }
    }
}

/// Size of the first element with its head; `None` when not even the head is there.
pub(super) fn size(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(head) = head(bytes)? else { return Ok(None) };
    head.size.checked_add(head.length).map(Some).ok_or(Malformed)
}

struct Head {
    tag: u8,
    /// Bytes of the head itself.
    size: usize,
    /// Bytes that follow it.
    length: usize,
}

fn head(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let &[tag, first, ref rest @ ..] = bytes else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(Malformed);
    }
    if first < 0x80 {
        return Ok(Some(Head { tag, size: 2, length: first.into() }));
    }
    let count = usize::from(first & 0x7f);
    // No bytes of length would be the indefinite form; four hold more than any answer may have.
    if !(1..=4).contains(&count) {
        return Err(Malformed);
    }
    let Some(digits) = rest.get(..count) else { return Ok(None) };
    let length = digits.iter().fold(0_usize, |length, &digit| (length << 8) | usize::from(digit));
    Ok(Some(Head { tag, size: 2 + count, length }))
}

/// Reads elements one after the other.
pub(super) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// The next element's tag and content.
    pub(super) fn any(&mut self) -> Result<(u8, &'b [u8]), Malformed> {
        let head = head(self.0)?.ok_or(Malformed)?;
        let (_, rest) = self.0.split_at_checked(head.size).ok_or(Malformed)?;
        let (content, rest) = rest.split_at_checked(head.length).ok_or(Malformed)?;
        self.0 = rest;
        Ok((head.tag, content))
    }

    /// The content of the next element, which has this tag.
    pub(super) fn next(&mut self, tag: u8) -> Result<&'b [u8], Malformed> {
        self.any().and_then(|(found, content)| if found == tag { Ok(content) } else { Err(Malformed) })
    }

    /// The next element as a number that is not negative.
    pub(super) fn number(&mut self, tag: u8) -> Result<u32, Malformed> {
        let digits = self.next(tag)?;
        let is_negative = digits.first().is_none_or(|first| first & 0x80 != 0);
        if is_negative || digits.len() > 5 {
            return Err(Malformed);
        }
        let value = digits.iter().fold(0_u64, |value, &digit| (value << 8) | u64::from(digit));
        u32::try_from(value).map_err(|_| Malformed)
    }

    /// The next element as text.
    pub(super) fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.next(OCTET_STRING)?.to_vec()).map_err(|_| Malformed)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_written_as_the_standard_says() {
        assert_eq!(element(OCTET_STRING, &[b"abc"]), b"\x04\x03abc");
        assert_eq!(element(OCTET_STRING, &[&[0; 127]])[..2], [4, 127]);
        assert_eq!(element(OCTET_STRING, &[&[0; 128]])[..3], [4, 0x81, 128]);
        assert_eq!(element(OCTET_STRING, &[&[0; 256]])[..4], [4, 0x82, 1, 0]);
        for (value, bytes) in [(0, &[2, 1, 0][..]), (127, &[2, 1, 127]), (128, &[2, 2, 0, 128]), (256, &[2, 2, 1, 0])] {
            assert_eq!(number(INTEGER, value), bytes);
        }
        assert_eq!(number(INTEGER, u32::MAX), [2, 5, 0, 255, 255, 255, 255]);
    }

    #[test]
    fn heads_are_read() {
        assert_eq!(size(&[]), Ok(None));
        assert_eq!(size(&[0x30]), Ok(None));
        assert_eq!(size(&[0x30, 0x82, 1]), Ok(None));
        assert_eq!(size(&[0x30, 0x82, 1, 0]), Ok(Some(260)));
        // Indefinite, too long, and a tag of several bytes.
        assert_eq!(size(&[0x30, 0x80, 0, 0]), Err(Malformed));
        assert_eq!(size(&[0x30, 0x85, 0, 0, 0, 0, 1]), Err(Malformed));
        assert_eq!(size(&[0x3f, 0x81, 1]), Err(Malformed));
    }

    #[test]
    fn numbers_out_of_range_are_malformed() {
        for bytes in [&[2, 0][..], &[2, 1, 0x80], &[2, 5, 1, 0, 0, 0, 0], &[2, 6, 0, 0, 0, 0, 0, 1], &[4, 1, 0]] {
            assert_eq!(Reader::new(bytes).number(INTEGER), Err(Malformed), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(content: Vec<u8>, value: u32) {
            let bytes = [element(OCTET_STRING, &[&content]), number(ENUMERATED, value)].concat();
            prop_assert_eq!(size(&bytes), Ok(Some(bytes.len() - number(ENUMERATED, value).len())));
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.next(OCTET_STRING), Ok(content.as_slice()));
            prop_assert_eq!(reader.number(ENUMERATED), Ok(value));
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn garbage_is_no_panic(bytes: Vec<u8>) {
            let _ = size(&bytes);
            let mut reader = Reader::new(&bytes);
            while reader.any().is_ok() {}
        }
    }
}
