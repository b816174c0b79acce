//! The front door: one port for gRPC and HTTP, the layers that every call passes, start and drain.
//!
//! `limits` bounds it, `counted` and `measured` count what it does, `listener` and `connection` hold the sockets, `tls` encrypts them, `entrance` says what each
//! listener opens and whom it believes, `stack` is the layers in request order, `gateway` the HTTP face, `standard`
//! health and reflection, `drain` how it is told to stop, `pulse` asks the
//! database how it is.
//!
//! **Invariant:** no call reaches a service but through the stack; nothing here decides.

mod build;
mod chatter;
mod connection;
mod cors;
mod counted;
mod doors;
mod drain;
mod entrance;
mod envelope;
mod framing;
mod gateway;
mod limits;
mod listener;
mod measured;
mod page;
mod preface;
mod pulse;
mod route;
mod seats;
mod stack;
mod standard;
mod stream;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use build::ended_early;

use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::pb::v1::enforcement_service_server::EnforcementService;
use crate::rate_limit::Limiter;

pub use build::{Server, build, build_deviating};
pub use doors::Doors;
pub use drain::{Stop, Stopper, stop, stop_on_signals};
pub use gateway::{enforce_request, http_document, openapi_document};
pub use limits::Limits;
pub use measured::Measured;
pub use pulse::Pulse;
pub use stack::Routed;
pub use tls::Tls;

/// What stands behind the front door.
pub struct Parts<E> {
    /// The agents' service.
    pub enforcement: Arc<E>,
    /// The admins' service: its generated server, with its own bound on messages.
    pub admin: Routed,
    /// Who tells callers apart.
    pub authenticator: Arc<Authenticator>,
    /// How often they may call.
    pub limiter: Arc<Limiter>,
    /// How the parts behind are; the sender says when that changes.
    pub health: watch::Receiver<Health>,
    /// What is counted, and its page.
    pub measured: Measured,
    /// The time.
    pub clock: Clock,
    /// The bounds.
    pub limits: Limits,
}

/// How the parts behind the front door are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Health {
    /// The view is confirmed. While it is not nothing is decided, and health says `NOT_SERVING`.
    pub policies: bool,
    /// How long ago it was confirmed last.
    pub policy_age: Duration,
    /// Records are committed. Shown, but no reason to turn callers away: they are told to try again at once, and an
    /// open breaker closes by itself.
    pub audit: bool,
    /// How the database answers.
    pub database: Pulse,
    /// Whether answers wait for the database, so that without it there are none.
    pub waits_for_database: bool,
    /// Calls are counted where they should be. Shown, but no reason to turn callers away: what is done without Redis
    /// is the deployment's choice.
    pub limiter: bool,
}

impl Health {
    /// Whether this replica decides.
    pub const fn decides(&self) -> bool {
        self.policies && !(self.waits_for_database && self.database.is_away)
    }
}

/// Why the server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The contract's own descriptors cannot be read.
    #[error("the descriptors of the contract cannot be read")]
    Descriptors(#[source] Arc<tonic_reflection::server::Error>),
    /// The contract has a call that cannot be served over HTTP.
    #[error("the contract cannot be served over HTTP: {0}")]
    Contract(String),
    /// The database is away, or not one that this program can serve.
    #[error("database")]
    Store(#[from] crate::store::Error),
    /// What the database holds cannot be decided by.
    #[error("policies")]
    View(#[from] crate::view::Error),
    /// The database's keys were made under another pepper.
    #[error(
        "the keys in the database were made under another pepper; set `KEY_PEPPER` to it, or to a new one with the old \
         one as `KEY_PEPPER_PREVIOUS`"
    )]
    Pepper,
    /// The database's own key is none.
    #[error("the setting `audit_key` in the database is not a key of 32 bytes")]
    AuditKey,
    /// There is no TLS to be had from the files.
    #[error("TLS")]
    Tls(#[from] tls::Error),
    /// The metrics library refuses one of ours.
    #[error("metrics")]
    Metrics(#[from] crate::metrics::Error),
    /// Redis cannot be asked at the address that was given.
    #[error("RATE_LIMIT_STORAGE_URI: {0}")]
    Limits(String),
    /// The change feed's address is none that can be used.
    #[error("the change feed cannot be used: {0}")]
    Feed(String),
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        error: Arc<std::io::Error>,
    },
    /// A task that runs for as long as the server does has ended.
    #[error("a part of the server ended by itself: {0}")]
    Ended(&'static str),
}

/// Serves on `doors` until `stop` asks for the end: health says `NOT_SERVING`, after the drain delay no more
/// connections are taken, calls in flight finish within the grace. Asked twice, it ends at once.
///
/// # Errors
/// When a part of it ends by itself.
pub async fn run<E: EnforcementService>(parts: Parts<E>, doors: Doors, mut stop: Stop) -> Result<(), Error> {
    let limits = parts.limits;
    let (stopping, is_stopping) = watch::channel(false);
    let (standard, report) = standard::Standard::new(parts.health.clone(), is_stopping, limits.reflection)?;
    let clock = parts.clock.clone();
    let stack = Arc::new(stack::Stack::new(parts, standard)?);
    let draining = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        report.await;
        "health"
    });
    let front = doors.open(stack, limits, clock, draining.clone());
    tasks.spawn(async move {
        front.await;
        "listener"
    });

    tokio::select! {
        () = stop.asked() => {}
        ended = tasks.join_next() => return Err(ended_early(ended)),
    }
    tracing::info!("health says NOT_SERVING; calls are still taken");
    stopping.send_replace(true);
    tokio::select! {
        () = tokio::time::sleep(limits.drain_delay) => {}
        () = stop.cut() => return Ok(()),
        ended = tasks.join_next() => return Err(ended_early(ended)),
    }
    tracing::info!("no more connections are taken; calls in flight may finish");
    draining.cancel();
    tokio::select! {
        ended = tasks.join_next() => match ended {
            Some(Ok("listener")) => tracing::info!("every call has finished"),
            ended => return Err(ended_early(ended)),
        },
        () = tokio::time::sleep(limits.drain_grace) => {
            tracing::warn!("the grace is over; calls still in flight are cut");
        }
        () = stop.cut() => tracing::warn!("asked again; calls still in flight are cut"),
    }
    tasks.shutdown().await;
    Ok(())
}

#[cfg(test)]
mod tests;
