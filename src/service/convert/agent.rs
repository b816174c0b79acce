//! Agents and their keys.

use std::collections::BTreeMap;

use prost_types::FieldMask;

use super::{Faults, below, timestamp_message};
use crate::clock::Timestamp;
use crate::ids::AgentId;
use crate::pb::v1;
use crate::policy::{Environment, Subject};
use crate::service::Error;
use crate::store::agents::{AgentChange, AgentEntry};
use crate::store::keys::KeyEntry;

/// Bytes of an agent's name, and of a team's.
pub const MAX_NAME_BYTES: usize = 255;
/// Labels of an agent; they are walked by expressions and kept in every record.
pub const MAX_LABELS: usize = 64;
/// Bytes of a label's key, as Kubernetes has it.
pub const MAX_LABEL_KEY_BYTES: usize = 63;
/// Bytes of a label's value.
pub const MAX_LABEL_VALUE_BYTES: usize = 255;

/// An agent as described, whole; who it is, is the server's to say.
pub fn subject(field: &str, message: v1::Agent, id: AgentId, faults: &mut Faults) -> Option<Subject> {
    let at = |name: &str| below(field, name);
    check_name(&at("name"), &message.name, faults);
    check_name(&at("team"), &message.team, faults);
    let environment: Option<Environment> = faults.parse(&at("environment"), &message.environment);
    check_labels(&at("labels"), &message.labels, faults);
    Some(Subject {
        id,
        name: message.name,
        team: message.team,
        environment: environment?,
        labels: message.labels,
        is_active: message.is_active.unwrap_or(true),
    })
}

/// What an update changes.
///
/// # Errors
/// [`Error::Invalid`] with every bad field; also if nothing is to be changed.
pub fn agent_change(message: v1::UpdateAgentRequest) -> Result<(AgentId, AgentChange), Error> {
    let mut faults = Faults::default();
    let agent = message.agent.unwrap_or_default();
    let id = faults.parse("agent.agent_id", &agent.agent_id);
    let mask = Mask::of(message.update_mask, &agent, &mut faults);
    let mut change = AgentChange::default();
    if mask.name {
        check_name("agent.name", &agent.name, &mut faults);
        change.name = Some(agent.name);
    }
    if mask.team {
        check_name("agent.team", &agent.team, &mut faults);
        change.team = Some(agent.team);
    }
    if mask.environment {
        change.environment = faults.parse("agent.environment", &agent.environment);
    }
    if mask.labels {
        check_labels("agent.labels", &agent.labels, &mut faults);
        change.labels = Some(agent.labels);
    }
    if mask.is_active {
        if agent.is_active.is_none() {
            faults.add("agent.is_active", "is in the mask and has no value");
        }
        change.is_active = agent.is_active;
    }
    faults.or(id.map(|id| (id, change)))
}

/// Which fields an update means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mask {
    name: bool,
    team: bool,
    environment: bool,
    labels: bool,
    is_active: bool,
}

impl Mask {
    fn of(mask: Option<FieldMask>, agent: &v1::Agent, faults: &mut Faults) -> Self {
        let mut out = Self::default();
        match mask {
            Some(mask) => {
                for path in &mask.paths {
                    out.add(path, faults);
                }
            }
            None => {
                out = Self {
                    name: !agent.name.is_empty(),
                    team: !agent.team.is_empty(),
                    environment: !agent.environment.is_empty(),
                    labels: !agent.labels.is_empty(),
                    is_active: agent.is_active.is_some(),
                };
            }
        }
        if out == Self::default() {
            faults.add("update_mask", "names nothing to change");
        }
        out
    }

    fn add(&mut self, path: &str, faults: &mut Faults) {
        match path {
            "name" => self.name = true,
            "team" => self.team = true,
            "environment" => self.environment = true,
            "labels" => self.labels = true,
            "is_active" => self.is_active = true,
            "*" => *self = Self { name: true, team: true, environment: true, labels: true, is_active: true },
            other => {
                let shown: String = other.chars().take(64).collect();
                let known = "`name`, `team`, `environment`, `labels`, `is_active`, `*`";
                faults.add("update_mask", format!("`{shown}` is not one of {known}"));
            }
        }
    }
}

fn check_name(field: &str, name: &str, faults: &mut Faults) {
    if name.is_empty() {
        faults.add(field, "is required");
    } else if name.len() > MAX_NAME_BYTES || name.contains('\0') {
        faults.add(field, format!("is not 1 to {MAX_NAME_BYTES} bytes without U+0000"));
    }
}

fn check_labels(field: &str, labels: &BTreeMap<String, String>, faults: &mut Faults) {
    if labels.len() > MAX_LABELS {
        faults.add(field, format!("has {} labels; at most {MAX_LABELS} are accepted", labels.len()));
        return;
    }
    for (key, value) in labels {
        let shown: String = key.chars().take(64).collect();
        if key.is_empty() || key.len() > MAX_LABEL_KEY_BYTES || key.contains('\0') {
            let message = format!("the key `{shown}` is not 1 to {MAX_LABEL_KEY_BYTES} bytes without U+0000");
            faults.add(field, message);
        } else if value.len() > MAX_LABEL_VALUE_BYTES || value.contains('\0') {
            let message = format!("is not at most {MAX_LABEL_VALUE_BYTES} bytes without U+0000");
            faults.add(format!("{field}[{shown:?}]"), message);
        }
    }
}

/// Writes an agent.
pub fn agent_message(agent: &AgentEntry) -> v1::Agent {
    v1::Agent {
        agent_id: agent.subject.id.to_string(),
        name: agent.subject.name.clone(),
        team: agent.subject.team.clone(),
        environment: agent.subject.environment.to_string(),
        labels: agent.subject.labels.clone(),
        is_active: Some(agent.subject.is_active),
        create_time: Some(timestamp_message(agent.create_time)),
        update_time: Some(timestamp_message(agent.update_time)),
        delete_time: agent.delete_time.map(timestamp_message),
    }
}

/// Writes what is known of a key at `now`. A deleted agent's keys are revoked with it.
pub fn key_message(key: &KeyEntry, now: Timestamp) -> v1::AgentKey {
    let expired = key.expire_time.is_some_and(|at| at <= now);
    v1::AgentKey {
        key_id: key.id.to_string(),
        agent_id: key.agent_id.to_string(),
        is_live: key.revoke_time.is_none() && !expired,
        create_time: Some(timestamp_message(key.create_time)),
        expire_time: key.expire_time.map(timestamp_message),
        revoke_time: key.revoke_time.map(timestamp_message),
        last_use_time: key.last_used_time.map(timestamp_message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described() -> v1::Agent {
        v1::Agent {
            agent_id: "agt_01h455vb4pex5vsknk084sn02q".into(),
            name: "reader".into(),
            team: "data".into(),
            environment: "prod".into(),
            ..Default::default()
        }
    }

    fn read(message: v1::Agent) -> Result<Subject, Error> {
        let mut faults = Faults::default();
        let subject =
            subject("agent", message, AgentId::new(Timestamp::from_micros(0), [0; 16]), &mut faults);
        faults.or(subject)
    }

    fn fields<T: std::fmt::Debug>(read: Result<T, Error>) -> Vec<String> {
        let Error::Invalid(faults) = read.unwrap_err() else { panic!("another error") };
        faults.into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn an_agent_is_active_unless_said_otherwise() {
        assert!(read(described()).unwrap().is_active);
        assert!(!read(v1::Agent { is_active: Some(false), ..described() }).unwrap().is_active);
        assert_eq!(read(described()).unwrap().environment, Environment::Production);
    }

    #[test]
    fn name_team_and_environment_are_required() {
        assert_eq!(fields(read(v1::Agent::default())), ["agent.name", "agent.team", "agent.environment"]);
        assert_eq!(
            fields(read(v1::Agent { environment: "test".into(), ..described() })),
            ["agent.environment"]
        );
    }

    #[test]
    fn every_bound_holds_at_n_and_not_at_n_plus_1() {
        let labels = |count: usize, key: usize, value: usize| {
            let label = |at: usize| (format!("{at:0key$}"), "v".repeat(value));
            v1::Agent { labels: (0..count).map(label).collect(), ..described() }
        };
        assert!(read(labels(64, 63, 255)).is_ok());
        assert_eq!(fields(read(labels(65, 63, 255))), ["agent.labels"]);
        assert_eq!(fields(read(labels(1, 64, 255))), ["agent.labels"]);
        assert_eq!(fields(read(labels(1, 1, 256))), ["agent.labels[\"0\"]"]);
        assert!(read(v1::Agent { name: "n".repeat(255), team: "t".repeat(255), ..described() }).is_ok());
        assert_eq!(fields(read(v1::Agent { name: "n".repeat(256), ..described() })), ["agent.name"]);
        assert_eq!(fields(read(v1::Agent { team: "t\0".into(), ..described() })), ["agent.team"]);
    }

    fn update(agent: v1::Agent, mask: Option<&[&str]>) -> Result<AgentChange, Error> {
        let update_mask =
            mask.map(|paths| FieldMask { paths: paths.iter().map(ToString::to_string).collect() });
        agent_change(v1::UpdateAgentRequest { agent: Some(agent), update_mask }).map(|(_, change)| change)
    }

    #[test]
    fn a_mask_changes_what_it_names_and_nothing_else() {
        let change = update(described(), Some(&["team", "labels"])).unwrap();
        assert_eq!((change.team.as_deref(), change.labels), (Some("data"), Some(BTreeMap::new())));
        assert_eq!((change.name, change.environment, change.is_active), (None, None, None));
    }

    #[test]
    fn without_a_mask_what_is_set_is_changed() {
        let change =
            update(v1::Agent { is_active: Some(false), name: String::new(), ..described() }, None).unwrap();
        assert_eq!((change.is_active, change.name, change.labels), (Some(false), None, None));
        assert_eq!(change.team.as_deref(), Some("data"));
    }

    #[test]
    fn a_mask_with_nothing_or_something_unknown_is_refused() {
        assert_eq!(fields(update(described(), Some(&[]))), ["update_mask"]);
        assert_eq!(fields(update(described(), Some(&["name", "create_time"]))), ["update_mask"]);
        assert_eq!(fields(update(described(), Some(&["*"]))), ["agent.is_active"]);
        assert_eq!(fields(update(v1::Agent::default(), Some(&["name"]))), ["agent.agent_id", "agent.name"]);
    }
}
