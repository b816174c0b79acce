//! Asks the database now and then whether it answers, so that probes are told what was found and cost it nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::store::Store;
use crate::view::Views;

/// Between two questions.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// For how long the database may not answer before it counts as away: a restart of its connections is no reason to turn
/// callers away everywhere at once.
const AWAY: Duration = Duration::from_secs(3);

/// How the database answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// How long the last answer took; `None`: the last question was not answered.
    pub latency: Option<Duration>,
    /// Whether it was not heard of for seconds, on no connection.
    pub is_away: bool,
}

/// Keeps `pulse` up to date. A crowd on the connections that questions share with admins' calls is no absence: the view
/// is confirmed over one of its own, every `refresh` while the database answers.
pub(super) async fn take(
    store: Store,
    views: Arc<Views>,
    refresh: Duration,
    clock: Clock,
    pulse: watch::Sender<Pulse>,
) {
    let unheard = AWAY.max(refresh.saturating_mul(2));
    let mut heard = clock.instant();
    let mut turn = tokio::time::interval(INTERVAL);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        let asked = clock.instant();
        let answered = tokio::time::timeout(PATIENCE, store.ping()).await;
        let now = clock.instant();
        let latency = matches!(answered, Ok(Ok(()))).then(|| now.since(asked));
        if latency.is_some() {
            heard = now;
        }
        let is_away = now.since(heard) >= AWAY && views.age() >= unheard;
        pulse.send_replace(Pulse { latency, is_away });
    }
}
