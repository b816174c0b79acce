//! Decisions as they are every day, and what they take of the budget.

use agentguard::clock::Timestamp;
use agentguard::ids::{AgentId, PolicyId};
use agentguard::policy::{
    Compiled, Environment, Object, Policies, ReasonCode, Request, Subject, Value, compile, decide, document,
};
use serde_json::json;

fn policy(lists: &serde_json::Value) -> Compiled {
    let mut json = lists.clone();
    json["scope"] = json!({"everyone": {}});
    let id = PolicyId::new(Timestamp::from_micros(0), [1; 16]);
    compile(&document::from_json(&json).unwrap(), id, 1).unwrap().0
}

/// Literal and prefix patterns over actions and resources, spread over the three lists.
fn rules(count: usize) -> serde_json::Value {
    let rule = |number: usize| match number % 3 {
        0 => json!({"action": format!("tool:do_{number}"), "resource": format!("/data/{number}/**")}),
        1 => json!({"action": format!("service_{number}:*")}),
        _ => json!({"action": "read:file", "resource": format!("s3://bucket-{number}/**")}),
    };
    let list = |of: usize| (0..count).filter(|number| number % 10 == of).map(rule).collect::<Vec<_>>();
    let allow = (0..count).filter(|number| number % 10 > 1).map(rule).collect::<Vec<_>>();
    json!({"deny": list(0), "require_approval": list(1), "allow": allow})
}

/// The name of each decision and its steps.
pub fn all() -> Vec<(String, u32)> {
    let subject = Subject {
        id: AgentId::new(Timestamp::from_micros(0), [1; 16]),
        name: "reader".into(),
        team: "data".into(),
        environment: Environment::Production,
        labels: std::collections::BTreeMap::from([("tier".into(), "gold".into())]),
        is_active: true,
    };
    let mut all = Vec::new();
    let mut ask = |name: String, policies: &Policies<'_>, request: &Request, code: ReasonCode| {
        let decision = decide(policies, &subject, request, Timestamp::from_micros(1_767_614_400_000_000));
        assert_eq!(decision.code, code, "{name}");
        all.push((name, decision.steps));
    };
    let plain = |action: &str, resource: &str| {
        Request::new(action, Some(resource.into()), Object::new(), Object::new(), None, None, None).unwrap()
    };
    for (name, scopes, count) in [("10", 1, 10), ("1,000", 1, 1_000), ("30,000", 3, 10_000)] {
        let policy = policy(&rules(count));
        let other = (scopes == 3).then_some(&policy);
        let policies = Policies { kill_switch: None, everyone: Some(&policy), team: other, agent: other };
        // The last rule that reads files and allows it.
        let number = (0..count).rfind(|number| number % 3 == 2 && number % 10 > 1).unwrap();
        let allowed = plain("read_file", &format!("s3://bucket-{number}/a/b.txt"));
        ask(format!("{name} rules, allowed"), &policies, &allowed, ReasonCode::AllowedByRule);
        let denied = plain("write_file", "/var/lib/x");
        ask(format!("{name} rules, default"), &policies, &denied, ReasonCode::DeniedDefault);
    }
    let expression =
        |source: &str| policy(&json!({"allow": [{"action": "pay:*", "conditions": {"expression": source}}]}));
    let arguments = Object::from([
        ("amount".into(), Value::Number(99.0)),
        ("account".into(), Value::String("DE-1234-5678".into())),
    ]);
    let request = Request::new("pay:bill", None, arguments, Object::new(), None, None, None).unwrap();
    for source in ["arguments.amount <= 150", "arguments.account.matches('^DE-[0-9]{4}-[0-9]{4}$')"] {
        let policy = expression(source);
        let policies = Policies { everyone: Some(&policy), ..Policies::default() };
        ask(source.into(), &policies, &request, ReasonCode::AllowedByRule);
    }
    all
}
