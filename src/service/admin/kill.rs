//! Kill switches. The one admin write that also works without the database: then it holds in this replica's memory,
//! and a task writes it down as soon as the database is back.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use super::policies::target;
use super::{AdminService, Caller};
use crate::audit::outbox::Outbox;
use crate::entropy;
use crate::ids::AgentId;
use crate::pb::v1;
use crate::policy::Scope;
use crate::service::convert::{self, Faults};
use crate::service::{Error, page};
use crate::store::kill_switches::MAX_KILL_REASON_BYTES;
use crate::store::revision::Act;
use crate::store::{self, Store};
use crate::view::feed::Feed;
use crate::view::{KillEntry, REFRESH_PATIENCE, Views};

/// Between two attempts to write down what holds here only.
const MERGE_INTERVAL: Duration = Duration::from_millis(500);

/// Writes switches, one at a time: a switch that is written down late must not come after one that undid it.
#[derive(Clone)]
pub(super) struct Switchboard {
    store: Store,
    views: Arc<Views>,
    outbox: Outbox,
    feed: Feed,
    turn: Arc<Mutex<()>>,
    /// Switches that are still to be written down.
    merging: TaskTracker,
}

impl Switchboard {
    pub(super) fn new(store: Store, views: Arc<Views>, outbox: Outbox, feed: Feed) -> Self {
        Self { store, views, outbox, feed, turn: Arc::default(), merging: TaskTracker::new() }
    }

    /// Writes a switch that holds here only, until that has been done. The act keeps who, when and why.
    async fn merge(self, act: Act, entry: KillEntry) {
        loop {
            tokio::time::sleep(MERGE_INTERVAL).await;
            let _turn = self.turn.lock().await;
            // Switched off meanwhile, or replaced by a later one, which has a task of its own.
            if self.views.local().all().get(&entry.scope).is_none_or(|local| **local != entry) {
                return;
            }
            let act = Act { token: entropy::bytes(), ..act.clone() };
            match self.store.set_kill_switch(&act, &entry).await {
                Ok(stamp) => {
                    self.feed.tell(&stamp);
                    self.outbox.tell(&act, &stamp);
                    // Not before the view has it, or agents would slip through in between.
                    if self.views.reach(&stamp).await.is_ok() {
                        self.views.local().forget(&entry.scope);
                        tracing::warn!(scope = %entry.scope, "the kill switch of this replica holds everywhere now");
                        return;
                    }
                }
                Err(error) => tracing::debug!(%error, "the kill switch still holds in this replica only"),
            }
        }
    }
}

impl AdminService {
    pub(super) async fn switch(
        &self,
        caller: &Caller,
        message: v1::SetKillSwitchRequest,
    ) -> Result<v1::SetKillSwitchResponse, Error> {
        let mut faults = Faults::default();
        let scope = convert::scope("scope", message.scope, &mut faults);
        if message.is_on.is_none() {
            faults.add("is_on", "is required");
        }
        if message.is_on == Some(true) && message.reason.trim().is_empty() {
            faults.add("reason", "is required to switch on");
        }
        if message.reason.len() > MAX_KILL_REASON_BYTES {
            faults.add("reason", format!("is longer than {MAX_KILL_REASON_BYTES} bytes"));
        }
        if message.reason.contains('\0') {
            faults.add("reason", "contains the character U+0000");
        }
        let (scope, is_on) = faults.or(scope.zip(message.is_on))?;
        self.require_agent(&scope).await?;
        let entry = KillEntry {
            scope,
            is_on,
            reason: message.reason,
            actor: caller.admin.actor().to_owned(),
            update_time: caller.at,
        };
        let detail = json!({"is_on": entry.is_on, "reason": entry.reason});
        let act = self.act(caller, "SetKillSwitch", &target(&entry.scope), &detail);
        let _turn = self.switchboard.turn.lock().await;
        match self.store.set_kill_switch(&act, &entry).await {
            Ok(stamp) => {
                let revision = self.settle(&act, &stamp).await?;
                self.views.local().forget(&entry.scope);
                tracing::warn!(scope = %entry.scope, is_on, actor = entry.actor, "a kill switch was switched");
                Ok(v1::SetKillSwitchResponse { kill_switch: Some(shown(&entry, false)), revision })
            }
            Err(store::Error::Missing { .. }) => {
                // Off already; but it may be that this replica alone has it on.
                self.views.local().forget(&entry.scope);
                let revision = self.store.stamp().await?.revision.to_string();
                Ok(v1::SetKillSwitchResponse { kill_switch: Some(shown(&entry, false)), revision })
            }
            Err(error @ store::Error::Unavailable(_)) if is_on => {
                self.views.local().put(&entry);
                tracing::error!(
                    %error, scope = %entry.scope, actor = entry.actor,
                    "a kill switch was switched on in this replica only, because the database is away"
                );
                drop(self.switchboard.merging.spawn(self.switchboard.clone().merge(act, entry.clone())));
                let kill_switch = Some(shown(&entry, true));
                Ok(v1::SetKillSwitchResponse { kill_switch, revision: String::new() })
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn switches(
        &self,
        mut message: v1::ListKillSwitchesRequest,
    ) -> Result<v1::ListKillSwitchesResponse, Error> {
        let size = page::size(std::mem::take(&mut message.page_size))?;
        let token = std::mem::take(&mut message.page_token);
        let listing = page::Listing::new("ListKillSwitches", &message);
        let after: Option<Position> = listing.parsed(&token)?;
        let after = after.map(|Position(scope)| scope);
        // The newest there is; without the database, the newest that is known.
        let view = match self.views.refresh_within(REFRESH_PATIENCE).await {
            Ok(view) => view,
            Err(_) => self.views.now(),
        };
        let local = self.views.local().all();
        let mut rows: Vec<_> = view
            .switches()
            .after(after.as_ref())
            .take(size + 1)
            .filter(|entry| local.get(&entry.scope).is_none())
            .map(|entry| (Arc::clone(entry), false))
            .chain(local.after(after.as_ref()).take(size + 1).map(|entry| (Arc::clone(entry), true)))
            .collect();
        rows.sort_by(|(one, _), (other, _)| one.scope.cmp(&other.scope));
        rows.truncate(size + 1);
        let (kill_switches, next_page_token) = listing.fill(
            rows,
            size,
            |(entry, _)| Position(entry.scope.clone()).to_string(),
            |(entry, is_local)| shown(&entry, is_local),
        );
        Ok(v1::ListKillSwitchesResponse { kill_switches, next_page_token })
    }

    /// Refuses a scope whose agent there never was. Asks the view first: an agent can be stopped without the database.
    async fn require_agent(&self, scope: &Scope) -> Result<(), Error> {
        match scope {
            Scope::Agent(id) if self.views.now().agent(id).is_none() => self.agent(id).await.map(drop),
            Scope::Agent(_) | Scope::Everyone | Scope::Team(_) => Ok(()),
        }
    }
}

fn shown(entry: &KillEntry, this_replica_only: bool) -> v1::KillSwitch {
    v1::KillSwitch {
        scope: Some(convert::scope_message(&entry.scope)),
        is_on: entry.is_on,
        reason: entry.reason.clone(),
        actor: entry.actor.clone(),
        update_time: Some(convert::timestamp_message(entry.update_time)),
        this_replica_only,
    }
}

/// Where a page ends.
struct Position(Scope);

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Scope::Everyone => f.write_str("everyone"),
            Scope::Team(team) => write!(f, "team {team}"),
            Scope::Agent(id) => write!(f, "agent {id}"),
        }
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let scope = match text.split_once(' ') {
            None if text == "everyone" => Scope::Everyone,
            Some(("team", team)) => Scope::Team(team.to_owned()),
            Some(("agent", id)) => Scope::Agent(id.parse::<AgentId>().map_err(drop)?),
            None | Some(_) => return Err(()),
        };
        Ok(Self(scope))
    }
}
