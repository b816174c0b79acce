//! How the server is told to stop: once to finish what it has, twice to cut.

use std::future::Future;
use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whoever holds it can stop the server.
#[derive(Clone, Debug)]
pub struct Stopper(watch::Sender<u32>);

/// What the server listens to.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<u32>);

/// A stop and whoever gives it.
pub fn stop() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(0);
    (Stopper(sender), Stop(receiver))
}

/// A stop given by SIGTERM or SIGINT, a second one cutting; the future listens for as long as it is polled.
///
/// # Errors
/// When the process may not listen for signals.
pub fn stop_on_signals() -> io::Result<(Stop, impl Future<Output = ()> + Send + 'static)> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stopper, stop) = stop();
    let listen = async move {
        loop {
            let name = tokio::select! {
                Some(()) = terminate.recv() => "SIGTERM",
                Some(()) = interrupt.recv() => "SIGINT",
                else => return,
            };
            tracing::info!(signal = name, "asked to stop");
            stopper.stop();
        }
    };
    Ok((stop, listen))
}

impl Stopper {
    /// Asks for the end; the second time for the end at once.
    pub fn stop(&self) {
        self.0.send_modify(|times| *times = times.saturating_add(1));
    }
}

impl Stop {
    /// Ends once the server is asked to finish. Never, if nobody is left to ask.
    pub async fn asked(&mut self) {
        self.reached(1).await;
    }

    /// Ends once the server is asked to cut.
    pub async fn cut(&mut self) {
        self.reached(2).await;
    }

    async fn reached(&mut self, times: u32) {
        if self.0.wait_for(|asked| *asked >= times).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
