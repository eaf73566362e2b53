//! Path patterns of routes, and what they match.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plan::router::PathPattern;

fuzz_target!(|input: (&str, &str)| {
    let (pattern, path) = input;
    let pattern = PathPattern::parse(pattern);
    let _ = pattern.match_rest(path);
});
