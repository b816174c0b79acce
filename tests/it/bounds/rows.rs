//! The rows: what is sent, and what is met at the bound and beyond it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use agentguard::pb::v1;

use super::sized::{batch_of, check, check_of, list, nested, nodes, object, policy_of, text};
use super::stage::{ACCEPTED, Stage, met};
use crate::harness::{Guard, admin};

type Later<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// One bound, tried through the server.
pub struct Row {
    /// As `docs/limits.md` has it, or as in [`SETTINGS`].
    pub what: &'static str,
    /// Which of several ways to it.
    pub part: &'static str,
    /// How n is found where the page has it in a unit that cannot be sent.
    pub n: Option<for<'a> fn(&'a mut Stage) -> Later<'a, usize>>,
    /// What is met at n.
    pub at: &'static str,
    /// What is met at n + 1.
    pub beyond: &'static str,
    /// Sends it in that size; answers what is met.
    pub probe: for<'a> fn(&'a mut Stage, usize) -> Later<'a, String>,
}

/// Bounds that are settings, at their defaults.
pub const SETTINGS: [(&str, usize); 3] = [
    ("`MAX_ENFORCE_SIZE`, bytes", 256 * 1024),
    ("`MAX_ENFORCE_SIZE` of a check of a batch, bytes", 256 * 1024),
    ("`MAX_REQUEST_SIZE`, bytes", 10 * 1024 * 1024),
];

const fn row(
    (what, part): (&'static str, &'static str),
    beyond: &'static str,
    probe: for<'a> fn(&'a mut Stage, usize) -> Later<'a, String>,
) -> Row {
    Row { what, part, n: None, at: ACCEPTED, beyond, probe }
}

/// A row of which the probe is one expression.
macro_rules! row {
    ($what:literal $(, $part:literal)?; $beyond:literal; |$stage:ident, $n:ident| $met:expr) => {
        row(($what, concat!($($part)?)), $beyond, |$stage, $n| Box::pin(async move { $met.await }))
    };
}

/// A rule for a pattern, an action or an expression.
fn rule() -> v1::Rule {
    v1::Rule { action: "a".into(), ..Default::default() }
}

fn expressed(expression: String) -> v1::Rule {
    let expression = Some(expression);
    v1::Rule { conditions: Some(v1::Conditions { expression, ..Default::default() }), ..rule() }
}

fn rules(count: usize, rule: impl Fn(usize) -> v1::Rule) -> v1::Policy {
    v1::Policy { allow: (0..count).map(rule).collect(), ..Default::default() }
}

fn agent() -> v1::Agent {
    v1::Agent { name: "n".into(), team: "t".into(), environment: "production".into(), ..Default::default() }
}

fn labels(count: usize, key: usize, value: usize) -> v1::Agent {
    let labels = (0..count).map(|number| (format!("{number:0key$}"), "v".repeat(value)));
    v1::Agent { labels: labels.collect(), ..agent() }
}

pub const ROWS: &[Row] = &[
    row!("Rules of a policy"; "INVALID_ARGUMENT policy"; |stage, n| stage
        .policy(rules(n, |number| v1::Rule { action: format!("a{number}"), ..rule() }))),
    row!("Rules of a policy of which neither action nor resource starts with a literal";
        "INVALID_ARGUMENT policy.allow[200]"; |stage, n| {
        let wild = |number| v1::Rule { action: "*".into(), resource: Some(format!("**{number}")), ..rule() };
        stage.policy(rules(n, wild))
    }),
    row!("Rules of a policy with an expression"; "INVALID_ARGUMENT policy.allow[100].conditions.expression";
    |stage, n| stage.policy(rules(n, |number| v1::Rule {
        action: format!("a{number}"),
        ..expressed("true".into())
    }))),
    row!("Policy, bytes of protobuf"; "INVALID_ARGUMENT policy"; |stage, n| stage.policy(policy_of(n))),
    row!("Action, bytes, as sent and canonical", "as sent"; "INVALID_ARGUMENT action"; |stage, n| stage
        .enforce(v1::EnforceRequest { action: "a".repeat(n), ..check() })),
    // Each of ten capital letters begins a word, and is parted from the one before by one byte more.
    row!("Action, bytes, as sent and canonical", "canonical"; "INVALID_ARGUMENT action"; |stage, n| stage
    .enforce(v1::EnforceRequest {
        action: format!("a{}{}", "Bc".repeat(10), "d".repeat(n - 31)),
        ..check()
    })),
    row!("Action, bytes, as sent and canonical", "in a rule"; "INVALID_ARGUMENT policy.allow[0].action";
        |stage, n| stage.rule(v1::Rule { action: "a".repeat(n), ..rule() })),
    row!("Resource pattern, bytes"; "INVALID_ARGUMENT policy.allow[0].resource"; |stage, n| stage
        .rule(v1::Rule { resource: Some("a".repeat(n)), ..rule() })),
    row!("`**` in a pattern"; "INVALID_ARGUMENT policy.allow[0].resource"; |stage, n| stage
        .rule(v1::Rule { resource: Some("/a**".repeat(n)), ..rule() })),
    row!("`*` in a pattern"; "INVALID_ARGUMENT policy.allow[0].resource"; |stage, n| stage
        .rule(v1::Rule { resource: Some("a*".repeat(n)), ..rule() })),
    row!("Rule id, characters"; "INVALID_ARGUMENT policy.allow[0].id"; |stage, n| stage
        .rule(v1::Rule { id: "i".repeat(n), ..rule() })),
    row!("Rule reason, bytes"; "INVALID_ARGUMENT policy.allow[0].reason"; |stage, n| stage
        .rule(v1::Rule { reason: "r".repeat(n), ..rule() })),
    row!("Expression, bytes"; "INVALID_ARGUMENT policy.allow[0].conditions.expression"; |stage, n| stage
        .rule(expressed(format!("action == '{}'", "a".repeat(n - 12))))),
    // A sum of n numbers is n - 1 deep, and the comparison one more.
    row!("Expression, nesting"; "INVALID_ARGUMENT policy.allow[0].conditions.expression"; |stage, n| stage
        .rule(expressed(format!("1{} == 1", " + 1".repeat(n - 1))))),
    Row {
        n: Some(|stage| Box::pin(largest_expression(stage))),
        ..row!("Regular expression, bytes compiled", "`[a-z]{N}`";
            "INVALID_ARGUMENT policy.allow[0].conditions.expression"; |stage, n| stage
            .rule(expressed(regular(n))))
    },
    row!("Resource, bytes"; "INVALID_ARGUMENT resource"; |stage, n| stage
        .enforce(v1::EnforceRequest { resource: "r".repeat(n), ..check() })),
    row!("`session_id`, `on_behalf_of`, `approval_id`, bytes each", "`session_id`";
        "INVALID_ARGUMENT session_id"; |stage, n| stage
        .enforce(v1::EnforceRequest { session_id: "s".repeat(n), ..check() })),
    row!("`session_id`, `on_behalf_of`, `approval_id`, bytes each", "`on_behalf_of`";
        "INVALID_ARGUMENT on_behalf_of"; |stage, n| stage
        .enforce(v1::EnforceRequest { on_behalf_of: "o".repeat(n), ..check() })),
    row!("`session_id`, `on_behalf_of`, `approval_id`, bytes each", "`approval_id`";
        "INVALID_ARGUMENT approval_id"; |stage, n| stage
        .enforce(v1::EnforceRequest { approval_id: "p".repeat(n), ..check() })),
    row!("`arguments` and `context`, values in all", "`arguments` alone"; "INVALID_ARGUMENT arguments";
        |stage, n| stage.enforce(nodes(n))),
    row!("`arguments` and `context`, values in all", "together"; "INVALID_ARGUMENT context"; |stage, n| stage
        .enforce(v1::EnforceRequest { context: nodes(n - 500).arguments, ..nodes(500) })),
    row!("`arguments` and `context`, nesting"; "INVALID_ARGUMENT arguments.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x.x";
        |stage, n| stage.enforce(nested(n))),
    row!("A string or key in them, bytes", "a string"; "INVALID_ARGUMENT context.x"; |stage, n| stage
        .enforce(v1::EnforceRequest { context: object("x", text("x".repeat(n))), ..check() })),
    row!("A string or key in them, bytes", "a key"; "INVALID_ARGUMENT context"; |stage, n| stage
        .enforce(v1::EnforceRequest { context: object(&"x".repeat(n), text("x".into())), ..check() })),
    row!("Idempotency key, characters"; "INVALID_ARGUMENT idempotency_key"; |stage, n| {
        let key = stage.fresh("k");
        stage.enforce(v1::EnforceRequest { idempotency_key: format!("{key:->n$}"), ..check() })
    }),
    Row {
        at: "the first decision again",
        ..row!("Repeats of one decision"; "decided anew"; |stage, n| repeat(stage, n))
    },
    row!("Checks of a batch"; "INVALID_ARGUMENT checks"; |stage, n| stage.batch(vec![check(); n])),
    row!("Values of a large message"; "INVALID_ARGUMENT checks"; |stage, n| {
        let mut checks: Vec<_> = (0..99).map(|_| nodes(1_000)).collect();
        checks.push(nodes(n - 99_000));
        stage.batch(checks)
    }),
    row!("Outcome metadata, bytes"; "INVALID_ARGUMENT outcome.metadata"; |stage, n| {
        let metadata = object("m", text("x".repeat(n - r#"{"m":""}"#.len())));
        stage.outcome(v1::Outcome { success: Some(true), metadata, ..Default::default() })
    }),
    row!("Outcome error text, bytes"; "INVALID_ARGUMENT outcome.error"; |stage, n| stage
        .outcome(v1::Outcome { success: Some(false), error: "e".repeat(n), ..Default::default() })),
    row!("Agent name, bytes"; "INVALID_ARGUMENT agent.name"; |stage, n| stage
        .new_agent(v1::Agent { name: "n".repeat(n), ..agent() })),
    row!("Team, bytes", "an agent's"; "INVALID_ARGUMENT agent.team"; |stage, n| stage
        .new_agent(v1::Agent { team: "t".repeat(n), ..agent() })),
    row!("Team, bytes", "a policy's"; "INVALID_ARGUMENT policy.scope.team"; |stage, n| {
        let scope = Some(v1::Scope { kind: Some(v1::scope::Kind::Team("t".repeat(n))) });
        stage.policy(v1::Policy { scope, allow: vec![rule()], ..Default::default() })
    }),
    row!("Labels of an agent"; "INVALID_ARGUMENT agent.labels"; |stage, n| stage.new_agent(labels(n, 63, 255))),
    row!("Label key, bytes"; "INVALID_ARGUMENT agent.labels"; |stage, n| stage.new_agent(labels(1, n, 1))),
    row!("Label value, bytes"; "INVALID_ARGUMENT agent.labels[\"0\"]"; |stage, n| stage
        .new_agent(labels(1, 1, n))),
    row!("Live keys of an agent"; "KEY_LIMIT_REACHED"; |stage, n| keys(stage, n)),
    Row { at: "as many", ..row!("Page, items"; "one fewer"; |stage, n| page(stage, n)) },
    row!("Kill switch reason, bytes"; "INVALID_ARGUMENT reason"; |stage, n| stage.kill("r".repeat(n))),
    row!("Followers of the audit, a replica"; "OVERLOADED"; |stage, n| followers(stage, n)),
    Row {
        at: "kept whole",
        ..row!("Content kept in a record, bytes"; "cut to a digest"; |stage, n| content(stage, n))
    },
    row!("Concurrent calls of a connection"; "waits"; |stage, n| streams(stage, n)),
    row!("`MAX_ENFORCE_SIZE`, bytes"; "MESSAGE_TOO_LARGE"; |stage, n| stage.enforce(check_of(n))),
    row!("`MAX_ENFORCE_SIZE` of a check of a batch, bytes"; "one check: MESSAGE_TOO_LARGE"; |stage, n| stage
        .batch(vec![check(), check_of(n)])),
    row!("`MAX_REQUEST_SIZE`, bytes"; "MESSAGE_TOO_LARGE"; |stage, n| stage.batch(batch_of(n))),
];

fn regular(count: usize) -> String {
    format!("action.matches('[a-z]{{{count}}}')")
}

/// The largest of a family of regular expressions that is accepted.
async fn largest_expression(stage: &mut Stage) -> usize {
    let (mut taken, mut refused) = (1, 10_000);
    while refused - taken > 1 {
        let middle = usize::midpoint(taken, refused);
        let is_taken = stage.rule(expressed(regular(middle))).await == ACCEPTED;
        *(if is_taken { &mut taken } else { &mut refused }) = middle;
    }
    taken
}

/// A call and `count` repeats, one after the other; what the last is answered.
async fn repeat(stage: &mut Stage, count: usize) -> String {
    let idempotency_key = stage.fresh("repeat");
    let check = v1::EnforceRequest { idempotency_key, ..check() };
    let first = stage.decide(check.clone()).await;
    let mut last = first.clone();
    for _ in 0..count {
        last = stage.decide(check.clone()).await;
    }
    let again = last.decision_id == first.decision_id && last.idempotent_repeat;
    if again { "the first decision again" } else { "decided anew" }.to_owned()
}

/// An agent's `count`-th key.
async fn keys(stage: &mut Stage, count: usize) -> String {
    let agent = stage.admin.agent("keys").await;
    for _ in 2..count {
        stage.admin.key(&agent.id).await;
    }
    let request = admin(v1::CreateAgentKeyRequest { agent_id: agent.id, expire_time: None });
    met(stage.admin.client().create_agent_key(request).await)
}

async fn page(stage: &mut Stage, size: usize) -> String {
    let page_size = i32::try_from(size).unwrap();
    // Small ones: a page also ends at 2 MiB.
    let filter = Some(v1::RecordFilter { action: "page:row".into(), ..Default::default() });
    let request = admin(v1::ListAuditRecordsRequest { page_size, filter, ..Default::default() });
    let records = stage.admin.client().list_audit_records(request).await.unwrap().into_inner().records;
    match size.checked_sub(records.len()) {
        Some(0) => "as many".to_owned(),
        Some(1) => "one fewer".to_owned(),
        _ => format!("{} records of {size}", records.len()),
    }
}

/// The `count`-th follower, on a server of its own: one that ends is not gone at once.
async fn followers(_: &mut Stage, count: usize) -> String {
    let guard = Guard::on_sqlite(&[]);
    let mut open = Vec::new();
    let mut one = async || {
        let mut follower = guard.admin().await;
        let answer = follower.client().follow_audit(admin(v1::FollowAuditRequest::default())).await;
        let met = met(answer.as_ref().map_err(Clone::clone));
        open.push((follower, answer));
        met
    };
    for number in 1..count {
        let met = one().await;
        if met != ACCEPTED {
            return format!("{met}, the {number}th of {count}");
        }
    }
    one().await
}

/// A check of which the content to be kept has `size` bytes.
async fn content(stage: &mut Stage, size: usize) -> String {
    let mut kept = async |filling: usize| {
        let arguments = object("x", list(vec![text("x".repeat(filling))]));
        let id = stage.decide(v1::EnforceRequest { arguments, ..check() }).await.decision_id;
        let length = format!("select length(content) from audit_logs where decision_id = '{id}'");
        let whole = format!("select replayable from audit_logs where decision_id = '{id}'");
        let length = usize::try_from(stage.watch.number(&length).await).unwrap();
        (length, stage.watch.number(&whole).await == 1)
    };
    let (empty, _) = kept(0).await;
    match kept(size - empty).await {
        (length, true) if length == size => "kept whole".to_owned(),
        (length, false) if length < size => "cut to a digest".to_owned(),
        odd => format!("{odd:?} of {size}"),
    }
}

/// The `count`-th open call on one connection.
async fn streams(stage: &mut Stage, count: usize) -> String {
    let mut caller = stage.guard.caller(&stage.agent.key).await;
    let mut open = Vec::new();
    for number in 1..=count {
        let request = caller.request(futures_util::stream::pending::<v1::EnforceStreamRequest>());
        let call = caller.client().enforce_stream(request);
        match tokio::time::timeout(Duration::from_secs(2), call).await {
            Ok(answer) => open.push(answer.unwrap()),
            Err(_) if number == count => return "waits".to_owned(),
            Err(_) => return format!("waits at {number}"),
        }
    }
    ACCEPTED.to_owned()
}
