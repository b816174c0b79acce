//! A policy's JSON form: the proto's, with the short forms that policy files may use.

use serde_json::{Map, Value, json};

use super::{Conditions, DayOfWeek, Document, List, Rule, TimeRange};
use crate::policy::Fault;
use crate::policy::subject::Scope;

/// Members that the server writes and a file may therefore contain; they say nothing here.
const IGNORED: [&str; 9] = [
    "policy_id",
    "version",
    "etag",
    "create_time",
    "update_time",
    "delete_time",
    "created_by",
    "revision",
    "warnings",
];

/// Reads a policy. Unknown members are refused; texts are not checked further, [`compile`] does that.
///
/// [`compile`]: crate::policy::compile
///
/// # Errors
/// Every fault of form at once.
pub fn from_json(json: &Value) -> Result<Document, Vec<Fault>> {
    let mut reader = Reader { faults: Vec::new() };
    let document = reader.policy(json);
    match document {
        Some(document) if reader.faults.is_empty() => Ok(document),
        Some(_) | None => Err(reader.faults),
    }
}

/// The policy's JSON form, without members that have no value.
pub fn to_json(document: &Document) -> Value {
    let mut members = Map::new();
    let scope = match &document.scope {
        Scope::Everyone => json!({"everyone": {}}),
        Scope::Team(team) => json!({"team": team}),
        Scope::Agent(id) => json!({"agent_id": id.as_str()}),
    };
    members.insert("scope".into(), scope);
    for list in List::ALL {
        let rules = document.rules(list);
        if !rules.is_empty() {
            members.insert(list.as_str().into(), rules.iter().map(rule_to_json).collect());
        }
    }
    Value::Object(members)
}

/// A rule's JSON form.
pub(in crate::policy) fn rule_to_json(rule: &Rule) -> Value {
    let mut members = Map::new();
    put(&mut members, "id", rule.id.as_deref());
    members.insert("action".into(), rule.action.as_str().into());
    put(&mut members, "resource", rule.resource.as_deref());
    if let Some(conditions) = &rule.conditions {
        members.insert("conditions".into(), conditions_to_json(conditions));
    }
    put(&mut members, "reason", rule.reason.as_deref());
    Value::Object(members)
}

fn conditions_to_json(conditions: &Conditions) -> Value {
    let mut members = Map::new();
    if let Some(env) = &conditions.env {
        members.insert("env".into(), json!({"values": env}));
    }
    if let Some(range) = &conditions.time_range {
        let mut inner = Map::new();
        put(&mut inner, "start", Some(&range.start));
        put(&mut inner, "end", Some(&range.end));
        put(&mut inner, "tz", range.tz.as_deref());
        members.insert("time_range".into(), Value::Object(inner));
    }
    if let Some(days) = &conditions.day_of_week {
        let mut inner = Map::new();
        inner.insert("days".into(), json!(days.days));
        put(&mut inner, "tz", days.tz.as_deref());
        members.insert("day_of_week".into(), Value::Object(inner));
    }
    put(&mut members, "expression", conditions.expression.as_deref());
    Value::Object(members)
}

fn put(members: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        members.insert(name.into(), value.into());
    }
}

struct Reader {
    faults: Vec<Fault>,
}

impl Reader {
    fn fault(&mut self, field: &str, message: impl Into<String>) {
        self.faults.push(Fault::new(field, message));
    }

    fn policy(&mut self, json: &Value) -> Option<Document> {
        let members = self.object("", json)?;
        self.known("", members, &["scope", "deny", "require_approval", "allow"], &IGNORED);
        let scope = match present(members, "scope") {
            Some(scope) => self.scope(scope),
            None => {
                self.fault("scope", "is missing: `{everyone: {}}`, `{team: …}` or `{agent_id: …}`");
                None
            }
        };
        let deny = self.rules("deny", members);
        let require_approval = self.rules("require_approval", members);
        let allow = self.rules("allow", members);
        Some(Document { scope: scope?, deny, require_approval, allow })
    }

    fn scope(&mut self, json: &Value) -> Option<Scope> {
        let members = self.object("scope", json)?;
        self.known("scope", members, &["everyone", "team", "agent_id"], &[]);
        let everyone = present(members, "everyone");
        let team = self.text("scope.team", members, "team");
        let agent = self.text("scope.agent_id", members, "agent_id");
        match (everyone, team, agent) {
            (Some(everyone), None, None) => {
                let inner = self.object("scope.everyone", everyone)?;
                self.known("scope.everyone", inner, &[], &[]);
                Some(Scope::Everyone)
            }
            (None, Some(team), None) => Some(Scope::Team(team)),
            (None, None, Some(id)) => match id.parse() {
                Ok(id) => Some(Scope::Agent(id)),
                Err(error) => {
                    self.fault("scope.agent_id", error.to_string());
                    None
                }
            },
            _ => {
                self.fault("scope", "wants exactly one of `everyone`, `team` and `agent_id`");
                None
            }
        }
    }

    fn rules(&mut self, list: &str, members: &Map<String, Value>) -> Vec<Rule> {
        let Some(json) = present(members, list) else { return Vec::new() };
        let Value::Array(rules) = json else {
            self.fault(list, "is no list of rules");
            return Vec::new();
        };
        rules
            .iter()
            .enumerate()
            .filter_map(|(index, rule)| self.rule(&format!("{list}[{index}]"), rule))
            .collect()
    }

    fn rule(&mut self, path: &str, json: &Value) -> Option<Rule> {
        let members = self.object(path, json)?;
        self.known(path, members, &["id", "action", "resource", "conditions", "reason"], &[]);
        let action = match present(members, "action") {
            Some(_) => self.text(&format!("{path}.action"), members, "action"),
            None => {
                self.fault(&format!("{path}.action"), "is missing");
                None
            }
        };
        let id = self.text(&format!("{path}.id"), members, "id").filter(|id| !id.is_empty());
        let resource = self.text(&format!("{path}.resource"), members, "resource");
        let conditions = present(members, "conditions")
            .and_then(|conditions| self.conditions(&format!("{path}.conditions"), conditions));
        let reason =
            self.text(&format!("{path}.reason"), members, "reason").filter(|reason| !reason.is_empty());
        Some(Rule { id, action: action?, resource, conditions, reason })
    }

    fn conditions(&mut self, path: &str, json: &Value) -> Option<Conditions> {
        let members = self.object(path, json)?;
        self.known(path, members, &["env", "time_range", "day_of_week", "expression"], &[]);
        let env = present(members, "env").and_then(|env| self.env(&format!("{path}.env"), env));
        let time_range = present(members, "time_range")
            .and_then(|range| self.time_range(&format!("{path}.time_range"), range));
        let day_of_week = present(members, "day_of_week")
            .and_then(|days| self.day_of_week(&format!("{path}.day_of_week"), days));
        let expression = self.text(&format!("{path}.expression"), members, "expression");
        Some(Conditions { env, time_range, day_of_week, expression })
    }

    fn env(&mut self, path: &str, json: &Value) -> Option<Vec<String>> {
        if json.is_array() {
            return self.texts(path, json);
        }
        let members = self.object(path, json)?;
        self.known(path, members, &["values"], &[]);
        match present(members, "values") {
            Some(values) => self.texts(&format!("{path}.values"), values),
            None => Some(Vec::new()),
        }
    }

    fn time_range(&mut self, path: &str, json: &Value) -> Option<TimeRange> {
        let members = self.object(path, json)?;
        self.known(path, members, &["start", "end", "tz"], &[]);
        Some(TimeRange {
            start: self.text(&format!("{path}.start"), members, "start").unwrap_or_default(),
            end: self.text(&format!("{path}.end"), members, "end").unwrap_or_default(),
            tz: self.text(&format!("{path}.tz"), members, "tz").filter(|tz| !tz.is_empty()),
        })
    }

    fn day_of_week(&mut self, path: &str, json: &Value) -> Option<DayOfWeek> {
        if json.is_array() {
            return self.texts(path, json).map(|days| DayOfWeek { days, tz: None });
        }
        let members = self.object(path, json)?;
        self.known(path, members, &["days", "tz"], &[]);
        let days = match present(members, "days") {
            Some(days) => self.texts(&format!("{path}.days"), days)?,
            None => Vec::new(),
        };
        let tz = self.text(&format!("{path}.tz"), members, "tz").filter(|tz| !tz.is_empty());
        Some(DayOfWeek { days, tz })
    }

    fn object<'a>(&mut self, path: &str, json: &'a Value) -> Option<&'a Map<String, Value>> {
        let members = json.as_object();
        if members.is_none() {
            self.fault(path, "is no object");
        }
        members
    }

    fn known(&mut self, path: &str, members: &Map<String, Value>, known: &[&str], ignored: &[&str]) {
        for name in members.keys() {
            if !known.contains(&name.as_str()) && !ignored.contains(&name.as_str()) {
                let shown: String = name.chars().take(64).collect();
                let field = if path.is_empty() { shown } else { format!("{path}.{shown}") };
                let message = if known.is_empty() {
                    "is unknown here; nothing is accepted".to_owned()
                } else {
                    format!("is unknown here; known are `{}`", known.join("`, `"))
                };
                self.fault(&field, message);
            }
        }
    }

    fn text(&mut self, path: &str, members: &Map<String, Value>, name: &str) -> Option<String> {
        let text = present(members, name)?.as_str();
        if text.is_none() {
            self.fault(path, "is no text");
        }
        text.map(str::to_owned)
    }

    fn texts(&mut self, path: &str, json: &Value) -> Option<Vec<String>> {
        let Value::Array(values) = json else {
            self.fault(path, "is no list of texts");
            return None;
        };
        let mut texts = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            match value.as_str() {
                Some(text) => texts.push(text.to_owned()),
                None => self.fault(&format!("{path}[{index}]"), "is no text"),
            }
        }
        Some(texts)
    }
}

/// A member that is there and not `null`.
fn present<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &Value) -> Vec<String> {
        from_json(json).unwrap_err().into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn a_policy_reads_back() {
        let json = json!({"scope": {"team": "data"}, "deny": [{"id": "x", "action": "delete:*", "resource": "/a/**",
            "conditions": {"env": {"values": ["prod"]}, "time_range": {"start": "08:00", "end": "18:00", "tz": "UTC"},
            "day_of_week": {"days": ["Mon"]}, "expression": "true"}, "reason": "why"}]});
        let document = from_json(&json).unwrap();
        assert_eq!(to_json(&document), json);
    }

    #[test]
    fn short_forms_mean_the_long_ones() {
        let short = json!({"scope": {"everyone": {}}, "allow": [{"action": "a", "conditions": {"env": ["dev"], "day_of_week": ["Mon"]}}]});
        let long = json!({"scope": {"everyone": {}}, "allow": [{"action": "a", "conditions": {"env": {"values": ["dev"]}, "day_of_week": {"days": ["Mon"]}}}]});
        assert_eq!(from_json(&short), from_json(&long));
    }

    #[test]
    fn every_fault_of_form_is_shown_at_once() {
        let json = json!({"scope": {"everyone": {}, "team": "x"}, "alow": [], "deny": {}, "allow": [
            {"ressource": "x"}, {"action": 3}, {"action": "a", "conditions": {"envs": [], "env": [1]}}]});
        assert_eq!(
            fields(&json),
            [
                "alow",
                "scope",
                "deny",
                "allow[0].ressource",
                "allow[0].action",
                "allow[1].action",
                "allow[2].conditions.envs",
                "allow[2].conditions.env[0]"
            ]
        );
        assert_eq!(fields(&json!({"allow": []})), ["scope"]);
        assert_eq!(fields(&json!({"scope": {"agent_id": "agt_x"}})), ["scope.agent_id"]);
        assert_eq!(fields(&json!([])), [""]);
    }

    #[test]
    fn what_the_server_writes_is_ignored() {
        let json = json!({"scope": {"everyone": {}}, "policy_id": "pol_x", "version": 3, "etag": "e"});
        assert!(from_json(&json).is_ok());
    }
}
