//! The attacks: each goes on at a fixed rate until its time is over, and says what it was answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::ENFORCE;
use super::calls::wrong;
use super::frames::{
    CANCEL, CONTINUATION, DATA, END_HEADERS, ENHANCE_YOUR_CALM, HEADERS, PING, PREFACE, PRIORITY, Peer,
    REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, field, frame, head, socket,
};
use crate::keys::raw::Wire;

/// Between two bursts of an attack.
const TICK: Duration = Duration::from_millis(10);

/// Where attackers call from: the bound on connections of one address must not hit the honest.
const ATTACKER: &str = "127.0.0.66";

/// What an attacker knows: where the server is, and a key that opens it.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub key: String,
}

#[derive(Clone, Copy, Debug)]
pub enum Attack {
    RapidReset,
    Continuations,
    EmptyData,
    Pings,
    Settings,
    Priorities,
    WindowUpdates,
    Streams,
    SilentSockets,
    Reconnects,
    LargeMessages,
    SlowBodies,
    Malformed,
}

pub const ALL: [Attack; 13] = [
    Attack::RapidReset,
    Attack::Continuations,
    Attack::EmptyData,
    Attack::Pings,
    Attack::Settings,
    Attack::Priorities,
    Attack::WindowUpdates,
    Attack::Streams,
    Attack::SilentSockets,
    Attack::Reconnects,
    Attack::LargeMessages,
    Attack::SlowBodies,
    Attack::Malformed,
];

/// What an attack did and got.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Frames, calls or sockets.
    pub sent: u64,
    pub connections: u64,
    /// Connections that the server ended.
    pub cut: u64,
    /// Answers that were not the right ones.
    pub faults: Vec<String>,
}

impl Attack {
    /// Attacks until `until`.
    pub async fn run(self, target: &Target, until: Instant) -> Tally {
        let call = |stream: u32| frame(HEADERS, END_HEADERS, stream, &head(ENFORCE, &target.key));
        let none = |_: u32| Vec::new();
        match self {
            Self::RapidReset => {
                let reset = |stream: u32| frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
                let unit = |n: u32| [call(2 * n + 1), reset(2 * n + 1)].concat();
                // Each of them is the beginning of a call, with a key to be looked up: 2,000 a second.
                flood(target, until, 20, none, unit).await
            }
            Self::Continuations => {
                let opening = |stream| frame(HEADERS, 0, stream, &head(ENFORCE, &target.key));
                flood(target, until, 100, opening, |_| frame(CONTINUATION, 0, 1, &field(10))).await
            }
            Self::EmptyData => flood(target, until, 100, call, |_| frame(DATA, 0, 1, &[])).await,
            Self::Pings => flood(target, until, 100, none, |_| frame(PING, 0, 0, &[7; 8])).await,
            Self::Settings => flood(target, until, 100, none, |_| frame(SETTINGS, 0, 0, &[])).await,
            Self::Priorities => {
                flood(target, until, 100, call, |_| frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9])).await
            }
            Self::WindowUpdates => {
                flood(target, until, 100, none, |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])).await
            }
            Self::Streams => streams(target, until).await,
            Self::SilentSockets => silent(target, until).await,
            Self::Reconnects => reconnects(target, until).await,
            Self::LargeMessages => malformed(target, until, true).await,
            Self::SlowBodies => slow_bodies(target, until).await,
            Self::Malformed => malformed(target, until, false).await,
        }
    }

    /// Whether it must have been cut off: what it sends is never what a client needs.
    pub const fn is_flood(self) -> bool {
        match self {
            Self::Continuations
            | Self::EmptyData
            | Self::Pings
            | Self::Settings
            | Self::Priorities
            | Self::WindowUpdates => true,
            Self::RapidReset
            | Self::Streams
            | Self::SilentSockets
            | Self::Reconnects
            | Self::LargeMessages
            | Self::SlowBodies
            | Self::Malformed => false,
        }
    }
}

/// Sends units, so many a tick; once it is cut off it begins again.
async fn flood(
    target: &Target,
    until: Instant,
    a_tick: u32,
    opening: impl Fn(u32) -> Vec<u8>,
    unit: impl Fn(u32) -> Vec<u8>,
) -> Tally {
    let mut tally = Tally::default();
    while Instant::now() < until {
        let Ok(mut peer) = Peer::connect(target.address, ATTACKER).await else { continue };
        tally.connections += 1;
        let mut open = peer.send(&opening(1)).await.is_ok();
        let mut number = 0;
        while open && Instant::now() < until {
            let burst: Vec<u8> = (number..number + a_tick).flat_map(&unit).collect();
            open = peer.send(&burst).await.is_ok() && !peer.is_closed();
            number += a_tick;
            tokio::time::sleep(TICK).await;
        }
        tally.sent += u64::from(number);
        tally.cut += u64::from(!open);
        match peer.heard().goaway {
            None | Some(0 | ENHANCE_YOUR_CALM) => {}
            Some(code) => tally.faults.push(format!("GOAWAY {code}")),
        }
    }
    tally
}

/// Two thousand streams on a connection that may have 256 at a time.
async fn streams(target: &Target, until: Instant) -> Tally {
    const STREAMS: u64 = 2_000;
    let mut tally = Tally::default();
    while Instant::now() < until {
        let Ok(mut peer) = Peer::connect(target.address, ATTACKER).await else { continue };
        tally.connections += 1;
        for burst in 0..20 {
            let streams = (burst * 100..(burst + 1) * 100).map(|number| 2 * number + 1);
            let calls =
                streams.flat_map(|stream| frame(HEADERS, END_HEADERS, stream, &head(ENFORCE, &target.key)));
            if peer.send(&calls.collect::<Vec<u8>>()).await.is_err() {
                break;
            }
            tokio::time::sleep(TICK).await;
        }
        tally.sent += STREAMS;
        // Every one is refused, or is held until the bound of a call, which ends it by an answer.
        let refused = || peer.heard().resets.get(&REFUSED_STREAM).copied().unwrap_or(0);
        let answered = || peer.heard().frames.get(&HEADERS).copied().unwrap_or(0);
        let patience = Instant::now() + Duration::from_secs(30);
        while refused() + answered() < STREAMS && !peer.is_closed() && Instant::now() < patience {
            tokio::time::sleep(TICK).await;
        }
        if refused() + answered() != STREAMS || refused() < STREAMS / 4 {
            tally.faults.push(format!("{} refused, {} answered: {:?}", refused(), answered(), peer.heard()));
        }
        tally.cut += u64::from(peer.is_closed());
    }
    tally
}

/// Sockets that say nothing, and some that stop after a part of their first words.
async fn silent(target: &Target, until: Instant) -> Tally {
    let mut sockets = JoinSet::new();
    let mut tally = Tally::default();
    while Instant::now() < until {
        for part in [0, 0, 1, 20, 24, 33] {
            let address = target.address;
            let words = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
            tally.sent += 1;
            sockets.spawn(async move {
                let mut stream = socket(address, ATTACKER).await.ok()?;
                stream.write_all(&words[..part]).await.ok()?;
                let mut heard = Vec::new();
                // Who finished the preface is asked by pings; the others are cut after the head's time.
                (part >= PREFACE.len()).then_some(())?;
                stream.read_to_end(&mut heard).await.ok();
                Some(())
            });
        }
        tokio::time::sleep(TICK * 5).await;
        tally.connections = u64::try_from(sockets.len()).unwrap();
    }
    sockets.abort_all();
    while sockets.join_next().await.is_some() {}
    tally
}

/// Connections opened and left at once.
async fn reconnects(target: &Target, until: Instant) -> Tally {
    let mut tally = Tally::default();
    while Instant::now() < until {
        for _ in 0..5 {
            tally.sent += 1;
            if Peer::connect(target.address, ATTACKER).await.is_ok() {
                tally.connections += 1;
            }
        }
        tokio::time::sleep(TICK).await;
    }
    tally
}

/// Wrong calls, of large messages or all others.
async fn malformed(target: &Target, until: Instant, large: bool) -> Tally {
    let calls: Vec<_> = wrong().into_iter().filter(|call| call.is_large() == large).collect();
    let mut tally = Tally { connections: 1, ..Tally::default() };
    let wire = Wire::on(socket(target.address, ATTACKER).await.unwrap(), "guard").await;
    while Instant::now() < until {
        for call in &calls {
            tally.sent += 1;
            tally.faults.extend(call.fault(&wire, &target.key).await);
            tokio::time::sleep(TICK / 2).await;
        }
    }
    tally.cut += u64::from(wire.is_closed());
    tally
}

/// Two hundred calls of which the message never ends, over and over; each is ended by the server's bound on a call.
async fn slow_bodies(target: &Target, until: Instant) -> Tally {
    let mut tally = Tally { connections: 1, ..Tally::default() };
    let wire = Arc::new(Wire::on(socket(target.address, ATTACKER).await.unwrap(), "guard").await);
    while Instant::now() < until {
        let mut calls = JoinSet::new();
        for _ in 0..200 {
            let (wire, headers) = (Arc::clone(&wire), [("x-agent-key", target.key.clone())]);
            let beginning = Bytes::from_static(&[0, 0, 0, 0, 100, 0x0a]);
            calls.spawn(async move { wire.begin(ENFORCE, &headers, beginning).await });
        }
        while let Some(answer) = calls.join_next().await {
            let answer = answer.unwrap();
            tally.sent += 1;
            if answer.code() != 4 {
                tally.faults.push(format!("not DEADLINE_EXCEEDED: {answer:?}"));
            }
        }
    }
    tally.cut += u64::from(wire.is_closed());
    tally
}
