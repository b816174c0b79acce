//! Calls counted in a Redis that replicas share: one script, one round trip, by Redis's own clock.
//!
//! Whatever Redis does, a caller waits for [`BUDGET`] at most. After [`TOLERATED`] failures in a row nobody waits any
//! more: a breaker opens, and one task asks for Redis until it is back.
//!
//! **Invariant:** a script is sent once. One that got no answer may have been run, so it is not sent again; only
//! `NOSCRIPT`, which says that it was not, is followed by the script itself.

mod breaker;
mod pool;

use std::sync::Arc;
use std::time::Duration;

use bb8_redis::bb8;
use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::gcra::{Charge, Levels, Limit};
use super::storage::Address;
use crate::clock::Clock;
use crate::ids::AgentId;
use breaker::Breaker;
use pool::{Generation, Health, Link, Manager};

/// The longest that a call waits for Redis, connecting included.
pub const BUDGET: Duration = Duration::from_millis(50);

/// Failures in a row before the breaker opens: more than there are connections, so that a Redis that closed idle ones
/// is not taken for one that is away.
pub const TOLERATED: u32 = 5;

/// Connections of one replica. Each carries any number of calls at once; more than one, so that they use more than
/// one of Redis's reads at a time.
pub const CONNECTIONS: u32 = 4;

/// Between two attempts to find Redis again.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// How long one attempt may take: far more than a healthy Redis needs, and short beside the two seconds within which
/// it is to be found again.
const PROBE_PATIENCE: Duration = Duration::from_millis(500);

const SCRIPT: &str = include_str!("gcra.lua");

/// A Redis that replicas share.
#[derive(Debug)]
pub struct Shared {
    pool: bb8::Pool<Manager>,
    generation: Generation,
    probe: Limit,
    script: redis::Script,
    breaker: Breaker,
    clock: Clock,
}

/// Redis was not asked, or did not answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Away;

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no answer within {} ms", .0.as_millis())]
    Late(Duration),
    #[error("no connection in time")]
    NoConnection,
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("an answer of another form")]
    Form,
}

impl Shared {
    /// A client of the Redis at `address`; whether it is there shows later.
    ///
    /// # Errors
    /// When the address is none that can be used.
    pub fn new(address: &Address, clock: Clock) -> Result<Self, String> {
        let generation = Generation::default();
        let manager =
            Manager::new(address, generation.clone(), PROBE_PATIENCE).map_err(|error| error.to_string())?;
        let probe = "1/second".parse().map_err(|error: super::gcra::Invalid| error.to_string())?;
        let pool = bb8::Pool::builder()
            .max_size(CONNECTIONS)
            .min_idle(CONNECTIONS)
            // A connection that waits to be tried again would keep its place from one that works.
            .retry_connection(false)
            .connection_timeout(PROBE_PATIENCE)
            // A PING before each call would double the round trips.
            .test_on_check_out(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .build_unchecked(manager);
        Ok(Self {
            pool,
            generation,
            probe,
            script: redis::Script::new(SCRIPT),
            breaker: Breaker::open(),
            clock,
        })
    }

    /// Whether Redis is known to be away.
    pub fn is_away(&self) -> bool {
        self.breaker.is_open()
    }

    /// How often Redis went away.
    pub fn outages(&self) -> u64 {
        self.breaker.outages()
    }

    /// Charges a call of `cost` to an agent, for all replicas.
    ///
    /// # Errors
    /// [`Away`], at once or within [`BUDGET`]. The call may have been charged all the same.
    pub async fn charge(&self, agent: &AgentId, limit: &Limit, cost: u64) -> Result<Charge, Away> {
        if self.breaker.is_open() {
            return Err(Away);
        }
        let asked = tokio::time::timeout(BUDGET, self.ask(agent.as_str(), limit, cost)).await;
        match asked.unwrap_or(Err(Failure::Late(BUDGET))) {
            Ok(charge) => {
                self.breaker.succeeded();
                Ok(charge)
            }
            Err(error) => {
                if self.breaker.failed(TOLERATED) {
                    self.generation.next();
                    tracing::warn!(%error, "Redis does not answer; calls are limited without it");
                }
                Err(Away)
            }
        }
    }

    /// Looks for Redis once, with connections of its own making; from success on, calls are charged there.
    pub async fn find(&self) -> bool {
        let asked = tokio::time::timeout(PROBE_PATIENCE, self.ask("probe", &self.probe, 0)).await;
        match asked.unwrap_or(Err(Failure::Late(PROBE_PATIENCE))) {
            Ok(_) => {
                self.breaker.close();
                true
            }
            Err(error) => {
                // A connection that was made and then hung is not waited for a second time.
                self.generation.next();
                tracing::debug!(%error, "Redis still does not answer");
                false
            }
        }
    }

    /// Looks for Redis whenever it is away, for as long as it is polled.
    pub async fn watch(self: Arc<Self>) {
        loop {
            self.breaker.opened().await;
            let since = self.clock.instant();
            while !self.find().await {
                tokio::time::sleep(PROBE_INTERVAL).await;
            }
            let away = self.clock.instant().since(since);
            tracing::info!(away_ms = away.as_millis(), "Redis answers; calls are limited by it");
        }
    }

    async fn ask(&self, agent: &str, limit: &Limit, cost: u64) -> Result<Charge, Failure> {
        let (mut link, health) = self.link().await?;
        let command = |verb: &str, script: &str| {
            let mut command = redis::cmd(verb);
            command.arg(script).arg(limit.windows().len());
            for window in limit.windows() {
                // One hash slot for all windows of an agent, so that one script may touch them.
                command.arg(format!("agentguard:limit:{{{agent}}}:{}", window.seconds()));
            }
            command.arg(cost);
            for window in limit.windows() {
                command.arg(window.step()).arg(window.unit()).arg(window.full());
            }
            command
        };
        let mut asked = link.ask(&command("EVALSHA", self.script.get_hash())).await;
        // Nothing was run, so this is no second try.
        if asked.as_ref().is_err_and(|error| error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)) {
            asked = link.ask(&command("EVAL", SCRIPT)).await;
        }
        match asked {
            Ok(answer) => charge(&answer),
            Err(error) => {
                // A cluster's connection learns from these; every other error may be the connection's.
                if !error.is_cluster_error() {
                    health.spoil();
                }
                Err(error.into())
            }
        }
    }

    /// A way to Redis. Its place in the pool is free again at once: calls share connections, none waits for one.
    async fn link(&self) -> Result<(Link, Health), Failure> {
        // Each turn drops a spoiled connection for good, and the pool makes another.
        for _ in 0..=2 * CONNECTIONS {
            let connection = self.pool.get().await.map_err(|error| match error {
                bb8::RunError::User(error) => Failure::Redis(error),
                bb8::RunError::TimedOut => Failure::NoConnection,
            })?;
            if !self.generation.has_spoiled(&connection) {
                return Ok((connection.link.clone(), connection.health.clone()));
            }
        }
        Err(Failure::NoConnection)
    }
}

/// The script's answer: admitted, Redis's time, then the levels.
fn charge(answer: &[u64]) -> Result<Charge, Failure> {
    let (Some(admitted), Some(levels)) = (answer.first(), answer.get(2..)) else { return Err(Failure::Form) };
    let mut charge = Charge { admitted: *admitted == 1, levels: Levels::default() };
    for (level, told) in charge.levels.iter_mut().zip(levels) {
        *level = *told;
    }
    Ok(charge)
}
