//! What happens in one case: all of it follows from the seed and the case's number.

use std::time::Duration;

use super::proxy::{Act, Fault, Step};
use crate::oracle::random::Random;

/// What the writer is doing when it is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    Append,
    /// A new writer opens its chain.
    Open,
    /// A writer closes its chain.
    Close,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub doing: Doing,
    /// The first happens for certain; another one may strike while the first is being settled.
    pub faults: Vec<Fault>,
    /// Calls under way at once.
    pub callers: usize,
}

pub const STEPS: [Step; 4] = [Step::Begin, Step::Statement, Step::Commit, Step::Answer];
const DOINGS: [Doing; 4] = [Doing::Append, Doing::Open, Doing::Close, Doing::Append];
const WAYS: usize = 2;

/// The three acts without their times.
pub fn name(act: &Act) -> &'static str {
    match act {
        Act::Cut => "cut",
        Act::Delay(_) => "delay",
        Act::Blackhole(_) => "blackhole",
        Act::Gate(_) => "gate",
    }
}

impl Plan {
    /// Case `number` of a lane; lanes of one way go through steps, acts and doings in turn, the times are random.
    pub fn of(seed: u64, number: usize) -> Self {
        let mut random = Random::new(seed ^ (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let at = number / WAYS;
        let first = Fault { step: STEPS[at % 4], act: act(at / 4 % 3, &mut random) };
        let doing = DOINGS[at / 12 % 4];
        let mut faults = vec![first];
        if random.chance(30) {
            let step = random.pick(&[Step::Begin, Step::Statement, Step::Commit, Step::Answer, Step::Look]);
            let kind = random.below(2);
            faults.push(Fault { step, act: act(kind, &mut random) });
        }
        Self { doing, faults, callers: 1 + random.below(8) }
    }
}

/// The times lie on both sides of those that matter: the breaker's half second, the second that the server lets a
/// transaction idle or wait for a lock, the three seconds after which the writer throws its connection away.
fn act(kind: usize, random: &mut Random) -> Act {
    let millis = |random: &mut Random, times: &[u64]| {
        Duration::from_millis(random.pick(times) + random.below(50) as u64)
    };
    match kind {
        0 => Act::Cut,
        1 => Act::Delay(millis(random, &[5, 50, 300, 480, 700, 980, 1_500, 3_200])),
        _ => Act::Blackhole(millis(random, &[0, 100, 900, 2_000])),
    }
}
