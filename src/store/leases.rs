//! Leases, and what the janitor needs to know of chains. All by the database's own clock.

use std::time::Duration;

use crate::audit::machine::Cursor;
use crate::audit::record::Hash;
use crate::clock::Timestamp;
use crate::ids::ChainId;

use super::{BEGIN_WRITE, Error, Store, sql, sql_as};

/// Written once for each dialect: the database's clock in microseconds.
macro_rules! now {
    (postgres) => {
        "(extract(epoch from clock_timestamp()) * 1000000)::bigint"
    };
    (sqlite) => {
        "cast(unixepoch('subsec') * 1000000 as integer)"
    };
}

macro_rules! statements {
    ($dialect:ident, $lease:ident, $seen:ident, $silent:ident, $time:literal) => {
        const $lease: &str = concat!(
            "insert into leases (name, holder, fencing, expires_at) values ($1, $2, 1, ",
            now!($dialect),
            " + $3) on conflict (name) do update set holder = excluded.holder, fencing = leases.fencing + 1, \
             expires_at = excluded.expires_at where leases.holder = excluded.holder or leases.expires_at < ",
            now!($dialect),
            " returning fencing"
        );
        const $seen: &str =
            concat!("update audit_chains set seen_at = ", now!($dialect), " where chain_id = $1 and closed = $2");
        const $silent: &str = concat!(
            "select c.chain_id, c.chain_no, c.head_seq, c.head_hash, (select ",
            $time,
            " from audit_logs l where l.chain_id = c.chain_id and l.seq = c.head_seq limit 1) from audit_chains c \
             where c.closed = $1 and c.seen_at <= ",
            now!($dialect),
            " - $2 order by c.chain_no limit 100"
        );
    };
}

statements!(postgres, LEASE_PG, SEEN_PG, SILENT_PG, "(extract(epoch from l.timestamp) * 1000000)::bigint");
statements!(sqlite, LEASE_SQLITE, SEEN_SQLITE, SILENT_SQLITE, "l.timestamp");

type SilentRow = (String, i64, i64, Vec<u8>, Option<i64>);

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

impl Store {
    /// Takes or keeps the lease `name` for `life`; answers whether `holder` has it.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn take_lease(&self, name: &str, holder: &str, life: Duration) -> Result<bool, Error> {
        let row: Option<(i64,)> = match self {
            Self::Postgres(store) => {
                let whole = store.admin.whole(async {
                    let mut tx = store.admin.begin(BEGIN_WRITE).await?;
                    let row = sql_as!(false, (i64,), LEASE_PG, name, holder, micros(life))
                        .fetch_optional(&mut *tx)
                        .await?;
                    tx.commit().await?;
                    Ok(row)
                });
                whole.await?
            }
            Self::Sqlite(store) => {
                sql_as!(true, (i64,), LEASE_SQLITE, name, holder, micros(life))
                    .fetch_optional(&store.admin)
                    .await?
            }
        };
        Ok(row.is_some())
    }

    /// Says that the writer of an open chain lives.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn chain_seen(&self, chain: &ChainId) -> Result<(), Error> {
        match self {
            Self::Postgres(store) => {
                let whole = store.admin.whole(async {
                    let mut tx = store.admin.begin(BEGIN_WRITE).await?;
                    sql!(false, SEEN_PG, chain.as_str(), false).execute(&mut *tx).await?;
                    Ok(tx.commit().await?)
                });
                whole.await?;
            }
            Self::Sqlite(store) => {
                sql!(true, SEEN_SQLITE, chain.as_str(), false).execute(&store.admin).await?;
            }
        }
        Ok(())
    }

    /// Up to 100 open chains unseen for `silence`, where they stand.
    ///
    /// # Errors
    /// When the database is away or a row is none of ours.
    pub async fn silent_chains(&self, silence: Duration) -> Result<Vec<Cursor>, Error> {
        let rows: Vec<SilentRow> = match self {
            Self::Postgres(store) => {
                let whole = store.admin.whole(async {
                    let mut tx = store.admin.begin(super::BEGIN_READ).await?;
                    let rows = sql_as!(false, SilentRow, SILENT_PG, false, micros(silence))
                        .fetch_all(&mut *tx)
                        .await?;
                    tx.commit().await?;
                    Ok(rows)
                });
                whole.await?
            }
            Self::Sqlite(store) => {
                sql_as!(true, SilentRow, SILENT_SQLITE, false, micros(silence))
                    .fetch_all(&store.admin)
                    .await?
            }
        };
        rows.into_iter()
            .map(|(chain, chain_no, seq, hash, at)| {
                let corrupt = |fault: &str| Error::Corrupt {
                    table: "audit_chains",
                    key: chain.clone(),
                    fault: fault.into(),
                };
                Ok(Cursor {
                    chain_id: chain.parse().map_err(|_| corrupt("the id is no chain id"))?,
                    chain_no,
                    seq,
                    hash: Hash::try_from(hash.as_slice())
                        .map_err(|_| corrupt("the head's hash is not 32 bytes"))?,
                    timestamp: Timestamp::from_micros(at.unwrap_or(0)),
                })
            })
            .collect()
    }
}
