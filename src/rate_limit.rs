//! How often an agent may call, and how often an address may fail to log in.
//!
//! `gcra` is the arithmetic, `local` a limiter of this process, `redis` one that replicas share, `storage` says where
//! that is. With Redis a call must fit here *and* there: so what this process alone admitted never exceeds a limit,
//! whatever Redis forgets and however often it comes and goes, and who is over its limit does not reach Redis at all.
//!
//! **Invariant:** a call is charged once or not at all; none waits for longer than [`redis::BUDGET`].

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::Instrument;

use crate::clock::{Clock, Instant};
use crate::ids::AgentId;
use crate::telemetry;

pub mod gcra;
mod local;
pub(crate) mod nodes;
pub mod redis;
pub mod storage;

use gcra::{Charge, Limit, Override, Standing};
use local::Local;
use redis::{Away, Shared};
use storage::Storage;

/// What to do with calls while Redis does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// Limit them in this process alone.
    Local,
    /// Refuse them.
    Deny,
    /// Admit them.
    Allow,
}

impl OnError {
    /// As the setting has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Deny => "deny",
            Self::Allow => "allow",
        }
    }
}

/// How calls are limited.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Of an agent without a limit of its own; `None`: nobody is limited.
    pub default: Option<Limit>,
    /// Of an address that fails to log in; `None`: it is not limited.
    pub failures: Option<Limit>,
    /// Where agents' calls are counted.
    pub storage: Storage,
    /// What to do with them while they cannot be counted there.
    pub on_error: OnError,
}

impl Settings {
    /// Nobody is limited.
    pub const fn off() -> Self {
        Self { default: None, failures: None, storage: Storage::Memory, on_error: OnError::Local }
    }
}

/// What came of a call.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// There is no limit.
    Unlimited,
    /// It fits.
    Admitted(Quota),
    /// It does not fit yet; nothing was charged.
    Refused(Quota),
    /// It costs more than ever fits at once.
    TooLarge {
        /// The most that fits.
        burst: u64,
    },
    /// It cannot be counted, and is refused for that.
    Unavailable,
}

/// A limit, and how its caller stands.
#[derive(Clone, Debug)]
pub struct Quota {
    /// The limit.
    pub limit: Arc<Limit>,
    /// How the caller stands in the window that leaves it least.
    pub standing: Standing,
}

/// What the limiter has done since it started. Counting is one relaxed addition.
#[derive(Debug, Default)]
struct Counts {
    admitted: AtomicU64,
    refused: AtomicU64,
    failures_refused: AtomicU64,
    without_redis: AtomicU64,
}

/// [`Counts`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Calls that were admitted; a batch counts once.
    pub admitted: u64,
    /// Calls that were refused.
    pub refused: u64,
    /// Failed logins that were told to wait.
    pub failures_refused: u64,
    /// Calls that were judged without Redis, because it did not answer.
    pub without_redis: u64,
    /// How often Redis went away.
    pub outages: u64,
    /// Callers in this process's memory.
    pub callers: u64,
}

/// Limits calls.
#[derive(Debug)]
pub struct Limiter {
    default: Option<Arc<Limit>>,
    failures: Option<Arc<Limit>>,
    agents: Local<AgentId>,
    shared: Option<Arc<Shared>>,
    on_error: OnError,
    addresses: Local<IpAddr>,
    clock: Clock,
    counts: Counts,
}

impl Limiter {
    /// A limiter, and with Redis the task that looks for it whenever it is away. Redis need not be there yet.
    ///
    /// # Errors
    /// When Redis's address is none that can be used.
    pub async fn start(
        settings: Settings,
        clock: Clock,
    ) -> Result<(Self, Option<impl Future<Output = ()> + Send + 'static>), String> {
        let shared = match (&settings.storage, &settings.default) {
            (Storage::Redis(address), Some(_)) => Some(Arc::new(Shared::new(address, clock.clone())?)),
            (Storage::Redis(_), None) | (Storage::Memory, _) => None,
        };
        if let Some(shared) = &shared
            && !shared.find().await
        {
            tracing::warn!(
                on_error = settings.on_error.as_str(),
                "Redis does not answer yet; calls are limited without it"
            );
        }
        let watch = shared.as_ref().map(|shared| Arc::clone(shared).watch());
        let limiter = Self {
            default: settings.default.map(Arc::new),
            failures: settings.failures.map(Arc::new),
            agents: Local::new(),
            shared,
            on_error: settings.on_error,
            addresses: Local::new(),
            clock,
            counts: Counts::default(),
        };
        Ok((limiter, watch))
    }

    /// The limit of an agent that has none of its own; `None`: it is not limited.
    pub const fn default_limit(&self) -> Option<&Arc<Limit>> {
        self.default.as_ref()
    }

    /// Charges a call of `cost` to an agent, by its own limit if it has one.
    pub async fn charge(&self, agent: &AgentId, own: Option<&Override>, cost: u64) -> Verdict {
        // Switched off, limits are off for all.
        let Some(default) = &self.default else { return Verdict::Unlimited };
        let limit = match own {
            None => default,
            Some(Override::Limit(limit)) => limit,
            Some(Override::Unlimited) => return Verdict::Unlimited,
        };
        if cost > limit.burst() {
            return Verdict::TooLarge { burst: limit.burst() };
        }
        let own = self.agents.charge(agent, limit, self.now(), cost);
        let charge = match &self.shared {
            // Over its limit by what was admitted here alone: Redis need not be asked, whatever has become of it.
            Some(shared) if own.admitted || shared.is_away() => match shared
                .charge(agent, limit, cost)
                .instrument(tracing::info_span!(target: telemetry::STEP, "redis"))
                .await
            {
                Ok(there) => {
                    if !there.admitted {
                        self.agents.refund(agent, limit, self.now(), cost);
                    }
                    there
                }
                Err(Away) => {
                    self.counts.without_redis.fetch_add(1, Ordering::Relaxed);
                    match self.on_error {
                        OnError::Local => own,
                        OnError::Allow => {
                            self.counts.admitted.fetch_add(1, Ordering::Relaxed);
                            return Verdict::Unlimited;
                        }
                        OnError::Deny => {
                            if own.admitted {
                                self.agents.refund(agent, limit, self.now(), cost);
                            }
                            self.counts.refused.fetch_add(1, Ordering::Relaxed);
                            return Verdict::Unavailable;
                        }
                    }
                }
            },
            Some(_) | None => own,
        };
        let count = if charge.admitted { &self.counts.admitted } else { &self.counts.refused };
        count.fetch_add(1, Ordering::Relaxed);
        verdict(limit, &charge, cost)
    }

    /// Where agents' calls are counted.
    pub const fn storage(&self) -> &'static str {
        if self.shared.is_some() { "redis" } else { "memory" }
    }

    /// Whether they can be counted there now.
    pub fn is_counting(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| !shared.is_away())
    }

    /// What is done with them while they cannot.
    pub const fn on_error(&self) -> OnError {
        self.on_error
    }

    /// Charges a failed login to an address.
    ///
    /// # Errors
    /// How the address stands, if it failed too often. It is still told so only after its key was found wrong: a valid
    /// key always passes.
    pub fn failed_login(&self, address: IpAddr) -> Result<(), Quota> {
        let Some(limit) = &self.failures else { return Ok(()) };
        let charge = self.addresses.charge(&address, limit, self.now(), 1);
        if charge.admitted {
            return Ok(());
        }
        self.counts.failures_refused.fetch_add(1, Ordering::Relaxed);
        Err(Quota { limit: Arc::clone(limit), standing: limit.standing(&charge, 1) })
    }

    /// What it has done so far.
    pub fn figures(&self) -> Figures {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Figures {
            admitted: of(&self.counts.admitted),
            refused: of(&self.counts.refused),
            failures_refused: of(&self.counts.failures_refused),
            without_redis: of(&self.counts.without_redis),
            outages: self.shared.as_ref().map_or(0, |shared| shared.outages()),
            callers: u64::try_from(self.agents.len() + self.addresses.len()).unwrap_or(u64::MAX),
        }
    }

    /// Microseconds on the clock of elapsed time. Not from zero, which is where unused marks stand.
    fn now(&self) -> u64 {
        let elapsed = self.clock.instant().since(Instant::from_origin(Duration::ZERO));
        u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

fn verdict(limit: &Arc<Limit>, charge: &Charge, cost: u64) -> Verdict {
    let quota = Quota { limit: Arc::clone(limit), standing: limit.standing(charge, cost) };
    if charge.admitted { Verdict::Admitted(quota) } else { Verdict::Refused(quota) }
}
