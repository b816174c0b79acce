//! Everything behind the front door, made in the order in which each needs the one before, and ended in the other.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tower::util::BoxCloneSyncService;

use super::measured::{DefaultMonth, State};
use super::route::Route;
use super::{Doors, Error, Health, Limits, Measured, Parts, Stop, Tls};
use crate::audit::outbox::Outbox;
use crate::audit::{self, Keeper, Writer, janitor, writer};
use crate::auth::{AdminKeys, Authenticator, Peppers};
use crate::clock::Clock;
use crate::config::{AuditMode, Config, Database, Https, PolicyFeed, Secret};
use crate::metrics::Metrics;
use crate::pb::v1::admin_service_server::AdminServiceServer;
use crate::rate_limit::storage::Storage;
use crate::rate_limit::{self, Limiter};
use crate::service::admin::{self, AdminService};
use crate::service::enforcement::{Bounds, Deviation, Enforcement, Way};
use crate::service::tally::Tally;
use crate::store::{Location, Options, Store};
use crate::view::feed::{self, Feed};
use crate::view::{self, Views};

/// How often health looks at the parts behind: a stale view is noticed a quarter of a second late at most, while no
/// decision ever is, because each looks for itself.
const HEALTH_INTERVAL: Duration = Duration::from_millis(250);

/// How long records that wait may take to be written at the end.
const FLUSH_GRACE: Duration = Duration::from_secs(5);

/// How long what the audit is still to be told of admin acts may take; what is left over is found by the next start.
const OUTBOX_GRACE: Duration = Duration::from_secs(1);

/// How often months are looked after: they are made three ahead.
const MONTHS_INTERVAL: Duration = Duration::from_secs(6 * 3_600);

/// How often the default partition is looked at: nothing is lost meanwhile, and a month has time.
const DEFAULT_MONTH_INTERVAL: Duration = Duration::from_secs(300);

/// Rows of the `settings` table.
const AUDIT_KEY: &str = "audit_key";
const PEPPER: &str = "key_pepper";

const OUTBOX: &str = "the audit's outbox";
const WRITER: &str = "the audit writer";

/// A server that has its socket and its parts, and takes calls once it is run.
pub struct Server {
    parts: Parts<Enforcement>,
    doors: Doors,
    tasks: JoinSet<&'static str>,
    writer: Writer,
    /// Held until the calls have ended: the outbox ends when nobody is left to tell it of a write, and a part that
    /// ends before the calls do would count as broken.
    outbox: Outbox,
    store: Store,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("doors", &self.doors).finish_non_exhaustive()
    }
}

/// Makes a server: database, schema, audit writer, first view, socket.
///
/// # Errors
/// Whatever keeps it from serving; nothing is left running then.
pub async fn build(config: &Config, clock: Clock) -> Result<Server, Error> {
    build_deviating(config, clock, Deviation::Nothing).await
}

/// Makes a server that leaves `deviation` out of the way of a check. For tests that must be able to fail; see
/// [`Deviation`] for why it is an argument and no setting.
///
/// # Errors
/// As [`build`].
pub async fn build_deviating(config: &Config, clock: Clock, deviation: Deviation) -> Result<Server, Error> {
    let store = Store::open(&options(config)).await?;
    store.schema().await?.fits()?;
    look_after_months(&store, &clock).await;

    let peppers = peppers(config, &store).await?;
    let keeper = keeper(config, &store).await?;
    let mut tasks = JoinSet::new();

    let mode = match config.audit_mode {
        AuditMode::Durable => audit::Mode::Durable,
        AuditMode::Async => audit::Mode::Async,
    };
    let instance = instance();
    let settings = writer::settings(mode, env!("CARGO_PKG_VERSION"), &instance);
    let (writer, task) = Writer::start(&store, settings, clock.clone());
    spawn(&mut tasks, WRITER, task);
    let (outbox, task) = Outbox::start(store.clone(), writer.clone(), clock.clone());
    spawn(&mut tasks, OUTBOX, task);
    let task = janitor::run(store.clone(), writer.clone(), clock.clone(), instance);
    spawn(&mut tasks, "the audit's janitor", task);

    let settings = view::Settings {
        refresh_interval: config.policy_refresh_interval,
        max_staleness: config.max_policy_staleness,
    };
    let (views, task) = Views::start(store.clone(), settings, clock.clone()).await?;
    spawn(&mut tasks, "the policy view", task);

    let admin_keys = AdminKeys::new(config.admin_keys.iter().map(Secret::expose));
    let authenticator = Arc::new(Authenticator::new(Arc::clone(&views), peppers, admin_keys, clock.clone()));
    spawn(&mut tasks, "the last use of keys", Arc::clone(&authenticator).flush_uses(store.clone()));

    let (limiter, task) = Limiter::start(limiting(config), clock.clone()).await.map_err(Error::Limits)?;
    if let Some(task) = task {
        spawn(&mut tasks, "the look for Redis", task);
    }
    let limiter = Arc::new(limiter);

    let (feed, following) = Feed::start(&feeding(config, &store), &store, &views).map_err(Error::Feed)?;
    for task in following {
        spawn(&mut tasks, "the change feed", task);
    }

    let way = Way::new(Arc::clone(&views), writer.clone(), store.clone(), keeper, clock.clone(), mode)
        .deviating(deviation);
    let tally = Arc::new(Tally::default());
    let metrics = match config.metrics.enabled {
        true => Metrics::new(config.metrics.max_series, Route::endpoints())?,
        false => Metrics::off(),
    };
    writer.time_commits(metrics.commits());
    let admin = AdminService::new(admin::Parts {
        store: store.clone(),
        views: Arc::clone(&views),
        authenticator: Arc::clone(&authenticator),
        outbox: outbox.clone(),
        writer: writer.clone(),
        tally: Arc::clone(&tally),
        limiter: Arc::clone(&limiter),
        feed,
        audit_mode: mode,
        clock: clock.clone(),
    });
    let admin = AdminServiceServer::new(admin).max_decoding_message_size(config.max_request_size);

    let (signal, health) = watch::channel(look(&views, &writer));
    spawn(&mut tasks, "health", watch_over(Arc::clone(&views), writer.clone(), signal));
    let (months, time) = (store.clone(), clock.clone());
    spawn(&mut tasks, "the audit's months", async move {
        loop {
            tokio::time::sleep(MONTHS_INTERVAL).await;
            look_after_months(&months, &time).await;
        }
    });
    let default_month = Arc::new(DefaultMonth::default());
    if metrics.is_on() {
        let (store, noted) = (store.clone(), Arc::clone(&default_month));
        spawn(&mut tasks, "the look at the default month", watch_default_month(store, noted));
    }

    let tls = match &config.door.https {
        Https::Here(files) => {
            let (tls, task) = Tls::load(files.clone(), clock.clone()).await?;
            spawn(&mut tasks, "TLS", task);
            Some(tls)
        }
        Https::Off | Https::AtProxy => None,
    };
    let state = State {
        views,
        writer: writer.clone(),
        store: store.clone(),
        limiter: Arc::clone(&limiter),
        tally: Arc::clone(&tally),
        health: health.clone(),
        tls: tls.clone(),
        default_month,
    };
    let measured = Measured::new(metrics.clone(), &config.metrics, config.door.metrics.is_none(), state);
    let doors = Doors::bind(config.listen, &config.door, tls).await?;
    let bounds = Bounds { message_timeout: config.request_timeout, max_check_size: config.max_enforce_size };
    let parts = Parts {
        enforcement: Arc::new(Enforcement::new(
            way,
            config.decision_detail,
            tally,
            Arc::clone(&limiter),
            metrics,
            bounds,
        )),
        admin: BoxCloneSyncService::new(admin),
        authenticator,
        limiter,
        health,
        measured,
        clock,
        limits: limits(config),
    };
    Ok(Server { parts, doors, tasks, writer, outbox, store })
}

impl Server {
    /// Where it listens; with port 0 in the configuration, the port it got.
    ///
    /// # Errors
    /// When the socket has gone.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.doors.address()
    }

    /// Whether clients speak TLS with it.
    pub const fn is_tls(&self) -> bool {
        self.doors.is_tls()
    }

    /// Serves until `stop` asks for the end, then writes what waits.
    ///
    /// # Errors
    /// When a part of it ends by itself: a server without one of its parts would be half dead.
    pub async fn run(self, stop: Stop) -> Result<(), Error> {
        let Self { parts, doors, mut tasks, writer, outbox, store } = self;
        doors.announce(store.kind());
        let served = tokio::select! {
            served = super::run(parts, doors, stop.clone()) => served,
            ended = tasks.join_next() => Err(ended_early(ended)),
        };
        drop(outbox);
        let mut stop = stop;
        tokio::select! {
            () = flush(&mut tasks, &writer) => {}
            () = stop.cut() => tracing::warn!("asked again; records that wait are lost"),
        }
        tasks.shutdown().await;
        tracing::info!("ended");
        // A connection that hangs is the operating system's to close.
        let _closed = tokio::time::timeout(OUTBOX_GRACE, store.close()).await;
        served
    }
}

/// The outbox ends once the admin service is gone, and then the writer may.
async fn flush(tasks: &mut JoinSet<&'static str>, writer: &Writer) {
    let told = async {
        while let Some(ended) = tasks.join_next().await {
            if matches!(ended, Ok(OUTBOX | WRITER)) {
                return;
            }
        }
    };
    if tokio::time::timeout(OUTBOX_GRACE, told).await.is_err() {
        tracing::warn!("records of admin acts are left to the next start");
    }
    if tokio::time::timeout(FLUSH_GRACE, writer.close()).await.is_err() {
        tracing::error!("records that wait could not be written in time");
    }
}

fn spawn(
    tasks: &mut JoinSet<&'static str>,
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
) {
    tasks.spawn(async move {
        task.await;
        name
    });
}

pub(super) fn ended_early(ended: Option<Result<&'static str, JoinError>>) -> Error {
    match ended {
        Some(Ok(part)) => Error::Ended(part),
        Some(Err(error)) if error.is_panic() => Error::Ended("a part, by a panic"),
        Some(Err(_)) | None => Error::Ended("a part"),
    }
}

fn options(config: &Config) -> Options {
    let location = match &config.database {
        Database::Sqlite(path) => Location::Sqlite(path.clone()),
        Database::Postgres(url) => Location::Postgres {
            url: url.expose().to_owned(),
            direct_url: config.database_direct.as_ref().map(|url| url.expose().to_owned()),
        },
    };
    Options {
        max_connections: config.pool.max_connections,
        kept_connections: config.pool.kept_connections,
        acquire_timeout: config.pool.timeout,
        max_lifetime: config.pool.recycle,
        ..Options::at(location)
    }
}

/// Which change feeds there are: by default each that can be had.
fn feeding(config: &Config, store: &Store) -> feed::Settings {
    let address = match &config.rate_limit.storage {
        Storage::Redis(address) => Some(address.clone()),
        Storage::Memory => None,
    };
    let postgres =
        matches!(config.policy_feed, PolicyFeed::Auto | PolicyFeed::Postgres) && store.has_channel();
    let shared = address.filter(|_| matches!(config.policy_feed, PolicyFeed::Auto | PolicyFeed::Redis));
    // One SQLite file has one server, which hears its own writes.
    let shared = shared.filter(|_| matches!(config.database, Database::Postgres(_)));
    if !postgres && shared.is_none() && matches!(config.database, Database::Postgres(_)) {
        tracing::info!(
            "no change feed: other replicas' changes are seen at the next poll; DATABASE_DIRECT_URL or a Redis in \
             RATE_LIMIT_STORAGE_URI gives one"
        );
    }
    feed::Settings { postgres, shared }
}

fn limiting(config: &Config) -> rate_limit::Settings {
    let config = config.rate_limit.clone();
    rate_limit::Settings {
        default: config.default,
        failures: config.failures,
        storage: config.storage,
        on_error: config.on_error,
    }
}

fn limits(config: &Config) -> Limits {
    Limits {
        request_timeout: config.request_timeout,
        max_request_size: config.max_request_size,
        max_enforce_size: config.max_enforce_size,
        reflection: config.reflection_enabled,
        drain_delay: config.shutdown_drain_delay,
        drain_grace: config.shutdown_grace,
        ..Limits::default()
    }
}

/// The peppers, checked against the sentinel that the database keeps from the first start with one: under another
/// pepper every key would be refused, and it would look as if all had been revoked.
async fn peppers(config: &Config, store: &Store) -> Result<Peppers, Error> {
    let current = config.key_pepper.as_ref().map(Secret::expose);
    let peppers = Peppers::new(current, config.key_pepper_previous.as_ref().map(Secret::expose));
    let own = peppers.sentinel();
    let stored = match current {
        Some(_) => Some(store.setting_or_make(PEPPER, &own).await?),
        None => store.setting(PEPPER).await?,
    };
    let Some(stored) = stored else { return Ok(peppers) };
    if !peppers.accepts(&stored) {
        return Err(Error::Pepper);
    }
    if stored != own {
        // Known by the previous pepper: from now on keys are made under the new one, which must then be there.
        store.change_setting(PEPPER, &stored, &own).await?;
    }
    Ok(peppers)
}

/// The deployment's own key for digests of what is not stored, made at the first start.
async fn keeper(config: &Config, store: &Store) -> Result<Keeper, Error> {
    let key = store.setting_or_make(AUDIT_KEY, &crate::entropy::bytes::<32>()).await?;
    let key = <[u8; 32]>::try_from(key).map_err(|_| Error::AuditKey)?;
    Ok(Keeper::new(key, config.audit_redact_keys.clone()))
}

/// Who cannot make them is not refused: there are months ahead, and a warning each time.
async fn look_after_months(store: &Store, clock: &Clock) {
    match store.make_months(clock.now()).await {
        Ok(made) if made.is_empty() => {}
        Ok(made) => tracing::info!(tables = made.join(", "), "made months of the audit"),
        Err(error) => tracing::warn!(%error, "months of the audit could not be made"),
    }
}

/// Looks whether records lie in the default partition. What it finds is for the operator; nothing here depends on it.
async fn watch_default_month(store: Store, noted: Arc<DefaultMonth>) {
    loop {
        match store.default_month_in_use().await {
            Ok(in_use) => noted.note(in_use),
            Err(error) => tracing::debug!(%error, "the default partition could not be looked at"),
        }
        tokio::time::sleep(DEFAULT_MONTH_INTERVAL).await;
    }
}

async fn watch_over(views: Arc<Views>, writer: Writer, signal: watch::Sender<Health>) {
    let mut turn = tokio::time::interval(HEALTH_INTERVAL);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        let health = look(&views, &writer);
        let changed = signal.send_if_modified(|last| {
            let changed = *last != health;
            *last = health;
            changed
        });
        if changed {
            tracing::warn!(policies = health.policies, audit = health.audit, "the server's health changed");
        }
    }
}

fn look(views: &Views, writer: &Writer) -> Health {
    Health { policies: views.fresh().is_ok(), audit: !writer.is_broken() }
}

/// What the audit calls this process: the machine's name, and something that tells its lives apart.
fn instance() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().filter(|letter| letter.is_ascii_graphic()).take(64).collect();
    let life = u32::from_be_bytes(crate::entropy::bytes());
    format!("{}/{life:08x}", if name.is_empty() { "agentguard" } else { &name })
}
