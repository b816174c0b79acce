//! What anybody can send to the front door, and what the honest get meanwhile.

mod attack;
mod calls;
mod cancel;
mod frames;
mod honest;
mod seats;

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::evidence;
use crate::harness::{Caller, Guard, eventually};
use crate::keys::raw::Wire;
use crate::postgres::signal;
use attack::{Attack, Tally, Target};
use frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, PING, PRIORITY, Peer, SETTINGS,
    WINDOW_UPDATE, field, frame, head,
};
use honest::Latencies;

pub const ENFORCE: &str = "/agentguard.v1.EnforcementService/Enforce";
pub const MIB: usize = 1_024 * 1_024;

/// The least that a server can be told to take for a call; a slow body is ended by it.
const REQUEST_TIMEOUT: &str = "1";

/// An agent that may read, with a connection.
pub async fn honest_caller(guard: &Guard) -> Caller {
    let mut admin = guard.admin().await;
    let agent = admin.agent("honest").await;
    admin.set_policy(&agent.id, &["read:*"], &[]).await;
    guard.caller(&agent.key).await
}

/// Where attackers live: threads that get what the honest leave, as another machine's would.
fn attackers() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .on_thread_start(|| assert!(rustix::process::nice(10).is_ok()))
        .enable_all()
        .build()
        .unwrap()
}

/// How often an attack is tried at full size where it seems to slow the honest down.
const ROUNDS: usize = 3;

/// So many times longer the honest may wait.
const MOST_TIMES_SLOWER: f64 = 5.0;

/// An honest caller alone, and then beside an attack: on the same machine in the same minute.
struct Round {
    alone: Latencies,
    beside: Latencies,
    tally: Tally,
}

impl Round {
    async fn of(
        attack: Attack,
        attackers: &tokio::runtime::Runtime,
        caller: &Caller,
        target: &Target,
        lasts: Duration,
    ) -> Self {
        let alone = honest::call(caller, Instant::now() + lasts).await;
        let (target, until) = (target.clone(), Instant::now() + lasts);
        let attacking = attackers.spawn(async move { attack.run(&target, until).await });
        let beside = honest::call(caller, until).await;
        let tally = attacking.await.expect("the attacker itself fails");
        assert_eq!(tally.faults, Vec::<String>::new(), "{attack:?}");
        assert!(tally.sent > 0 && tally.connections > 0, "{attack:?} did not attack: {tally:?}");
        assert!(!attack.is_flood() || tally.cut > 0, "{attack:?} was not cut: {tally:?}");
        Self { alone, beside, tally }
    }

    fn ratio(&self) -> f64 {
        self.beside.p99().as_secs_f64() / self.alone.p99().as_secs_f64()
    }
}

#[test]
fn the_honest_are_served_beside_every_attack() {
    let attackers = attackers();
    let honest = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let lasts = Duration::from_millis(if evidence::is_full() { 10_000 } else { 1_500 });
    honest.block_on(async {
        let guard = Guard::on_sqlite(&[("REQUEST_TIMEOUT", REQUEST_TIMEOUT)]);
        let caller = honest_caller(&guard).await;
        let mallory = guard.admin().await.agent("mallory").await;
        let target = Target { address: guard.address(), key: mallory.key };
        let mut rows = Vec::new();
        for attack in attack::ALL {
            let mut round = Round::of(attack, &attackers, &caller, &target, lasts).await;
            // What slows the honest down slows them down every time; what else the machine does, not.
            for _ in 1..ROUNDS {
                if evidence::is_full() && round.ratio() > MOST_TIMES_SLOWER {
                    let again = Round::of(attack, &attackers, &caller, &target, lasts).await;
                    round = if again.ratio() < round.ratio() { again } else { round };
                }
            }
            rows.push((attack, round, guard.peak_memory() / MIB));
        }
        let (mut slowest, mut unrecorded) = (0f64, 0);
        for (attack, round, memory) in rows {
            let (ratio, Round { alone, beside, tally }) = (round.ratio(), &round);
            slowest = slowest.max(ratio);
            unrecorded += beside.unrecorded;
            evidence::row(
                "prober.txt",
                &format!("{attack:?}"),
                &[
                    ("sent", &tally.sent),
                    ("connections", &tally.connections),
                    ("cut", &tally.cut),
                    ("honest calls", &beside.len()),
                    ("failed", &0),
                    ("unrecorded", &beside.unrecorded),
                    ("p99", &format!("{:.2} ms", beside.p99().as_secs_f64() * 1e3)),
                    ("p99 alone", &format!("{:.2} ms", alone.p99().as_secs_f64() * 1e3)),
                    ("ratio", &format!("{ratio:.2}")),
                    ("peak MiB", &memory),
                ],
            );
        }
        assert!(guard.peak_memory() < 200 * MIB, "{} MiB", guard.peak_memory() / MIB);
        // Only of a machine that does nothing else can this be asked.
        if evidence::is_full() {
            assert!(slowest <= MOST_TIMES_SLOWER, "an attack makes the honest {slowest:.1} times slower");
            assert_eq!(unrecorded, 0, "an attack keeps the audit from writing");
        }
    });
}

/// The control of the measure: a server that stands still for a second is seen by those who call it meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_honest_see_a_server_that_stands_still() {
    let guard = Guard::on_sqlite(&[]);
    let caller = honest_caller(&guard).await;
    let process = guard.process();
    let stand_still = async {
        signal("STOP", &[process]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        signal("CONT", &[process]);
    };
    let until = Instant::now() + Duration::from_secs(2);
    let (beside, ()) = tokio::join!(honest::call(&caller, until), stand_still);
    assert!(beside.p99() > Duration::from_millis(900), "{:?}", beside.p99());
}

/// Frames of each kind that no client needs in such numbers, so many that the server's bound is reached, and so few
/// that it is not: the second is the control of the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_cut_at_its_bound_and_not_before() {
    let guard = Guard::on_sqlite(&[]);
    let agent = guard.admin().await.agent("worker").await;
    let call = |stream, flags| frame(HEADERS, flags, stream, &head(ENFORCE, &agent.key));
    let began = call(1, END_HEADERS);
    let floods: [(&str, Vec<u8>, Vec<u8>, u32); 5] = [
        // The HTTP/2 library has a bound of its own for these.
        ("empty DATA", began.clone(), frame(DATA, 0, 1, &[]), 50),
        ("PING", Vec::new(), frame(PING, 0, 0, &[7; 8]), 1_000),
        ("SETTINGS", Vec::new(), frame(SETTINGS, 0, 0, &[]), 1_000),
        ("PRIORITY", began, frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9]), 1_000),
        ("WINDOW_UPDATE", Vec::new(), frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), 1_000),
    ];
    for (what, opening, unit, few) in floods {
        for (times, is_cut) in [(few, false), (3_000, true)] {
            let mut peer = Peer::connect(guard.address(), "127.0.0.1").await.unwrap();
            peer.send(&opening).await.unwrap();
            for _ in 0..times {
                // Once it is cut the rest cannot be sent.
                if peer.send(&unit).await.is_err() {
                    break;
                }
            }
            if is_cut {
                eventually(&format!("{what} is cut"), async || peer.is_closed().then_some(())).await;
                let goaway = peer.heard().goaway;
                assert!(matches!(goaway, None | Some(ENHANCE_YOUR_CALM)), "{what}: {goaway:?}");
            } else {
                // A call of the same connection is still answered: by its head, or by a reset.
                peer.send(&call(3, END_HEADERS)).await.unwrap();
                peer.send(&frame(DATA, END_STREAM, 3, &[0, 0, 0, 0, 0])).await.unwrap();
                eventually(&format!("{what}: a call after {times} is answered"), async || {
                    assert!(!peer.is_closed(), "{what}: {times} were cut: {:?}", peer.heard());
                    peer.heard().frames.get(&HEADERS).copied()
                })
                .await;
            }
        }
    }
    // A head in pieces is one of a call; one without end is not.
    for (pieces, is_cut) in [(3, false), (2_000, true)] {
        let mut peer = Peer::connect(guard.address(), "127.0.0.1").await.unwrap();
        peer.send(&call(1, 0)).await.unwrap();
        for _ in 0..pieces {
            if peer.send(&frame(CONTINUATION, 0, 1, &field(10))).await.is_err() {
                break;
            }
        }
        if is_cut {
            eventually("the head without end is cut", async || peer.is_closed().then_some(())).await;
        } else {
            peer.send(&frame(CONTINUATION, END_HEADERS, 1, &[])).await.unwrap();
            peer.send(&frame(DATA, END_STREAM, 1, &[0, 0, 0, 0, 0])).await.unwrap();
            eventually("a call in pieces is answered", async || {
                assert!(!peer.is_closed(), "{:?}", peer.heard());
                peer.heard().frames.get(&HEADERS).copied()
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_wrong_with_a_call_is_its_callers_error() {
    let guard = Guard::on_sqlite(&[]);
    let caller = honest_caller(&guard).await;
    let agent = guard.admin().await.agent("worker").await;
    let wire = Wire::connect(&guard.endpoint()).await;
    let mut faults = Vec::new();
    for call in calls::wrong() {
        faults.extend(call.fault(&wire, &agent.key).await);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(!wire.is_closed(), "one call's fault is not its connection's");
    let log = guard.log();
    assert!(!log.contains("\"ERROR\""), "{log}");
    drop(caller);
}

/// HTTP/1.1 has no streams to be reset: the answer is all that ends a slow call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_drips_is_ended_by_the_bound_of_a_call() {
    let guard = Guard::on_sqlite(&[("REQUEST_TIMEOUT", REQUEST_TIMEOUT)]);
    let agent = guard.admin().await.agent("worker").await;
    let mut stream = TcpStream::connect(guard.address()).await.unwrap();
    let head = format!(
        "POST /enforce HTTP/1.1\r\nhost: x\r\nx-agent-key: {}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n",
        agent.key
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let dripping = tokio::spawn(async move {
        while write.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut answer = Vec::new();
    let bound = Duration::from_secs(60);
    tokio::time::timeout(bound, read.read_to_end(&mut answer)).await.expect("nothing ends it").ok();
    dripping.abort();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
}

/// Whoever has said the preface and then falls silent, as a host that is gone does, is asked by pings, and cut when it
/// does not answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_answers_no_ping_is_cut() {
    let guard = Guard::on_sqlite(&[]);
    let gone = Peer::connect(guard.address(), "127.0.0.1").await.unwrap();
    // The control: a client that answers pings is left alone for as long.
    let there = Wire::connect(&guard.endpoint()).await;
    let began = Instant::now();
    eventually("the silent peer is cut", async || gone.is_closed().then_some(())).await;
    assert!(gone.heard().frames.contains_key(&PING), "it was not asked: {:?}", gone.heard());
    // Thirty seconds until it is asked, ten for the answer.
    assert!(began.elapsed() > Duration::from_secs(35), "{:?}", began.elapsed());
    assert!(!there.is_closed());
}
