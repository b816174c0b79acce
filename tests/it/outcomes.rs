//! Outcomes: one for each decision, however often and wherever it is reported, and only by who asked.

use std::time::Duration;

use agentguard::pb::v1;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use tonic::{Code, Status};

use crate::harness::{Caller, Guard, NewAgent, eventually, reason};
use crate::postgres::Database;
use crate::watch::Watch;

struct Stage {
    guard: Guard,
    agent: NewAgent,
    caller: Caller,
    watch: Watch,
    url: String,
    _database: Option<Database>,
}

impl Stage {
    async fn on_sqlite(settings: &[(&str, &str)]) -> Self {
        let guard = Guard::on_sqlite(settings);
        let url = format!("sqlite://{}", guard.directory().join("agentguard.db").display());
        Self::new(guard, url, None).await
    }

    async fn on_postgres(settings: &[(&str, &str)]) -> Self {
        let database = Database::create();
        let url = database.url();
        Self::new(Guard::on_postgres(&url, settings), url, Some(database)).await
    }

    async fn new(guard: Guard, url: String, database: Option<Database>) -> Self {
        let agent = guard.admin().await.agent("worker").await;
        let caller = guard.caller(&agent.key).await;
        let watch = Watch::on(&url).await;
        Self { guard, agent, caller, watch, url, _database: database }
    }

    async fn decide(&mut self) -> String {
        let check = v1::EnforceRequest { action: "read:file".to_owned(), ..Default::default() };
        self.caller.enforce(check).await.unwrap().decision_id
    }

    /// How many outcomes of a decision are on record.
    async fn recorded(&self, decision_id: &str) -> i64 {
        let text = format!(
            "select count(*) from audit_logs where kind = 'outcome' and decision_id = '{decision_id}'"
        );
        self.watch.number(&text).await
    }
}

fn succeeded() -> v1::Outcome {
    v1::Outcome { success: Some(true), ..Default::default() }
}

fn failed(error: &str) -> v1::Outcome {
    v1::Outcome { success: Some(false), error: error.to_owned(), ..Default::default() }
}

fn noted(note: &str) -> v1::Outcome {
    let note = Value { kind: Some(Kind::StringValue(note.to_owned())) };
    v1::Outcome { metadata: Some(Struct { fields: [("note".to_owned(), note)].into() }), ..succeeded() }
}

/// Reports; answers whether it was known already.
async fn report(caller: &Caller, decision_id: &str, outcome: v1::Outcome) -> Result<bool, Status> {
    let message = v1::ReportOutcomeRequest { decision_id: decision_id.to_owned(), outcome: Some(outcome) };
    let request = caller.request(message);
    Ok(caller.clone().client().report_outcome(request).await?.into_inner().idempotent_repeat)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_outcome_twice_is_one_record_and_another_is_refused() {
    for mut stage in [Stage::on_sqlite(&[]).await, Stage::on_postgres(&[]).await] {
        for outcome in [succeeded(), failed("no such file"), noted("slow \u{1f512}")] {
            let id = stage.decide().await;
            assert!(!report(&stage.caller, &id, outcome.clone()).await.unwrap());
            assert!(report(&stage.caller, &id, outcome.clone()).await.unwrap());
            for other in
                [succeeded(), failed(""), failed("no such file"), failed("x"), noted("slow"), noted("")]
            {
                if other == outcome {
                    continue;
                }
                let refused = report(&stage.caller, &id, other).await.unwrap_err();
                assert_eq!(
                    (refused.code(), reason(&refused).as_str()),
                    (Code::AlreadyExists, "ALREADY_EXISTS")
                );
            }
            assert_eq!(stage.recorded(&id).await, 1);
        }
        // A restart forgets nothing of this.
        let id = stage.decide().await;
        assert!(!report(&stage.caller, &id, failed("x")).await.unwrap());
        stage.guard.kill();
        stage.guard.restart();
        stage.caller = stage.guard.caller(&stage.agent.key).await;
        assert!(report(&stage.caller, &id, failed("x")).await.unwrap());
        assert_eq!(report(&stage.caller, &id, succeeded()).await.unwrap_err().code(), Code::AlreadyExists);
        assert_eq!(stage.recorded(&id).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_agents_decision_is_as_one_that_is_not_there() {
    for mut stage in [Stage::on_sqlite(&[]).await, Stage::on_postgres(&[]).await] {
        let other = stage.guard.admin().await.agent("other").await;
        let other = stage.caller.with_key(&other.key);
        let id = stage.decide().await;
        let nowhere = format!("dec_{}", "01h455vb4pex5vsknk084sn02q");
        let mut told = Vec::new();
        for asked in [&id, &nowhere] {
            let refused = report(&other, asked, succeeded()).await.unwrap_err();
            told.push((refused.code(), reason(&refused), refused.message().replace(asked.as_str(), "ID")));
        }
        assert_eq!(told[0].0, Code::NotFound);
        assert_eq!(told[0], told[1]);
        assert_eq!(stage.recorded(&id).await, 0);
        // Nor does it learn that there is an outcome.
        assert!(!report(&stage.caller, &id, succeeded()).await.unwrap());
        let refused = report(&other, &id, succeeded()).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
        assert_eq!(stage.recorded(&id).await, 1);
    }
}

/// In `async` mode the answer is there before the record.
#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_comes_before_its_decision_is_on_record_may_come_again() {
    let settings = [("AUDIT_MODE", "async")];
    for mut stage in [Stage::on_sqlite(&settings).await, Stage::on_postgres(&settings).await] {
        let shipped = stage.decide().await;
        eventually("the first record is written", async || {
            let count = format!("select count(*) from audit_logs where decision_id = '{shipped}'");
            (stage.watch.number(&count).await == 1).then_some(())
        })
        .await;
        let hold = stage.watch.hold().await;
        let id = stage.decide().await;
        let early = report(&stage.caller, &id, succeeded()).await.unwrap_err();
        assert_eq!((early.code(), reason(&early).as_str()), (Code::Unavailable, "DECISION_NOT_YET_KNOWN"));
        // An old one that is not there will not come any more.
        let old = report(&stage.caller, "dec_01h455vb4pex5vsknk084sn02q", succeeded()).await.unwrap_err();
        assert_eq!(old.code(), Code::NotFound);
        hold.release().await;
        let known = eventually("the decision is known", async || {
            match report(&stage.caller, &id, succeeded()).await {
                Ok(repeat) => Some(repeat),
                Err(status) => {
                    assert_eq!(status.code(), Code::Unavailable, "{status}");
                    None
                }
            }
        })
        .await;
        assert!(!known);
        eventually("the outcome is written", async || (stage.recorded(&id).await == 1).then_some(())).await;
        assert!(report(&stage.caller, &id, succeeded()).await.unwrap());
        assert_eq!(stage.recorded(&id).await, 1);
    }
    // The control: where answers come after their records, a young unknown one is unknown for good.
    let mut stage = Stage::on_sqlite(&[]).await;
    let id = stage.decide().await;
    let (last, rest) = (id.chars().last().unwrap(), &id[..id.len() - 1]);
    let unknown = format!("{rest}{}", if last == 'a' { 'b' } else { 'a' });
    assert_eq!(report(&stage.caller, &unknown, succeeded()).await.unwrap_err().code(), Code::NotFound);
}

/// Two replicas look, see nothing, and each records an outcome: the first in the order of readers counts, everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_outcomes_that_race_on_two_replicas_the_first_counts() {
    let mut stage = Stage::on_postgres(&[]).await;
    let other = Guard::on_postgres(&stage.url, &[]);
    let here = stage.caller.clone();
    let there = other.caller(&stage.agent.key).await;
    there.clone().enforce(v1::EnforceRequest { action: "a".into(), ..Default::default() }).await.unwrap();
    let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' \
                   and datname = current_database()";
    // A busy machine may let one of them be given up; then both try again about another decision.
    for _ in 0..20 {
        let id = stage.decide().await;
        let hold = stage.watch.hold().await;
        let racing = [(here.clone(), succeeded()), (there.clone(), failed("x"))].map(|(caller, outcome)| {
            let id = id.clone();
            tokio::spawn(async move { report(&caller, &id, outcome).await })
        });
        let both = tokio::time::timeout(Duration::from_millis(400), async {
            while stage.watch.number(waiting).await < 2 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        let both = both.await.is_ok();
        hold.release().await;
        let mut answers = Vec::new();
        for call in racing {
            answers.push(call.await.unwrap());
        }
        if !both || answers.iter().any(|answer| !matches!(answer, Ok(false))) {
            continue;
        }
        assert_eq!(stage.recorded(&id).await, 2, "both were told that theirs is on record");
        let order = stage
            .watch
            .texts(&format!(
                "select outcome from audit_logs where kind = 'outcome' and decision_id = '{id}' \
                 order by timestamp, chain_no, seq"
            ))
            .await;
        let (first, second) =
            if order[0] == "success" { (succeeded(), failed("x")) } else { (failed("x"), succeeded()) };
        for caller in [&here, &there] {
            assert!(report(caller, &id, first.clone()).await.unwrap());
            assert_eq!(report(caller, &id, second.clone()).await.unwrap_err().code(), Code::AlreadyExists);
        }
        assert_eq!(stage.recorded(&id).await, 2);
        return;
    }
    panic!("the two never raced");
}

/// On one replica nothing races: the second of two waits for the first.
#[tokio::test(flavor = "multi_thread")]
async fn outcomes_that_race_on_one_replica_make_one_record() {
    for mut stage in [Stage::on_sqlite(&[]).await, Stage::on_postgres(&[]).await] {
        for _ in 0..10 {
            let id = stage.decide().await;
            let calls: Vec<_> = (0..16)
                .map(|number| {
                    let (caller, id) = (stage.caller.clone(), id.clone());
                    let outcome = if number % 2 == 0 { succeeded() } else { failed("x") };
                    tokio::spawn(async move { report(&caller, &id, outcome).await })
                })
                .collect();
            let mut made = 0;
            let mut refused = 0;
            for call in calls {
                match call.await.unwrap() {
                    Ok(repeat) => made += usize::from(!repeat),
                    Err(status) => {
                        assert_eq!(status.code(), Code::AlreadyExists, "{status}");
                        refused += 1;
                    }
                }
            }
            assert_eq!((made, refused), (1, 8));
            assert_eq!(stage.recorded(&id).await, 1);
        }
    }
}
