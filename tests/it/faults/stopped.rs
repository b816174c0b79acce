//! A server is stopped in the middle of a batch, and the janitor of another one closes its chain meanwhile: resumed, it
//! adds nothing to that chain, answers `UNAVAILABLE` to who waited, and serves on a new chain that names the old one.

use std::time::Duration;

use super::network::{Stage, check};
use super::proxy::{Act, Fault, Step};
use super::world::{Count, Way};
use crate::harness::{Guard, eventually};
use crate::ledger::Ledger;
use crate::postgres::signal;
use tokio::sync::watch;

/// What the resumed server did.
struct Resumed {
    /// How the calls ended: first the one whose batch was under way when it was stopped, then those behind it.
    waited: Vec<Result<(), tonic::Code>>,
    /// Records of the old chain: when it was resumed, and in the end.
    old: (String, String),
    /// The chains in the end.
    chains: String,
    /// What the last chain's first record says.
    opening: serde_json::Value,
    old_chain: String,
    verified: String,
    count: Count,
}

/// Stops a server while its batch is on its way; lets the janitor close its chain or not; resumes it.
async fn resumed(way: Way, closed: bool) -> Resumed {
    let stage = Stage::new(way, &[]).await;
    let database = &stage.database;
    let (answered, _) = stage.ask("before", 4).await;
    assert_eq!(answered.len(), 4);
    let old_chain = database.sql("select chain_id from audit_chains");
    let records = || database.sql(&format!("select count(*) from audit_logs where chain_id = '{old_chain}'"));

    let (open, gate) = watch::channel(false);
    let mut fired = stage.proxy.fired();
    stage.proxy.arm([Fault { step: Step::Begin, act: Act::Gate(gate) }]);
    let call = |number: usize| {
        let mut caller = stage.caller.clone();
        tokio::spawn(async move { caller.enforce(check(&format!("waiting/{number}"))).await })
    };
    // The first is alone in its batch; the others come while that is on its way.
    let mut calls = vec![call(0)];
    fired.changed().await.unwrap();
    calls.extend((1..8).map(call));
    signal("STOP", &[stage.guard.process()]);
    if closed {
        // Ten minutes pass: the chain was not seen, and the lease of the stopped one ran out.
        database.sql("update audit_chains set seen_at = seen_at - 601000000");
        database.sql("update leases set expires_at = 0 where name = 'audit-janitor'");
        let other = Guard::on_postgres(&database.url(), &[]);
        eventually("the janitor closes the silent chain", async || {
            let closed = database.sql("select closed from audit_chains order by chain_no limit 1");
            (closed == "t").then_some(())
        })
        .await;
        drop(other);
    }
    let before = records();
    // The statement that was on its way arrives now, as after a pause of the network.
    open.send_replace(true);
    signal("CONT", &[stage.guard.process()]);
    let mut waited = Vec::new();
    let mut answers: std::collections::HashMap<String, bool> =
        answered.into_iter().map(|name| (name, true)).collect();
    for (number, call) in calls.into_iter().enumerate() {
        let answer = call.await.unwrap();
        answers.insert(format!("waiting/{number}"), answer.is_ok());
        waited.push(answer.map(drop).map_err(|status| status.code()));
    }
    let mut tries = 0;
    eventually("the resumed server decides", async || {
        tries += 1;
        let (answered, _) = stage.ask(&format!("after/{tries}"), 1).await;
        answered.first().map(|name| answers.insert(name.clone(), true))
    })
    .await;
    let opening = database.sql(
        "select detail from audit_logs where seq = 1 and chain_no = (select max(chain_no) from audit_chains)",
    );
    let verified = stage.guard.cli(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let mut count = Count::default();
    count.look_up(&Ledger::read(&database.url(), 0).await, &answers);
    Resumed {
        waited,
        old: (before, records()),
        chains: database.sql("select count(*) from audit_chains"),
        opening: serde_json::from_str(&opening).unwrap(),
        old_chain,
        verified: verified.stdout,
        count,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_server_adds_nothing_to_a_chain_that_was_closed_meanwhile() {
    for way in [Way::Direct, Way::Pooler] {
        let resumed = resumed(way, true).await;
        // Those of the batch that was under way are refused; who came behind it may be told of the new chain.
        assert_eq!(resumed.waited[0], Err(tonic::Code::Unavailable), "{way:?}");
        let told =
            |answer: &Result<(), tonic::Code>| matches!(answer, Ok(()) | Err(tonic::Code::Unavailable));
        assert!(resumed.waited.iter().all(told), "{way:?}: {:?}", resumed.waited);
        assert_eq!(resumed.old.0, resumed.old.1, "{way:?}: the closed chain grew");
        assert_eq!(resumed.chains, "2");
        assert_eq!(resumed.opening["event"], "opened");
        assert_eq!(resumed.opening["previous"]["chain_id"], resumed.old_chain.as_str());
        assert_eq!(resumed.opening["reached"]["chain_id"], resumed.old_chain.as_str());
        assert_eq!((resumed.count.lost, resumed.count.twice), (0, 0), "{:?}", resumed.count);
        for finding in ["LOSS_POSSIBLE", "DATABASE_ROLLED_BACK"] {
            assert!(!resumed.verified.contains(finding), "{}", resumed.verified);
        }
    }
}

/// The control: while nobody closes its chain, the resumed server goes on in it, and the same look sees it grow.
#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_server_is_seen_to_go_on_in_a_chain_that_is_still_its_own() {
    let resumed = tokio::time::timeout(Duration::from_secs(60), resumed(Way::Direct, false)).await.unwrap();
    assert_ne!(resumed.old.0, resumed.old.1);
    assert_eq!(resumed.chains, "1");
    assert_eq!((resumed.count.lost, resumed.count.twice), (0, 0), "{:?}", resumed.count);
}
