//! Policies and rules for people.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::super::Failure;
use super::super::output::{Output, Style, printable};
use super::change::{Change, Kind};
use crate::clock::Timestamp;
use crate::ids::PolicyId;
use crate::policy::Document;
use crate::policy::document::{Conditions, Rule, to_json};

/// The id of a policy that is compiled only to be checked.
pub fn nobody() -> PolicyId {
    PolicyId::new(Timestamp::from_micros(0), [0; 16])
}

/// A policy as a YAML file that `policy apply` takes.
pub fn yaml(document: &Document, etag: Option<&str>) -> Result<String, Failure> {
    let mut value = to_json(document);
    if let (Some(etag), Some(members)) = (etag, value.as_object_mut()) {
        members.insert("etag".to_owned(), etag.into());
    }
    serde_saphyr::to_string(&Ordered(&value))
        .map_err(|error| Failure::failed(format!("the policy cannot be written as YAML: {error}")))
}

/// JSON of which objects are written in the order that people read a policy in; `serde_json` sorts by name.
struct Ordered<'a>(&'a Value);

const ORDER: [&str; 20] = [
    "scope",
    "etag",
    "deny",
    "require_approval",
    "allow",
    "id",
    "action",
    "resource",
    "conditions",
    "env",
    "values",
    "time_range",
    "start",
    "end",
    "day_of_week",
    "days",
    "tz",
    "expression",
    "reason",
    "everyone",
];

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_by_key(|(name, _)| {
                    ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len())
                });
                serializer.collect_map(members.into_iter().map(|(name, value)| (name, Ordered(value))))
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(Ordered)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.0.serialize(serializer)
            }
        }
    }
}

/// The lines of a difference.
pub fn changes(changes: &[Change], out: &mut Output) -> Result<(), Failure> {
    for change in changes {
        let list = change.list.as_str();
        match &change.kind {
            Kind::Added(rule) => out.styled(Style::Good, format_args!("  + {list}  {}", line(rule)))?,
            Kind::Removed(rule) => out.styled(Style::Bad, format_args!("  - {list}  {}", line(rule)))?,
            Kind::Changed { before, after } => {
                out.styled(Style::Bad, format_args!("  - {list}  {}", line(before)))?;
                out.styled(Style::Good, format_args!("  + {list}  {}", line(after)))?;
            }
            Kind::Reordered => {
                out.styled(Style::Notable, format_args!("  ~ {list}  the same rules in another order"))?;
            }
        }
    }
    Ok(())
}

/// A rule on one line.
pub fn line(rule: &Rule) -> String {
    let mut text = rule.action.clone();
    if let Some(resource) = &rule.resource {
        text.push_str(&format!(" on {resource}"));
    }
    if let Some(conditions) = &rule.conditions {
        text.push_str(&format!(" if {}", condition(conditions)));
    }
    if let Some(id) = &rule.id {
        text.push_str(&format!("  [{id}]"));
    }
    if let Some(reason) = &rule.reason {
        text.push_str(&format!("  {reason}"));
    }
    printable(&text)
}

fn condition(conditions: &Conditions) -> String {
    let zone = |tz: &Option<String>| tz.as_ref().map(|tz| format!(" {tz}")).unwrap_or_default();
    let parts = [
        conditions.env.as_ref().map(|env| format!("env is {}", env.join(" or "))),
        conditions
            .time_range
            .as_ref()
            .map(|range| format!("time is {} to {}{}", range.start, range.end, zone(&range.tz))),
        conditions
            .day_of_week
            .as_ref()
            .map(|days| format!("day is {}{}", days.days.join(" or "), zone(&days.tz))),
        conditions.expression.clone(),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::document::from_json;
    use serde_json::json;

    #[test]
    fn a_policy_reads_back_from_its_yaml() {
        let policy = json!({
            "scope": {"team": "on"},
            "deny": [{"id": "no", "action": "*", "resource": "a: b # c\nd", "reason": "- \"x\""}],
            "allow": [{"action": "read:*", "conditions": {
                "env": {"values": ["production"]},
                "time_range": {"start": "08:00", "end": "24:00", "tz": "Europe/Berlin"},
                "expression": "arguments.amount < 100 && agent.team == 'x: y'"}}],
        });
        let document = from_json(&policy).unwrap();
        let text = yaml(&document, Some("e-1")).unwrap();
        assert!(text.starts_with("scope:"), "{text}");
        let back: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back["etag"], "e-1");
        assert_eq!(from_json(&back).unwrap(), document);
    }
}
