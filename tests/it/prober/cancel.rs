//! Honest clients that give up: by deadline, by losing interest, by leaving a stream. None of it may cost them their
//! connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentguard::pb::v1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};

use super::ENFORCE;
use super::frames::{CANCEL, DATA, END_HEADERS, END_STREAM, HEADERS, PING, Peer, RST_STREAM, frame, head};
use crate::evidence;
use crate::harness::{Caller, Guard, eventually};

/// A check as gRPC frames it: its first field is the action.
const CHECK: [u8; 16] = *b"\0\0\0\0\x0b\x0a\x09read:file";

fn check() -> v1::EnforceRequest {
    v1::EnforceRequest { action: "read:file".to_owned(), ..Default::default() }
}

fn cancellations() -> usize {
    if evidence::is_full() { 10_000 } else { 1_000 }
}

/// A gRPC client of which every new connection is counted.
async fn counted(guard: &Guard) -> (Channel, Arc<AtomicUsize>) {
    let connections = Arc::new(AtomicUsize::new(0));
    let (address, count) = (guard.address(), Arc::clone(&connections));
    let connector = tower::service_fn(move |_: http::Uri| {
        count.fetch_add(1, Ordering::Relaxed);
        async move { Ok::<_, std::io::Error>(TokioIo::new(TcpStream::connect(address).await?)) }
    });
    let endpoint = Endpoint::from_shared(guard.endpoint()).unwrap();
    // As clients are set up that pass through load balancers. Not with an adaptive window: this client's own library
    // then ends the connection after some 160 answers to calls that it cancelled.
    let endpoint = endpoint.http2_keep_alive_interval(Duration::from_secs(1)).keep_alive_while_idle(true);
    (endpoint.connect_with_connector(connector).await.unwrap(), connections)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_cancels_keeps_its_connection() {
    let guard = Guard::on_sqlite(&[]);
    let agent = guard.admin().await.agent("worker").await;
    let (channel, connections) = counted(&guard).await;
    let caller = Caller::over(channel, &agent.key);
    let mut done = 0;
    let (mut given_up, mut answered) = (0usize, 0usize);
    // A hundred at a time, each given up at another moment: before it is sent, on its way, after it was answered.
    while given_up < cancellations() {
        let mut calls = JoinSet::new();
        for number in 0..100u64 {
            let mut caller = caller.clone();
            calls.spawn(async move {
                let patience = Duration::from_micros(number * number * 10);
                tokio::time::timeout(patience, caller.enforce(check())).await.is_ok()
            });
        }
        // And streams that are left in the middle.
        for _ in 0..5 {
            let mut caller = caller.clone();
            calls.spawn(async move {
                let one = v1::EnforceStreamRequest { sequence: 1, request: Some(check()) };
                // Its end goes with the answers; left open, the client itself would keep the stream.
                let (questions, asked) = tokio::sync::mpsc::channel(1);
                questions.send(one).await.unwrap();
                let request = caller.request(ReceiverStream::new(asked));
                let mut answers = caller.client().enforce_stream(request).await.unwrap().into_inner();
                answers.message().await.unwrap();
                false
            });
        }
        while let Some(ended) = calls.join_next().await {
            *(if ended.unwrap() { &mut answered } else { &mut given_up }) += 1;
        }
        caller.clone().enforce(check()).await.unwrap();
        done += 1;
        assert!(done < 100 * cancellations(), "nobody gives up any more");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1, "{given_up} given up, {answered} answered");
    evidence::row(
        "cancellations.txt",
        "a gRPC client that gives up",
        &[("given up", &given_up), ("answered", &answered), ("connections", &1)],
    );
}

/// The same without a library in between: a call and its cancellation in one segment, so that the server never sees
/// the one without the other; a hundred at a time, with the pings of clients that measure their bandwidth.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_cancelled_as_they_arrive_close_no_connection() {
    let guard = Guard::on_sqlite(&[]);
    let agent = guard.admin().await.agent("worker").await;
    let mut peer = Peer::connect(guard.address(), "127.0.0.1").await.unwrap();
    let call = |stream| frame(HEADERS, END_HEADERS, stream, &head(ENFORCE, &agent.key));
    let mut stream = 1;
    for round in 1..=u64::try_from(cancellations() / 100).unwrap() {
        for _ in 0..100 {
            let message = frame(DATA, 0, stream, &CHECK);
            let reset = frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
            peer.send(&[call(stream), message, reset].concat()).await.unwrap();
            stream += 2;
        }
        peer.send(&frame(PING, 0, 0, &round.to_be_bytes())).await.unwrap();
        // The first is of the settings.
        eventually("the server answers after the cancellations", async || {
            assert!(!peer.is_closed(), "{:?}", peer.heard());
            (peer.heard().acks == round + 1).then_some(())
        })
        .await;
    }
    assert_eq!(peer.heard().goaway, None);
}

/// An honest client sends its message without waiting for the answer to its head, which may be a refusal already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_calls_that_were_refused_before_close_no_connection() {
    let guard = Guard::on_sqlite(&[]);
    let mut peer = Peer::connect(guard.address(), "127.0.0.1").await.unwrap();
    let mut stream = 1;
    for round in 1..=u64::try_from(cancellations() / 100).unwrap() {
        let streams: Vec<u32> = (0..100).map(|number| stream + 2 * number).collect();
        stream += 200;
        for stream in &streams {
            let call = frame(HEADERS, END_HEADERS, *stream, &head(ENFORCE, "agk_wrong"));
            peer.send(&call).await.unwrap();
        }
        eventually("every call is refused", async || {
            assert!(!peer.is_closed(), "round {round}: {:?}", peer.heard());
            (peer.heard().frames.get(&HEADERS) == Some(&(round * 100))).then_some(())
        })
        .await;
        for stream in &streams {
            peer.send(&frame(DATA, 0, *stream, &CHECK)).await.unwrap();
            peer.send(&frame(DATA, END_STREAM, *stream, &[])).await.unwrap();
        }
    }
    peer.send(&frame(PING, 0, 0, &[1; 8])).await.unwrap();
    eventually("the connection is still served", async || {
        assert!(!peer.is_closed(), "{:?}", peer.heard());
        (peer.heard().acks == 2).then_some(())
    })
    .await;
}
