//! Hears of changes, so that a view need not wait for its next poll. What is heard is a hint and nothing more: it makes
//! the view read, through the same refresh as everything else, and is never believed. Polling goes on beside it.
//!
//! A line that was lost and is there again is followed by a read, for what was said meanwhile was not heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::Views;
use crate::ids::{Revision, Stamp};
use crate::rate_limit::storage::Address;
use crate::store::Store;

mod redis;

/// Between two attempts to get a lost line back: short at first, because a view is slower meanwhile.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_LAST: Duration = Duration::from_secs(2);

/// Between two reads that hints cause. Whoever can write into a channel can cause hints; not more reads than these.
const REST: Duration = Duration::from_millis(5);

/// Revisions that wait to be said; more are left out, since the newest stands for all before it.
const BACKLOG: usize = 64;

/// Which lines there are.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// PostgreSQL's channel.
    pub postgres: bool,
    /// A Redis that replicas share.
    pub shared: Option<Address>,
}

/// Tells other replicas, and knows how the lines are. Cloning shares everything.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    lines: Arc<[Arc<Line>]>,
    redis: Option<mpsc::Sender<Revision>>,
}

/// How a line is.
#[derive(Debug)]
pub struct Line {
    /// `postgresql` or `redis`.
    pub name: &'static str,
    connected: AtomicBool,
    hints: AtomicU64,
    losses: AtomicU64,
}

impl Line {
    fn new(name: &'static str) -> Arc<Self> {
        let (connected, hints, losses) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { name, connected, hints, losses })
    }

    /// Whether it is up.
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Hints heard on it.
    pub fn hints(&self) -> u64 {
        self.hints.load(Ordering::Relaxed)
    }

    /// How often it was lost.
    pub fn losses(&self) -> u64 {
        self.losses.load(Ordering::Relaxed)
    }

    fn is_up(&self) {
        self.connected.store(true, Ordering::Relaxed);
        tracing::info!(feed = self.name, "the change feed is up");
    }

    fn is_down(&self, error: &dyn std::fmt::Display) {
        if self.connected.swap(false, Ordering::Relaxed) {
            self.losses.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(feed = self.name, %error, "the change feed is lost; polling goes on");
        } else {
            tracing::debug!(feed = self.name, %error, "the change feed is still away");
        }
    }
}

/// Something that hears.
trait Ear: Send {
    /// The next thing that was said.
    fn next(&mut self) -> impl Future<Output = Result<String, String>> + Send;
}

impl Ear for crate::store::listen::Listener {
    async fn next(&mut self) -> Result<String, String> {
        Self::next(self).await.map_err(|error| error.to_string())
    }
}

/// Work that goes on for as long as it is polled.
pub type Task = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl Feed {
    /// The lines of `settings`, and the tasks that keep them up.
    ///
    /// # Errors
    /// When the address of the Redis is none that can be used.
    pub fn start(
        settings: &Settings,
        store: &Store,
        views: &Arc<Views>,
    ) -> Result<(Self, Vec<Task>), String> {
        let (mut lines, mut tasks): (Vec<_>, Vec<Task>) = (Vec::new(), Vec::new());
        if settings.postgres {
            let line = Line::new("postgresql");
            lines.push(Arc::clone(&line));
            let (store, views) = (store.clone(), Arc::clone(views));
            tasks.push(Box::pin(async move {
                let listen = || async { store.listen().await.map_err(|error| error.to_string()) };
                follow(&line, &views, listen).await;
            }));
        }
        let mut sender = None;
        if let Some(address) = &settings.shared {
            let line = Line::new("redis");
            lines.push(Arc::clone(&line));
            let nodes = redis::Channel::new(address)?;
            let (say, said) = mpsc::channel(BACKLOG);
            sender = Some(say);
            let (ear, views) = (nodes.clone(), Arc::clone(views));
            tasks.push(Box::pin(async move { follow(&line, &views, || ear.listen()).await }));
            tasks.push(Box::pin(nodes.say_all(said)));
        }
        Ok((Self { lines: lines.into(), redis: sender }, tasks))
    }

    /// Tells the other replicas of a write that was committed. PostgreSQL has told them with the commit.
    pub fn tell(&self, stamp: &Stamp) {
        if let Some(redis) = &self.redis {
            // Full: then enough was said that nobody has read yet.
            drop(redis.try_send(stamp.revision.clone()));
        }
    }

    /// The lines.
    pub fn lines(&self) -> &[Arc<Line>] {
        &self.lines
    }
}

/// Keeps a line up, and the view beside it.
async fn follow<E: Ear, F>(line: &Line, views: &Views, listen: impl Fn() -> F)
where
    F: Future<Output = Result<E, String>>,
{
    let mut pause = RETRY_FIRST;
    loop {
        match listen().await {
            Ok(mut ear) => {
                line.is_up();
                pause = RETRY_FIRST;
                views.hinted(None).await;
                let error = loop {
                    match ear.next().await {
                        Ok(said) => {
                            line.hints.fetch_add(1, Ordering::Relaxed);
                            if views.hinted(Some(&said)).await {
                                tokio::time::sleep(REST).await;
                            }
                        }
                        Err(error) => break error,
                    }
                };
                line.is_down(&error);
            }
            Err(error) => line.is_down(&error),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_LAST);
    }
}
