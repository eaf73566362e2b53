//! The few messages that a sign-in needs (RFC 4511, section 4).

use super::ber::{BOOLEAN, ENUMERATED, INTEGER, Malformed, OCTET_STRING, Reader, SEQUENCE, SET, element, number};

/// The message id of notices that answer nothing (section 4.4).
pub(super) const UNSOLICITED: u32 = 0;

const BIND_REQUEST: u8 = 0x60;
const BIND_RESPONSE: u8 = 0x61;
const UNBIND_REQUEST: u8 = 0x42;
const SEARCH_REQUEST: u8 = 0x63;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const SEARCH_REFERENCE: u8 = 0x73;
const EXTENDED_RESPONSE: u8 = 0x78;

const SIMPLE_PASSWORD: u8 = 0x80;
const EQUALITY_MATCH: u8 = 0xa3;
const WHOLE_SUBTREE: u32 = 2;
const NEVER_FOLLOW_ALIASES: u32 = 0;

/// What is asked of the directory.
pub(super) enum Request<'a> {
    Bind { dn: &'a str, password: &'a str },
    Search(Search<'a>),
    Unbind,
}

/// A search for entries whose attribute equals a value. The value goes as it is: there is no filter text to break out of.
pub(super) struct Search<'a> {
    pub(super) base_dn: &'a str,
    pub(super) attribute: &'a str,
    pub(super) value: &'a str,
    pub(super) entries_max: u32,
    pub(super) seconds_max: u32,
}

/// What the directory answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Response {
    Bind(Outcome),
    Entry(Entry),
    /// Elsewhere is more: not followed.
    Reference,
    Done(Outcome),
    Notice(Outcome),
}

/// How a request ended (section 4.1.9).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) code: u32,
    pub(super) diagnostic: String,
}

/// An entry that was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) dn: String,
    pub(super) attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Request<'_> {
    /// The bytes of the request.
    pub(super) fn encode(&self, id: u32) -> Vec<u8> {
        let operation = match self {
            Self::Bind { dn, password } => {
                let version = number(INTEGER, 3);
                let password = element(SIMPLE_PASSWORD, &[password.as_bytes()]);
                element(BIND_REQUEST, &[&version, &octets(dn), &password])
            }
            Self::Search(search) => search.encode(),
            Self::Unbind => element(UNBIND_REQUEST, &[]),
        };
        element(SEQUENCE, &[&number(INTEGER, id), &operation])
    }
}

impl Search<'_> {
    fn encode(&self) -> Vec<u8> {
        let filter = element(EQUALITY_MATCH, &[&octets(self.attribute), &octets(self.value)]);
        // All of the user's and all of the operational attributes (RFC 3673): `memberOf` and `entryUUID` are such.
        let attributes = element(SEQUENCE, &[&octets("*"), &octets("+")]);
        element(
            SEARCH_REQUEST,
            &[
                &octets(self.base_dn),
                &number(ENUMERATED, WHOLE_SUBTREE),
                &number(ENUMERATED, NEVER_FOLLOW_ALIASES),
                &number(INTEGER, self.entries_max),
                &number(INTEGER, self.seconds_max),
                &element(BOOLEAN, &[&[0]]),
                &filter,
                &attributes,
            ],
        )
    }
}

fn octets(text: &str) -> Vec<u8> {
    element(OCTET_STRING, &[text.as_bytes()])
}

/// Reads a whole message: its id and what it says.
pub(super) fn decode(bytes: &[u8]) -> Result<(u32, Response), Malformed> {
    let mut message = Reader::new(Reader::new(bytes).next(SEQUENCE)?);
    let id = message.number(INTEGER)?;
    let (tag, content) = message.any()?;
    let mut content = Reader::new(content);
    let response = match tag {
        BIND_RESPONSE => Response::Bind(outcome(&mut content)?),
        SEARCH_ENTRY => Response::Entry(entry(&mut content)?),
        SEARCH_REFERENCE => Response::Reference,
        SEARCH_DONE => Response::Done(outcome(&mut content)?),
        EXTENDED_RESPONSE => Response::Notice(outcome(&mut content)?),
        _ => return Err(Malformed),
    };
    Ok((id, response))
}

fn outcome(content: &mut Reader<'_>) -> Result<Outcome, Malformed> {
    let code = content.number(ENUMERATED)?;
    content.next(OCTET_STRING)?;
    // For people, and not always UTF-8.
    let diagnostic = String::from_utf8_lossy(content.next(OCTET_STRING)?).into_owned();
    Ok(Outcome { code, diagnostic })
}

fn entry(content: &mut Reader<'_>) -> Result<Entry, Malformed> {
    let dn = content.text()?;
    let mut list = Reader::new(content.next(SEQUENCE)?);
    let mut attributes = Vec::new();
    while !list.is_at_end() {
        let mut attribute = Reader::new(list.next(SEQUENCE)?);
        let name = attribute.text()?;
        let mut set = Reader::new(attribute.next(SET)?);
        let mut values = Vec::new();
        while !set.is_at_end() {
            values.push(set.next(OCTET_STRING)?.to_vec());
        }
        attributes.push((name, values));
    }
    Ok(Entry { dn, attributes })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_are_those_of_the_standard() {
        let bind = Request::Bind { dn: "cn=a", password: "pw" }.encode(1);
        assert_eq!(bind, b"\x30\x12\x02\x01\x01\x60\x0d\x02\x01\x03\x04\x04cn=a\x80\x02pw");
        assert_eq!(Request::Unbind.encode(3), b"\x30\x05\x02\x01\x03\x42\x00");
        let search = Search { base_dn: "o=x", attribute: "uid", value: "*)(\0", entries_max: 2, seconds_max: 10 };
        let expected = [
            &b"\x30\x2e\x02\x01\x02\x63\x29\x04\x03o=x\x0a\x01\x02\x0a\x01\x00\x02\x01\x02\x02\x01\x0a\x01\x01\x00"[..],
            b"\xa3\x0b\x04\x03uid\x04\x04*)(\0",
            b"\x30\x06\x04\x01*\x04\x01+",
        ];
        assert_eq!(Request::Search(search).encode(2), expected.concat());
    }

    #[test]
    fn answers_are_read() {
        let refused = b"\x30\x10\x02\x01\x01\x61\x0b\x0a\x01\x31\x04\x00\x04\x04oops";
        let outcome = Outcome { code: 49, diagnostic: "oops".into() };
        assert_eq!(decode(refused), Ok((1, Response::Bind(outcome))));
        let found = b"\x30\x1a\x02\x01\x02\x64\x15\x04\x04cn=a\x30\x0d\x30\x0b\x04\x01m\x31\x06\x04\x01x\x04\x01y";
        let attributes = vec![("m".into(), vec![b"x".to_vec(), b"y".to_vec()])];
        assert_eq!(decode(found), Ok((2, Response::Entry(Entry { dn: "cn=a".into(), attributes }))));
    }

    /// An answer that is cut short, or has one bit wrong, is an error or another answer, never a panic.
    #[test]
    fn damaged_answers_are_no_panic() {
        let whole = b"\x30\x1a\x02\x01\x02\x64\x15\x04\x04cn=a\x30\x0d\x30\x0b\x04\x01m\x31\x06\x04\x01x\x04\x01y";
        for length in 0..whole.len() {
            assert_eq!(decode(&whole[..length]), Err(Malformed));
        }
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let _ = decode(&damaged);
        }
    }

    proptest! {
        #[test]
        fn garbage_is_no_panic(bytes: Vec<u8>) {
            let _ = decode(&element(SEQUENCE, &[&number(INTEGER, 1), &bytes]));
        }
    }
}
