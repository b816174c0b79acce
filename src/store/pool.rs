//! Pools of connections to PostgreSQL, of which every use is one transaction.
//!
//! sqlx has a pool, too. It tests a connection before and after each use by a message outside any transaction, which
//! behind a pooler is a turn of its own; it tries a refused connection again for as long as a caller may wait, with
//! pauses of up to a fifth of that; and a connection that hangs keeps its place until the network gives up. Here a
//! connection is tested by the `BEGIN` that is sent anyway, a transaction that did not end well takes its connection
//! along, and when PostgreSQL does not answer at all everybody is told at once.
//!
//! **Invariant:** a connection that comes back is idle: its transaction was committed or rolled back, and answered.

use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::Error;
use super::connections::Connections;
use super::contact::{Contact, QUESTION};
use crate::clock::{Clock, Instant};

/// Between two looks whether PostgreSQL still answers while one waits for it.
const LOOK: Duration = Duration::from_millis(250);

/// Between two tries of the first connection, which is waited for: databases and servers are started together.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// How long a parting word may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection that was idle for longer than this may have been forgotten by something in between without a word; its
/// `BEGIN` gets [`STALE_ANSWER`].
const STALE: Duration = Duration::from_secs(30);

/// How long the `BEGIN` on a stale connection may take before another one is made.
const STALE_ANSWER: Duration = Duration::from_secs(1);

/// Bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Connections at most.
    pub(super) most: u32,
    /// Connections that are kept while nobody needs them.
    pub(super) kept: u32,
    /// How long to wait for one.
    pub(super) patience: Duration,
    /// The age at which one is replaced.
    pub(super) life: Duration,
}

/// A pool, or a share of one. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    /// How much of the pool may be in use this way, where that is less than all of it.
    share: Option<Arc<Semaphore>>,
}

#[derive(Debug)]
struct Shared {
    options: PgConnectOptions,
    bounds: Bounds,
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    contact: Arc<Contact>,
}

#[derive(Debug)]
struct Idle {
    connection: PgConnection,
    made: Instant,
    since: Instant,
    /// What [`Contact::absences`] was then.
    absences: u64,
}

/// A transaction under way. Dropped before its end it takes its connection along, and PostgreSQL rolls back.
#[derive(Debug)]
pub(crate) struct Tx {
    connection: PgConnection,
    made: Instant,
    shared: Arc<Shared>,
    // Behind the connection: its place is free once it is gone.
    _place: OwnedSemaphorePermit,
    _share: Option<OwnedSemaphorePermit>,
}

fn now() -> Instant {
    Clock::System.instant()
}

/// Nothing can be said of what the database did.
fn away() -> Error {
    Error::Unavailable(sqlx::Error::PoolTimedOut)
}

impl Pool {
    /// A pool that has no connection yet.
    pub(super) fn new(options: PgConnectOptions, bounds: Bounds, contact: &Arc<Contact>) -> Self {
        let slots = Arc::new(Semaphore::new(places(bounds.most)));
        let shared = Shared { options, bounds, slots, idle: Mutex::default(), contact: Arc::clone(contact) };
        Self { shared: Arc::new(shared), share: None }
    }

    /// The same pool for those who may use `most` of its connections at once.
    pub(super) fn share(&self, most: u32) -> Self {
        Self { shared: Arc::clone(&self.shared), share: Some(Arc::new(Semaphore::new(places(most)))) }
    }

    /// Makes the first connection; waits for a server that refuses connections because it is being started.
    pub(super) async fn meet(&self) -> Result<(), Error> {
        let first = async {
            loop {
                match self.shared.connect().await {
                    Ok(connection) => return Ok(connection),
                    Err(error) if may_pass(&error) => tokio::time::sleep(FIRST_PAUSE).await,
                    Err(error) => return Err(Error::from(error)),
                }
            }
        };
        let connection = timeout(self.shared.bounds.patience, first).await.map_err(|_| away())??;
        self.shared.keep(connection, now()).await;
        Ok(())
    }

    /// Begins a transaction by the statements of `begin`. Waits for a free connection, in the order of asking, for as
    /// long as the pool's patience.
    pub(super) async fn begin(&self, begin: &'static str) -> Result<Tx, sqlx::Error> {
        let places = async {
            let share = match &self.share {
                Some(share) => Some(Arc::clone(share).acquire_owned().await),
                None => None,
            };
            let place = Arc::clone(&self.shared.slots).acquire_owned().await;
            Ok::<_, tokio::sync::AcquireError>((place?, share.transpose()?))
        };
        let waited = timeout(self.shared.bounds.patience, places).await;
        let (place, share) =
            waited.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        let (connection, made) = self.shared.ready(begin).await?;
        Ok(Tx { connection, made, shared: Arc::clone(&self.shared), _place: place, _share: share })
    }

    /// Does `work`, which uses this pool, unless PostgreSQL is known not to answer, or is found not to meanwhile.
    pub(crate) async fn whole<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let shared = &self.shared;
        if shared.contact.is_away() && !shared.ask().await {
            return Err(away());
        }
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => {
                    if !done.as_ref().is_err_and(is_no_answer) {
                        shared.contact.heard();
                    }
                    return done;
                }
                () = tokio::time::sleep(LOOK) => {
                    // Only one asks; by its answer all go.
                    if shared.contact.is_silent() {
                        shared.ask().await;
                    }
                    if shared.contact.is_away() {
                        return Err(away());
                    }
                }
            }
        }
    }

    /// How many connections there are, for whoever watches.
    pub(super) fn connections(&self, name: &'static str) -> Connections {
        let max = self.shared.bounds.most;
        let used = places(max).saturating_sub(self.shared.slots.available_permits());
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Connections { pool: name, used: count(used), idle: count(self.shared.idle().len()), max }
    }

    /// Lets nobody begin any more and closes what is idle.
    pub(super) async fn close(&self) {
        self.shared.slots.close();
        let idle = std::mem::take(&mut *self.shared.idle());
        for idle in idle {
            leave(idle.connection).await;
        }
    }
}

fn places(most: u32) -> usize {
    usize::try_from(most).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS)
}

/// Whether an error says nothing of the database but that it, or the way to it, was not there.
fn is_no_answer(error: &Error) -> bool {
    match error {
        Error::Unavailable(error) => error.as_database_error().is_none(),
        Error::Refused(_)
        | Error::Exists { .. }
        | Error::Missing { .. }
        | Error::EtagMismatch
        | Error::Bound(_)
        | Error::Corrupt { .. }
        | Error::Schema(_)
        | Error::File(_) => false,
    }
}

/// Whether a connection that was refused so may be accepted in a moment: nobody listens yet, or the server is starting
/// or has no place just now.
fn may_pass(error: &sqlx::Error) -> bool {
    if let sqlx::Error::Io(error) = error {
        return error.kind() == std::io::ErrorKind::ConnectionRefused;
    }
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| matches!(code.as_ref(), "57P03" | "53300"))
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect_with(&self.options).await
    }

    /// A connection inside a transaction, and when it was made.
    async fn ready(&self, begin: &'static str) -> Result<(PgConnection, Instant), sqlx::Error> {
        loop {
            // The one used last, so that those that are too many grow old.
            let Some(mut idle) = self.idle().pop() else { break };
            if now().since(idle.made) >= self.bounds.life {
                leave(idle.connection).await;
                continue;
            }
            if idle.absences != self.contact.absences() {
                continue;
            }
            let begun = sqlx::raw_sql(begin).execute(&mut idle.connection);
            let begun = if now().since(idle.since) > STALE {
                timeout(STALE_ANSWER, begun).await.ok()
            } else {
                Some(begun.await)
            };
            if matches!(begun, Some(Ok(_))) {
                return Ok((idle.connection, idle.made));
            }
            // Whatever it died of, nothing was begun on it, and all that were idle with it may have died of the same.
        }
        let made = now();
        let mut connection = self.connect().await?;
        sqlx::raw_sql(begin).execute(&mut connection).await?;
        Ok((connection, made))
    }

    async fn keep(&self, connection: PgConnection, made: Instant) {
        let kept = usize::try_from(self.bounds.kept).unwrap_or(usize::MAX);
        let over = {
            let mut idle = self.idle();
            if idle.len() < kept && !self.slots.is_closed() {
                idle.push(Idle { connection, made, since: now(), absences: self.contact.absences() });
                None
            } else {
                Some(connection)
            }
        };
        if let Some(connection) = over {
            leave(connection).await;
        }
    }

    /// Asks PostgreSQL whether it is there, over a new connection; whether it is. False, too, if another asks.
    async fn ask(&self) -> bool {
        let Some(_question) = self.contact.question() else { return false };
        let asked = async {
            let mut connection = self.connect().await?;
            sqlx::raw_sql("begin; commit").execute(&mut connection).await?;
            Ok::<_, sqlx::Error>(connection)
        };
        match timeout(QUESTION, asked).await {
            Ok(Ok(connection)) => {
                self.contact.heard();
                // Beyond the pool's bound, so it is not kept.
                leave(connection).await;
                true
            }
            Ok(Err(_)) | Err(_) => {
                self.contact.lost();
                false
            }
        }
    }
}

/// Closes a connection with a word, so that its server does not log it as lost.
async fn leave(connection: PgConnection) {
    // One that does not hear is closed all the same.
    drop(timeout(FAREWELL, connection.close()).await);
}

impl Deref for Tx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Tx {
    /// Commits, and gives the connection back.
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        self.end("commit").await
    }

    /// Rolls back, and gives the connection back.
    pub(crate) async fn rollback(self) -> Result<(), sqlx::Error> {
        self.end("rollback").await
    }

    /// Rolls back because of `error`, and gives the connection back if PostgreSQL can still be heard on it.
    pub(crate) async fn refuse(self, error: Error) -> Error {
        if !is_no_answer(&error)
            && let Err(lost) = self.rollback().await
        {
            tracing::debug!(error = %lost, "a transaction ended with its connection");
        }
        error
    }

    async fn end(mut self, how: &'static str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(how).execute(&mut self.connection).await?;
        let Self { connection, made, shared, _place, _share } = self;
        shared.keep(connection, made).await;
        Ok(())
    }
}
