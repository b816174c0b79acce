//! Policies as written. Whether a text in them makes sense is the engine's to say; here the message becomes the
//! document it means, without loss: what is present but empty stays so, for the engine to refuse.

use prost::Message;

use super::{Faults, timestamp_message};
use crate::pb::v1;
use crate::policy::{Conditions, DayOfWeek, Document, Rule, Scope, TimeRange, Warning};
use crate::store::policies::{PolicyEntry, PolicyVersion};

/// Bytes of a team's name.
pub const MAX_TEAM_BYTES: usize = 255;
/// Bytes of a policy as a message: it is held in every replica's memory, and read whole at every refresh.
pub const MAX_POLICY_BYTES: usize = 2 * 1024 * 1024;

/// Reads whom a policy is for.
pub fn scope(field: &str, message: Option<v1::Scope>, faults: &mut Faults) -> Option<Scope> {
    match message.and_then(|scope| scope.kind) {
        Some(v1::scope::Kind::Everyone(_)) => Some(Scope::Everyone),
        Some(v1::scope::Kind::Team(team))
            if team.is_empty() || team.len() > MAX_TEAM_BYTES || team.contains('\0') =>
        {
            faults.add(format!("{field}.team"), "is not 1 to 255 bytes without U+0000");
            None
        }
        Some(v1::scope::Kind::Team(team)) => Some(Scope::Team(team)),
        Some(v1::scope::Kind::AgentId(id)) => {
            faults.parse(&format!("{field}.agent_id"), &id).map(Scope::Agent)
        }
        None => {
            faults.add(field, "wants exactly one of `everyone`, `team` and `agent_id`");
            None
        }
    }
}

/// Writes whom a policy is for.
pub fn scope_message(scope: &Scope) -> v1::Scope {
    let kind = match scope {
        Scope::Everyone => v1::scope::Kind::Everyone(v1::scope::Everyone {}),
        Scope::Team(team) => v1::scope::Kind::Team(team.clone()),
        Scope::Agent(id) => v1::scope::Kind::AgentId(id.to_string()),
    };
    v1::Scope { kind: Some(kind) }
}

/// Reads a policy's scope and rules; the rest of the message is the server's to say. `field` is where the policy
/// stands in its request.
pub fn document(field: &str, message: v1::Policy, faults: &mut Faults) -> Option<Document> {
    if message.encoded_len() > MAX_POLICY_BYTES {
        faults.add(field, format!("is larger than {MAX_POLICY_BYTES} bytes"));
        return None;
    }
    let scope = scope(&super::below(field, "scope"), message.scope, faults)?;
    let rules = |rules: Vec<v1::Rule>| rules.into_iter().map(rule).collect();
    Some(Document {
        scope,
        deny: rules(message.deny),
        require_approval: rules(message.require_approval),
        allow: rules(message.allow),
    })
}

fn rule(message: v1::Rule) -> Rule {
    Rule {
        id: some(message.id),
        action: message.action,
        resource: message.resource,
        conditions: message.conditions.map(|conditions| Conditions {
            env: conditions.env.map(|env| env.values),
            time_range: conditions.time_range.map(|range| TimeRange {
                start: range.start,
                end: range.end,
                tz: range.tz.and_then(some),
            }),
            day_of_week: conditions
                .day_of_week
                .map(|days| DayOfWeek { days: days.days, tz: days.tz.and_then(some) }),
            expression: conditions.expression,
        }),
        reason: some(message.reason),
    }
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Writes a document as a policy without id, version and times.
pub fn policy(document: &Document) -> v1::Policy {
    let rules = |rules: &[Rule]| rules.iter().map(rule_message).collect();
    v1::Policy {
        scope: Some(scope_message(&document.scope)),
        deny: rules(&document.deny),
        require_approval: rules(&document.require_approval),
        allow: rules(&document.allow),
        ..Default::default()
    }
}

/// Writes a stored policy; a deleted one has no rules.
pub fn policy_entry(entry: &PolicyEntry) -> v1::Policy {
    let written = entry.document.as_ref().map(policy).unwrap_or_default();
    v1::Policy {
        policy_id: entry.policy_id.to_string(),
        scope: Some(scope_message(&entry.scope)),
        version: entry.version,
        etag: entry.etag.clone(),
        create_time: Some(timestamp_message(entry.create_time)),
        update_time: Some(timestamp_message(entry.update_time)),
        ..written
    }
}

/// Writes a stored policy without its rules.
pub fn policy_summary(entry: &PolicyEntry) -> v1::PolicySummary {
    let count = |rules: fn(&Document) -> &Vec<Rule>| {
        let count = entry.document.as_ref().map_or(0, |document| rules(document).len());
        i32::try_from(count).unwrap_or(i32::MAX)
    };
    v1::PolicySummary {
        policy_id: entry.policy_id.to_string(),
        scope: Some(scope_message(&entry.scope)),
        version: entry.version,
        etag: entry.etag.clone(),
        create_time: Some(timestamp_message(entry.create_time)),
        update_time: Some(timestamp_message(entry.update_time)),
        deny_count: count(|document| &document.deny),
        require_approval_count: count(|document| &document.require_approval),
        allow_count: count(|document| &document.allow),
    }
}

/// Writes one version of the policy of which `head` is the newest.
pub fn policy_version(head: &PolicyEntry, version: &PolicyVersion) -> v1::PolicyVersion {
    v1::PolicyVersion {
        policy_id: head.policy_id.to_string(),
        version: version.version,
        create_time: Some(timestamp_message(version.create_time)),
        is_current: version.version == head.version,
        is_deletion: version.document.is_none(),
        actor: version.actor.clone(),
    }
}

fn rule_message(rule: &Rule) -> v1::Rule {
    v1::Rule {
        id: rule.id.clone().unwrap_or_default(),
        action: rule.action.clone(),
        resource: rule.resource.clone(),
        conditions: rule.conditions.as_ref().map(|conditions| v1::Conditions {
            env: conditions.env.clone().map(|values| v1::EnvCondition { values }),
            time_range: conditions.time_range.clone().map(|range| v1::TimeRange {
                start: range.start,
                end: range.end,
                tz: range.tz,
            }),
            day_of_week: conditions
                .day_of_week
                .clone()
                .map(|days| v1::DayOfWeek { days: days.days, tz: days.tz }),
            expression: conditions.expression.clone(),
        }),
        reason: rule.reason.clone().unwrap_or_default(),
    }
}

/// Writes a warning; `prefix` is where its policy stands in the request.
pub fn warning(prefix: &str, warning: &Warning) -> v1::PolicyWarning {
    v1::PolicyWarning { field: super::below(prefix, &warning.field), message: warning.message.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::document::from_json;

    fn read(message: v1::Policy) -> Result<Document, crate::service::Error> {
        let mut faults = Faults::default();
        let document = document("policy", message, &mut faults);
        faults.or(document)
    }

    #[test]
    fn a_policy_reads_back() {
        let json = serde_json::json!({"scope": {"team": "data"},
            "deny": [{"id": "x", "action": "delete:*", "resource": "/a/**", "reason": "why", "conditions": {
                "env": {"values": ["prod"]}, "time_range": {"start": "08:00", "end": "18:00", "tz": "Europe/Berlin"},
                "day_of_week": {"days": ["Mon"]}, "expression": "true"}}],
            "require_approval": [{"action": "pay"}], "allow": [{"action": "read:*"}]});
        let written = from_json(&json).unwrap();
        assert_eq!(read(policy(&written)).unwrap(), written);
    }

    #[test]
    fn what_is_present_but_empty_stays_so() {
        let conditions = v1::Conditions {
            env: Some(v1::EnvCondition::default()),
            expression: Some(String::new()),
            ..Default::default()
        };
        let allow = vec![v1::Rule {
            action: "a".into(),
            resource: Some(String::new()),
            conditions: Some(conditions),
            ..Default::default()
        }];
        let everyone = Some(scope_message(&Scope::Everyone));
        let read = read(v1::Policy { scope: everyone, allow, ..Default::default() }).unwrap();
        let rule = &read.allow[0];
        assert_eq!(rule.resource.as_deref(), Some(""));
        let conditions = rule.conditions.as_ref().unwrap();
        assert_eq!((conditions.env.as_deref(), conditions.expression.as_deref()), (Some(&[][..]), Some("")));
        assert_eq!((rule.id.as_deref(), rule.reason.as_deref()), (None, None));
    }

    #[test]
    fn a_policy_has_2_mib_at_most() {
        let sized = |bytes: usize| {
            // Two texts, so that neither is near the size where its length takes another byte.
            let half = MAX_POLICY_BYTES / 2;
            let mut message = v1::Policy {
                scope: Some(scope_message(&Scope::Everyone)),
                policy_id: "p".repeat(half),
                etag: "e".repeat(half),
                ..Default::default()
            };
            let surplus = message.encoded_len() - bytes;
            message.etag.truncate(half - surplus);
            message
        };
        assert_eq!(sized(MAX_POLICY_BYTES).encoded_len(), MAX_POLICY_BYTES);
        assert!(read(sized(MAX_POLICY_BYTES)).is_ok());
        assert!(read(sized(MAX_POLICY_BYTES + 1)).unwrap_err().to_string().starts_with("policy: is larger"));
    }

    #[test]
    fn a_scope_is_required_whole() {
        for (kind, field) in [
            (None, "policy.scope"),
            (Some(v1::scope::Kind::Team(String::new())), "policy.scope.team"),
            (Some(v1::scope::Kind::Team("t".repeat(256))), "policy.scope.team"),
            (Some(v1::scope::Kind::AgentId("agt_x".into())), "policy.scope.agent_id"),
            (Some(v1::scope::Kind::AgentId(String::new())), "policy.scope.agent_id"),
        ] {
            let message = v1::Policy { scope: Some(v1::Scope { kind }), ..Default::default() };
            let error = read(message).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{field}: ")), "{error}");
        }
        let longest = v1::scope::Kind::Team("t".repeat(255));
        assert!(
            read(v1::Policy { scope: Some(v1::Scope { kind: Some(longest) }), ..Default::default() }).is_ok()
        );
    }
}
