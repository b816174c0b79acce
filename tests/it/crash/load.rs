//! Sixteen clients that ask as fast as they are answered, each check about a resource of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agentguard::pb::v1;
use tokio::sync::mpsc;

use crate::harness::{Caller, Guard};

/// Clients, as the issue demands.
const CLIENTS: u32 = 16;

/// One check that was sent.
#[derive(Clone, Debug)]
pub struct Asked {
    pub resource: String,
    pub idempotency_key: Option<String>,
    /// Empty as long as it was not answered.
    pub decision_id: String,
    /// As the answer said.
    pub allowed: bool,
}

impl Asked {
    /// The check again, if it can be told to be the same.
    pub fn keyed(&self) -> Option<v1::EnforceRequest> {
        let key = self.idempotency_key.as_deref()?;
        Some(check(&self.resource, Some(key)))
    }
}

/// A check about `resource`; those about an even number are allowed, the others denied.
pub fn check(resource: &str, key: Option<&str>) -> v1::EnforceRequest {
    let allowed = resource.bytes().last().is_some_and(|digit| digit % 2 == 0);
    v1::EnforceRequest {
        action: if allowed { "read:file" } else { "write:file" }.to_owned(),
        resource: resource.to_owned(),
        idempotency_key: key.unwrap_or_default().to_owned(),
        ..v1::EnforceRequest::default()
    }
}

/// The clients of one round and what they were told.
pub struct Load {
    answers: mpsc::UnboundedReceiver<Asked>,
    struck: Arc<AtomicBool>,
    pub acknowledged: Vec<Asked>,
    pub unanswered: Vec<Asked>,
}

impl Load {
    /// Starts the clients, each on a connection of its own; each goes on until a call of its fails after
    /// the blow.
    pub async fn start(guard: &Guard, key: &str, round: u32) -> Self {
        let (send, answers) = mpsc::unbounded_channel();
        let struck = Arc::new(AtomicBool::new(false));
        let mut callers = Vec::new();
        for _ in 0..CLIENTS {
            callers.push(guard.caller(key).await);
        }
        for (number, caller) in callers.into_iter().enumerate() {
            tokio::spawn(ask(caller, round, number, send.clone(), Arc::clone(&struck)));
        }
        Self { answers, struck, acknowledged: Vec::new(), unanswered: Vec::new() }
    }

    /// Waits until so many calls were answered, just before the blow.
    pub async fn until(&mut self, answered: usize) {
        while self.acknowledged.len() < answered {
            let asked = self.answers.recv().await.expect("the clients ended before the blow");
            self.take(asked);
        }
        self.struck.store(true, Ordering::SeqCst);
    }

    /// Waits until every client has ended.
    pub async fn finish(&mut self) {
        while let Some(asked) = self.answers.recv().await {
            self.take(asked);
        }
        assert!(
            self.unanswered.len() >= usize::try_from(CLIENTS).unwrap(),
            "a client has no call that was cut"
        );
    }

    fn take(&mut self, asked: Asked) {
        if asked.decision_id.is_empty() {
            self.unanswered.push(asked);
        } else {
            self.acknowledged.push(asked);
        }
    }
}

async fn ask(
    mut caller: Caller,
    round: u32,
    client: usize,
    answers: mpsc::UnboundedSender<Asked>,
    struck: Arc<AtomicBool>,
) {
    for number in 0_u32.. {
        let resource = format!("crash/{round}/{client}/{number}");
        // Every other pair, so that there are allowed and denied ones with and without a key.
        let idempotency_key = (number / 2 % 2 == 0).then(|| format!("crash-{round}-{client}-{number}"));
        let answer = caller.enforce(check(&resource, idempotency_key.as_deref())).await;
        let answered = answer.is_ok();
        let (decision_id, allowed) = answer
            .map_or_else(|_| (String::new(), false), |decision| (decision.decision_id, decision.allowed));
        // The test has failed where nobody listens any more.
        let heard = answers.send(Asked { resource, idempotency_key, decision_id, allowed });
        if heard.is_err() || (!answered && struck.load(Ordering::SeqCst)) {
            return;
        }
        if !answered {
            // A commit that a busy disk held for too long; the server says when to come back.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
