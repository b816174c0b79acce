//! Records of the audit on their way out, and what is asked for of them.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value as Json};

use super::{Faults, below, object_message, timestamp, timestamp_message};
use crate::audit::content::hex;
use crate::audit::{Kind, Record};
use crate::clock::Timestamp;
use crate::config::DecisionDetail;
use crate::pb::v1;
use crate::policy::value;
use crate::policy::{Action, ReasonCode, Verdict};
use crate::store::records::{Place, RecordFilter};

/// Reads which records are meant.
pub fn filter(field: &str, message: Option<v1::RecordFilter>, faults: &mut Faults) -> RecordFilter {
    let message = message.unwrap_or_default();
    let at = |name: &str| below(field, name);
    let action = Some(message.action.as_str()).filter(|action| !action.is_empty());
    let action = action.and_then(|action| {
        Action::parse(action).map_err(|error| faults.add(at("action"), error.to_string())).ok()
    });
    let mut time = |name: &str, message: Option<prost_types::Timestamp>| {
        message.and_then(|message| timestamp(&at(name), &message, faults))
    };
    let (from, until) = (time("start_time", message.start_time), time("end_time", message.end_time));
    let decision = faults.parse_optional::<crate::ids::DecisionId>(&at("decision_id"), &message.decision_id);
    let kind = match v1::RecordKind::try_from(message.kind) {
        Ok(kind) => read_kind(kind),
        Err(_) => {
            faults.add(at("kind"), "is no kind of record");
            None
        }
    };
    RecordFilter {
        agent: faults.parse_optional(&at("agent_id"), &message.agent_id),
        action: action.map(|action| action.as_str().to_owned()),
        allowed: message.allowed,
        kind,
        from,
        until,
        decision: decision.map(|id| id.to_string()),
    }
}

const fn read_kind(kind: v1::RecordKind) -> Option<Kind> {
    match kind {
        v1::RecordKind::Unspecified => None,
        v1::RecordKind::Decision => Some(Kind::Decision),
        v1::RecordKind::Outcome => Some(Kind::Outcome),
        v1::RecordKind::Report => Some(Kind::Report),
        v1::RecordKind::Admin => Some(Kind::Admin),
        v1::RecordKind::Chain => Some(Kind::Chain),
        v1::RecordKind::Tombstone => Some(Kind::Tombstone),
    }
}

const fn kind_message(kind: Kind) -> v1::RecordKind {
    match kind {
        Kind::Decision => v1::RecordKind::Decision,
        Kind::Outcome => v1::RecordKind::Outcome,
        Kind::Report => v1::RecordKind::Report,
        Kind::Admin => v1::RecordKind::Admin,
        Kind::Chain => v1::RecordKind::Chain,
        Kind::Tombstone => v1::RecordKind::Tombstone,
    }
}

/// A place in the order of readers, as it stands in page tokens: `micros.chain_no.seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceText(pub Place);

impl PlaceText {
    /// Where `record` stands.
    pub fn of(record: &Record) -> Self {
        let position = &record.position;
        Self(Place { timestamp: position.timestamp, chain_no: position.chain_no, seq: position.seq })
    }
}

impl fmt::Display for PlaceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0.timestamp.as_micros(), self.0.chain_no, self.0.seq)
    }
}

/// The text is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPlace;

impl FromStr for PlaceText {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let mut parts = text.split('.').map(|part| part.parse::<i64>().map_err(|_| NoPlace));
        let mut part = || parts.next().unwrap_or(Err(NoPlace));
        let place = Place { timestamp: Timestamp::from_micros(part()?), chain_no: part()?, seq: part()? };
        if parts.next().is_some() { Err(NoPlace) } else { Ok(Self(place)) }
    }
}

/// Writes a record, whole.
pub fn record(record: &Record) -> v1::AuditRecord {
    let (position, entry) = (&record.position, &record.entry);
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let id = |kind: Kind| {
        if (entry.kind == Kind::Report) == (kind == Kind::Report) {
            text(&entry.decision_id)
        } else {
            String::new()
        }
    };
    let content = entry.content.as_ref().map(|content| members(&content.bytes)).unwrap_or_default();
    let verdict = entry.verdict.as_deref().and_then(|name| name.parse::<Verdict>().ok());
    let code = entry.reason_code.as_deref().and_then(|name| name.parse::<ReasonCode>().ok());
    v1::AuditRecord {
        chain_id: position.chain_id.to_string(),
        chain_no: position.chain_no,
        seq: position.seq,
        hash: hex(&record.hash),
        prev_hash: hex(&position.prev_hash),
        form_version: i32::try_from(record.form_version).unwrap_or(i32::MAX),
        kind: kind_message(entry.kind).into(),
        timestamp: Some(timestamp_message(position.timestamp)),
        decided_at: entry.decided_at.map(timestamp_message),
        decision_id: id(Kind::Decision),
        report_id: id(Kind::Report),
        agent: entry.agent_id.as_ref().map(|agent_id| v1::RecordedAgent {
            agent_id: agent_id.clone(),
            name: text(&entry.agent_name),
            team: text(&entry.team),
            environment: text(&entry.environment),
            labels: entry.labels.as_deref().map(labels).unwrap_or_default(),
            is_active: entry.agent_active.unwrap_or_default(),
        }),
        key_id: text(&entry.key_id),
        action: text(&entry.action),
        action_as_sent: string(&content, "action"),
        resource: content.get("resource").and_then(Json::as_str).map(str::to_owned),
        arguments: structure(&content, "arguments"),
        context: structure(&content, "context"),
        session_id: string(&content, "session_id"),
        on_behalf_of: string(&content, "on_behalf_of"),
        verdict: verdict.map(super::verdict).unwrap_or_default().into(),
        allowed: entry.allowed.unwrap_or_default(),
        reason_code: code.map(super::reason_code).unwrap_or_default().into(),
        rule_id: text(&entry.rule_id),
        policies: entry.policies.as_deref().map(policies).unwrap_or_default(),
        error_rule_ids: entry.error_rule_ids.as_deref().map(strings).unwrap_or_default(),
        revision: entry.revision.as_ref().map(ToString::to_string).unwrap_or_default(),
        request_id: text(&entry.request_id),
        idempotency_key: text(&entry.idempotency_key),
        repeat_of: text(&entry.repeat_of),
        supersedes: text(&entry.supersedes),
        approval_id: text(&entry.approval_id),
        replayable: entry.replayable.unwrap_or_default(),
        commitment: entry.commitment.map(|hash| hex(&hash)).unwrap_or_default(),
        salt: entry.content.as_ref().map(|content| hex(&content.salt)).unwrap_or_default(),
        request_digest: string(&content, "request_digest"),
        outcome: entry.outcome.as_deref().map(|outcome| v1::Outcome {
            success: Some(outcome == "success"),
            error: string(&content, "error"),
            metadata: structure(&content, "metadata"),
        }),
        detail: entry.detail.as_deref().map(|text| object_message(&value::object(&members(text.as_bytes())))),
        trace_id: text(&entry.trace_id),
    }
}

/// Writes a record for the agent it is about: without what `detail` hides and what only verification needs.
pub fn own_record(found: &Record, detail: DecisionDetail) -> v1::AuditRecord {
    let mut message = record(found);
    if detail == DecisionDetail::Kind {
        message.rule_id = String::new();
    }
    message.error_rule_ids = Vec::new();
    message.policies = Vec::new();
    message.detail = None;
    for hidden in [
        &mut message.hash,
        &mut message.prev_hash,
        &mut message.commitment,
        &mut message.salt,
        &mut message.request_digest,
    ] {
        hidden.clear();
    }
    message
}

/// The members of stored JSON; what is none has none (verification says so, a listing need not fail).
fn members(bytes: &[u8]) -> Map<String, Json> {
    serde_json::from_slice(bytes).unwrap_or_default()
}

fn string(members: &Map<String, Json>, name: &str) -> String {
    members.get(name).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn structure(members: &Map<String, Json>, name: &str) -> Option<prost_types::Struct> {
    members.get(name).and_then(Json::as_object).map(|inner| object_message(&value::object(inner)))
}

fn labels(json: &str) -> std::collections::BTreeMap<String, String> {
    serde_json::from_str(json).unwrap_or_default()
}

fn strings(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
}

fn policies(json: &str) -> Vec<v1::RecordedPolicy> {
    let listed: Vec<Map<String, Json>> = serde_json::from_str(json).unwrap_or_default();
    let policy = |members: Map<String, Json>| v1::RecordedPolicy {
        scope: match members.get("scope").and_then(Json::as_str) {
            Some("everyone") => v1::ScopeKind::Everyone,
            Some("team") => v1::ScopeKind::Team,
            Some("agent") => v1::ScopeKind::Agent,
            Some(_) | None => v1::ScopeKind::Unspecified,
        }
        .into(),
        policy_id: string(&members, "policy_id"),
        version: members
            .get("version")
            .and_then(Json::as_i64)
            .and_then(|n| i32::try_from(n).ok())
            .unwrap_or(0),
        is_deciding: members.get("is_deciding").and_then(Json::as_bool).unwrap_or_default(),
    };
    listed.into_iter().map(policy).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::audit::record::Content;
    use crate::audit::{Entry, Position};
    use crate::ids::ChainId;

    fn stored(mut entry: Entry) -> Record {
        entry.agent_id = Some("agt_01h455vb4pex5vsknk084sn02q".into());
        let position = Position {
            chain_id: ChainId::new(Timestamp::from_micros(0), [1; 16]),
            chain_no: 3,
            seq: 7,
            timestamp: Timestamp::from_micros(9),
            prev_hash: [0; 32],
        };
        Record::new(position, entry)
    }

    fn decided() -> Record {
        let bytes = br#"{"action":"Read File","arguments":{"n":1},"context":{},"on_behalf_of":null,"request_digest":"ab","resource":"/a","session_id":"s"}"#;
        let mut entry =
            Entry::new(Kind::Decision).with_content(Content { bytes: bytes.to_vec(), salt: vec![1; 16] });
        entry.decision_id = Some("dec_x".into());
        entry.verdict = Some("DENY".into());
        entry.reason_code = Some("DENIED_BY_RULE".into());
        entry.rule_id = Some("no".into());
        entry.allowed = Some(false);
        entry.policies =
            Some(r#"[{"is_deciding":true,"policy_id":"pol_x","scope":"team","version":4}]"#.into());
        entry.error_rule_ids = Some(r#"["a","b"]"#.into());
        entry.labels = Some(r#"{"tier":"gold"}"#.into());
        stored(entry)
    }

    #[test]
    fn a_record_shows_everything_it_holds() {
        let shown = record(&decided());
        assert_eq!(shown.hash, hex(&decided().hash));
        assert_eq!((shown.chain_no, shown.seq, shown.form_version), (3, 7, 1));
        assert_eq!((shown.verdict(), shown.reason_code()), (v1::Verdict::Deny, v1::ReasonCode::DeniedByRule));
        assert_eq!((shown.action_as_sent.as_str(), shown.resource.as_deref()), ("Read File", Some("/a")));
        assert_eq!((shown.session_id.as_str(), shown.on_behalf_of.as_str()), ("s", ""));
        assert_eq!(shown.agent.unwrap().labels["tier"], "gold");
        assert_eq!(shown.arguments.unwrap().fields.len(), 1);
        assert_eq!(shown.error_rule_ids, ["a", "b"]);
        let policy = &shown.policies[0];
        assert_eq!((policy.scope(), policy.version, policy.is_deciding), (v1::ScopeKind::Team, 4, true));
        assert_eq!((shown.decision_id.as_str(), shown.report_id.as_str()), ("dec_x", ""));
    }

    #[test]
    fn an_agent_does_not_see_what_detail_hides() {
        let shown = own_record(&decided(), DecisionDetail::Kind);
        assert_eq!((shown.rule_id.as_str(), shown.salt.as_str(), shown.hash.as_str()), ("", "", ""));
        assert!(shown.error_rule_ids.is_empty() && shown.policies.is_empty());
        assert_eq!(own_record(&decided(), DecisionDetail::Rule).rule_id, "no");
    }

    #[test]
    fn an_erased_record_still_shows() {
        let mut erased = decided();
        Arc::make_mut(&mut erased.entry).content = None;
        let shown = record(&erased);
        assert_eq!((shown.resource, shown.arguments, shown.salt.as_str()), (None, None, ""));
        assert_eq!(shown.commitment.len(), 64);
    }

    #[test]
    fn a_reports_id_is_no_decisions() {
        let mut entry = Entry::new(Kind::Report);
        entry.decision_id = Some("rep_x".into());
        let shown = record(&stored(entry));
        assert_eq!((shown.decision_id.as_str(), shown.report_id.as_str()), ("", "rep_x"));
    }

    #[test]
    fn a_place_reads_back() {
        let place = PlaceText(Place { timestamp: Timestamp::from_micros(5), chain_no: 2, seq: 9 });
        assert_eq!(place.to_string().parse(), Ok(place));
        for bad in ["", "1.2", "1.2.3.4", "1.2.x"] {
            assert_eq!(bad.parse::<PlaceText>(), Err(NoPlace), "{bad}");
        }
    }

    #[test]
    fn a_filter_names_every_bad_field() {
        let mut faults = Faults::default();
        let message = v1::RecordFilter {
            agent_id: "x".into(),
            action: "--".into(),
            kind: 99,
            decision_id: "y".into(),
            start_time: Some(prost_types::Timestamp { seconds: -1, nanos: 0 }),
            ..Default::default()
        };
        filter("filter", Some(message), &mut faults);
        let crate::service::Error::Invalid(faults) = faults.or(Some(())).unwrap_err() else { panic!() };
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        let expected =
            ["filter.action", "filter.start_time", "filter.decision_id", "filter.kind", "filter.agent_id"];
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_filters_action_is_brought_to_its_form() {
        let mut faults = Faults::default();
        let read = filter(
            "filter",
            Some(v1::RecordFilter { action: "readFile".into(), ..Default::default() }),
            &mut faults,
        );
        assert_eq!(read.action.as_deref(), Some("read:file"));
        faults.or(Some(())).unwrap();
    }

    #[test]
    fn kinds_on_the_wire_are_the_domains() {
        for kind in [Kind::Decision, Kind::Outcome, Kind::Report, Kind::Admin, Kind::Chain, Kind::Tombstone] {
            assert_eq!(read_kind(kind_message(kind)), Some(kind));
            let name = format!("RECORD_KIND_{}", kind.as_str().to_uppercase());
            assert_eq!(kind_message(kind).as_str_name(), name);
        }
    }
}
