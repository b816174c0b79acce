//! The cases as they are written down, checked whole: a name that nobody would notice to be misspelt ends the start.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::wire::Contract;

/// How long a client of a case may take where the case says nothing: the clients' own second would be too short for a
/// machine that is busy.
const PATIENCE_MS: u64 = 20_000;

/// The ways to ask the one question.
pub const WAYS: [&str; 4] = ["check", "decide", "enforce", "guard"];

pub struct Script {
    pub contract: Contract,
    pub cases: Vec<Case>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique; part of a path.
    pub name: String,
    /// What the case shows, in one sentence.
    pub about: String,
    #[serde(default)]
    pub server: Server,
    #[serde(default)]
    pub client: Client,
    /// What the runner calls.
    pub call: Call,
    /// What the runner must get; the server reads `result` only.
    pub expect: Value,
    /// What the server must have seen: calls by RPC, and more.
    #[serde(default)]
    pub observe: Observe,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Server {
    #[serde(default)]
    pub listen: Listen,
    /// By RPC: what is done with its first call, its second, …; the last one stands for all that follow.
    #[serde(flatten)]
    pub calls: BTreeMap<String, Vec<Step>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Listen {
    #[default]
    Plain,
    Tls,
    TlsExpired,
    TlsWrongHost,
    TlsUnknown,
    /// TLS that wants a client's certificate.
    Mutual,
    /// Nobody listens; the port is kept.
    Down,
    /// Connections are accepted, and nothing is ever said.
    Silent,
    /// Connections are accepted and closed.
    Slams,
    /// Something that speaks HTTP/1.1 and no HTTP/2.
    Web,
}

/// What is done with one call. Without anything: an answer that is an empty message.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// Wait so long first.
    pub after_ms: u64,
    /// The answer, in the proto's JSON.
    pub answer: Option<Value>,
    /// Several answers, for RPCs that stream them.
    pub answers: Vec<Value>,
    /// Short for an answer with this decision.
    pub decision: Option<Value>,
    /// Bytes added to the decision's reason.
    pub pad: usize,
    /// The answer's bytes, hexadecimal, whatever they are.
    pub raw: Option<String>,
    /// The frame says so many bytes more than there are.
    pub short_by: u32,
    /// The frame says that it is compressed.
    pub compressed: bool,
    /// Status OK and no message.
    pub no_message: bool,
    /// The message and no status.
    pub no_status: bool,
    /// A status that is none, behind the answer if there is one.
    pub error: Option<Fault>,
    /// An answer of something that is no gRPC server.
    pub http: Option<Http>,
    /// Never answer.
    pub hang: bool,
    /// Close the connection's socket.
    pub cut: Option<Cut>,
    /// Say GOAWAY: gracefully, then answer; or at once.
    pub goaway: Option<GoAway>,
    /// Reset the stream with this HTTP/2 code.
    pub reset: Option<String>,
    /// After the answer, close every connection of the case.
    pub restart: bool,
    /// EnforceStream: what is done with its first message, its second, ….
    pub replies: Vec<Step>,
    /// EnforceStream: what is done with messages beyond `replies`.
    pub each: Option<Box<Step>>,
    /// EnforceStream: so many messages are collected, then answered the last one first.
    pub collect: usize,
    /// EnforceStream: once `replies` are given, the stream's own end (`error`, `cut`, `goaway`, `ends`) is due.
    pub ends: bool,
    /// EnforceStream: the end comes with the message after the last of `replies`, not at once.
    pub on_next: bool,
    /// EnforceStream: the answer names this sequence in place of the message's.
    pub sequence: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    Before,
    AfterHeaders,
    HalfWay,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum GoAway {
    Graceful,
    Abrupt,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub status: u16,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub body: String,
}

/// An error: with a `reason` it carries an `ErrorInfo`, without one nothing but its code.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The code's name, or a number.
    pub code: Value,
    #[serde(default)]
    pub message: String,
    pub reason: Option<String>,
    #[serde(default = "domain")]
    pub domain: String,
    /// In the `ErrorInfo`; absent: the caller's own.
    pub request_id: Option<String>,
    /// `RetryInfo`.
    pub retry_ms: Option<u64>,
    /// The trailer `grpc-retry-pushback-ms`, as text.
    pub pushback: Option<String>,
    /// `BadRequest`.
    #[serde(default)]
    pub violations: Vec<Violation>,
    /// `QuotaFailure`.
    #[serde(default)]
    pub quota: Vec<Violation>,
    /// Details that are no message.
    #[serde(default)]
    pub broken_details: bool,
}

fn domain() -> String {
    "agentguard".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Violation {
    pub field: String,
    pub description: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Client {
    /// In place of the case's own address.
    pub endpoint: Option<String>,
    /// In place of the scheme that fits the listener.
    pub scheme: Option<String>,
    /// In place of the right key.
    pub key: Option<String>,
    /// Whether the client is given none.
    pub no_key: bool,
    /// For all tries together. `default`: the client is given none, and takes its own.
    pub timeout_ms: Option<Value>,
    /// Whether the client has a certificate to show.
    pub identity: bool,
    /// Whether the client is told that the key may travel in plain text.
    pub insecure: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// `decide` (all of [`WAYS`]), `batch`, `stream`, `construct`, or the name of another method.
    #[serde(rename = "do")]
    pub act: String,
    /// Which of [`WAYS`]; empty: all.
    #[serde(default)]
    pub ways: Vec<String>,
    /// What else the runner needs.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// What the server must have seen.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Observe {
    /// How many connections were opened.
    pub connections: Option<Bounds>,
    /// Fields that the first message of a call must have, by RPC.
    #[serde(default)]
    pub message: BTreeMap<String, Value>,
    /// Whether a try may have been lost before the server could see it.
    #[serde(default)]
    pub lost_tries: bool,
    /// Every pause between two tries, in milliseconds.
    pub pause_ms: Option<Bounds>,
    /// By RPC: how many calls (of `EnforceStream`: streams; of `EnforceStream.message`: messages).
    #[serde(flatten)]
    pub calls: BTreeMap<String, Bounds>,
}

/// A number, or the least and the most.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub enum Bounds {
    Exactly(u64),
    Within(u64, u64),
}

impl Bounds {
    pub const fn hold(self, number: u64) -> bool {
        match self {
            Self::Exactly(wanted) => number == wanted,
            Self::Within(least, most) => least <= number && number <= most,
        }
    }
}

impl Client {
    /// The time for all tries together, if the client is given one.
    pub fn timeout_ms(&self) -> Option<u64> {
        match &self.timeout_ms {
            None => Some(PATIENCE_MS),
            Some(value) => value.as_u64(),
        }
    }
}

impl Case {
    /// The ways in which the runner makes the call.
    pub fn ways(&self) -> Vec<&str> {
        if self.call.act != "decide" {
            return vec!["call"];
        }
        WAYS.into_iter()
            .filter(|way| self.call.ways.is_empty() || self.call.ways.iter().any(|one| one == way))
            .collect()
    }

    /// What the runner is shown.
    pub fn shown(&self) -> Value {
        let mut call: serde_json::Map<_, _> = self.call.rest.clone().into_iter().collect();
        call.insert("do".into(), self.call.act.as_str().into());
        serde_json::json!({
            "name": self.name, "about": self.about, "ways": self.ways(), "call": call, "expect": self.expect,
        })
    }

    pub fn result(&self) -> &str {
        self.expect["result"].as_str().unwrap_or_default()
    }
}

impl Script {
    pub fn load(text: &str) -> Result<Self, Vec<String>> {
        // The file is ours: what it writes once and uses often is meant.
        let options = serde_saphyr::options! {
            strict_booleans: true,
            budget: serde_saphyr::budget! { enforce_alias_anchor_ratio: false },
        };
        let file: Value =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| vec![error.to_string()])?;
        let Some(items) = file["cases"].as_array() else {
            return Err(vec!["there are no `cases`".to_owned()]);
        };
        let contract = Contract::new();
        let mut faults = Vec::new();
        let mut cases: Vec<Case> = Vec::new();
        for item in items {
            match serde_json::from_value::<Case>(item.clone()) {
                Ok(case) => {
                    faults.extend(check(&contract, &case).into_iter().map(|f| format!("{}: {f}", case.name)));
                    cases.push(case);
                }
                Err(error) => faults.push(format!("{}: {error}", item["name"])),
            }
        }
        let names: BTreeSet<_> = cases.iter().map(|case| case.name.as_str()).collect();
        if names.len() != cases.len() {
            faults.push("two cases have one name".to_owned());
        }
        if faults.is_empty() { Ok(Self { contract, cases }) } else { Err(faults) }
    }

    pub fn case(&self, name: &str) -> Option<&Case> {
        self.cases.iter().find(|case| case.name == name)
    }
}

const RESULTS: [&str; 6] = ["allowed", "denied", "approval_required", "error", "value", "results"];

fn check(contract: &Contract, case: &Case) -> Vec<String> {
    let mut faults = Vec::new();
    for (rpc, steps) in &case.server.calls {
        let Some(method) = contract.method(rpc) else {
            faults.push(format!("there is no RPC `{rpc}`"));
            continue;
        };
        for step in steps {
            faults.extend(step.faults(contract, &method.output()));
        }
    }
    let counted = case.observe.calls.keys().map(|name| name.trim_end_matches(".message"));
    for rpc in counted.chain(case.observe.message.keys().map(String::as_str)) {
        if contract.method(rpc).is_none() {
            faults.push(format!("there is no RPC `{rpc}` to observe"));
        }
    }
    if !RESULTS.contains(&case.result()) {
        faults.push(format!("`expect.result` is none of {RESULTS:?}"));
    }
    if case.call.act == "decide" && !case.observe.calls.contains_key("Enforce") {
        faults.push("`observe.Enforce` is missing".to_owned());
    }
    if case.call.ways.iter().any(|way| !WAYS.contains(&way.as_str())) {
        faults.push(format!("`ways` are {WAYS:?}"));
    }
    faults
}

impl Step {
    fn faults(&self, contract: &Contract, answer: &prost_reflect::MessageDescriptor) -> Vec<String> {
        let mut faults: Vec<_> =
            self.messages().iter().filter_map(|json| contract.message(answer, json).err()).collect();
        for step in self.replies.iter().chain(self.each.as_deref()) {
            faults.extend(step.faults(contract, answer));
        }
        faults
    }

    /// The answers, each in the proto's JSON.
    pub fn messages(&self) -> Vec<Value> {
        let mut messages = self.answers.clone();
        messages.extend(self.answer.clone());
        messages.extend(self.decision.clone().map(|decision| {
            let mut decision = decision;
            if self.pad > 0 {
                decision["reason"] = "x".repeat(self.pad).into();
            }
            serde_json::json!({ "decision": decision })
        }));
        messages
    }
}
