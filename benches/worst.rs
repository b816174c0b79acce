//! Searches for the dearest decision: policies and requests that are accepted, changed at random, the dearest
//! kept. `cargo bench --bench worst -- --seconds 120 --seed 1`; it begins with what was found before
//! (`tests/it/worst/*.json`, or the folder after `--from`). With `--keep FOLDER` what it finds is written there in the same form.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a benchmark fails by panicking and reads the clock and its environment"
)]

#[path = "../tests/it/worst/ordinary.rs"]
mod ordinary;
#[path = "../tests/it/worst/recipe.rs"]
mod recipe;
#[path = "worst/search.rs"]
mod search;

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use agentguard::policy::ReasonCode;
use agentguard::policy::meter::DECISION_STEPS;
use recipe::{Made, Recipe};
use search::Random;

/// Below so many steps what every decision costs anyway would count for too much.
const LEAST_STEPS: u32 = 20_000;
/// Where what was found before lies.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/worst");
/// Multiplications of the calibration loop, one after the other.
const CALIBRATION: u64 = 1_000_000;
/// Changes in a row that may come to nothing before a search begins anew.
const PATIENCE: usize = 60;

/// How dear a decision was found to be.
#[derive(Clone, Debug)]
struct Found {
    name: String,
    recipe: Recipe,
    micros: f64,
    steps: u32,
    code: ReasonCode,
}

impl Found {
    fn nanos_per_step(&self) -> f64 {
        if self.steps < LEAST_STEPS { 0.0 } else { self.micros * 1_000.0 / f64::from(self.steps) }
    }

    fn goal(&self, goal: usize) -> f64 {
        if goal == 0 { self.micros } else { self.nanos_per_step() }
    }
}

/// The fastest of some runs, in microseconds: what other work on the machine adds is left out.
fn fastest(runs: usize, mut run: impl FnMut()) -> f64 {
    (0..runs)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed().as_secs_f64() * 1e6
        })
        .fold(f64::INFINITY, f64::min)
}

fn calibrate(runs: usize) -> f64 {
    fastest(runs, || {
        let mut value = black_box(1u64);
        for _ in 0..CALIBRATION {
            // Seen from outside each time, or the compiler would take many at once.
            value = black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    })
}

fn measure(name: &str, recipe: &Recipe, runs: usize) -> Option<Found> {
    let made = recipe.make()?;
    let decision = made.decide();
    let micros = fastest(runs, || drop(black_box(black_box(&made).decide())));
    Some(Found {
        name: name.into(),
        recipe: recipe.clone(),
        micros,
        steps: decision.steps,
        code: decision.code,
    })
}

/// The fastest of some runs of which each finds nothing of the policies in the processor's caches.
fn cold(made: &Made) -> f64 {
    let mut other = vec![1u8; 96 << 20];
    let mut fastest = f64::INFINITY;
    for _ in 0..5 {
        other.iter_mut().step_by(64).for_each(|byte| *byte = byte.wrapping_add(1));
        black_box(&other);
        let started = Instant::now();
        black_box(made.decide());
        fastest = fastest.min(started.elapsed().as_secs_f64() * 1e6);
    }
    fastest
}

fn kept(folder: &str) -> Vec<(String, Recipe)> {
    let mut kept: Vec<(String, Recipe)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
        })
        .collect();
    kept.sort_by(|one, other| one.0.cmp(&other.0));
    kept
}

fn main() {
    let options: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let at = options.iter().position(|option| option == name)?;
        options.get(at + 1).cloned()
    };
    let number = |name: &str, otherwise: u64| option(name).map_or(otherwise, |text| text.parse().unwrap());
    let (seconds, seed) = (number("--seconds", 60), number("--seed", 1));

    let calibration = calibrate(20);
    let mut found: Vec<Found> = kept(&option("--from").unwrap_or_else(|| KEPT.into()))
        .iter()
        .map(|(name, recipe)| measure(name, recipe, 5).expect(name))
        .collect();
    let mut tried = 0u64;
    let started = Instant::now();
    let mut random = Random(seed);
    let mut round = 0;
    while started.elapsed().as_secs() < seconds {
        let goal = round % 2;
        let from_kept = round % 4 < 2 && !found.is_empty();
        let recipe = if from_kept {
            found[random.below(found.len())].recipe.clone()
        } else {
            search::fresh(&mut random)
        };
        round += 1;
        let name = format!("seed {seed}, search {round}");
        let Some(mut best) = measure(&name, &recipe, 3) else { continue };
        let mut idle = 0;
        while idle < PATIENCE && started.elapsed().as_secs() < seconds {
            let mut changed = best.recipe.clone();
            for _ in 0..1 + random.below(3) {
                search::change(&mut changed, &mut random);
            }
            tried += 1;
            idle += 1;
            let Some(next) = measure(&name, &changed, 3) else { continue };
            // Measured again, so that no disturbance is kept for a find.
            if next.goal(goal) > best.goal(goal) * 1.02
                && let Some(next) = measure(&name, &changed, 6)
                && next.goal(goal) > best.goal(goal) * 1.01
            {
                best = next;
                idle = 0;
            }
        }
        found.push(best);
    }
    let calibration = calibration.min(calibrate(20));
    report(&found, calibration, tried, seconds, seed, option("--keep"));
}

fn report(found: &[Found], calibration: f64, tried: u64, seconds: u64, seed: u64, keep: Option<String>) {
    let mut out = format!(
        "Worst decisions found: {tried} changes tried in {seconds} s, seed {seed}; budget {DECISION_STEPS} steps.\n\
         Times are the fastest of 30 runs; beside them the time as a multiple of a calibration loop\n\
         ({CALIBRATION} dependent multiplications: {:.3} ms in this run); cold: caches overwritten before each run.\n\n\
         {:<28} {:>8} {:>9} {:>8} {:>9} {:>9}  {}\n",
        calibration / 1_000.0,
        "policy and request",
        "ms",
        "multiple",
        "cold ms",
        "steps",
        "ns/step",
        "outcome"
    );
    let mut slowest: (f64, f64) = (0.0, 0.0);
    for goal in [0, 1] {
        let mut best: Vec<&Found> = found.iter().collect();
        best.sort_by(|one, other| other.goal(goal).total_cmp(&one.goal(goal)));
        writeln!(out, "{}", ["-- by time of a decision", "-- by time of a step"][goal]).unwrap();
        for (place, one) in best.iter().take(12).enumerate() {
            let again = measure(&one.name, &one.recipe, 30).unwrap();
            let cold = cold(&one.recipe.make().unwrap());
            slowest = (slowest.0.max(again.micros), slowest.1.max(again.nanos_per_step()));
            writeln!(
                out,
                "{:<28} {:>8.3} {:>9.2} {:>8.3} {:>9} {:>9.1}  {}",
                one.name,
                again.micros / 1e3,
                again.micros / calibration,
                cold / 1e3,
                again.steps,
                again.nanos_per_step(),
                again.code
            )
            .unwrap();
            if let Some(folder) = &keep {
                let text = serde_json::to_string(&one.recipe).unwrap();
                std::fs::write(format!("{folder}/{}-{place}.json", ["time", "step"][goal]), text).unwrap();
            }
        }
    }
    writeln!(
        out,
        "\nslowest decision {:.3} ms ({:.2} x calibration), dearest step {:.1} ns\n",
        slowest.0 / 1e3,
        slowest.0 / calibration,
        slowest.1
    )
    .unwrap();
    writeln!(out, "Share of the budget that ordinary decisions use:").unwrap();
    for (name, steps) in ordinary::all() {
        let share = f64::from(steps) * 100.0 / f64::from(DECISION_STEPS);
        writeln!(out, "{name:<40} {steps:>6} steps {share:>7.3} %").unwrap();
    }
    print!("{out}");
    if let Ok(folder) = std::env::var("AGENTGUARD_EVIDENCE_DIR") {
        std::fs::write(format!("{folder}/worst.txt"), out).unwrap();
    }
}
