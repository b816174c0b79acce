//! Listeners of their own, and a server behind a proxy that ends TLS.

use std::net::SocketAddr;

use agentguard::pb::v1;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tonic::Code;
use tonic::transport::Endpoint;

use super::authority::{Authority, Folder};
use super::client::{channel, shake};
use super::{ENFORCE, check, guard};
use crate::harness::{ADMIN_KEY, Admin, Caller, Guard, admin};
use crate::keys::raw::{Answer, Wire, frame};

const STATS: &str = "/agentguard.v1.AdminService/GetStats";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// A connection from another loopback address than most.
async fn from(local: &str, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{local}:0").parse().unwrap()).unwrap();
    socket.connect(address).await.unwrap()
}

/// The whole answer to a request of HTTP/1.1, head in lower case.
async fn http1(mut stream: impl AsyncRead + AsyncWrite + Unpin, first: &str, headers: &str) -> String {
    let request = format!("{first} HTTP/1.1\r\nhost: guard\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Not everybody says goodbye by TLS; what was said before counts.
    stream.read_to_end(&mut answer).await.ok();
    String::from_utf8(answer).unwrap().to_lowercase()
}

async fn ask(wire: &Wire, path: &str, headers: &[(&'static str, &str)]) -> Answer {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let body = if path == ENFORCE { frame(&check()) } else { vec![0; 5].into() };
    wire.send(("POST", path), "application/grpc", &headers, body, false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_listener_opens_its_own_and_nothing_else() {
    let authority = Authority::new("root");
    let folder = Folder::with(&authority.server());
    let guard = guard(&folder, &[("ADMIN_ADDR", "127.0.0.1:0"), ("HEALTH_ADDR", "127.0.0.1:0")]);
    let (main, admins, probes) = (guard.address(), guard.beside("admin"), guard.beside("health"));

    // Admins have the TLS of the main listener.
    let mut admin_client = Admin::over(channel(admins, &authority, None).await.unwrap());
    let agent = admin_client.agent("worker").await;
    let key = [("x-agent-key", agent.key.as_str())];
    let refused = Admin::over(channel(main, &authority, None).await.unwrap())
        .client()
        .get_stats(admin(v1::GetStatsRequest {}))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    Caller::over(channel(main, &authority, None).await.unwrap(), &agent.key).enforce(check()).await.unwrap();
    let on_admins = Wire::on(shake(admins, &authority).await.unwrap(), "localhost").await;
    assert_eq!(ask(&on_admins, ENFORCE, &key).await.code(), 12);
    assert_eq!(ask(&on_admins, HEALTH, &[]).await.code(), 0);
    // In plain text nothing is answered there.
    let plain = Endpoint::from_shared(format!("http://{admins}")).unwrap().connect_lazy();
    Admin::over(plain).client().get_stats(admin(v1::GetStatsRequest {})).await.unwrap_err();

    // Probes speak plain text, and reach nothing with any key.
    let on_probes = Wire::on(TcpStream::connect(probes).await.unwrap(), "localhost").await;
    assert_eq!(ask(&on_probes, HEALTH, &[]).await.code(), 0);
    assert_eq!(ask(&on_probes, ENFORCE, &key).await.code(), 12);
    assert_eq!(ask(&on_probes, STATS, &[("x-admin-key", ADMIN_KEY)]).await.code(), 12);
    for (first, status) in
        [("GET /health/ready", "200"), ("GET /health/live", "200"), ("POST /enforce", "404")]
    {
        let answer = http1(TcpStream::connect(probes).await.unwrap(), first, "").await;
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{first}: {answer}");
        assert!(!answer.contains("strict-transport-security"), "{answer}");
    }
    let answer = http1(shake_http1(main, &authority).await, "GET /health", "").await;
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age=31536000; includesubdomains"), "{answer}");
}

/// The server takes HTTP/1.1 by its first bytes, whatever was agreed on.
async fn shake_http1(address: SocketAddr, authority: &Authority) -> impl AsyncRead + AsyncWrite + Unpin {
    shake(address, authority).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_proxy_only_what_it_says_came_by_https_is_served() {
    let guard = Guard::on_sqlite(&[
        ("ENABLE_HTTPS", "true"),
        ("TRUST_PROXY_HEADERS", "true"),
        ("TRUSTED_PROXIES", "127.0.0.2"),
        ("ADMIN_ADDR", "127.0.0.1:0"),
    ]);
    // The admins' listener is on loopback and was reached past every proxy.
    let channel = Endpoint::from_shared(format!("http://{}", guard.beside("admin"))).unwrap();
    let agent = Admin::over(channel.connect().await.unwrap()).agent("worker").await;
    let key = ("x-agent-key", agent.key.as_str());
    let proxy = Wire::on(from("127.0.0.2", guard.address()).await, "guard").await;
    let stranger = Wire::on(from("127.0.0.3", guard.address()).await, "guard").await;
    let proto = |value| ("x-forwarded-proto", value);
    for (wire, headers, code) in [
        (&proxy, vec![key, proto("https")], 0),
        (&proxy, vec![key], 7),
        (&proxy, vec![key, proto("http")], 7),
        (&proxy, vec![key, proto("https, http")], 7),
        (&stranger, vec![key, proto("https")], 7),
    ] {
        let answer = ask(wire, ENFORCE, &headers).await;
        let reason = if code == 0 { "" } else { "PERMISSION_DENIED" };
        assert_eq!((answer.code(), answer.reason().as_str()), (code, reason), "{headers:?}");
        assert_eq!(ask(wire, HEALTH, &[]).await.code(), 0, "health needs no HTTPS");
    }
    let answer = http1(from("127.0.0.2", guard.address()).await, "GET /health", "").await;
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age=31536000; includesubdomains"), "{answer}");
    let refused = http1(from("127.0.0.2", guard.address()).await, "POST /enforce", JSON).await;
    assert!(refused.starts_with("http/1.1 403"), "{refused}");
}

const JSON: &str = "content-type: application/json\r\ncontent-length: 2\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_logins_count_for_the_client_and_not_for_the_proxy() {
    let limit = [("RATE_LIMIT_ENABLED", "true"), ("RATE_LIMIT_AUTH_FAILURES", "3/hour")];
    let trusting = [("TRUST_PROXY_HEADERS", "true"), ("TRUSTED_PROXIES", "127.0.0.2,10.0.0.0/8")];
    let wrong = ("x-agent-key", "agk_wrong");
    let fails = async |wire: &Wire, forwarded: &str| {
        let answer = ask(wire, ENFORCE, &[wrong, ("x-forwarded-for", forwarded)]).await;
        let text = answer.headers.get("grpc-message").map_or("", |text| text.to_str().unwrap()).to_owned();
        (answer.code(), text)
    };
    let guard = Guard::on_sqlite(&[&limit[..], &trusting].concat());
    let agent = guard.admin().await.agent("worker").await;
    let proxy = Wire::on(from("127.0.0.2", guard.address()).await, "guard").await;
    // What the client wrote itself, and inner proxies, make no other client of it.
    for forwarded in ["203.0.113.9", "1.1.1.1, 203.0.113.9", "203.0.113.9, 10.0.0.7"] {
        assert_eq!(fails(&proxy, forwarded).await.0, 16, "{forwarded}");
    }
    assert_eq!(fails(&proxy, "9.9.9.9, 203.0.113.9").await.0, 8);
    // Another client of the same proxy is not held for it, and a valid key passes from everywhere.
    assert_eq!(fails(&proxy, "203.0.113.10").await.0, 16);
    let valid = [("x-agent-key", agent.key.as_str()), ("x-forwarded-for", "203.0.113.9")];
    assert_eq!(ask(&proxy, ENFORCE, &valid).await.code(), 0);
    // Of IPv6 the /64 counts.
    for last in 1..=3 {
        assert_eq!(fails(&proxy, &format!("2001:db8::{last}")).await.0, 16);
    }
    assert_eq!(fails(&proxy, "2001:db8::4").await.0, 8);
    // Whoever is no proxy is counted by its own address, whatever it says.
    let stranger = Wire::on(from("127.0.0.3", guard.address()).await, "guard").await;
    for number in 1..=3 {
        assert_eq!(fails(&stranger, &format!("203.0.113.{}", 20 + number)).await.0, 16);
    }
    assert_eq!(fails(&stranger, "203.0.113.30").await.0, 8);

    // The control: where forwarded headers are not believed, the proxy's clients are one.
    let guard = Guard::on_sqlite(&limit);
    let proxy = Wire::on(from("127.0.0.2", guard.address()).await, "guard").await;
    for number in 1..=3 {
        assert_eq!(fails(&proxy, &format!("203.0.113.{number}")).await.0, 16);
    }
    assert_eq!(fails(&proxy, "203.0.113.4").await.0, 8);
}
