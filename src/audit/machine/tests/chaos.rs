//! Hundreds of random histories, seeded, so that one that fails can be run again.

use super::*;

/// Histories played; each of 200 steps.
const SEEDS: u64 = 400;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// Lost commands, late deliveries, other writers, offenders, pauses and clock steps, in any order.
fn history(seed: u64, mode: Mode) -> Rig {
    let mut dice = Dice(seed);
    let mut rig = Rig::new(mode);
    let mut late: Vec<Batch> = Vec::new();
    for step in 0..200 {
        match dice.roll(20) {
            0..=6 => {
                let name = format!("{step}");
                let size = usize::try_from(dice.roll(3)).unwrap() + 1;
                rig.submit(&vec![name.as_str(); size]);
            }
            7 => drop(rig.submit(&[POISON])),
            8 => {
                let time = Duration::from_millis(dice.roll(700));
                rig.pass(time);
            }
            9 if dice.roll(8) == 0 => rig.at = rig.at.minus(Duration::from_secs(dice.roll(120))),
            10 if dice.roll(6) == 0 => {
                let open = rig.database.chains.iter().find(|(_, chain)| !chain.closed);
                if let Some(chain) = open.map(|(id, _)| id.parse::<ChainId>().unwrap()) {
                    rig.database.intrude(&chain, dice.roll(2) == 0);
                }
            }
            11 if !late.is_empty() => {
                // A statement that was given up arrives at last.
                let batch = late.remove(0);
                rig.database.append(&batch);
            }
            _ => {
                if rig.pending.is_none() {
                    rig.pass(Duration::from_millis(10));
                    continue;
                }
                let fate = [Fate::Heard, Fate::Heard, Fate::LostBefore, Fate::LostAfter]
                    [usize::try_from(dice.roll(4)).unwrap()];
                if let (Fate::LostBefore, Some(Command::Append(batch))) = (fate, &rig.pending) {
                    late.push((**batch).clone());
                }
                rig.end(fate);
            }
        }
    }
    rig.settle();
    for batch in late {
        rig.database.append(&batch);
    }
    rig.event(Event::Close);
    rig.settle();
    rig
}

#[test]
fn whatever_happens_each_acknowledged_entry_stands_there_exactly_once() {
    let (mut fences, mut breaks) = (0, 0);
    for seed in 0..SEEDS {
        let mode = if seed % 4 == 0 { Mode::Async } else { Mode::Durable };
        let rig = history(seed, mode);
        assert_eq!(rig.database.fault(), None, "seed {seed}");
        assert!(rig.said.contains(&Notice::Closed), "seed {seed}: the writer does not end");
        assert!(!rig.machine.is_broken(), "seed {seed}: the breaker stays open");
        for ticket in 1..=rig.tickets {
            assert!(rig.answers.contains_key(&ticket), "seed {seed}: call {ticket} was never answered");
        }
        let mut written = BTreeMap::<String, usize>::new();
        for action in rig.database.actions() {
            *written.entry(action).or_default() += 1;
        }
        check(&rig, &written, seed);
        fences += rig.fenced();
        breaks += rig.said.iter().filter(|notice| **notice == Notice::BreakerOpened).count();
    }
    assert!(fences > 100 && breaks > 100, "{fences} fences, {breaks} breaks: the histories are too tame");
}

/// Every call's entries stand there together, once, or not at all; what was acknowledged stands there.
fn check(rig: &Rig, written: &BTreeMap<String, usize>, seed: u64) {
    let mut lost: usize =
        rig.said.iter().map(|notice| if let Notice::Lost(count) = notice { *count } else { 0 }).sum();
    for (ticket, (name, size)) in &rig.names {
        let found = written.get(name).copied().unwrap_or(0);
        assert!(found == 0 || found == *size, "seed {seed}: `{name}` stands there {found} times, not {size}");
        if found == 0 && rig.ok(*ticket) {
            assert!(
                name == POISON && lost >= *size,
                "seed {seed}: `{name}` was acknowledged and is not there"
            );
            lost -= size;
        }
    }
}
