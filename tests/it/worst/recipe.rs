//! Policies and requests at the bounds, each written down in a few lines: what a search finds is kept so.

use std::collections::BTreeMap;

use agentguard::clock::Timestamp;
use agentguard::ids::{AgentId, PolicyId};
use agentguard::policy::{
    Compiled, Decision, Environment, Object, Policies, Request, Subject, Value, compile, decide, document,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Bytes of a policy that the service accepts; its JSON is hardly longer than its protobuf.
const MAX_POLICY_BYTES: usize = 2 * 1024 * 1024;

/// Texts, each so many times in a row.
pub type Pieces = Vec<(String, usize)>;

/// A policy, the same for each of three scopes, and what is asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Recipe {
    /// `deny`, `require_approval` or `allow`.
    pub list: String,
    /// Rules; `#` in their patterns is the number of the rule.
    pub rules: usize,
    /// The rules' pattern over actions.
    pub action: Pieces,
    /// The rules' pattern over resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Pieces>,
    /// The zone of a time range that holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The zone of days of the week that do not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_zone: Option<String>,
    /// How the parts of the expression are joined over `arguments.x`: a macro's name, or nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub each: String,
    /// Parts of the expression, joined by `||`; none means no expression.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clauses: Vec<String>,
    /// The action asked for.
    pub asked: Pieces,
    /// The resource asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Pieces,
    /// How often `item` stands in `arguments.x`.
    #[serde(default)]
    pub items: usize,
    /// The text or number that stands there.
    #[serde(default)]
    pub item: Item,
    /// Whether the items are members of `arguments.x` and `arguments`, named by this and a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Pieces>,
}

/// What stands in the arguments.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    #[default]
    Null,
    Number(f64),
    Text(Pieces),
    /// So many letters out of these in an order that has no pattern.
    Mixed(String, usize),
}

impl Item {
    fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Number(number) => Value::Number(*number),
            Self::Text(pieces) => Value::String(text(pieces)),
            Self::Mixed(letters, count) => {
                let letters: Vec<char> = letters.chars().collect();
                let mut state = 1u64;
                let mut next = || {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    letters[(state >> 33) as usize % letters.len()]
                };
                Value::String((0..*count).map(|_| next()).collect())
            }
        }
    }
}

pub fn text(pieces: &Pieces) -> String {
    pieces.iter().map(|(piece, times)| piece.repeat(*times)).collect()
}

/// A recipe made up.
pub struct Made {
    policies: Vec<Compiled>,
    pub request: Request,
    subject: Subject,
}

impl Recipe {
    pub fn expression(&self) -> Option<String> {
        let clauses = self.clauses.join(" || ");
        match (self.clauses.is_empty(), self.each.is_empty()) {
            (true, _) => None,
            (_, true) => Some(clauses),
            (_, false) => Some(format!("arguments.x.{}(t, {clauses})", self.each)),
        }
    }

    fn rule(&self, number: usize) -> serde_json::Value {
        let numbered = |pieces: &Pieces| text(pieces).replace('#', &number.to_string());
        let mut rule = json!({"action": numbered(&self.action)});
        if let Some(resource) = &self.resource {
            rule["resource"] = numbered(resource).into();
        }
        let mut conditions = serde_json::Map::new();
        if let Some(zone) = &self.time_zone {
            conditions.insert("time_range".into(), json!({"start": "00:01", "end": "00:00", "tz": zone}));
        }
        if let Some(zone) = &self.day_zone {
            conditions.insert("day_of_week".into(), json!({"days": ["Fri"], "tz": zone}));
        }
        if let Some(expression) = self.expression() {
            conditions.insert("expression".into(), expression.into());
        }
        if !conditions.is_empty() {
            rule["conditions"] = conditions.into();
        }
        rule
    }

    /// The policy and the request; `None` if either is refused.
    pub fn make(&self) -> Option<Made> {
        let first = self.rule(0);
        if first.to_string().len() * self.rules > MAX_POLICY_BYTES {
            return None;
        }
        let rules: Vec<_> = (0..self.rules)
            .map(|number| if number == 0 { first.clone() } else { self.rule(number) })
            .collect();
        // What is refused with one rule is refused with many, and sooner.
        compiled(&self.list, vec![first])?;
        let policy = compiled(&self.list, rules)?;
        let list = Value::List(vec![self.item.value(); self.items]);
        let arguments = match &self.keys {
            None => Object::from([("x".into(), list)]),
            Some(start) => {
                let start = text(start);
                let half =
                    (0..self.items / 2).map(|number| (format!("{start}{number:04}"), self.item.value()));
                let members: Object = half.collect();
                let mut arguments = members.clone();
                arguments.insert("x".into(), Value::Object(members));
                arguments
            }
        };
        let on = (!self.on.is_empty()).then(|| text(&self.on));
        let request =
            Request::new(&text(&self.asked), on, arguments, Object::new(), None, None, None).ok()?;
        // Copies, so that the scopes lie apart in memory.
        Some(Made { policies: vec![policy.clone(), policy.clone(), policy], request, subject: subject() })
    }
}

fn compiled(list: &str, rules: Vec<serde_json::Value>) -> Option<Compiled> {
    let json = json!({"scope": {"everyone": {}}, list: rules});
    let id = PolicyId::new(Timestamp::from_micros(0), [1; 16]);
    Some(compile(&document::from_json(&json).ok()?, id, 1).ok()?.0)
}

fn subject() -> Subject {
    Subject {
        id: AgentId::new(Timestamp::from_micros(0), [1; 16]),
        name: "n".repeat(255),
        team: "data".into(),
        environment: Environment::Production,
        labels: (0..64)
            .map(|number| (format!("label_{number}"), "v".repeat(255)))
            .collect::<BTreeMap<_, _>>(),
        is_active: true,
    }
}

impl Made {
    pub fn decide(&self) -> Decision {
        let mut policies = self.policies.iter();
        let policies = Policies {
            kill_switch: None,
            everyone: policies.next(),
            team: policies.next(),
            agent: policies.next(),
        };
        // A Monday.
        decide(&policies, &self.subject, &self.request, Timestamp::from_micros(1_767_614_400_000_000))
    }
}
