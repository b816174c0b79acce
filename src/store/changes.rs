//! What a view needs to follow the database: the revision, and what changed since the one it knows, read in one
//! snapshot on the poll's own connection.

use super::agents::{AgentEntry, AgentRow};
use super::keys::{KeyEntry, KeyRow};
use super::kill_switches::{KillEntry, KillRow};
use super::policies::{PolicyEntry, PolicyRow};
use super::revision::{READ, Stamp, StampRow, stamp};
use super::{Error, Store, sql_as};

/// The rows that changed, deletions included (as rows with their time of deletion or without a document).
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Agents.
    pub agents: Vec<AgentEntry>,
    /// Keys.
    pub keys: Vec<KeyEntry>,
    /// Policies.
    pub policies: Vec<PolicyEntry>,
    /// Kill switches.
    pub switches: Vec<KillEntry>,
}

/// What the database says to a view.
#[derive(Clone, Debug)]
pub enum Changes {
    /// Nothing changed.
    None(Stamp),
    /// What changed since the revision asked with.
    Since(Stamp, Rows),
    /// Everything: nothing was asked with, or the database is another history (a restore, a failover).
    Whole(Stamp, Rows),
    /// The server is a hot standby; what it says confirms nothing.
    Standby,
}

const TOKEN_OF: &str = "select token from revisions where epoch = $1 and n = $2";
const STANDBY: &str = "select pg_is_in_recovery()";

impl Store {
    /// Reads the revision and what changed after `known`, in one snapshot.
    ///
    /// # Errors
    /// When the database is away, or a row is no domain value.
    pub async fn changes(&self, known: Option<&Stamp>) -> Result<Changes, Error> {
        macro_rules! read {
            ($tx:expr, $keep:expr) => {{
                let row: StampRow = sql_as!($keep, StampRow, READ).fetch_one(&mut *$tx).await?;
                let stamp = stamp(row)?;
                let mut since = None;
                if let Some(known) = known
                    && *known != stamp
                {
                    let own: Option<(Vec<u8>,)> =
                        sql_as!($keep, (Vec<u8>,), TOKEN_OF, known.revision.epoch(), known.revision.number())
                            .fetch_optional(&mut *$tx)
                            .await?;
                    let same_history = own.is_some_and(|(token,)| token == known.token);
                    // Numbers go on over an epoch that was opened on top of what is known.
                    since = (same_history && stamp.revision.number() > known.revision.number())
                        .then(|| known.revision.number());
                }
                if known == Some(&stamp) {
                    Changes::None(stamp)
                } else {
                    let after = since.unwrap_or(-1);
                    let rows = Rows::new(
                        sql_as!($keep, AgentRow, super::agents::CHANGED, after).fetch_all(&mut *$tx).await?,
                        sql_as!($keep, KeyRow, super::keys::CHANGED, after).fetch_all(&mut *$tx).await?,
                        sql_as!($keep, PolicyRow, super::policies::CHANGED, after)
                            .fetch_all(&mut *$tx)
                            .await?,
                        sql_as!($keep, KillRow, super::kill_switches::CHANGED, after)
                            .fetch_all(&mut *$tx)
                            .await?,
                    )?;
                    if since.is_some() { Changes::Since(stamp, rows) } else { Changes::Whole(stamp, rows) }
                }
            }};
        }
        match self {
            Self::Postgres(store) => {
                let lane = &store.poll;
                let mut connection = lane.take().await?;
                sqlx::raw_sql(super::BEGIN_READ).execute(&mut connection).await?;
                let (standby,): (bool,) =
                    sql_as!(lane.direct(), (bool,), STANDBY).fetch_one(&mut connection).await?;
                let link = &mut connection;
                let changes = if standby { Changes::Standby } else { read!(link, lane.direct()) };
                sqlx::raw_sql("commit").execute(&mut connection).await?;
                lane.put(connection).await;
                Ok(changes)
            }
            Self::Sqlite(store) => {
                let mut tx = store.poll.begin().await?;
                let changes = read!(tx, true);
                tx.commit().await?;
                Ok(changes)
            }
        }
    }
}

impl Rows {
    fn new(
        agents: Vec<AgentRow>,
        keys: Vec<KeyRow>,
        policies: Vec<PolicyRow>,
        switches: Vec<KillRow>,
    ) -> Result<Self, Error> {
        Ok(Self {
            agents: agents.into_iter().map(AgentEntry::try_from).collect::<Result<_, _>>()?,
            keys: keys.into_iter().map(KeyEntry::try_from).collect::<Result<_, _>>()?,
            policies: policies.into_iter().map(PolicyEntry::try_from).collect::<Result<_, _>>()?,
            switches: switches.into_iter().map(KillEntry::try_from).collect::<Result<_, _>>()?,
        })
    }
}
