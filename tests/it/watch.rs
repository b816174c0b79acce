//! A look into the database beside the server, and a hand that holds its writes up.

use std::str::FromStr;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};

/// A connection of one's own to the database of a server.
pub enum Watch {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Nobody else can append to the audit as long as this lives.
pub enum Hold {
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

impl Watch {
    /// The database at `url`.
    pub async fn on(url: &str) -> Self {
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).unwrap();
            Self::Sqlite(SqlitePoolOptions::new().max_connections(2).connect_with(options).await.unwrap())
        } else {
            Self::Postgres(PgPool::connect(url).await.unwrap())
        }
    }

    /// One number.
    pub async fn number(&self, text: &str) -> i64 {
        let text = AssertSqlSafe(text.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(text).fetch_one(pool).await.unwrap(),
            Self::Postgres(pool) => sqlx::query_scalar(text).fetch_one(pool).await.unwrap(),
        }
    }

    /// One text of each row.
    pub async fn texts(&self, text: &str) -> Vec<String> {
        let text = AssertSqlSafe(text.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(text).fetch_all(pool).await.unwrap(),
            Self::Postgres(pool) => sqlx::query_scalar(text).fetch_all(pool).await.unwrap(),
        }
    }

    /// Holds up every append until it is dropped; reads go on.
    pub async fn hold(&self) -> Hold {
        match self {
            Self::Sqlite(pool) => Hold::Sqlite(pool.begin_with("begin immediate").await.unwrap()),
            Self::Postgres(pool) => {
                let mut tx = pool.begin().await.unwrap();
                sqlx::raw_sql("lock table audit_chains in exclusive mode").execute(&mut *tx).await.unwrap();
                Hold::Postgres(tx)
            }
        }
    }
}

impl Hold {
    /// Lets them go on.
    pub async fn release(self) {
        match self {
            Self::Sqlite(tx) => tx.rollback().await.unwrap(),
            Self::Postgres(tx) => tx.rollback().await.unwrap(),
        }
    }
}
