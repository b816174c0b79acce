//! Agent keys: only their hashes are here.

use crate::clock::Timestamp;
use crate::ids::{AgentId, KeyId};

use super::revision::{Act, Stamp, admin_write};
use super::{Error, Store, on_pool, sql, sql_as};

/// How many keys of one agent may be live at once (enough to rotate, few enough to know them).
pub const MAX_LIVE_KEYS: i64 = 10;

/// A key as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its id, which the key itself carries.
    pub id: KeyId,
    /// Whose it is.
    pub agent_id: AgentId,
    /// The hash of its secret.
    pub hash: [u8; 32],
    /// Under which pepper the hash was made, if any.
    pub pepper_id: Option<String>,
    /// When it was made.
    pub create_time: Timestamp,
    /// From when on it is refused.
    pub expire_time: Option<Timestamp>,
    /// When it was revoked.
    pub revoke_time: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_time: Option<Timestamp>,
}

/// A key to be stored.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its id.
    pub id: KeyId,
    /// Whose it is.
    pub agent_id: AgentId,
    /// The hash of its secret.
    pub hash: [u8; 32],
    /// Under which pepper the hash was made, if any.
    pub pepper_id: Option<String>,
    /// When it is made.
    pub create_time: Timestamp,
    /// From when on it is refused.
    pub expire_time: Option<Timestamp>,
}

pub(crate) type KeyRow =
    (String, String, Vec<u8>, Option<String>, i64, Option<i64>, Option<i64>, Option<i64>);

pub(crate) const CHANGED: &str = "select key_id, agent_id, hash, pepper_id, created_at, expires_at, revoked_at, last_used_at \
     from agent_keys where revision > $1";
const OF_AGENT: &str = "select key_id, agent_id, hash, pepper_id, created_at, expires_at, revoked_at, last_used_at \
     from agent_keys where agent_id = $1 and key_id > $2 order by key_id limit $3";
const BY_ID: &str = "select key_id, agent_id, hash, pepper_id, created_at, expires_at, revoked_at, last_used_at \
     from agent_keys where key_id = $1";
const LIVE: &str = "select count(*) from agent_keys where agent_id = $1 and revoked_at is null \
     and (expires_at is null or expires_at > $2)";
const AGENT_LIVES: &str = "select count(*) from agents where agent_id = $1 and deleted_at is null";
pub(crate) const INSERT: &str = "insert into agent_keys \
     (key_id, agent_id, hash, pepper_id, created_at, expires_at, revoked_at, last_used_at, revision) \
     values ($1, $2, $3, $4, $5, $6, null, null, $7)";
const REVOKE: &str =
    "update agent_keys set revoked_at = $2, revision = $3 where key_id = $1 and revoked_at is null";
pub(crate) const REVOKE_ALL: &str =
    "update agent_keys set revoked_at = $2, revision = $3 where agent_id = $1 and revoked_at is null";
const USED: &str =
    "update agent_keys set last_used_at = $2 where key_id = $1 and coalesce(last_used_at, 0) < $2";

/// Inserts a [`NewKey`] inside an admin write.
macro_rules! insert {
    ($keep:expr, $tx:ident, $key:expr, $n:expr) => {
        $crate::store::sql!(
            $keep,
            $crate::store::keys::INSERT,
            $key.id.as_str(),
            $key.agent_id.as_str(),
            $key.hash.as_slice(),
            $key.pepper_id.as_deref(),
            $key.create_time.as_micros(),
            $key.expire_time.map(crate::clock::Timestamp::as_micros),
            $n
        )
        .execute(&mut *$tx)
        .await?
    };
}
pub(crate) use insert;

impl TryFrom<KeyRow> for KeyEntry {
    type Error = Error;

    fn try_from(row: KeyRow) -> Result<Self, Error> {
        let (id, agent_id, hash, pepper_id, created, expires, revoked, used) = row;
        let corrupt =
            |fault: &str| Error::Corrupt { table: "agent_keys", key: id.clone(), fault: fault.into() };
        Ok(Self {
            agent_id: agent_id.parse().map_err(|_| corrupt("the agent id is none"))?,
            hash: <[u8; 32]>::try_from(hash.as_slice()).map_err(|_| corrupt("the hash is not 32 bytes"))?,
            pepper_id,
            create_time: Timestamp::from_micros(created),
            expire_time: expires.map(Timestamp::from_micros),
            revoke_time: revoked.map(Timestamp::from_micros),
            last_used_time: used.map(Timestamp::from_micros),
            id: id.parse().map_err(|_| corrupt("the id is no key id"))?,
        })
    }
}

impl Store {
    /// Up to `limit` keys of an agent after `after`, dead ones included, in the order of their making.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn keys(
        &self,
        agent: &AgentId,
        after: Option<&KeyId>,
        limit: i64,
    ) -> Result<Vec<KeyEntry>, Error> {
        let after = after.map_or("", KeyId::as_str);
        let rows: Vec<KeyRow> = on_pool!(self, admin, |tx, keep| Ok(sql_as!(
            keep,
            KeyRow,
            OF_AGENT,
            agent.as_str(),
            after,
            limit
        )
        .fetch_all(&mut *tx)
        .await?))?;
        rows.into_iter().map(KeyEntry::try_from).collect()
    }

    /// Adds a key to an agent.
    ///
    /// # Errors
    /// [`Error::Missing`] for an unknown or deleted agent, [`Error::Bound`] when it has ten live keys; or when the
    /// database is away.
    pub async fn create_key(&self, act: &Act, key: &NewKey) -> Result<Stamp, Error> {
        let ((), stamp) = admin_write!(self, act, |tx, keep, n| {
            let (agents,): (i64,) =
                sql_as!(keep, (i64,), AGENT_LIVES, key.agent_id.as_str()).fetch_one(&mut *tx).await?;
            if agents == 0 {
                return Err(Error::Missing { what: "agent", id: key.agent_id.to_string() });
            }
            let (live,): (i64,) = sql_as!(keep, (i64,), LIVE, key.agent_id.as_str(), act.at.as_micros())
                .fetch_one(&mut *tx)
                .await?;
            if live >= MAX_LIVE_KEYS {
                return Err(Error::Bound(format!(
                    "the agent has {live} live keys, the most it may have; revoke one first"
                )));
            }
            insert!(keep, tx, key, n);
            Ok(())
        })?;
        Ok(stamp)
    }

    /// Revokes a key and answers what it is now. Revoking a dead key again changes nothing but the revision.
    ///
    /// # Errors
    /// [`Error::Missing`] for an unknown key; or when the database is away.
    pub async fn revoke_key(&self, act: &Act, id: &KeyId) -> Result<(KeyEntry, Stamp), Error> {
        admin_write!(self, act, |tx, keep, n| {
            sql!(keep, REVOKE, id.as_str(), act.at.as_micros(), n).execute(&mut *tx).await?;
            let row: Option<KeyRow> =
                sql_as!(keep, KeyRow, BY_ID, id.as_str()).fetch_optional(&mut *tx).await?;
            row.map(KeyEntry::try_from)
                .transpose()?
                .ok_or_else(|| Error::Missing { what: "key", id: id.to_string() })
        })
    }

    /// Notes when keys were last used. No change of policy, so no revision.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn touch_keys(&self, used: &[(KeyId, Timestamp)]) -> Result<(), Error> {
        match self {
            Self::Postgres(store) => {
                let whole = store.admin.whole(async {
                    let mut tx = store.admin.begin(super::BEGIN_WRITE).await?;
                    for (id, at) in used {
                        sql!(false, USED, id.as_str(), at.as_micros()).execute(&mut *tx).await?;
                    }
                    Ok(tx.commit().await?)
                });
                whole.await?;
            }
            Self::Sqlite(store) => {
                let mut tx = store.admin.begin_with("begin immediate").await?;
                for (id, at) in used {
                    sql!(true, USED, id.as_str(), at.as_micros()).execute(&mut *tx).await?;
                }
                tx.commit().await?;
            }
        }
        Ok(())
    }
}
