//! The arithmetic in Rust and its twin in Redis, call by call over random histories, with Redis's clock set forward
//! and back on the way.

use agentguard::rate_limit::gcra::{Limit, Mark, Marks};
use redis::aio::MultiplexedConnection;

use crate::redis::Redis;

const SCRIPT: &str = include_str!("../../../src/rate_limit/gcra.lua");

/// Calls in all, of the default tier and of `AGENTGUARD_TEST_FULL=1`.
const CALLS: (usize, usize) = (20_000, 1_000_000);

/// Histories that run beside each other.
const HISTORIES: usize = 64;

const HOUR: i64 = 3_600_000_000;

const LIMITS: [&str; 8] = [
    "1000/second",
    "7/second",
    "3000/second burst 1",
    "100/second burst 20;300/minute",
    "999/7 seconds burst 3;5000/minute;40000/hour",
    "104249/day",
    "10/second;11/2 seconds;12/3 seconds;100/minute burst 3",
    "1000000000/second burst 1000",
];

/// A generator of numbers that anybody can repeat.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        // Xorshift; quality enough to wander about.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// One history: an agent, its limit, and what Rust makes of it.
struct History {
    numbers: Numbers,
    keys: Vec<String>,
    limit: Limit,
    marks: Marks,
    connection: MultiplexedConnection,
}

/// What the two said of one call.
type Answers = ((bool, Vec<u64>), (bool, Vec<u64>));

impl History {
    fn new(number: usize, connection: MultiplexedConnection) -> Self {
        let limit: Limit = LIMITS[number % LIMITS.len()].parse().unwrap();
        let keys =
            limit.windows().iter().map(|window| format!("{{h{number}}}:{}", window.seconds())).collect();
        let numbers = Numbers(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1));
        Self { numbers, keys, limit, marks: Marks::default(), connection }
    }

    /// What the next call costs: mostly little, sometimes nothing or all there is and more.
    fn cost(&mut self) -> u64 {
        match self.numbers.below(8) {
            0 => self.numbers.below(self.limit.burst() + 2),
            1 => 0,
            _ => 1 + self.numbers.below(self.limit.burst().div_ceil(10)),
        }
    }

    /// One call; both answers.
    async fn call(&mut self, script: &str, cost: u64) -> Answers {
        let windows = self.limit.windows();
        let mut command = redis::cmd("EVALSHA");
        command.arg(script).arg(windows.len()).arg(&self.keys).arg(cost);
        for window in windows {
            command.arg(window.step()).arg(window.unit()).arg(window.full());
        }
        let told: Vec<u64> = command.query_async(&mut self.connection).await.unwrap();
        let charge = self.limit.charge(&mut self.marks, told[1], cost);
        let levels = charge.levels[..windows.len()].to_vec();
        ((charge.admitted, levels), (told[0] == 1, told[2..].to_vec()))
    }

    /// As if a server whose clock is `micros` ahead had written what is stored.
    async fn shift(&mut self, micros: i64) {
        for (key, mark) in self.keys.iter().zip(&mut self.marks) {
            let stored: Option<String> =
                redis::cmd("GET").arg(key).query_async(&mut self.connection).await.unwrap();
            let Some(stored) = stored else {
                *mark = Mark::default();
                continue;
            };
            let (at, part) = stored.split_once(':').unwrap();
            let at = at.parse::<u64>().unwrap().saturating_add_signed(micros);
            *mark = Mark { micros: at, part: part.parse().unwrap() };
            let value = format!("{at}:{part}");
            redis::cmd("SET").arg(key).arg(value).exec_async(&mut self.connection).await.unwrap();
        }
    }

    /// The first call about which they differ, if there is one; how many were admitted and refused.
    async fn run(mut self, script: String, calls: usize) -> (Option<String>, [usize; 2]) {
        let mut seen = [0; 2];
        for call in 0..calls {
            match self.numbers.below(200) {
                0 => self.shift(HOUR).await,
                1 => self.shift(-HOUR).await,
                2 => {
                    let micros = self.numbers.below(4_000_000);
                    self.shift(2_000_000 - i64::try_from(micros).unwrap()).await;
                }
                _ => {}
            }
            let cost = self.cost();
            let (here, there) = self.call(&script, cost).await;
            if here != there {
                let limit = &self.limit;
                return (Some(format!("call {call} under {limit}: Rust {here:?}, Redis {there:?}")), seen);
            }
            seen[usize::from(here.0)] += 1;
        }
        (None, seen)
    }
}

/// Runs the histories; answers the first difference.
async fn compare(script: &str, calls: usize) -> (Option<String>, [usize; 2]) {
    let server = Redis::start().await;
    let script: String = server.ask(&["SCRIPT", "LOAD", script]).await.unwrap();
    let mut running = tokio::task::JoinSet::new();
    for number in 0..HISTORIES {
        let history = History::new(number, server.connection().await.unwrap());
        running.spawn(history.run(script.clone(), calls / HISTORIES + 1));
    }
    let (mut difference, mut seen) = (None, [0; 2]);
    while let Some(ended) = running.join_next().await {
        let (found, [refused, admitted]) = ended.unwrap();
        difference = difference.or(found);
        seen = [seen[0] + refused, seen[1] + admitted];
    }
    (difference, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_and_redis_agree_on_every_call() {
    let full = std::env::var_os("AGENTGUARD_TEST_FULL").is_some();
    let calls = if full { CALLS.1 } else { CALLS.0 };
    let (difference, [refused, admitted]) = compare(SCRIPT, calls).await;
    println!("agreement: {} calls, {admitted} admitted, {refused} refused", admitted + refused);
    assert_eq!(difference, None);
    assert!(
        admitted + refused >= calls && refused > calls / 20 && admitted > calls / 20,
        "{admitted} {refused}"
    );
}

/// The controls: each of these slips in the script is found.
#[tokio::test(flavor = "multi_thread")]
async fn every_slip_in_the_script_is_found() {
    for (good, slip) in [
        ("admitted == 1 or moved", "admitted == 1"),
        ("level + cost * step > full", "level + cost * step >= full"),
        ("if ahead >= 0 then", "if ahead > 1000 then"),
        ("level, moved = full, true", "moved = true"),
        ("now + ahead, part)", "now + ahead, 0)"),
        ("for i = 1, #KEYS do\n  local step, unit = ", "for i = 1, 1 do\n  local step, unit = "),
    ] {
        assert!(SCRIPT.contains(good), "{good}");
        let (difference, _) = compare(&SCRIPT.replace(good, slip), CALLS.0).await;
        assert!(difference.is_some(), "nobody noticed `{slip}`");
    }
}

/// For how many milliseconds an agent is kept out whose marks were written by a server with a clock an hour ahead.
async fn kept_out(script: &str) -> Option<u128> {
    let server = Redis::start().await;
    let script: String = server.ask(&["SCRIPT", "LOAD", script]).await.unwrap();
    let mut history = History::new(1, server.connection().await.unwrap());
    for _ in 0..20 {
        history.call(&script, 1).await;
    }
    history.shift(HOUR).await;
    let began = std::time::Instant::now();
    // One window is a second; three are waited for at most.
    while began.elapsed().as_secs() < 3 {
        let (_, (admitted, _)) = history.call(&script, 1).await;
        if admitted {
            return Some(began.elapsed().as_millis());
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    None
}

/// Property 23, with its control: where marks from another clock are not brought back, the agent stays out.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_whose_clock_is_set_back_keeps_nobody_out_beyond_one_window() {
    assert!(kept_out(SCRIPT).await.is_some());
    assert_eq!(kept_out(&SCRIPT.replace("admitted == 1 or moved", "admitted == 1")).await, None);
}
