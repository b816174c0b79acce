//! Calls that are wrong, each with the answer it must get: always the caller's error, never a fault of the server's.

use agentguard::pb::v1;
use bytes::Bytes;
use prost::Message;
use prost_types::value::Kind;
use prost_types::{Struct, Value};

use super::ENFORCE;
use crate::keys::raw::{Answer, Wire};

const GRPC: &str = "application/grpc";
const JSON: &str = "application/json";

/// What comes back: the gRPC code, or where none is spoken the HTTP status; and the reason.
pub type Expected = (i32, &'static str);

/// A call that is wrong.
pub struct Wrong {
    pub name: &'static str,
    method: &'static str,
    path: &'static str,
    kind: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    /// Whether no more comes after the body, or nothing ever.
    ends: bool,
    expected: Expected,
}

/// The bytes of a message as gRPC frames them, with whatever length is claimed.
fn framed(claimed: usize, bytes: &[u8]) -> Bytes {
    let mut frame = vec![0];
    frame.extend(u32::try_from(claimed).unwrap().to_be_bytes());
    frame.extend(bytes);
    frame.into()
}

fn message(bytes: &[u8]) -> Bytes {
    framed(bytes.len(), bytes)
}

fn number(number: f64) -> Bytes {
    let value = Value { kind: Some(Kind::NumberValue(number)) };
    let context = Some(Struct { fields: [("n".to_owned(), value)].into() });
    message(
        &v1::EnforceRequest { action: "read:file".to_owned(), context, ..Default::default() }.encode_to_vec(),
    )
}

/// All of them.
pub fn wrong() -> Vec<Wrong> {
    let check =
        || v1::EnforceRequest { action: "read:file".to_owned(), ..Default::default() }.encode_to_vec();
    let grpc = |name, body, expected| Wrong {
        name,
        method: "POST",
        path: ENFORCE,
        kind: GRPC,
        headers: Vec::new(),
        body,
        ends: true,
        expected,
    };
    let http = |name, method, path, kind, body: &[u8], expected| Wrong {
        name,
        method,
        path,
        kind,
        headers: Vec::new(),
        body: Bytes::copy_from_slice(body),
        ends: true,
        expected,
    };
    let (invalid, malformed) = ((3, "INVALID_ARGUMENT"), (3, "MALFORMED_MESSAGE"));
    let large = (8, "MESSAGE_TOO_LARGE");
    let timeout = |text: &str| Wrong {
        headers: vec![("grpc-timeout", text.to_owned())],
        ..grpc("grpc-timeout", message(&check()), invalid)
    };
    vec![
        // Field 1 is the action.
        grpc("bad UTF-8", message(b"\x0a\x02\xff\xfe"), malformed),
        grpc("garbage", message(&[0xff; 300]), malformed),
        grpc("a message that ends early", message(b"\x0a\x7fread"), malformed),
        grpc("a frame that ends early", framed(200, &check()), malformed),
        grpc("two messages", [message(&check()), message(&check())].concat().into(), malformed),
        grpc("no message", Bytes::new(), malformed),
        grpc("NaN", number(f64::NAN), invalid),
        grpc("infinity", number(f64::INFINITY), invalid),
        grpc("5 MiB", message(&vec![0; 5 * 1_024 * 1_024]), large),
        Wrong { ends: false, ..grpc("4 GiB declared", framed(u32::MAX as usize, &[0; 100]), large) },
        timeout("1"),
        timeout("-1S"),
        timeout("soon"),
        timeout("123456789S"),
        Wrong {
            headers: vec![("x-admin-key", "k".to_owned())],
            ..grpc("two keys", message(&check()), (16, "UNAUTHENTICATED"))
        },
        http("wrong method", "GET", ENFORCE, GRPC, b"", (405, "")),
        http("wrong method", "PUT", ENFORCE, GRPC, b"", (405, "")),
        http("wrong method", "GET", "/enforce", JSON, b"", (405, "")),
        http("wrong content type", "POST", ENFORCE, JSON, b"{}", (415, "")),
        http("wrong content type", "POST", "/enforce", "text/plain", b"{}", (415, "")),
        http("garbage in JSON", "POST", "/enforce", JSON, b"{\"action\": \xff}", (400, "")),
        http("garbage in JSON", "POST", "/enforce", JSON, b"{\"action\": ", (400, "")),
        http(
            "NaN in JSON",
            "POST",
            "/enforce",
            JSON,
            b"{\"action\": \"a\", \"context\": {\"n\": NaN}}",
            (400, ""),
        ),
        http("5 MiB of JSON", "POST", "/enforce", JSON, &vec![b' '; 5 * 1_024 * 1_024], (413, "")),
        http("no such path", "POST", "/nowhere", JSON, b"{}", (404, "")),
        http("no such service", "POST", "/agentguard.v9.Nothing/Do", GRPC, b"", (12, "UNIMPLEMENTED")),
        http(
            "no such method",
            "POST",
            "/agentguard.v1.EnforcementService/Nothing",
            GRPC,
            b"",
            (12, "UNIMPLEMENTED"),
        ),
    ]
}

impl Wrong {
    pub fn is_large(&self) -> bool {
        self.expected.1 == "MESSAGE_TOO_LARGE" || self.expected.0 == 413
    }

    /// Makes the call; what is wrong with its answer, if anything is.
    pub async fn fault(&self, wire: &Wire, key: &str) -> Option<String> {
        let mut headers = self.headers.clone();
        headers.push(("x-agent-key", key.to_owned()));
        let answer = if self.ends {
            wire.send((self.method, self.path), self.kind, &headers, self.body.clone(), false).await
        } else {
            wire.begin(self.path, &headers, self.body.clone()).await
        };
        let got = got(&answer);
        (got != (self.expected.0, self.expected.1.to_owned()))
            .then(|| format!("{}: {got:?} instead of {:?}: {answer:?}", self.name, self.expected))
    }
}

fn got(answer: &Answer) -> (i32, String) {
    if answer.http == 200 {
        (answer.code(), answer.reason())
    } else {
        (i32::from(answer.http), String::new())
    }
}
