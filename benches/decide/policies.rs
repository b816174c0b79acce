//! Policies and requests whose decisions are measured.

use std::collections::BTreeMap;

use agentguard::clock::Timestamp;
use agentguard::ids::{AgentId, PolicyId};
use agentguard::policy::{Compiled, Environment, Object, ReasonCode, Request, Subject, compile, document};
use serde_json::json;

pub fn policy(lists: &serde_json::Value) -> Compiled {
    let mut json = lists.clone();
    json["scope"] = json!({"everyone": {}});
    let id = PolicyId::new(Timestamp::from_micros(0), [1; 16]);
    compile(&document::from_json(&json).unwrap(), id, 1).unwrap().0
}

pub fn subject() -> Subject {
    Subject {
        id: AgentId::new(Timestamp::from_micros(0), [1; 16]),
        name: "reader".into(),
        team: "data".into(),
        environment: Environment::Production,
        labels: BTreeMap::from([("tier".into(), "gold".into())]),
        is_active: true,
    }
}

pub fn request(action: &str, resource: Option<String>, arguments: Object) -> Request {
    Request::new(action, resource, arguments, Object::new(), None, None, None).unwrap()
}

/// Literal and prefix patterns over actions and resources, spread over the three lists.
pub fn rules(count: usize) -> serde_json::Value {
    let rule = |number: usize| match number % 3 {
        0 => json!({"action": format!("tool:do_{number}"), "resource": format!("/data/{number}/**")}),
        1 => json!({"action": format!("service_{number}:*")}),
        _ => json!({"action": "read:file", "resource": format!("s3://bucket-{number}/**")}),
    };
    let list = |of: usize| (0..count).filter(|number| number % 10 == of).map(rule).collect::<Vec<_>>();
    let allow = (0..count).filter(|number| number % 10 > 1).map(rule).collect::<Vec<_>>();
    json!({"deny": list(0), "require_approval": list(1), "allow": allow})
}

/// What is asked of [`rules`].
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    /// What a rule in the middle allows.
    Allowed,
    /// What no rule speaks of.
    Default,
}

impl Asked {
    pub const fn code(self) -> ReasonCode {
        match self {
            Self::Allowed => ReasonCode::AllowedByRule,
            Self::Default => ReasonCode::DeniedDefault,
        }
    }
}

/// A request for `count` of [`rules`].
pub fn asked(count: usize, asked: Asked) -> Request {
    // A rule over buckets that stands in the list of those that allow.
    let number = if count == 10 { 5 } else { count / 2 + 6 - (count / 2) % 3 + 2 };
    match asked {
        Asked::Allowed => request("read_file", Some(format!("s3://bucket-{number}/a/b.txt")), Object::new()),
        Asked::Default => request("write_file", Some("/var/lib/x".into()), Object::new()),
    }
}

/// A rule with one comparison in CEL.
pub fn comparison() -> serde_json::Value {
    json!({"allow": [{"action": "pay:*", "conditions": {"expression": "arguments.amount <= 150"}}]})
}

pub fn at() -> Timestamp {
    Timestamp::from_micros(1_767_614_400_000_000)
}
