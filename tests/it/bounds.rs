//! Every bound at n and n + 1 in one table, through the real server, each as its clients meet it.
//!
//! n is read from `docs/limits.md`, which is printed from the constants. A row that is shown elsewhere names its test,
//! one that refuses nothing says what it does instead, and no row of the page may be in neither.

mod elsewhere;
mod rows;
mod sized;
mod stage;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use rows::Row;
use stage::Stage;

use crate::harness::eventually;

/// What the checker found, or what it objects to.
async fn check(stage: &mut Stage, row: &Row, n: usize) -> Result<(), String> {
    for (size, expected) in [(n, row.at), (n + 1, row.beyond)] {
        let met = settled(stage, row, size).await;
        if met != expected {
            return Err(format!("{} at {size}: {met}, not {expected}", row.what));
        }
    }
    Ok(())
}

/// What is met once the server is not busy: a machine that keeps a commit for too long says nothing about a bound.
async fn settled(stage: &mut Stage, row: &Row, size: usize) -> String {
    eventually("an answer", async || {
        let met = (row.probe)(stage, size).await;
        (!met.contains("UNAVAILABLE") && !met.contains("DEADLINE_EXCEEDED")).then_some(met)
    })
    .await
}

/// The page's rows: what is bounded, and at how much (as far as that is a number).
fn page() -> BTreeMap<String, Option<usize>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/limits.md")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what "));
    lines
        .map(|line| {
            let mut cells = line.trim_matches('|').split(" | ");
            let what = cells.next().unwrap().trim().to_owned();
            (what, cells.next().unwrap().replace(',', "").parse().ok())
        })
        .collect()
}

#[test]
fn no_bound_of_the_page_is_forgotten() {
    let page = page();
    assert!(page.len() > 50, "{}", page.len());
    let known: Vec<&str> = rows::ROWS
        .iter()
        .map(|row| row.what)
        .chain(elsewhere::SHOWN.iter().map(|shown| shown.0))
        .chain(elsewhere::NO_REFUSAL.iter().map(|row| row.0))
        .collect();
    let forgotten: Vec<_> = page.keys().filter(|what| !known.contains(&what.as_str())).collect();
    assert!(forgotten.is_empty(), "no row and no reason: {forgotten:#?}");
    let settings = rows::SETTINGS.map(|(what, _)| what);
    let invented: Vec<_> =
        known.iter().filter(|what| !page.contains_key(**what) && !settings.contains(what)).collect();
    assert!(invented.is_empty(), "not on the page: {invented:#?}");
}

#[test]
fn what_is_shown_elsewhere_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_there = |file: &str, test: &str| {
        std::fs::read_to_string(root.join(file)).is_ok_and(|source| source.contains(&format!("fn {test}(")))
    };
    for (what, file, test) in elsewhere::SHOWN {
        assert!(is_there(file, test), "{what}: no test `{test}` in {file}");
    }
    // The control.
    assert!(!is_there("src/policy/value.rs", "a_test_that_nobody_wrote"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bound_holds_at_n_and_not_at_n_plus_1() {
    let page = page();
    let mut stage = Stage::start().await;
    let mut table = format!("{:78} {:>10}  {:28} {}\n", "what", "n", "at n", "at n + 1");
    let mut faults = Vec::new();
    for row in rows::ROWS {
        let n = match rows::SETTINGS.iter().find(|(what, _)| *what == row.what) {
            Some((_, n)) => *n,
            None => match row.n {
                Some(find) => find(&mut stage).await,
                None => page[row.what].unwrap_or_else(|| panic!("no number: {}", row.what)),
            },
        };
        let name = match row.part {
            "" => row.what.to_owned(),
            part => format!("{}: {part}", row.what),
        };
        writeln!(table, "{name:78} {n:>10}  {:28} {}", row.at, row.beyond).unwrap();
        if let Err(fault) = check(&mut stage, row, n).await {
            faults.push(fault);
        }
        // The control: a bound that is off by one, either way, is seen.
        for off in [n - 1, n + 1] {
            if check(&mut stage, row, off).await.is_ok() {
                faults.push(format!("{name}: the checker takes {off} for the bound, too"));
            }
        }
    }
    table.push_str("\nshown elsewhere, each by a test of its own\n");
    for (what, file, test) in elsewhere::SHOWN {
        writeln!(table, "{what:78} {file} {test}").unwrap();
    }
    table.push_str("\nrefuses nothing\n");
    for (what, instead) in elsewhere::NO_REFUSAL {
        writeln!(table, "{what:78} {instead}").unwrap();
    }
    table.push_str("\nof features that are not built yet\n");
    for what in elsewhere::NOT_BUILT {
        writeln!(table, "{what}").unwrap();
    }
    println!("{table}");
    if let Some(directory) = std::env::var_os("AGENTGUARD_EVIDENCE_DIR") {
        std::fs::write(Path::new(&directory).join("bounds.txt"), &table).unwrap();
    }
    assert!(faults.is_empty(), "{faults:#?}");
    let log = stage.guard.log();
    assert!(!log.contains("failed inside"), "{log}");
}
