//! The database is put back to a copy under running replicas, and goes on from there to the same numbers: every
//! replica decides by what is there now, a revision from before is refused, and each restore is an epoch of its own.

use std::time::Instant;

use agentguard::pb::v1;

use super::network::check;
use crate::harness::{Caller, Guard, eventually};
use crate::postgres::Database;

/// Restores of the one copy.
const RESTORES: usize = 2;

/// A check that wants to be decided at `revision` or later.
fn since(name: &str, revision: &str) -> v1::EnforceRequest {
    v1::EnforceRequest { min_revision: revision.to_owned(), ..check(name) }
}

/// Waits until a replica decides by the database as it is; answers the verdict.
async fn follows(caller: &Caller, database: &Database, name: &str) -> bool {
    eventually("the replica decides by what is there", async || {
        let decision = caller.clone().enforce(check(name)).await.ok()?;
        let here = database.sql("select epoch || '.' || n from revision");
        (decision.policy_revision == here).then_some(decision.allowed)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_put_back_to_a_copy_is_never_taken_for_the_same() {
    let database = Database::create();
    let url = database.url();
    let settings = [("DATABASE_DIRECT_URL", url.as_str())];
    let mut first = Guard::on_postgres(&url, &settings);
    let mut admin = first.admin().await;
    let agent = admin.agent("caller").await;
    admin.set_policy(&agent.id, &["read:*"], &[]).await;
    first.stop();
    let copy = database.copy();
    let mut epochs = vec![copy.sql("select epoch from revision")];

    let replicas = [Guard::on_postgres(&url, &settings), Guard::on_postgres(&url, &settings)];
    let mut callers = Vec::new();
    for replica in &replicas {
        callers.push(replica.caller(&agent.key).await);
    }
    let mut admin = replicas[0].admin().await;
    let mut last = admin.set_policy(&agent.id, &["read:*"], &["read:*"]).await;
    for caller in &callers {
        // The control of the refusal below: as long as nothing is put back, the revision is one that is known.
        let decision = caller.clone().enforce(since("before", &last)).await.unwrap();
        assert!(!decision.allowed && decision.policy_revision == last, "{decision:?}");
    }
    // And of the epochs: without a restore there is no new one.
    assert_eq!(database.sql("select epoch from revision"), epochs[0]);

    for restore in 0..RESTORES {
        database.put_back(&copy);
        let began = Instant::now();
        for (number, caller) in callers.iter().enumerate() {
            let allowed = follows(caller, &database, &format!("restored/{restore}/{number}")).await;
            assert!(allowed, "replica {number} denies what the copy allows");
            let status = caller.clone().enforce(since("old", &last)).await.unwrap_err();
            assert_eq!(status.code(), tonic::Code::FailedPrecondition, "{status:?}");
        }
        let back = began.elapsed();
        epochs.push(database.sql("select epoch from revision"));
        // On to the numbers that the lost history had, and beyond.
        let number = |revision: &str| revision.rsplit_once('.').unwrap().1.parse::<i64>().unwrap();
        let old = last.clone();
        loop {
            last = admin.set_policy(&agent.id, &["read:*"], &["read:*"]).await;
            for (replica, caller) in callers.iter().enumerate() {
                let decision = caller.clone().enforce(since("new", &last)).await.unwrap();
                assert!(!decision.allowed && decision.policy_revision == last, "{replica}: {decision:?}");
                let status = caller.clone().enforce(since("old", &old)).await.unwrap_err();
                assert_eq!(status.code(), tonic::Code::FailedPrecondition, "{replica}: {status:?}");
            }
            if number(&last) > number(&old) {
                break;
            }
        }
        crate::evidence::row(
            "faults-restored.txt",
            &format!("restore {}", restore + 1),
            &[("following ms", &back.as_millis()), ("epoch", epochs.last().unwrap())],
        );
    }
    let different: std::collections::BTreeSet<_> = epochs.iter().collect();
    assert_eq!(different.len(), RESTORES + 1, "{epochs:?}");
    // That the audit was taken back, too, is said rather than hidden.
    let verified = replicas[0].cli(&["audit", "verify"]);
    assert!(verified.stdout.contains("DATABASE_ROLLED_BACK"), "{verified:?}");
}
