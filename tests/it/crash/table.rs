//! What a crash left of what was acknowledged, counted and printed.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use super::load::Asked;
use crate::ledger::Ledger;

/// Sums over rounds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub rounds: u32,
    /// Calls that got no answer from the killed one; those with a key were tried again.
    pub cut: usize,
    pub acknowledged: usize,
    pub found: usize,
    pub lost: usize,
    pub twice: usize,
}

impl Count {
    /// Looks for every acknowledged decision of a round.
    pub fn round(&mut self, ledger: &Ledger, acknowledged: &[Asked]) {
        self.rounds += 1;
        self.acknowledged += acknowledged.len();
        for asked in acknowledged {
            // By its id, and by what it was about: a second record of one act would have another id.
            match (ledger.with_id(&asked.decision_id), ledger.about(&asked.resource)) {
                (1, 1) => self.found += 1,
                (0, _) => self.lost += 1,
                (_, _) => self.twice += 1,
            }
        }
        let verdicts: std::collections::HashMap<_, _> =
            ledger.records.iter().map(|record| (&record.decision_id, record.verdict.as_str())).collect();
        for asked in acknowledged {
            if let Some(verdict) = verdicts.get(&asked.decision_id) {
                assert_eq!(*verdict == "ALLOW", asked.allowed, "the record tells another verdict: {asked:?}");
            }
        }
    }
}

static LINES: Mutex<String> = Mutex::new(String::new());

/// Prints a case's row, and keeps the whole table where evidence is kept.
pub fn print(name: &str, count: &Count) {
    let Count { rounds, cut, acknowledged, found, lost, twice } = count;
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.is_empty() {
        let heads = ["case", "rounds", "acknowledged", "found once", "lost", "twice", "cut"];
        let [case, heads @ ..] = heads;
        write!(lines, "{case:50}").unwrap();
        for head in heads {
            write!(lines, " {head:>12}").unwrap();
        }
        lines.push('\n');
    }
    writeln!(lines, "{name:50} {rounds:>12} {acknowledged:>12} {found:>12} {lost:>12} {twice:>12} {cut:>12}")
        .unwrap();
    println!("{lines}");
    if let Some(directory) = std::env::var_os("AGENTGUARD_EVIDENCE_DIR") {
        std::fs::write(std::path::Path::new(&directory).join("crash.txt"), lines.as_str()).unwrap();
    }
}
