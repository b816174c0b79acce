//! Closes the chains of writers that are gone, so that verification can tell a finished chain from a cut one, and
//! says that this process's own chain lives.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::ids::ChainId;
use crate::store::Store;
use crate::store::chains::Appender;

use super::machine::{Batch, Builder, Cursor, Outcome, closed_detail};
use super::record::{Entry, Kind};
use super::writer::Writer;

/// How often a chain says that its writer lives, and the janitor looks round.
const TURN: Duration = Duration::from_secs(60);

/// A chain unseen for this long has lost its writer.
pub const SILENCE: Duration = Duration::from_secs(600);

/// The lease's name and how long one turn holds it.
const LEASE: &str = "audit-janitor";
const LEASE_LIFE: Duration = Duration::from_secs(120);

/// Beats for this process's chain and, while it holds the lease, closes silent ones; for as long as it is polled.
pub async fn run(store: Store, writer: Writer, clock: Clock, instance: String) {
    let appender = Appender::new(&store);
    let mut turn = tokio::time::interval(TURN);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        let own = writer.chain();
        if let Err(error) = sweep(&store, &appender, own, clock.now(), &instance, SILENCE).await {
            tracing::warn!(%error, "the audit janitor's turn failed");
        }
    }
}

/// One turn; answers the chains it closed.
///
/// # Errors
/// When the database is away.
pub async fn sweep(
    store: &Store,
    appender: &Appender,
    own: Option<Arc<ChainId>>,
    now: Timestamp,
    instance: &str,
    silence: Duration,
) -> Result<Vec<ChainId>, crate::store::Error> {
    if let Some(own) = &own {
        store.chain_seen(own).await?;
    }
    if !store.take_lease(LEASE, instance, LEASE_LIFE).await? {
        return Ok(Vec::new());
    }
    // A SQLite file has one writer, whose lock this process holds: every other open chain is a dead one's.
    let silence = match store {
        Store::Postgres(_) => silence,
        Store::Sqlite(_) => Duration::ZERO,
    };
    let mut closed = Vec::new();
    for cursor in store.silent_chains(silence).await? {
        if own.as_deref() == Some(&cursor.chain_id) {
            continue;
        }
        let chain = cursor.chain_id.clone();
        match appender.append(&closing(cursor, now, instance)).await {
            Outcome::Committed(_) => {
                tracing::info!(%chain, "closed the audit chain of a writer that is gone");
                closed.push(chain);
            }
            // The writer lives after all, or the database does not answer; the next turn sees.
            Outcome::Moved | Outcome::Refused | Outcome::Unknown => {}
        }
    }
    Ok(closed)
}

fn closing(cursor: Cursor, now: Timestamp, instance: &str) -> Batch {
    let mut builder = Builder::new(cursor, now);
    let mut entry = Entry::new(Kind::Chain);
    entry.detail = Some(closed_detail("janitor", "silent", instance));
    builder.push(entry);
    builder.finish(true)
}
