use proptest::prelude::*;
use regex::Regex;
use regex_syntax::hir::Hir;

use super::{MAX_PATTERN_BYTES, Matcher, Pattern, any_of, hir, matcher, rests_after, to_regex};

fn pattern(source: &str) -> Pattern {
    Pattern::parse(source).unwrap_or_else(|reason| panic!("{source}: {reason}"))
}

/// The pattern as its author wrote it, given to the engine without any work of ours but the brackets.
fn as_written(source: &str) -> Regex {
    let mut whole = String::from(r"(?s)\A");
    let mut rest = source;
    while let Some((before, after)) = rest.split_once('<') {
        let (inside, after) = after.split_once('>').expect("balanced");
        whole += &format!("{}(?:{inside})", regex::escape(before));
        rest = after;
    }
    Regex::new(&(whole + &regex::escape(rest) + r"\z")).expect("a regular expression")
}

/// Pattern, printed form, texts that match, texts that do not.
type Case = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const CASES: &[Case] = &[
    ("abc", "^(?:abc)$", &["abc"], &["", "ab", "abcd", "xabc", "ABC"]),
    ("a.c*", r"^(?:a\.c\*)$", &["a.c*"], &["abc", "a.c", "a.ccc"]),
    ("<.*>", r"^(?:(?:[\u0000-\U0010FFFF])*)$", &["", "*", "x", "a\nb", "é🦀"], &[]),
    ("a/<.*>", r"^(?:a/(?:[\u0000-\U0010FFFF])*)$", &["a/", "a/*", "a/b/c"], &["a", "b/a/"]),
    (
        "<.*>Get<.*>",
        r"^(?:(?:[\u0000-\U0010FFFF])*Get(?:[\u0000-\U0010FFFF])*)$",
        &["Get", "iam:GetUser"],
        &["get", ""],
    ),
    (
        "a<.*>ab<.*>b",
        r"^(?:a(?:[\u0000-\U0010FFFF])*ab(?:[\u0000-\U0010FFFF])*b)$",
        &["aabb", "axabyb"],
        &["ab", "aab"],
    ),
    ("x<[^:]*>", r"^(?:x(?:[^\u003A])*)$", &["x", "xa/b"], &["xa:b", "y"]),
    ("<a|b>c", "^(?:[ab]c)$", &["ac", "bc"], &["a", "b", "c", "abc"]),
    ("a<|b>", "^(?:a(?:(?:)|b))$", &["a", "ab"], &["b", "abb"]),
    (
        "<(one|two)>-<[0-9]{2,3}>",
        r"^(?:(?:one|two)-(?:[0-9]){2,3})$",
        &["one-12", "two-123"],
        &["one-1", "two-1234", "-12"],
    ),
    ("<(?i)k>", r"^(?:[Kk\u212A])$", &["k", "K", "\u{212a}"], &["x"]),
    ("<a+?b??>", "^(?:(?:a)+(?:b)?)$", &["a", "aab"], &["b", "abb"]),
    ("<(?P<name>a(b))>", "^(?:ab)$", &["ab"], &["a"]),
    ("<[^-\\]\\\\^]>", r"^(?:[^\u002D\u005C-\u005E])$", &["a", "["], &["-", "]", "\\", "^"]),
    ("<\\x3c.>", r"^(?:<[\u0000-\U0010FFFF])$", &["<a"], &["<", "a"]),
    ("é <🦀+>", "^(?:\\u00E9 (?:\\U0001F980)+)$", &["é 🦀🦀"], &["e 🦀", "é "]),
    ("<(?:ab){0}x>", "^(?:x)$", &["x"], &["abx"]),
];

#[test]
fn patterns_mean_and_print_what_they_should() {
    for (source, printed, matching, others) in CASES {
        let pattern = pattern(source);
        assert_eq!(pattern.to_regex(), *printed, "{source}");
        let regex = Regex::new(printed).expect("valid for the crate, too");
        for (texts, expected) in [(matching, true), (others, false)] {
            for text in *texts {
                assert_eq!(pattern.matches(text), expected, "{source} on {text:?}");
                assert_eq!(regex.is_match(text), expected, "{printed} on {text:?}");
            }
        }
    }
}

#[test]
fn faults_say_what_is_wrong() {
    let wrong = [
        "",
        "a<b",
        "a>b",
        "<<a>",
        "<a(>",
        "<[>",
        "<^a>",
        "<a$>",
        r"<\ba>",
        r"<a\z>",
        "<(?=a)b>",
        r"<(a)\1>",
        "<a{256}>",
        "<(a{255}){100}>",
        "<[a&&b]>",
        r"<(?-u:\xff)>",
        "<(?-u:[a&&b])>",
        "<a**{}>",
        "<x{2,1}>",
    ];
    let told = wrong.map(|source| format!("{source}  {}", Pattern::parse(source).expect_err(source)));
    insta::assert_snapshot!(told.join("\n"));
    let long = "a".repeat(MAX_PATTERN_BYTES);
    assert!(Pattern::parse(&long).is_ok());
    assert!(Pattern::parse(&(long + "a")).expect_err("too long").contains("at most 1024 bytes"));
    let deep = format!("<{}a{}>", "(".repeat(200), ")".repeat(200));
    assert!(Pattern::parse(&deep).is_err());
}

#[test]
fn bombs_are_refused_and_common_expressions_are_not() {
    for bomb in ["<((a{50}){50}){50}>", r"<(\w{20}){20}>", "<(((x{2}){200}){200}){200}>", r"<[\w\d\s]{255}>"] {
        assert!(Pattern::parse(bomb).expect_err(bomb).contains("too large"), "{bomb}");
    }
    for fine in [r"<\w{1,36}>", "<[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}>", r"<[\w.-]+>", "<[a-z]{1,255}>"] {
        pattern(fine);
    }
}

#[test]
fn the_common_forms_need_no_regular_expression() {
    for plain in ["abc", "<.*>", "a<.*>b<.*>", "<(one|two)>/<[ab]>", "a<.*><.*>b", "<a?>b"] {
        assert_eq!(pattern(plain).weight(), 0, "{plain}");
    }
    assert!(pattern("<[^/]*>").weight() > 0);
    assert!(pattern("<.*>").is_everything());
    assert!(pattern("<.*><.*>").is_everything());
    assert!(!pattern("<.+>").is_everything());
    assert!(!pattern("<.*>a").is_everything());
}

/// A regular expression made of all that the language has.
fn expression() -> impl Strategy<Value = String> {
    let atoms = [
        "a",
        "b",
        "ab",
        ".",
        "[ab]",
        "[^a]",
        "[^/:]",
        r"\.",
        r"\d",
        r"\w",
        r"\s",
        r"\x41",
        "é",
        "(?i:b)",
        "(?i:k)",
        "[[:alpha:]]",
        r"\p{Greek}",
        "[a-c--b]",
        r"\-",
        "-",
        "#",
        "~",
        "&",
        "(?s-u:a)",
        "🦀",
        " ",
        r"\n",
    ];
    let leaf = proptest::sample::select(atoms.to_vec()).prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 4, |inner| {
        let group = inner.clone().prop_map(|one| format!("({one})"));
        let counts = ["*", "+", "?", "*?", "{2}", "{1,3}", "{0,2}", "{2,}", "{0}"];
        prop_oneof![
            (group.clone(), proptest::sample::select(counts.to_vec())).prop_map(|(one, count)| one + count),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|all| all.concat()),
            proptest::collection::vec(inner, 1..4).prop_map(|all| format!("({})", all.join("|"))),
        ]
    })
}

fn source() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        proptest::sample::select(vec!["a", "b/", "a.b", "*", "\\", "é", "$"]).prop_map(str::to_owned),
        Just("<.*>".to_owned()),
        expression().prop_map(|inner| format!("<{inner}>")),
    ];
    proptest::collection::vec(part, 1..4).prop_map(|parts| parts.concat())
}

fn text() -> impl Strategy<Value = String> {
    let letters =
        ['a', 'b', 'A', 'K', 'k', '\u{212a}', '.', '/', ':', '*', '\\', '$', 'é', '1', '🦀', ' ', '\n', '\0', '-', 'λ'];
    proptest::collection::vec(proptest::sample::select(letters.to_vec()), 0..6)
        .prop_map(|all| all.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn written_compiled_and_printed_forms_are_one(source in source(), texts in proptest::collection::vec(text(), 20)) {
        let Ok(pattern) = Pattern::parse(&source) else {
            prop_assert!(hir::of(&source).is_err() || pattern_is_too_heavy(&source), "{} is refused", source);
            return Ok(());
        };
        let (written, printed) = (as_written(&source), Regex::new(&pattern.to_regex()).expect("printed"));
        for text in &texts {
            let expected = written.is_match(text);
            prop_assert_eq!(pattern.matches(text), expected, "{:?}", text);
            prop_assert_eq!(printed.is_match(text), expected, "{} on {:?}", printed, text);
        }
        // Texts that are made to match say more than those that happen to.
        prop_assert_eq!(pattern.matches(&source), written.is_match(&source));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn rests_and_their_union_decide_as_the_patterns_do(
        patterns in proptest::collection::vec(proptest::collection::vec(part_with_texts(), 1..6), 1..4),
        cut in 0usize..6,
        others in proptest::collection::vec(text(), 6),
    ) {
        let near = patterns.iter().map(|parts| parts.iter().map(|(_, text)| *text).collect::<String>());
        let texts: Vec<String> = near.chain(others).collect();
        let patterns: Vec<Pattern> =
            patterns.iter().map(|parts| pattern(&parts.iter().map(|(part, _)| *part).collect::<String>())).collect();
        let matching = |hir: &Hir, text: &str| matcher::regex(hir).expect("small").is_match(text);
        for text in &texts {
            let cut = text.char_indices().nth(cut).map_or(text.len(), |(at, _)| at);
            let (beginning, behind) = text.split_at(cut);
            let mut all = Vec::new();
            for one in &patterns {
                let rests = rests_after(beginning, one.hir()).expect("few");
                let matches = rests.iter().any(|rest| matching(rest, behind));
                prop_assert_eq!(matches, one.matches(text), "{:?}: {:?} after {:?}", one, behind, beginning);
                all.extend(rests);
            }
            let expected = patterns.iter().any(|one| one.matches(text));
            if !all.is_empty() {
                let joined = any_of(all);
                prop_assert_eq!(matching(&joined, behind), expected, "{} on {:?}", to_regex(&joined), behind);
            }
        }
    }
}

#[test]
fn what_patterns_begin_with_stands_once_in_their_union() {
    let union = |sources: &[&str]| to_regex(&any_of(sources.iter().map(|one| pattern(one).hir().clone()).collect()));
    assert_eq!(union(&["<.*>a", "<.*>b", "<.*>[0-9]"]), r"^(?:(?:[\u0000-\U0010FFFF])*(?:\[0-9\]|a|b))$");
    assert_eq!(union(&["<.*[*a]>", "<.*[*b]>"]), r"^(?:(?:[\u0000-\U0010FFFF])*[\u002Aab])$");
    assert_eq!(union(&["<a+>b", "<a+>b<c*>", "x"]), r"^(?:(?:(?:a)+b(?:(?:)|(?:c)*)|x))$");
}

fn pattern_is_too_heavy(source: &str) -> bool {
    hir::of(source).is_ok_and(|hir| hir::weight(&hir) > super::MAX_PATTERN_WEIGHT)
}

/// Parts of what people write for ids and names, each with texts that are like it or nearly so.
fn part_with_texts() -> impl Strategy<Value = (&'static str, &'static str)> {
    let parts: &[(&str, &[&str])] = &[
        ("a/", &["a/", "a", "/"]),
        ("b", &["b", "bb", ""]),
        ("é", &["é", "e"]),
        ("<[^/]*>", &["", "a", "ab1", "é🦀", "a/b"]),
        ("<[a-z]+>", &["a", "bz", "", "B"]),
        ("<[^/:]{2,3}>", &["ab", "abc", "a", "abcd", ":"]),
        ("<[0-9]{2}>", &["12", "1", "123"]),
        ("<[ab]>", &["a", "b", "", "ab"]),
        (r"<\w*>", &["", "_a1", "λ"]),
        ("<.+>", &["a", "", "a\nb/"]),
        ("<.*>", &["", "ab/"]),
        ("<.>", &["\n", "🦀", ""]),
        ("<(one|two|three)+>", &["one", "twoone", "", "on"]),
        ("<(?:ab)*>", &["", "abab", "aba"]),
        ("<a*>", &["", "aaa", "b"]),
        ("<(?:/[^/]+){1,2}>", &["/a", "/ab/c", "/", "//"]),
    ];
    proptest::sample::select(parts.to_vec())
        .prop_flat_map(|(part, texts)| (Just(part), proptest::sample::select(texts.to_vec())))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn every_form_decides_as_the_plain_regular_expression(
        parts in proptest::collection::vec(part_with_texts(), 1..6),
        others in proptest::collection::vec(text(), 3),
    ) {
        let source: String = parts.iter().map(|(part, _)| *part).collect();
        let near: String = parts.iter().map(|(_, text)| *text).collect();
        let (pattern, plain) = (pattern(&source), matcher::regex(&hir::of(&source).expect("a pattern")).expect("small"));
        for text in others.iter().chain([&near]) {
            prop_assert_eq!(pattern.matches(text), plain.is_match(text), "{} on {:?}", source, text);
        }
    }
}

#[test]
fn what_is_read_in_one_pass_needs_no_regular_expression_either() {
    let form = |source: &str| match pattern(source).matcher() {
        Matcher::OneOf(_) => "one of",
        Matcher::Glob(_) => "glob",
        Matcher::Runs(_) => "runs",
        Matcher::Regex { texts: Some(_), .. } => "texts, then regex",
        Matcher::Regex { texts: None, .. } => "regex",
    };
    for plain in ["<[^/]*>", "g/<[^/]+>/s/<[a-z]{2,}>", "<[0-9]{2}[a-z0-9]+>", r"<\w+>-x", "<[^/]*>/<.>"] {
        assert_eq!(form(plain), "runs", "{plain}");
    }
    for back_and_forth in ["<[^/]*>a", "x<[a-z]*[a-f]+>", "<.*>/<[a-z]+>", "x<(a|bc)+>"] {
        assert_eq!(form(back_and_forth), "texts, then regex", "{back_and_forth}");
    }
    assert_eq!(form("<(a|bc)+>"), "regex");
}
