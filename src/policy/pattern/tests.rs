use proptest::prelude::*;

use super::*;

fn resource(pattern: &str) -> Pattern {
    Pattern::new(Subject::Resource, resource_tokens(pattern).unwrap())
}

fn matches(pattern: &str, text: &str) -> bool {
    resource(pattern).matches(text, &mut Meter::for_decision()).unwrap()
}

#[test]
fn a_star_stays_within_its_segment() {
    assert!(matches("a/*", "a/b") && matches("a/*", "a/"));
    assert!(!matches("a/*", "a/b/c") && !matches("a/*", r"a/b\c"));
    assert!(matches("a*c", "ac") && matches("a*c", "abbc") && !matches("a*c", "a/c"));
}

#[test]
fn two_or_more_stars_cross_segments() {
    for pattern in ["a/**", "a/***", "a/*****"] {
        assert!(matches(pattern, "a/") && matches(pattern, "a/b/c") && !matches(pattern, "a"), "{pattern}");
    }
    assert!(matches("**/c", "a/b/c") && !matches("**/c", "c"));
}

#[test]
fn patterns_are_textual() {
    assert!(!matches("a/**/b", "a/b") && matches("a/**/b", "a//b") && matches("a/**/b", "a/x/y/b"));
    for plain in ["a[b]", "{a,b}", "!a"] {
        assert!(matches(plain, plain));
    }
    assert!(!matches("[ab]", "a") && !matches("{a,b}", "a") && !matches("!a", "b"));
    assert!(!matches("abc", "ABC"));
}

#[test]
fn a_question_mark_is_one_scalar_but_a_separator() {
    assert!(matches("a?c", "abc") && matches("a?c", "aéc") && matches("a?c", "a🙂c"));
    assert!(
        !matches("a?c", "a/c") && !matches("a?c", r"a\c") && !matches("a?c", "ac") && !matches("a??c", "aéc")
    );
    assert!(matches("*?", "é") && !matches("*??", "é"));
}

#[test]
fn just_one_star_is_everything() {
    for pattern in ["*", "**", "***"] {
        assert!(resource(pattern).is_everything());
        assert!(matches(pattern, "a/b") && matches(pattern, ""));
    }
}

#[test]
fn a_backslash_escapes_three_characters_and_nothing_else() {
    assert!(matches(r"a\*", "a*") && !matches(r"a\*", "ab"));
    assert!(matches(r"a\?", "a?") && !matches(r"a\?", "ab"));
    assert!(matches(r"C:\\Users\\**", r"C:\Users\x\y"));
    assert_eq!(resource_tokens(r"C:\Users\**"), Err(Invalid::Escape(r"C:\\Users\**".into())));
    assert_eq!(resource_tokens(r"a\"), Err(Invalid::Escape(r"a\\".into())));
}

#[test]
fn a_pattern_has_bounds() {
    assert!(resource_tokens(&"a".repeat(2_048)).is_ok());
    assert_eq!(resource_tokens(&"a".repeat(2_049)), Err(Invalid::TooLong(2_049)));
    assert!(resource_tokens("**a**").is_ok());
    assert_eq!(resource_tokens("**a**b**"), Err(Invalid::DeepStars(3)));
    assert!(resource_tokens(&"*a".repeat(8)).is_ok());
    assert_eq!(resource_tokens(&"*a".repeat(9)), Err(Invalid::Stars(9)));
    assert_eq!(resource_tokens(""), Err(Invalid::Empty));
    assert_eq!(resource_tokens("a\0"), Err(Invalid::Nul));
}

#[test]
fn a_part_of_one_star_stays_within_its_segment() {
    let part = Pattern::part(Subject::Action, &action_tokens("*").unwrap());
    assert!(part.matches("a", &mut Meter::for_decision()).unwrap());
    assert!(!part.matches("a:b", &mut Meter::for_decision()).unwrap());
}

/// Every way to match, tried one after the other.
fn naive(pattern: &[char], text: &[char]) -> bool {
    let separates = |char: char| char == '/' || char == '\\';
    match pattern {
        [] => text.is_empty(),
        ['*', '*', rest @ ..] => {
            let rest = rest.iter().position(|&char| char != '*').map_or(&[][..], |at| &rest[at..]);
            (0..=text.len()).any(|at| naive(rest, &text[at..]))
        }
        ['*', rest @ ..] => (0..=text.len())
            .take_while(|&at| !text[..at].iter().any(|&char| separates(char)))
            .any(|at| naive(rest, &text[at..])),
        ['?', rest @ ..] => text.first().is_some_and(|&char| !separates(char)) && naive(rest, &text[1..]),
        ['\\', char, rest @ ..] => text.first() == Some(char) && naive(rest, &text[1..]),
        [char, rest @ ..] => text.first() == Some(char) && naive(rest, &text[1..]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn agrees_with_trying_every_way(pattern in r"([ab/é*?]|\*\*|\\\\|\\\*){1,9}", text in r"[ab/é*\\]{0,9}") {
        let chars: Vec<char> = pattern.chars().collect();
        let all_stars = chars.iter().all(|&char| char == '*');
        if let Ok(tokens) = resource_tokens(&pattern) {
            let text_chars: Vec<char> = text.chars().collect();
            let matched = Pattern::new(Subject::Resource, tokens)
                .matches(&text, &mut Meter::for_decision()).unwrap();
            prop_assert_eq!(matched, all_stars || naive(&chars, &text_chars));
        }
    }

    #[test]
    fn every_match_starts_with_the_literal_start(pattern in "[ab/*?]{1,6}", text in "[ab/]{0,6}") {
        if let Ok(tokens) = resource_tokens(&pattern) {
            let pattern = Pattern::new(Subject::Resource, tokens);
            if pattern.matches(&text, &mut Meter::for_decision()).unwrap() {
                let (start, is_whole) = pattern.literal_start();
                let starts = if is_whole { text == start } else { text.starts_with(start) };
                prop_assert!(starts);
            }
        }
    }
}
