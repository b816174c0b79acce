//! A hand on the commits of one replica: while it holds the chain's row, no record of that replica is committed.

use sqlx::{Connection, PgConnection};

use crate::harness::eventually;
use crate::postgres::Database;

/// The chain that the last decision was recorded in.
const CHAIN: &str =
    "select chain_id from audit_logs where kind = 'decision' order by timestamp desc, chain_no desc limit 1";
const LOCK: &str = "select 1 from audit_chains where chain_id = $1 for update";
const WAITING: &str = "select count(*) from pg_locks w join pg_stat_activity a on a.pid = w.pid \
     where not w.granted and a.datname = current_database() and $1 = any (pg_blocking_pids(w.pid))";

/// A session that locks.
pub struct Hold {
    session: PgConnection,
    chain: String,
    pid: i32,
}

impl Hold {
    /// A hand on the chain of the replica that made the last decision.
    pub async fn on_last_decider(database: &Database) -> Self {
        let mut session = PgConnection::connect(&database.url()).await.unwrap();
        let chain = sqlx::query_scalar(CHAIN).fetch_one(&mut session).await.unwrap();
        let pid = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut session).await.unwrap();
        Self { session, chain, pid }
    }

    pub async fn close(&mut self) {
        sqlx::raw_sql("begin").execute(&mut self.session).await.unwrap();
        sqlx::query(LOCK).bind(&self.chain).fetch_one(&mut self.session).await.unwrap();
    }

    pub async fn open(&mut self) {
        sqlx::raw_sql("rollback").execute(&mut self.session).await.unwrap();
    }

    /// Waits until a commit stands before it.
    pub async fn is_waited_for(&mut self) {
        eventually("a commit waits for the lock", async || {
            let count: i64 =
                sqlx::query_scalar(WAITING).bind(self.pid).fetch_one(&mut self.session).await.unwrap();
            (count > 0).then_some(())
        })
        .await;
    }
}
