//! What every decision is made from: agents, key hashes and compiled policies at one revision, as one immutable value.
//!
//! [`Views`] holds the newest [`View`] and follows the database by polling; a refresh reads what changed and compiles
//! only that. A view confirms itself by the time its confirming read was *sent*, on a clock that counts suspension;
//! one that was not confirmed for too long decides nothing.
//!
//! **Invariant:** a view is never patched, only replaced by one read in one snapshot; an admin write waits here until
//! the view has reached it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use imbl::HashMap;
use tokio::sync::{Mutex, Notify};

use crate::clock::{Clock, Instant};
use crate::ids::{AgentId, KeyId, Revision};
use crate::policy::{self, Compiled, Policies, Scope, ScopeKind, Subject};
use crate::store::changes::{Changes, Rows};
use crate::store::policies::PolicyEntry;
use crate::store::revision::{Act, Stamp};
use crate::store::{self, Store};

pub use crate::store::agents::AgentEntry;
pub use crate::store::keys::KeyEntry;
pub use switches::{KillEntry, LocalSwitches, Switches};

pub mod feed;
mod switches;

/// Agents, keys and policies at one revision. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct View {
    stamp: Stamp,
    agents: HashMap<AgentId, Arc<AgentEntry>>,
    keys: HashMap<KeyId, Arc<KeyEntry>>,
    everyone: Option<Arc<Compiled>>,
    teams: HashMap<String, Arc<Compiled>>,
    agent_policies: HashMap<AgentId, Arc<Compiled>>,
    switches: Switches,
    /// Not of this revision, and not only this view's: what was switched on here while the database was away.
    local: Arc<LocalSwitches>,
}

/// Why no view can be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database does not answer in time.
    #[error("the policy view cannot be refreshed in time")]
    Unavailable,
    /// The view was not confirmed for longer than `MAX_POLICY_STALENESS`.
    #[error("the policy view was not confirmed for too long")]
    Stale,
    /// A revision was asked for that the database never had.
    #[error("revision `{asked}` is not of this database's history; it stands at `{here}`")]
    UnknownRevision {
        /// What was asked for.
        asked: Revision,
        /// Where the database stands.
        here: Revision,
    },
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A stored policy does not compile; nothing is decided without it.
    #[error("the stored policy of {scope} does not compile: {fault}")]
    Policy {
        /// Whose it is.
        scope: String,
        /// The first fault.
        fault: String,
    },
}

impl View {
    /// The revision at which this is everything.
    pub fn revision(&self) -> &Revision {
        &self.stamp.revision
    }

    /// The revision with the token that names it.
    pub const fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// An agent, also a deleted one.
    pub fn agent(&self, id: &AgentId) -> Option<&Arc<AgentEntry>> {
        self.agents.get(id)
    }

    /// A key, also a dead one.
    pub fn key(&self, id: &KeyId) -> Option<&Arc<KeyEntry>> {
        self.keys.get(id)
    }

    /// The widest kill switch that stops an agent.
    pub fn kill_switch(&self, subject: &Subject) -> Option<ScopeKind> {
        // Those of the database first: they are of this revision.
        self.switches.over(subject).or_else(|| self.local.over(subject))
    }

    /// The kill switches that are on everywhere.
    pub const fn switches(&self) -> &Switches {
        &self.switches
    }

    /// The policies that apply to an agent.
    pub fn policies(&self, agent: &AgentEntry) -> Policies<'_> {
        Policies {
            kill_switch: self.kill_switch(&agent.subject),
            everyone: self.everyone.as_deref(),
            team: self.teams.get(&agent.subject.team).map(Arc::as_ref),
            agent: self.agent_policies.get(&agent.subject.id).map(Arc::as_ref),
        }
    }

    /// The compiled policy of a scope.
    pub fn policy(&self, scope: &Scope) -> Option<&Arc<Compiled>> {
        match scope {
            Scope::Everyone => self.everyone.as_ref(),
            Scope::Team(team) => self.teams.get(team),
            Scope::Agent(agent) => self.agent_policies.get(agent),
        }
    }

    /// Agents that are active.
    pub fn active_agents(&self) -> usize {
        self.agents.values().filter(|agent| agent.subject.is_active).count()
    }

    fn empty(stamp: Stamp, local: Arc<LocalSwitches>) -> Self {
        Self {
            stamp,
            agents: HashMap::new(),
            keys: HashMap::new(),
            everyone: None,
            teams: HashMap::new(),
            agent_policies: HashMap::new(),
            switches: Switches::default(),
            local,
        }
    }

    /// This view with `rows` in place of what they replace.
    fn with(mut self, stamp: Stamp, rows: Rows) -> Result<Self, Error> {
        self.stamp = stamp;
        for agent in rows.agents {
            self.agents.insert(agent.subject.id.clone(), Arc::new(agent));
        }
        for key in rows.keys {
            self.keys.insert(key.id.clone(), Arc::new(key));
        }
        for switch in rows.switches {
            self.switches.put(switch);
        }
        for policy in rows.policies {
            let compiled = compile(&policy)?;
            match policy.scope {
                Scope::Everyone => self.everyone = compiled,
                Scope::Team(team) => put(&mut self.teams, team, compiled),
                Scope::Agent(agent) => put(&mut self.agent_policies, agent, compiled),
            }
        }
        Ok(self)
    }
}

fn put<K: Clone + Eq + std::hash::Hash>(
    map: &mut HashMap<K, Arc<Compiled>>,
    key: K,
    value: Option<Arc<Compiled>>,
) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

fn compile(entry: &PolicyEntry) -> Result<Option<Arc<Compiled>>, Error> {
    let Some(document) = &entry.document else { return Ok(None) };
    match policy::compile(document, entry.policy_id.clone(), entry.version) {
        Ok((compiled, _warnings)) => Ok(Some(Arc::new(compiled))),
        Err(faults) => Err(Error::Policy {
            scope: entry.scope.to_string(),
            fault: faults.first().map_or_else(String::new, ToString::to_string),
        }),
    }
}

/// How views follow the database.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Between two polls.
    pub refresh_interval: Duration,
    /// For how long an unconfirmed view may decide.
    pub max_staleness: Duration,
}

/// How long a caller that needs a newer view waits for it.
pub const REFRESH_PATIENCE: Duration = Duration::from_millis(100);

/// How long an admin write waits for the local view to reach it.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// One read may take this long before its connection is thrown away; a slow database is no confirmation.
const READ_DEADLINE: Duration = Duration::from_secs(2);

/// Reads a second that unknown keys may cause on one replica: enough for real new keys, too few to hurt.
pub const UNKNOWN_KEY_READS_PER_SECOND: u64 = 20;

#[derive(Debug)]
struct Confirmed {
    view: Arc<View>,
    /// When the read that confirmed it was sent.
    at: Instant,
}

/// The newest view, and the way to a newer one.
#[derive(Debug)]
pub struct Views {
    store: Store,
    clock: Clock,
    settings: Settings,
    current: ArcSwap<Confirmed>,
    /// Held by the one refresh under way.
    refreshing: Mutex<()>,
    /// Wakes all who wait for a refresh at once: most find their own work done. One after the other through the lock
    /// they would form a convoy that outlasts their patience.
    refreshed: Notify,
    unknown_key_reads: KeyReads,
    local: Arc<LocalSwitches>,
}

/// A bucket of one second.
#[derive(Debug, Default)]
struct KeyReads {
    second: AtomicU64,
    count: AtomicU64,
}

impl KeyReads {
    fn take(&self, now: Instant) -> bool {
        let second = now.since(Instant::from_origin(Duration::ZERO)).as_secs();
        if self.second.swap(second, Ordering::AcqRel) != second {
            self.count.store(0, Ordering::Release);
        }
        self.count.fetch_add(1, Ordering::AcqRel) < UNKNOWN_KEY_READS_PER_SECOND
    }
}

impl Views {
    /// Reads the first view. The task polls from then on, for as long as it is polled itself.
    ///
    /// # Errors
    /// When the database is away, or what it holds cannot be decided by.
    pub async fn start(
        store: Store,
        settings: Settings,
        clock: Clock,
    ) -> Result<(Arc<Self>, impl Future<Output = ()> + Send + 'static), Error> {
        let sent = clock.instant();
        let local = Arc::new(LocalSwitches::default());
        let view = match store.changes(None).await? {
            Changes::Whole(stamp, rows) | Changes::Since(stamp, rows) => {
                View::empty(stamp.clone(), Arc::clone(&local)).with(stamp, rows)?
            }
            Changes::None(_) | Changes::Standby => return Err(Error::Unavailable),
        };
        let views = Arc::new(Self {
            store,
            clock,
            settings,
            current: ArcSwap::from_pointee(Confirmed { view: Arc::new(view), at: sent }),
            refreshing: Mutex::new(()),
            refreshed: Notify::new(),
            unknown_key_reads: KeyReads::default(),
            local,
        });
        let poll = Arc::clone(&views).poll();
        Ok((views, poll))
    }

    async fn poll(self: Arc<Self>) {
        let mut interval = tokio::time::interval(self.settings.refresh_interval);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            if let Err(error) = self.refresh_since(self.clock.instant()).await {
                tracing::warn!(%error, "the policy view was not refreshed");
            }
        }
    }

    /// The newest view, whatever its age.
    pub fn now(&self) -> Arc<View> {
        Arc::clone(&self.current.load().view)
    }

    /// What was switched on in this replica alone.
    pub fn local(&self) -> &LocalSwitches {
        &self.local
    }

    /// How long ago the view was confirmed.
    pub fn age(&self) -> Duration {
        self.clock.instant().since(self.current.load().at)
    }

    /// Refuses when the view was not confirmed for too long. To be asked for each decision and again before its
    /// answer leaves.
    ///
    /// # Errors
    /// [`Error::Stale`].
    pub fn fresh(&self) -> Result<(), Error> {
        if self.age() > self.settings.max_staleness { Err(Error::Stale) } else { Ok(()) }
    }

    /// The newest view, provided that it is fresh and has reached `min`; waits for at most one shared refresh.
    ///
    /// # Errors
    /// [`Error::Stale`], [`Error::Unavailable`], or [`Error::UnknownRevision`] when the database never had it.
    pub async fn at_least(&self, min: Option<&Revision>) -> Result<Arc<View>, Error> {
        self.fresh()?;
        let view = self.now();
        let Some(min) = min else { return Ok(view) };
        if reached(&view, min) {
            return Ok(view);
        }
        self.refresh_within(REFRESH_PATIENCE).await?;
        let view = self.now();
        if reached(&view, min) {
            return Ok(view);
        }
        Err(Error::UnknownRevision { asked: min.clone(), here: view.revision().clone() })
    }

    /// A view read after this call began, within `patience`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when that takes longer.
    pub async fn refresh_within(&self, patience: Duration) -> Result<Arc<View>, Error> {
        let since = self.clock.instant();
        match tokio::time::timeout(patience, self.refresh_since(since)).await {
            Ok(done) => done,
            Err(_) => Err(Error::Unavailable),
        }
    }

    /// Waits for one shared refresh because a well-formed key is not in the view; bounded in rate, so that unknown
    /// keys cannot drive the database.
    pub async fn refresh_for_unknown_key(&self) -> Arc<View> {
        if self.unknown_key_reads.take(self.clock.instant())
            && let Ok(view) = self.refresh_within(REFRESH_PATIENCE).await
        {
            return view;
        }
        self.now()
    }

    /// Reads because somebody says that a revision was written, unless the view has reached it; with `None`, because
    /// something may have been said unheard. Answers whether it read.
    async fn hinted(&self, revision: Option<&str>) -> bool {
        let revision: Option<Revision> = revision.and_then(|text| text.parse().ok());
        if revision.is_some_and(|revision| reached(&self.now(), &revision)) {
            return false;
        }
        if let Err(error) = self.refresh_since(self.clock.instant()).await {
            tracing::debug!(%error, "the policy view was not refreshed at a hint");
        }
        true
    }

    /// Waits until the view has reached a write's revision, through the same refresh as everything else.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not in time; the write stands all the same.
    pub async fn reach(&self, stamp: &Stamp) -> Result<(), Error> {
        let wait = async {
            while !reached(&self.now(), &stamp.revision) {
                let since = self.clock.instant();
                self.refresh_since(since).await?;
                if !reached(&self.now(), &stamp.revision) {
                    // The database was put back meanwhile; the next poll says so.
                    tokio::time::sleep(REFRESH_PATIENCE).await;
                }
            }
            Ok(())
        };
        tokio::time::timeout(WRITE_PATIENCE, wait).await.unwrap_or(Err(Error::Unavailable))
    }

    /// Makes sure that a read sent at or after `since` has confirmed the view. Callers that come while one read is
    /// under way share the next.
    async fn refresh_since(&self, since: Instant) -> Result<Arc<View>, Error> {
        let _turn = loop {
            // Made before the look, so that no end of a refresh is missed in between.
            let refreshed = self.refreshed.notified();
            let current = self.current.load();
            if current.at >= since {
                return Ok(Arc::clone(&current.view));
            }
            match self.refreshing.try_lock() {
                Ok(held) => break Turn { held: Some(held), refreshed: &self.refreshed },
                Err(_) => refreshed.await,
            }
        };
        let current = self.current.load_full();
        if current.at >= since {
            return Ok(Arc::clone(&current.view));
        }
        let sent = self.clock.instant();
        let known = current.view.stamp();
        let changes = tokio::time::timeout(READ_DEADLINE, self.store.changes(Some(known)))
            .await
            .map_err(|_| Error::Unavailable)??;
        let view = match changes {
            Changes::None(_) => Arc::clone(&current.view),
            Changes::Since(stamp, rows) => Arc::new(View::clone(&current.view).with(stamp, rows)?),
            Changes::Whole(stamp, rows) => {
                tracing::error!(
                    known = %known.revision,
                    here = %stamp.revision,
                    "the database is another history than this replica's (a restore, a failover); reading all of it"
                );
                let rebuilt =
                    Arc::new(View::empty(stamp.clone(), Arc::clone(&self.local)).with(stamp.clone(), rows)?);
                self.new_epoch(&stamp).await?;
                rebuilt
            }
            Changes::Standby => return Err(Error::Unavailable),
        };
        self.current.store(Arc::new(Confirmed { view: Arc::clone(&view), at: sent }));
        Ok(view)
    }

    /// A history that lost writes must not reuse their numbers under the same epoch. Whoever notices first opens a
    /// new one; the next poll reads it.
    ///
    /// That the epoch differs from the one known does not show that somebody did: the second restore of one copy
    /// brings the copy's own epoch back. So each epoch says which one it was opened over.
    async fn new_epoch(&self, seen: &Stamp) -> Result<(), Error> {
        let known = self.current.load().view.stamp().clone();
        let detail = lost(known.revision.epoch());
        if self.store.epoch_detail(seen.revision.epoch()).await?.as_ref() == Some(&detail) {
            return Ok(());
        }
        let act = Act {
            actor: "agentguard".into(),
            act: "OpenEpoch",
            target: String::new(),
            request_id: String::new(),
            detail,
            at: self.clock.now(),
            token: crate::entropy::bytes(),
        };
        Ok(self.store.open_epoch(seen, &store::migrate::new_epoch(), &act).await?)
    }
}

/// The one refresh under way; however it ends, who waits is woken.
struct Turn<'a> {
    held: Option<tokio::sync::MutexGuard<'a, ()>>,
    refreshed: &'a Notify,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Freed first, so that one of the woken can take it.
        drop(self.held.take());
        self.refreshed.notify_waiters();
    }
}

/// What the opening of an epoch says: the epoch of which writes were lost, which is hexadecimal.
fn lost(epoch: &str) -> Vec<u8> {
    format!("{{\"lost\":\"{epoch}\"}}").into_bytes()
}

fn reached(view: &View, min: &Revision) -> bool {
    view.revision().epoch() == min.epoch() && view.revision().number() >= min.number()
}
