//! From a pattern's text to a regular expression's tree, in which only what can be printed and run is left.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassBytes, ClassUnicode, Hir, HirKind};

/// PostgreSQL's bound for a counted repetition.
const MAX_REPETITION: u32 = 255;
/// Deeper nesting is somebody's mistake, and costs stack.
const DEEPEST: u32 = 50;
/// Ranges of a class that weigh as much as a character.
const RANGES_PER_WEIGHT: usize = 16;
/// From this weight on, what can match nothing and is repeated weighs by its square: PostgreSQL joins every place in it
/// with every later one.
const SQUARED_FROM: usize = 8;

/// Reads the pattern: literal text, and regular expressions in angle brackets.
pub(super) fn of(source: &str) -> Result<Hir, String> {
    let parts = parts(source)?.into_iter().map(|part| match part {
        Part::Literal(text) => Ok(Hir::literal(text.as_bytes())),
        Part::Regex(text) => expression(text).map_err(|reason| format!("<{text}>: {reason}")),
    });
    Ok(Hir::concat(parts.collect::<Result<_, _>>()?))
}

enum Part<'a> {
    Literal(&'a str),
    Regex(&'a str),
}

/// Splits at the outermost brackets; a regular expression may have brackets itself, if they are balanced.
fn parts(source: &str) -> Result<Vec<Part<'_>>, String> {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0, 0u32);
    for (at, byte) in source.bytes().enumerate() {
        match byte {
            b'<' => {
                if depth == 0 {
                    parts.extend(source.get(from..at).filter(|text| !text.is_empty()).map(Part::Literal));
                    from = at + 1;
                }
                depth += 1;
            }
            b'>' => {
                depth = depth.checked_sub(1).ok_or("'>' without '<' before it: brackets must be balanced")?;
                if depth == 0 {
                    parts.extend(source.get(from..at).map(Part::Regex));
                    from = at + 1;
                }
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err("'<' without '>' after it: brackets must be balanced".into());
    }
    parts.extend(source.get(from..).filter(|text| !text.is_empty()).map(Part::Literal));
    Ok(parts)
}

fn expression(text: &str) -> Result<Hir, String> {
    let mut parser = ParserBuilder::new().dot_matches_new_line(true).nest_limit(DEEPEST).build();
    let hir = parser.parse(text).map_err(|error| reason(&error))?;
    if !hir.properties().look_set().is_empty() {
        return Err("anchors and word boundaries are of no use here: a pattern always is about the whole text".into());
    }
    plain(hir)
}

/// The engine's own words, without its picture of the place.
fn reason(error: &regex_syntax::Error) -> String {
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
    match ["look-around", "backreferences"].into_iter().find(|feature| reason.starts_with(feature)) {
        Some(feature) => format!("{feature} cannot be had in an engine that is linear in time"),
        None => format!("not a regular expression: {reason}"),
    }
}

/// The same tree without captures, with every class as ranges of characters.
fn plain(hir: Hir) -> Result<Hir, String> {
    let all = |subs: Vec<Hir>| subs.into_iter().map(plain).collect::<Result<Vec<_>, _>>();
    Ok(match hir.into_kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Look(_) => return Err("anchors and word boundaries are of no use here".into()),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(class) => Hir::class(Class::Unicode(characters(class)?)),
        HirKind::Capture(capture) => plain(*capture.sub)?,
        HirKind::Concat(subs) => Hir::concat(all(subs)?),
        HirKind::Alternation(subs) => Hir::alternation(all(subs)?),
        HirKind::Repetition(mut repetition) => {
            if repetition.min.max(repetition.max.unwrap_or(0)) > MAX_REPETITION {
                return Err(format!("a repetition may count to {MAX_REPETITION} at most"));
            }
            // Of no meaning where the whole text must match.
            repetition.greedy = true;
            repetition.sub = Box::new(plain(*repetition.sub)?);
            Hir::repetition(repetition)
        }
    })
}

fn characters(class: Class) -> Result<ClassUnicode, String> {
    let class = match class {
        Class::Unicode(class) => class,
        Class::Bytes(bytes) => bytes.to_unicode_class().ok_or_else(|| not_text(&bytes))?,
    };
    if class.ranges().is_empty() {
        return Err("a class without any character can match nothing".into());
    }
    Ok(class)
}

fn not_text(bytes: &ClassBytes) -> String {
    match bytes.ranges() {
        [] => "a class without any character can match nothing".into(),
        _ => "a class of bytes that are no characters; leave out (?-u)".into(),
    }
}

pub(super) fn is_in(class: &ClassUnicode, c: char) -> bool {
    class.ranges().iter().any(|range| range.start() <= c && c <= range.end())
}

/// Characters and classes, with repetitions written out: what an engine has to build; see
/// [`MAX_PATTERN_WEIGHT`](super::MAX_PATTERN_WEIGHT).
pub(in crate::policy) fn weight(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Unicode(class)) => 1 + class.ranges().len() / RANGES_PER_WEIGHT,
        HirKind::Class(Class::Bytes(class)) => 1 + class.ranges().len() / RANGES_PER_WEIGHT,
        HirKind::Capture(capture) => weight(&capture.sub),
        HirKind::Concat(subs) | HirKind::Alternation(subs) => subs.iter().map(weight).fold(0, usize::saturating_add),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min + 1).max(1) as usize;
            // Even nothing, repeated, has to be built.
            let flat = weight(&repetition.sub).max(1).saturating_mul(times);
            let can_be_nothing = repetition.sub.properties().minimum_len() == Some(0);
            if can_be_nothing && times > 1 { flat.max(flat.saturating_mul(flat) / SQUARED_FROM) } else { flat }
        }
    }
}
