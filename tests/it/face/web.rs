//! gRPC-Web on the paths of gRPC, and pages of other origins.

use agentguard::pb::v1;

use bytes::Bytes;
use prost::Message;

use crate::harness::{ADMIN_KEY, Guard};
use crate::keys::raw::{Answer, Wire, frame};

const ENFORCE: &str = "/agentguard.v1.EnforcementService/Enforce";
const ORIGIN: &str = "https://dashboard.example.com";

/// The messages of a body of gRPC-Web, and its trailers.
fn parts(body: &[u8]) -> (Vec<Vec<u8>>, String) {
    let (mut messages, mut trailers, mut rest) = (Vec::new(), String::new(), body);
    while let Some((head, after)) = rest.split_at_checked(5) {
        let length = usize::try_from(u32::from_be_bytes(head[1..].try_into().unwrap())).unwrap();
        let (content, left) = after.split_at(length);
        if head[0] == 0x80 {
            trailers.push_str(std::str::from_utf8(content).unwrap());
        } else {
            assert!(trailers.is_empty(), "trailers come last");
            messages.push(content.to_vec());
        }
        rest = left;
    }
    assert!(rest.is_empty());
    (messages, trailers)
}

/// What the answer says in its headers or, as the protocol has it, at the end of its body.
fn code(answer: &Answer, body: &[u8]) -> String {
    if let Some(code) = answer.headers.get("grpc-status") {
        return code.to_str().unwrap().to_owned();
    }
    let (_, trailers) = parts(body);
    let line = trailers.lines().find_map(|line| line.strip_prefix("grpc-status:")).expect("no status");
    line.trim().to_owned()
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().chain([&0, &0]).take(3).fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        for place in 0..4 {
            let letter = LETTERS[usize::try_from(word >> (18 - 6 * place) & 63).unwrap()];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// Pieces of base64, each padded by itself, one behind the other.
fn unbase64(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for quad in text.chunks(4) {
        let pads = quad.iter().filter(|letter| **letter == b'=').count();
        let value = |letter: &u8| LETTERS.iter().position(|known| known == letter).unwrap_or(0);
        let word = quad.iter().fold(0, |word, letter| word << 6 | value(letter));
        let word = u32::try_from(word).unwrap().to_be_bytes();
        bytes.extend_from_slice(&word[1..4 - pads]);
    }
    bytes
}

async fn web(wire: &Wire, path: &str, kind: &str, headers: &[(&'static str, String)], body: Bytes) -> Answer {
    let mut headers = headers.to_vec();
    headers.push(("accept", kind.to_owned()));
    headers.push(("origin", ORIGIN.to_owned()));
    wire.send(("POST", path), kind, &headers, body, false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_web_is_answered_in_both_of_its_forms() {
    let guard = Guard::on_sqlite(&[("CORS_ORIGINS", ORIGIN)]);
    let agent = guard.admin().await.agent("worker").await;
    let wire = Wire::connect(&guard.endpoint()).await;
    let key = [("x-agent-key", agent.key.clone())];
    let check = v1::EnforceRequest { action: "read:file".into(), ..Default::default() };
    for kind in ["application/grpc-web+proto", "application/grpc-web-text+proto"] {
        let is_text = kind.contains("text");
        let encoded = |body: Bytes| if is_text { base64(&body).into() } else { body };
        let decoded = |answer: &Answer| if is_text { unbase64(&answer.body) } else { answer.body.to_vec() };
        let answer = web(&wire, ENFORCE, kind, &key, encoded(frame(&check))).await;
        assert_eq!((answer.http, &answer.headers["content-type"]), (200, &kind.parse().unwrap()));
        assert_eq!(answer.headers["access-control-allow-origin"], ORIGIN);
        let exposed = answer.headers["access-control-expose-headers"].to_str().unwrap();
        for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
            assert!(exposed.split(", ").any(|header| header == name), "{exposed}");
        }
        let (messages, _) = parts(&decoded(&answer));
        let decision = v1::EnforceResponse::decode(messages[0].as_slice()).unwrap().decision.unwrap();
        assert_eq!((decision.verdict(), code(&answer, &decoded(&answer)).as_str()), (v1::Verdict::Deny, "0"));

        // A server's stream.
        let admin = [("x-admin-key", ADMIN_KEY.to_owned())];
        let verify = frame(&v1::VerifyAuditRequest::default());
        let answer =
            web(&wire, "/agentguard.v1.AdminService/VerifyAudit", kind, &admin, encoded(verify)).await;
        let (messages, _) = parts(&decoded(&answer));
        let last = v1::VerifyAuditResponse::decode(messages.last().unwrap().as_slice()).unwrap();
        assert!(matches!(last.event, Some(v1::verify_audit_response::Event::Summary(summary)) if summary.ok));

        // Refusals of the layers, of the service and of the way there.
        for (path, headers, body, expected) in [
            (ENFORCE, &[][..], encoded(frame(&check)), "16"),
            (ENFORCE, &key[..], encoded(frame(&v1::EnforceRequest::default())), "3"),
            (ENFORCE, &key[..], Bytes::from_static(b"####"), "3"),
            ("/agentguard.v1.EnforcementService/EnforceStream", &key[..], Bytes::new(), "12"),
            ("/agentguard.v1.Nothing/Nothing", &key[..], Bytes::new(), "12"),
        ] {
            let answer = web(&wire, path, kind, headers, body).await;
            assert_eq!(code(&answer, &decoded(&answer)), expected, "{kind} {path} {answer:?}");
            assert!(answer.headers["content-type"].to_str().unwrap().starts_with("application/grpc-web"));
            assert!(answer.headers.contains_key("x-request-id"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_listed_origins_may_call_and_those_of_others_may_not() {
    let guard = Guard::on_sqlite(&[("CORS_ORIGINS", ORIGIN)]);
    let wire = Wire::connect(&guard.endpoint()).await;
    let ask = async |method, path, origin: &str| {
        let headers = [
            ("origin", origin.to_owned()),
            ("access-control-request-method", "POST".to_owned()),
            ("access-control-request-headers", "x-agent-key, content-type".to_owned()),
        ];
        wire.send((method, path), "application/json", &headers, Bytes::new(), false).await
    };
    for path in ["/v1/enforce", "/enforce", ENFORCE] {
        let asked = ask("OPTIONS", path, ORIGIN).await;
        assert_eq!(
            (asked.http, &asked.headers["access-control-allow-origin"]),
            (204, &ORIGIN.parse().unwrap())
        );
        assert!(asked.headers["access-control-allow-headers"].to_str().unwrap().contains("x-agent-key"));
        let other = ask("OPTIONS", path, "https://evil.example.com").await;
        assert!(other.http == 403 && !other.headers.contains_key("access-control-allow-origin"));
    }
    // Whatever is wrong can be read by the page, too.
    let refused = ask("POST", "/v1/enforce", ORIGIN).await;
    assert_eq!(
        (refused.http, &refused.headers["access-control-allow-origin"]),
        (401, &ORIGIN.parse().unwrap())
    );
    assert!(
        !ask("GET", "/health", "https://evil.example.com")
            .await
            .headers
            .contains_key("access-control-allow-origin")
    );
    // Without the question it is no question.
    let plain = wire.send(("OPTIONS", "/v1/enforce"), "", &[], Bytes::new(), false).await;
    assert_eq!((plain.http, &plain.headers["allow"]), (405, &"POST".parse().unwrap()));

    let closed = Guard::on_sqlite(&[]);
    let wire = Wire::connect(&closed.endpoint()).await;
    let headers = [("origin", ORIGIN.to_owned())];
    let answer = wire.send(("GET", "/health"), "", &headers, Bytes::new(), false).await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"), "no setting, no origin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_the_guides_security_headers() {
    let guard = Guard::on_sqlite(&[]);
    let wire = Wire::connect(&guard.endpoint()).await;
    for path in ["/health", "/v1/stats", "/nowhere"] {
        let answer = wire.send(("GET", path), "", &[], Bytes::new(), false).await;
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("x-xss-protection", "1; mode=block"),
        ] {
            assert_eq!(answer.headers[name], value, "{path}");
        }
        assert!(!answer.headers.contains_key("strict-transport-security"), "it did not come by HTTPS");
    }
}
