//! `docs/limits.md` is printed from the constants and their comments; this keeps it so.

use std::fmt::Write;
use std::path::Path;

/// What is bounded, and the file and constant that bound it.
const LIMITS: &[(&str, &str, &str)] = &[
    ("Rules of a policy", "policy/compile.rs", "MAX_RULES"),
    (
        "Rules of a policy of which neither action nor resource starts with a literal",
        "policy/compile.rs",
        "MAX_UNINDEXED_RULES",
    ),
    ("Rules of a policy with an expression", "policy/compile.rs", "MAX_EXPRESSIONS"),
    ("Policy, bytes of protobuf", "service/convert/policy.rs", "MAX_POLICY_BYTES"),
    ("Action, bytes, as sent and canonical", "policy/action.rs", "MAX_ACTION_BYTES"),
    ("Resource pattern, bytes", "policy/pattern.rs", "MAX_PATTERN_BYTES"),
    ("`**` in a pattern", "policy/pattern.rs", "MAX_DEEP_STARS"),
    ("`*` in a pattern", "policy/pattern.rs", "MAX_STARS"),
    ("Rule id, characters", "policy/compile.rs", "MAX_RULE_ID_CHARS"),
    ("Rule reason, bytes", "policy/compile.rs", "MAX_REASON_BYTES"),
    ("Expression, bytes", "policy/expression.rs", "MAX_EXPRESSION_BYTES"),
    ("Expression, nesting", "policy/expression.rs", "MAX_DEPTH"),
    ("Regular expression, bytes compiled", "policy/expression.rs", "MAX_REGEX_BYTES"),
    ("Steps of a decision", "policy/meter.rs", "DECISION_STEPS"),
    ("Resource, bytes", "policy/request.rs", "MAX_RESOURCE_BYTES"),
    ("`session_id`, `on_behalf_of`, `approval_id`, bytes each", "policy/request.rs", "MAX_REFERENCE_BYTES"),
    ("`arguments` and `context`, values in all", "policy/value.rs", "MAX_NODES"),
    ("`arguments` and `context`, nesting", "policy/value.rs", "MAX_DEPTH"),
    ("A string or key in them, bytes", "policy/value.rs", "MAX_STRING_BYTES"),
    ("Idempotency key, characters", "service/convert/request.rs", "MAX_IDEMPOTENCY_KEY_BYTES"),
    ("Idempotency keys remembered", "service/enforcement/idempotency.rs", "CAPACITY"),
    ("Idempotency keys remembered of one agent", "service/enforcement/idempotency.rs", "AGENT_SHARE"),
    ("An idempotency key stands for its decision", "service/enforcement/idempotency.rs", "LIFETIME"),
    ("Repeats of one decision", "service/enforcement/idempotency.rs", "MAX_REPEATS"),
    ("Checks of a batch", "service/enforcement.rs", "MAX_BATCH"),
    ("Values of a large message", "service/codec/bulk.rs", "MAX_MESSAGE_VALUES"),
    ("Rules, labels and texts in lists of a large message", "service/codec/bulk.rs", "MAX_MESSAGE_PARTS"),
    ("Undecided messages of a stream", "service/enforcement.rs", "MAX_OUTSTANDING"),
    ("Outcome metadata, bytes", "service/convert/request.rs", "MAX_METADATA_BYTES"),
    ("Outcome error text, bytes", "service/convert/request.rs", "MAX_OUTCOME_ERROR_BYTES"),
    ("Agent name, bytes", "service/convert/agent.rs", "MAX_NAME_BYTES"),
    ("Team, bytes", "policy/compile.rs", "MAX_TEAM_BYTES"),
    ("Labels of an agent", "service/convert/agent.rs", "MAX_LABELS"),
    ("Label key, bytes", "service/convert/agent.rs", "MAX_LABEL_KEY_BYTES"),
    ("Label value, bytes", "service/convert/agent.rs", "MAX_LABEL_VALUE_BYTES"),
    ("Live keys of an agent", "store/keys.rs", "MAX_LIVE_KEYS"),
    ("Page, items", "service/page.rs", "MAX_SIZE"),
    ("Page, bytes", "service/page.rs", "MAX_BYTES"),
    ("Page token, bytes", "service/page.rs", "MAX_TOKEN_BYTES"),
    ("Kill switch reason, bytes", "store/kill_switches.rs", "MAX_KILL_REASON_BYTES"),
    ("A kill switch waits for others' locks", "store/kill_switches.rs", "LOCK_PATIENCE"),
    ("Followers of the audit, a replica", "service/admin.rs", "MAX_FOLLOWERS"),
    ("Content kept in a record, bytes", "audit/content.rs", "MAX_CONTENT_BYTES"),
    ("Entries of one commit", "audit/writer.rs", "MAX_BATCH"),
    ("Entries waiting for the audit", "audit/writer.rs", "MAX_QUEUE"),
    ("A commit is waited for", "audit/writer.rs", "PATIENCE"),
    ("A clock step back within one chain", "audit/machine.rs", "MAX_CLOCK_STEP_BACK"),
    ("Findings of a verification", "audit/verify.rs", "MAX_FINDINGS"),
    ("A newer view is waited for", "view.rs", "REFRESH_PATIENCE"),
    ("Reads a second caused by unknown keys, a replica", "view.rs", "UNKNOWN_KEY_READS_PER_SECOND"),
    ("Connections", "server/limits.rs", "MAX_CONNECTIONS"),
    ("Connections of one address", "server/limits.rs", "MAX_CONNECTIONS_PER_ADDRESS"),
    ("Concurrent calls of a connection", "server/limits.rs", "MAX_CONCURRENT_STREAMS"),
    ("Head of a request, bytes", "server/limits.rs", "MAX_HEADER_LIST"),
    ("Messages in flight", "server/limits.rs", "MAX_IN_FLIGHT"),
    ("One agent's part of them, one in", "service/call.rs", "AGENT_SHARE"),
    ("Bytes of large messages in memory", "service/call.rs", "MAX_LARGE_BYTES"),
    ("Bytes of one agent's large messages in memory", "service/call.rs", "MAX_LARGE_BYTES_PER_AGENT"),
    ("Admins' messages in flight", "server/limits.rs", "MAX_ADMIN_IN_FLIGHT"),
    ("Open streams of health and reflection on a connection", "server/limits.rs", "MAX_OPEN_STREAMS"),
    ("Windows of a rate limit", "rate_limit/gcra.rs", "MAX_WINDOWS"),
    ("Calls that a rate limit may speak of", "rate_limit/gcra.rs", "MAX_CALLS"),
    ("Period of a rate limit, seconds", "rate_limit/gcra.rs", "MAX_PERIOD_SECONDS"),
    ("Callers whose use a replica remembers", "rate_limit/local.rs", "MAX_KEYS"),
    ("A call waits for Redis", "rate_limit/redis.rs", "BUDGET"),
    ("Failures in a row before Redis is not asked", "rate_limit/redis.rs", "TOLERATED"),
    ("Connections to Redis, a replica", "rate_limit/redis.rs", "CONNECTIONS"),
    ("Log lines that wait to be written", "telemetry/sink.rs", "MAX_WAITING"),
    ("Look-ups of one decision in the database", "service/enforcement/way.rs", "MAX_LOOK_UPS"),
    ("Agents' listings in the database", "service/enforcement/way.rs", "MAX_LISTINGS"),
    ("Streams reset before they are accepted", "server/limits.rs", "MAX_PENDING_RESETS"),
    ("Frames of a connection that belong to no call", "server/limits.rs", "MAX_CHATTER"),
    ("Such frames that a frame of a call makes up for", "server/limits.rs", "CHATTER_EARNED"),
    ("Such frames that a second makes up for", "server/limits.rs", "CHATTER_A_SECOND"),
    ("Connections of `ADMIN_ADDR`, and of `HEALTH_ADDR`", "server/limits.rs", "MAX_SIDE_CONNECTIONS"),
    ("Connections of one address there", "server/limits.rs", "MAX_SIDE_CONNECTIONS_PER_ADDRESS"),
];

#[test]
fn the_limits_page_is_the_constants() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut page = String::from(
        "# Limits\n\nPrinted from the constants; each is checked at the edge and refused with the field and the bound. \
         `MAX_REQUEST_SIZE` and `MAX_ENFORCE_SIZE` bound messages and are settings ([configuration.md](configuration.md)).\n\n\
         | what | at most | why | where |\n|---|---|---|---|\n",
    );
    for (what, file, constant) in LIMITS {
        let source = std::fs::read_to_string(root.join("src").join(file)).unwrap();
        let (why, value) =
            constant_of(&source, constant).unwrap_or_else(|| panic!("{file} has no `{constant}`"));
        writeln!(page, "| {what} | {value} | {why} | `src/{file}` `{constant}` |").unwrap();
    }
    let path = root.join("docs/limits.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/limits.md is not what the constants say; run `UPDATE_DOCS=1 cargo test --test it limits`"
    );
}

#[test]
fn a_constant_without_a_comment_is_not_taken() {
    assert_eq!(constant_of("pub const N: usize = 4 * 1024;\n", "N"), None);
    let source = "/// Why\n/// so.\npub const N: usize = 4 * 1024;\n";
    assert_eq!(constant_of(source, "N"), Some(("Why so.".into(), "4,096".into())));
    let source = "/// Why.\nconst T: Duration = Duration::from_millis(500);\n";
    assert_eq!(constant_of(source, "T"), Some(("Why.".into(), "500 ms".into())));
}

/// A constant's comment in one line, and its value.
fn constant_of(source: &str, name: &str) -> Option<(String, String)> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let at = lines
        .iter()
        .position(|line| line.trim_start_matches("pub ").starts_with(&format!("const {name}:")))?;
    let comment: Vec<&str> =
        lines[..at].iter().rev().map_while(|line| line.strip_prefix("///")).map(str::trim).collect();
    if comment.is_empty() {
        return None;
    }
    let why = comment.into_iter().rev().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    let expression = lines[at].split_once('=')?.1.trim().trim_end_matches(';');
    let value = if let Some(rest) = expression.strip_prefix("Duration::from_") {
        let (unit, number) = rest.split_once('(')?;
        let unit = if unit == "secs" { "s" } else { "ms" };
        format!("{} {unit}", number.trim_end_matches(')'))
    } else if expression == "CAPACITY / 16" {
        grouped(262_144 / 16)
    } else {
        grouped(
            expression
                .replace('_', "")
                .split('*')
                .map(|factor| factor.trim().parse::<u64>().unwrap())
                .product(),
        )
    };
    Some((why, value))
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}
