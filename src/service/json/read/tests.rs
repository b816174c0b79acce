use serde_json::json;

use super::*;
use crate::pb::v1;
use crate::service::Error;
use crate::service::json::{Enums, contract, write};

fn descriptor(name: &str) -> MessageDescriptor {
    contract().unwrap().get_message_by_name(&format!("agentguard.v1.{name}")).unwrap()
}

fn read<M: Message + Default>(name: &str, json: Value) -> M {
    let mut faults = Faults::default();
    let read = message(&descriptor(name), json, "", &mut faults);
    faults.or(Some(())).unwrap();
    M::decode(read.encode_to_vec().as_slice()).unwrap()
}

fn faults(name: &str, path: &str, json: Value) -> Vec<(String, String)> {
    let mut faults = Faults::default();
    message(&descriptor(name), json, path, &mut faults);
    let Error::Invalid(found) = faults.or(Some(())).unwrap_err() else { panic!("another error") };
    found.into_iter().map(|fault| (fault.field, fault.message)).collect()
}

fn fields(name: &str, path: &str, json: Value) -> Vec<String> {
    faults(name, path, json).into_iter().map(|(field, _)| field).collect()
}

#[test]
fn a_message_reads_by_either_spelling_and_ignores_what_it_does_not_know() {
    for json in [
        json!({"action": "read", "session_id": "s", "arguments": {"n": 1.5}, "new": [1], "context": null}),
        json!({"action": "read", "sessionId": "s", "arguments": {"n": 1.5}}),
    ] {
        let check: v1::EnforceRequest = read("EnforceRequest", json);
        assert_eq!((check.action.as_str(), check.session_id.as_str()), ("read", "s"));
        assert_eq!(check.arguments.unwrap().fields.len(), 1);
        assert_eq!(check.context, None);
    }
}

#[test]
fn times_masks_enums_and_maps_have_their_proto_form() {
    let asked: v1::ListAuditRecordsRequest = read(
        "ListAuditRecordsRequest",
        json!({"page_size": "7", "filter": {"kind": "RECORD_KIND_REPORT", "allowed": false,
            "start_time": "2026-01-05T13:00:00.25+01:00", "end_time": "1969-12-31T23:59:59.5Z"}}),
    );
    let filter = asked.filter.unwrap();
    assert_eq!((asked.page_size, filter.allowed), (7, Some(false)));
    assert_eq!(filter.kind, i32::from(v1::RecordKind::Report));
    let time = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
    assert_eq!(filter.start_time, time(1_767_614_400, 250_000_000));
    assert_eq!(filter.end_time, time(-1, 500_000_000));

    let update: v1::UpdateAgentRequest = read(
        "UpdateAgentRequest",
        json!({"agent": {"labels": {"tier": "gold"}}, "update_mask": "isActive, team,labels"}),
    );
    assert_eq!(update.update_mask.unwrap().paths, ["is_active", "team", "labels"]);
    assert_eq!(update.agent.unwrap().labels["tier"], "gold");
    let numbered: v1::RecordFilter = read("RecordFilter", json!({"kind": 3}));
    assert_eq!(numbered.kind, 3);
}

#[test]
fn every_fault_is_named_by_its_path() {
    let found = fields(
        "ListAuditRecordsRequest",
        "",
        json!({"page_size": 1.5, "page_token": 7, "oldest_first": "yes",
            "filter": {"kind": "REPORT", "start_time": "yesterday", "allowed": 1}}),
    );
    // Members come in the order of their names.
    assert_eq!(
        found,
        ["filter.allowed", "filter.kind", "filter.start_time", "oldest_first", "page_size", "page_token"]
    );
    assert_eq!(fields("EnforceRequest", "", json!([])), ["body"]);
    assert_eq!(fields("Agent", "agent", json!("x")), ["agent"]);
    let found = fields(
        "BatchEnforceRequest",
        "",
        json!({"checks": [{"action": "a"}, {"action": 1}, 2, {"arguments": []}]}),
    );
    assert_eq!(found, ["checks[1].action", "checks[2]", "checks[3].arguments"]);
    assert_eq!(fields("Agent", "agent", json!({"labels": {"a": 1}})), ["agent.labels[\"a\"]"]);
}

#[test]
fn nothing_unknown_may_stand_in_a_policy_wherever_it_is() {
    let policy = json!({"scope": {"everyone": {"x": 1}}, "alow": [], "allow": [{"action": "a", "ressource": "r",
        "conditions": {"envs": {}, "env": {"valeus": []}}}]});
    let expected = [
        "allow[0].conditions.env.valeus",
        "allow[0].conditions.envs",
        "allow[0].ressource",
        "alow",
        "scope.everyone.x",
    ];
    let below = |path: &str| expected.iter().map(|field| format!("{path}{field}")).collect::<Vec<_>>();
    assert_eq!(fields("Policy", "policy", policy.clone()), below("policy."));
    let test = json!({"unknown": 1, "candidates": [policy.clone()], "request": {"unknown": 2}});
    assert_eq!(fields("TestPolicyRequest", "", test), below("candidates[0]."));
    // Beside the policy it is as everywhere.
    let set = json!({"unknown": 1, "policy": {"scope": {"team": "t"}}});
    let set: v1::SetPolicyRequest = read("SetPolicyRequest", set);
    assert!(set.policy.is_some());
}

#[test]
fn one_of_several_is_one() {
    assert_eq!(fields("Scope", "scope", json!({"everyone": {}, "team": "t"})), ["scope.team"]);
    let twice = faults("EnforceRequest", "", json!({"sessionId": "a", "session_id": "b"}));
    assert_eq!(twice, [("session_id".to_owned(), "is there twice, under both of its names".to_owned())]);
}

#[test]
fn text_of_paths_and_queries_reads_by_kind() {
    let of = |message: &str, field: &str, text: &str| {
        let mut faults = Faults::default();
        let field = descriptor(message).get_field_by_name(field).unwrap();
        let read = from_text(&field, text, "x", &mut faults);
        faults.or(Some(())).ok().and(read)
    };
    assert_eq!(of("ListAgentsRequest", "is_active", "true"), Some(Field::Bool(true)));
    assert_eq!(of("ListAgentsRequest", "page_size", "10"), Some(Field::I32(10)));
    assert_eq!(of("ListAgentsRequest", "team", "5"), Some(Field::String("5".into())));
    assert_eq!(of("RecordFilter", "kind", "RECORD_KIND_ADMIN"), Some(Field::EnumNumber(4)));
    assert_eq!(of("RecordFilter", "kind", "4"), Some(Field::EnumNumber(4)));
    assert!(of("RecordFilter", "start_time", "2026-01-05T12:00:00Z").is_some());
    for (message, field, text) in [
        ("ListAgentsRequest", "is_active", "1"),
        ("ListAgentsRequest", "page_size", "ten"),
        ("ListAgentsRequest", "page_size", "2147483648"),
        ("RecordFilter", "kind", "ADMIN"),
        ("RecordFilter", "start_time", "now"),
        ("EnforceRequest", "arguments", "{}"),
    ] {
        assert_eq!(of(message, field, text), None, "{message}.{field}={text}");
    }
}

#[test]
fn what_is_nested_beyond_any_message_is_a_fault_and_no_panic() {
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!({"a": inner}));
    let found = fields("EnforceRequest", "", json!({"arguments": nested(100)}));
    assert_eq!(found, ["arguments"]);
    let found: v1::EnforceRequest = read("EnforceRequest", json!({"arguments": nested(20)}));
    assert!(found.arguments.is_some());
}

#[test]
fn what_is_written_reads_back() {
    let policy = json!({"scope": {"agent_id": "agt_x"}, "deny": [{"id": "n", "action": "a:*", "resource": "",
        "conditions": {"expression": "true", "time_range": {"start": "08:00", "end": "09:00"}}, "reason": ""}],
        "require_approval": [], "allow": [], "version": 7, "etag": "e", "policy_id": ""});
    let read = message(&descriptor("Policy"), policy.clone(), "", &mut Faults::default());
    assert_eq!(write(&read, Enums::Whole), policy);
}

/// What the reader does not know how to read is in no request.
#[test]
fn no_request_has_what_cannot_be_read() {
    fn walk(descriptor: &MessageDescriptor, seen: &mut Vec<String>) {
        let name = descriptor.full_name().to_owned();
        if seen.contains(&name) {
            return;
        }
        seen.push(name.clone());
        let known = ["google.protobuf.Timestamp", "google.protobuf.FieldMask", "google.protobuf.Struct"];
        if known.contains(&name.as_str()) {
            return;
        }
        assert!(!name.starts_with("google."), "{name} has no reader");
        for field in descriptor.fields() {
            assert!(
                !matches!(field.kind(), Kind::Float | Kind::Double | Kind::Bytes),
                "{} has no reader",
                field.full_name()
            );
            let kind = field.kind();
            if let (true, Kind::Message(entry)) = (field.is_map(), &kind) {
                assert_eq!(entry.map_entry_key_field().kind(), Kind::String, "{}", field.full_name());
                assert!(entry.map_entry_value_field().kind().as_message().is_none());
            } else if let Kind::Message(inner) = &kind {
                walk(inner, seen);
            }
        }
    }
    let pool = contract().unwrap();
    let mut seen = Vec::new();
    for service in pool.services().filter(|service| service.package_name() == "agentguard.v1") {
        for method in service.methods() {
            walk(&method.input(), &mut seen);
        }
    }
    assert!(seen.len() > 40, "{seen:?}");
}
