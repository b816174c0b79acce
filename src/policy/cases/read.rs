//! The form of a file of cases.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Asked, AskedRequest, Case, Expect, File};
use crate::clock::Timestamp;
use crate::ids::AgentId;
use crate::policy::value::{self, Object};
use crate::policy::{Environment, Fault, ReasonCode, ScopeKind, Subject, Verdict};

/// When a case happens that does not say it: a Monday.
const DEFAULT_NOW: &str = "2026-01-05T12:00:00Z";
/// The agent of a file that names none.
const DEFAULT_AGENT: &str = "agent";

/// Reads a file; every fault of its form at once.
pub(super) fn file(json: &Value) -> Result<File, Vec<Fault>> {
    let mut reader = Reader { faults: Vec::new(), agents: BTreeMap::new(), first_agent: None };
    let file = reader.file(json);
    match file {
        Some(file) if reader.faults.is_empty() => Ok(file),
        Some(_) | None => Err(reader.faults),
    }
}

type Members = Map<String, Value>;

struct Reader {
    faults: Vec<Fault>,
    agents: BTreeMap<String, Subject>,
    first_agent: Option<String>,
}

impl Reader {
    fn fault(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.faults.push(Fault::new(field, message));
    }

    fn file(&mut self, json: &Value) -> Option<File> {
        let members = self.object("", json, &["description", "policies", "agents", "cases"])?;
        let description = self.text("", members, "description");
        if let Some(agents) = members.get("agents")
            && let Some(agents) = self.any_object("agents", agents)
        {
            for (name, json) in agents {
                self.agent(name, json);
            }
        }
        let policies = self.policies("policies", members).unwrap_or_default();
        let Some(cases) = members.get("cases").and_then(Value::as_array) else {
            self.fault("cases", "is no list of cases");
            return None;
        };
        let cases = cases.iter().enumerate();
        let cases =
            cases.filter_map(|(position, case)| self.case(&format!("cases[{position}]"), case, &policies));
        Some(File { description, cases: cases.collect() })
    }

    fn agent(&mut self, name: &str, json: &Value) {
        let path = format!("agents.{name}");
        const KNOWN: [&str; 6] = ["id", "name", "team", "environment", "labels", "is_active"];
        let Some(members) = self.object(&path, json, &KNOWN) else { return };
        let mut agent = built_in(name);
        if let Some(id) = self.text(&path, members, "id") {
            match id.parse() {
                Ok(id) => agent.id = id,
                Err(error) => self.fault(format!("{path}.id"), error.to_string()),
            }
        }
        agent.name = self.text(&path, members, "name").unwrap_or(agent.name);
        agent.team = self.text(&path, members, "team").unwrap_or(agent.team);
        if let Some(environment) = self.text(&path, members, "environment") {
            match environment.parse::<Environment>() {
                Ok(environment) => agent.environment = environment,
                Err(error) => self.fault(format!("{path}.environment"), error.to_string()),
            }
        }
        if let Some(labels) = members.get("labels")
            && let Some(labels) = self.any_object(&format!("{path}.labels"), labels)
        {
            for key in labels.keys() {
                if let Some(text) = self.text(&format!("{path}.labels"), labels, key) {
                    agent.labels.insert(key.clone(), text);
                }
            }
        }
        match members.get("is_active").map(Value::as_bool) {
            Some(Some(is_active)) => agent.is_active = is_active,
            Some(None) => self.fault(format!("{path}.is_active"), "is neither `true` nor `false`"),
            None => {}
        }
        self.first_agent.get_or_insert_with(|| name.to_owned());
        self.agents.insert(name.to_owned(), agent);
    }

    /// The policies, where an agent of the file may be named in the scope.
    fn policies(&mut self, path: &str, members: &Members) -> Option<Vec<Value>> {
        let list = members.get("policies")?;
        let Some(list) = list.as_array() else {
            self.fault(path, "is no list of policies");
            return None;
        };
        let mut policies = list.clone();
        for (position, policy) in policies.iter_mut().enumerate() {
            let Some(name) = policy.pointer("/scope/agent").and_then(Value::as_str).map(str::to_owned) else {
                continue;
            };
            let id = match self.agents.get(&name) {
                Some(agent) => agent.id.clone(),
                None if name == DEFAULT_AGENT && self.agents.is_empty() => built_in(DEFAULT_AGENT).id,
                None => {
                    self.fault(format!("{path}[{position}].scope.agent"), "is none of the file's agents");
                    continue;
                }
            };
            if let Some(scope) = policy.get_mut("scope") {
                *scope = json!({"agent_id": id.as_str()});
            }
        }
        Some(policies)
    }

    fn case(&mut self, path: &str, json: &Value, policies: &[Value]) -> Option<Case> {
        const KNOWN: [&str; 9] =
            ["name", "section", "policies", "agent", "now", "kill_switch", "request", "action", "expect"];
        let members = self.object(path, json, &KNOWN)?;
        let name = self.text(path, members, "name");
        if name.is_none() {
            self.fault(format!("{path}.name"), "is missing");
        }
        let now = self.text(path, members, "now");
        let now = Timestamp::parse(now.as_deref().unwrap_or(DEFAULT_NOW));
        if now.is_none() {
            self.fault(format!("{path}.now"), "is no RFC 3339 time");
        }
        let agent = self.text(path, members, "agent").or_else(|| self.first_agent.clone());
        let agent = match agent {
            Some(name) => {
                let agent = self.agents.get(&name).cloned();
                if agent.is_none() {
                    self.fault(format!("{path}.agent"), "is none of the file's agents");
                }
                agent
            }
            None => Some(built_in(DEFAULT_AGENT)),
        };
        let own = self.policies(&format!("{path}.policies"), members);
        let kill_switch = self.text(path, members, "kill_switch").map(|_reason| ScopeKind::Everyone);
        let asked = match (members.get("request"), self.text(path, members, "action")) {
            (None, None) => Some(Asked::Nothing),
            (None, Some(action)) => Some(Asked::Action(action)),
            (Some(request), None) => {
                self.request(&format!("{path}.request"), request).map(|asked| Asked::Request(Box::new(asked)))
            }
            (Some(_), Some(_)) => {
                self.fault(path, "has both `request` and `action`");
                None
            }
        };
        let expect = match members.get("expect") {
            Some(expect) => self.expect(&format!("{path}.expect"), expect),
            None => {
                self.fault(format!("{path}.expect"), "is missing");
                None
            }
        };
        let (asked, expect) = (asked?, expect?);
        self.fits(path, &asked, &expect);
        Some(Case {
            name: name?,
            section: self.text(path, members, "section"),
            policies: own.unwrap_or_else(|| policies.to_vec()),
            agent: agent?,
            now: now?,
            kill_switch,
            asked,
            expect,
        })
    }

    /// A case that asks for something has to expect something of it, or it could not fail.
    fn fits(&mut self, path: &str, asked: &Asked, expect: &Expect) {
        let is_complete = match asked {
            Asked::Nothing => expect.refused.is_some() || expect.warned.is_some(),
            Asked::Action(_) => expect.canonical.is_some() || expect.invalid.is_some(),
            Asked::Request(_) => {
                expect.verdict.is_some() || expect.invalid.is_some() || expect.refused.is_some()
            }
        };
        if !is_complete {
            let wanted = match asked {
                Asked::Nothing => "`refused` or `warned`",
                Asked::Action(_) => "`canonical` or `invalid`",
                Asked::Request(_) => "`verdict` or `invalid`",
            };
            self.fault(format!("{path}.expect"), format!("lacks {wanted}"));
        }
    }

    fn request(&mut self, path: &str, json: &Value) -> Option<AskedRequest> {
        const KNOWN: [&str; 7] =
            ["action", "resource", "arguments", "context", "session_id", "on_behalf_of", "approval_id"];
        let members = self.object(path, json, &KNOWN)?;
        Some(AskedRequest {
            action: self.text(path, members, "action").unwrap_or_default(),
            resource: self.text(path, members, "resource"),
            arguments: self.values(path, members, "arguments"),
            context: self.values(path, members, "context"),
            session_id: self.text(path, members, "session_id"),
            on_behalf_of: self.text(path, members, "on_behalf_of"),
            approval_id: self.text(path, members, "approval_id"),
        })
    }

    fn values(&mut self, path: &str, members: &Members, name: &str) -> Object {
        members
            .get(name)
            .and_then(|json| self.any_object(&format!("{path}.{name}"), json))
            .map(value::object)
            .unwrap_or_default()
    }

    fn expect(&mut self, path: &str, json: &Value) -> Option<Expect> {
        const KNOWN: [&str; 10] = [
            "verdict",
            "reason_code",
            "rule_id",
            "scope",
            "error_rule_ids",
            "reason_contains",
            "refused",
            "warned",
            "invalid",
            "canonical",
        ];
        let members = self.object(path, json, &KNOWN)?;
        let expect = Expect {
            verdict: self.text(path, members, "verdict"),
            reason_code: self.text(path, members, "reason_code"),
            rule_id: members.get("rule_id").map(|_| self.text(path, members, "rule_id")),
            scope: self.text(path, members, "scope"),
            error_rule_ids: self.texts(path, members, "error_rule_ids"),
            reason_contains: self.text(path, members, "reason_contains"),
            refused: self.texts(path, members, "refused"),
            warned: self.texts(path, members, "warned"),
            invalid: self.texts(path, members, "invalid"),
            canonical: self.text(path, members, "canonical"),
        };
        let verdict = expect.verdict.as_ref().map(|text| text.parse::<Verdict>());
        if let Some(Err(error)) = verdict {
            self.fault(format!("{path}.verdict"), error.to_string());
        }
        let code = expect.reason_code.as_ref().map(|text| text.parse::<ReasonCode>());
        if let Some(Err(error)) = code {
            self.fault(format!("{path}.reason_code"), error.to_string());
        }
        Some(expect)
    }

    fn any_object<'a>(&mut self, path: &str, json: &'a Value) -> Option<&'a Members> {
        let members = json.as_object();
        if members.is_none() && !json.is_null() {
            self.fault(path, "is no object");
        }
        members
    }

    fn object<'a>(&mut self, path: &str, json: &'a Value, known: &[&str]) -> Option<&'a Members> {
        let Some(members) = json.as_object() else {
            self.fault(path, "is no object");
            return None;
        };
        for name in members.keys() {
            if !known.contains(&name.as_str()) {
                let field = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                self.fault(field, format!("is unknown here; known are `{}`", known.join("`, `")));
            }
        }
        Some(members)
    }

    fn text(&mut self, path: &str, members: &Members, name: &str) -> Option<String> {
        let json = members.get(name).filter(|json| !json.is_null())?;
        let text = json.as_str().map(str::to_owned);
        if text.is_none() {
            self.fault(
                if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") },
                "is no text",
            );
        }
        text
    }

    fn texts(&mut self, path: &str, members: &Members, name: &str) -> Option<Vec<String>> {
        let json = members.get(name).filter(|json| !json.is_null())?;
        let texts = json.as_array().and_then(|list| {
            list.iter().map(|json| json.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        });
        if texts.is_none() {
            self.fault(format!("{path}.{name}"), "is no list of texts");
        }
        texts
    }
}

/// The agent called `name`, as far as a file does not say otherwise; its id follows from the name.
fn built_in(name: &str) -> Subject {
    let mut entropy = [0u8; 16];
    for (to, from) in entropy.iter_mut().zip(Sha256::digest(name.as_bytes())) {
        *to = from;
    }
    Subject {
        id: AgentId::new(Timestamp::default(), entropy),
        name: name.to_owned(),
        team: "team".to_owned(),
        environment: Environment::Production,
        labels: BTreeMap::new(),
        is_active: true,
    }
}
