//! A retry that is marked as one comes while its first call's commit is in doubt: one key, one record.

use agentguard::pb::v1;
use tokio::sync::watch;

use super::network::{Stage, check};
use super::proxy::{Act, Fault, Step};
use super::world::Way;
use crate::harness::eventually;
use crate::ledger::Ledger;

/// Retries while the first call's commit is held; `early` ones have looked their key up before it is let go.
async fn retried(early: bool) -> (v1::Decision, Vec<String>) {
    let stage = Stage::new(Way::Direct, &[]).await;
    let keyed = || v1::EnforceRequest { idempotency_key: "k".to_owned(), ..check("/a") };
    // The commit that is held must be the call's, not that of what the admin did before.
    eventually("the admin's acts are on record", async || {
        let untold = "select count(*) from revisions r where r.n > 0 and not exists \
             (select 1 from revision_records t where t.epoch = r.epoch and t.n = r.n)";
        (stage.database.sql(untold) == "0").then_some(())
    })
    .await;
    let mut fired = stage.proxy.fired();
    let mut struck = async |step: Step| {
        let (open, gate) = watch::channel(false);
        stage.proxy.arm([Fault { step, act: Act::Gate(gate) }]);
        fired.borrow_and_update();
        (open, fired.clone())
    };
    let (commit, mut met) = struck(Step::Commit).await;
    let mut caller = stage.caller.clone();
    let first = tokio::spawn(async move { caller.enforce(keyed()).await });
    met.changed().await.unwrap();
    // The breaker opens after half a second, and nobody waits any longer.
    assert_eq!(first.await.unwrap().unwrap_err().code(), tonic::Code::Unavailable);
    let (look_up, mut met) = struck(Step::LookUp).await;
    let mut caller = stage.caller.clone();
    let retry = async move { caller.retry(keyed()).await };
    let written = async || {
        eventually("the first call's commit is there", async || {
            let ledger = Ledger::read(&stage.database.url(), 0).await;
            (ledger.about("/a") == 1).then_some(())
        })
        .await;
    };
    if early {
        let mut retry = tokio::spawn(retry);
        // It may be refused without looking; then it has not overtaken anything.
        let refused = tokio::select! {
            looked = met.changed() => looked.is_err(),
            refused = &mut retry => refused.unwrap().is_err(),
        };
        commit.send_replace(true);
        written().await;
        look_up.send_replace(true);
        if !refused {
            drop(retry.await.unwrap());
        }
    } else {
        commit.send_replace(true);
        written().await;
        look_up.send_replace(true);
        retry.await.unwrap();
    }
    // Whatever the retry was told, as a client goes on until it is told something.
    let mut caller = stage.caller.clone();
    let decision = eventually("a retry is answered", async || caller.retry(keyed()).await.ok()).await;
    let ledger = Ledger::read(&stage.database.url(), 0).await;
    let records = ledger.all_about("/a").into_iter().map(|record| record.decision_id.clone()).collect();
    (decision, records)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marked_retry_that_overtakes_the_commit_in_doubt_makes_no_second_record() {
    let (decision, records) = retried(true).await;
    assert_eq!(records, [decision.decision_id]);
}

/// The control: where the commit comes first, the retry finds it.
#[tokio::test(flavor = "multi_thread")]
async fn a_marked_retry_after_the_commit_in_doubt_finds_it() {
    let (decision, records) = retried(false).await;
    assert_eq!(records, [decision.decision_id]);
}
