//! Connections from many addresses: all that there is room for, and not one more of any.

use std::net::SocketAddr;
use std::time::Duration;

use super::frames::{PING, Peer, frame};
use super::{MIB, honest_caller};
use crate::evidence;
use crate::harness::{Guard, eventually};

/// As `docs/limits.md` has it.
const OF_ONE_ADDRESS: usize = 1_000;

/// So many connections from `local`, of which the server answers pings; and how many it closed at once.
async fn open(address: SocketAddr, local: String, wanted: usize) -> (Vec<Peer>, usize) {
    let (mut open, mut refused) = (Vec::new(), 0);
    for _ in 0..wanted {
        match Peer::connect(address, &local).await {
            Ok(peer) => open.push(peer),
            Err(_) => refused += 1,
        }
    }
    for peer in &mut open {
        // Refused connections may fail here already.
        peer.send(&frame(PING, 0, 0, &[1; 8])).await.ok();
    }
    let mut admitted = Vec::new();
    for peer in open {
        // Settings and ping are acknowledged, or there is an end.
        let is_admitted = eventually("the server takes or closes a connection", async || {
            let heard = peer.heard();
            (heard.is_closed || heard.acks == 2).then_some(!heard.is_closed)
        });
        if is_admitted.await {
            admitted.push(peer);
        } else {
            refused += 1;
        }
    }
    (admitted, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_beside_the_main_one_has_fewer_seats() {
    // As `docs/limits.md` has them.
    const ALL: usize = 1_000;
    const EACH: usize = 100;
    let guard = Guard::on_sqlite(&[("HEALTH_ADDR", "127.0.0.1:0")]);
    let address = guard.beside("health");
    let (first, refused) = open(address, "127.0.3.1".to_owned(), EACH + 1).await;
    assert_eq!((first.len(), refused), (EACH, 1));
    let mut held = first;
    for number in 2..=ALL / EACH {
        let (more, refused) = open(address, format!("127.0.3.{number}"), EACH).await;
        assert_eq!((more.len(), refused), (EACH, 0), "{number}");
        held.extend(more);
    }
    assert_eq!(held.len(), ALL);
    assert_eq!(open(address, "127.0.3.99".to_owned(), 1).await.1, 1);
    // The main listener has seats of its own.
    assert_eq!(open(guard.address(), "127.0.3.99".to_owned(), 1).await.1, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_gets_its_share_of_connections_and_leaves_the_others_theirs() {
    let guard = Guard::on_sqlite(&[]);
    let caller = honest_caller(&guard).await;
    let (excess, addresses, each) = (50, if evidence::is_full() { 20 } else { 5 }, 50);
    let (mut greedy, refused) = open(guard.address(), "127.0.1.1".to_owned(), OF_ONE_ADDRESS + excess).await;
    assert_eq!((greedy.len(), refused), (OF_ONE_ADDRESS, excess));
    let mut admitted = Vec::new();
    for number in 0..addresses {
        let (peers, refused) = open(guard.address(), format!("127.0.2.{}", number + 1), each).await;
        assert_eq!((peers.len(), refused), (each, 0));
        admitted.extend(peers);
    }
    let all = greedy.len() + admitted.len();
    super::honest::call(&caller, std::time::Instant::now() + Duration::from_secs(1)).await;
    assert!(greedy.iter().chain(&admitted).all(|peer| !peer.is_closed()));
    let memory = guard.peak_memory() / MIB;
    evidence::row(
        "connections.txt",
        "connections from many addresses",
        &[("addresses", &(addresses + 1)), ("admitted", &all), ("refused", &refused), ("peak MiB", &memory)],
    );
    assert!(memory < 200, "{memory} MiB");

    // The control: it is the seat that was missing. One that is given back is taken again, and no more than that.
    greedy.truncate(OF_ONE_ADDRESS - 1);
    eventually("a seat is free", async || {
        let (peers, _) = open(guard.address(), "127.0.1.1".to_owned(), 1).await;
        greedy.extend(peers);
        (greedy.len() == OF_ONE_ADDRESS).then_some(())
    })
    .await;
    assert_eq!(open(guard.address(), "127.0.1.1".to_owned(), 3).await.1, 3);
}
