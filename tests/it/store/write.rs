//! The audit writer on a real store: what goes in comes out, nobody stops anybody, every way leads to clean chains.

use std::sync::Arc;

use agentguard::audit::machine::Outcome;
use agentguard::audit::outbox::{self, Outbox};
use agentguard::audit::verify::FindingKind;
use agentguard::audit::{Failure, Keeper, janitor};
use agentguard::policy::{Action, Object, Request};
use agentguard::store::chains::Appender;

use super::*;

on_both! {
    a_record_comes_back_as_it_went_in,
    calls_share_commits_and_each_has_its_record,
    a_text_with_a_nul_never_stops_the_others,
    a_chain_moved_by_another_writer_is_left_to_it,
    the_janitor_closes_what_is_silent_and_nothing_else,
    a_chain_closed_by_the_janitor_gets_nothing_from_its_resumed_writer,
    an_async_writer_that_vanished_may_have_lost_its_tail,
    an_admin_act_is_told_exactly_once,
    the_audit_is_append_only,
    a_batch_that_was_written_is_not_written_again,
}

/// Entries with whatever databases like to change: numbers at their edges, empty beside absent, letters beyond the
/// first plane, quotes, a U+0000 in the content.
fn odd_entries() -> Vec<Entry> {
    let arguments = agentguard::policy::value::object(
        serde_json::json!({
            "minus zero": -0.0, "huge": 1e308, "tiny": 5e-324, "beyond 2^53": 9_007_199_254_740_993_u64,
            "nul": "a\u{0}b", "lock": "\u{1f512}", "z": [null, true, {"": ""}], "a": "key order",
        })
        .as_object()
        .unwrap(),
    );
    let request = Request {
        action: Action::parse("read:file").unwrap(),
        resource: Some("/\u{1f512}/\"'\\".into()),
        arguments,
        context: Object::new(),
        session_id: Some(String::new()),
        on_behalf_of: None,
        approval_id: None,
    };
    let kept = Keeper::new([3; 32], Vec::new()).request("read_file", &request, [5; 16]);
    let mut odd = decision("odd").with_content(kept.content);
    odd.agent_name = Some("\u{1f512} \u{10ffff} \u{fffd} it's \"quoted\" \\ {a,b} \u{7f}\t\n".into());
    odd.team = Some(String::new());
    odd.rule_id = None;
    odd.error_rule_ids = Some("null".into());
    odd.environment = Some("NULL".into());
    odd.labels = Some(" 1e3 ".into());
    odd.request_id = Some("007".into());
    odd.allowed = Some(true);
    odd.agent_active = Some(false);
    odd.replayable = None;
    odd.decided_at = Some(Timestamp::from_micros(0));
    let mut bytes =
        Entry::new(Kind::Report).with_content(Content { bytes: (0..=255).collect(), salt: vec![0; 32] });
    bytes.decided_at = Some(Timestamp::from_micros(i64::MAX));
    let empty = Entry::new(Kind::Outcome).with_content(Content { bytes: Vec::new(), salt: Vec::new() });
    vec![odd, bytes, empty, Entry::new(Kind::Tombstone), decision("plain")]
}

/// Opens `batch`'s chain with its records.
async fn open(store: &Store, batch: &Batch) {
    let appender = Appender::new(store);
    let (_, opened) = appender.begin_opening(&batch.chain_id).await.unwrap().unwrap();
    assert!(matches!(appender.finish_opening(opened, batch).await, Outcome::Committed(_)));
}

async fn a_record_comes_back_as_it_went_in(bench: Bench) {
    let chain = ChainId::new(noon(), [1; 16]);
    let times = [
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00.000001Z",
        "2026-03-29T01:59:59.999999Z",
        "2038-01-19T03:14:08.000007Z",
    ]
    .map(|at| Timestamp::parse(at).unwrap());
    let times = times.into_iter().chain([Timestamp::from_micros(i64::MAX)]);
    let batch = batch(&chain, 1, (0, [0; 32]), times.zip(odd_entries()).collect());
    open(&bench.store, &batch).await;
    let back = bench.records(chain.as_str()).await;
    assert_eq!(back, batch.records);
    for record in &back {
        assert_eq!(record.computed_hash(), record.hash);
        assert_eq!(record.entry.content.as_ref().map(Content::commitment), record.entry.commitment);
    }
    // The same on both databases, and for ever: a change of this value is a new form version.
    let hash: String = back.last().unwrap().hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "1061cc92ad75edc61c8c0b71a509ff6c81b1812a9d0a80331476dc0827f2febf");
}

/// The control of the above: what databases and languages like to take for one and the same has another hash here.
#[test]
fn what_is_not_the_same_does_not_hash_alike() {
    let position = batch(&ChainId::new(noon(), [1; 16]), 1, (0, [0; 32]), vec![(noon(), decision("a"))]);
    let hash = |entry: Entry| Record::new(position.records[0].position.clone(), entry).hash;
    let said = |json: serde_json::Value| {
        let arguments = agentguard::policy::value::object(json.as_object().unwrap());
        let request = Request {
            action: Action::parse("read:file").unwrap(),
            resource: None,
            arguments,
            context: Object::new(),
            session_id: None,
            on_behalf_of: None,
            approval_id: None,
        };
        hash(
            decision("a")
                .with_content(Keeper::new([3; 32], Vec::new()).request("a", &request, [5; 16]).content),
        )
    };
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    for (one, other) in [
        (r#"{"n":0.0}"#, r#"{"n":-0.0}"#),
        (r#"{"n":1e308}"#, r#"{"n":1.0000000000000002e308}"#),
        (r#"{"n":9007199254740992}"#, r#"{"n":9007199254740994}"#),
        (r#"{"n":1}"#, r#"{"n":"1"}"#),
        (r#"{"n":null}"#, "{}"),
        (r#"{"n":""}"#, r#"{"n":null}"#),
        (r#"{"n":"\ud83d\udd12"}"#, r#"{"n":"\ufffd"}"#),
        (r#"{"n":"\u00e9"}"#, r#"{"n":"e\u0301"}"#),
    ] {
        assert_ne!(said(json(one)), said(json(other)), "{one} {other}");
    }
    // And what is the same does: in whatever order its keys came, and however its numbers were written.
    for (one, other) in [
        (r#"{"a":1,"z":2}"#, r#"{"z":2,"a":1}"#),
        (r#"{"n":1.0}"#, r#"{"n":1}"#),
        // A double holds no odd number beyond 2^53, and `Struct` has no other number.
        (r#"{"n":9007199254740993}"#, r#"{"n":9007199254740992}"#),
    ] {
        assert_eq!(said(json(one)), said(json(other)), "{one} {other}");
    }
    let empty = Entry { rule_id: Some(String::new()), ..decision("a") };
    let absent = Entry { rule_id: None, ..decision("a") };
    let moved = Entry { rule_id: None, agent_name: Some(String::new()), ..decision("a") };
    let (first, last) = (Timestamp::from_micros(0), Timestamp::from_micros(i64::MAX));
    let hashes = [
        hash(empty),
        hash(absent),
        hash(moved),
        hash(Entry { decided_at: Some(first), ..decision("a") }),
        hash(Entry { decided_at: Some(last), ..decision("a") }),
        hash(Entry { decided_at: None, ..decision("a") }),
    ];
    assert_eq!(hashes.iter().collect::<std::collections::BTreeSet<_>>().len(), hashes.len());
}

async fn calls_share_commits_and_each_has_its_record(bench: Bench) {
    let (writer, task) = bench.writer(Mode::Durable, "pod");
    let calls: Vec<_> = (0..200)
        .map(|at| {
            let writer = writer.clone();
            tokio::spawn(async move { writer.record(vec![decision(&format!("call {at}"))]).await })
        })
        .collect();
    for call in calls {
        let receipt = call.await.unwrap().unwrap();
        assert_eq!(receipt.stamp, Some(bench.store.stamp().await.unwrap()));
    }
    let figures = writer.figures();
    assert!(figures.commits < 200, "{figures:?}");
    writer.close().await;
    task.await.unwrap();
    let chains = bench.chains().await;
    assert_eq!(chains.len(), 1);
    let mut said: Vec<_> = bench
        .records(&chains[0].chain_id)
        .await
        .into_iter()
        .filter_map(|record| record.entry.action.clone())
        .collect();
    said.sort();
    said.dedup();
    assert_eq!(said.len(), 200);
    assert!(chains[0].closed);
    bench.verifies_clean().await;
}

async fn a_text_with_a_nul_never_stops_the_others(bench: Bench) {
    let (writer, task) = bench.writer(Mode::Durable, "pod");
    writer.record(vec![decision("first")]).await.unwrap();
    let calls: Vec<_> = (0..64)
        .map(|at| {
            let writer = writer.clone();
            let mut entry = decision(&format!("call {at}"));
            if at == 20 {
                entry.rule_id = Some("a\u{0}b".into());
            }
            tokio::spawn(async move { writer.record(vec![entry]).await })
        })
        .collect();
    for (at, call) in calls.into_iter().enumerate() {
        let answer = call.await.unwrap();
        if at == 20 && !bench.is_sqlite() {
            assert_eq!(answer, Err(Failure::Refused));
        } else {
            assert!(answer.is_ok(), "call {at}: {answer:?}");
        }
    }
    writer.close().await;
    task.await.unwrap();
    bench.verifies_clean().await;
    let chain = bench.chains().await.remove(0);
    let with_nul = bench
        .records(&chain.chain_id)
        .await
        .iter()
        .filter(|record| record.entry.rule_id.as_deref() == Some("a\u{0}b"))
        .count();
    assert_eq!(with_nul, usize::from(bench.is_sqlite()), "what was answered stands there as it was said");
}

async fn a_chain_moved_by_another_writer_is_left_to_it(bench: Bench) {
    let (writer, task) = bench.writer(Mode::Durable, "pod");
    writer.record(vec![decision("mine")]).await.unwrap();
    let chain = writer.chain().unwrap();
    let other = Appender::new(&bench.replica().await);
    let head = other.head(&chain, 2).await.unwrap().unwrap();
    assert_eq!(head.asked, Some(head.hash));
    let theirs = batch(&chain, 1, stand(&head), vec![(noon(), decision("theirs"))]);
    assert!(matches!(other.append(&theirs).await, Outcome::Committed(_)));
    // The head check: the same place cannot be taken twice.
    assert_eq!(other.append(&theirs).await, Outcome::Moved);
    assert_eq!(writer.record(vec![decision("fenced")]).await, Err(Failure::Fenced));
    writer.record(vec![decision("goes on")]).await.unwrap();
    assert_eq!(writer.figures().fenced, 1);
    assert_ne!(writer.chain().unwrap(), chain);
    writer.close().await;
    task.await.unwrap();
    let chains = bench.chains().await;
    let first = bench.records(&chains[0].chain_id).await;
    assert_eq!(first.last().unwrap().entry.action.as_deref(), Some("theirs"));
    let opening = bench.records(&chains[1].chain_id).await.remove(0).entry.detail.clone().unwrap();
    let opening: serde_json::Value = serde_json::from_str(&opening).unwrap();
    assert_eq!(opening["reached"]["seq"], 2);
    assert_eq!(opening["previous"]["seq"], 3);
    bench.verifies_clean().await;
}

async fn sweep(
    bench: &Bench,
    store: &Store,
    own: Option<Arc<ChainId>>,
    by: &str,
    silence: Duration,
) -> Vec<ChainId> {
    janitor::sweep(store, &Appender::new(store), own, bench.clock.now(), by, silence).await.unwrap()
}

async fn the_janitor_closes_what_is_silent_and_nothing_else(bench: Bench) {
    let (dead, dead_task) = bench.writer(Mode::Durable, "dead");
    dead.record(vec![decision("a")]).await.unwrap();
    let silent = dead.chain().unwrap();
    dead_task.abort();
    assert!(dead_task.await.unwrap_err().is_cancelled());
    let (living, task) = bench.writer(Mode::Durable, "living");
    living.record(vec![decision("b")]).await.unwrap();
    let own = living.chain();
    if !bench.is_sqlite() {
        // Both were seen a moment ago.
        assert_eq!(sweep(&bench, &bench.store, own.clone(), "living", janitor::SILENCE).await, []);
    }
    let closed = sweep(&bench, &bench.store, own.clone(), "living", Duration::ZERO).await;
    assert_eq!(closed, [(*silent).clone()]);
    assert_eq!(sweep(&bench, &bench.store, own, "living", Duration::ZERO).await, []);
    // Another process must not sweep while the lease is held.
    assert_eq!(sweep(&bench, &bench.replica().await, None, "other", Duration::ZERO).await, []);
    living.record(vec![decision("c")]).await.unwrap();
    assert_eq!(living.figures().fenced, 0);
    living.close().await;
    task.await.unwrap();
    let mark = bench.records(silent.as_str()).await.pop().unwrap().entry.detail.clone().unwrap();
    let mark: serde_json::Value = serde_json::from_str(&mark).unwrap();
    assert_eq!((&mark["by"], &mark["event"]), (&"janitor".into(), &"closed".into()));
    bench.verifies_clean().await;
}

async fn a_chain_closed_by_the_janitor_gets_nothing_from_its_resumed_writer(bench: Bench) {
    let (stopped, task) = bench.writer(Mode::Durable, "stopped");
    stopped.record(vec![decision("a")]).await.unwrap();
    let chain = stopped.chain().unwrap();
    assert_eq!(sweep(&bench, &bench.replica().await, None, "other", Duration::ZERO).await.len(), 1);
    let before = bench.records(chain.as_str()).await;
    assert_eq!(stopped.record(vec![decision("waited")]).await, Err(Failure::Fenced));
    stopped.record(vec![decision("b")]).await.unwrap();
    assert_eq!(bench.records(chain.as_str()).await, before);
    stopped.close().await;
    task.await.unwrap();
    assert_eq!(bench.chains().await.len(), 2);
    bench.verifies_clean().await;
}

async fn an_async_writer_that_vanished_may_have_lost_its_tail(bench: Bench) {
    let (writer, task) = bench.writer(Mode::Async, "pod");
    assert_eq!(writer.record(vec![decision("a")]).await.unwrap().stamp, None);
    eventually("the record is shipped", async || (writer.figures().records == 2).then_some(())).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    for closed in [false, true] {
        if closed {
            assert_eq!(sweep(&bench, &bench.store, None, "janitor", Duration::ZERO).await.len(), 1);
        }
        let findings = bench.findings().await;
        let kinds: Vec<_> = findings.iter().map(|finding| (finding.kind, finding.seq)).collect();
        assert_eq!(kinds, [(FindingKind::LossPossible, if closed { 3 } else { 2 })]);
    }
    // The control: closed by its own writer, nothing is lost.
    let (writer, task) = bench.writer(Mode::Async, "pod");
    writer.record(vec![decision("b")]).await.unwrap();
    writer.close().await;
    task.await.unwrap();
    assert_eq!(bench.findings().await.len(), 1);
}

async fn an_admin_act_is_told_exactly_once(bench: Bench) {
    let acts: Vec<_> = (0..20).map(|_| act("CreateAgent")).collect();
    let other = bench.replica().await;
    let (one, one_task) = bench.writer(Mode::Durable, "one");
    let (two, two_task) = start(&other, &bench.clock, Mode::Durable, "two");
    let (outbox, outbox_task) = Outbox::start(bench.store.clone(), one.clone(), bench.clock.clone());
    let outbox_task = tokio::spawn(outbox_task);
    for act in &acts {
        let (reader, key) = agent("reader");
        let stamp = bench.store.create_agent(act, &reader, &key).await.unwrap();
        outbox.tell(act, &stamp);
    }
    // Another replica takes them for left over at the same moment.
    for act in other.unrecorded(0, noon()).await.unwrap() {
        let told = two.record(vec![outbox::entry(&act)]).await;
        assert!(matches!(told, Ok(_) | Err(Failure::Refused)), "{told:?}");
    }
    eventually("all are told", async || other.unrecorded(0, noon()).await.unwrap().is_empty().then_some(()))
        .await;
    drop(outbox);
    outbox_task.await.unwrap();
    for (writer, task) in [(one, one_task), (two, two_task)] {
        writer.close().await;
        task.await.unwrap();
    }
    assert_eq!(bench.value("select count(*) from audit_logs where kind = 'admin'").await, "20");
    assert_eq!(
        bench.value("select count(distinct revision) from audit_logs where kind = 'admin'").await,
        "20"
    );
    bench.verifies_clean().await;
}

async fn the_audit_is_append_only(bench: Bench) {
    let (writer, task) = bench.writer(Mode::Durable, "pod");
    writer.record(vec![decision("a")]).await.unwrap();
    writer.close().await;
    task.await.unwrap();
    let mut statements = vec![
        "update audit_logs set action = 'x'",
        "update audit_logs set content = null, salt = null",
        "delete from audit_logs",
    ];
    if bench.is_sqlite() {
        statements.push("insert or replace into audit_logs select * from audit_logs");
        statements.push("replace into audit_logs select * from audit_logs where seq = 2");
    }
    for statement in statements {
        let refused = bench.try_sql(statement).await.expect_err(statement).to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }
    bench.verifies_clean().await;
    // The control: without the triggers it is done.
    bench.disarm().await;
    bench.sql("update audit_logs set action = 'x' where seq = 2").await;
    assert_eq!(bench.findings().await.len(), 1);
}

async fn a_batch_that_was_written_is_not_written_again(bench: Bench) {
    let chain = ChainId::new(noon(), [2; 16]);
    let mut opening = Entry::new(Kind::Chain);
    opening.detail = Some(r#"{"event":"opened","mode":"durable"}"#.into());
    let first = batch(&chain, 1, (0, [0; 32]), vec![(noon(), opening), (noon(), decision("a"))]);
    open(&bench.store, &first).await;
    let appender = Appender::new(&bench.replica().await);
    assert!(appender.begin_opening(&chain).await.unwrap().is_none(), "a chain is opened once");
    let head = appender.head(&chain, 2).await.unwrap().unwrap();
    let second = batch(&chain, 1, stand(&head), vec![(noon(), decision("b"))]);
    let again = second.clone();
    // The same bytes from two connections at once, as after a lost answer.
    let own = Appender::new(&bench.store);
    let (one, two) = tokio::join!(appender.append(&second), own.append(&again));
    let committed = [&one, &two].iter().filter(|outcome| matches!(outcome, Outcome::Committed(_))).count();
    assert_eq!(committed, 1, "{one:?} {two:?}");
    assert_eq!(appender.append(&second).await, Outcome::Moved);
    assert_eq!(appender.head(&ChainId::new(noon(), [3; 16]), 1).await.unwrap(), None);
    assert_eq!(bench.records(chain.as_str()).await.len(), 3);
    bench.verifies_clean().await;
}
