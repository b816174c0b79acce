//! The dearest decisions that are known: all end by the budget or within it, and ordinary ones hardly touch it.
//! What they take in time is measured by `benches/worst.rs`, which also looks for dearer ones.

mod ordinary;
mod recipe;

use std::path::Path;

use agentguard::policy::ReasonCode;
use agentguard::policy::meter::DECISION_STEPS;
use recipe::{Item, Recipe};

fn kept() -> Vec<(String, Recipe)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/worst");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let recipe = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            (path.file_stem().unwrap().to_string_lossy().into_owned(), recipe)
        })
        .collect()
}

#[test]
fn the_dearest_known_decisions_end_by_the_budget_or_within_it() {
    let kept = kept();
    assert!(kept.len() >= 10);
    let mut by_budget = 0;
    for (name, recipe) in &kept {
        let made = recipe.make().unwrap_or_else(|| panic!("{name} is not accepted"));
        let decision = made.decide();
        if decision.code == ReasonCode::DecisionBudget {
            by_budget += 1;
            assert_eq!(decision.steps, DECISION_STEPS, "{name}");
        } else {
            assert!(decision.steps <= DECISION_STEPS, "{name}");
        }
        let again = made.decide();
        assert_eq!((decision.code, decision.steps), (again.code, again.steps), "{name}");
    }
    assert!(by_budget * 2 > kept.len(), "only {by_budget} of {} reach the budget", kept.len());
}

#[test]
fn an_ordinary_decision_takes_less_than_a_hundredth_of_the_budget() {
    for (name, steps) in ordinary::all() {
        assert!(steps > 0 && steps < DECISION_STEPS / 100, "{name} takes {steps} steps");
    }
}

/// Steps of one decision by one rule.
fn steps(clause: &str, item: Item, resource: &str, on: &str) -> u32 {
    let pieces = |text: &str| vec![(text.to_owned(), 1)];
    let recipe = Recipe {
        list: "deny".into(),
        rules: 1,
        action: pieces("read:*"),
        asked: pieces("read:file"),
        resource: (!resource.is_empty()).then(|| pieces(resource)),
        on: if on.is_empty() { Vec::new() } else { pieces(on) },
        clauses: if clause.is_empty() { Vec::new() } else { vec![clause.into()] },
        items: 1,
        item,
        ..Recipe::default()
    };
    let decision = recipe.make().unwrap_or_else(|| panic!("{clause} {resource} is not accepted")).decide();
    assert_ne!(decision.code, ReasonCode::DecisionBudget, "{clause} {resource}");
    decision.steps
}

/// Bytes that at most one step pays for.
const BYTES_PER_STEP: u32 = 64;

fn grows_with_bytes(clause: &str, bytes: u32) -> bool {
    let text = |bytes: u32| Item::Text(vec![("a".into(), usize::try_from(bytes).unwrap())]);
    steps(clause, text(64 + bytes), "", "") >= steps(clause, text(64), "", "") + bytes / BYTES_PER_STEP
}

#[test]
fn every_operation_pays_for_the_bytes_it_reads() {
    for clause in [
        "arguments.x[0] + 'b' == ''",
        "arguments.x[0].contains('b')",
        "'b'.contains(arguments.x[0])",
        "'b'.startsWith(arguments.x[0])",
        "'b'.endsWith(arguments.x[0])",
        "arguments.x[0].lowerAscii() == ''",
        "arguments.x[0].upperAscii() == ''",
        "size(arguments.x[0]) == 0",
        "arguments.x[0] != arguments.x[0]",
        "arguments.x[0] < arguments.x[0]",
        "arguments.x != arguments.x",
        "!(arguments.x[0] in arguments.x)",
        "arguments.x[0] in arguments",
        "arguments[arguments.x[0]] == 1",
        "arguments.x[0].matches('b')",
    ] {
        assert!(grows_with_bytes(clause, 6_400), "{clause}");
    }
    // One that is walked state by state: a longer text would end by the budget.
    assert!(grows_with_bytes(r"arguments.x[0].matches(r'\p{L}b')", 1_280));
    // The check can fail: these read no byte of the text.
    for clause in ["arguments.x == []", "has(arguments.y)", "size(arguments.x) == 0"] {
        assert!(!grows_with_bytes(clause, 6_400), "{clause}");
    }
}

#[test]
fn a_pattern_pays_for_the_bytes_of_a_literal_that_fails() {
    let on = "a".repeat(2_000);
    let at = |literal: usize| steps("", Item::Null, &format!("*{}b*", "a".repeat(literal)), &on);
    // The literal is compared at each of the places where it might stand, and fails with its last byte.
    let (short, long) = (at(1), at(1_000));
    assert!(long >= short + 1_000 * 1_000 / BYTES_PER_STEP - 2_000, "{short} {long}");
}

#[test]
fn the_index_pays_for_the_bytes_it_walks_past() {
    let on = "a".repeat(2_000);
    let exact = |count: usize| {
        let recipe = Recipe {
            list: "deny".into(),
            rules: 10,
            action: vec![("read:*".into(), 1)],
            asked: vec![("read:file".into(), 1)],
            resource: Some(vec![("a".into(), count), ("#b".into(), 1)]),
            on: vec![(on.clone(), 1)],
            ..Recipe::default()
        };
        recipe.make().unwrap().decide().steps
    };
    let (short, long) = (exact(1), exact(1_900));
    assert!(long >= short + 1_900 / BYTES_PER_STEP - 1, "{short} {long}");
}

#[test]
fn making_a_number_of_many_digits_and_a_text_of_one_are_dear() {
    let long = format!("{}1", "0".repeat(40));
    let step = |clause: &str| steps(clause, Item::Text(vec![(long.clone(), 1)]), "", "");
    let plain = step("arguments.x[0] == ''");
    assert!(step("double(arguments.x[0]) == 0.5") > plain + 100);
    assert!(step("string(1e308) == ''") > plain + 100);
    assert!(step("timestamp(arguments.x[0]) == now") > plain + 20);
    assert!(step("'' + '' == 'a'") > 8);
}
