//! Clients that ask as fast as they are answered, in every way there is.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use agentguard::pb::rpc;
use agentguard::pb::v1;
use agentguard::pb::v1::batch_enforce_result::Result as Item;
use agentguard::pb::v1::enforce_stream_response::Result as StreamItem;
use agentguard::pb::v1::enforcement_service_client::EnforcementServiceClient;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::checker::{Answer, At, Call, Decision};
use super::model::{ACTIONS, Action, KeyNo, Verdict};
use super::record::{Dice, Shared, Usable, number_of};

/// Checks under idempotency keys that a client asks again.
const REMEMBERED: usize = 3;

/// Messages of one stream, and how many of them are out at once.
const MESSAGES: u64 = 48;
const OUT: u64 = 4;

/// One check, as it may be asked again.
#[derive(Clone)]
struct Check {
    action: Action,
    idempotency_key: String,
}

impl Check {
    fn any(dice: &mut Dice) -> Self {
        let action = u8::try_from(dice.below(ACTIONS.len())).unwrap();
        Self { action, idempotency_key: String::new() }
    }

    fn message(&self) -> v1::EnforceRequest {
        v1::EnforceRequest {
            action: ACTIONS[usize::from(self.action)].to_owned(),
            idempotency_key: self.idempotency_key.clone(),
            ..Default::default()
        }
    }
}

fn request<T>(key: &Usable, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-agent-key", key.text.parse().unwrap());
    request
}

/// What a decision says.
fn decided(action: Action, decision: &v1::Decision) -> Answer {
    let verdict = match decision.verdict() {
        v1::Verdict::Allow => Verdict::Allow,
        v1::Verdict::RequireApproval => Verdict::Approval,
        v1::Verdict::Deny => Verdict::Deny,
        v1::Verdict::Unspecified => panic!("{decision:?}"),
    };
    assert_eq!(decision.allowed, verdict == Verdict::Allow, "{decision:?}");
    let decision = Decision {
        id: decision.decision_id.clone(),
        revision: number_of(&decision.policy_revision),
        is_repeat: decision.idempotent_repeat,
    };
    Answer { action, verdict, decision: Some(decision) }
}

/// What an error says: a key that opens nothing, or nothing at all.
fn failed(action: Action, code: Code, text: &str) -> Option<Answer> {
    match code {
        Code::Unauthenticated => Some(Answer { action, verdict: Verdict::Refused, decision: None }),
        Code::Unavailable | Code::DeadlineExceeded => None,
        _ => panic!("{code:?}: {text}"),
    }
}

fn refused(action: Action, status: &Status) -> Option<Answer> {
    failed(action, status.code(), status.message())
}

fn refused_item(action: Action, status: &rpc::Status) -> Option<Answer> {
    failed(action, Code::from(status.code), &status.message)
}

/// Single checks and batches, with and without idempotency keys and least revisions.
pub async fn calls(shared: Arc<Shared>, channel: Channel, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut client = EnforcementServiceClient::new(channel);
    let mut remembered: VecDeque<(Usable, Check)> = VecDeque::new();
    while !shared.is_over() {
        let mut key = shared.any_key(&mut dice);
        let mut checks = vec![Check::any(&mut dice)];
        match dice.below(8) {
            0 | 1 if !remembered.is_empty() => {
                let (known, check) = remembered[dice.below(remembered.len())].clone();
                (key, checks) = (known, vec![check]);
            }
            0..=2 => {
                checks[0].idempotency_key = format!("{seed}-{}", shared.number());
                remembered.push_front((key.clone(), checks[0].clone()));
                remembered.truncate(REMEMBERED);
            }
            3 | 4 => checks.extend((0..3).map(|_| Check::any(&mut dice))),
            5 if !remembered.is_empty() => {
                let (known, check) = remembered[0].clone();
                key = known;
                checks.extend([check, Check::any(&mut dice)]);
            }
            _ => {}
        }
        let min = if dice.below(4) == 0 { Some(shared.acknowledged()) } else { None };
        let (min_revision, text) = min.unzip();
        let invoked = shared.now();
        let answers = ask(&mut client, &key, &checks, text.unwrap_or_default()).await;
        let answered = shared.now();
        note(&shared, key.number, (invoked, answered), min_revision, answers);
        dice.pause(6).await;
    }
}

/// Asks a single check by itself, several as a batch.
async fn ask(
    client: &mut EnforcementServiceClient<Channel>,
    key: &Usable,
    checks: &[Check],
    min_revision: String,
) -> Vec<Option<Answer>> {
    if let [check] = checks {
        let message = v1::EnforceRequest { min_revision, ..check.message() };
        let answer = match client.enforce(request(key, message)).await {
            Ok(answer) => Some(decided(check.action, &answer.into_inner().decision.unwrap())),
            Err(status) => refused(check.action, &status),
        };
        return vec![answer];
    }
    let messages = checks.iter().map(Check::message).collect();
    let message = v1::BatchEnforceRequest { checks: messages, min_revision };
    match client.batch_enforce(request(key, message)).await {
        Ok(answer) => {
            let results = answer.into_inner().results;
            assert_eq!(results.len(), checks.len());
            let both = results.into_iter().zip(checks);
            both.map(|(result, check)| match result.result.unwrap() {
                Item::Decision(decision) => Some(decided(check.action, &decision)),
                Item::Error(status) => refused_item(check.action, &status),
            })
            .collect()
        }
        Err(status) => checks.iter().map(|check| refused(check.action, &status)).collect(),
    }
}

fn note(
    shared: &Shared,
    key: KeyNo,
    (invoked, answered): (At, At),
    min_revision: Option<i64>,
    answers: Vec<Option<Answer>>,
) {
    let undecided = answers.iter().filter(|answer| answer.is_none()).count();
    let answers = answers.into_iter().flatten().collect();
    shared.add_call(Call { key, invoked, answered, min_revision, answers }, undecided);
}

/// One stream after the other, each with a key of its own.
pub async fn streams(shared: Arc<Shared>, channel: Channel, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut client = EnforcementServiceClient::new(channel);
    while !shared.is_over() {
        let key = shared.any_key(&mut dice);
        let (send, messages) = tokio::sync::mpsc::channel(usize::try_from(OUT).unwrap());
        let invoked = shared.now();
        let mut answers = match client.enforce_stream(request(&key, ReceiverStream::new(messages))).await {
            Ok(answers) => answers.into_inner(),
            Err(status) => {
                note(&shared, key.number, (invoked, shared.now()), None, vec![refused(0, &status)]);
                dice.pause(20).await;
                continue;
            }
        };
        let mut out: HashMap<u64, (Action, At)> = HashMap::new();
        for sequence in 0..MESSAGES {
            let check = Check::any(&mut dice);
            out.insert(sequence, (check.action, shared.now()));
            let message = v1::EnforceStreamRequest { sequence, request: Some(check.message()) };
            send.send(message).await.unwrap();
            if sequence + 1 < OUT {
                continue;
            }
            let answer = answers.message().await.unwrap().unwrap();
            take(&shared, &mut out, key.number, answer);
        }
        drop(send);
        while let Some(answer) = answers.message().await.unwrap() {
            take(&shared, &mut out, key.number, answer);
        }
        assert!(out.is_empty(), "not answered: {out:?}");
    }
}

fn take(
    shared: &Shared,
    out: &mut HashMap<u64, (Action, At)>,
    key: KeyNo,
    answer: v1::EnforceStreamResponse,
) {
    let (action, invoked) = out.remove(&answer.sequence).unwrap();
    let told = match answer.result.unwrap() {
        StreamItem::Decision(decision) => Some(decided(action, &decision)),
        StreamItem::Error(status) => refused_item(action, &status),
    };
    note(shared, key, (invoked, shared.now()), None, vec![told]);
}
