//! Which kill switches are on: those of the database, a part of the view; and those that were switched on here while
//! the database was away, which hold in this replica until they are written there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use imbl::OrdMap;

use crate::ids::AgentId;
use crate::policy::{Scope, ScopeKind, Subject};

pub use crate::store::kill_switches::KillEntry;

/// The switches that are on. Cloning shares everything.
#[derive(Clone, Debug, Default)]
pub struct Switches {
    everyone: Option<Arc<KillEntry>>,
    teams: OrdMap<String, Arc<KillEntry>>,
    agents: OrdMap<AgentId, Arc<KillEntry>>,
}

impl Switches {
    /// The widest switch that stops an agent.
    pub fn over(&self, subject: &Subject) -> Option<ScopeKind> {
        if self.everyone.is_some() {
            return Some(ScopeKind::Everyone);
        }
        if self.teams.contains_key(&subject.team) {
            return Some(ScopeKind::Team);
        }
        self.agents.contains_key(&subject.id).then_some(ScopeKind::Agent)
    }

    /// The switch of a scope, if it is on.
    pub fn get(&self, scope: &Scope) -> Option<&Arc<KillEntry>> {
        match scope {
            Scope::Everyone => self.everyone.as_ref(),
            Scope::Team(team) => self.teams.get(team),
            Scope::Agent(agent) => self.agents.get(agent),
        }
    }

    /// Those after `after`, in the order everyone, teams, agents.
    pub fn after<'a>(&'a self, after: Option<&'a Scope>) -> impl Iterator<Item = &'a Arc<KillEntry>> {
        let everyone = self.everyone.iter().filter(move |_| after.is_none());
        let later = move |entry: &&Arc<KillEntry>| after.is_none_or(|after| entry.scope > *after);
        everyone.chain(self.teams.values().filter(later)).chain(self.agents.values().filter(later))
    }

    pub(super) fn put(&mut self, entry: KillEntry) {
        let entry = Arc::new(entry);
        match (entry.scope.clone(), entry.is_on) {
            (Scope::Everyone, is_on) => self.everyone = is_on.then_some(entry),
            (Scope::Team(team), true) => drop(self.teams.insert(team, entry)),
            (Scope::Team(team), false) => drop(self.teams.remove(&team)),
            (Scope::Agent(agent), true) => drop(self.agents.insert(agent, entry)),
            (Scope::Agent(agent), false) => drop(self.agents.remove(&agent)),
        }
    }

    fn is_empty(&self) -> bool {
        self.everyone.is_none() && self.teams.is_empty() && self.agents.is_empty()
    }
}

/// The switches of this replica alone. They can only tighten.
#[derive(Debug, Default)]
pub struct LocalSwitches {
    /// Whether there are any, so that a decision pays one load.
    any: AtomicBool,
    on: ArcSwap<Switches>,
}

impl LocalSwitches {
    /// The widest of them that stops an agent.
    pub fn over(&self, subject: &Subject) -> Option<ScopeKind> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        self.on.load().over(subject)
    }

    /// All of them.
    pub fn all(&self) -> Arc<Switches> {
        self.on.load_full()
    }

    /// Switches on.
    pub fn put(&self, entry: &KillEntry) {
        self.change(|switches| switches.put(KillEntry { is_on: true, ..entry.clone() }));
    }

    /// Forgets a scope's switch, because the database has it now or says that it is off.
    pub fn forget(&self, scope: &Scope) {
        self.change(|switches| {
            if let Some(entry) = switches.get(scope).cloned() {
                switches.put(KillEntry { is_on: false, ..KillEntry::clone(&entry) });
            }
        });
    }

    fn change(&self, change: impl Fn(&mut Switches)) {
        self.on.rcu(|switches| {
            let mut switches = Switches::clone(switches);
            change(&mut switches);
            switches
        });
        self.any.store(!self.on.load().is_empty(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::policy::Environment;

    fn entry(scope: Scope, is_on: bool) -> KillEntry {
        let (reason, actor) = ("drill".to_owned(), "admin".to_owned());
        KillEntry { scope, is_on, reason, actor, update_time: Timestamp::from_micros(7) }
    }

    fn subject(id: u128, team: &str) -> Subject {
        Subject {
            id: agent(id),
            name: "a".into(),
            team: team.into(),
            environment: Environment::Production,
            labels: std::collections::BTreeMap::new(),
            is_active: true,
        }
    }

    fn agent(id: u128) -> AgentId {
        AgentId::new(Timestamp::from_micros(1_000_000), id.to_be_bytes())
    }

    #[test]
    fn a_switch_stops_its_scope_and_nobody_else_and_the_widest_is_named() {
        let mut on = Switches::default();
        let (one, other) = (subject(1, "red"), subject(2, "blue"));
        assert_eq!(on.over(&one), None);
        on.put(entry(Scope::Agent(agent(1)), true));
        assert_eq!((on.over(&one), on.over(&other)), (Some(ScopeKind::Agent), None));
        on.put(entry(Scope::Team("red".into()), true));
        assert_eq!((on.over(&one), on.over(&other)), (Some(ScopeKind::Team), None));
        on.put(entry(Scope::Everyone, true));
        assert_eq!((on.over(&one), on.over(&other)), (Some(ScopeKind::Everyone), Some(ScopeKind::Everyone)));
        for scope in [Scope::Everyone, Scope::Team("red".into()), Scope::Agent(agent(1))] {
            on.put(entry(scope, false));
        }
        assert_eq!(on.over(&one), None);
        assert!(on.is_empty());
    }

    #[test]
    fn switches_are_listed_in_one_order_from_any_of_them_on() {
        let mut on = Switches::default();
        let all = [
            Scope::Everyone,
            Scope::Team("a".into()),
            Scope::Team("b".into()),
            Scope::Agent(agent(1)),
            Scope::Agent(agent(2)),
        ];
        for scope in all.iter().rev() {
            on.put(entry(scope.clone(), true));
        }
        let listed =
            |after: Option<&Scope>| on.after(after).map(|entry| entry.scope.clone()).collect::<Vec<_>>();
        assert_eq!(listed(None), all);
        for (at, scope) in all.iter().enumerate() {
            assert_eq!(listed(Some(scope)), all[at + 1..]);
        }
    }

    #[test]
    fn a_local_switch_holds_until_it_is_forgotten() {
        let local = LocalSwitches::default();
        let (one, other) = (subject(1, "red"), subject(2, "blue"));
        local.put(&entry(Scope::Team("red".into()), true));
        assert_eq!((local.over(&one), local.over(&other)), (Some(ScopeKind::Team), None));
        local.forget(&Scope::Everyone);
        assert_eq!(local.over(&one), Some(ScopeKind::Team));
        local.forget(&Scope::Team("red".into()));
        assert_eq!(local.over(&one), None);
    }
}
