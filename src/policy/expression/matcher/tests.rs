use proptest::prelude::*;

use super::*;

fn is_match(matcher: &Matcher, text: &str) -> bool {
    matcher.is_match(text, &mut Meter::new(10_000_000)).unwrap()
}

/// The same expression, walked even where a table would do.
fn walked(pattern: &str) -> Matcher {
    Matcher(Form::States(NFA::compiler().build(pattern).unwrap()))
}

#[test]
fn a_small_expression_is_a_table_and_others_are_walked() {
    for (pattern, is_table) in [
        ("^DE-[0-9]{4}$", true),
        ("(a|b)*c", true),
        ("", true),
        (r"(?-u:\b)a", true),
        (r"\bkey\b", false),
        ("[ab]*a[ab]{30}c", false),
        (r"^\w+@\w+$", false),
    ] {
        let matcher = Matcher::compile(pattern).unwrap();
        assert_eq!(matches!(matcher.0, Form::Table(_)), is_table, "{pattern}");
    }
}

#[test]
fn what_is_too_large_or_no_expression_is_refused() {
    assert!(Matcher::compile("(").unwrap_err().contains("does not compile"));
    assert!(Matcher::compile(r"\w{200}").unwrap_err().contains("65536 bytes"));
    assert!(Matcher::compile(&format!("{}a{}", "(".repeat(60), ")".repeat(60))).is_err());
}

#[test]
fn a_walk_pays_for_every_state() {
    let steps = |pattern: &str, text: &str| {
        let mut meter = Meter::new(10_000_000);
        assert!(!walked(pattern).is_match(text, &mut meter).unwrap(), "{pattern}");
        meter.spent()
    };
    let text = "ab".repeat(500);
    let (one, many) = (steps("[ab]x", &text), steps("[ab]*a[ab]{100}x", &text));
    assert!(one > 1_000 && many > 10 * one, "{one} {many}");
    let mut meter = Meter::new(1_000);
    assert_eq!(walked("[ab]*a[ab]{100}x").is_match(&text, &mut meter), Err(OverBudget));
}

fn pattern() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a",
        "b",
        "[ab]",
        ".",
        r"\w",
        r"\b",
        r"\B",
        "^",
        "$",
        r"(?-u:\b)",
        r"\d",
        "é",
        "[^a]",
        "(?i)A",
        "(?m)^",
        "(?s).",
        r"\z",
        "",
    ])
    .prop_map(String::from);
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join("|"))),
            inner.clone().prop_map(|part| format!("(?:{part})*")),
            inner.clone().prop_map(|part| format!("(?:{part})+?")),
            inner.prop_map(|part| format!("(?:{part}){{1,3}}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn table_and_walk_agree_with_the_regex_crate(pattern in pattern(), text in "[abAé 1\n]{0,8}") {
        let expected = regex::Regex::new(&pattern).unwrap().is_match(&text);
        let compiled = Matcher::compile(&pattern);
        prop_assume!(compiled.is_ok(), "too large");
        let matcher = compiled.unwrap();
        prop_assert_eq!(is_match(&matcher, &text), expected, "{} on {:?}", pattern, text);
        prop_assert_eq!(is_match(&walked(&pattern), &text), expected, "walked {} on {:?}", pattern, text);
    }
}
