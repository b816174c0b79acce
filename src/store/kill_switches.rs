//! Kill switches: one row a scope, kept when switched off, so that a view sees the change.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::policy::Scope;

use super::policies::{scope_columns, scope_of};
use super::revision::{Act, Stamp, admin_write};
use super::{Error, Store, sql, sql_as};

/// A scope's kill switch as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillEntry {
    /// Whose agents it stops.
    pub scope: Scope,
    /// Whether it is on.
    pub is_on: bool,
    /// Why it was switched.
    pub reason: String,
    /// Who switched it.
    pub actor: String,
    /// When.
    pub update_time: Timestamp,
}

/// Bytes of the reason of a switch.
pub const MAX_KILL_REASON_BYTES: usize = 500;

/// How long a switch may wait for others' locks: another replica that was stopped inside a write holds the revision
/// row until the database gives up on it, after a second.
pub const LOCK_PATIENCE: Duration = Duration::from_millis(1_900);

/// `lock_not_available`: somebody else held the revision row for as long as a write waits.
const LOCK_NOT_AVAILABLE: &str = "55P03";

pub(crate) type KillRow = (String, String, bool, String, String, i64);

pub(crate) const CHANGED: &str =
    "select scope_kind, scope_id, is_on, reason, actor, changed_at from kill_switches where revision > $1";
const IS_ON: &str = "select is_on from kill_switches where scope_kind = $1 and scope_id = $2";
const PUT: &str = "insert into kill_switches (scope_kind, scope_id, is_on, reason, actor, changed_at, revision) \
     values ($1, $2, $3, $4, $5, $6, $7) on conflict (scope_kind, scope_id) do update set \
     is_on = excluded.is_on, reason = excluded.reason, actor = excluded.actor, changed_at = excluded.changed_at, \
     revision = excluded.revision";

impl TryFrom<KillRow> for KillEntry {
    type Error = Error;

    fn try_from((kind, id, is_on, reason, actor, changed): KillRow) -> Result<Self, Error> {
        let scope = scope_of(&kind, &id).map_err(|fault| Error::Corrupt {
            table: "kill_switches",
            key: format!("{kind} {id}"),
            fault,
        })?;
        Ok(Self { scope, is_on, reason, actor, update_time: Timestamp::from_micros(changed) })
    }
}

impl Store {
    /// Switches a scope's kill switch, and tries again while somebody else's lock is in the way. The act's token names
    /// the one attempt that is committed.
    ///
    /// # Errors
    /// [`Error::Missing`] when what is to be switched off is not on; or when the database is away, or does not do it
    /// within [`LOCK_PATIENCE`].
    pub async fn set_kill_switch(&self, act: &Act, entry: &KillEntry) -> Result<Stamp, Error> {
        let attempts = async {
            loop {
                match self.try_kill_switch(act, entry).await {
                    Err(error) if is_lock_timeout(&error) => {
                        tracing::warn!("a lock is in the way of a kill switch; trying again");
                    }
                    done => return done,
                }
            }
        };
        let late = || Error::Unavailable(sqlx::Error::PoolTimedOut);
        tokio::time::timeout(LOCK_PATIENCE, attempts).await.unwrap_or_else(|_| Err(late()))
    }

    async fn try_kill_switch(&self, act: &Act, entry: &KillEntry) -> Result<Stamp, Error> {
        let (kind, id) = scope_columns(&entry.scope);
        let ((), stamp) = admin_write!(self, act, |tx, keep, n| {
            if !entry.is_on {
                let row: Option<(bool,)> =
                    sql_as!(keep, (bool,), IS_ON, kind, id).fetch_optional(&mut *tx).await?;
                if !row.is_some_and(|(is_on,)| is_on) {
                    return Err(Error::Missing { what: "kill switch", id: entry.scope.to_string() });
                }
            }
            let (reason, actor) = (entry.reason.as_str(), entry.actor.as_str());
            sql!(keep, PUT, kind, id, entry.is_on, reason, actor, entry.update_time.as_micros(), n)
                .execute(&mut *tx)
                .await?;
            Ok(())
        })?;
        Ok(stamp)
    }
}

fn is_lock_timeout(error: &Error) -> bool {
    let Error::Unavailable(sqlx::Error::Database(error)) = error else { return false };
    error.code().is_some_and(|code| code == LOCK_NOT_AVAILABLE)
}
