//! The database: SQLite in one file, or PostgreSQL, behind one closed set. Rows leave this room as checked
//! domain values, or as an error that names the table and the key.
//!
//! Ways apart: `main` for agents' look-ups, `exports` for listings and verification (of PostgreSQL a share of `main`),
//! `admin` for admin calls and whatever keeps the server healthy, one connection for the audit writer alone and one for
//! the revision poll alone. So neither an export nor a crowd of admins can starve a decision, nor agents an admin.
//!
//! **Invariant:** no session state. A connection that may be a pooler's gets every statement unnamed and inside
//! an explicit transaction (PgBouncer 1.18 hands out another statement's rows otherwise).

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

pub mod agents;
pub mod chains;
pub mod changes;
pub mod connections;
mod contact;
pub mod keys;
pub mod kill_switches;
pub(crate) mod lane;
pub mod leases;
pub mod listen;
mod lock;
pub mod migrate;
pub mod months;
pub mod policies;
mod pool;
pub mod records;
pub mod revision;
pub mod settings;
pub mod stats;

/// Where the data is and how many connections may be held to it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database.
    pub location: Location,
    /// Connections of the main pool at most, 1 to 2,000. Beside it PostgreSQL sees at most [`ADMIN_CONNECTIONS`], one
    /// of the audit writer and one of the poll.
    pub max_connections: u32,
    /// How many of them are kept while nobody needs them.
    pub kept_connections: u32,
    /// How many of them exports (listings, verification, whoever follows) may use at once; `None` for what fits the
    /// way to the database.
    pub export_connections: Option<u32>,
    /// How long a caller waits for a connection of the main pool.
    pub acquire_timeout: Duration,
    /// How long a connection lives before it is replaced.
    pub max_lifetime: Duration,
    /// Whether a SQLite file on a network file system is accepted (its locks cannot be trusted).
    pub allow_network_file_system: bool,
}

/// Which database.
#[derive(Clone)]
pub enum Location {
    /// One SQLite file, made if it is absent.
    Sqlite(PathBuf),
    /// PostgreSQL 15 or newer.
    Postgres {
        /// Any URL that reaches it, also a pooler's in transaction mode.
        url: String,
        /// A URL that reaches PostgreSQL itself; with it named statements are used.
        direct_url: Option<String>,
    },
}

/// Never shows a URL, which may hold a password.
impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres { direct_url, .. } => {
                f.debug_struct("Postgres").field("direct", &direct_url.is_some()).finish_non_exhaustive()
            }
        }
    }
}

impl Options {
    /// The file `path` with the defaults of a small deployment.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::at(Location::Sqlite(path.into()))
    }

    /// `location` with default pool settings.
    pub fn at(location: Location) -> Self {
        Self {
            location,
            max_connections: 10,
            kept_connections: 10,
            export_connections: None,
            acquire_timeout: Duration::from_secs(30),
            max_lifetime: Duration::from_secs(3600),
            allow_network_file_system: false,
        }
    }
}

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is away, busy or too slow; nothing can be said of what it did.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The database refused the data itself (SQLSTATE class 22, 23 or 54, a SQLite constraint): rolled back.
    #[error("the database refused the data")]
    Refused(#[source] sqlx::Error),
    /// What is to be made exists.
    #[error("{what} already exists")]
    Exists {
        /// Which kind of thing.
        what: &'static str,
    },
    /// What is to be changed does not exist.
    #[error("{what} `{id}` does not exist")]
    Missing {
        /// Which kind of thing.
        what: &'static str,
        /// Its id as asked for.
        id: String,
    },
    /// The caller's etag is not the stored one.
    #[error("the etag does not match: the policy was changed since it was read")]
    EtagMismatch,
    /// A bound of the store would be passed.
    #[error("{0}")]
    Bound(String),
    /// A stored row cannot be a domain value.
    #[error("table {table}, key `{key}`: {fault}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's key.
        key: String,
        /// What is wrong with it.
        fault: String,
    },
    /// The schema does not fit this binary.
    #[error("{0}")]
    Schema(String),
    /// The file cannot be used as a database of ours.
    #[error("{0}")]
    File(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_data_error(&error) { Self::Refused(error) } else { Self::Unavailable(error) }
    }
}

/// Whether the database says for certain that the data, not the moment, is at fault.
pub(crate) fn is_data_error(error: &sqlx::Error) -> bool {
    let Some(database) = error.as_database_error() else { return false };
    let Some(code) = database.code() else { return false };
    if database.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
        return ["22", "23", "54"].iter().any(|class| code.starts_with(class));
    }
    // SQLite's extended result codes end in the primary one: 18 TOOBIG, 19 CONSTRAINT, 20 MISMATCH.
    code.parse::<i64>().is_ok_and(|code| matches!(code & 0xff, 18..=20))
}

/// An open database.
#[derive(Clone, Debug)]
pub enum Store {
    /// PostgreSQL.
    Postgres(Postgres),
    /// SQLite.
    Sqlite(Sqlite),
}

/// The pools to PostgreSQL.
#[derive(Clone, Debug)]
pub struct Postgres {
    pub(crate) main: pool::Pool,
    pub(crate) exports: pool::Pool,
    pub(crate) admin: pool::Pool,
    /// How the audit writer and the poll reach it, each over one connection of its own.
    pub(crate) own: std::sync::Arc<lane::Reach>,
    pub(crate) poll: std::sync::Arc<lane::Lane>,
}

/// The pools to one SQLite file, and the lock that keeps a second server off it.
#[derive(Clone, Debug)]
pub struct Sqlite {
    pub(crate) main: SqlitePool,
    pub(crate) exports: SqlitePool,
    pub(crate) admin: SqlitePool,
    pub(crate) audit: SqlitePool,
    pub(crate) poll: SqlitePool,
    _lock: std::sync::Arc<lock::FileLock>,
}

/// Opens a write transaction of PostgreSQL with its limits inside, where a pooler keeps them.
pub(crate) const BEGIN_WRITE: &str = "begin; \
    set local idle_in_transaction_session_timeout = '1s'; \
    set local lock_timeout = '1s'; \
    set local statement_timeout = '5s'";

/// One snapshot for all that is read.
pub(crate) const BEGIN_READ: &str = "begin isolation level repeatable read read only; \
    set local idle_in_transaction_session_timeout = '5s'; \
    set local statement_timeout = '5s'";

/// Runs one body against the named pool of whichever database this is, inside one read transaction. In the body
/// `$tx` is the transaction and `$keep` says whether statements may be named.
macro_rules! on_pool {
    ($store:expr, $pool:ident, |$tx:ident, $keep:ident| $body:expr) => {
        match $store {
            $crate::store::Store::Postgres(store) => {
                let whole = store.$pool.whole(async {
                    let mut $tx = store.$pool.begin($crate::store::BEGIN_READ).await?;
                    let $keep = false;
                    let out: Result<_, $crate::store::Error> = async { $body }.await;
                    match out {
                        Ok(out) => {
                            $tx.commit().await?;
                            Ok::<_, $crate::store::Error>(out)
                        }
                        Err(error) => Err($tx.refuse(error).await),
                    }
                });
                whole.await
            }
            $crate::store::Store::Sqlite(store) => {
                let mut $tx = store.$pool.begin().await?;
                let $keep = true;
                let out: Result<_, $crate::store::Error> = async { $body }.await;
                let out = out?;
                $tx.commit().await?;
                Ok::<_, $crate::store::Error>(out)
            }
        }
    };
}

/// A statement with its values bound in order.
macro_rules! sql {
    ($keep:expr, $text:expr $(, $value:expr)* $(,)?) => {
        sqlx::query($text).persistent($keep)$(.bind($value))*
    };
}

/// A statement of which each row becomes the tuple `$row`.
macro_rules! sql_as {
    ($keep:expr, $row:ty, $text:expr $(, $value:expr)* $(,)?) => {
        sqlx::query_as::<_, $row>($text).persistent($keep)$(.bind($value))*
    };
}

pub(crate) use {on_pool, sql, sql_as};

/// Rolls a transaction of SQLite back because of `error`.
pub(crate) async fn refuse_sqlite(tx: sqlx::Transaction<'static, sqlx::Sqlite>, error: Error) -> Error {
    // It is rolled back when it is dropped, too.
    drop(tx.rollback().await);
    error
}

impl Store {
    /// Opens the database, without migrating it.
    ///
    /// # Errors
    /// When it cannot be reached, or the SQLite file is served by another process or lies on a network file
    /// system.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        match &options.location {
            Location::Sqlite(path) => Sqlite::open(path.clone(), options).await.map(Self::Sqlite),
            Location::Postgres { url, direct_url } => {
                Postgres::open(url, direct_url.as_deref(), options).await.map(Self::Postgres)
            }
        }
    }

    /// A word for log lines and answers: `postgresql` or `sqlite`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgresql",
            Self::Sqlite(_) => "sqlite",
        }
    }

    /// Closes every connection; the file lock goes with the last clone.
    pub async fn close(&self) {
        match self {
            Self::Postgres(store) => {
                store.main.close().await;
                store.admin.close().await;
            }
            Self::Sqlite(store) => {
                store.audit.close().await;
                store.poll.close().await;
                store.admin.close().await;
                store.exports.close().await;
                store.main.close().await;
            }
        }
    }
}

impl Postgres {
    async fn open(url: &str, direct_url: Option<&str>, options: &Options) -> Result<Self, Error> {
        let parse = |url: &str| -> Result<PgConnectOptions, Error> {
            Ok(PgConnectOptions::from_str(url)
                .map_err(|_| Error::File("the database URL is no PostgreSQL URL".into()))?
                .application_name("agentguard")
                .extra_float_digits(None)
                .statement_cache_capacity(64))
        };
        let contact = std::sync::Arc::new(contact::Contact::new());
        let most = options.max_connections.max(1);
        let bounds = |most: u32, kept: u32| pool::Bounds {
            most,
            kept,
            patience: options.acquire_timeout,
            life: options.max_lifetime,
        };
        let main = pool::Pool::new(parse(url)?, bounds(most, options.kept_connections.min(most)), &contact);
        // Where a direct way is known this one may be a pooler's, which shares few connections among all replicas.
        let exports = match (options.export_connections, direct_url) {
            (Some(exports), _) => exports,
            (None, Some(_)) => most - most / 4,
            (None, None) => EXPORTS_BEHIND_A_POOLER,
        };
        let exports = main.share(exports.clamp(1, most));
        let admin = pool::Pool::new(parse(url)?, bounds(ADMIN_CONNECTIONS, ADMIN_CONNECTIONS), &contact);
        admin.meet().await?;
        let own = std::sync::Arc::new(lane::Reach {
            options: parse(direct_url.unwrap_or(url))?,
            direct: direct_url.is_some(),
            contact,
        });
        let poll = std::sync::Arc::new(lane::Lane::new(&own));
        Ok(Self { main, exports, admin, own, poll })
    }
}

/// Connections to PostgreSQL for admin calls, health and the server's own chores.
pub const ADMIN_CONNECTIONS: u32 = 4;

/// Exports at once where the way to PostgreSQL may be a pooler's. Its connections are shared by all, and who waits for
/// one waits behind whole pages of records: with two of them a pool of four always has one left for decisions.
pub const EXPORTS_BEHIND_A_POOLER: u32 = 2;

/// How long a SQLite writer waits for another one of this process.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

impl Sqlite {
    async fn open(path: PathBuf, options: &Options) -> Result<Self, Error> {
        let held = lock::FileLock::take(&path, options.allow_network_file_system)?;
        let connect = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(SQLITE_BUSY_TIMEOUT)
            .pragma("recursive_triggers", "on")
            .statement_cache_capacity(64);
        let pool = |max: u32| {
            SqlitePoolOptions::new()
                .max_connections(max)
                .acquire_timeout(options.acquire_timeout)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
                // On some failures (a full disk) SQLite rolls back by itself; sqlx's own rollback then finds no
                // transaction, fails, and the connection counts as inside one for ever: nothing more can begin on it.
                .before_acquire(|connection, _| {
                    let usable = !connection.is_in_transaction();
                    Box::pin(async move { Ok(usable) })
                })
        };
        let main =
            pool(options.max_connections.min(SQLITE_MAIN_CONNECTIONS)).connect_with(connect.clone()).await?;
        let audit = pool(1).connect_lazy_with(connect.clone());
        let poll = pool(1).connect_lazy_with(connect.clone());
        let exports = pool(SQLITE_SIDE_CONNECTIONS).connect_lazy_with(connect.clone());
        let admin = pool(SQLITE_SIDE_CONNECTIONS).connect_lazy_with(connect);
        Ok(Self { main, exports, admin, audit, poll, _lock: std::sync::Arc::new(held) })
    }
}

/// Each connection to SQLite is a thread; readers do not block one another, so a few serve everybody.
const SQLITE_MAIN_CONNECTIONS: u32 = 4;

/// As many for exports, and for admins.
const SQLITE_SIDE_CONNECTIONS: u32 = 2;
