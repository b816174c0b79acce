//! Verifying and following while four writers write and chains open, close and are left: nothing is called tampering
//! that is none, and what is planted meanwhile is found, each in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use agentguard::audit::janitor;
use agentguard::pb::v1;
use agentguard::store::chains::Appender;

use super::*;
use crate::harness::{Guard, admin, eventually};
use tokio::sync::Semaphore;

/// Chains that the writers open at least before anything is planted, and again before the end.
const CHAINS: i64 = 40;

/// Chains and records of the busy one that are written beside each look: more of them only take longer to verify.
const CHAINS_A_ROUND: usize = 16;
const RECORDS_A_ROUND: usize = 200;

/// What the writers may do, and did. Closed at the end.
#[derive(Debug)]
struct Done {
    chains: Semaphore,
    records: Semaphore,
    acknowledged: AtomicU64,
}

impl Done {
    fn new() -> Self {
        Self { chains: Semaphore::new(0), records: Semaphore::new(0), acknowledged: AtomicU64::new(0) }
    }

    /// Lets them write beside what comes next.
    fn go(&self) {
        self.chains.add_permits(CHAINS_A_ROUND);
        self.records.add_permits(RECORDS_A_ROUND);
    }
}

/// One of the writers: chain after chain, most of them closed, every third left as by `kill -9`.
async fn write(store: Store, number: usize, done: Arc<Done>) {
    let clock = Clock::System;
    for round in number.. {
        let Ok(turn) = done.chains.acquire().await else { return };
        turn.forget();
        let (writer, task) = start(&store, &clock, Mode::Durable, &format!("writer {number}"));
        for _ in 0..3 {
            let calls: Vec<_> = (0..4)
                .map(|call| {
                    let writer = writer.clone();
                    tokio::spawn(
                        async move { writer.record(vec![decision(&format!("living {call}"))]).await },
                    )
                })
                .collect();
            for call in calls {
                // A busy machine may keep a commit for too long, and then nothing was promised.
                if call.await.unwrap().is_ok() {
                    done.acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        if round % 3 == 0 {
            task.abort();
            drop(task.await);
        } else {
            writer.close().await;
            task.await.unwrap();
        }
    }
}

/// A busy server: one chain for its whole life, never without something new.
async fn write_on(store: Store, done: Arc<Done>) {
    let (writer, task) = start(&store, &Clock::System, Mode::Durable, "busy");
    while let Ok(turn) = done.records.acquire().await {
        turn.forget();
        if writer.record(vec![decision("busy")]).await.is_ok() {
            done.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }
    writer.close().await;
    task.await.unwrap();
}

/// Closes what was left, as every replica does.
async fn sweep(store: Store, done: Arc<Done>) {
    while !done.chains.is_closed() {
        let appender = Appender::new(&store);
        // Long enough for a chain that is being written to be seen again.
        let silence = Duration::from_secs(5);
        drop(janitor::sweep(&store, &appender, None, Clock::System.now(), "sweeper", silence).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What a follower was sent.
#[derive(Debug, Default)]
struct Followed {
    /// The last record of each chain: its number and hash.
    last: BTreeMap<i64, (i64, String)>,
    decisions: u64,
    faults: Vec<String>,
}

impl Followed {
    fn take(&mut self, record: &v1::AuditRecord) {
        let none = (0, "0".repeat(64));
        let (seq, hash) = self.last.get(&record.chain_no).unwrap_or(&none);
        if record.seq != seq + 1 || record.prev_hash != *hash {
            self.faults.push(format!("record {} of chain {} after {seq}", record.seq, record.chain_no));
        }
        self.decisions += u64::from(record.kind() == v1::RecordKind::Decision);
        self.last.insert(record.chain_no, (record.seq, record.hash.clone()));
    }
}

async fn newest(bench: &Bench) -> i64 {
    bench.value("select coalesce(max(chain_no), 0) from audit_chains").await.parse().unwrap()
}

/// What is planted: its name and the statements, on chain `$1`.
const PLANTED: [(&str, &str); 11] = [
    ("a changed column", "update audit_logs set action = 'x' where chain_id = '$1' and seq = 3"),
    ("a changed verdict", "update audit_logs set verdict = 'ALLOW' where chain_id = '$1' and seq = 3"),
    ("a changed content", "update audit_logs set content = 'x' where chain_id = '$1' and seq = 3"),
    (
        "a content that is gone",
        "update audit_logs set content = null, salt = null where chain_id = '$1' and seq = 3",
    ),
    ("a removed record", "delete from audit_logs where chain_id = '$1' and seq = 3"),
    (
        "two swapped records",
        "update audit_logs set seq = 1003 where chain_id = '$1' and seq = 3; \
         update audit_logs set seq = 3 where chain_id = '$1' and seq = 4; \
         update audit_logs set seq = 4 where chain_id = '$1' and seq = 1003",
    ),
    (
        "an inserted record",
        "insert into audit_logs (seq, timestamp, chain_id, chain_no, form_version, prev_hash, hash, kind) \
         select seq, timestamp + interval '1 microsecond', chain_id, chain_no, form_version, prev_hash, hash, kind \
         from audit_logs where chain_id = '$1' and seq = 3",
    ),
    ("a cut tail", "delete from audit_logs where chain_id = '$1' and seq > 5"),
    ("a chain put back", "update audit_chains set head_seq = head_seq - 1 where chain_id = '$1'"),
    ("a chain reopened", "update audit_chains set closed = false where chain_id = '$1'"),
    (
        "a chain removed with its row",
        "delete from audit_logs where chain_id = '$1'; delete from audit_chains where chain_id = '$1'",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_four_writers_nothing_is_falsely_found_and_everything_planted_is() {
    let bench = Bench::postgres().await;
    let Place::Postgres(database) = &bench.place else { panic!() };
    let guard = Guard::on_postgres(&database.url(), &[]);
    let done = Arc::new(Done::new());

    let mut follower = guard.admin().await;
    let mut stream =
        follower.client().follow_audit(admin(v1::FollowAuditRequest::default())).await.unwrap().into_inner();
    let followed = Arc::new(Mutex::new(Followed::default()));
    let following = {
        let followed = Arc::clone(&followed);
        tokio::spawn(async move {
            while let Ok(Some(message)) = stream.message().await {
                let mut followed = followed.lock().await;
                message.records.iter().for_each(|record| followed.take(record));
            }
        })
    };
    let mut writers = Vec::new();
    for number in 0..4 {
        writers.push(tokio::spawn(write(bench.replica().await, number, Arc::clone(&done))));
    }
    // One that never rests keeps no follower from the others.
    writers.push(tokio::spawn(write_on(bench.replica().await, Arc::clone(&done))));
    let sweeper = tokio::spawn(sweep(bench.replica().await, Arc::clone(&done)));

    let mut rounds = 0;
    while rounds < 3 || newest(&bench).await < CHAINS {
        let before = newest(&bench).await;
        done.go();
        bench.verifies_clean().await;
        let shown = guard.cli(&["audit", "verify"]);
        assert!(shown.code == 0 && shown.stdout.contains("verified: "), "{shown:?}");
        // Chains did open while it looked.
        rounds += u32::from(newest(&bench).await > before);
    }

    // Planted while they write, each in a chain of its own that its writer has closed.
    bench.disarm().await;
    let victims = bench
        .value(
            "select string_agg(chain_id || ' ' || chain_no || ' ' || head_seq, ',' order by chain_no) \
             from audit_chains where closed and head_seq > 8",
        )
        .await;
    let victims: Vec<(&str, i64, i64)> = victims
        .split(',')
        .map(|victim| {
            let [chain, no, head] = victim.split(' ').collect::<Vec<_>>().try_into().unwrap();
            (chain, no.parse().unwrap(), head.parse().unwrap())
        })
        .take(PLANTED.len())
        .collect();
    assert_eq!(victims.len(), PLANTED.len(), "closed chains");
    // Before anything is planted there, the follower has seen it.
    eventually("the follower is beyond the victims", async || {
        let last = &followed.lock().await.last;
        victims.iter().all(|(_, no, head)| last.get(no).is_some_and(|(seq, _)| seq == head)).then_some(())
    })
    .await;
    for ((what, text), (chain, ..)) in PLANTED.iter().zip(&victims) {
        bench.try_sql(&text.replace("$1", chain)).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    }
    let planted: BTreeSet<i64> = victims.iter().map(|(_, no, _)| *no).collect();
    let found = async |when: &str| {
        let findings = bench.findings().await;
        let tampered: BTreeSet<i64> =
            findings.iter().filter(|it| it.kind.is_tampering()).map(|it| it.chain_no).collect();
        for ((what, _), (_, no, _)) in PLANTED.iter().zip(&victims) {
            assert!(tampered.contains(no), "{what} in chain {no} is not found, {when}: {findings:#?}");
        }
        assert_eq!(tampered, planted, "{when}: {findings:#?}");
    };
    for round in 0..3 {
        let at = newest(&bench).await;
        done.go();
        found(&format!("while they write, look {round}")).await;
        eventually("more chains open", async || (newest(&bench).await > at + 4).then_some(())).await;
    }
    let shown = guard.cli(&["audit", "verify"]);
    assert!(shown.code == 1 && shown.stdout.contains("TAMPERED"), "{shown:?}");

    done.chains.close();
    done.records.close();
    for writer in writers {
        writer.await.unwrap();
    }
    sweeper.await.unwrap();
    found("after they ended").await;
    // The follower saw each record once, in its chain's order, and misses none that was acknowledged.
    let acknowledged = done.acknowledged.load(Ordering::SeqCst);
    eventually("the follower is there", async || {
        (followed.lock().await.decisions >= acknowledged).then_some(())
    })
    .await;
    following.abort();
    let followed = followed.lock().await;
    assert!(acknowledged > 300, "{acknowledged}");
    assert!(followed.faults.is_empty(), "{:#?}", followed.faults);
    // The control: it would have noticed.
    let mut strict = Followed::default();
    strict.take(&v1::AuditRecord { chain_no: 1, seq: 2, ..Default::default() });
    assert_eq!(strict.faults.len(), 1);
}
