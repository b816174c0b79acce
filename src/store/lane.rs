//! A connection to PostgreSQL that one task has to itself, and that is thrown away whenever an operation on it does
//! not end well, so that no late answer of one statement is ever taken for another's.

use std::sync::Arc;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::Mutex;

use super::Error;
use super::contact::Contact;

/// On a session of our own the limits hold for every statement, also those that stand alone.
///
/// Those of TCP are for a network that dies between a statement and its end: the server then waits for a message that
/// never comes, which no timeout of its own covers, and keeps the lock on the chain's head for as long as it believes
/// in the connection (two hours by the kernel's defaults). With these it gives up after five seconds, which is what a
/// statement may take as well. A server ignores them on a Unix socket and where its system knows none.
const SESSION: &str = "set idle_in_transaction_session_timeout = '1s'; set lock_timeout = '1s'; \
     set statement_timeout = '5s'; set tcp_keepalives_idle = '2s'; set tcp_keepalives_interval = '1s'; \
     set tcp_keepalives_count = 3; set tcp_user_timeout = '5s'";

/// How PostgreSQL is reached.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    pub(crate) options: PgConnectOptions,
    /// Whether that is PostgreSQL itself rather than a pooler: then statements may be named and stand alone.
    pub(crate) direct: bool,
    /// Told of every answer.
    pub(crate) contact: Arc<Contact>,
}

/// One connection, or none.
#[derive(Debug)]
pub struct Lane {
    reach: Reach,
    slot: Mutex<Option<PgConnection>>,
}

impl Lane {
    pub(crate) fn new(reach: &Reach) -> Self {
        Self { reach: reach.clone(), slot: Mutex::new(None) }
    }

    pub(crate) const fn direct(&self) -> bool {
        self.reach.direct
    }

    /// The connection, opened if there is none. Whoever takes it puts it back only after a good end.
    pub(crate) async fn take(&self) -> Result<PgConnection, Error> {
        if let Some(connection) = self.slot.lock().await.take() {
            return Ok(connection);
        }
        let mut connection = PgConnection::connect_with(&self.reach.options).await?;
        if self.reach.direct {
            sqlx::raw_sql(SESSION).execute(&mut connection).await?;
        }
        Ok(connection)
    }

    pub(crate) async fn put(&self, connection: PgConnection) {
        self.reach.contact.heard();
        *self.slot.lock().await = Some(connection);
    }
}
