//! What every client must do in every case, and what a case says besides: judged by what was seen.

use std::collections::BTreeMap;
use std::time::Duration;

use http::HeaderMap;
use prost_reflect::MethodDescriptor;
use serde_json::{Value, json};

use super::play::{Play, Seen};
use super::script::Bounds;

/// The one agent's key there is here. No server of ours would accept it, or give it out.
pub const AGENT_KEY: &str = "test-agent-key";
/// The one administrator's.
pub const ADMIN_KEY: &str = "test-admin-key";

/// What a pause between two tries may fall short of its 25 ms by the clocks of two processes.
const LEAST_PAUSE_MS: u64 = 20;

/// The deadlines where a client is given none.
const ENFORCEMENT_MS: u64 = 1_000;
const ADMIN_MS: u64 = 10_000;

/// Calls that go on as long as their callers want.
const ENDLESS: [&str; 3] = ["EnforceStream", "FollowAudit", "VerifyAudit"];

const LANGUAGES: [&str; 5] = ["python", "typescript", "go", "java", "rust"];

/// Whether the call has exactly one key, and one that opens its service; else the reason that a server answers with.
pub fn credential(method: &MethodDescriptor, headers: &HeaderMap) -> Result<(), &'static str> {
    let mut keys = Vec::new();
    for name in ["x-agent-key", "x-admin-key"] {
        keys.extend(headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())));
    }
    for value in headers.get_all("authorization") {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        keys.extend(value.strip_prefix("Bearer ").map(|key| key.to_owned().into()));
    }
    let [key] = keys.as_slice() else { return Err("UNAUTHENTICATED") };
    let (right, other) = if method.parent_service().name() == "AdminService" {
        (ADMIN_KEY, AGENT_KEY)
    } else {
        (AGENT_KEY, ADMIN_KEY)
    };
    if key == right {
        Ok(())
    } else if key == other {
        Err("PERMISSION_DENIED")
    } else {
        Err("UNAUTHENTICATED")
    }
}

/// Everything that is wrong with what was seen in a play.
pub fn problems(play: &Play, seen: &[Seen]) -> Vec<String> {
    let mut problems = Vec::new();
    counts(play, seen, &mut problems);
    for one in seen.iter().filter(|one| !one.rpc.ends_with(".message")) {
        headers(play, one, &mut problems);
    }
    for one in seen {
        content(play, one, &mut problems);
    }
    for tries in grouped(seen).values() {
        retries(play, tries, &mut problems);
    }
    problems
}

fn counts(play: &Play, seen: &[Seen], problems: &mut Vec<String>) {
    let observe = &play.case.observe;
    let mut wanted = observe.calls.clone();
    let reports = play.way == "guard" && play.case.result() == "allowed";
    wanted.entry("ReportOutcome".to_owned()).or_insert(Bounds::Exactly(u64::from(reports)));
    if play.way != "call" && play.way != "guard" {
        wanted.insert("ReportOutcome".to_owned(), Bounds::Exactly(0));
    }
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for one in seen {
        *counted.entry(&one.rpc).or_default() += 1;
        if !wanted.contains_key(&one.rpc) && !one.rpc.ends_with(".message") {
            problems.push(format!("{} was called, which this case does not want", one.rpc));
        }
    }
    for (rpc, bounds) in &wanted {
        let count = counted.get(rpc.as_str()).copied().unwrap_or(0);
        if !bounds.hold(count) {
            problems.push(format!("{rpc} was seen {count} times, not {bounds:?}"));
        }
    }
    let connections = play.connections.load(std::sync::atomic::Ordering::SeqCst) as u64;
    if let Some(bounds) = observe.connections
        && !bounds.hold(connections)
    {
        problems.push(format!("{connections} connections were opened, not {bounds:?}"));
    }
}

fn headers(play: &Play, one: &Seen, problems: &mut Vec<String>) {
    let header = |name: &str| one.headers.get(name).map_or("", String::as_str);
    let rpc = &one.rpc;
    let agent = header("user-agent");
    let known = LANGUAGES.iter().any(|language| {
        let product =
            agent.split_whitespace().find_map(|part| part.strip_prefix(&format!("agentguard-{language}/")));
        product.is_some_and(|version| version.starts_with(|letter: char| letter.is_ascii_digit()))
    });
    if !known {
        problems
            .push(format!("{rpc}: the user agent `{agent}` names no SDK, as in `agentguard-python/0.1.0`"));
    }
    if !is_name(header("x-request-id"), 128) {
        problems.push(format!("{rpc}: `x-request-id` is `{}`", header("x-request-id")));
    }
    if ENDLESS.contains(&rpc.as_str()) {
        return;
    }
    let default = if play.case.call.act.starts_with("admin.") { ADMIN_MS } else { ENFORCEMENT_MS };
    let limit = Duration::from_millis(play.case.client.timeout_ms().unwrap_or(default));
    match timeout(header("grpc-timeout")) {
        None => problems.push(format!("{rpc}: there is no deadline (`grpc-timeout`)")),
        // Some libraries round up, to two digits or so.
        Some(given) if given > limit + limit / 50 + Duration::from_millis(5) => {
            problems.push(format!("{rpc}: the deadline of {given:?} is beyond {limit:?}"));
        }
        Some(_) => {}
    }
}

fn content(play: &Play, one: &Seen, problems: &mut Vec<String>) {
    if one.message.is_null() {
        return;
    }
    if one.rpc == "Enforce" {
        for field in [
            "action",
            "resource",
            "arguments",
            "context",
            "session_id",
            "on_behalf_of",
            "approval_id",
            "min_revision",
            "idempotency_key",
        ] {
            if let Some(wanted) = play.case.call.rest.get(field) {
                differences(field, wanted, &one.message[field], problems);
            }
        }
    }
    if one.rpc == "ReportOutcome" && one.message["outcome"]["success"].is_null() {
        problems.push("ReportOutcome: `outcome.success` is not set".to_owned());
    }
    if let Some(wanted) = play.case.observe.message.get(&one.rpc) {
        differences(&one.rpc, wanted, &one.message, problems);
    }
}

/// Every member of `wanted` must be in `found`, and be the same. `{absent: true}` wants nothing to be there.
fn differences(place: &str, wanted: &Value, found: &Value, problems: &mut Vec<String>) {
    if *wanted == json!({ "absent": true }) {
        if !found.is_null() {
            problems.push(format!("{place} is {found}, and should not be there"));
        }
        return;
    }
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(_)) => {
            for (name, value) in wanted {
                differences(&format!("{place}.{name}"), value, &found[name], problems);
            }
        }
        (Value::Number(wanted), Value::Number(found)) if wanted.as_f64() == found.as_f64() => {}
        (Value::Array(wanted), Value::Array(items)) if wanted.len() == items.len() => {
            for (index, value) in wanted.iter().enumerate() {
                differences(&format!("{place}[{index}]"), value, &found[index], problems);
            }
        }
        (wanted, found) if wanted == found => {}
        (wanted, found) => problems.push(format!("{place} is {found}, not {wanted}")),
    }
}

/// The tries of each call: those with one idempotency key, or with one request id where there is none.
fn grouped(seen: &[Seen]) -> BTreeMap<(String, String), Vec<&Seen>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for one in seen {
        let key = match one.rpc.as_str() {
            "Enforce" => one.message["idempotency_key"].as_str(),
            "EnforceStream.message" => one.message["request"]["idempotency_key"].as_str(),
            "BatchEnforce" => one.message["checks"][0]["idempotency_key"].as_str(),
            "EnforceStream" => continue,
            _ => Some(one.headers.get("x-request-id").map_or("", String::as_str)),
        };
        groups.entry((one.rpc.clone(), key.unwrap_or_default().to_owned())).or_default().push(one);
    }
    groups
}

fn retries(play: &Play, tries: &[&Seen], problems: &mut Vec<String>) {
    let rpc = &tries[0].rpc;
    if tries[0].message.is_null() && matches!(rpc.as_str(), "Enforce" | "BatchEnforce") {
        return; // refused before it was read
    }
    keys(play, tries, problems);
    if rpc == "EnforceStream.message" {
        return; // its headers are the stream's
    }
    let attempt =
        |one: &Seen| one.headers.get("x-agentguard-attempt").map_or(Some(0), |text| text.parse().ok());
    let lost = play.case.observe.lost_tries;
    let mut last = (0_usize, tries[0]);
    for (index, one) in tries.iter().enumerate() {
        let Some(number) = attempt(one) else {
            problems.push(format!("{rpc}: `x-agentguard-attempt` is no number"));
            continue;
        };
        // gRPC itself may send a call again that no server has read: its attempt is the same one.
        let steady = number == last.0 || number == last.0 + 1;
        if (!lost && (number > index || !steady)) || number < last.0 || number > 2 {
            problems
                .push(format!("{rpc}: try {index} says `x-agentguard-attempt: {number}` after {}", last.0));
        }
        if one.headers.get("x-request-id") != tries[0].headers.get("x-request-id") {
            problems.push(format!("{rpc}: the tries of one call have several request ids"));
        }
        if number > last.0 && index > 0 {
            let pause = one.at.duration_since(last.1.at);
            let pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            let bounds = play.case.observe.pause_ms.unwrap_or(Bounds::Within(LEAST_PAUSE_MS, u64::MAX));
            if !bounds.hold(pause) {
                problems.push(format!("{rpc}: a pause of {pause} ms between two tries, not {bounds:?}"));
            }
        }
        last = (number, one);
    }
}

fn keys(play: &Play, tries: &[&Seen], problems: &mut Vec<String>) {
    for one in tries {
        let checks: Vec<&Value> = match one.rpc.as_str() {
            "Enforce" => vec![&one.message],
            "EnforceStream.message" => vec![&one.message["request"]],
            "BatchEnforce" => {
                one.message["checks"].as_array().map(|checks| checks.iter().collect()).unwrap_or_default()
            }
            _ => return,
        };
        let mut keys: Vec<&str> =
            checks.iter().map(|check| check["idempotency_key"].as_str().unwrap_or_default()).collect();
        let given = play.case.call.rest.contains_key("idempotency_key");
        for key in &keys {
            if !given && !is_uuid7(key) {
                problems.push(format!("{}: the idempotency key `{key}` is no UUIDv7", one.rpc));
            }
        }
        let firsts = tries[0].message["checks"].as_array();
        if let Some(firsts) = firsts
            && firsts.iter().zip(&keys).any(|(first, key)| first["idempotency_key"] != **key)
        {
            problems.push(format!("{}: the tries of one batch have several keys", one.rpc));
        }
        keys.sort_unstable();
        keys.dedup();
        if keys.len() != checks.len() {
            problems.push(format!("{}: two checks have one idempotency key", one.rpc));
        }
    }
}

/// Whether `text` is what request ids and idempotency keys are made of.
fn is_name(text: &str, longest: usize) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=longest).contains(&text.len()) && text.bytes().all(letter)
}

fn is_uuid7(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            14 => *byte == b'7',
            19 => b"89ab".contains(byte),
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
        })
}

/// A `grpc-timeout`: up to eight digits and a unit.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_uuid_of_version_7() {
        assert!(is_uuid7("01890a5d-ac96-774b-bcce-b302099a8057"));
        for bad in [
            "",
            "01890a5d-ac96-474b-bcce-b302099a8057",
            "01890a5dac96774bbcceb302099a8057",
            "01890A5D-AC96-774B-BCCE-B302099A8057",
        ] {
            assert!(!is_uuid7(bad), "{bad}");
        }
    }

    #[test]
    fn what_differs_is_named() {
        let mut problems = Vec::new();
        let found = json!({ "a": 1, "b": [1, { "c": "x" }], "d": true });
        differences(
            "m",
            &json!({ "a": 1.0, "b": [1, { "c": "x" }], "e": { "absent": true } }),
            &found,
            &mut problems,
        );
        assert_eq!(problems, Vec::<String>::new());
        differences("m", &json!({ "a": 2, "b": [1], "d": { "absent": true } }), &found, &mut problems);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn deadlines_are_read_in_every_unit() {
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("999850u"), Some(Duration::from_micros(999_850)));
        assert_eq!((timeout(""), timeout("m"), timeout("1x")), (None, None, None));
    }
}
