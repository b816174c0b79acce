//! The audit writer in a world of its own: up to three writers that crash, stop and start again, clocks that step, a
//! database that restarts or is put back to a backup, connections that are cut, statements that arrive late or twice,
//! a janitor and an intruder, all in an order that a seed decides.
//!
//! The real machine runs here, step for step as in its shell. After each step and at the end the promises of the
//! protocol are checked on what callers heard and on what stands in the tables. For each rule of writing there is a
//! world without it, and the same checks must find that out.
//!
//! 20,000 histories by default, 1,000,000 with `AGENTGUARD_TEST_FULL=1`. A seed that fails is played again, step by
//! step, by `AGENTGUARD_SIMULATION_SEED=SEED cargo test --lib simulation::a_seed_can_be_replayed -- --nocapture`.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

mod check;
mod heal;
mod process;
mod removed;
mod server;
mod world;

use removed::Rule;
use world::World;

/// Histories of the default tier, and of `AGENTGUARD_TEST_FULL=1`.
const HISTORIES: (u64, u64) = (20_000, 1_000_000);

/// Seeds after which a removed rule counts as not found.
const PATIENCE: u64 = 20_000;

/// A variable of the environment: the only way in that a test has.
#[allow(clippy::disallowed_methods, reason = "a test's size and seed come from whoever runs it")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn is_full() -> bool {
    variable("AGENTGUARD_TEST_FULL").is_some_and(|value| value == "1")
}

/// Keeps a table where evidence is kept.
fn keep(name: &str, text: &str) {
    println!("{text}");
    if let Some(directory) = variable("AGENTGUARD_EVIDENCE_DIR") {
        std::fs::write(std::path::Path::new(&directory).join(name), text).unwrap();
    }
}

/// Plays one history; answers the rule it broke.
fn play(seed: u64, without: Option<Rule>) -> (World, Result<(), String>) {
    let mut world = World::new(seed, without, false);
    let played = world.play();
    (world, played)
}

/// The history again, every step told.
fn told(seed: u64, without: Option<Rule>) -> String {
    let mut world = World::new(seed, without, true);
    let played = world.play();
    let mut text = world.trace.take().unwrap_or_default().join("\n");
    writeln!(text, "\nseed {seed}: {played:?}").unwrap();
    text
}

#[test]
fn no_history_breaks_a_promise() {
    let histories = if is_full() { HISTORIES.1 } else { HISTORIES.0 };
    let next = AtomicU64::new(0);
    let sums = Mutex::new(([0_u64; 5], Vec::<(String, u64)>::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = ([0_u64; 5], Vec::<(String, u64)>::new());
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= histories {
                        break;
                    }
                    let (world, played) = play(seed, None);
                    if let Err(fault) = played {
                        next.store(histories, Ordering::Relaxed);
                        panic!("seed {seed}: {fault}\n{}", told(seed, None));
                    }
                    count(&world, &mut own);
                }
                let mut sums = sums.lock().unwrap();
                for (sum, own) in sums.0.iter_mut().zip(own.0) {
                    *sum += own;
                }
                for (act, count) in own.1 {
                    add(&mut sums.1, act, count);
                }
            });
        }
    });
    let (sums, acts) = sums.into_inner().unwrap();
    let [calls, acknowledged, fences, breaks, chains] = sums;
    let mut text = format!(
        "{histories} histories, no promise broken: {calls} calls, {acknowledged} acknowledged, {chains} chains, \
         {fences} fences, {breaks} times the breaker opened\n\nwhat happened, and how often:\n"
    );
    for (act, count) in &acts {
        writeln!(text, "{count:>12}  {act}").unwrap();
    }
    keep("simulation.txt", &text);
    assert!(
        fences > histories / 20 && breaks > histories / 20 && acknowledged > histories * 5,
        "the histories are too tame: {text}"
    );
}

/// Calls, acknowledged calls, fences, breaks, chains; and the acts.
fn count(world: &World, sums: &mut ([u64; 5], Vec<(String, u64)>)) {
    let [calls, acknowledged, fences, breaks, chains] = &mut sums.0;
    for process in &world.processes {
        *calls += process.asked.len() as u64;
        *acknowledged +=
            process.asked.values().filter(|asked| matches!(asked.answer, Some(Ok(_)))).count() as u64;
        *fences += u64::from(process.fences);
        *breaks += u64::from(process.breaks);
    }
    *chains += world.server.database().chains.len() as u64;
    for (act, count) in &world.counts {
        add(&mut sums.1, format!("{act:?}"), u64::from(*count));
    }
}

fn add(counts: &mut Vec<(String, u64)>, act: String, count: u64) {
    match counts.iter_mut().find(|(counted, _)| *counted == act) {
        Some((_, sum)) => *sum += count,
        None => counts.push((act, count)),
    }
}

/// The control of every check at once: without any one rule some history is seen to break a promise.
#[test]
fn each_rule_that_is_removed_is_missed() {
    let mut text = format!("{:<5} {:<70} {:>6}  what was seen\n", "rule", "", "seed");
    let mut unseen = Vec::new();
    for &rule in Rule::ALL {
        // A seed counts only if it breaks nothing with the rule in place.
        let found = (0..PATIENCE).find_map(|seed| {
            let fault = play(seed, Some(rule)).1.err()?;
            play(seed, None).1.ok().map(|()| (seed, fault))
        });
        match found {
            Some((seed, fault)) => {
                writeln!(text, "{:<5} {:<70} {seed:>6}  {fault}", rule.section(), rule.text()).unwrap();
            }
            None => unseen.push(rule.text()),
        }
    }
    keep("simulation-rules.txt", &text);
    assert_eq!(unseen, Vec::<&str>::new(), "removed, and nothing was seen to be wrong\n{text}");
}

#[test]
fn a_seed_can_be_replayed() {
    let seed = variable("AGENTGUARD_SIMULATION_SEED").map_or(1, |seed| seed.parse().unwrap());
    let rule = variable("AGENTGUARD_SIMULATION_WITHOUT");
    let rule = rule.map(|name| *Rule::ALL.iter().find(|rule| format!("{rule:?}") == name).unwrap());
    let (once, again) = (told(seed, rule), told(seed, rule));
    println!("{once}");
    assert_eq!(once, again);
    assert_ne!(once, told(seed + 1, rule));
}
