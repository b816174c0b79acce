//! A batch is one transaction, decided at one revision and one `now`, whatever goes on around it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use agentguard::pb::v1;
use prost_types::Timestamp;

use crate::harness::{Admin, Caller, Guard};
use crate::postgres::Database;
use crate::watch::Watch;

const SIZE: usize = 100;
const BATCHES: usize = 20;

/// What the decisions of one group have of each; one each, if they were made together.
#[derive(Debug, Default)]
struct Together {
    revisions: BTreeSet<String>,
    times: BTreeSet<(i64, i32)>,
}

impl Together {
    fn add(&mut self, decision: &v1::Decision) {
        let Timestamp { seconds, nanos } = decision.decided_at.unwrap();
        self.revisions.insert(decision.policy_revision.clone());
        self.times.insert((seconds, nanos));
    }

    fn holds(&self) -> bool {
        (self.revisions.len(), self.times.len()) == (1, 1)
    }
}

fn check(number: usize) -> v1::EnforceRequest {
    v1::EnforceRequest {
        action: "read:file".to_owned(),
        resource: format!("/{number}"),
        ..Default::default()
    }
}

async fn batch(caller: &mut Caller) -> Vec<v1::Decision> {
    let checks = (0..SIZE).map(check).collect();
    let request = caller.request(v1::BatchEnforceRequest { checks, ..Default::default() });
    let results = caller.client().batch_enforce(request).await.unwrap().into_inner().results;
    let decision = |result: v1::BatchEnforceResult| match result.result {
        Some(v1::batch_enforce_result::Result::Decision(decision)) => decision,
        answer => panic!("{answer:?}"),
    };
    results.into_iter().map(decision).collect()
}

/// Writes policies and asks on other connections until told to end.
async fn noise(mut admin: Admin, other: String, mut caller: Caller, end: Arc<AtomicBool>) {
    while !end.load(Ordering::SeqCst) {
        admin.set_policy(&other, &["write:*"], &[]).await;
        caller.enforce(check(0)).await.unwrap();
    }
}

async fn hold_together(guard: Guard, url: &str, database: Option<Database>) {
    let mut admin = guard.admin().await;
    let (agent, other) = (admin.agent("batches").await, admin.agent("other").await);
    admin.set_policy(&agent.id, &["read:*"], &[]).await;
    let mut caller = guard.caller(&agent.key).await;
    caller.enforce(check(0)).await.unwrap();
    let watch = Watch::on(url).await;
    let of_agent = format!("from audit_logs where kind = 'decision' and agent_id = '{}'", agent.id);
    let count = format!("select count(*) {of_agent}");
    let before = watch.number(&count).await;

    let end = Arc::new(AtomicBool::new(false));
    let partial = Arc::new(AtomicUsize::new(0));
    let noisy = tokio::spawn(noise(
        guard.admin().await,
        other.id.clone(),
        guard.caller(&other.key).await,
        Arc::clone(&end),
    ));
    let looking = {
        let (end, partial, count) = (Arc::clone(&end), Arc::clone(&partial), count.clone());
        tokio::spawn(async move {
            while !end.load(Ordering::SeqCst) {
                let seen = watch.number(&count).await - before;
                partial.fetch_add(usize::from(seen % i64::try_from(SIZE).unwrap() != 0), Ordering::SeqCst);
            }
            watch
        })
    };
    for number in 0..BATCHES {
        let decisions = batch(&mut caller).await;
        assert_eq!(decisions.len(), SIZE);
        let mut together = Together::default();
        decisions.iter().for_each(|decision| together.add(decision));
        assert!(together.holds(), "batch {number}: {together:?}");
        let ids: BTreeSet<_> = decisions.iter().map(|decision| &decision.decision_id).collect();
        assert_eq!(ids.len(), SIZE);
    }
    assert_eq!(partial.load(Ordering::SeqCst), 0, "a part of a batch was visible");

    // The control: as many single calls are seen in part, at several times and revisions.
    let mut apart = Together::default();
    for number in 0..SIZE * 4 {
        apart.add(&caller.enforce(check(number)).await.unwrap());
        if number >= SIZE && apart.revisions.len() > 1 && partial.load(Ordering::SeqCst) > 0 {
            break;
        }
    }
    end.store(true, Ordering::SeqCst);
    noisy.await.unwrap();
    let watch = looking.await.unwrap();
    assert!(!apart.holds() && apart.revisions.len() > 1, "{apart:?}");
    assert!(partial.load(Ordering::SeqCst) > 0, "the look at the database sees no part of anything");

    // The records say the same: each batch in one row of numbers, at one time, in one transaction.
    let batches = format!(
        "select count(*) from (select request_id {of_agent} group by request_id having count(*) = {SIZE} \
         and max(seq) - min(seq) = {last} and count(distinct chain_id) = 1 and count(distinct timestamp) = 1 \
         and count(distinct decided_at) = 1 and count(distinct revision) = 1) as whole",
        last = SIZE - 1
    );
    assert_eq!(watch.number(&batches).await, i64::try_from(BATCHES).unwrap());
    if database.is_some() {
        let transactions = format!(
            "select count(*) from (select request_id {of_agent} group by request_id having count(*) = {SIZE} \
             and count(distinct xmin::text) = 1) as whole"
        );
        assert_eq!(watch.number(&transactions).await, i64::try_from(BATCHES).unwrap());
    }
    let verified = guard.cli(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_one_transaction_one_revision_one_now_on_sqlite() {
    let guard = Guard::on_sqlite(&[]);
    let url = format!("sqlite://{}", guard.directory().join("agentguard.db").display());
    tokio::time::timeout(Duration::from_secs(120), hold_together(guard, &url, None)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_one_transaction_one_revision_one_now_on_postgres() {
    let database = Database::create();
    let url = database.url();
    let guard = Guard::on_postgres(&url, &[]);
    tokio::time::timeout(Duration::from_secs(120), hold_together(guard, &url, Some(database))).await.unwrap();
}
