//! A COMMIT that the server holds for five seconds because a standby is missing: one record, no alarm, and nobody
//! waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::naive::{Doubt, Naive};
use super::world::{Count, Way, World, decision};
use crate::harness::eventually;
use crate::postgres::{Cluster, sql};

/// How long commits are held.
const HELD: Duration = Duration::from_secs(5);

/// The promise is 600 ms; a machine that runs other tests beside may be late with an answer, but a caller that
/// waited for the command's own end would be far beyond this.
const REFUSED_WITHIN: Duration = Duration::from_secs(2);

/// Lets every commit wait for a standby that there is none of.
fn hold(cluster: &Cluster, standby: &str) {
    sql(&cluster.url(), &format!("alter system set synchronous_standby_names = '{standby}'"));
    sql(&cluster.url(), "select pg_reload_conf()");
    let shown = || sql(&cluster.url(), "show synchronous_standby_names");
    let started = Instant::now();
    while shown() != standby {
        assert!(started.elapsed() < Duration::from_secs(30), "the setting is not heard");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a commit is seen to wait for the standby.
async fn is_held(cluster: &Cluster) {
    const WAITING: &str = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'";
    eventually("a commit is held", async || (sql(&cluster.url(), WAITING) != "0").then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_commit_is_one_record_without_an_alarm() {
    let cluster = Cluster::start(&[]);
    let mut table = String::new();
    for way in [Way::Direct, Way::Pooler] {
        for opening in [false, true] {
            let world = World::on(Arc::new(cluster.database()), way).await;
            let (writer, task) = world.writer("held");
            let mut answers = HashMap::new();
            if !opening {
                writer.record(vec![decision("first")]).await.unwrap();
                answers.insert("first".to_owned(), true);
            }
            hold(&cluster, "nobody");
            let since = Instant::now();
            let mut slowest = Duration::ZERO;
            let calls: Vec<_> = (0..8)
                .map(|caller| {
                    let writer = writer.clone();
                    tokio::spawn(async move {
                        let name = format!("held/{caller}");
                        let answer = writer.record(vec![decision(&name)]).await;
                        (name, answer, since.elapsed())
                    })
                })
                .collect();
            is_held(&cluster).await;
            for call in calls {
                let (name, answer, after) = call.await.unwrap();
                assert_eq!(answer, Err(agentguard::audit::Failure::Unavailable), "{way:?}");
                assert!(after < REFUSED_WITHIN, "{way:?}: refused only after {after:?}");
                slowest = slowest.max(after);
                answers.insert(name, false);
            }
            // Refused at once from now on.
            let asked = Instant::now();
            assert!(writer.record(vec![decision("meanwhile")]).await.is_err());
            assert!(asked.elapsed() < Duration::from_millis(400), "{:?}", asked.elapsed());
            answers.insert("meanwhile".to_owned(), false);
            tokio::time::sleep_until((since + HELD).into()).await;
            hold(&cluster, "");
            let released = Instant::now();
            let mut tries = 0;
            eventually("the writer serves again", async || {
                tries += 1;
                let name = format!("after/{tries}");
                let acknowledged = writer.record(vec![decision(&name)]).await.is_ok();
                answers.insert(name, acknowledged);
                acknowledged.then_some(())
            })
            .await;
            let back = released.elapsed();
            writer.close().await;
            task.await.unwrap();
            let ledger = world.ledger().await;
            let mut count = Count::default();
            count.look_up(&ledger, &answers);
            assert_eq!((count.lost, count.twice), (0, 0), "{way:?} {count:?}");
            // The batch in doubt was written, once; what never left the writer was not.
            let written = (0..8).filter(|caller| ledger.about(&format!("held/{caller}")) == 1).count();
            assert!(written >= 1, "{way:?}: the held commit is gone");
            assert_eq!(ledger.about("meanwhile"), 0);
            assert_eq!(writer.figures().fenced, 0);
            assert_eq!(world.chains().await, (1, 0));
            assert_eq!(world.findings().await, []);
            table += &format!(
                "{way:?}, {}: refused within {} ms, {written} of 8 written once, serving {} ms after the release\n",
                if opening { "opening" } else { "append" },
                slowest.as_millis(),
                back.as_millis()
            );
        }
    }
    super::evidence("faults-held-commit.txt", &table);
}

/// The control: a writer that takes silence for failure writes the held record twice, and the count sees it.
#[tokio::test(flavor = "multi_thread")]
async fn a_held_commit_is_seen_twice_if_it_is_sent_again() {
    let cluster = Cluster::start(&[]);
    let world = World::on(Arc::new(cluster.database()), Way::Direct).await;
    let mut writer = Naive::open(&world.through, Doubt::Repeat).await;
    hold(&cluster, "nobody");
    let sending = async {
        let held = tokio::time::timeout(Duration::from_millis(600), writer.record(decision("held")));
        assert!(held.await.is_err(), "the commit was not held");
        // The first connection went with its future; the next try waits for the first one's lock.
        writer.record(decision("held")).await;
    };
    let releasing = async {
        is_held(&cluster).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        hold(&cluster, "");
    };
    tokio::join!(sending, releasing);
    let mut count = Count::default();
    count.look_up(&world.ledger().await, &[("held".to_owned(), true)].into());
    assert_eq!((count.twice, count.found), (1, 0), "{count:?}");
}
