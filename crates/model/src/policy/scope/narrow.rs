//! What a pattern says of rows of which only the form of their ARN is known.

use regex_syntax::hir::Hir;

use super::RowArn;
use crate::policy::pattern::{Matcher, Pattern, Token, can_match, covers_ids, rests_after, weight};

/// The rows that a pattern matches.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Narrowed<'a> {
    Every,
    None,
    Ids(Vec<String>),
    IdPrefix(String),
    /// Those whose id one of these matches.
    IdRegexes(Vec<Hir>),
    Arns(Vec<String>),
    ArnPrefix(String),
    /// Those whose ARN it matches: no simpler way was found.
    ArnRegex(&'a Hir),
}

pub(super) fn narrowed<'a>(pattern: &'a Pattern, arn: &RowArn) -> Narrowed<'a> {
    let found = match pattern.matcher() {
        Matcher::OneOf(texts) => Some(fixed(texts, arn)),
        Matcher::Glob(texts) => glob(texts.pieces(), arn),
        Matcher::Runs(_) | Matcher::Regex { .. } => None,
    };
    found.or_else(|| of_ids(pattern, arn)).unwrap_or_else(|| {
        // Before a regular expression is left to a store: can it match any row at all?
        if can_match(pattern.hir(), &shape(arn)) { Narrowed::ArnRegex(pattern.hir()) } else { Narrowed::None }
    })
}

/// What is left to ask of ids, where everything before them is known and the less to ask for it.
fn of_ids<'a>(pattern: &Pattern, arn: &RowArn) -> Option<Narrowed<'a>> {
    let mut rests = arn.infix.is_none().then(|| rests_after(&arn.prefix, pattern.hir()))??;
    rests.retain(|rest| can_match(rest, &[Token::Id]));
    if rests.iter().map(weight).sum::<usize>() > weight(pattern.hir()) {
        return None;
    }
    Some(if rests.iter().any(covers_ids) { Narrowed::Every } else { some(rests, Narrowed::IdRegexes) })
}

fn fixed<'a>(texts: &[Box<str>], arn: &RowArn) -> Narrowed<'a> {
    let Some(infix) = &arn.infix else {
        let ids = texts.iter().filter_map(|text| text.strip_prefix(arn.prefix.as_str())).filter(|id| is_id(id));
        return some(ids.map(str::to_owned).collect(), Narrowed::Ids);
    };
    let is_of_a_row = |text: &&str| {
        let ids = text.strip_prefix(arn.prefix.as_str()).and_then(|rest| rest.split_once(infix.as_str()));
        ids.is_some_and(|(outer, id)| is_id(outer) && is_id(id))
    };
    let texts = texts.iter().map(AsRef::as_ref).filter(is_of_a_row);
    some(texts.map(str::to_owned).collect(), Narrowed::Arns)
}

fn some<'a, T>(found: Vec<T>, form: fn(Vec<T>) -> Narrowed<'a>) -> Narrowed<'a> {
    if found.is_empty() { Narrowed::None } else { form(found) }
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && !text.contains('/')
}

/// The common forms of texts with `<.*>` in them.
fn glob<'a>(pieces: &[Box<str>], arn: &RowArn) -> Option<Narrowed<'a>> {
    let [first, .., last] = pieces else { return None };
    if last.is_empty() && matches_before_last_id(pieces, arn) {
        return Some(Narrowed::Every);
    }
    if let ([_, _], true, Some(rest)) = (pieces, last.is_empty(), first.strip_prefix(arn.prefix.as_str())) {
        return Some(beginning(first, rest, arn));
    }
    only_id(pieces, arn)
}

/// Whether everything up to the last `<.*>` is found in the parts of the ARN that are the same for every row.
fn matches_before_last_id(pieces: &[Box<str>], arn: &RowArn) -> bool {
    let [first, middle @ ..] = pieces else { return false };
    let Some(mut rest) = arn.prefix.strip_prefix(first.as_ref()) else { return false };
    let mut infix = arn.infix.as_deref();
    for piece in middle {
        loop {
            if let Some(after) = rest.find(piece.as_ref()).and_then(|at| rest.get(at + piece.len()..)) {
                rest = after;
                break;
            }
            match infix.take() {
                Some(next) => rest = next,
                None => return false,
            }
        }
    }
    true
}

/// `first<.*>`, where `first` is the prefix and `rest`.
fn beginning<'a>(first: &str, rest: &str, arn: &RowArn) -> Narrowed<'a> {
    if arn.infix.is_some() {
        Narrowed::ArnPrefix(first.to_owned())
    } else if rest.contains('/') {
        Narrowed::None
    } else {
        Narrowed::IdPrefix(rest.to_owned())
    }
}

/// `a<.*>b/id`: as an id has no `/`, it must be what follows the last one. With ids of two things that holds if what comes
/// before lies in the parts that are the same for every row.
fn only_id<'a>(pieces: &[Box<str>], arn: &RowArn) -> Option<Narrowed<'a>> {
    let [first, middle @ .., last] = pieces else { return None };
    let before_id = arn.infix.as_ref().unwrap_or(&arn.prefix);
    let (_, id) = last.rsplit_once('/').filter(|_| before_id.ends_with('/'))?;
    if !is_id(id) {
        return Some(Narrowed::None);
    }
    let ids = || Narrowed::Ids(vec![id.to_owned()]);
    match &arn.infix {
        None => {
            let whole = format!("{}{id}", arn.prefix);
            let inner = whole.strip_prefix(first.as_ref()).and_then(|rest| rest.strip_suffix(last.as_ref()));
            let Some(mut inner) = inner else { return Some(Narrowed::None) };
            for piece in middle {
                let Some(at) = inner.find(piece.as_ref()) else { return Some(Narrowed::None) };
                inner = inner.get(at + piece.len()..)?;
            }
            Some(ids())
        }
        Some(infix) => {
            let fits = arn.prefix.starts_with(first.as_ref()) && format!("{infix}{id}").ends_with(last.as_ref());
            (fits && middle.is_empty()).then(ids)
        }
    }
}

fn shape(arn: &RowArn) -> Vec<Token> {
    let mut shape: Vec<_> = Token::all(&arn.prefix).chain([Token::Id]).collect();
    if let Some(infix) = &arn.infix {
        shape.extend(Token::all(infix).chain([Token::Id]));
    }
    shape
}
