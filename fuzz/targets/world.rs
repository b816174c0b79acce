//! Policies, agents and requests made of choices.

use std::collections::BTreeMap;

use agentguard::clock::Timestamp;
use agentguard::ids::AgentId;
use agentguard::policy::{
    Conditions, DayOfWeek, Document, Environment, Object, Rule, Scope, Subject, TimeRange, Value,
};

use super::expression;
use super::source::Source;

const ACTIONS: [&str; 22] = [
    "read:file",
    "readFile",
    "read:*",
    "read:**",
    "*",
    "**",
    "*:file",
    "?ead:file",
    "r*:f*",
    "delete:*",
    "DELETE /files",
    "mcp__github__create_issue",
    "mcp:*:create_issue",
    "github.create_issue",
    "search",
    "sear?h:*",
    "a:*:b:*:c",
    "**:file",
    "a:**",
    "-",
    "read_file_and_delete_all",
    "é",
];
const NAMES: [&str; 10] = [
    "read_file",
    "ReadFile",
    "delete",
    "delete:file",
    "mcp__github__create_issue",
    "search",
    "a:x:b:y:c",
    "GET /users",
    "a:b",
    "read",
];
const RESOURCES: [&str; 20] = [
    "/data/**",
    "/data/*",
    "/data/a.txt",
    "s3://docs/**",
    "**",
    "*",
    "**/secret/**",
    "/*/?.txt",
    "**a*a*b**",
    "/data/**/b",
    "C:\\\\Users\\\\**",
    "\\*",
    "/",
    "/data/",
    "https://*.example.com/**",
    "é/**",
    "??",
    "**.txt",
    "/data/a?b*",
    "",
];
const PLACES: [&str; 16] = [
    "",
    "/data/a.txt",
    "/data/x/y",
    "s3://docs/../secret",
    "/data/%2e%2e/x",
    "s3://docs/a",
    "a/secret/b",
    "C:\\Users\\x",
    "*",
    "/",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
    "https://a.example.com/x?q=../y",
    "/data/\u{202e}x",
    "é/é",
    "/data/",
    "/data/a\nb",
];
const ZONES: [&str; 7] =
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Nowhere", ""];
const HOURS: [&str; 8] = ["00:00", "09:00", "17:30", "23:59", "24:00", "9:00", "", "12:34"];
const DAYS: [&str; 6] = ["Mon", "Sunday", "Sat", "Fri", "mon", ""];
const ENVIRONMENTS: [&str; 6] = ["production", "prod", "dev", "staging", "nowhere", ""];
const IDS: [&str; 6] = ["", "", "a", "b", "a-1", "Ä"];
const KEYS: [&str; 8] = ["x", "amount", "list", "text", "y", "", "é", "token"];

/// The agent that asks where it does not matter who does.
pub fn reader() -> Subject {
    Subject {
        id: AgentId::new(Timestamp::default(), [1; 16]),
        name: "reader".into(),
        team: "data".into(),
        environment: Environment::Production,
        labels: BTreeMap::from([("tier".into(), "gold".into()), ("zone".into(), "150".into())]),
        is_active: true,
    }
}

fn or_own(source: &mut Source<'_>, of: &[&str]) -> String {
    if source.once_in(6) { source.text() } else { source.pick(of).to_owned() }
}

fn maybe<T>(source: &mut Source<'_>, times: usize, make: impl Fn(&mut Source<'_>) -> T) -> Option<T> {
    source.once_in(times).then(|| make(source))
}

/// A policy; not every one is accepted.
pub fn policy(source: &mut Source<'_>, scope: Scope) -> Document {
    let list = |source: &mut Source<'_>, most| (0..source.below(most)).map(|_| rule(source)).collect();
    Document { scope, deny: list(source, 4), require_approval: list(source, 4), allow: list(source, 8) }
}

fn rule(source: &mut Source<'_>) -> Rule {
    Rule {
        id: Some(source.pick(&IDS).to_owned()).filter(|id| !id.is_empty()),
        action: or_own(source, &ACTIONS),
        resource: maybe(source, 2, |source| or_own(source, &RESOURCES)),
        conditions: maybe(source, 2, conditions),
        reason: maybe(source, 8, |_| "because".to_owned()),
    }
}

fn conditions(source: &mut Source<'_>) -> Conditions {
    let zone = |source: &mut Source<'_>| Some(source.pick(&ZONES).to_owned()).filter(|zone| !zone.is_empty());
    let list = |source: &mut Source<'_>, of: &[&str]| -> Vec<String> {
        (0..1 + source.below(3)).map(|_| source.pick(of).to_owned()).collect()
    };
    Conditions {
        env: maybe(source, 3, |source| list(source, &ENVIRONMENTS)),
        time_range: maybe(source, 3, |source| TimeRange {
            start: source.pick(&HOURS).to_owned(),
            end: source.pick(&HOURS).to_owned(),
            tz: zone(source),
        }),
        day_of_week: maybe(source, 3, |source| DayOfWeek { days: list(source, &DAYS), tz: zone(source) }),
        expression: maybe(source, 2, expression::truth),
    }
}

/// What an agent says: action and resource.
pub fn asked(source: &mut Source<'_>) -> (String, String) {
    (or_own(source, &NAMES), or_own(source, &PLACES))
}

/// Arguments or a context.
pub fn object(source: &mut Source<'_>, depth: usize) -> Object {
    (0..source.below(6)).map(|_| (or_own(source, &KEYS), value(source, depth))).collect()
}

fn value(source: &mut Source<'_>, depth: usize) -> Value {
    match source.below(if depth == 0 { 8 } else { 10 }) {
        0 => Value::Null,
        1 => Value::Bool(source.once_in(2)),
        2 => Value::Number(f64::from(source.byte()) / 2.0),
        3 => Value::Number(f64::from_bits(u64::from_le_bytes([source.byte(); 8]))),
        4 => Value::Number(source.pick(&[0.0, -0.0, 150.0, 1e300, 9_007_199_254_740_993.0, f64::MIN])),
        5 => Value::String(source.text()),
        6 => Value::String(source.pick(&["150", "gold", "2026-01-05T12:00:00Z", "é", "ab"]).to_owned()),
        7 => Value::String("ab".repeat(source.below(256) * 8)),
        8 => Value::List((0..source.below(8)).map(|_| value(source, depth - 1)).collect()),
        _ => Value::Object(object(source, depth - 1)),
    }
}
