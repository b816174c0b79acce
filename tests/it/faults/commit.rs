//! A commit that is cut, delayed or swallowed at each of its steps, by both ways in: whatever was acknowledged stands
//! in the audit exactly once, nobody is fenced for it, the chains verify, and the writer goes on.
//!
//! 96 cases; 1,056 with `AGENTGUARD_TEST_FULL=1`. `AGENTGUARD_TEST_SEED` replays another seed.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use agentguard::audit::Writer;
use futures_util::future::join_all;
use tokio::task::JoinHandle;

use super::plan::{self, Doing, Plan, STEPS};
use super::proxy::Step;
use super::world::{Count, Way, World, decision};
use crate::harness::eventually;
use crate::ledger::Ledger;
use crate::postgres::Database;

/// Lanes that work side by side, four to a database: a blackhole takes seconds, but no work.
const LANES: usize = 24;
const LANES_A_DATABASE: usize = 4;

const SEED: u64 = 4;

fn cases() -> usize {
    // Multiples of the 96 that go through every way, step, act and doing.
    if std::env::var_os("AGENTGUARD_TEST_FULL").is_some() { 96 * 11 } else { 96 }
}

fn seed() -> u64 {
    std::env::var("AGENTGUARD_TEST_SEED").ok().map_or(SEED, |seed| seed.parse().expect("a number"))
}

/// The way in; then the step and the act, or nothing for the calls between two faults.
type Cell = (Way, Option<(Step, &'static str)>);

/// A writer under a row of faults, and what its callers were told.
struct Lane {
    world: World,
    way: Way,
    writer: Writer,
    task: JoinHandle<()>,
    writers: usize,
    /// By what a call was about: whether it was acknowledged. Kept by cell for the table.
    answers: BTreeMap<Cell, HashMap<String, bool>>,
    cases: BTreeMap<Cell, usize>,
    fenced: u64,
}

impl Lane {
    async fn new(database: &Arc<Database>, way: Way) -> Self {
        let world = World::on(Arc::clone(database), way).await;
        let (writer, task) = world.writer("writer 1");
        Self {
            world,
            way,
            writer,
            task,
            writers: 1,
            answers: BTreeMap::new(),
            cases: BTreeMap::new(),
            fenced: 0,
        }
    }

    async fn case(&mut self, number: usize, plan: &Plan) {
        let cell = (self.way, Some((plan.faults[0].step, plan::name(&plan.faults[0].act))));
        *self.cases.entry(cell).or_default() += 1;
        let mut fired = self.world.proxy.fired();
        let before = *fired.borrow_and_update();
        match plan.doing {
            // Something must be open to be appended to or closed.
            Doing::Append | Doing::Close => self.recover(number, "before").await,
            Doing::Open => self.turn_over().await,
        }
        self.world.proxy.arm(plan.faults.clone());
        if plan.doing == Doing::Close {
            self.turn_over().await;
        } else {
            for attempt in 0.. {
                assert!(attempt < 1_000, "case {number} never reached its step: {plan:?}");
                self.calls(number, attempt, plan.callers, cell).await;
                if *fired.borrow_and_update() > before {
                    break;
                }
            }
        }
        assert!(*fired.borrow_and_update() > before, "case {number} did not strike: {plan:?}");
        self.world.proxy.arm([]);
        self.recover(number, "after").await;
    }

    /// Calls at once; notes what each was told.
    async fn calls(&mut self, number: usize, attempt: usize, callers: usize, cell: Cell) {
        let calls: Vec<_> = (0..callers)
            .map(|caller| {
                let (writer, name) = (self.writer.clone(), format!("{number}/{attempt}/{caller}"));
                tokio::spawn(async move {
                    let answer = writer.record(vec![decision(&name)]).await;
                    (name, answer.is_ok())
                })
            })
            .collect();
        let answers = self.answers.entry(cell).or_default();
        let mut refused = 0;
        for call in calls {
            let (name, acknowledged) = call.await.unwrap();
            refused += usize::from(!acknowledged);
            answers.insert(name, acknowledged);
        }
        if refused == callers {
            // The breaker is open; what it waits for takes time.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The writer serves again.
    async fn recover(&mut self, number: usize, when: &str) {
        let mut tries = 0;
        let (writer, answers) = (&self.writer, &mut HashMap::new());
        eventually("the writer serves again", async || {
            tries += 1;
            let name = format!("{number}/{when}/{tries}");
            let acknowledged = writer.record(vec![decision(&name)]).await.is_ok();
            answers.insert(name, acknowledged);
            acknowledged.then_some(())
        })
        .await;
        self.answers.entry((self.way, None)).or_default().extend(answers.drain());
    }

    /// Closes the chain, by whatever is armed, and goes on with another writer.
    async fn turn_over(&mut self) {
        self.writer.close().await;
        self.fenced += self.writer.figures().fenced;
        self.writers += 1;
        let (writer, task) = self.world.writer(&format!("writer {}", self.writers));
        self.writer = writer;
        std::mem::replace(&mut self.task, task).await.unwrap();
    }

    /// Closes the last chain.
    async fn end(&mut self, lane: usize) {
        self.recover(lane, "end").await;
        self.writer.close().await;
        assert_eq!(
            self.fenced + self.writer.figures().fenced,
            0,
            "nobody else wrote, so a fence is a false alarm"
        );
    }

    /// What it came to, by cell.
    fn count(&self, ledger: &Ledger) -> BTreeMap<Cell, Count> {
        let count = |(cell, answers): (&Cell, &HashMap<String, bool>)| {
            let mut count = Count { cases: self.cases.get(cell).copied().unwrap_or(0), ..Count::default() };
            count.look_up(ledger, answers);
            (*cell, count)
        };
        self.answers.iter().map(count).collect()
    }
}

/// Drives the cases through their lanes; even ones go direct.
async fn drive(seed: u64, cases: usize) -> BTreeMap<Cell, Count> {
    let databases: Vec<_> = (0..LANES / LANES_A_DATABASE).map(|_| Arc::new(Database::create())).collect();
    // Their writers and callers are tasks of their own; a lane only waits.
    let lanes = (0..LANES).map(async |lane| {
        let database = &databases[lane / LANES_A_DATABASE];
        let mut one = Lane::new(database, if lane % 2 == 0 { Way::Direct } else { Way::Pooler }).await;
        for number in (lane..cases).step_by(LANES) {
            one.case(number, &Plan::of(seed, number)).await;
        }
        one.end(lane).await;
        one
    });
    let lanes = join_all(lanes).await;
    let mut all: BTreeMap<Cell, Count> = BTreeMap::new();
    for lanes in lanes.chunks(LANES_A_DATABASE) {
        let world = &lanes[0].world;
        let writers: usize = lanes.iter().map(|lane| lane.writers).sum();
        assert_eq!(world.chains().await, (writers, 0), "one closed chain a writer");
        let findings = world.findings().await;
        assert!(findings.is_empty(), "{findings:#?}");
        let ledger = world.ledger().await;
        let asked: usize = lanes.iter().flat_map(|lane| lane.answers.values()).map(HashMap::len).sum();
        assert!(ledger.records.len() <= asked, "there are records that nobody asked for");
        for (cell, count) in lanes.iter().flat_map(|lane| lane.count(&ledger)) {
            all.entry(cell).or_default().add(&count);
        }
    }
    all
}

fn table(seed: u64, all: &BTreeMap<Cell, Count>) -> String {
    let mut text = format!("seed {seed}\n{:40}", "way, step, act");
    for head in ["cases", "acknowledged", "found once", "lost", "twice", "unanswered"] {
        write!(text, " {head:>12}").unwrap();
    }
    text.push('\n');
    for ((way, strike), count) in all {
        let Count { cases, acknowledged, found, lost, twice, unanswered } = count;
        let name = match strike {
            Some((step, act)) => format!("{way:?}, {step:?}, {act}"),
            None => format!("{way:?}, between and after"),
        };
        writeln!(
            text,
            "{name:40} {cases:>12} {acknowledged:>12} {found:>12} {lost:>12} {twice:>12} {unanswered:>12}"
        )
        .unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_struck_at_any_step_is_found_exactly_once_if_it_was_acknowledged() {
    let (seed, cases) = (seed(), cases());
    println!("AGENTGUARD_TEST_SEED={seed}");
    let all = drive(seed, cases).await;
    super::evidence("faults-commit.txt", &table(seed, &all));
    let mut sum = Count::default();
    for count in all.values() {
        sum.add(count);
    }
    println!("{sum:?}");
    assert_eq!((sum.cases, sum.lost, sum.twice), (cases, 0, 0), "{sum:?}");
    assert_eq!(sum.found, sum.acknowledged);
    assert!(sum.acknowledged > cases, "each case goes on: {sum:?}");
    // Every way, step and act was there, and something was at stake in it.
    let struck: Vec<_> = all.iter().filter(|((_, strike), _)| strike.is_some()).collect();
    assert_eq!(struck.len(), 2 * STEPS.len() * 3);
    assert!(struck.iter().all(|(_, count)| count.cases > 0));
}
