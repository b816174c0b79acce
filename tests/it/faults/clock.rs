//! The machine's clock is set while the server is under load: times never decrease within a chain, a step back of
//! more than a minute opens a new chain, and what lands in a month without a table of its own verifies all the same.
//!
//! The real server runs in this process, with a clock that the test moves: it asks the kernel past every library
//! that could lie to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use agentguard::audit::machine::{Batch, Outcome};
use agentguard::audit::verify::FindingKind;
use agentguard::audit::{Entry, Kind, Position, Record};
use agentguard::clock::{Clock, Timestamp};
use agentguard::config::{Config, Flags, Program};
use agentguard::ids::ChainId;
use agentguard::pb::v1;
use agentguard::pb::v1::admin_service_client::AdminServiceClient;
use agentguard::pb::v1::enforcement_service_client::EnforcementServiceClient;
use agentguard::server;
use agentguard::store::chains::Appender;
use agentguard::store::{Location, Options, Store};
use tonic::transport::{Channel, Endpoint};

use super::network::check;
use super::world::{Way, World, decision};
use crate::harness::{ADMIN_KEY, admin, eventually};
use crate::ledger::Ledger;
use crate::postgres::Database;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// Where the clock stands at first: far from the machine's own time, so that nothing of that can slip in unseen.
const START: &str = "2031-06-15T12:00:00Z";

/// What the clock is moved by, and whether that opens a new chain.
const STEPS: [(&str, i64, bool); 5] = [
    ("30 s back", -30_000_000, false),
    ("1 h back", -HOUR, true),
    ("40 days back", -40 * DAY, true),
    ("1 year on", 365 * DAY, false),
    ("40 days back again", -40 * DAY, true),
];

/// Callers that ask as fast as they are answered.
const CALLERS: usize = 6;

/// Answers that are waited for between two steps.
const BETWEEN: u64 = 150;

/// A clock that runs, and can be set.
struct Hand {
    offset: Arc<AtomicI64>,
    stopped: Arc<AtomicBool>,
}

impl Hand {
    fn on(clock: &Clock) -> Self {
        let (clock, start) = (clock.clone(), clock.now().as_micros());
        let (offset, stopped) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
        let hand = Self { offset: Arc::clone(&offset), stopped: Arc::clone(&stopped) };
        std::thread::spawn(move || {
            let began = Instant::now();
            while !stopped.load(Ordering::SeqCst) {
                let elapsed = i64::try_from(began.elapsed().as_micros()).unwrap();
                clock.set(Timestamp::from_micros(start + elapsed + offset.load(Ordering::SeqCst)));
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        hand
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
    }
}

/// The times of records, by chain and place: those that lie before the one of the record in front of them.
fn reversed(database: &Database) -> String {
    database.sql(
        "select count(*) from (select timestamp < lag(timestamp) over (partition by chain_no order by seq) as back \
         from audit_logs) as t where back",
    )
}

/// The server's settings, as its environment would say them.
fn config(database: &Database) -> Config {
    let url = database.url();
    let env = |name: &str| match name {
        "DATABASE_URL" | "DATABASE_DIRECT_URL" => Some(url.clone()),
        "ADMIN_API_KEY" => Some(ADMIN_KEY.to_owned()),
        "HOST" => Some("127.0.0.1".to_owned()),
        "PORT" | "SHUTDOWN_DRAIN_DELAY" => Some("0".to_owned()),
        _ => None,
    };
    Config::load(&Program::Serve, env, &Flags::new()).unwrap()
}

async fn agent(channel: &Channel) -> String {
    let mut client = AdminServiceClient::new(channel.clone());
    let agent = v1::Agent {
        name: "caller".to_owned(),
        team: "team".to_owned(),
        environment: "production".to_owned(),
        ..v1::Agent::default()
    };
    let message = v1::CreateAgentRequest { agent: Some(agent), key_expire_time: None };
    client.create_agent(admin(message)).await.unwrap().into_inner().api_key
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_clock_that_is_set_never_turns_a_chain_back() {
    let database = Database::create();
    let start = Timestamp::parse(START).unwrap();
    let location = Location::Postgres { url: database.url(), direct_url: Some(database.url()) };
    let store = Store::open(&Options { max_connections: 2, ..Options::at(location) }).await.unwrap();
    store.migrate(start).await.unwrap();

    let clock = Clock::fixed(start);
    let hand = Hand::on(&clock);
    let built = server::build(&config(&database), clock.clone()).await.unwrap();
    let endpoint = format!("http://{}", built.address().unwrap());
    let (stopper, stop) = server::stop();
    let serving = tokio::spawn(built.run(stop));
    let channel = Endpoint::from_shared(endpoint).unwrap().connect().await.unwrap();
    let key = agent(&channel).await;

    let (done, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (done, answered) = (Arc::clone(&done), Arc::clone(&answered));
            let mut client = EnforcementServiceClient::new(channel.clone());
            let key = key.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in 0.. {
                    if done.load(Ordering::SeqCst) {
                        break;
                    }
                    let name = format!("clock/{caller}/{number}");
                    let mut request = tonic::Request::new(check(&name));
                    request.metadata_mut().insert("x-agent-key", key.parse().unwrap());
                    // A busy machine may hold a commit for longer than a caller is let wait.
                    if client.enforce(request).await.is_ok() {
                        acknowledged.push(name);
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                }
                acknowledged
            })
        })
        .collect();
    let mut table = format!("{:24} {:>8} {:>8} {:>8}\n", "step", "chains", "answered", "reversed");
    let mut chains = 1;
    for (name, by, opens) in [("none", 0, false)].into_iter().chain(STEPS) {
        let before = answered.load(Ordering::SeqCst);
        hand.offset.fetch_add(by, Ordering::SeqCst);
        eventually("the server answers on", async || {
            (answered.load(Ordering::SeqCst) >= before + BETWEEN).then_some(())
        })
        .await;
        chains += usize::from(opens);
        let there = database.sql("select count(*) from audit_chains");
        assert_eq!(there, chains.to_string(), "after the step {name}");
        let reversed = reversed(&database);
        assert_eq!(reversed, "0", "after the step {name}");
        table +=
            &format!("{name:24} {there:>8} {:>8} {reversed:>8}\n", answered.load(Ordering::SeqCst) - before);
    }
    done.store(true, Ordering::SeqCst);
    let mut acknowledged = Vec::new();
    for caller in callers {
        acknowledged.extend(caller.await.unwrap());
    }
    let summary = {
        let mut client = AdminServiceClient::new(channel.clone());
        let mut progress =
            client.verify_audit(admin(v1::VerifyAuditRequest::default())).await.unwrap().into_inner();
        let mut findings = Vec::new();
        while let Some(event) = progress.message().await.unwrap() {
            if let Some(v1::verify_audit_response::Event::Finding(finding)) = event.event {
                findings.push(finding);
            }
        }
        findings
    };
    assert_eq!(summary, [], "what verification finds");
    stopper.stop();
    serving.await.unwrap().unwrap();
    drop(hand);

    let ledger = Ledger::read(&database.url(), 0).await;
    let lost = acknowledged.iter().filter(|name| ledger.about(name) != 1).count();
    assert_eq!(lost, 0, "acknowledged, but not there exactly once");
    // One chain names the one before it, and all but the last say why they ended.
    let reasons = database
        .sql("select count(*) from audit_logs where kind = 'chain' and detail like '%clock set back%'");
    assert_eq!(reasons, "3");
    // May has no table of its own, nor has the year after; June has.
    let in_default = database.sql("select count(*) from audit_logs_default");
    assert!(in_default.parse::<u64>().unwrap() > BETWEEN, "{in_default}");
    assert_ne!(database.sql("select count(*) from audit_logs_2031_06"), "0");
    table += &format!("in the table without a month: {in_default}\n");
    super::evidence("faults-clock.txt", &table);
}

/// The control: a writer that stamps what the clock says turns its chain back, and both looks see it.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_believes_the_clock_is_seen_to_turn_back() {
    let world = World::new(Way::Direct).await;
    let appender = Appender::new(&world.through);
    let now = Clock::System.now();
    let chain = ChainId::new(now, agentguard::entropy::id());
    let mut opening = Entry::new(Kind::Chain);
    opening.detail = Some(r#"{"event":"opened","mode":"durable"}"#.into());
    let entries =
        [(now, opening), (now, decision("one")), (now.minus(Duration::from_secs(3_600)), decision("two"))];
    let mut records: Vec<Record> = Vec::new();
    for (timestamp, entry) in entries {
        let (seq, prev_hash) = records.last().map_or((0, [0; 32]), |last| (last.position.seq, last.hash));
        let position = Position { chain_id: chain.clone(), chain_no: 1, seq: seq + 1, timestamp, prev_hash };
        records.push(Record::new(position, entry));
    }
    let batch = Batch {
        chain_id: chain.clone(),
        chain_no: 1,
        prev_seq: 0,
        prev_hash: [0; 32],
        records,
        closes: false,
    };
    let (_, opened) = appender.begin_opening(&chain).await.unwrap().unwrap();
    assert!(matches!(appender.finish_opening(opened, &batch).await, Outcome::Committed(_)));
    assert_eq!(reversed(&world.database), "1");
    let findings = world.findings().await;
    assert!(findings.iter().any(|finding| finding.kind == FindingKind::TimeReversed), "{findings:#?}");
}
