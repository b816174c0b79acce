//! PostgreSQL's months of `audit_logs`: standalone tables made ahead and attached. Attaching takes a lock on the
//! parent, so it is tried under a short lock timeout again and again rather than queued behind an open reader, where
//! it would stop every insert. Rows that came before their month was made lie in the default partition, where they would
//! forbid the attachment: the owner moves them in the same transaction, the one way past the append-only trigger.

use std::time::Duration;

use sqlx::AssertSqlSafe;

use crate::clock::Timestamp;

use super::{Error, Store, sql_as};

/// Months made ahead of the present one.
const AHEAD: i64 = 3;

/// Tries at one month's lock before it is left for the next turn.
const TRIES: u32 = 25;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);

const EXISTS: &str = "select count(*) from pg_inherits i join pg_class c on c.oid = i.inhrelid \
     join pg_class p on p.oid = i.inhparent where p.relname = 'audit_logs' and c.relname = $1 \
     and p.relnamespace = current_schema()::regnamespace";

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

    fn first_instant(self) -> String {
        format!("{:04}-{:02}-01 00:00:00+00", self.year, self.month)
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
            let mut tx = store.main.begin().await?;
            let (there,): (i64,) = sql_as!(false, (i64,), EXISTS, month.table()).fetch_one(&mut *tx).await?;
            tx.commit().await?;
            if there == 0 {
                attach(&store.main, month).await?;
                made.push(month.table());
            }
        }
        Ok(made)
    }
}

const DEFAULT_IN_USE: &str = "select exists (select 1 from audit_logs_default limit 1)";

impl Store {
    /// Whether records lie in the default partition, because their month was not made; `None` on SQLite, which has no
    /// months.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn default_month_in_use(&self) -> Result<Option<bool>, Error> {
        let Self::Postgres(store) = self else { return Ok(None) };
        let mut tx = store.main.begin().await?;
        let (in_use,): (bool,) = sql_as!(false, (bool,), DEFAULT_IN_USE).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok(Some(in_use))
    }
}

async fn attach(pool: &sqlx::PgPool, month: Month) -> Result<(), Error> {
    let (table, from, to) = (month.table(), month.first_instant(), month.plus(1).first_instant());
    // Every part of this text is made of numbers above; an identifier cannot be a bound value.
    let statement = format!(
        "begin; set local lock_timeout = '200ms'; set local timezone = 'UTC'; \
         create table if not exists {table} (like audit_logs including defaults including constraints including storage); \
         alter table {table} set (autovacuum_vacuum_scale_factor = 0.05); \
         alter table audit_logs_default disable trigger user; \
         with moved as (delete from audit_logs_default where timestamp >= '{from}' and timestamp < '{to}' returning *) \
         insert into {table} select * from moved; \
         alter table audit_logs_default enable trigger user; \
         alter table audit_logs attach partition {table} for values from ('{from}') to ('{to}'); commit"
    );
    let mut tries = 0;
    loop {
        let mut connection = pool.acquire().await?;
        match sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut *connection).await {
            Ok(_) => return Ok(()),
            Err(error) => {
                sqlx::raw_sql("rollback").execute(&mut *connection).await?;
                let locked = error
                    .as_database_error()
                    .and_then(|e| e.code().map(|code| code == "55P03"))
                    .unwrap_or(false);
                tries += 1;
                if !locked || tries >= TRIES {
                    return Err(error.into());
                }
            }
        }
        drop(connection);
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
        assert_eq!(november.plus(1).first_instant(), "2026-12-01 00:00:00+00");
    }
}
