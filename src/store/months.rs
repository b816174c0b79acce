//! PostgreSQL's months of `audit_logs`: standalone tables made ahead and attached, by a function of the tables' owner
//! (`migrations/postgres/grants.sql`), so that a server whose role may make nothing keeps them ahead all the same.
//!
//! Attaching takes locks, so it is tried under a short lock timeout again and again rather than queued behind an open
//! reader, where it would stop inserts.

use std::time::Duration;

use crate::clock::Timestamp;

use super::pool::Pool;
use super::{Error, Store, sql, sql_as};

/// Months made ahead of the present one.
const AHEAD: i64 = 3;

/// Tries at one month's lock before it is left for the next turn.
const TRIES: u32 = 25;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);

const EXISTS: &str = "select count(*) from pg_inherits i join pg_class c on c.oid = i.inhrelid \
     join pg_class p on p.oid = i.inhparent where p.relname = 'audit_logs' and c.relname = $1 \
     and p.relnamespace = current_schema()::regnamespace";
const ATTACH: &str = "select agentguard_make_month($1, $2)";

/// A write whose locks are waited for so shortly that nobody notices; moving what lies in the default partition may take
/// its time.
const BEGIN_ATTACH: &str = "begin; \
    set local idle_in_transaction_session_timeout = '1s'; \
    set local lock_timeout = '200ms'; \
    set local statement_timeout = '60s'";

/// A month as PostgreSQL's table name says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    year: i64,
    /// 1 to 12.
    month: i64,
}

impl Month {
    /// The month of an instant, UTC.
    pub fn of(at: Timestamp) -> Self {
        let instant =
            jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let date = jiff::tz::TimeZone::UTC.to_datetime(instant);
        Self { year: i64::from(date.year()), month: i64::from(date.month()) }
    }

    /// The month `by` months on.
    pub const fn plus(self, by: i64) -> Self {
        let index = self.year * 12 + self.month - 1 + by;
        Self { year: index.div_euclid(12), month: index.rem_euclid(12) + 1 }
    }

    fn table(self) -> String {
        format!("audit_logs_{:04}_{:02}", self.year, self.month)
    }

    /// Year and month as the function of the tables' owner takes them.
    fn numbers(self) -> (i32, i32) {
        (i32::try_from(self.year).unwrap_or(i32::MAX), i32::try_from(self.month).unwrap_or(1))
    }
}

impl Store {
    /// Makes this month and the next three where they are missing; answers the tables made. SQLite has no months.
    ///
    /// # Errors
    /// When the database is away, the role may not make tables, or a reader keeps the parent locked.
    pub async fn make_months(&self, now: Timestamp) -> Result<Vec<String>, Error> {
        let Self::Postgres(store) = self else { return Ok(Vec::new()) };
        let mut made = Vec::new();
        for ahead in 0..=AHEAD {
            let month = Month::of(now).plus(ahead);
            let mut tx = store.admin.begin(super::BEGIN_READ).await?;
            let (there,): (i64,) = sql_as!(false, (i64,), EXISTS, month.table()).fetch_one(&mut *tx).await?;
            tx.commit().await?;
            if there == 0 {
                attach(&store.admin, month).await?;
                made.push(month.table());
            }
        }
        Ok(made)
    }
}

const DEFAULT_IN_USE: &str = "select agentguard_default_month_in_use()";

impl Store {
    /// Whether records lie in the default partition, because their month was not made; `None` on SQLite, which has no
    /// months.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn default_month_in_use(&self) -> Result<Option<bool>, Error> {
        let Self::Postgres(store) = self else { return Ok(None) };
        let whole = store.admin.whole(async {
            let mut tx = store.admin.begin(super::BEGIN_READ).await?;
            let (in_use,): (bool,) = sql_as!(false, (bool,), DEFAULT_IN_USE).fetch_one(&mut *tx).await?;
            tx.commit().await?;
            Ok(Some(in_use))
        });
        whole.await
    }
}

async fn attach(pool: &Pool, month: Month) -> Result<(), Error> {
    let (year, number) = month.numbers();
    let mut tries = 0;
    loop {
        let mut tx = pool.begin(BEGIN_ATTACH).await?;
        match sql!(false, ATTACH, year, number).execute(&mut *tx).await {
            Ok(_) => return Ok(tx.commit().await?),
            Err(error) => {
                let locked = error.as_database_error().is_some_and(|e| e.code().as_deref() == Some("55P03"));
                let error = tx.refuse(error.into()).await;
                tries += 1;
                if !locked || tries >= TRIES {
                    return Err(error);
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_wrap_over_the_year() {
        let november = Month::of(Timestamp::parse("2026-11-30T23:59:59.999999Z").unwrap());
        assert_eq!(november.table(), "audit_logs_2026_11");
        assert_eq!(november.plus(2).table(), "audit_logs_2027_01");
        assert_eq!(november.plus(1).numbers(), (2026, 12));
    }
}
