//! Reading audit records back, in the order of readers: `(timestamp, chain_no, seq)`, or along one chain.

use std::sync::Arc;

use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use crate::audit::record::{Content, Entry, Hash, Kind, Position, Record};
use crate::clock::Timestamp;
use crate::ids::{AgentId, ChainId, DecisionId};

use super::{Error, Store, on_pool, sql_as};

/// Which records a listing shows; empty fields do not narrow.
#[derive(Clone, Debug, Default)]
pub struct RecordFilter {
    /// Only this agent's.
    pub agent: Option<AgentId>,
    /// Only this canonical action.
    pub action: Option<String>,
    /// Only allowed, or only not allowed ones.
    pub allowed: Option<bool>,
    /// Only this kind.
    pub kind: Option<Kind>,
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
    /// Only of this decision.
    pub decision: Option<String>,
}

/// A place in the order of readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The record's time.
    pub timestamp: Timestamp,
    /// Its chain's number.
    pub chain_no: i64,
    /// Its number in the chain.
    pub seq: i64,
}

/// A chain's cursor as readers see it.
#[derive(Clone, Debug)]
pub struct ChainHead {
    /// The chain.
    pub chain_id: String,
    /// Its number.
    pub chain_no: i64,
    /// Its last record.
    pub head_seq: i64,
    /// That record's hash.
    pub head_hash: Vec<u8>,
    /// Whether its row says that it is closed.
    pub closed: bool,
}

/// A stored record, or why it can be none; verification reports both.
pub type Stored = Result<Record, Broken>;

/// A row of `audit_logs` that is no record any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its chain.
    pub chain_id: String,
    /// Its number there.
    pub seq: i64,
    /// What is wrong.
    pub fault: String,
}

macro_rules! select {
    ($time:literal, $rest:literal) => {
        concat!(
            "select chain_id, chain_no, ",
            $time,
            " as at, seq, form_version, prev_hash, hash, kind, decision_id, agent_id, agent_name, team, environment, \
             labels, agent_active, key_id, action, allowed, verdict, reason_code, rule_id, policies, error_rule_ids, \
             revision, decided_at, request_id, trace_id, idempotency_key, repeat_of, supersedes, approval_id, outcome, \
             replayable, detail, commitment, salt, content from audit_logs ",
            $rest
        )
    };
}

macro_rules! both {
    ($postgres:ident, $sqlite:ident, $rest_pg:literal, $rest_sqlite:literal) => {
        const $postgres: &str = select!("(extract(epoch from timestamp) * 1000000)::bigint", $rest_pg);
        const $sqlite: &str = select!("timestamp", $rest_sqlite);
    };
}

both!(
    LIST_PG,
    LIST_SQLITE,
    "where ($1 = '' or agent_id = $1) and ($2 = '' or action = $2) and ($3 < 0 or allowed = ($3 = 1)) \
     and ($4 = '' or kind = $4) and ($5 = '' or decision_id = $5) \
     and timestamp >= timestamptz 'epoch' + ($6 / 3600000000) * interval '1 hour' + ($6 % 3600000000) * interval '1 microsecond' \
     and timestamp < timestamptz 'epoch' + ($7 / 3600000000) * interval '1 hour' + ($7 % 3600000000) * interval '1 microsecond' \
     and (timestamp, chain_no, seq) > (timestamptz 'epoch' + ($8 / 3600000000) * interval '1 hour' \
       + ($8 % 3600000000) * interval '1 microsecond', $9, $10) \
     order by timestamp, chain_no, seq limit $11",
    "where ($1 = '' or agent_id = $1) and ($2 = '' or action = $2) and ($3 < 0 or allowed = ($3 = 1)) \
     and ($4 = '' or kind = $4) and ($5 = '' or decision_id = $5) and timestamp >= $6 and timestamp < $7 \
     and (timestamp, chain_no, seq) > ($8, $9, $10) order by timestamp, chain_no, seq limit $11"
);
both!(
    LIST_DOWN_PG,
    LIST_DOWN_SQLITE,
    "where ($1 = '' or agent_id = $1) and ($2 = '' or action = $2) and ($3 < 0 or allowed = ($3 = 1)) \
     and ($4 = '' or kind = $4) and ($5 = '' or decision_id = $5) \
     and timestamp >= timestamptz 'epoch' + ($6 / 3600000000) * interval '1 hour' + ($6 % 3600000000) * interval '1 microsecond' \
     and timestamp < timestamptz 'epoch' + ($7 / 3600000000) * interval '1 hour' + ($7 % 3600000000) * interval '1 microsecond' \
     and (timestamp, chain_no, seq) < (timestamptz 'epoch' + ($8 / 3600000000) * interval '1 hour' \
       + ($8 % 3600000000) * interval '1 microsecond', $9, $10) \
     order by timestamp desc, chain_no desc, seq desc limit $11",
    "where ($1 = '' or agent_id = $1) and ($2 = '' or action = $2) and ($3 < 0 or allowed = ($3 = 1)) \
     and ($4 = '' or kind = $4) and ($5 = '' or decision_id = $5) and timestamp >= $6 and timestamp < $7 \
     and (timestamp, chain_no, seq) < ($8, $9, $10) order by timestamp desc, chain_no desc, seq desc limit $11"
);
both!(
    CHAIN_PG,
    CHAIN_SQLITE,
    "where chain_id = $1 and seq > $2 and seq <= $3 order by seq, timestamp limit $4",
    "where chain_id = $1 and seq > $2 and seq <= $3 order by seq, timestamp limit $4"
);
both!(
    OF_DECISION_PG,
    OF_DECISION_SQLITE,
    "where decision_id = $1 and timestamp >= timestamptz 'epoch' + ($2 / 3600000000) * interval '1 hour' \
     order by timestamp, chain_no, seq limit 8",
    "where decision_id = $1 and timestamp >= ($2 / 3600000000) * 3600000000 order by timestamp, chain_no, seq limit 8"
);
both!(
    BY_KEY_PG,
    BY_KEY_SQLITE,
    "where agent_id = $1 and idempotency_key = $2 and kind = 'decision' \
     and timestamp >= timestamptz 'epoch' + ($3 / 3600000000) * interval '1 hour' \
       + ($3 % 3600000000) * interval '1 microsecond' order by timestamp desc, chain_no desc, seq desc limit 1",
    "where agent_id = $1 and idempotency_key = $2 and kind = 'decision' and timestamp >= $3 \
     order by timestamp desc, chain_no desc, seq desc limit 1"
);

const CHAINS: &str = "select chain_id, chain_no, head_seq, head_hash, closed from audit_chains \
     where chain_no > $1 order by chain_no limit $2";
const STRAYS: &str = "select distinct l.chain_id from audit_logs l where not exists \
     (select 1 from audit_chains c where c.chain_id = l.chain_id) limit 10";
const BEYOND: &str = "select count(*) from audit_logs l join audit_chains c on c.chain_id = l.chain_id \
     where l.chain_id = $1 and (l.seq > c.head_seq or l.seq < 1)";
const LISTED: &str = "select next_chain_no, last_chain_id from audit_list where id = 1";

/// A row before it is checked.
struct RecordRow {
    chain_id: String,
    seq: i64,
    record: Result<Record, String>,
}

fn hash(bytes: &[u8], column: &str) -> Result<Hash, String> {
    Hash::try_from(bytes).map_err(|_| format!("`{column}` is not 32 bytes"))
}

impl<'r, R: Row> FromRow<'r, R> for RecordRow
where
    &'static str: ColumnIndex<R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let chain_id: String = row.try_get("chain_id")?;
        let seq: i64 = row.try_get("seq")?;
        let position = |chain: &str, prev: &[u8]| -> Result<Position, String> {
            let get = |column| row.try_get::<i64, _>(column).map_err(|error| error.to_string());
            let at = get("at")?;
            let timestamp = Timestamp::from_micros(at);
            if timestamp.as_micros() != at {
                return Err("`timestamp` lies outside the years 1970 to 9999".into());
            }
            Ok(Position {
                chain_id: chain.parse::<ChainId>().map_err(|_| "`chain_id` is no chain id".to_owned())?,
                chain_no: get("chain_no")?,
                seq,
                timestamp,
                prev_hash: hash(prev, "prev_hash")?,
            })
        };
        let revision: Option<String> = row.try_get("revision")?;
        let kind: String = row.try_get("kind")?;
        let commitment: Option<Vec<u8>> = row.try_get("commitment")?;
        let salt: Option<Vec<u8>> = row.try_get("salt")?;
        let bytes: Option<Vec<u8>> = row.try_get("content")?;
        let prev_hash: Vec<u8> = row.try_get("prev_hash")?;
        let own_hash: Vec<u8> = row.try_get("hash")?;
        let form_version: i64 = row.try_get("form_version")?;
        let mut entry = Entry::new(Kind::Decision);
        entry.decision_id = row.try_get("decision_id")?;
        entry.agent_id = row.try_get("agent_id")?;
        entry.agent_name = row.try_get("agent_name")?;
        entry.team = row.try_get("team")?;
        entry.environment = row.try_get("environment")?;
        entry.labels = row.try_get("labels")?;
        entry.agent_active = row.try_get("agent_active")?;
        entry.key_id = row.try_get("key_id")?;
        entry.action = row.try_get("action")?;
        entry.allowed = row.try_get("allowed")?;
        entry.verdict = row.try_get("verdict")?;
        entry.reason_code = row.try_get("reason_code")?;
        entry.rule_id = row.try_get("rule_id")?;
        entry.policies = row.try_get("policies")?;
        entry.error_rule_ids = row.try_get("error_rule_ids")?;
        entry.decided_at = row.try_get::<Option<i64>, _>("decided_at")?.map(Timestamp::from_micros);
        entry.request_id = row.try_get("request_id")?;
        entry.trace_id = row.try_get("trace_id")?;
        entry.idempotency_key = row.try_get("idempotency_key")?;
        entry.repeat_of = row.try_get("repeat_of")?;
        entry.supersedes = row.try_get("supersedes")?;
        entry.approval_id = row.try_get("approval_id")?;
        entry.outcome = row.try_get("outcome")?;
        entry.replayable = row.try_get("replayable")?;
        entry.detail = row.try_get("detail")?;
        let finish = move || -> Result<Record, String> {
            entry.kind = Kind::parse(&kind).ok_or_else(|| format!("`{kind}` is no kind of record"))?;
            entry.revision = revision
                .map(|text| text.parse())
                .transpose()
                .map_err(|_| "`revision` is no revision".to_owned())?;
            entry.commitment = commitment.map(|bytes| hash(&bytes, "commitment")).transpose()?;
            entry.content = match (salt, bytes) {
                (Some(salt), Some(bytes)) => Some(Content { bytes, salt }),
                (None, None) => None,
                (Some(_), None) | (None, Some(_)) => {
                    return Err("content and salt do not stand together".into());
                }
            };
            Ok(Record {
                position: position(&chain_id, &prev_hash)?,
                form_version,
                hash: hash(&own_hash, "hash")?,
                entry: Arc::new(entry),
            })
        };
        let chain_id = row.try_get("chain_id")?;
        Ok(Self { chain_id, seq, record: finish() })
    }
}

impl RecordRow {
    fn stored(self) -> Stored {
        let (chain_id, seq) = (self.chain_id, self.seq);
        self.record.map_err(|fault| Broken { chain_id, seq, fault })
    }
}

/// One statement in each dialect over the same values.
macro_rules! read_records {
    ($store:expr, $pool:ident, $postgres:expr, $sqlite:expr $(, $value:expr)*) => {{
        let rows: Vec<RecordRow> = match $store {
            Store::Postgres(store) => {
                let whole = store.$pool.whole(async {
                    let mut tx = store.$pool.begin(super::BEGIN_READ).await?;
                    let rows = sqlx::query_as($postgres).persistent(false)$(.bind($value))*.fetch_all(&mut *tx).await;
                    match rows {
                        Ok(rows) => {
                            tx.commit().await?;
                            Ok(rows)
                        }
                        Err(error) => Err(tx.refuse(error.into()).await),
                    }
                });
                whole.await?
            }
            Store::Sqlite(store) => {
                sqlx::query_as($sqlite).persistent(true)$(.bind($value))*.fetch_all(&store.$pool).await?
            }
        };
        rows
    }};
}

fn whole(rows: Vec<RecordRow>) -> Result<Vec<Record>, Error> {
    rows.into_iter()
        .map(|row| {
            row.stored().map_err(|broken| Error::Corrupt {
                table: "audit_logs",
                key: format!("{}/{}", broken.chain_id, broken.seq),
                fault: broken.fault,
            })
        })
        .collect()
}

impl Store {
    /// Up to `limit` records after `after` in the order of readers; `newest_first` turns it round.
    ///
    /// # Errors
    /// When the database is away or a row is no record.
    pub async fn records(
        &self,
        filter: &RecordFilter,
        after: Option<Place>,
        newest_first: bool,
        limit: i64,
    ) -> Result<Vec<Record>, Error> {
        let (postgres, sqlite) =
            if newest_first { (LIST_DOWN_PG, LIST_DOWN_SQLITE) } else { (LIST_PG, LIST_SQLITE) };
        let edge = if newest_first { Timestamp::from_micros(i64::MAX) } else { Timestamp::from_micros(0) };
        let beyond = if newest_first { i64::MAX } else { -1 };
        let after = after.unwrap_or(Place { timestamp: edge, chain_no: beyond, seq: beyond });
        let allowed = filter.allowed.map_or(-1_i64, i64::from);
        let until = filter.until.map_or(i64::MAX / 4, Timestamp::as_micros);
        let rows = read_records!(
            self,
            exports,
            postgres,
            sqlite,
            filter.agent.as_ref().map_or("", AgentId::as_str),
            filter.action.as_deref().unwrap_or(""),
            allowed,
            filter.kind.map_or("", Kind::as_str),
            filter.decision.as_deref().unwrap_or(""),
            filter.from.map_or(0, Timestamp::as_micros),
            until.min(Timestamp::from_micros(i64::MAX).as_micros().saturating_add(1)),
            after.timestamp.as_micros(),
            after.chain_no,
            after.seq,
            limit
        );
        whole(rows)
    }

    /// Up to `limit` rows of a chain, above `after` and up to `until`, in order.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn chain_records(
        &self,
        chain: &str,
        after: i64,
        until: i64,
        limit: i64,
    ) -> Result<Vec<Stored>, Error> {
        let rows = read_records!(self, exports, CHAIN_PG, CHAIN_SQLITE, chain, after, until, limit);
        Ok(rows.into_iter().map(RecordRow::stored).collect())
    }

    /// The records that carry a decision's id: the decision, then its outcomes. The id's own time prunes months; a
    /// record is never older than its id by more than `slack`.
    ///
    /// # Errors
    /// When the database is away or a row is no record.
    pub async fn decision_records(
        &self,
        id: &DecisionId,
        slack: std::time::Duration,
    ) -> Result<Vec<Record>, Error> {
        let from = id.born().minus(slack).as_micros();
        whole(read_records!(self, main, OF_DECISION_PG, OF_DECISION_SQLITE, id.as_str(), from))
    }

    /// The newest decision of `agent` under an idempotency key, not older than `since`.
    ///
    /// # Errors
    /// When the database is away or a row is no record.
    pub async fn decision_by_key(
        &self,
        agent: &AgentId,
        key: &str,
        since: Timestamp,
    ) -> Result<Option<Record>, Error> {
        let rows =
            read_records!(self, main, BY_KEY_PG, BY_KEY_SQLITE, agent.as_str(), key, since.as_micros());
        Ok(whole(rows)?.into_iter().next())
    }

    /// Up to `limit` chains above number `after`.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn chains(&self, after: i64, limit: i64) -> Result<Vec<ChainHead>, Error> {
        type ChainRow = (String, i64, i64, Vec<u8>, bool);
        let rows: Vec<ChainRow> =
            on_pool!(self, exports, |tx, keep| Ok(sql_as!(keep, ChainRow, CHAINS, after, limit)
                .fetch_all(&mut *tx)
                .await?))?;
        Ok(rows
            .into_iter()
            .map(|(chain_id, chain_no, head_seq, head_hash, closed)| ChainHead {
                chain_id,
                chain_no,
                head_seq,
                head_hash,
                closed,
            })
            .collect())
    }

    /// The number the next chain gets and the chain opened last.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn chain_list(&self) -> Result<(i64, Option<String>), Error> {
        on_pool!(self, exports, |tx, keep| Ok(sql_as!(keep, (i64, Option<String>), LISTED)
            .fetch_one(&mut *tx)
            .await?))
    }

    /// Up to ten chains that have records but no row.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn stray_chains(&self) -> Result<Vec<String>, Error> {
        let rows: Vec<(String,)> = on_pool!(self, exports, |tx, keep| Ok(sql_as!(keep, (String,), STRAYS)
            .fetch_all(&mut *tx)
            .await?))?;
        Ok(rows.into_iter().map(|(chain,)| chain).collect())
    }

    /// How many rows of a chain lie outside 1 to its head, both read in one snapshot.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn records_beyond(&self, chain: &str) -> Result<i64, Error> {
        let (count,): (i64,) = on_pool!(self, exports, |tx, keep| Ok(sql_as!(keep, (i64,), BEYOND, chain)
            .fetch_one(&mut *tx)
            .await?))?;
        Ok(count)
    }
}
