//! A proxy between a writer and PostgreSQL that reads the protocol along, so that it knows at which step of a commit
//! a connection is, and strikes there.
//!
//! A statement alone commits with the `Sync` behind it. The proxy parts the two by a `Flush` of its own, so that a
//! commit of either way has the same steps.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::wire::{Frame, Half, Track};

/// Where in a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Before anything of the transaction reaches the server.
    Begin,
    /// The server has done the statement; its answer is held back.
    Statement,
    /// The statement was answered; the COMMIT is held back.
    Commit,
    /// The server has committed; its answer is held back.
    Answer,
    /// Before the head is read because a commit is in doubt.
    Look,
    /// An earlier decision was looked up by its idempotency key; the answer is held back.
    LookUp,
}

/// What happens there.
#[derive(Clone, Debug)]
pub enum Act {
    /// Both ends are closed at once.
    Cut,
    /// Nothing passes for so long, then all goes on, also what the client no longer waits for.
    Delay(Duration),
    /// Nothing passes any more; after the client has given up the server is left waiting for so long.
    Blackhole(Duration),
    /// Nothing passes until the value is true.
    Gate(watch::Receiver<bool>),
}

/// What happens where.
#[derive(Clone, Debug)]
pub struct Fault {
    pub step: Step,
    pub act: Act,
}

/// The proxy; it ends when the value is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    upstream: Mutex<SocketAddr>,
    /// Redirections so far; whoever was connected before one is cut.
    moved: watch::Sender<u64>,
    armed: Mutex<VecDeque<Fault>>,
    fired: watch::Sender<usize>,
    /// Whether nothing passes on any connection.
    dark: watch::Sender<bool>,
    /// Times that a client spoke and then a server.
    round_trips: AtomicU64,
}

impl Proxy {
    /// A proxy to the server of the database at `url`.
    pub async fn start(url: &str) -> Self {
        let upstream = authority(url).parse().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            moved: watch::Sender::new(0),
            armed: Mutex::default(),
            fired: watch::Sender::new(0),
            dark: watch::Sender::new(false),
            round_trips: AtomicU64::new(0),
        });
        let all = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, Arc::clone(&all)));
            }
        });
        Self { address, shared, task: task.abort_handle() }
    }

    /// The same database by way of the proxy.
    pub fn url(&self, straight: &str) -> String {
        let through = straight.replace(authority(straight), &self.address.to_string());
        format!("{through}?sslmode=disable")
    }

    /// The next commits meet these faults, one after the other; what was armed before is forgotten.
    pub fn arm(&self, faults: impl IntoIterator<Item = Fault>) {
        *self.shared.armed.lock().unwrap() = faults.into_iter().collect();
    }

    /// Faults that happened so far.
    pub fn fired(&self) -> watch::Receiver<usize> {
        self.shared.fired.subscribe()
    }

    /// Round trips so far: times that a server answered what a client had said.
    pub fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Ordering::SeqCst)
    }

    /// From now on it leads to another server; whoever is connected is cut.
    pub fn redirect(&mut self, upstream: SocketAddr) {
        *self.shared.upstream.lock().unwrap() = upstream;
        self.shared.moved.send_modify(|count| *count += 1);
    }

    /// From now on nothing passes, and nobody is told.
    pub fn darken(&self) {
        self.shared.dark.send_replace(true);
    }

    /// All that was held back passes.
    pub fn heal(&self) {
        self.shared.dark.send_replace(false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `HOST:PORT` of a URL `postgresql://USER@HOST:PORT/NAME`.
fn authority(url: &str) -> &str {
    url.split('@').nth(1).and_then(|rest| rest.split('/').next()).expect("a URL of this suite")
}

impl Shared {
    fn wants(&self, step: Step) -> bool {
        self.armed.lock().unwrap().front().is_some_and(|fault| fault.step == step)
    }

    /// The fault that is due at `step`, which counts as having happened from now on.
    fn due(&self, step: Step) -> Option<Act> {
        let mut armed = self.armed.lock().unwrap();
        let fault = armed.pop_front_if(|fault| fault.step == step)?;
        self.fired.send_modify(|count| *count += 1);
        Some(fault.act)
    }

    /// Waits as long as nothing passes.
    async fn light(&self) {
        // The sender is in the same value.
        self.dark.subscribe().wait_for(|dark| !dark).await.unwrap();
    }
}

/// Both ends of a connection.
struct Line {
    client: Half,
    server: Half,
    shared: Arc<Shared>,
}

/// Why a connection is over.
struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

async fn carry(client: TcpStream, shared: Arc<Shared>) {
    shared.light().await;
    let mut moved = shared.moved.subscribe();
    moved.mark_unchanged();
    let upstream = *shared.upstream.lock().unwrap();
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    let line = Line { client: Half::new(client), server: Half::new(server), shared };
    // However it ends, both ends are closed with it.
    tokio::select! {
        _over = line.run() => {}
        _ = moved.changed() => {}
    }
}

impl Line {
    async fn run(mut self) -> Result<(), Over> {
        let hello = self.client.hello().await?;
        self.server.send(&hello).await?;
        let mut track = Track::default();
        let mut asked = true;
        loop {
            tokio::select! {
                frame = self.client.next() => {
                    let frame = frame?;
                    self.shared.light().await;
                    asked = true;
                    self.client_says(frame, &mut track).await?;
                }
                frame = self.server.next() => {
                    let frame = frame?;
                    self.shared.light().await;
                    self.shared.round_trips.fetch_add(u64::from(std::mem::take(&mut asked)), Ordering::SeqCst);
                    self.server_says(frame, &mut track).await?;
                }
            }
        }
    }

    async fn client_says(&mut self, frame: Frame, track: &mut Track) -> Result<(), Over> {
        track.client(&frame);
        if track.begins(&frame) {
            self.meet(Step::Begin).await?;
        }
        if track.looks(&frame) {
            self.meet(Step::Look).await?;
        }
        if track.commits(&frame) {
            if frame.kind == b'S' && (self.shared.wants(Step::Statement) || self.shared.wants(Step::Commit)) {
                self.finish_statement(track).await?;
            }
            self.meet(Step::Commit).await?;
            track.committing = true;
        }
        self.server.send(&frame.bytes).await?;
        Ok(())
    }

    async fn server_says(&mut self, frame: Frame, track: &mut Track) -> Result<(), Over> {
        if track.committing && self.shared.wants(Step::Answer) {
            // The whole answer, so that nothing of it tells the client that it was committed.
            let mut held = vec![frame];
            while held.last().is_some_and(|last| last.kind != b'Z') {
                held.push(self.server.next().await?);
            }
            if !held.iter().any(|frame| frame.kind == b'E') {
                self.meet(Step::Answer).await?;
            }
            for frame in held {
                track.server(&frame);
                self.client.send(&frame.bytes).await?;
            }
            return Ok(());
        }
        if matches!(frame.kind, b'C' | b's') && track.in_statement() {
            self.meet(Step::Statement).await?;
        }
        if frame.kind == b'Z' && track.looked_up {
            self.meet(Step::LookUp).await?;
        }
        track.server(&frame);
        self.client.send(&frame.bytes).await?;
        Ok(())
    }

    /// Has the server do a statement alone without the `Sync` that commits it.
    async fn finish_statement(&mut self, track: &mut Track) -> Result<(), Over> {
        self.server.send(&Frame::flush().bytes).await?;
        let mut held = Vec::new();
        loop {
            let frame = self.server.next().await?;
            let kind = frame.kind;
            held.push(frame);
            match kind {
                b'C' | b's' => {
                    self.meet(Step::Statement).await?;
                    break;
                }
                b'E' => break,
                _ => {}
            }
        }
        for frame in held {
            track.server(&frame);
            self.client.send(&frame.bytes).await?;
        }
        Ok(())
    }

    /// The fault that is due here happens.
    async fn meet(&mut self, step: Step) -> Result<(), Over> {
        match self.shared.due(step) {
            None => Ok(()),
            Some(Act::Cut) => Err(Over),
            Some(Act::Delay(pause)) => {
                tokio::time::sleep(pause).await;
                Ok(())
            }
            Some(Act::Gate(mut open)) => {
                // A gate that is gone is open: its test has ended.
                let _gone = open.wait_for(|open| *open).await;
                Ok(())
            }
            Some(Act::Blackhole(rest)) => {
                let mut lost = [0; 4096];
                while self.client.stream.read(&mut lost).await.is_ok_and(|count| count > 0) {}
                self.client.stream.shutdown().await.ok();
                tokio::time::sleep(rest).await;
                Err(Over)
            }
        }
    }
}
