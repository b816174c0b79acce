//! What a decision costs: ordinary ones at growing numbers of rules, and the worst ones that are accepted. Ends with a
//! table of the medians and what is promised of them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark fails by panicking"
)]

#[path = "decide/policies.rs"]
mod policies;
#[path = "decide/table.rs"]
mod table;

use std::hint::black_box;

use agentguard::policy::{Decision, Object, Policies, ReasonCode, Value, decide};
use criterion::{Criterion, criterion_group};
use serde_json::json;

use policies::{Asked, asked, at, comparison, policy, request, rules, subject};

fn ordinary(c: &mut Criterion) {
    let subject = subject();
    for (name, scopes, count) in [("10", 1, 10), ("1,000", 1, 1_000), ("30,000 in 3 scopes", 3, 10_000)] {
        let policy = policy(&rules(count));
        let other = (scopes == 3).then_some(&policy);
        let policies = Policies { kill_switch: None, everyone: Some(&policy), team: other, agent: other };
        for (kind, what) in [("allowed", Asked::Allowed), ("default", Asked::Default)] {
            let request = asked(count, what);
            let decision = decide(&policies, &subject, &request, at());
            assert_eq!(decision.code, what.code());
            println!("{name} rules, {kind}: {} ({} steps)", decision.code, decision.steps);
            c.bench_function(&format!("{name} rules, {kind}"), |b| {
                b.iter(|| decide(black_box(&policies), &subject, black_box(&request), at()))
            });
        }
    }
}

fn expression(c: &mut Criterion) {
    let policy = policy(&comparison());
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
    config = Criterion::default()
        .output_directory(table::DIRECTORY.as_ref())
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(2))
        .without_plots();
    targets = ordinary, expression, worst
}

fn main() {
    table::clear();
    benches();
    Criterion::default().configure_from_args().final_summary();
    table::print();
}
