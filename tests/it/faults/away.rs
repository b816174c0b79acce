//! The database is gone for a while: nothing is answered unrecorded, everybody is refused at once, and when it is back
//! everything is served again, also what goes through the pool.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use agentguard::pb::v1;
use tonic::{Code, Status};

use super::network::check;
use super::world::Count;
use crate::evidence::is_full;
use crate::harness::{Admin, Caller, Guard, eventually};
use crate::ledger::Ledger;
use crate::postgres::Cluster;

/// How long it is gone.
const AWAY: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(60));

/// Calls at once, before, during and after; every fifth looks something up through the pool first.
const CALLS: usize = 500;

/// The promises are "at once" and 2 s; these leave room for a machine that runs other tests beside, and are far below
/// what calls would take that wait for the pool: its timeout, 30 s.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);
const SERVES_WITHIN: Duration = Duration::from_secs(6);

struct Round {
    answered: usize,
    slowest: Duration,
    refused: Vec<Status>,
}

/// [`CALLS`] checks at once about `name` and a number.
async fn round(caller: &Caller, name: &str, answers: &mut HashMap<String, bool>) -> Round {
    let calls: Vec<_> = (0..CALLS)
        .map(|number| {
            let (mut caller, name) = (caller.clone(), format!("{name}/{number}"));
            tokio::spawn(async move {
                let since = Instant::now();
                let answer = if number % 5 == 0 {
                    let idempotency_key = name.replace('/', "-");
                    caller.retry(v1::EnforceRequest { idempotency_key, ..check(&name) }).await
                } else {
                    caller.enforce(check(&name)).await
                };
                (name, answer, since.elapsed())
            })
        })
        .collect();
    let mut round = Round { answered: 0, slowest: Duration::ZERO, refused: Vec::new() };
    for call in calls {
        let (name, answer, after) = call.await.unwrap();
        round.slowest = round.slowest.max(after);
        answers.insert(name, answer.is_ok());
        match answer {
            Ok(decision) => {
                assert!(decision.allowed, "{decision:?}");
                round.answered += 1;
            }
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                round.refused.push(status);
            }
        }
    }
    round
}

/// What an admin asks for, which goes through the pool that admins have apart.
async fn look(operator: &mut Admin) -> Result<(), Status> {
    let message = crate::harness::admin(v1::GetStatsRequest {});
    operator.client().get_stats(message).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_is_gone_for_a_while_is_refused_at_once_and_served_once_it_is_back() {
    let mut cluster = Cluster::start(&[]);
    let database = cluster.database();
    let guard = Guard::on_postgres(&database.url(), &[]);
    let mut operator = guard.admin().await;
    let agent = operator.agent("caller").await;
    operator.set_policy(&agent.id, &["read:*"], &[]).await;
    let caller = guard.caller(&agent.key).await;
    let mut answers = HashMap::new();

    let before = round(&caller, "before", &mut answers).await;
    assert_eq!(before.answered, CALLS, "{:?}", before.refused.first());
    assert_eq!(guard.cli(&["health"]).code, 0);

    cluster.kill();
    let gone = Instant::now();
    let (mut rounds, mut slowest, mut looked) = (0, Duration::ZERO, Duration::ZERO);
    while gone.elapsed() < if is_full() { AWAY.1 } else { AWAY.0 } {
        let during = round(&caller, &format!("during/{rounds}"), &mut answers).await;
        assert_eq!(during.answered, 0, "answered without a database");
        assert!(during.slowest < REFUSED_WITHIN, "refused only after {:?}", during.slowest);
        slowest = slowest.max(during.slowest);
        let since = Instant::now();
        let refused = look(&mut operator).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        assert!(since.elapsed() < REFUSED_WITHIN, "an admin waited {:?}", since.elapsed());
        looked = looked.max(since.elapsed());
        rounds += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_ne!(guard.cli(&["health"]).code, 0, "health does not tell");

    cluster.restart();
    let back = Instant::now();
    let mut tries = 0;
    eventually("the server decides again", async || {
        tries += 1;
        let name = format!("back/{tries}");
        let done = caller.clone().enforce(check(&name)).await.is_ok();
        answers.insert(name, done);
        (done && look(&mut operator.clone()).await.is_ok()).then_some(())
    })
    .await;
    let served = back.elapsed();
    assert!(served < SERVES_WITHIN, "serves only after {served:?}");
    let after = round(&caller, "after", &mut answers).await;
    assert_eq!(after.answered, CALLS, "{:?}", after.refused.first());
    eventually("health", async || (guard.cli(&["health"]).code == 0).then_some(())).await;

    let mut count = Count::default();
    count.look_up(&Ledger::read(&database.url(), 0).await, &answers);
    assert_eq!((count.lost, count.twice), (0, 0), "{count:?}");
    let verified = guard.cli(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    super::evidence(
        "faults-away.txt",
        &format!(
            "gone for {} s, {} rounds of {CALLS} calls: refused within {} ms, an admin within {} ms; serving {} ms \
             after its return (promised: 2000); acknowledged {}, lost {}, twice {}\n",
            gone.elapsed().as_secs(),
            rounds,
            slowest.as_millis(),
            looked.as_millis(),
            served.as_millis(),
            count.acknowledged,
            count.lost,
            count.twice,
        ),
    );
}

/// The control: a server that may answer first does, although the database is gone, and the same round sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_async_server_is_seen_to_answer_without_a_database() {
    let mut cluster = Cluster::start(&[]);
    let database = cluster.database();
    let guard = Guard::on_postgres(&database.url(), &[("AUDIT_MODE", "async")]);
    let mut operator = guard.admin().await;
    let agent = operator.agent("caller").await;
    operator.set_policy(&agent.id, &["read:*"], &[]).await;
    let mut caller = guard.caller(&agent.key).await;
    cluster.kill();
    assert!(caller.enforce(check("gone")).await.is_ok());
}
