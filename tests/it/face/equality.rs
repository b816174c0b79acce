//! JSON equals gRPC: two servers, one asked by gRPC and one by JSON, give the same answers, the same errors, and write
//! the same audit.
//!
//! On the side of gRPC messages are read and shown by another implementation of proto JSON than the server's.

use std::collections::{BTreeSet, HashMap};

use agentguard::pb::rpc;
use agentguard::service::status::row;
use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::{Value, json};

use super::normal::Names;
use super::table::{By, Step, steps};
use crate::harness::{ADMIN_KEY, Guard, reason};
use crate::keys::raw::{Answer, Wire};

/// What one call came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    reason: String,
    /// The HTTP status that goes with the reason.
    status: u16,
    text: String,
    /// Bad fields with what is wrong with them.
    faults: Vec<(String, String)>,
    /// The messages of the answer.
    messages: Vec<Value>,
}

struct Side {
    wire: Wire,
    kept: HashMap<&'static str, String>,
    names: Names,
}

impl Side {
    async fn on(guard: &Guard) -> Self {
        Self { wire: Wire::connect(&guard.endpoint()).await, kept: HashMap::new(), names: Names::new() }
    }

    fn filled(&self, text: &str) -> String {
        // The longest first, so that `$key_id` is no `$key`.
        let mut kept: Vec<_> = self.kept.iter().collect();
        kept.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        kept.into_iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value))
    }

    fn headers(&self, step: &Step, number: usize) -> Vec<(&'static str, String)> {
        let mut headers = vec![("x-request-id", format!("step-{number}"))];
        match step.by {
            By::Agent => headers.push(("x-agent-key", self.kept["key"].clone())),
            By::Admin => headers.push(("x-admin-key", ADMIN_KEY.to_owned())),
            By::Nobody => {}
        }
        headers
    }

    /// What the two sides must agree on.
    fn settle(&mut self, step: &Step, outcome: Outcome) -> Outcome {
        for (name, place) in step.keep {
            let kept = outcome.messages[0].pointer(place).unwrap_or_else(|| panic!("{place}: {outcome:?}"));
            self.kept.insert(name, kept.as_str().unwrap().to_owned());
        }
        let name = |names: &mut Names, text: &str| names.value(&text.into()).as_str().unwrap().to_owned();
        Outcome {
            messages: outcome.messages.iter().map(|message| self.names.value(message)).collect(),
            text: name(&mut self.names, &outcome.text),
            faults: outcome
                .faults
                .iter()
                .map(|(field, text)| (field.clone(), name(&mut self.names, text)))
                .collect(),
            ..outcome
        }
    }

    async fn by_json(&mut self, step: &Step, number: usize, streams: bool) -> Outcome {
        let path = self.filled(step.path);
        let body = if step.body.is_null() { String::new() } else { self.filled(&step.body.to_string()) };
        let headers = self.headers(step, number);
        let answer =
            self.wire.send((step.method, &path), "application/json", &headers, body.into(), false).await;
        assert_eq!(answer.headers["x-request-id"], format!("step-{number}").as_str());
        let outcome = if answer.http == 200 {
            let text = std::str::from_utf8(&answer.body).unwrap();
            let kind = if streams { "application/x-ndjson" } else { "application/json" };
            assert_eq!(answer.headers["content-type"], kind, "{}", step.path);
            let texts: Vec<_> = if streams { text.lines().collect() } else { vec![text] };
            let messages = texts.into_iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            Outcome { reason: String::new(), status: 200, text: String::new(), faults: Vec::new(), messages }
        } else {
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(body["request_id"], format!("step-{number}"), "{body}");
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let faults = body["errors"].as_array().into_iter().flatten();
            Outcome {
                reason: text(&body["code"]),
                status: answer.http,
                text: text(&body["detail"]),
                faults: faults.map(|fault| (text(&fault["field"]), text(&fault["message"]))).collect(),
                messages: Vec::new(),
            }
        };
        self.settle(step, outcome)
    }

    async fn by_grpc(&mut self, step: &Step, number: usize, method: &MethodDescriptor) -> Outcome {
        let message = if step.message.is_null() { json!({}) } else { step.message.clone() };
        let filled = self.filled(&message.to_string());
        let message =
            DynamicMessage::deserialize(method.input(), &mut serde_json::Deserializer::from_str(&filled))
                .unwrap();
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let headers = self.headers(step, number);
        let body = frame(&message.encode_to_vec());
        let answer = self.wire.send(("POST", &path), "application/grpc", &headers, body, false).await;
        let outcome = said(&answer, method, number);
        self.settle(step, outcome)
    }
}

fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(message);
    frame.freeze()
}

fn said(answer: &Answer, method: &MethodDescriptor, number: usize) -> Outcome {
    let headers =
        if answer.trailers.contains_key("grpc-status") { &answer.trailers } else { &answer.headers };
    let status = tonic::Status::from_header_map(headers).unwrap();
    if status.code() != tonic::Code::Ok {
        let details = rpc::Status::decode(status.details()).unwrap().details;
        let detail = |name: &str| details.iter().find(|any| any.type_url.ends_with(name));
        let info = rpc::ErrorInfo::decode(detail("ErrorInfo").unwrap().value.as_slice()).unwrap();
        assert_eq!(info.metadata["request_id"], format!("step-{number}"));
        let faults = detail("BadRequest")
            .map(|any| rpc::BadRequest::decode(any.value.as_slice()).unwrap().field_violations)
            .unwrap_or_default();
        let name = format!("ERROR_REASON_{}", reason(&status));
        let found = agentguard::pb::v1::ErrorReason::from_str_name(&name).unwrap();
        return Outcome {
            reason: info.reason,
            status: row(found).http,
            text: status.message().to_owned(),
            faults: faults.into_iter().map(|fault| (fault.field, fault.description)).collect(),
            messages: Vec::new(),
        };
    }
    let mut messages = Vec::new();
    let mut rest = &answer.body[..];
    while let Some((head, after)) = rest.split_at_checked(5) {
        let length = usize::try_from(u32::from_be_bytes(head[1..].try_into().unwrap())).unwrap();
        let message = DynamicMessage::decode(method.output(), &after[..length]).unwrap();
        let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
        messages.push(message.serialize_with_options(serde_json::value::Serializer, &options).unwrap());
        rest = &after[length..];
    }
    Outcome { reason: String::new(), status: 200, text: String::new(), faults: Vec::new(), messages }
}

fn contract() -> DescriptorPool {
    DescriptorPool::decode(agentguard::pb::DESCRIPTOR_SET).unwrap()
}

fn methods() -> HashMap<String, MethodDescriptor> {
    let contract = contract();
    let services = contract.services().filter(|service| service.package_name() == "agentguard.v1");
    services
        .flat_map(|service| {
            service.methods().map(|found| (found.name().to_owned(), found)).collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_equals_grpc_for_every_call() {
    let (asked_by_json, asked_by_grpc) = (Guard::on_sqlite(&[]), Guard::on_sqlite(&[]));
    let (mut json, mut grpc) = (Side::on(&asked_by_json).await, Side::on(&asked_by_grpc).await);
    let methods = methods();
    let mut audit = Value::Null;
    for (number, step) in steps().into_iter().enumerate() {
        let method = &methods[step.rpc];
        let by_json = json.by_json(&step, number, method.is_server_streaming()).await;
        let by_grpc = grpc.by_grpc(&step, number, method).await;
        let place = format!("step {number}: {} {} {}", step.rpc, step.method, step.path);
        assert_eq!(by_json.reason, step.reason, "{place}: {by_json:?}");
        assert_eq!(by_json, by_grpc, "{place}");
        audit = by_json.messages.into_iter().next().unwrap_or_default();
    }
    // The last step compared the whole audit of both; it holds what the others did.
    let records = audit["records"].as_array().unwrap();
    let kinds: BTreeSet<_> = records.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    for kind in ["DECISION", "OUTCOME", "REPORT", "ADMIN", "CHAIN"] {
        assert!(kinds.contains(format!("RECORD_KIND_{kind}").as_str()), "{kinds:?}");
    }
    assert!(records.len() > 15, "{}", records.len());
}

/// Nothing with an HTTP form is left out of the table.
#[test]
fn every_http_form_of_every_call_is_in_the_table() {
    let asked: BTreeSet<_> = steps().iter().map(|step| (step.rpc.to_owned(), shape(step.path))).collect();
    let pool = contract();
    let http = pool.get_extension_by_name("google.api.http").unwrap();
    for (name, method) in methods() {
        let options = method.options();
        if name == "EnforceStream" {
            assert!(!options.has_extension(&http), "it has no HTTP form");
            continue;
        }
        let rule = options.get_extension(&http);
        let rule = rule.as_message().unwrap();
        let more = rule.get_field_by_name("additional_bindings").unwrap().into_owned();
        let more: Vec<_> = more.as_list().unwrap().iter().map(|rule| rule.as_message().unwrap()).collect();
        for rule in std::iter::once(rule).chain(more) {
            let path = ["get", "put", "post", "delete", "patch"]
                .iter()
                .map(|verb| rule.get_field_by_name(verb).unwrap().as_str().unwrap().to_owned())
                .find(|path| !path.is_empty())
                .unwrap();
            assert!(asked.contains(&(name.clone(), shape(&path))), "{name} {path} is not in the table");
        }
    }
}

/// A path without its query, each place for a value a `*`.
fn shape(path: &str) -> String {
    let path = path.split('?').next().unwrap();
    let segment = |segment: &str| {
        let (value, verb) = segment.split_once(':').map_or((segment, ""), |(value, verb)| (value, verb));
        let is_value = value.starts_with(['$', '{']) || value.contains("_") || value.contains('%');
        let value = if is_value { "*" } else { value };
        if verb.is_empty() { value.to_owned() } else { format!("{value}:{verb}") }
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// The comparison fails where something is not the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_answer_is_seen_to_differ() {
    let guard = Guard::on_sqlite(&[]);
    let (mut json, mut grpc) = (Side::on(&guard).await, Side::on(&guard).await);
    let steps = steps();
    let method = &methods()["CreateAgent"];
    let by_json = json.by_json(&steps[0], 0, false).await;
    let by_grpc = grpc.by_grpc(&steps[1], 0, method).await;
    assert_ne!(by_json, by_grpc);
    let refused = grpc.by_grpc(&steps[2], 0, method).await;
    assert_eq!(refused.reason, "INVALID_ARGUMENT");
    assert_ne!(by_json, refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_followed_line_by_line() {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let guard = Guard::on_sqlite(&[]);
    let mut stream = tokio::net::TcpStream::connect(guard.address()).await.unwrap();
    let ask = format!("GET /v1/audit/records:follow HTTP/1.1\r\nhost: x\r\nx-admin-key: {ADMIN_KEY}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut next = async || loop {
        let line = tokio::time::timeout(std::time::Duration::from_secs(30), lines.next_line()).await;
        let line = line.unwrap().unwrap().expect("the stream goes on");
        if let Ok(Value::Object(line)) = serde_json::from_str(&line) {
            return line;
        }
    };
    // The first says where it begins; what is done then comes as it is committed.
    assert_eq!(next().await["records"], json!([]));
    let agent = guard.admin().await.agent("worker").await;
    loop {
        let line = next().await;
        let records = line["records"].as_array().unwrap();
        if records.iter().any(|record| {
            record["detail"].to_string().contains(&agent.id) || record.to_string().contains(&agent.id)
        }) {
            break;
        }
    }
}
