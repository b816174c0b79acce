//! What the written policies mean, by a model that shares nothing with the product: a state is what a sequence of
//! writes left, and gives each check one verdict.

use imbl::{HashMap, Vector};

/// Actions that checks ask about: the tool `read`, `write`, `send`, `buy` on the thing `it`.
pub const ACTIONS: [&str; 4] = ["read:it", "write:it", "send:it", "buy:it"];

/// One of [`ACTIONS`], by its place.
pub type Action = u8;

/// An agent, a key: numbered by the test in the order of its wish to make them.
pub type AgentNo = u32;
pub type KeyNo = u32;

/// What a caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Allow,
    Approval,
    Deny,
    /// The key opens nothing; stricter than any verdict.
    Refused,
}

/// Whose policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Everyone,
    Team,
    Agent(AgentNo),
}

/// A policy: for each list, one bit an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    pub allow: u8,
    pub approval: u8,
    pub deny: u8,
}

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    CreateAgent {
        agent: AgentNo,
        key: KeyNo,
    },
    CreateKey {
        agent: AgentNo,
        key: KeyNo,
    },
    RevokeKey(KeyNo),
    SetActive(AgentNo, bool),
    DeleteAgent(AgentNo),
    SetPolicy(Scope, Rules),
    DeletePolicy(Scope),
    KillSwitch(Scope, bool),
    /// To a version of the scope's policy, from 1.
    RollBack(Scope, usize),
}

/// Everything that decides, after some writes. Cloning shares.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Living agents, and whether they are active.
    agents: HashMap<AgentNo, bool>,
    /// Living keys of living agents.
    keys: HashMap<KeyNo, AgentNo>,
    /// Every version of a scope's policy, deletions included; the last one counts.
    policies: HashMap<Scope, Vector<Option<Rules>>>,
    /// Kill switches that are on.
    killed: HashMap<Scope, ()>,
}

impl State {
    /// This state after one more write.
    pub fn after(&self, effect: Effect) -> Self {
        let mut next = self.clone();
        match effect {
            Effect::CreateAgent { agent, key } => {
                next.agents.insert(agent, true);
                next.keys.insert(key, agent);
            }
            Effect::CreateKey { agent, key } => drop(next.keys.insert(key, agent)),
            Effect::RevokeKey(key) => drop(next.keys.remove(&key)),
            Effect::SetActive(agent, is_active) => drop(next.agents.insert(agent, is_active)),
            Effect::DeleteAgent(agent) => drop(next.agents.remove(&agent)),
            Effect::SetPolicy(scope, rules) => next.version(scope, Some(rules)),
            Effect::DeletePolicy(scope) => next.version(scope, None),
            Effect::KillSwitch(scope, true) => drop(next.killed.insert(scope, ())),
            Effect::KillSwitch(scope, false) => drop(next.killed.remove(&scope)),
            Effect::RollBack(scope, version) => {
                let rules = self.policies.get(&scope).and_then(|all| *all.get(version.checked_sub(1)?)?);
                next.version(scope, rules);
            }
        }
        next
    }

    fn version(&mut self, scope: Scope, rules: Option<Rules>) {
        self.policies.entry(scope).or_default().push_back(rules);
    }

    /// The verdict on `action` for whoever comes with `key`.
    pub fn verdict(&self, key: KeyNo, action: Action) -> Verdict {
        let Some(agent) = self.keys.get(&key) else { return Verdict::Refused };
        let Some(is_active) = self.agents.get(agent) else { return Verdict::Refused };
        let scopes = [Scope::Everyone, Scope::Team, Scope::Agent(*agent)];
        if !is_active || scopes.iter().any(|scope| self.killed.contains_key(scope)) {
            return Verdict::Deny;
        }
        let apply = scopes.iter().filter_map(|scope| *self.policies.get(scope)?.last()?);
        let all = apply.fold(Rules::default(), |all, one| Rules {
            allow: all.allow | one.allow,
            approval: all.approval | one.approval,
            deny: all.deny | one.deny,
        });
        let has = |list: u8| list >> action & 1 == 1;
        match (has(all.deny), has(all.approval), has(all.allow)) {
            (true, _, _) => Verdict::Deny,
            (false, true, _) => Verdict::Approval,
            (false, false, true) => Verdict::Allow,
            (false, false, false) => Verdict::Deny,
        }
    }
}
