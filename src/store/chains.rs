//! The audit chains' side of the database: opening, appending under a head check, reading heads.
//!
//! The appender has a connection of its own, thrown away whenever an operation does not end well, so that no late
//! answer of one statement is ever taken for another's.

use sqlx::SqlitePool;
use sqlx::postgres::PgConnection;

use crate::audit::machine::{Batch, Head, Listed, Outcome};
use crate::audit::record::Hash;
use crate::clock::Timestamp;
use crate::ids::{ChainId, Revision};

use super::lane::Lane;
use super::revision::{Stamp, StampRow, stamp};
use super::{Error, Store, sql, sql_as};

mod rows;

use rows::{admin_rows, column, rows_json, texts};

/// The audit writer's own way to the database.
#[derive(Debug)]
pub enum Appender {
    /// PostgreSQL: one connection, opened again after every failure.
    Postgres(Box<Lane>),
    /// SQLite: a pool of one.
    Sqlite(SqlitePool),
}

/// A transaction in which the list of chains is locked.
#[derive(Debug)]
pub enum Opened {
    /// PostgreSQL's connection, inside its transaction.
    Postgres(Box<PgConnection>),
    /// SQLite's transaction.
    Sqlite(Box<sqlx::Transaction<'static, sqlx::Sqlite>>),
}

/// Written once for both dialects; lists the columns of a record but `chain_id` and `chain_no`.
macro_rules! record_columns {
    () => {
        "seq, timestamp, form_version, prev_hash, hash, kind, decision_id, agent_id, agent_name, team, environment, \
         labels, agent_active, key_id, action, allowed, verdict, reason_code, rule_id, policies, error_rule_ids, \
         revision, decided_at, request_id, trace_id, idempotency_key, repeat_of, supersedes, approval_id, outcome, \
         replayable, detail, commitment, salt, content"
    };
}

const LOCK_LIST: &str =
    "update audit_list set next_chain_no = next_chain_no where id = 1 returning next_chain_no, last_chain_id";
const PREVIOUS: &str = "select head_seq, head_hash from audit_chains where chain_id = $1";
const ADVANCE_LIST: &str = "update audit_list set next_chain_no = $1, last_chain_id = $2 where id = 1";
const ADD_CHAIN: &str = "insert into audit_chains (chain_id, chain_no, head_seq, head_hash, closed, seen_at) \
     values ($1, $2, $3, $4, $5, 0)";
const HEAD: &str = "select c.head_seq, c.head_hash, c.closed, \
     (select l.hash from audit_logs l where l.chain_id = c.chain_id and l.seq = $2 limit 1), r.epoch, r.n, r.token \
     from audit_chains c, revision r where c.chain_id = $1 and r.id = 1";

/// Moves the head and inserts the rows in one statement: no head, no rows. Times go over in whole hours and
/// microseconds, since an interval is multiplied in floating point and days depend on the session's zone.
/// `seen_at` is the database's clock, which the janitor compares it with.
const APPEND_PG: &str = concat!(
    "with h as (update audit_chains set head_seq = $3, head_hash = $4, closed = $5, seen_at = (extract(epoch from clock_timestamp()) * 1000000)::bigint \
       where chain_id = $1 and head_seq = $6 and head_hash = $7 and not closed returning chain_id), \
     i as (insert into audit_logs (chain_id, chain_no, ",
    record_columns!(),
    ") select h.chain_id, $2, t.seq, timestamptz 'epoch' \
       + (t.at / 3600000000) * interval '1 hour' + (t.at % 3600000000) * interval '1 microsecond', t.form_version, t.prev_hash, \
       t.hash, t.kind, t.decision_id, t.agent_id, t.agent_name, t.team, t.environment, t.labels, t.agent_active, \
       t.key_id, t.action, t.allowed, t.verdict, t.reason_code, t.rule_id, t.policies, t.error_rule_ids, t.revision, \
       t.decided_at, t.request_id, t.trace_id, t.idempotency_key, t.repeat_of, t.supersedes, t.approval_id, t.outcome, \
       t.replayable, t.detail, t.commitment, t.salt, t.content \
       from h, unnest($8::bigint[], $9::bigint[], $10::bigint[], $11::bytea[], $12::bytea[], $13::text[], $14::text[], \
       $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::boolean[], $21::text[], $22::text[], \
       $23::boolean[], $24::text[], $25::text[], $26::text[], $27::text[], $28::text[], $29::text[], $30::bigint[], \
       $31::text[], $32::text[], $33::text[], $34::text[], $35::text[], $36::text[], $37::text[], $38::boolean[], \
       $39::text[], $40::bytea[], $41::bytea[], $42::bytea[]) as t (seq, at, form_version, prev_hash, hash, kind, \
       decision_id, agent_id, agent_name, team, environment, labels, agent_active, key_id, action, allowed, verdict, \
       reason_code, rule_id, policies, error_rule_ids, revision, decided_at, request_id, trace_id, idempotency_key, \
       repeat_of, supersedes, approval_id, outcome, replayable, detail, commitment, salt, content)), \
     o as (insert into revision_records (epoch, n, chain_id, seq) \
       select a.epoch, a.n, h.chain_id, a.seq from h, unnest($43::text[], $44::bigint[], $45::bigint[]) as a (epoch, n, seq)) \
     select r.epoch, r.n, r.token, (select count(*) from h) from revision r where r.id = 1"
);

const MOVE_HEAD: &str = "update audit_chains set head_seq = $2, head_hash = $3, closed = $4, \
     seen_at = cast(unixepoch('subsec') * 1000000 as integer) \
     where chain_id = $1 and head_seq = $5 and head_hash = $6 and closed = 0";
const ADD_ROWS_SQLITE: &str = concat!(
    "insert into audit_logs (chain_id, chain_no, ",
    record_columns!(),
    ") select $1, $2, v.value ->> 'seq', v.value ->> 'timestamp', v.value ->> 'form_version', \
       unhex(v.value ->> 'prev_hash'), unhex(v.value ->> 'hash'), v.value ->> 'kind', v.value ->> 'decision_id', \
       v.value ->> 'agent_id', v.value ->> 'agent_name', v.value ->> 'team', v.value ->> 'environment', \
       v.value ->> 'labels', v.value ->> 'agent_active', v.value ->> 'key_id', v.value ->> 'action', \
       v.value ->> 'allowed', v.value ->> 'verdict', v.value ->> 'reason_code', v.value ->> 'rule_id', \
       v.value ->> 'policies', v.value ->> 'error_rule_ids', v.value ->> 'revision', v.value ->> 'decided_at', \
       v.value ->> 'request_id', v.value ->> 'trace_id', v.value ->> 'idempotency_key', v.value ->> 'repeat_of', \
       v.value ->> 'supersedes', v.value ->> 'approval_id', v.value ->> 'outcome', v.value ->> 'replayable', \
       v.value ->> 'detail', unhex(v.value ->> 'commitment'), unhex(v.value ->> 'salt'), unhex(v.value ->> 'content') \
       from json_each($3) as v"
);
const ADD_ADMIN_SQLITE: &str = "insert into revision_records (epoch, n, chain_id, seq) \
     select v.value ->> 'epoch', v.value ->> 'n', $1, v.value ->> 'seq' from json_each($2) as v";
const READ_STAMP: &str = "select epoch, n, token from revision where id = 1";

type HeadRow = (i64, Vec<u8>, bool, Option<Vec<u8>>, String, i64, Vec<u8>);

impl Appender {
    /// The appender of `store`.
    pub fn new(store: &Store) -> Self {
        match store {
            Store::Postgres(store) => Self::Postgres(Box::new(Lane::new(&store.own))),
            Store::Sqlite(store) => Self::Sqlite(store.audit.clone()),
        }
    }

    /// Appends a batch to its chain.
    pub async fn append(&self, batch: &Batch) -> Outcome {
        let done = match self {
            Self::Postgres(lane) => append_postgres(lane, batch).await,
            Self::Sqlite(pool) => append_sqlite(pool, batch).await,
        };
        settle(done)
    }

    /// Locks the list of chains. `None` if `chain` is in it already: an earlier try was committed.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn begin_opening(&self, chain: &ChainId) -> Result<Option<(Listed, Opened)>, Error> {
        macro_rules! look {
            ($tx:expr, $keep:literal) => {{
                let (chain_no, last): (i64, Option<String>) =
                    sql_as!($keep, (i64, Option<String>), LOCK_LIST).fetch_one(&mut *$tx).await?;
                let there: Option<(i64, Vec<u8>)> = sql_as!($keep, (i64, Vec<u8>), PREVIOUS, chain.as_str())
                    .fetch_optional(&mut *$tx)
                    .await?;
                let previous: Option<(i64, Vec<u8>)> = match &last {
                    Some(last) => {
                        sql_as!($keep, (i64, Vec<u8>), PREVIOUS, last.as_str())
                            .fetch_optional(&mut *$tx)
                            .await?
                    }
                    None => None,
                };
                (there.is_some(), listed(chain_no, last, previous))
            }};
        }
        match self {
            Self::Postgres(lane) => {
                let mut connection = lane.take().await?;
                sqlx::raw_sql(super::BEGIN_WRITE).execute(&mut connection).await?;
                let link = &mut connection;
                let (there, listed) = look!(link, false);
                if there {
                    sqlx::raw_sql("rollback").execute(&mut connection).await?;
                    lane.put(connection).await;
                    return Ok(None);
                }
                Ok(Some((listed, Opened::Postgres(Box::new(connection)))))
            }
            Self::Sqlite(pool) => {
                let mut tx = pool.begin_with("begin immediate").await?;
                let (there, listed) = look!(tx, true);
                if there {
                    tx.rollback().await?;
                    return Ok(None);
                }
                Ok(Some((listed, Opened::Sqlite(Box::new(tx)))))
            }
        }
    }

    /// Inserts the chain with its first records and commits.
    pub async fn finish_opening(&self, opened: Opened, batch: &Batch) -> Outcome {
        let done = match (self, opened) {
            (Self::Postgres(lane), Opened::Postgres(connection)) => {
                open_postgres(*connection, lane, batch).await
            }
            (Self::Sqlite(_), Opened::Sqlite(tx)) => open_sqlite(*tx, batch).await,
            (Self::Postgres(_), Opened::Sqlite(_)) | (Self::Sqlite(_), Opened::Postgres(_)) => {
                return Outcome::Unknown;
            }
        };
        settle(done)
    }

    /// The head of `chain`, and the hash of its record `seq`. `None` if there is no such chain, or no head to go by.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn head(&self, chain: &ChainId, seq: i64) -> Result<Option<Head>, Error> {
        let row: Option<HeadRow> = match self {
            Self::Postgres(lane) => {
                let mut connection = lane.take().await?;
                sqlx::raw_sql(super::BEGIN_READ).execute(&mut connection).await?;
                let row = sql_as!(false, HeadRow, HEAD, chain.as_str(), seq)
                    .fetch_optional(&mut connection)
                    .await?;
                sqlx::raw_sql("commit").execute(&mut connection).await?;
                lane.put(connection).await;
                row
            }
            Self::Sqlite(pool) => {
                sql_as!(true, HeadRow, HEAD, chain.as_str(), seq).fetch_optional(pool).await?
            }
        };
        let Some((seq, hash, closed, asked, epoch, n, token)) = row else { return Ok(None) };
        let Some(hash) = hash_of(&hash, chain.as_str()) else { return Ok(None) };
        let asked = asked.and_then(|asked| hash_of(&asked, chain.as_str()));
        Ok(Some(Head { seq, hash, closed, asked, stamp: stamp((epoch, n, token))? }))
    }
}

fn settle(done: Result<Option<Stamp>, Error>) -> Outcome {
    match done {
        Ok(Some(stamp)) => Outcome::Committed(stamp),
        Ok(None) => Outcome::Moved,
        Err(Error::Refused(error)) => {
            tracing::warn!(%error, "the audit database refuses a batch's data");
            Outcome::Refused
        }
        Err(error) => {
            tracing::warn!(%error, cause = ?std::error::Error::source(&error), "an audit commit is in doubt");
            Outcome::Unknown
        }
    }
}

/// A stored hash. One that is none was changed by hand: its chain counts as gone, so that whoever writes moves on to
/// another, and verification tells of it. An error here would stop every writer for good.
fn hash_of(bytes: &[u8], chain: &str) -> Option<Hash> {
    let hash = Hash::try_from(bytes).ok();
    if hash.is_none() {
        tracing::error!(chain, "the hash at the head of an audit chain is not 32 bytes; verify the audit");
    }
    hash
}

/// The list as an opening record names it; a predecessor that is none is not named.
fn listed(chain_no: i64, last: Option<String>, head: Option<(i64, Vec<u8>)>) -> Listed {
    let previous = last.zip(head).and_then(|(last, (seq, hash))| {
        let hash = hash_of(&hash, &last)?;
        Some((last.parse().ok()?, seq, hash))
    });
    Listed { chain_no, previous }
}

async fn append_postgres(lane: &Lane, batch: &Batch) -> Result<Option<Stamp>, Error> {
    let direct = lane.direct();
    let mut connection = lane.take().await?;
    // A statement alone is a transaction of its own, in one round trip; behind a pooler it must be an explicit one.
    if !direct {
        sqlx::raw_sql(super::BEGIN_WRITE).execute(&mut connection).await?;
    }
    let row = insert_postgres(&mut connection, direct, batch).await;
    let (epoch, n, token, moved) = match row {
        Ok(row) => row,
        Err(error) if super::is_data_error(&error) => {
            if !direct {
                sqlx::raw_sql("rollback").execute(&mut connection).await?;
            }
            lane.put(connection).await;
            return Err(error.into());
        }
        Err(error) => return Err(error.into()),
    };
    if !direct {
        sqlx::raw_sql("commit").execute(&mut connection).await?;
    }
    lane.put(connection).await;
    if moved == 1 { stamp((epoch, n, token)).map(Some) } else { Ok(None) }
}

async fn open_postgres(
    mut connection: PgConnection,
    lane: &Lane,
    batch: &Batch,
) -> Result<Option<Stamp>, Error> {
    let done = async {
        sql!(false, ADD_CHAIN, batch.chain_id.as_str(), batch.chain_no, 0_i64, [0_u8; 32].as_slice(), false)
            .execute(&mut connection)
            .await?;
        sql!(false, ADVANCE_LIST, batch.chain_no + 1, batch.chain_id.as_str())
            .execute(&mut connection)
            .await?;
        let (epoch, n, token, moved) = insert_postgres(&mut connection, false, batch).await?;
        sqlx::raw_sql("commit").execute(&mut connection).await?;
        Ok::<_, sqlx::Error>((moved == 1).then_some((epoch, n, token)))
    }
    .await;
    match done {
        Ok(row) => {
            lane.put(connection).await;
            row.map(stamp).transpose()
        }
        // The connection goes with its transaction, whatever became of it.
        Err(error) => Err(error.into()),
    }
}

async fn insert_postgres(
    connection: &mut PgConnection,
    keep: bool,
    batch: &Batch,
) -> Result<(String, i64, Vec<u8>, i64), sqlx::Error> {
    let (seq, hash) = batch.head().unwrap_or((batch.prev_seq, batch.prev_hash));
    let admin = admin_rows(batch);
    sqlx::query_as(APPEND_PG)
        .persistent(keep)
        .bind(batch.chain_id.as_str())
        .bind(batch.chain_no)
        .bind(seq)
        .bind(hash.to_vec())
        .bind(batch.closes)
        .bind(batch.prev_seq)
        .bind(batch.prev_hash.as_slice())
        .bind(column(batch, |record| record.position.seq))
        .bind(column(batch, |record| record.position.timestamp.as_micros()))
        .bind(column(batch, |record| record.form_version))
        .bind(column(batch, |record| record.position.prev_hash.as_slice()))
        .bind(column(batch, |record| record.hash.as_slice()))
        .bind(column(batch, |record| record.entry.kind.as_str()))
        .bind(texts(batch, |entry| &entry.decision_id))
        .bind(texts(batch, |entry| &entry.agent_id))
        .bind(texts(batch, |entry| &entry.agent_name))
        .bind(texts(batch, |entry| &entry.team))
        .bind(texts(batch, |entry| &entry.environment))
        .bind(texts(batch, |entry| &entry.labels))
        .bind(column(batch, |record| record.entry.agent_active))
        .bind(texts(batch, |entry| &entry.key_id))
        .bind(texts(batch, |entry| &entry.action))
        .bind(column(batch, |record| record.entry.allowed))
        .bind(texts(batch, |entry| &entry.verdict))
        .bind(texts(batch, |entry| &entry.reason_code))
        .bind(texts(batch, |entry| &entry.rule_id))
        .bind(texts(batch, |entry| &entry.policies))
        .bind(texts(batch, |entry| &entry.error_rule_ids))
        .bind(column(batch, |record| record.entry.revision.as_ref().map(Revision::to_string)))
        .bind(column(batch, |record| record.entry.decided_at.map(Timestamp::as_micros)))
        .bind(texts(batch, |entry| &entry.request_id))
        .bind(texts(batch, |entry| &entry.trace_id))
        .bind(texts(batch, |entry| &entry.idempotency_key))
        .bind(texts(batch, |entry| &entry.repeat_of))
        .bind(texts(batch, |entry| &entry.supersedes))
        .bind(texts(batch, |entry| &entry.approval_id))
        .bind(texts(batch, |entry| &entry.outcome))
        .bind(column(batch, |record| record.entry.replayable))
        .bind(texts(batch, |entry| &entry.detail))
        .bind(column(batch, |record| record.entry.commitment.as_ref().map(Hash::as_slice)))
        .bind(column(batch, |record| record.entry.content.as_ref().map(|content| content.salt.as_slice())))
        .bind(column(batch, |record| record.entry.content.as_ref().map(|content| content.bytes.as_slice())))
        .bind(admin.iter().map(|(epoch, _, _)| epoch.as_str()).collect::<Vec<_>>())
        .bind(admin.iter().map(|(_, n, _)| *n).collect::<Vec<_>>())
        .bind(admin.iter().map(|(_, _, seq)| *seq).collect::<Vec<_>>())
        .fetch_one(connection)
        .await
}

async fn append_sqlite(pool: &SqlitePool, batch: &Batch) -> Result<Option<Stamp>, Error> {
    let mut tx = pool.begin_with("begin immediate").await?;
    let stamp = insert_sqlite(&mut tx, batch).await?;
    match stamp {
        Some(_) => tx.commit().await?,
        None => tx.rollback().await?,
    }
    Ok(stamp)
}

async fn open_sqlite(
    mut tx: sqlx::Transaction<'static, sqlx::Sqlite>,
    batch: &Batch,
) -> Result<Option<Stamp>, Error> {
    sql!(true, ADD_CHAIN, batch.chain_id.as_str(), batch.chain_no, 0_i64, [0_u8; 32].as_slice(), false)
        .execute(&mut *tx)
        .await?;
    sql!(true, ADVANCE_LIST, batch.chain_no + 1, batch.chain_id.as_str()).execute(&mut *tx).await?;
    let stamp = insert_sqlite(&mut tx, batch).await?;
    tx.commit().await?;
    Ok(stamp)
}

/// `None` if the head was not the expected one.
async fn insert_sqlite(
    tx: &mut sqlx::Transaction<'static, sqlx::Sqlite>,
    batch: &Batch,
) -> Result<Option<Stamp>, Error> {
    let (seq, hash) = batch.head().unwrap_or((batch.prev_seq, batch.prev_hash));
    let moved = sql!(
        true,
        MOVE_HEAD,
        batch.chain_id.as_str(),
        seq,
        hash.to_vec(),
        batch.closes,
        batch.prev_seq,
        batch.prev_hash.to_vec()
    )
    .execute(&mut **tx)
    .await?;
    if moved.rows_affected() != 1 {
        return Ok(None);
    }
    let rows = rows_json(batch);
    sql!(true, ADD_ROWS_SQLITE, batch.chain_id.as_str(), batch.chain_no, rows).execute(&mut **tx).await?;
    let admin = admin_rows(batch);
    if !admin.is_empty() {
        let admin: Vec<_> = admin
            .into_iter()
            .map(|(epoch, n, seq)| serde_json::json!({ "epoch": epoch, "n": n, "seq": seq }))
            .collect();
        let admin = serde_json::Value::from(admin).to_string();
        sql!(true, ADD_ADMIN_SQLITE, batch.chain_id.as_str(), admin).execute(&mut **tx).await?;
    }
    let row: StampRow = sql_as!(true, StampRow, READ_STAMP).fetch_one(&mut **tx).await?;
    stamp(row).map(Some)
}
