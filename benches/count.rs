//! Instructions of the parts of a check, counted by valgrind's callgrind and held to `benches/count/baseline.txt`:
//! unlike time, they are the same on a busy machine.
//!
//! `cargo bench --profile count --bench count` compares and fails beyond the tolerance, either way: a baseline that is
//! too high would hide the next loss. `-- --update` writes it anew. A count also depends on compiler, C library and
//! valgrind; where they are not those of the baseline the tolerance is wide, and that is said.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark fails by panicking"
)]

#[path = "count/baseline.rs"]
mod baseline;
#[path = "count/cases.rs"]
mod cases;
#[path = "decide/policies.rs"]
mod policies;

use std::process::{Command, ExitCode, Stdio};

use baseline::{Baseline, Surroundings};
use cases::CASES;

/// Turns of a case under the counter: enough that what surrounds them does not count.
const TURNS: u32 = 100;

/// The argument with which the program runs one case, for the counter.
const CASE: &str = "case";

/// Runs this many turns more of every hundred: what the check must see.
const SLOWER: u32 = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [CASE, name, turns] => {
            run(name, turns.parse().unwrap());
            ExitCode::SUCCESS
        }
        [] => check(),
        ["--update"] => {
            let counts = CASES.iter().map(|case| (case.name.to_owned(), count(case.name, TURNS))).collect();
            Baseline { surroundings: Surroundings::here(), counts }.write();
            ExitCode::SUCCESS
        }
        _ => panic!("without an option it checks; `--update` writes the baseline"),
    }
}

/// Compares every case, and makes sure that a slower one would be seen.
fn check() -> ExitCode {
    let baseline = Baseline::read();
    let here = Surroundings::here();
    let tolerance = baseline.surroundings.tolerance(&here);
    println!("baseline: {}", baseline.surroundings);
    println!("here:     {here}");
    if tolerance.is_wide {
        println!(
            "WIDE TOLERANCE: the baseline was counted elsewhere, so that only a coarse loss would be seen."
        );
    }
    println!("instructions a turn, tolerance {:.0} %", tolerance.share * 100.0);
    println!("{:32} {:>12} {:>12} {:>8}", "case", "baseline", "counted", "change");
    let mut failed = 0;
    for case in CASES {
        let counted = count(case.name, TURNS);
        let before = baseline.counts.get(case.name).copied();
        let change = before.map(|before| counted as f64 / before as f64 - 1.0);
        let good = change.is_some_and(|change| change.abs() <= tolerance.share);
        println!(
            "{:32} {:>12} {counted:>12} {:>8}{}",
            case.name,
            before.map_or("-".to_owned(), |before| before.to_string()),
            change.map_or("-".to_owned(), |change| format!("{:+.1} %", change * 100.0)),
            if good { "" } else { "   FAILED" }
        );
        failed += usize::from(!good);
    }
    for name in baseline.counts.keys().filter(|name| CASES.iter().all(|case| case.name != name.as_str())) {
        println!("{name:32} is in the baseline only   FAILED");
        failed += 1;
    }
    // The control: five turns in a hundred more must be beyond the narrow tolerance.
    let case = CASES[0].name;
    let (usual, slower) = (count(case, TURNS), count(case, TURNS + SLOWER));
    let seen = slower as f64 / usual as f64 - 1.0 > baseline::NARROW;
    println!(
        "control: {case}, {SLOWER} % more turns: {usual} -> {slower}{}",
        if seen { "" } else { "   FAILED" }
    );
    failed += usize::from(!seen);
    if failed > 0 {
        println!("if a change is meant: cargo bench --profile count --bench count -- --update, and say why");
    }
    println!("{} passed, {failed} failed", CASES.len() + 1 - failed.min(CASES.len() + 1));
    ExitCode::from(u8::from(failed > 0))
}

/// The instructions of a turn of a case, counted over `turns` and shared among [`TURNS`].
fn count(case: &str, turns: u32) -> u64 {
    let counted = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg("--toggle-collect=*count::counted*")
        .arg(std::env::current_exe().unwrap())
        .args([CASE, case, &turns.to_string()])
        .stdout(Stdio::null())
        .output()
        .expect("valgrind does not start; `scripts/test` installs it");
    let said = String::from_utf8_lossy(&counted.stderr);
    assert!(counted.status.success(), "{case}: {said}");
    let total: u64 = said
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .unwrap_or_else(|| panic!("{case}: valgrind counted nothing: {said}"))
        .1
        .trim()
        .parse()
        .unwrap();
    assert!(total > 0, "{case}: valgrind did not find the function that is counted");
    total / u64::from(TURNS)
}

/// Runs a case once, so that what is made at the first use is there, and then under the counter.
fn run(name: &str, turns: u32) {
    let case = CASES.iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no case `{name}`"));
    let mut turn = (case.prepare)();
    turn();
    counted(&mut *turn, turns);
}

/// Known to the counter by its name.
#[inline(never)]
fn counted(turn: &mut dyn FnMut(), turns: u32) {
    for _ in 0..turns {
        turn();
    }
}
