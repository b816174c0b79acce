//! `docs/guarantees.md` names the tests that hold each promise; this holds the page to tests that exist.

use std::path::Path;

/// The source of a test module, or an empty text.
fn source(parts: &[&str], root: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(root).join(parts.join("/"));
    let file = path.with_extension("rs");
    std::fs::read_to_string(file).unwrap_or_default()
}

/// Whether a name of the page, such as `crash::a_killed_…` or `lib:audit::…`, is a test or a module of tests.
fn exists(name: &str) -> bool {
    let (root, name) = name.strip_prefix("lib:").map_or(("tests/it", name), |name| ("src", name));
    let parts: Vec<_> = name.split("::").collect();
    if parts.len() == 1 {
        return !source(&parts, root).is_empty();
    }
    let Some((test, modules)) = parts.split_last() else { return false };
    source(modules, root).contains(&format!("fn {test}("))
}

#[test]
fn every_test_that_the_page_names_exists() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guarantees.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter(|line| line.starts_with('|') && line.contains('`'));
    let names: Vec<_> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .filter(|name| !name.contains('/') && !name.contains('.'))
        .collect();
    assert!(names.len() > 25, "{names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "docs/guarantees.md names what is not there: {missing:?}");
}

#[test]
fn a_test_that_is_not_there_is_missed() {
    assert!(exists("crash::a_killed_postgres_keeps_what_was_acknowledged"));
    assert!(!exists("crash::a_killed_postgres_keeps_everything"));
    assert!(!exists("nowhere"));
}
