//! What is counted.

use std::hint::black_box;

use agentguard::audit::record::Position;
use agentguard::audit::{Entry, Keeper, Kind, Record};
use agentguard::auth::Peppers;
use agentguard::auth::key::Presented;
use agentguard::clock::Timestamp;
use agentguard::ids::{ChainId, DecisionId, KeyId, Revision};
use agentguard::policy::{Action, Object, Policies, ReasonCode, Value, decide};
use serde_json::json;

use super::policies::{self, Asked, at, policy, request, subject};

/// One thing to count.
pub struct Case {
    pub name: &'static str,
    /// Makes a turn.
    pub prepare: fn() -> Box<dyn FnMut()>,
}

/// Everything that is counted.
pub const CASES: &[Case] = &[
    Case { name: "decide, 10 rules, allowed", prepare: || ordinary(10, 1, Asked::Allowed) },
    Case { name: "decide, 10 rules, default", prepare: || ordinary(10, 1, Asked::Default) },
    Case { name: "decide, 1,000 rules, allowed", prepare: || ordinary(1_000, 1, Asked::Allowed) },
    Case { name: "decide, 1,000 rules, default", prepare: || ordinary(1_000, 1, Asked::Default) },
    Case { name: "decide, 30,000 rules, allowed", prepare: || ordinary(10_000, 3, Asked::Allowed) },
    Case { name: "decide, 30,000 rules, default", prepare: || ordinary(10_000, 3, Asked::Default) },
    Case { name: "decide, one comparison in CEL", prepare: comparison },
    Case { name: "decide, one pattern of wildcards", prepare: wildcards },
    Case { name: "canonical action", prepare: action },
    Case { name: "verify a key", prepare: key },
    Case { name: "keep a request's content", prepare: content },
    Case { name: "place and hash a record", prepare: record },
    Case { name: "make a decision's id", prepare: id },
];

fn ordinary(rules: usize, scopes: usize, asked: Asked) -> Box<dyn FnMut()> {
    let policy = policy(&policies::rules(rules));
    let (subject, request) = (subject(), policies::asked(rules, asked));
    Box::new(move || {
        let other = (scopes == 3).then_some(&policy);
        let policies = Policies { kill_switch: None, everyone: Some(&policy), team: other, agent: other };
        let decision = decide(black_box(&policies), &subject, black_box(&request), at());
        assert_eq!(decision.code, asked.code());
    })
}

fn comparison() -> Box<dyn FnMut()> {
    let policy = policy(&policies::comparison());
    let amount = Object::from([("amount".into(), Value::Number(99.0))]);
    let (subject, request) = (subject(), request("pay:bill", None, amount));
    Box::new(move || {
        let policies = Policies { everyone: Some(&policy), ..Policies::default() };
        let decision = decide(black_box(&policies), &subject, black_box(&request), at());
        assert_eq!(decision.code, ReasonCode::AllowedByRule);
    })
}

fn wildcards() -> Box<dyn FnMut()> {
    let policy =
        policy(&json!({"allow": [{"action": "read:*", "resource": "/data/**/reports/*-2026*.csv"}]}));
    let resource = "/data/finance/emea/reports/costs-2026-01.csv".to_owned();
    let (subject, request) = (subject(), request("read:file", Some(resource), Object::new()));
    Box::new(move || {
        let policies = Policies { everyone: Some(&policy), ..Policies::default() };
        let decision = decide(black_box(&policies), &subject, black_box(&request), at());
        assert_eq!(decision.code, ReasonCode::AllowedByRule);
    })
}

fn action() -> Box<dyn FnMut()> {
    Box::new(|| {
        let action = Action::parse(black_box("mcp__github__createIssue")).unwrap();
        assert_eq!(black_box(action).as_str(), "mcp:github:create_issue");
    })
}

fn key() -> Box<dyn FnMut()> {
    let peppers = Peppers::new(None, None);
    let minted = peppers.mint(KeyId::new(at(), [3; 16]), [7; 32]);
    Box::new(move || {
        let presented = Presented::parse(black_box(minted.text.expose())).unwrap();
        assert!(peppers.matches(&presented, &minted.hash, None));
    })
}

fn keeper() -> Keeper {
    Keeper::new([1; 32], ["password", "secret", "token", "api_key"].map(str::to_owned).to_vec())
}

fn asked() -> agentguard::policy::Request {
    let arguments = Object::from([
        ("path".into(), Value::String("/data/report.csv".into())),
        ("max_bytes".into(), Value::Number(4_096.0)),
    ]);
    request("read:file", Some("/data/report.csv".into()), arguments)
}

fn content() -> Box<dyn FnMut()> {
    let (keeper, request) = (keeper(), asked());
    Box::new(move || {
        let kept = keeper.request(black_box("read_file"), &request, [5; 16]);
        assert!(black_box(kept).replayable);
    })
}

fn record() -> Box<dyn FnMut()> {
    let kept = keeper().request("read_file", &asked(), [5; 16]);
    let mut entry = Entry::new(Kind::Decision).with_content(kept.content);
    let text = |text: &str| Some(text.into());
    entry.decision_id = text("dec_01h455vb4pex5vsknk084sn02q");
    entry.agent_id = text("agt_01h455vb4pex5vsknk084sn02q");
    entry.agent_name = text("reader");
    entry.team = text("data");
    entry.environment = text("production");
    entry.labels = text(r#"{"tier":"gold"}"#);
    entry.agent_active = Some(true);
    entry.key_id = text("key_01h455vb4pex5vsknk084sn02q");
    entry.action = text("read:file");
    entry.allowed = Some(true);
    entry.verdict = text("ALLOW");
    entry.reason_code = text("ALLOWED_BY_RULE");
    entry.rule_id = text("allow-1");
    entry.policies = text(
        r#"[{"is_deciding":true,"policy_id":"pol_01h455vb4pex5vsknk084sn02q","scope":"agent","version":1}]"#,
    );
    entry.revision = Some(Revision::new("4f1c09aa", 17));
    entry.decided_at = Some(at());
    entry.request_id = text("req_4f1c09aa4f1c09aa4f1c09aa4f1c09aa");
    entry.replayable = Some(true);
    let position = Position {
        chain_id: ChainId::new(Timestamp::from_micros(0), [1; 16]),
        chain_no: 1,
        seq: 2,
        timestamp: at(),
        prev_hash: [7; 32],
    };
    let mut record = Record::new(position, entry);
    Box::new(move || record.hash = black_box(&record).computed_hash())
}

fn id() -> Box<dyn FnMut()> {
    Box::new(|| drop(black_box(DecisionId::new(at(), black_box([9; 16])))))
}
