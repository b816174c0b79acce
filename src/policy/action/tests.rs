use heck::ToSnakeCase;
use proptest::prelude::*;

use super::*;

fn form(name: &str) -> String {
    Action::parse(name).unwrap().as_str().to_owned()
}

#[test]
fn the_examples_of_the_design_hold() {
    for (name, expected) in [
        ("read:file", "read:file"),
        ("readFile", "read:file"),
        ("Read-File", "read:file"),
        (" READ  FILE ", "read:file"),
        ("read_file_and_delete_all", "read:file_and_delete_all"),
        ("mcp__github__create_issue", "mcp:github:create_issue"),
        ("github.create_issue", "github:create_issue"),
        ("tool:createIssue", "tool:create_issue"),
        ("filesystem/read_file", "filesystem:read_file"),
        ("DuckDuckGo Search", "duckduckgo:search"),
        ("GET /users", "get:users"),
        ("search", "search"),
    ] {
        assert_eq!(form(name), expected, "{name}");
    }
}

#[test]
fn runs_of_separators_count_once_and_ends_are_ignored() {
    for name in ["a:b", "::a::b::", "a/./b", "__a____b__", "a_:_b", "a:-:b", ".a.b."] {
        assert_eq!(form(name), "a:b", "{name}");
    }
}

#[test]
fn a_segment_with_another_character_is_not_split_at_case() {
    assert_eq!(form("getUser-name"), "getuser:name");
    assert_eq!(form("XMLHttpRequest2Go"), "xml:http_request2_go");
}

#[test]
fn nothing_left_or_not_ascii_or_too_long_is_invalid() {
    assert_eq!(Action::parse(""), Err(Invalid::Empty));
    assert_eq!(Action::parse("--"), Err(Invalid::Empty));
    assert_eq!(Action::parse("*"), Err(Invalid::Empty));
    assert_eq!(Action::parse("réad"), Err(Invalid::NotAscii));
    assert!(Action::parse(&"a".repeat(255)).is_ok());
    assert_eq!(Action::parse(&"a".repeat(256)), Err(Invalid::TooLong));
    assert_eq!(Action::parse(&"aB".repeat(127)), Err(Invalid::TooLong), "too long after");
}

#[test]
fn wildcards_count_as_letters_in_patterns_only() {
    assert_eq!(canonical_pattern("read*File").unwrap(), "read*:file");
    assert_eq!(canonical_pattern("read_*").unwrap(), "read:*");
    assert_eq!(canonical_pattern("mcp__**").unwrap(), "mcp:**");
    assert_eq!(form("read_*"), "read");
}

const NAMES: &str = include_str!("../../../docs/actions.txt");

#[test]
#[allow(clippy::disallowed_methods, reason = "a person asks for the new file by the environment")]
fn the_table_of_real_names_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/actions.md");
    let table = table(NAMES);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == table,
        "docs/actions.md is out of date: run `UPDATE_DOCS=1 cargo test --lib policy::action`"
    );
    let names: Vec<&str> = NAMES.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(names.len() >= 80, "{}", names.len());
    for name in names {
        let kept =
            |text: &str| text.to_ascii_lowercase().replace(|char: char| !char.is_ascii_alphanumeric(), "");
        assert_eq!(kept(&form(name)), kept(name), "no word is lost");
        assert_eq!(form(&form(name)), form(name));
    }
}

proptest! {
    #[test]
    fn the_form_of_a_form_is_itself(name in "[ -~]{0,60}") {
        if let Ok(action) = Action::parse(&name) {
            prop_assert_eq!(form(action.as_str()), action.as_str());
        }
        if let Ok(pattern) = canonical_pattern(&name) {
            prop_assert_eq!(canonical_pattern(&pattern).unwrap(), pattern);
        }
    }

    #[test]
    fn no_letter_or_digit_is_lost(name in "[ -~]{0,60}") {
        let kept = |text: &str| -> String {
            text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
        };
        if let Ok(action) = Action::parse(&name) {
            prop_assert_eq!(kept(action.as_str()), kept(&name));
        }
    }

    #[test]
    fn one_plain_word_splits_as_heck_splits(name in "[a-zA-Z0-9]{1,40}") {
        prop_assert_eq!(form(&name).replacen(':', "_", 1), name.to_snake_case());
    }
}
