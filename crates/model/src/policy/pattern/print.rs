//! A regular expression's tree as text that PostgreSQL (advanced regular expressions) and Rust's `regex` read alike.
//!
//! Both know `\` before punctuation, `\uXXXX` and `\UXXXXXXXX`, `(?:...)`, `{m,n}` up to 255 and bracket expressions; case
//! folding, Unicode classes and flags are resolved in the tree already. Source:
//! <https://www.postgresql.org/docs/current/functions-matching.html>

use std::fmt::Write;

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Repetition};

/// Over the whole text. Neither engine's `^` and `$` see lines unless asked to.
pub(super) fn whole(body: &str) -> String {
    format!("^(?:{body})$")
}

/// One branch.
pub(super) fn body(hir: &Hir) -> String {
    let mut out = String::new();
    print(hir, &mut out);
    out
}

fn print(hir: &Hir, out: &mut String) {
    match hir.kind() {
        // None is in a pattern's tree but an empty one.
        HirKind::Empty | HirKind::Look(_) => out.push_str("(?:)"),
        HirKind::Literal(literal) => String::from_utf8_lossy(&literal.0).chars().for_each(|c| character(c, out)),
        HirKind::Class(Class::Unicode(class)) => bracket(class, out),
        HirKind::Class(Class::Bytes(class)) => {
            if let Some(class) = class.to_unicode_class() {
                bracket(&class, out);
            }
        }
        HirKind::Capture(capture) => group(&capture.sub, out),
        HirKind::Concat(subs) => subs.iter().for_each(|sub| print(sub, out)),
        HirKind::Alternation(subs) => alternation(subs, out),
        HirKind::Repetition(repetition) => repeated(repetition, out),
    }
}

fn group(hir: &Hir, out: &mut String) {
    out.push_str("(?:");
    print(hir, out);
    out.push(')');
}

fn alternation(subs: &[Hir], out: &mut String) {
    out.push_str("(?:");
    for (n, sub) in subs.iter().enumerate() {
        if n > 0 {
            out.push('|');
        }
        print(sub, out);
    }
    out.push(')');
}

fn repeated(repetition: &Repetition, out: &mut String) {
    group(&repetition.sub, out);
    match (repetition.min, repetition.max) {
        (0, None) => out.push('*'),
        (1, None) => out.push('+'),
        (0, Some(1)) => out.push('?'),
        (min, None) => write(out, format_args!("{{{min},}}")),
        (min, Some(max)) if min == max => write(out, format_args!("{{{min}}}")),
        (min, Some(max)) => write(out, format_args!("{{{min},{max}}}")),
    }
}

/// A class as ranges, or as those of its complement where they are fewer.
fn bracket(class: &ClassUnicode, out: &mut String) {
    let mut others = class.clone();
    others.negate();
    out.push('[');
    if !others.ranges().is_empty() && others.ranges().len() < class.ranges().len() {
        out.push('^');
        ranges(others.ranges(), out);
    } else {
        ranges(class.ranges(), out);
    }
    out.push(']');
}

fn ranges(ranges: &[ClassUnicodeRange], out: &mut String) {
    for range in ranges {
        character_in_bracket(range.start(), out);
        if range.start() != range.end() {
            if range.len() > 2 {
                out.push('-');
            }
            character_in_bracket(range.end(), out);
        }
    }
}

fn character(c: char, out: &mut String) {
    match c {
        '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => {
            out.push('\\');
            out.push(c);
        }
        ' '..='~' => out.push(c),
        _ => escape(c, out),
    }
}

/// Most punctuation means something in one engine's brackets or the other's.
fn character_in_bracket(c: char, out: &mut String) {
    if c.is_ascii_alphanumeric() { out.push(c) } else { escape(c, out) }
}

fn escape(c: char, out: &mut String) {
    let code = u32::from(c);
    if code <= 0xFFFF {
        write(out, format_args!("\\u{code:04X}"));
    } else {
        write(out, format_args!("\\U{code:08X}"));
    }
}

fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    // A `String` takes whatever is written.
    let _ = out.write_fmt(text);
}
