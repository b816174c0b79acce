//! Who may call what: every way into the server with every kind of credential. `--nocapture` prints the table.

use agentguard::auth::Peppers;
use agentguard::clock::Timestamp;
use agentguard::ids::KeyId;
use agentguard::pb::v1;
use futures_util::future::join_all;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request};

use crate::harness::{ADMIN_KEY, Admin, Guard, NewAgent, eventually, reason};
use doors::{Door, Whom};
use raw::{Answer, Wire};

mod doors;
pub mod raw;

/// What a credential makes of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// Nobody: whatever is wrong, the answer is one.
    Nobody,
    Agent,
    InactiveAgent,
    Admin,
}

struct Credential {
    name: &'static str,
    headers: Vec<(&'static str, String)>,
    makes: Caller,
}

const UNAUTHENTICATED: i32 = 16;
const PERMISSION_DENIED: i32 = 7;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_opens_to_its_callers_and_to_nobody_else() {
    let guard = Guard::on_sqlite(&[]);
    let mut admin = guard.admin().await;
    let worker = admin.agent("worker").await;
    let inactive = admin.agent("inactive").await;
    admin.set_policy(&worker.id, &["read:*"], &[]).await;
    admin.set_policy(&inactive.id, &["read:*"], &[]).await;
    let credentials = credentials(&guard, &mut admin, &worker, &inactive).await;
    let doors = doors::all(&worker.id);

    let wire = Wire::connect(&guard.endpoint()).await;
    let mut table = Table::new(&credentials);
    let mut refusal: [Option<(String, String)>; 2] = [None, None];
    for door in &doors {
        let mut row = Vec::new();
        let mut answers = Vec::new();
        // Several at once, and fewer than one connection may hold open without a key.
        for some in credentials.chunks(5) {
            answers.extend(join_all(some.iter().map(|credential| knock(&wire, door, credential))).await);
        }
        for (credential, answer) in credentials.iter().zip(answers) {
            let got = if door.is_grpc { answer.code() } else { i32::from(answer.http) };
            let expected = expected(door, credential.makes);
            row.push((got, expected));
            let place = format!("{} with {}", door.path, credential.name);
            if credential.makes == Caller::Nobody && door.whom != Whom::Everybody {
                // Not one byte tells why: the same over all keys and all methods.
                let seen = bytes(&answer);
                let (first, at) =
                    refusal[usize::from(door.is_grpc)].get_or_insert_with(|| (seen.clone(), place.clone()));
                assert_eq!(*first, seen, "{place} is refused in other words than {at}");
            }
            if credential.makes == Caller::InactiveAgent && door.path.ends_with("/Enforce") {
                let decision = answer.message::<v1::EnforceResponse>().decision.unwrap();
                assert_eq!(decision.reason_code(), v1::ReasonCode::AgentInactive);
                assert_eq!((decision.verdict(), decision.allowed), (v1::Verdict::Deny, false));
            }
        }
        table.add(door, &row);
    }
    println!("{}", table.text);
    assert!(table.wrong.is_empty(), "{:#?}", table.wrong);

    // Each decision asked with a good key has its record, and nothing else does.
    let asked = |makes: Caller| {
        let times = credentials.iter().filter(|credential| credential.makes == makes).count();
        times * doors.iter().map(|door| door.decisions).sum::<usize>()
    };
    let records = decisions(&wire).await;
    let of = |id: &str| records.iter().filter(|record| record.agent.as_ref().unwrap().agent_id == id).count();
    assert_eq!(of(&worker.id), asked(Caller::Agent));
    assert_eq!(of(&inactive.id), asked(Caller::InactiveAgent));
    assert_eq!(records.len(), asked(Caller::Agent) + asked(Caller::InactiveAgent));
    let denied = records.iter().filter(|record| record.reason_code() == v1::ReasonCode::AgentInactive);
    assert_eq!(denied.count(), asked(Caller::InactiveAgent));

    // No key that was ever presented, good or bad, stands in the log.
    let log = guard.log();
    for (name, value) in credentials.iter().flat_map(|credential| &credential.headers) {
        let value = value.trim_start_matches("Bearer ");
        assert!(value.is_empty() || !log.contains(value), "the log holds the {name} `{value}`");
    }
}

#[test]
fn every_method_of_the_contract_is_in_the_table() {
    let doors = doors::all("agt_01h455vb4pex5vsknk084sn02q");
    let mut listed: Vec<_> =
        doors.iter().map(|door| door.path.as_str()).filter(|path| path.starts_with("/agentguard.")).collect();
    let mut contract = doors::of_the_contract();
    listed.sort_unstable();
    contract.sort_unstable();
    assert_eq!(listed, contract);
    for door in doors.iter().filter(|door| door.path.starts_with("/agentguard.")) {
        let admin = door.path.contains("AdminService");
        assert_eq!(door.whom, if admin { Whom::Admin } else { Whom::Agent }, "{}", door.path);
    }
}

/// Each way to say who one is, and not to.
async fn credentials(
    guard: &Guard,
    admin: &mut Admin,
    worker: &NewAgent,
    inactive: &NewAgent,
) -> Vec<Credential> {
    let (revoked, revoked_id) = admin.key(&worker.id).await;
    admin.revoke(&revoked_id).await;
    let expired = expiring_key(guard, &worker.id).await;
    let deleted = admin.agent("deleted").await;
    delete(guard, &deleted.id).await;
    admin.set_active(&inactive.id, false).await;
    let unknown = minted(KeyId::new(Timestamp::from_micros(1_767_614_400_000_000), [7; 16]));
    let wrong_secret = minted(worker.key_id.parse().unwrap());
    let cut = worker.key.split_at(worker.key.len() - 1).0.to_owned();
    let mut mistyped = cut.clone();
    mistyped.push(if worker.key.ends_with('x') { 'y' } else { 'x' });

    let one = |name, header, value: &str, makes| Credential {
        name,
        headers: vec![(header, value.to_owned())],
        makes,
    };
    let bearer = |key: &str| format!("Bearer {key}");
    let two = |name, first: (&'static str, &str), second: (&'static str, &str)| Credential {
        name,
        headers: vec![(first.0, first.1.to_owned()), (second.0, second.1.to_owned())],
        makes: Caller::Nobody,
    };
    let key = worker.key.as_str();
    let basic = ("authorization", "Basic eDp5");
    vec![
        Credential { name: "no key", headers: Vec::new(), makes: Caller::Nobody },
        two("both keys", ("x-agent-key", key), ("x-admin-key", ADMIN_KEY)),
        two("same key twice", ("x-agent-key", key), ("x-agent-key", key)),
        two("key and bearer", ("x-agent-key", key), ("authorization", &bearer(key))),
        two("admin key twice", ("x-admin-key", ADMIN_KEY), ("x-admin-key", ADMIN_KEY)),
        one("agent key", "x-agent-key", key, Caller::Agent),
        one("agent key, admin header", "x-admin-key", key, Caller::Agent),
        one("agent bearer", "authorization", &bearer(key), Caller::Agent),
        Credential { makes: Caller::Agent, ..two("agent key and basic", ("x-agent-key", key), basic) },
        one("inactive agent", "x-agent-key", &inactive.key, Caller::InactiveAgent),
        one("admin key", "x-admin-key", ADMIN_KEY, Caller::Admin),
        one("admin key, agent header", "x-agent-key", ADMIN_KEY, Caller::Admin),
        one("admin bearer", "authorization", &bearer(ADMIN_KEY), Caller::Admin),
        one("other scheme", basic.0, basic.1, Caller::Nobody),
        one("revoked", "x-agent-key", &revoked, Caller::Nobody),
        one("expired", "x-agent-key", &expired, Caller::Nobody),
        one("deleted agent", "x-agent-key", &deleted.key, Caller::Nobody),
        one("deleted agent bearer", "authorization", &bearer(&deleted.key), Caller::Nobody),
        one("unknown", "x-agent-key", &unknown, Caller::Nobody),
        one("wrong secret", "x-agent-key", &wrong_secret, Caller::Nobody),
        one("cut by one letter", "x-agent-key", &cut, Caller::Nobody),
        one("mistyped", "x-agent-key", &mistyped, Caller::Nobody),
        one("cut admin key", "x-admin-key", ADMIN_KEY.split_at(ADMIN_KEY.len() - 1).0, Caller::Nobody),
        one("garbage", "x-agent-key", "garbage", Caller::Nobody),
        one("empty", "x-agent-key", "", Caller::Nobody),
        one("empty bearer", "authorization", "Bearer ", Caller::Nobody),
        one("2 KiB", "x-agent-key", &"k".repeat(2_048), Caller::Nobody),
    ]
}

/// A key of good form that nobody gave out.
fn minted(id: KeyId) -> String {
    Peppers::default().mint(id, [9; 32]).text.expose().to_owned()
}

/// A key that has opened, and does no more.
async fn expiring_key(guard: &Guard, agent_id: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let end = now + std::time::Duration::from_secs(3);
    let expire_time = Some(prost_types::Timestamp {
        seconds: end.as_secs().try_into().unwrap(),
        nanos: end.subsec_nanos().try_into().unwrap(),
    });
    let message = v1::CreateAgentKeyRequest { agent_id: agent_id.to_owned(), expire_time };
    let mut client = v1::admin_service_client::AdminServiceClient::new(guard.channel().await);
    let key = client.create_agent_key(as_admin(message)).await.unwrap().into_inner().api_key;
    let mut caller = guard.caller(&key).await;
    let request = caller.request(v1::WhoAmIRequest {});
    caller.client().who_am_i(request).await.unwrap();
    eventually("the key expires", async || {
        let request = caller.request(v1::WhoAmIRequest {});
        caller.client().who_am_i(request).await.err()
    })
    .await;
    key
}

async fn delete(guard: &Guard, agent_id: &str) {
    let mut client = v1::admin_service_client::AdminServiceClient::new(guard.channel().await);
    let message = v1::DeleteAgentRequest { agent_id: agent_id.to_owned() };
    client.delete_agent(as_admin(message)).await.unwrap();
}

fn as_admin<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-admin-key", ADMIN_KEY.parse().unwrap());
    request
}

/// The code that a door owes a caller.
fn expected(door: &Door, caller: Caller) -> i32 {
    let (refused, denied) = if door.is_grpc { (UNAUTHENTICATED, PERMISSION_DENIED) } else { (401, 403) };
    match (door.whom, caller) {
        (Whom::Everybody, _)
        | (Whom::Agent, Caller::Agent | Caller::InactiveAgent)
        | (Whom::Admin, Caller::Admin) => door.answer,
        (Whom::Agent | Whom::Admin, Caller::Nobody) => refused,
        (Whom::Agent, Caller::Admin) | (Whom::Admin, Caller::Agent | Caller::InactiveAgent) => denied,
    }
}

async fn knock(wire: &Wire, door: &Door, credential: &Credential) -> Answer {
    let mut headers = credential.headers.clone();
    // One id for all, so that answers may be compared byte for byte.
    headers.push(("x-request-id", "the-same".to_owned()));
    let kind = if door.is_grpc { "application/grpc" } else { "application/json" };
    let call = wire.send((door.method, &door.path), kind, &headers, door.body.clone(), door.is_endless);
    tokio::time::timeout(std::time::Duration::from_secs(30), call)
        .await
        .unwrap_or_else(|_| panic!("{} does not answer `{}`", door.path, credential.name))
}

/// All that an answer says, but when it was said.
fn bytes(answer: &Answer) -> String {
    let Answer { http, headers, body, trailers } = answer;
    let mut headers = headers.clone();
    headers.remove("date");
    format!("{http} {headers:?} {body:?} {trailers:?}")
}

async fn decisions(wire: &Wire) -> Vec<v1::AuditRecord> {
    let filter = v1::RecordFilter { kind: v1::RecordKind::Decision.into(), ..Default::default() };
    let message =
        v1::ListAuditRecordsRequest { filter: Some(filter), page_size: 1_000, ..Default::default() };
    let headers = [("x-admin-key", ADMIN_KEY.to_owned())];
    let path = "/agentguard.v1.AdminService/ListAuditRecords";
    let answer = wire.send(("POST", path), "application/grpc", &headers, raw::frame(&message), false).await;
    let page: v1::ListAuditRecordsResponse = answer.message();
    assert_eq!(page.next_page_token, "", "more than a page of records");
    page.records
}

/// The table as it is printed, and the cells that are wrong.
struct Table<'a> {
    credentials: &'a [Credential],
    text: String,
    wrong: Vec<String>,
}

impl<'a> Table<'a> {
    fn new(credentials: &'a [Credential]) -> Self {
        let mut text = String::from("columns:\n");
        for (number, credential) in credentials.iter().enumerate() {
            text.push_str(&format!("  {number:>2} {} ({:?})\n", credential.name, credential.makes));
        }
        text.push_str(&format!("{:<66}", "gRPC code, or status of HTTP"));
        (0..credentials.len()).for_each(|number| text.push_str(&format!("{number:>4}")));
        text.push('\n');
        Self { credentials, text, wrong: Vec::new() }
    }

    fn add(&mut self, door: &Door, row: &[(i32, i32)]) {
        self.text.push_str(&format!("{:<66}", door.path));
        for ((got, expected), credential) in row.iter().zip(self.credentials) {
            self.text.push_str(&format!("{got:>4}"));
            if got != expected {
                let (path, name) = (&door.path, credential.name);
                self.wrong.push(format!("{path} with {name}: {got}, not {expected}"));
            }
        }
        self.text.push('\n');
    }
}

fn check() -> v1::EnforceRequest {
    v1::EnforceRequest { action: "read:file".to_owned(), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_from_an_agent_is_gone_with_the_very_next_call() {
    let guard = Guard::on_sqlite(&[("POLICY_REFRESH_INTERVAL", "60"), ("MAX_POLICY_STALENESS", "120")]);
    let mut admin = guard.admin().await;
    for take in ["the key", "the activity", "the agent", "the permission"] {
        let agent = admin.agent("worker").await;
        admin.set_policy(&agent.id, &["read:*"], &[]).await;
        let mut caller = guard.caller(&agent.key).await;
        assert!(caller.enforce(check()).await.unwrap().allowed, "{take}");
        let (send, questions) = tokio::sync::mpsc::channel(1);
        let request = caller.request(ReceiverStream::new(questions));
        let ask = v1::EnforceStreamRequest { sequence: 1, request: Some(check()) };
        send.send(ask.clone()).await.unwrap();
        let mut answers = caller.client().enforce_stream(request).await.unwrap().into_inner();
        assert!(matches!(streamed(&mut answers).await, Ok(decision) if decision.allowed), "{take}");

        match take {
            "the key" => admin.revoke(&agent.key_id).await,
            "the activity" => drop(admin.set_active(&agent.id, false).await),
            "the agent" => delete(&guard, &agent.id).await,
            _ => drop(admin.set_policy(&agent.id, &[], &[]).await),
        }
        let (unary, stream) = (caller.enforce(check()).await, {
            send.send(ask).await.unwrap();
            streamed(&mut answers).await
        });
        let code = match take {
            "the activity" => v1::ReasonCode::AgentInactive,
            "the permission" => v1::ReasonCode::DeniedDefault,
            _ => {
                let status = unary.unwrap_err();
                assert_eq!(
                    (status.code(), reason(&status).as_str()),
                    (Code::Unauthenticated, "UNAUTHENTICATED")
                );
                assert_eq!(stream.unwrap_err().code, i32::from(Code::Unauthenticated), "{take}");
                continue;
            }
        };
        for decision in [unary.unwrap(), stream.unwrap()] {
            assert_eq!((decision.verdict(), decision.reason_code()), (v1::Verdict::Deny, code), "{take}");
        }
    }
}

async fn streamed(
    answers: &mut tonic::Streaming<v1::EnforceStreamResponse>,
) -> Result<v1::Decision, agentguard::pb::rpc::Status> {
    match answers.next().await.unwrap().unwrap().result.unwrap() {
        v1::enforce_stream_response::Result::Decision(decision) => Ok(decision),
        v1::enforce_stream_response::Result::Error(status) => Err(status),
    }
}
