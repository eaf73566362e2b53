//! One path of a route, taken apart: `/users/*`, `/users/:id/posts`, `/static/*path`.
//!
//! Source: <https://github.com/api7/lua-resty-radixtree#path>: `*` at the end matches the rest, `:name`
//! one segment, `*name` the rest under a name.

use smallvec::SmallVec;

/// Values of `:name` and `*name`, as byte ranges of the path.
pub type Params = SmallVec<[(u32, u32); 2]>;

/// A path split at its first parameter or wildcard: the literal part is the key in the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct PathPattern {
    /// The part before the first parameter or wildcard; the whole path when there is none.
    pub literal: Box<str>,
    /// How the rest must look.
    pub rest: Rest,
    /// Names of the parameters, in order.
    pub names: Vec<Box<str>>,
}

/// What may follow the literal part.
#[derive(Debug, Clone, PartialEq)]
pub enum Rest {
    /// Nothing.
    Nothing,
    /// Anything.
    Anything,
    /// These pieces.
    Pieces(Box<[Piece]>),
}

/// A piece of the part that is not literal.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// These bytes.
    Literal(Box<str>),
    /// `:name`: one segment of at least one byte.
    Segment,
    /// `*name`: all that remains.
    Remainder,
}

impl PathPattern {
    /// Reads a path. Every text is some pattern.
    pub fn parse(path: &str) -> Self {
        let Some(at) = first_special(path) else {
            return Self { literal: path.into(), rest: Rest::Nothing, names: Vec::new() };
        };
        let (literal, special) = path.split_at(at);
        if special == "*" {
            return Self { literal: literal.into(), rest: Rest::Anything, names: Vec::new() };
        }
        let (pieces, names) = pieces(special);
        Self { literal: literal.into(), rest: Rest::Pieces(pieces.into()), names }
    }

    /// Matches what follows the literal part in `path`; gives the parameters' ranges within `path`.
    pub fn match_rest(&self, path: &str) -> Option<Params> {
        let start = self.literal.len();
        match &self.rest {
            Rest::Nothing => (path.len() == start).then(Params::new),
            Rest::Anything => Some(Params::new()),
            Rest::Pieces(pieces) => match_pieces(pieces, path, start),
        }
    }

    /// Among patterns with one literal part and one priority, the higher is tried first.
    pub fn specificity(&self) -> (u8, usize) {
        match &self.rest {
            Rest::Nothing => (2, 0),
            Rest::Pieces(pieces) => (1, pieces.len()),
            Rest::Anything => (0, 0),
        }
    }
}

/// Where the first parameter or wildcard begins: `:` after a slash, `*` after a slash or at the end.
fn first_special(path: &str) -> Option<usize> {
    let bytes = path.as_bytes();
    bytes.iter().enumerate().position(|(at, byte)| {
        let after_slash = at > 0 && bytes.get(at - 1) == Some(&b'/');
        match byte {
            b':' => after_slash && at + 1 < bytes.len(),
            b'*' => after_slash || at + 1 == bytes.len(),
            _ => false,
        }
    })
}

fn pieces(mut special: &str) -> (Vec<Piece>, Vec<Box<str>>) {
    let (mut pieces, mut names) = (Vec::new(), Vec::new());
    while !special.is_empty() {
        if let Some(rest) = special.strip_prefix('*') {
            pieces.push(Piece::Remainder);
            names.push(if rest.is_empty() { "ext".into() } else { rest.into() });
            break;
        }
        if let Some(rest) = special.strip_prefix(':') {
            let end = rest.find('/').unwrap_or(rest.len());
            pieces.push(Piece::Segment);
            names.push(rest[..end].into());
            special = &rest[end..];
            continue;
        }
        let end = first_special(special).unwrap_or(special.len());
        pieces.push(Piece::Literal(special[..end].into()));
        special = &special[end..];
    }
    (pieces, names)
}

fn match_pieces(pieces: &[Piece], path: &str, start: usize) -> Option<Params> {
    let mut params = Params::new();
    let mut at = start;
    for piece in pieces {
        let rest = path.get(at..)?;
        match piece {
            Piece::Literal(literal) => at += rest.starts_with(&**literal).then_some(literal.len())?,
            Piece::Segment => {
                let end = rest.find('/').unwrap_or(rest.len());
                if end == 0 {
                    return None;
                }
                params.push((at as u32, (at + end) as u32));
                at += end;
            }
            Piece::Remainder => {
                params.push((at as u32, path.len() as u32));
                at = path.len();
            }
        }
    }
    (at == path.len()).then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched<'p>(pattern: &str, path: &'p str) -> Option<Vec<&'p str>> {
        let pattern = PathPattern::parse(pattern);
        if !path.starts_with(&*pattern.literal) {
            return None;
        }
        let params = pattern.match_rest(path)?;
        Some(params.iter().map(|(start, end)| &path[*start as usize..*end as usize]).collect())
    }

    #[test]
    fn paths_match_as_apisix_matches_them() {
        let cases: &[(&str, &str, Option<&[&str]>)] = &[
            ("/a", "/a", Some(&[])),
            ("/a", "/a/", None),
            ("/a*", "/abc", Some(&[])),
            ("/a/*", "/a/", Some(&[])),
            ("/a/*", "/a", None),
            ("/*", "/", Some(&[])),
            ("/u/:id", "/u/7", Some(&["7"])),
            ("/u/:id", "/u/", None),
            ("/u/:id", "/u/7/x", None),
            ("/u/:id/p/:post", "/u/7/p/9", Some(&["7", "9"])),
            ("/u/:id/p", "/u/7/q", None),
            ("/s/*path", "/s/a/b.css", Some(&["a/b.css"])),
            ("/u/:id/*", "/u/7/x/y", Some(&["7", "x/y"])),
            ("/time:now", "/time:now", Some(&[])),
            ("/a*b", "/a*b", Some(&[])),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(matched(pattern, path).as_deref(), *expected, "{pattern} on {path}");
        }
    }
}
