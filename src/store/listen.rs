//! PostgreSQL's own channel of changes. Each admin write notifies in its transaction, so that a notification comes with
//! the commit and never without it; a listener needs a session of its own, which no pooler in transaction mode gives.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgListener, PgPoolOptions};

use super::{Error, Store};

/// The channel, for every version that speaks of revisions.
const CHANNEL: &str = "agentguard_changes";

/// What an admin write says before its commit; `$1` is the revision.
pub(crate) const NOTIFY: &str = "select pg_notify('agentguard_changes', $1)";

/// Silence after which the connection is asked for a sign of life: a network that died tells nobody.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long connecting, and a sign of life, may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Hears of changes.
#[derive(Debug)]
pub struct Listener {
    inner: PgListener,
    _pool: PgPool,
}

impl Store {
    /// Whether there is a channel that can be listened to: PostgreSQL itself, not through a pooler.
    pub fn has_channel(&self) -> bool {
        match self {
            Self::Postgres(store) => store.own.direct,
            Self::Sqlite(_) => false,
        }
    }

    /// Listens on a connection of its own. What was changed before the answer has to be read.
    ///
    /// # Errors
    /// When the database is away, or has no channel.
    pub async fn listen(&self) -> Result<Listener, Error> {
        let Self::Postgres(store) = self else {
            return Err(Error::File("SQLite has no channel of changes".into()));
        };
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(PATIENCE);
        let pool = pool.connect_lazy_with(store.own.options.clone());
        let connecting = async {
            let mut inner = PgListener::connect_with(&pool).await?;
            inner.listen(CHANNEL).await?;
            Ok::<_, sqlx::Error>(inner)
        };
        let inner = tokio::time::timeout(PATIENCE, connecting).await.map_err(|_| late())??;
        Ok(Listener { inner, _pool: pool })
    }
}

impl Listener {
    /// The next revision that was written, as text.
    ///
    /// # Errors
    /// When the connection was lost: what was said meanwhile is lost, too.
    pub async fn next(&mut self) -> Result<String, Error> {
        loop {
            match tokio::time::timeout(HEARTBEAT, self.inner.try_recv()).await {
                Ok(Ok(Some(notification))) => return Ok(notification.payload().to_owned()),
                // It would connect again by itself, and nobody would know that something may have been missed.
                Ok(Ok(None)) => return Err(Error::Unavailable(sqlx::Error::WorkerCrashed)),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {
                    let sign = sqlx::raw_sql("select 1").execute(&mut self.inner);
                    tokio::time::timeout(PATIENCE, sign).await.map_err(|_| late())??;
                }
            }
        }
    }
}

fn late() -> Error {
    Error::Unavailable(sqlx::Error::PoolTimedOut)
}
