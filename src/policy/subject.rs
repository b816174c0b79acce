//! Who asks, and whom a policy is for.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::ids::AgentId;

/// Where an agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Environment {
    /// `development`.
    Development,
    /// `staging`.
    Staging,
    /// `production`.
    Production,
}

/// The text names no environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no environment; one of `development`, `staging`, `production`")]
pub struct UnknownEnvironment(String);

impl Environment {
    /// Every environment.
    pub const ALL: [Self; 3] = [Self::Development, Self::Staging, Self::Production];

    /// The environment's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// The environment's bit in a set of environments.
    pub(super) const fn bit(self) -> u8 {
        match self {
            Self::Development => 1,
            Self::Staging => 2,
            Self::Production => 4,
        }
    }
}

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    /// Also reads the short forms `dev` and `prod`.
    fn from_str(text: &str) -> Result<Self, UnknownEnvironment> {
        match text {
            "development" | "dev" => Ok(Self::Development),
            "staging" => Ok(Self::Staging),
            "production" | "prod" => Ok(Self::Production),
            other => Err(UnknownEnvironment(other.chars().take(64).collect())),
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whom a policy is for. There is at most one policy for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every agent.
    Everyone,
    /// The agents of a team.
    Team(String),
    /// One agent.
    Agent(AgentId),
}

impl Scope {
    /// The kind of scope, without whose it is.
    pub const fn kind(&self) -> ScopeKind {
        match self {
            Self::Everyone => ScopeKind::Everyone,
            Self::Team(_) => ScopeKind::Team,
            Self::Agent(_) => ScopeKind::Agent,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone"),
            Self::Team(team) => write!(f, "team `{team}`"),
            Self::Agent(id) => write!(f, "agent `{id}`"),
        }
    }
}

/// The kind of a [`Scope`]; the order is the one in which rules are reported: the agent's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScopeKind {
    /// The agent's own policy.
    Agent,
    /// Its team's policy.
    Team,
    /// Everyone's policy.
    Everyone,
}

impl ScopeKind {
    /// `agent`, `team` or `everyone`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Team => "team",
            Self::Everyone => "everyone",
        }
    }
}

impl fmt::Display for ScopeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The agent that asks, as it is known at the moment of the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The agent's id.
    pub id: AgentId,
    /// Its name.
    pub name: String,
    /// Its team.
    pub team: String,
    /// Where it runs.
    pub environment: Environment,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it may ask at all; an inactive agent is denied everything.
    pub is_active: bool,
}
