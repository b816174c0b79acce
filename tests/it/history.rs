//! Enforcement is linearizable: what concurrent clients of three replicas saw is what one server would have told them
//! in some order that time allows.

use std::fmt::Display;
use std::time::Duration;

use agentguard::service::enforcement::Deviation;

use crate::evidence;
use checker::{Summary, Violation, check};
use record::record;

mod answers;
mod ask;
mod checker;
mod controls;
mod govern;
mod hold;
mod model;
mod record;

/// How long clients go on in the default tier, and with `AGENTGUARD_TEST_FULL=1`.
const SPAN: (Duration, Duration) = (Duration::from_secs(6), Duration::from_secs(300));

/// Histories of the default tier's length, in one of which the control must find something.
const CONTROL_RUNS: u32 = 10;

async fn judge(name: &str, deviation: Deviation, span: Duration) -> Result<Summary, Vec<Violation>> {
    let recorded = record(deviation, span).await;
    let judged = check(&recorded.history);
    let summary = judged.as_ref().copied().unwrap_or_default();
    let violations = judged.as_ref().err().map_or(0, Vec::len);
    let calls = recorded.history.calls.len();
    let writes = recorded.history.writes.len();
    let figures: [(&str, &dyn Display); 10] = [
        ("seconds", &span.as_secs()),
        ("writes", &writes),
        ("unanswered", &summary.unacknowledged),
        ("calls", &calls),
        ("answers", &summary.answers),
        ("allowed", &summary.allowed),
        ("repeats", &summary.repeats),
        ("raced", &summary.raced),
        ("undecided", &recorded.undecided),
        ("violations", &violations),
    ];
    evidence::row("history.txt", name, &figures);
    if let Err(found) = &judged {
        for violation in found.iter().take(5) {
            println!("{violation:?}: {}", recorded.history.around(violation));
        }
    }
    judged
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_of_three_replicas_see_is_linearizable() {
    let span = if evidence::is_full() { SPAN.1 } else { SPAN.0 };
    let summary = judge("durable, three replicas", Deviation::Nothing, span).await.unwrap();
    // There was something to get wrong.
    let Summary { writes, answers, allowed, repeats, raced, .. } = summary;
    assert!(writes > 30 && answers > 200 && allowed > 50 && repeats > 5 && raced > 50, "{summary:?}");
}

/// The control: the same servers, only without the check of the revision that a commit saw.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_revision_check_the_history_is_impossible() {
    let name = "control: the commit's revision unchecked";
    for _ in 0..CONTROL_RUNS {
        if let Err(found) = judge(name, Deviation::RevisionUnchecked, SPAN.0).await
            && found.iter().any(|violation| matches!(violation, Violation::StaleAllow { .. }))
        {
            return;
        }
    }
    panic!("no stale answer was found");
}
