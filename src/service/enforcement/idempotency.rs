//! Repeats on this replica: which decision an idempotency key stands for.
//!
//! An entry lives for ten minutes from its first decision. While a first call is under way its repeats wait for it;
//! if it fails, the next of them becomes the first. Every agent has a share of the map, and pushes out only its own
//! oldest entries.
//!
//! Repeats that are under way at the same time count as one: a client that sends a check over a thousand connections
//! at once gets one decision, while one that plays an old answer again and again is soon decided anew.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::audit::record::Hash;
use crate::clock::{Instant, Timestamp};
use crate::ids::{AgentId, DecisionId, Revision};
use crate::policy::Decision;

/// Entries in all: about 100 MiB at worst.
pub const CAPACITY: usize = 262_144;

/// Entries of one agent: a sixteenth, so that sixteen busy agents leave nobody out.
pub const AGENT_SHARE: usize = CAPACITY / 16;

/// How long a key stands for its decision.
pub const LIFETIME: Duration = Duration::from_secs(600);

/// How often a decision is answered again before it is made and recorded anew.
pub const MAX_REPEATS: u32 = 16;

/// How long repeats may go on joining those under way. Without a bound, ever overlapping ones would never be decided
/// anew.
pub const BURST: Duration = Duration::from_secs(1);

/// A decision as a repeat of its call is answered.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// Over the request's content.
    pub digest: Hash,
    /// The decision's id.
    pub decision_id: DecisionId,
    /// The decision.
    pub decision: Decision,
    /// The canonical action.
    pub action: crate::policy::Action,
    /// The revision it was decided at.
    pub revision: Revision,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// How often it was answered again; what is under way with a repeat is not counted for it.
    pub repeats: u32,
}

type Key = (AgentId, String);

#[derive(Debug)]
enum Slot {
    /// The first call is under way; the channel closes when it ends.
    Pending(watch::Receiver<()>),
    /// The first call was told that nothing is known of its commit, and nothing is known of it yet.
    Doubt,
    Done {
        remembered: Box<Remembered>,
        since: Instant,
        burst: Burst,
    },
}

/// Repeats of one key under way at the same time.
#[derive(Debug, Default)]
struct Burst {
    open: u32,
    began: Option<Instant>,
    /// Whether the burst is in its entry's count already.
    counted: bool,
}

impl Burst {
    /// Takes one more in; answers what of the entry's count is this burst's own.
    fn join(&mut self, now: Instant) -> u32 {
        let joins = self.open > 0 && self.began.is_some_and(|began| now.since(began) < BURST);
        if !joins {
            self.began = Some(now);
            self.counted = false;
        }
        self.open = self.open.saturating_add(1);
        u32::from(self.counted)
    }
}

/// What a call with a key is to do.
#[derive(Debug)]
pub enum Claim {
    /// Decide and record: it is the first, and holds the key until the turn is dropped.
    First(Turn),
    /// Wait until this channel closes, then ask again.
    Wait(watch::Receiver<()>),
    /// Be refused: the first call's decision may yet be committed, so that neither it nor a second one can be answered.
    Doubt,
    /// There is a decision; the call is one more of its repeats.
    Known(Box<Remembered>, Repeat),
}

/// A repeat under way, until dropped.
#[derive(Debug)]
pub struct Repeat {
    map: Arc<Idempotency>,
    key: Key,
    /// Of which decision: the key may stand for another one by the end.
    decision_id: DecisionId,
    answered: bool,
}

/// The keys in use.
#[derive(Debug, Default)]
pub struct Idempotency {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    slots: HashMap<Key, Slot>,
    /// Each agent's finished keys, oldest first.
    agents: HashMap<AgentId, VecDeque<(String, Instant)>>,
    finished: usize,
}

/// Holds a key for the one call that decides it; dropping it without [`Turn::finish`] frees the key.
#[derive(Debug)]
pub struct Turn {
    map: Arc<Idempotency>,
    key: Key,
    /// The entry that was there before, put back if the call fails.
    before: Option<(Box<Remembered>, Instant)>,
    /// Closes when this turn ends, and wakes who waits.
    ended: Option<watch::Sender<()>>,
}

impl Idempotency {
    /// What a call of `agent` under `key` is to do now.
    pub fn claim(self: &Arc<Self>, agent: &AgentId, key: &str, now: Instant) -> Claim {
        let mut state = self.lock();
        let key = (agent.clone(), key.to_owned());
        match state.slots.get_mut(&key) {
            Some(Slot::Pending(ended)) => return Claim::Wait(ended.clone()),
            Some(Slot::Doubt) => return Claim::Doubt,
            Some(Slot::Done { remembered, since, burst }) if now.since(*since) < LIFETIME => {
                let own = burst.join(now);
                let mut known = remembered.clone();
                known.repeats = known.repeats.saturating_sub(own);
                let decision_id = known.decision_id.clone();
                let repeat = Repeat { map: Arc::clone(self), key, decision_id, answered: false };
                return Claim::Known(known, repeat);
            }
            Some(Slot::Done { .. }) | None => {}
        }
        Claim::First(self.pend(&mut state, key, None))
    }

    /// Takes the key of a known decision to decide it anew. `None` if another call took it first.
    pub fn retake(self: &Arc<Self>, agent: &AgentId, key: &str) -> Option<Turn> {
        let mut state = self.lock();
        let key = (agent.clone(), key.to_owned());
        let before = match state.slots.get(&key)? {
            Slot::Pending(_) | Slot::Doubt => return None,
            Slot::Done { remembered, since, .. } => (remembered.clone(), *since),
        };
        Some(self.pend(&mut state, key, Some(before)))
    }

    fn pend(
        self: &Arc<Self>,
        state: &mut State,
        key: Key,
        before: Option<(Box<Remembered>, Instant)>,
    ) -> Turn {
        let (ended, waiting) = watch::channel(());
        state.slots.insert(key.clone(), Slot::Pending(waiting));
        Turn { map: Arc::clone(self), key, before, ended: Some(ended) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Repeat {
    /// The known decision is answered once more.
    pub fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Repeat {
    fn drop(&mut self) {
        let mut state = self.map.lock();
        if let Some(Slot::Done { remembered, burst, .. }) = state.slots.get_mut(&self.key)
            && remembered.decision_id == self.decision_id
        {
            burst.open = burst.open.saturating_sub(1);
            if self.answered && !burst.counted {
                burst.counted = true;
                remembered.repeats = remembered.repeats.saturating_add(1);
            }
        }
    }
}

impl Turn {
    /// The decision was recorded: the key stands for it from now on. A stricter one that replaces an entry keeps the
    /// entry's age.
    pub fn finish(mut self, remembered: Remembered, now: Instant) {
        let since = self.before.take().map(|(_, since)| since);
        let map = Arc::clone(&self.map);
        map.lock().keep(&self.key, Box::new(remembered), since, now);
    }

    /// Nothing is known of the decision's commit: who waits is woken, and until the turn is dropped nobody decides the
    /// key. A second decision would stand beside the first if that was committed after all.
    pub fn doubt(&mut self) {
        let mut state = self.map.lock();
        if let Some(slot @ Slot::Pending(_)) = state.slots.get_mut(&self.key) {
            *slot = Slot::Doubt;
        }
        drop(state);
        self.ended = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let map = Arc::clone(&self.map);
        let mut state = map.lock();
        if let Some(Slot::Pending(_) | Slot::Doubt) = state.slots.get(&self.key) {
            match self.before.take() {
                Some((remembered, since)) => {
                    let burst = Burst::default();
                    state.slots.insert(self.key.clone(), Slot::Done { remembered, since, burst });
                }
                None => drop(state.slots.remove(&self.key)),
            }
        }
    }
}

impl State {
    /// `since` is given for an entry that is replaced and so is in its agent's queue already.
    fn keep(&mut self, key: &Key, remembered: Box<Remembered>, since: Option<Instant>, now: Instant) {
        let replaced = since.is_some();
        let since = since.unwrap_or(now);
        self.slots.insert(key.clone(), Slot::Done { remembered, since, burst: Burst::default() });
        if replaced {
            return;
        }
        self.agents.entry(key.0.clone()).or_default().push_back((key.1.clone(), since));
        self.finished += 1;
        self.expire(&key.0, now);
        if self.agents.get(&key.0).is_some_and(|own| own.len() > AGENT_SHARE) {
            self.push_out(&key.0);
        }
        if self.finished > CAPACITY {
            let largest = self.agents.iter().max_by_key(|(_, own)| own.len()).map(|(agent, _)| agent.clone());
            if let Some(largest) = largest {
                self.push_out(&largest);
            }
        }
    }

    fn expire(&mut self, agent: &AgentId, now: Instant) {
        while self
            .agents
            .get(agent)
            .and_then(VecDeque::front)
            .is_some_and(|(_, since)| now.since(*since) >= LIFETIME)
        {
            self.push_out(agent);
        }
    }

    fn push_out(&mut self, agent: &AgentId) {
        let Some(own) = self.agents.get_mut(agent) else { return };
        if let Some((key, since)) = own.pop_front() {
            self.finished = self.finished.saturating_sub(1);
            let key = (agent.clone(), key);
            // A key that was decided again since has a younger entry further back in the queue.
            if matches!(self.slots.get(&key), Some(Slot::Done { since: own, .. }) if *own == since) {
                self.slots.remove(&key);
            }
        }
        if own.is_empty() {
            self.agents.remove(agent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Action, ReasonCode, Verdict};

    fn agent() -> AgentId {
        AgentId::new(Timestamp::from_micros(0), [1; 16])
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(seconds))
    }

    fn remembered() -> Remembered {
        Remembered {
            digest: [0; 32],
            decision_id: DecisionId::new(Timestamp::from_micros(0), [2; 16]),
            decision: Decision::recorded(Verdict::Deny, ReasonCode::DeniedDefault, None),
            action: Action::parse("read:file").unwrap(),
            revision: Revision::new("e", 1),
            decided_at: Timestamp::from_micros(0),
            repeats: 0,
        }
    }

    #[test]
    fn a_repeat_waits_for_the_first_and_then_knows_it() {
        let map = Arc::new(Idempotency::default());
        let Claim::First(turn) = map.claim(&agent(), "k", at(0)) else { panic!() };
        assert!(matches!(map.claim(&agent(), "k", at(0)), Claim::Wait(_)));
        turn.finish(remembered(), at(0));
        assert!(matches!(map.claim(&agent(), "k", at(599)), Claim::Known(..)));
        assert!(matches!(map.claim(&agent(), "k", at(600)), Claim::First(_)));
    }

    #[test]
    fn a_failed_first_call_leaves_no_entry() {
        let map = Arc::new(Idempotency::default());
        drop(map.claim(&agent(), "k", at(0)));
        assert!(matches!(map.claim(&agent(), "k", at(0)), Claim::First(_)));
    }

    #[tokio::test]
    async fn a_key_in_doubt_is_nobodys_and_keeps_nobody_waiting() {
        let map = Arc::new(Idempotency::default());
        let Claim::First(mut turn) = map.claim(&agent(), "k", at(0)) else { panic!() };
        let Claim::Wait(mut waiting) = map.claim(&agent(), "k", at(0)) else { panic!() };
        turn.doubt();
        assert!(waiting.changed().await.is_err(), "who waits is woken");
        assert!(matches!(map.claim(&agent(), "k", at(0)), Claim::Doubt));
        assert!(map.retake(&agent(), "k").is_none());
        drop(turn);
        assert!(matches!(map.claim(&agent(), "k", at(0)), Claim::First(_)));
    }

    #[tokio::test]
    async fn who_waited_for_a_first_call_that_failed_goes_on() {
        let map = Arc::new(Idempotency::default());
        let Claim::First(turn) = map.claim(&agent(), "k", at(0)) else { panic!() };
        let Claim::Wait(mut ended) = map.claim(&agent(), "k", at(0)) else { panic!() };
        let (waited, ()) = tokio::join!(ended.changed(), async { drop(turn) });
        assert!(waited.is_err());
        assert!(matches!(map.claim(&agent(), "k", at(0)), Claim::First(_)));
    }

    #[test]
    fn a_full_map_pushes_out_the_oldest_of_whoever_has_most() {
        let map = Arc::new(Idempotency::default());
        let agent = |number: u8| AgentId::new(Timestamp::from_micros(0), [number; 16]);
        let keep = |number: u8, key: usize| {
            let Claim::First(turn) = map.claim(&agent(number), &key.to_string(), at(0)) else { panic!() };
            turn.finish(remembered(), at(0));
        };
        let knows = |number: u8, key: usize| {
            matches!(map.claim(&agent(number), &key.to_string(), at(0)), Claim::Known(..))
        };
        for number in 0..16 {
            // The first has most, by one.
            (0..AGENT_SHARE - usize::from(number != 0)).for_each(|key| keep(number, key));
        }
        for number in 16..31 {
            keep(number, 0);
        }
        assert_eq!(map.lock().finished, CAPACITY);
        assert!(knows(0, 0));
        keep(31, 0);
        assert_eq!(map.lock().finished, CAPACITY);
        assert!(knows(0, 1) && (1..32).all(|number| knows(number, 0)), "another agent's key is gone");
        assert!(!knows(0, 0), "the oldest of the fullest stayed");
    }

    #[test]
    fn a_failed_second_decision_leaves_the_first() {
        let map = Arc::new(Idempotency::default());
        let Claim::First(turn) = map.claim(&agent(), "k", at(0)) else { panic!() };
        turn.finish(remembered(), at(0));
        drop(map.retake(&agent(), "k"));
        assert!(matches!(map.claim(&agent(), "k", at(1)), Claim::Known(..)));
    }

    fn known(map: &Arc<Idempotency>, now: Instant) -> (u32, Repeat) {
        let Claim::Known(known, repeat) = map.claim(&agent(), "k", now) else { panic!() };
        (known.repeats, repeat)
    }

    #[test]
    fn repeats_count_one_by_one() {
        let map = Arc::new(Idempotency::default());
        let Claim::First(turn) = map.claim(&agent(), "k", at(0)) else { panic!() };
        turn.finish(remembered(), at(0));
        for before in 0..20 {
            let (repeats, repeat) = known(&map, at(0));
            assert_eq!(repeats, before);
            repeat.answered();
            // One that was not answered, because it failed or was refused, does not count.
            drop(known(&map, at(0)));
        }
    }

    #[test]
    fn repeats_under_way_at_the_same_time_count_as_one_for_a_second() {
        let map = Arc::new(Idempotency::default());
        let Claim::First(turn) = map.claim(&agent(), "k", at(0)) else { panic!() };
        turn.finish(remembered(), at(0));
        let (_, held) = known(&map, at(0));
        for _ in 0..1_000 {
            let (repeats, repeat) = known(&map, at(0));
            assert_eq!(repeats, 0);
            repeat.answered();
        }
        let (repeats, late) = known(&map, at(1));
        assert_eq!(repeats, 1);
        late.answered();
        held.answered();
        assert_eq!(known(&map, at(1)).0, 2);
    }

    #[test]
    fn an_agent_pushes_out_only_its_own_oldest() {
        let map = Arc::new(Idempotency::default());
        let other = AgentId::new(Timestamp::from_micros(0), [3; 16]);
        for (agent, count) in [(&other, 1), (&agent(), AGENT_SHARE + 1)] {
            for number in 0..count {
                let Claim::First(turn) = map.claim(agent, &number.to_string(), at(0)) else { panic!() };
                turn.finish(remembered(), at(0));
            }
        }
        assert!(matches!(map.claim(&other, "0", at(0)), Claim::Known(..)));
        assert!(matches!(map.claim(&agent(), "0", at(0)), Claim::First(_)));
        assert!(matches!(map.claim(&agent(), "1", at(0)), Claim::Known(..)));
    }
}
