//! TLS that ends at the server: real files, real handshakes, and what is left of a connection when they change.

pub mod authority;
mod client;
mod doors;
mod hello;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use agentguard::pb::v1;
use agentguard::server::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::evidence;
use crate::harness::{Admin, Caller, Guard, eventually};
use crate::keys::raw::{Wire, frame};
use authority::{Authority, Client, Folder, Pair, Swap};
use client::{channel, shake, shown, taken_by};

pub const ENFORCE: &str = "/agentguard.v1.EnforcementService/Enforce";

fn check() -> v1::EnforceRequest {
    v1::EnforceRequest { action: "read:file".to_owned(), ..Default::default() }
}

fn guard(folder: &Folder, more: &[(&str, &str)]) -> Guard {
    let (certificate, key) = (folder.setting("tls.crt"), folder.setting("tls.key"));
    let mut settings =
        vec![("ENABLE_HTTPS", "true"), ("TLS_CERT_FILE", &certificate), ("TLS_KEY_FILE", &key)];
    settings.extend(more);
    Guard::on_sqlite(&settings)
}

/// One call on a connection of its own.
async fn one_call(guard: std::net::SocketAddr, trusted: &Authority, key: &str) -> Result<(), String> {
    let channel = channel(guard, trusted, None).await.map_err(|error| format!("{error:?}"))?;
    let decision = Caller::over(channel, key).enforce(check()).await.map_err(|status| status.to_string())?;
    if decision.allowed { Ok(()) } else { Err(decision.reason) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_swapped_under_load_fail_no_call() {
    let swaps = if evidence::is_full() { 20 } else { 5 };
    let authority = Arc::new(Authority::new("root"));
    let mut folder = Folder::with(&authority.server());
    let guard = guard(&folder, &[]);
    let address = guard.address();
    let mut admin = Admin::over(channel(address, &authority, None).await.unwrap());
    let agent = admin.agent("worker").await;
    admin.set_policy(&agent.id, &["read:*"], &[]).await;

    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut load = tokio::task::JoinSet::new();
    // Connections made before the first swap, which must live through all of them: a `Wire` does not reconnect.
    for _ in 0..2 {
        let wire = Wire::on(shake(address, &authority).await.unwrap(), "localhost").await;
        let (stop, calls, headers) =
            (Arc::clone(&stop), Arc::clone(&calls), [("x-agent-key", agent.key.clone())]);
        load.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let body = frame(&check());
                let answer = wire.send(("POST", ENFORCE), "application/grpc", &headers, body, false).await;
                assert_eq!(answer.code(), 0, "{answer:?}");
                calls.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(!wire.is_closed());
        });
    }
    for _ in 0..2 {
        let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
        let (authority, key) = (Arc::clone(&authority), agent.key.clone());
        load.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                one_call(address, &authority, &key).await.unwrap();
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for swap in 0..swaps {
        let (pair, before) = (authority.server(), calls.load(Ordering::Relaxed));
        folder.swap(&pair, [Swap::Link, Swap::Rename, Swap::InPlace][swap % 3]);
        eventually("new connections are shown the new certificate", async || {
            (shown(address, &authority).await? == pair.der).then_some(())
        })
        .await;
        eventually("the load goes on", async || (calls.load(Ordering::Relaxed) >= before + 10).then_some(()))
            .await;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = load.join_next().await {
        ended.expect("a call failed");
    }
    let calls = calls.load(Ordering::Relaxed);
    evidence::row(
        "tls.txt",
        "certificate swapped under load",
        &[("swaps", &swaps), ("calls", &calls), ("failed", &0)],
    );

    // What cannot be used never replaces what is in force.
    let in_force = shown(address, &authority).await;
    folder.write("tls.crt", "-----BEGIN CERTIFICATE-----\nbroken");
    eventually("the log speaks of the broken file", async || {
        guard.log().contains("the new files of TLS cannot be used").then_some(())
    })
    .await;
    one_call(address, &authority, &agent.key).await.unwrap();
    assert_eq!(shown(address, &authority).await, in_force);
    // The control: the load's own call fails once the certificate is one that its client does not trust.
    let other = Authority::new("other");
    folder.swap(&other.server(), Swap::Link);
    eventually("a certificate of another authority fails the call", async || {
        one_call(address, &authority, &agent.key).await.err()
    })
    .await;
    one_call(address, &other, &agent.key).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_client_with_a_valid_certificate_is_served() {
    let (authority, clients) = (Authority::new("root"), Authority::new("clients"));
    let folder = Folder::with(&authority.server());
    folder.write("ca.crt", &clients.pem);
    let guard = guard(&folder, &[("TLS_CLIENT_CA_FILE", &folder.setting("ca.crt"))]);
    let address = guard.address();
    let valid = clients.client(Client::Valid);
    let impostor = Authority::new("clients").client(Client::Valid);
    for version in [&TLS13, &TLS12] {
        let unknown = Authority::new("unknown").client(Client::Valid);
        for (what, identity, expected) in [
            ("valid", Some(&valid), "served"),
            ("none", None, "CertificateRequired"),
            ("expired", Some(&clients.client(Client::Expired)), "CertificateExpired"),
            ("not yet valid", Some(&clients.client(Client::NotYetValid)), "CertificateExpired"),
            ("a server's", Some(&clients.client(Client::ForServers)), "UnsupportedCertificate"),
            ("self-signed", Some(&Pair::self_signed()), "UnknownCA"),
            ("another authority's", Some(&unknown), "UnknownCA"),
            ("of an authority with the same name", Some(&impostor), "DecryptError"),
            ("valid, again", Some(&valid), "served"),
        ] {
            let taken = taken_by(version, address, &authority, identity).await;
            assert_eq!(taken, expected, "{what}, {version:?}");
        }
    }
    // The same by clients that people have, to the end of a call.
    let mut admin = Admin::over(channel(address, &authority, Some(&valid)).await.unwrap());
    let agent = admin.agent("worker").await;
    Caller::over(channel(address, &authority, Some(&valid)).await.unwrap(), &agent.key)
        .enforce(check())
        .await
        .unwrap();
    for identity in [None, Some(&impostor)] {
        let called = async {
            let channel = channel(address, &authority, identity).await.map_err(|error| error.to_string())?;
            let called = Caller::over(channel, &agent.key).enforce(check()).await;
            called.map_err(|status| status.to_string())
        };
        called.await.unwrap_err();
    }
    // Another authority for clients is in force without a restart, and whom it did not sign is out.
    let next = Authority::new("next");
    folder.write("ca.crt", &next.pem);
    let (new, old) = (next.client(Client::Valid), valid);
    eventually("the new authority's clients are served", async || {
        (taken_by(&TLS13, address, &authority, Some(&new)).await == "served").then_some(())
    })
    .await;
    assert_eq!(taken_by(&TLS13, address, &authority, Some(&old)).await, "UnknownCA");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_before_tls_1_2_are_refused() {
    let authority = Authority::new("root");
    let folder = Folder::with(&authority.server());
    let guard = guard(&folder, &[]);
    for version in [0x0300, 0x0301, 0x0302] {
        let answer = hello::answer(guard.address(), version).await;
        assert_eq!((answer.kind, answer.payload.as_slice()), (hello::ALERT, &hello::OF_WRONG_VERSION[..]));
    }
    // The control: the same message with nothing changed but the version gets a ServerHello of that version.
    let answer = hello::answer(guard.address(), 0x0303).await;
    assert_eq!((answer.kind, answer.payload[0], &answer.payload[4..6]), (hello::HANDSHAKE, 2, &[3, 3][..]));
    // Plain text is answered by an alert or by nothing, and never by HTTP.
    let mut plain = TcpStream::connect(guard.address()).await.unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    plain.read_to_end(&mut said).await.ok();
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
}

/// What was read of a connection that the server cuts, and after which time.
async fn timed(cut: impl Future<Output = usize>) -> (usize, Duration) {
    let began = Instant::now();
    (cut.await, began.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_finish_the_handshake_and_the_preface_in_time_is_cut() {
    let authority = Authority::new("root");
    let folder = Folder::with(&authority.server());
    let guard = guard(&folder, &[]);
    let address = guard.address();
    let honest = Wire::on(shake(address, &authority).await.unwrap(), "localhost").await;

    let silent = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.read(&mut [0]).await.unwrap_or(0)
    };
    let slow = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // A byte at a time it would take half a minute.
        for byte in hello::hello(0x0303) {
            tokio::select! {
                read = stream.read_u8() => return usize::from(read.is_ok()),
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
            if stream.write_all(&[byte]).await.is_err() {
                return 0;
            }
        }
        panic!("the handshake took all the time it wanted")
    };
    let trusted = &authority;
    let said = |words: &'static [u8]| async move {
        let mut stream = shake(address, trusted).await.unwrap();
        stream.write_all(words).await.unwrap();
        stream.flush().await.unwrap();
        stream.read(&mut [0]).await.unwrap_or(0)
    };
    let (nothing, half) = (said(b""), said(b"PRI * HTTP/2.0\r\n"));
    let cuts = tokio::join!(timed(silent), timed(slow), timed(nothing), timed(half));
    let bound = Limits::default().head_timeout;
    for (what, (read, after)) in
        [("silent", cuts.0), ("slow", cuts.1), ("nothing said", cuts.2), ("half a preface", cuts.3)]
    {
        assert_eq!(read, 0, "{what}");
        // Half a minute would be the idle time-out's or the drip's own end.
        assert!(after > bound.mul_f64(0.9) && after < bound * 5, "{what}: {after:?}");
    }
    // The control: whoever spoke in time is still there.
    let health = "/grpc.health.v1.Health/Check";
    let nothing: bytes::Bytes = vec![0; 5].into();
    let answer = honest.send(("POST", health), "application/grpc", &[], nothing, false).await;
    assert_eq!(answer.code(), 0);
}
