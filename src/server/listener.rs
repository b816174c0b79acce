//! The accept loop: seats, connections, drain.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::connection::{self, Answer, Gate};
use super::seats::Seats;

/// After an accept that failed (no file descriptors left): time for some to come free, without a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until the drain begins, then waits for those that are open. Dropping the future cuts them.
pub(super) async fn accept<A: Answer>(listener: TcpListener, seats: Seats, gate: Gate<A>) {
    let gate = Arc::new(gate);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = gate.draining.cancelled() => break,
            Some(ended) = connections.join_next() => {
                noted(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // A refused connection is closed without a word: whoever opens thousands reads none.
        let Some(seat) = seats.take(address.ip(), gate.entrance.trusts(address.ip())) else {
            tracing::debug!(address = %address.ip(), "a connection was refused, there are too many");
            continue;
        };
        // Answers are small and awaited: no waiting for more to send. A socket that cannot is about to fail anyway.
        stream.set_nodelay(true).ok();
        let gate = Arc::clone(&gate);
        connections.spawn(async move {
            let _seat = seat;
            connection::serve(stream, address.ip(), &gate).await;
        });
    }
    // Closed before the wait, so that new connections go to another replica.
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        noted(ended);
    }
    gate.calls.close();
    gate.calls.wait().await;
}

fn noted(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection ended by a fault");
    }
}
