//! The worst that may be written beside 63 honest calls in one commit: each gets its answer, and what was answered
//! stands there as it was said.

use agentguard::audit::machine::Settings;
use agentguard::audit::{Failure, Receipt, outbox};

use super::*;
use crate::harness::eventually;

on_both! {
    the_worst_entry_and_63_honest_ones_share_one_commit,
    an_entry_that_is_refused_is_refused_alone,
}

/// As long as it may ever be: nothing here is given up for being slow.
const PATIENCE: Duration = Duration::from_secs(120);

fn patient(bench: &Bench) -> (Writer, JoinHandle<()>) {
    let settings = Settings { patience: PATIENCE, ..writer::settings(Mode::Durable, "0.0.1", "pod") };
    let (writer, task) = Writer::start(&bench.store, settings, bench.clock.clone());
    (writer, tokio::spawn(task))
}

/// A decision of which every text is `text`.
fn filled(text: &str) -> Entry {
    let mut entry = decision("worst");
    for field in [
        &mut entry.decision_id,
        &mut entry.agent_id,
        &mut entry.agent_name,
        &mut entry.team,
        &mut entry.environment,
        &mut entry.labels,
        &mut entry.key_id,
        &mut entry.action,
        &mut entry.verdict,
        &mut entry.reason_code,
        &mut entry.rule_id,
        &mut entry.policies,
        &mut entry.error_rule_ids,
        &mut entry.request_id,
        &mut entry.trace_id,
        &mut entry.idempotency_key,
        &mut entry.repeat_of,
        &mut entry.supersedes,
        &mut entry.approval_id,
        &mut entry.outcome,
        &mut entry.detail,
    ] {
        *field = Some(text.to_owned());
    }
    entry
}

fn with_bytes(bytes: Vec<u8>) -> Entry {
    decision("worst").with_content(Content { bytes, salt: vec![0; 16] })
}

/// The bounds that a record's columns have, each at n, and what databases stumble over.
fn worst() -> Vec<(&'static str, Entry)> {
    let mut labels = decision("worst");
    let many = (0..64).map(|at| (format!("{at:0>63}"), serde_json::Value::from("\u{1}".repeat(255))));
    labels.labels = Some(serde_json::Value::Object(many.collect()).to_string());
    let mut failed = decision("worst");
    // Of three policies each rule with an expression may fail.
    failed.error_rule_ids = Some(serde_json::Value::from(vec!["i".repeat(64); 300]).to_string());
    let mut names = decision("worst");
    names.agent_name = Some("n".repeat(255));
    names.team = Some("\u{10ffff}".repeat(63));
    names.action = Some("a".repeat(255));
    names.rule_id = Some("r".repeat(64));
    names.request_id = Some("q".repeat(128));
    names.idempotency_key = Some("k".repeat(64));
    names.approval_id = Some("\u{1}".repeat(256));
    let mut early = decision("worst");
    early.decided_at = Some(Timestamp::from_micros(0));
    let mut late = decision("worst");
    late.decided_at = Some(Timestamp::from_micros(i64::MAX));
    let mut admin_like = decision("worst");
    // An act's detail holds a policy of 2 MiB, and JSON may take six bytes for one of its.
    admin_like.detail = Some("\u{fffd}".repeat(4 * 1_024 * 1_024));
    vec![
        ("content at its bound, all zeros", with_bytes(vec![0; 8 * 1_024])),
        ("content at its bound, every byte", with_bytes((0..8 * 1_024).map(|at| (at % 256) as u8).collect())),
        ("content that is empty", with_bytes(Vec::new())),
        ("sixty-four labels at their bounds", labels),
        ("three hundred failed rules", failed),
        ("names at their bounds", names),
        ("a detail of twelve megabytes", admin_like),
        ("texts that are empty", filled("")),
        ("texts like an array's", filled("{\"a\",NULL,'}\\")),
        ("texts like nothing", filled("NULL")),
        ("texts of control characters", filled(&(1..32).map(char::from).collect::<String>())),
        ("texts beyond the first plane", filled("\u{10ffff}\u{1f512}\u{feff}\u{fffd}\u{202e}")),
        ("the first instant", early),
        ("the last instant", late),
        ("nothing but a kind", Entry::new(Kind::Report)),
    ]
}

/// Nobody else can append until it is let go.
async fn hold(bench: &Bench) {
    let text = if bench.is_sqlite() {
        "begin immediate"
    } else {
        "begin; lock table audit_chains in exclusive mode"
    };
    bench.sql(text).await;
}

/// `odd` among 63 others, all of them waiting behind one commit and so sharing the next.
async fn beside_63(bench: &Bench, writer: &Writer, odd: Vec<Entry>) -> Vec<Result<Receipt, Failure>> {
    hold(bench).await;
    let ahead = {
        let writer = writer.clone();
        tokio::spawn(async move { writer.record(vec![decision("ahead")]).await })
    };
    let mut calls = Vec::new();
    for at in 0..64 {
        let entries = if at == 20 { odd.clone() } else { vec![decision(&format!("honest {at}"))] };
        let writer = writer.clone();
        calls.push(tokio::spawn(async move { writer.record(entries).await }));
    }
    let waiting = 63 + odd.len();
    eventually("all wait", async || (writer.figures().queued >= waiting).then_some(())).await;
    bench.sql("rollback").await;
    tokio::time::timeout(PATIENCE, ahead).await.expect("a stall").unwrap().unwrap();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(tokio::time::timeout(PATIENCE, call).await.expect("a stall").unwrap());
    }
    answers
}

async fn the_worst_entry_and_63_honest_ones_share_one_commit(bench: Bench) {
    let (writer, task) = patient(&bench);
    writer.record(vec![decision("opens the chain")]).await.unwrap();
    let mut seq = 2;
    for (what, entry) in worst() {
        let before = writer.figures().commits;
        let answers = beside_63(&bench, &writer, vec![entry.clone()]).await;
        assert_eq!(answers.len(), 64);
        // One for whichever came first, one for all others; nothing is split, nothing sent twice.
        let commits = writer.figures().commits - before;
        assert!((1..=2).contains(&commits), "{what}: {commits} commits");
        for (at, answer) in answers.iter().enumerate() {
            assert!(answer.is_ok(), "{what}: call {at}: {answer:?}");
        }
        let chain = writer.chain().unwrap();
        let rows = bench.store.chain_records(chain.as_str(), seq, seq + 65, 100).await.unwrap();
        let records: Vec<Record> = rows.into_iter().map(Result::unwrap).collect();
        assert_eq!(records.len(), 65, "{what}");
        assert!(records.iter().any(|record| *record.entry == entry), "{what}: not as it was said");
        seq += 65;
    }
    assert_eq!(writer.figures().fenced, 0);
    writer.close().await;
    task.await.unwrap();
    bench.verifies_clean().await;
}

async fn an_entry_that_is_refused_is_refused_alone(bench: Bench) {
    let (writer, task) = patient(&bench);
    let (reader, key) = agent("reader");
    bench.store.create_agent(&act("CreateAgent"), &reader, &key).await.unwrap();
    let told = outbox::entry(&bench.store.unrecorded(0, noon()).await.unwrap()[0]);
    writer.record(vec![told.clone()]).await.unwrap();
    // A change that is told already, on both databases; a U+0000 in a text, which PostgreSQL cannot store.
    let mut nul = decision("nul");
    nul.agent_name = Some("a\u{0}b".into());
    let mut refused = vec![("a change told twice", told)];
    if !bench.is_sqlite() {
        refused.push(("a U+0000 in a text", nul));
    }
    for (what, entry) in refused {
        let answers = beside_63(&bench, &writer, vec![entry.clone()]).await;
        for (at, answer) in answers.iter().enumerate() {
            if at == 20 {
                assert_eq!(*answer, Err(Failure::Refused), "{what}");
            } else {
                assert!(answer.is_ok(), "{what}: call {at}: {answer:?}");
            }
        }
        // The control: where they are one call they share its fate, so the batch as a whole is refused.
        let mut together: Vec<_> = (0..63).map(|at| decision(&format!("together {at}"))).collect();
        together.insert(20, entry);
        assert_eq!(writer.record(together).await, Err(Failure::Refused), "{what}");
    }
    writer.close().await;
    task.await.unwrap();
    let lost = bench.value("select count(*) from audit_logs where action like 'together%'").await;
    assert_eq!(lost, "0");
    bench.verifies_clean().await;
}
