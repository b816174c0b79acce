//! What somebody with an agent's key, or with none, may try: each attack and what is left of it.

use std::collections::BTreeMap;
use std::time::Duration;

use agentguard::pb::v1;
use bytes::Bytes;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use tokio::task::JoinSet;
use tonic::Code;

use crate::harness::{Guard, reason};
use crate::keys::raw::{Wire, frame};
use crate::postgres::Database;

const ENFORCE: &str = "/agentguard.v1.EnforcementService/Enforce";
const BATCH: &str = "/agentguard.v1.EnforcementService/BatchEnforce";

fn check() -> v1::EnforceRequest {
    v1::EnforceRequest { action: "read:file".to_owned(), ..Default::default() }
}

/// The head of a message of `length` bytes that never come.
fn head(length: u32) -> Bytes {
    let mut head = vec![0];
    head.extend(length.to_be_bytes());
    head.into()
}

fn with_key(key: &str) -> [(&'static str, String); 1] {
    [("x-agent-key", key.to_owned())]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_sends_slowly_leaves_agents_and_admins_served() {
    let guard = Guard::on_sqlite(&[]);
    let mut admin = guard.admin().await;
    let (slow, other) = (admin.agent("slow").await, admin.agent("other").await);
    let mut calls = JoinSet::new();
    let mut wires = Vec::new();
    let share = 4_096 / 4;
    let excess = 5 * 210 - share;
    for _ in 0..5 {
        let wire = std::sync::Arc::new(Wire::connect(&guard.endpoint()).await);
        for _ in 0..210 {
            let (wire, headers) = (std::sync::Arc::clone(&wire), with_key(&slow.key));
            calls.spawn(async move { wire.begin(ENFORCE, &headers, head(100)).await });
        }
        wires.push(wire);
    }
    for _ in 0..excess {
        // Sooner than the 30 seconds after which a slow call is ended anyway.
        let refused = tokio::time::timeout(Duration::from_secs(15), calls.join_next()).await;
        let refused = refused.expect("no call is refused").unwrap().unwrap();
        assert_eq!((refused.code(), refused.reason().as_str()), (8, "RATE_LIMITED"));
    }
    // The share itself is held, and nothing of the others'.
    assert_eq!(calls.len(), share);
    guard.caller(&other.key).await.enforce(check()).await.unwrap();
    admin.revoke(&slow.key_id).await;
    drop(calls);
    drop(wires);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_messages_are_refused_before_they_are_read() {
    let guard = Guard::on_sqlite(&[]);
    let mut admin = guard.admin().await;
    let (greedy, other) = (admin.agent("greedy").await, admin.agent("other").await);
    let wire = std::sync::Arc::new(Wire::connect(&guard.endpoint()).await);
    let headers = with_key(&greedy.key);
    // Only a batch may be larger than a check.
    for method in ["Enforce", "Report", "ReportOutcome", "ListOwnRecords", "WhoAmI"] {
        let path = format!("/agentguard.v1.EnforcementService/{method}");
        let refused = wire.begin(&path, &headers, head(1_000_000)).await;
        assert_eq!(refused.reason(), "MESSAGE_TOO_LARGE", "{method}");
    }
    let mut batches = JoinSet::new();
    for _ in 0..8 {
        let (wire, headers) = (std::sync::Arc::clone(&wire), headers.clone());
        batches.spawn(async move { wire.begin(BATCH, &headers, head(10_000_000)).await });
    }
    for _ in 3..8 {
        assert_eq!(batches.join_next().await.unwrap().unwrap().reason(), "RATE_LIMITED");
    }
    let batch = v1::BatchEnforceRequest { checks: vec![check(); 100], ..Default::default() };
    let mut other = guard.caller(&other.key).await;
    let request = other.request(batch);
    assert_eq!(other.client().batch_enforce(request).await.unwrap().into_inner().results.len(), 100);
    drop(batches);
}

/// A field of a message, as it is on the wire.
fn field(number: u8, mut content: Vec<u8>) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    prost::encoding::encode_varint(u64::try_from(content.len()).unwrap(), &mut bytes);
    bytes.append(&mut content);
    bytes
}

/// Two bytes of a message may become two hundred in memory; they are counted before they are read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_of_nothing_takes_no_memory() {
    const MIB: usize = 1_024 * 1_024;
    let empty = || [0x0a, 0x00].repeat(10_000_000 / 2 - 100);
    // `arguments` of a check is a list under the name `l`, and the check one of a batch.
    let list = |values: Vec<u8>| {
        let entry = [field(1, b"l".to_vec()), field(2, field(6, values))].concat();
        field(1, [field(1, b"a".to_vec()), field(3, field(1, entry))].concat())
    };
    let members: Vec<u8> = (0u32..1_200_000)
        .flat_map(|number| field(1, field(1, number.to_be_bytes().map(|b| b & 0x7f).to_vec())))
        .collect();
    let members = field(1, [field(1, b"a".to_vec()), field(3, members)].concat());
    for (what, message, bound) in [
        ("checks", empty(), "more than 100 items"),
        ("values", list(empty()), "more than 100000 values"),
        ("members", members, "more than 100000 values"),
    ] {
        assert!(message.len() > 9_000_000 && message.len() < 10 * MIB, "{what}: {}", message.len());
        let guard = Guard::on_sqlite(&[]);
        let agent = guard.admin().await.agent("greedy").await;
        guard.caller(&agent.key).await.enforce(check()).await.unwrap();
        let before = guard.peak_memory();
        let wire = Wire::connect(&guard.endpoint()).await;
        let mut framed = head(u32::try_from(message.len()).unwrap()).to_vec();
        framed.extend(message);
        let headers = with_key(&agent.key);
        let refused = wire.send(("POST", BATCH), "application/grpc", &headers, framed.into(), false).await;
        assert_eq!((refused.code(), refused.reason().as_str()), (3, "INVALID_ARGUMENT"), "{what}");
        let headers = if refused.trailers.is_empty() { &refused.headers } else { &refused.trailers };
        let text = tonic::Status::from_header_map(headers).unwrap();
        assert!(text.message().contains(bound), "{what}: {}", text.message());
        let grown = guard.peak_memory() - before;
        assert!(grown < 40 * MIB, "{what}: grew by {} MiB", grown / MIB);
    }
    // The control: the measure sees what an honest message of that size takes, which is answered.
    let guard = Guard::on_sqlite(&[]);
    let agent = guard.admin().await.agent("honest").await;
    let mut caller = guard.caller(&agent.key).await;
    caller.enforce(check()).await.unwrap();
    let before = guard.peak_memory();
    let text = Value { kind: Some(Kind::StringValue("x".repeat(90))) };
    let values = prost_types::ListValue { values: vec![text; 999] };
    let values = Value { kind: Some(Kind::ListValue(values)) };
    let arguments = Some(Struct { fields: BTreeMap::from([("l".to_owned(), values)]) });
    let checks = vec![v1::EnforceRequest { arguments, ..check() }; 100];
    let request = caller.request(v1::BatchEnforceRequest { checks, ..Default::default() });
    assert_eq!(caller.client().batch_enforce(request).await.unwrap().into_inner().results.len(), 100);
    let grown = guard.peak_memory() - before;
    assert!(grown > 15 * MIB, "grew by {} KiB only", grown / 1_024);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_one_connection_holds_few_streams_open() {
    let guard = Guard::on_sqlite(&[]);
    let wire = std::sync::Arc::new(Wire::connect(&guard.endpoint()).await);
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let mut streams = JoinSet::new();
    for _ in 0..40 {
        let wire = std::sync::Arc::clone(&wire);
        streams.spawn(async move { wire.begin(reflection, &[], Bytes::new()).await });
    }
    for _ in 16..40 {
        let refused = streams.join_next().await.unwrap().unwrap();
        assert_eq!((refused.code(), refused.reason().as_str()), (14, "OVERLOADED"));
    }
    let health = "/grpc.health.v1.Health/Check";
    let asked = wire.send(("POST", health), "application/grpc", &[], head(0), false).await;
    assert_eq!(asked.code(), 0);
    let elsewhere = Wire::connect(&guard.endpoint()).await;
    let watch = "/grpc.health.v1.Health/Watch";
    let watched = elsewhere.send(("POST", watch), "application/grpc", &[], head(0), true).await;
    assert_eq!(watched.code(), 0);
    drop(streams);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_learns_and_changes_nothing_of_another() {
    let guard = Guard::on_sqlite(&[]);
    let mut admin = guard.admin().await;
    let (mallory, alice) = (admin.agent("mallory").await, admin.agent("alice").await);
    admin.set_policy(&alice.id, &["read:*"], &[]).await;
    let (mut hers, mut his) = (guard.caller(&alice.key).await, guard.caller(&mallory.key).await);
    let keyed = v1::EnforceRequest { idempotency_key: "k".to_owned(), ..check() };
    let decision = hers.enforce(keyed.clone()).await.unwrap();
    assert!(decision.allowed);

    // Her key under his name is a first call of his own, decided by his policies.
    let own = his.retry(keyed).await.unwrap();
    assert_eq!((own.allowed, own.idempotent_repeat), (false, false));
    assert_ne!(own.decision_id, decision.decision_id);

    // The outcome of her decision is answered as that of one which is not there.
    let mut answers = Vec::new();
    for id in [decision.decision_id.as_str(), "dec_01h455vb4pex5vsknk084sn02q"] {
        let outcome = Some(v1::Outcome { success: Some(true), ..Default::default() });
        let mut request = his.request(v1::ReportOutcomeRequest { decision_id: id.to_owned(), outcome });
        request.metadata_mut().insert("x-request-id", "the-same".parse().unwrap());
        let refused = his.client().report_outcome(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
        answers.push(refused.message().replace(id, "ID"));
    }
    assert_eq!(answers[0], answers[1]);

    // Her records are not his to list, neither by asking nor by her page's token.
    let ask = |caller: &crate::harness::Caller, filter: Option<v1::RecordFilter>, token: &str| {
        caller.request(v1::ListOwnRecordsRequest {
            filter,
            page_size: 1,
            page_token: token.to_owned(),
            ..Default::default()
        })
    };
    let theirs = v1::RecordFilter { agent_id: alice.id.clone(), ..Default::default() };
    let request = ask(&his, Some(theirs), "");
    assert_eq!(his.client().list_own_records(request).await.unwrap_err().code(), Code::InvalidArgument);
    hers.enforce(check()).await.unwrap();
    let request = ask(&hers, None, "");
    let page = hers.client().list_own_records(request).await.unwrap().into_inner();
    assert_ne!(page.next_page_token, "");
    for token in [page.next_page_token.as_str(), ""] {
        let request = ask(&his, None, token);
        let records = his.client().list_own_records(request).await.unwrap().into_inner().records;
        assert!(records.iter().all(|record| record.agent.as_ref().unwrap().agent_id == mallory.id));
    }
}

/// Whatever is sent is the caller's error or is recorded, and never a fault of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_text_breaks_the_database_or_passes_the_bound_of_content() {
    let database = Database::create();
    let guard = Guard::on_postgres(&database.url(), &[]);
    let mut admin = guard.admin().await;
    let agent = admin.agent("worker").await;
    let mut caller = guard.caller(&agent.key).await;
    let nul = || "a\0b".to_owned();
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let object = |key: &str, value: Value| Some(Struct { fields: BTreeMap::from([(key.to_owned(), value)]) });
    for (field, request) in [
        ("action", v1::EnforceRequest { action: nul(), ..check() }),
        ("resource", v1::EnforceRequest { resource: nul(), ..check() }),
        ("arguments", v1::EnforceRequest { arguments: object("a\0", text("a\0")), ..check() }),
        ("context", v1::EnforceRequest { context: object("a\0", text("a\0")), ..check() }),
        ("idempotency_key", v1::EnforceRequest { idempotency_key: nul(), ..check() }),
        ("session_id", v1::EnforceRequest { session_id: nul(), ..check() }),
        ("on_behalf_of", v1::EnforceRequest { on_behalf_of: nul(), ..check() }),
        ("approval_id", v1::EnforceRequest { approval_id: nul(), ..check() }),
        ("min_revision", v1::EnforceRequest { min_revision: nul(), ..check() }),
    ] {
        match caller.enforce(request).await {
            Ok(decision) => assert!(!decision.allowed, "{field}"),
            Err(status) => assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status}"),
        }
    }
    let number = |number: f64| Value { kind: Some(Kind::NumberValue(number)) };
    let deep = (0..40).fold(number(1.0), |inner, _| Value {
        kind: Some(Kind::StructValue(Struct { fields: BTreeMap::from([("d".to_owned(), inner)]) })),
    });
    let wide =
        Value { kind: Some(Kind::ListValue(prost_types::ListValue { values: vec![number(1.0); 2_000] })) };
    for bomb in [deep, wide, number(f64::NAN), number(f64::INFINITY), Value { kind: None }] {
        let refused = caller.enforce(v1::EnforceRequest { context: object("x", bomb), ..check() }).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    }
    for revision in ["9.9", "x.9223372036854775807", "x.-1", "x.99999999999999999999"] {
        let refused =
            caller.enforce(v1::EnforceRequest { min_revision: revision.to_owned(), ..check() }).await;
        let code = refused.unwrap_err().code();
        assert!([Code::InvalidArgument, Code::FailedPrecondition].contains(&code), "{revision}: {code}");
    }

    let control = "\u{1}".repeat(2_048);
    let poison = v1::EnforceRequest {
        resource: control.clone(),
        session_id: "\u{1}".repeat(256),
        on_behalf_of: "\u{1}".repeat(256),
        arguments: object("a", text(&"\u{2}".repeat(10_000))),
        context: object("\u{202e}\r\n{\"level\":\"ERROR\"}", text("\r\n{\"level\":\"ERROR\"}")),
        ..check()
    };
    let decision = caller.enforce(poison).await.unwrap();
    assert_eq!(decision.reason_code(), v1::ReasonCode::ResourceNotCanonical);
    let outcome = Some(v1::Outcome { success: Some(false), error: control, ..Default::default() });
    let request = caller
        .request(v1::ReportOutcomeRequest { decision_id: decision.decision_id, outcome: outcome.clone() });
    caller.client().report_outcome(request).await.unwrap();
    let request =
        caller.request(v1::ReportRequest { action: "read:file".to_owned(), outcome, ..Default::default() });
    caller.client().report(request).await.unwrap();
    let longest: i64 = database.sql("select max(length(content)) from audit_logs").trim().parse().unwrap();
    assert!((2_048..=8_192).contains(&longest), "{longest}");

    // Tokens of any content, with a digest that anybody can make.
    let mut forged = v1::ListOwnRecordsRequest { page_size: 1, ..Default::default() };
    let request = caller.request(forged.clone());
    let token = caller.client().list_own_records(request).await.unwrap().into_inner().next_page_token;
    let digest = token.get(..34).unwrap();
    for place in [
        "9223372036854775807.9223372036854775807.9223372036854775807",
        "-9223372036854775808.-1.-1",
        "1.1",
        "\0",
    ] {
        forged.page_token =
            format!("{digest}{}", place.bytes().map(|byte| format!("{byte:02x}")).collect::<String>());
        let request = caller.request(forged.clone());
        if let Err(status) = caller.client().list_own_records(request).await {
            assert_eq!(
                (status.code(), reason(&status).as_str()),
                (Code::InvalidArgument, "PAGE_TOKEN_INVALID")
            );
        }
    }
    let verified = guard.cli(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    let log = guard.log();
    assert!(!log.contains("\"level\":\"ERROR\""), "{log}");
    assert!(!log.contains("failed inside"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_reach_neither_log_nor_answer_unless_they_are_ids() {
    let guard = Guard::on_sqlite(&[]);
    let agent = guard.admin().await.agent("worker").await;
    let wire = Wire::connect(&guard.endpoint()).await;
    for id in ["not an; id", "<script>", "\u{fc}", &"x".repeat(129), "x\"y"] {
        let headers = [("x-agent-key", agent.key.clone()), ("x-request-id", id.to_owned())];
        let answer = wire.send(("POST", ENFORCE), "application/grpc", &headers, frame(&check()), false).await;
        assert_eq!(answer.code(), 0);
        let made = answer.headers["x-request-id"].to_str().unwrap();
        assert!(made.starts_with("req_"), "{made}");
        assert!(!guard.log().contains(id), "{id}");
    }
    for (timeout, code) in [("0n", 4), ("1n", 4), ("99999999H", 0), ("", 3), ("-1S", 3), ("1000000000S", 3)] {
        let headers = [("x-agent-key", agent.key.clone()), ("grpc-timeout", timeout.to_owned())];
        let call = wire.send(("POST", ENFORCE), "application/grpc", &headers, frame(&check()), false);
        let answer = tokio::time::timeout(Duration::from_secs(10), call).await.unwrap();
        assert_eq!(answer.code(), code, "{timeout}");
    }
}
