//! The fuzzer's targets without the fuzzer: each is run over its corpus and over seeded mutations of it, so that
//! the stable toolchain and the default tier hold what `fuzz/run` searches. Engines with a planted fault must be
//! found.

mod mutate;
#[path = "../../fuzz/targets/lib.rs"]
mod targets;

use std::path::Path;

use agentguard::policy::{Policies, decide};
use targets::{Target, action, condition, pattern};

use crate::oracle::random::Random;

/// Mutations of a target's corpus.
const MUTATIONS: usize = 3_000;
const FULL_MUTATIONS: usize = 300_000;
/// Files and bytes that the corpus of a target may have: a clone stays small, a replay quick.
const MAX_FILES: usize = 40;
const MAX_BYTES: usize = 200 * 1024;

/// What is committed of the corpus of a target; its files by name.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Runs the corpus of `name` and then mutations of it; how many inputs until the one that fails, and that one.
fn hunt(name: &str, mutations: usize, run: impl Fn(&[u8])) -> Option<(usize, Vec<u8>)> {
    let corpus = corpus(name);
    let fails = |input: &[u8]| std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(input))).is_err();
    let mut random = Random::new(name.bytes().fold(0, |seed, byte| seed * 31 + u64::from(byte)));
    let mutated = (0..mutations).map(|_| mutate::mutated(&mut random, &corpus));
    corpus.iter().cloned().chain(mutated).enumerate().find(|(_, input)| fails(input))
}

fn smoke(name: &str) {
    let (_, run): &Target = targets::ALL.iter().find(|(target, _)| *target == name).unwrap();
    let is_full = std::env::var("AGENTGUARD_TEST_FULL").is_ok_and(|value| value == "1");
    let mutations = if is_full { FULL_MUTATIONS } else { MUTATIONS };
    if let Some((number, input)) = hunt(name, mutations, run) {
        panic!("{name} fails with input {number}: b\"{}\"", input.escape_ascii());
    }
}

macro_rules! smoke {
    ($($test:ident = $name:literal),+ $(,)?) => {
        $(#[test] fn $test() { smoke($name); })+
        const SMOKED: &[&str] = &[$($name),+];
    };
}

smoke! {
    actions_have_one_form = "action",
    expressions_keep_the_laws = "condition",
    decisions_keep_the_laws = "decide",
    bodies_of_enforce_read_back = "enforce_json",
    keys_have_one_text = "key",
    page_tokens_lead_back = "page_token",
    patterns_match_as_designed = "pattern",
    policy_files_read_back = "policy_yaml",
}

#[test]
fn every_target_is_run_and_fuzzed() {
    let names: Vec<&str> = targets::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, SMOKED);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{name} is no binary");
        let binary = std::fs::read_to_string(root.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(binary.contains(&format!("agentguard_fuzz::{name}::run(data)")), "{name} runs another");
    }
}

#[test]
fn the_corpus_is_small() {
    for (name, _) in targets::ALL {
        let corpus = corpus(name);
        let bytes: usize = corpus.iter().map(Vec::len).sum();
        assert!((1..=MAX_FILES).contains(&corpus.len()), "{name} has {} files", corpus.len());
        assert!(bytes <= MAX_BYTES, "{name} has {bytes} bytes");
    }
}

/// Each wrong in one thing only, as an engine might be.
#[test]
fn a_planted_fault_is_found() {
    type Control = (&'static str, &'static str, fn(&[u8]));
    let controls: [Control; 4] = [
        ("pattern", "a `\\` separates nothing", |data| {
            pattern::check(data, |over, written, texts| {
                let texts: Vec<String> = texts.iter().map(|text| text.replace('\\', "x")).collect();
                pattern::engine(over, written, &texts.iter().map(String::as_str).collect::<Vec<_>>())
            });
        }),
        ("action", "the fourth word is dropped", |data| {
            action::check(data, |name| {
                let form = agentguard::policy::Action::parse(name)?.as_str().to_owned();
                let words: Vec<&str> = form.split_inclusive([':', '_']).collect();
                let kept: String =
                    words.iter().enumerate().filter(|(at, _)| *at != 3).map(|(_, word)| *word).collect();
                Ok(kept.trim_end_matches([':', '_']).to_owned())
            });
        }),
        ("condition", "an error is false", |data| {
            condition::check(data, |source, request, now| {
                condition::engine(source, request, now).map(|came| came.map(|came| Ok(came.unwrap_or(false))))
            });
        }),
        ("decide", "an agent's policy shadows its team's", |data| {
            targets::decide::check(data, |policies, subject, request, now| {
                let team = if policies.agent.is_some() { None } else { policies.team };
                decide(&Policies { team, ..*policies }, subject, request, now)
            });
        }),
    ];
    println!("{:<40} inputs until it is found", "planted fault");
    for (name, fault, run) in controls {
        let found = hunt(name, MUTATIONS, run);
        let (number, input) = found.unwrap_or_else(|| panic!("not found: {fault}"));
        println!("{fault:<40} {number:>6}   b\"{}\"", input.escape_ascii());
    }
}
