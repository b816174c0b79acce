//! What a decision costs: ordinary ones at growing numbers of rules, and the worst ones that are accepted.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    reason = "a benchmark fails by panicking"
)]

use std::collections::BTreeMap;
use std::hint::black_box;

use agentguard::clock::Timestamp;
use agentguard::ids::{AgentId, PolicyId};
use agentguard::policy::{
    Compiled, Decision, Environment, Object, Policies, ReasonCode, Request, Subject, Value, compile, decide,
    document,
};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;

fn policy(lists: &serde_json::Value) -> Compiled {
    let mut json = lists.clone();
    json["scope"] = json!({"everyone": {}});
    let id = PolicyId::new(Timestamp::from_micros(0), [1; 16]);
    compile(&document::from_json(&json).unwrap(), id, 1).unwrap().0
}

fn subject() -> Subject {
    Subject {
        id: AgentId::new(Timestamp::from_micros(0), [1; 16]),
        name: "reader".into(),
        team: "data".into(),
        environment: Environment::Production,
        labels: BTreeMap::from([("tier".into(), "gold".into())]),
        is_active: true,
    }
}

fn request(action: &str, resource: Option<String>, arguments: Object) -> Request {
    Request::new(action, resource, arguments, Object::new(), None, None, None).unwrap()
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

fn at() -> Timestamp {
    Timestamp::parse("2026-01-05T12:00:00Z").unwrap()
}

fn ordinary(c: &mut Criterion) {
    let subject = subject();
    for (name, scopes, count) in [("10", 1, 10), ("1,000", 1, 1_000), ("30,000 in 3 scopes", 3, 10_000)] {
        let policy = policy(&rules(count));
        let other = (scopes == 3).then_some(&policy);
        let policies = Policies { kill_switch: None, everyone: Some(&policy), team: other, agent: other };
        let number = if count == 10 { 5 } else { count / 2 + 6 - (count / 2) % 3 + 2 };
        for (kind, request) in [
            ("allowed", request("read_file", Some(format!("s3://bucket-{number}/a/b.txt")), Object::new())),
            ("default", request("write_file", Some("/var/lib/x".into()), Object::new())),
        ] {
            let decision = decide(&policies, &subject, &request, at());
            println!("{name} rules, {kind}: {} ({} steps)", decision.code, decision.steps);
            c.bench_function(&format!("{name} rules, {kind}"), |b| {
                b.iter(|| decide(black_box(&policies), &subject, black_box(&request), at()))
            });
        }
    }
}

fn expression(c: &mut Criterion) {
    let policy = policy(
        &json!({"allow": [{"action": "pay:*", "conditions": {"expression": "arguments.amount <= 150"}}]}),
    );
    let policies = Policies { everyone: Some(&policy), ..Policies::default() };
    let request = request("pay:bill", None, Object::from([("amount".into(), Value::Number(99.0))]));
    let subject = subject();
    assert_eq!(decide(&policies, &subject, &request, at()).code, ReasonCode::AllowedByRule);
    c.bench_function("one CEL comparison", |b| {
        b.iter(|| decide(black_box(&policies), &subject, black_box(&request), at()))
    });
}

/// Policies and requests that are accepted and made to be slow; each must stay within 5 ms.
fn worst(c: &mut Criterion) {
    let subject = subject();
    let resource = "a".repeat(2_048);
    let glob = json!({"action": "*", "resource": "**a*a*a*a*a*a*a*b**"});
    let zone = json!({"action": "read:*", "conditions": {"time_range": {"start": "00:00", "end": "00:01", "tz": "America/New_York"}}});
    let days =
        json!({"action": "read:*", "conditions": {"day_of_week": {"days": ["Sun"], "tz": "Europe/Lisbon"}}});
    let expression = |source: &str| json!({"action": "read:*", "conditions": {"expression": source}});
    let texts = |bytes: usize, count: usize| Value::List(vec![Value::String("ab".repeat(bytes / 2)); count]);
    let arguments = |value: Value| Object::from([("x".into(), value)]);
    let numbers = Value::List(vec![Value::Number(1.0); 990]);
    let random: String = (0u32..7_000)
        .map(|n| if (n.wrapping_mul(2_654_435_761) >> 13) & 1 == 0 { 'a' } else { 'b' })
        .collect();
    let anchors: String = (0..30).map(|n| format!(r#" && !arguments.x.matches("^{n}$")"#)).collect();
    for (name, rule, count, asked) in [
        ("globs", glob, 200, request("read:file", Some(resource.clone()), Object::new())),
        ("zones", zone, 10_000, request("read:file", None, Object::new())),
        ("days", days, 10_000, request("read:file", None, Object::new())),
        (
            "prefixes",
            json!({"action": "read:*", "resource": "aaaa*a*b**"}),
            10_000,
            request("read:file", Some(resource), Object::new()),
        ),
        (
            "comprehensions",
            expression("arguments.x.all(n, n == 1 && n + 1 == 2 && n * 2 > 1 && n in [2, 3, 1])"),
            100,
            request("read:file", None, arguments(numbers.clone())),
        ),
        (
            "concatenations",
            expression(r#"arguments.x.all(t, t + t != t + "b" + t)"#),
            100,
            request("read:file", None, arguments(texts(60_000, 900))),
        ),
        (
            "comparisons of long texts",
            expression("arguments.x.all(t, t in arguments.x)"),
            100,
            request("read:file", None, arguments(texts(60_000, 900))),
        ),
        (
            "lower case",
            expression("arguments.x.map(t, t.lowerAscii().upperAscii()).exists(t, t == '')"),
            100,
            request("read:file", None, arguments(texts(2_000, 900))),
        ),
        (
            "dates",
            expression(
                "arguments.x.exists(n, now.getDayOfYear('America/New_York') + now.getMonth('Asia/Tokyo') > 900)",
            ),
            100,
            request("read:file", None, arguments(numbers.clone())),
        ),
        (
            "conversions",
            expression(
                "arguments.x.exists(n, string(now) + string(n) == '' || timestamp(string(now)) != now)",
            ),
            100,
            request("read:file", None, arguments(numbers)),
        ),
        (
            "a regular expression of many states",
            expression(r#"arguments.x.matches("(a|b)*a(a|b){14}c")"#),
            100,
            request("read:file", None, arguments(Value::String(random.clone()))),
        ),
        (
            "a regular expression of unicode classes",
            expression(r#"arguments.x.matches("(\\w|a)+@$")"#),
            100,
            request("read:file", None, arguments(Value::String(random.clone()))),
        ),
        (
            "small regular expressions",
            expression(&format!(
                "true{}",
                &anchors[..anchors.len().min(1_000)].rsplit_once(" && ").unwrap().0
            )),
            100,
            request("read:file", None, arguments(Value::String(random))),
        ),
    ] {
        let policy = policy(&json!({"require_approval": vec![rule; count]}));
        let policies = Policies {
            kill_switch: None,
            everyone: Some(&policy),
            team: Some(&policy),
            agent: Some(&policy),
        };
        let Decision { code, steps, .. } = decide(&policies, &subject, &asked, at());
        println!("worst, {name}: {code} ({steps} steps)");
        let mut group = c.benchmark_group("worst");
        group.sample_size(10).measurement_time(std::time::Duration::from_secs(1));
        group.bench_function(name, |b| {
            b.iter(|| decide(black_box(&policies), &subject, black_box(&asked), at()))
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(std::time::Duration::from_millis(300)).measurement_time(std::time::Duration::from_secs(2)).without_plots();
    targets = ordinary, expression, worst
}
criterion_main!(benches);
