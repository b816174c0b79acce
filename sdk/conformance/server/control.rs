//! What a runner talks to, over HTTP/1.1 and JSON: which cases there are, begin a play, end it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::certificates::Certificates;
use super::judge::{self, ADMIN_KEY, AGENT_KEY};
use super::play::Play;
use super::script::{Listen, Script};

struct Control {
    script: Arc<Script>,
    certificates: Arc<Certificates>,
    plays: Mutex<BTreeMap<u64, Arc<Play>>>,
    last: Mutex<u64>,
}

pub async fn serve(listener: TcpListener, script: Arc<Script>, certificates: Arc<Certificates>) {
    let control = Arc::new(Control { script, certificates, plays: Mutex::default(), last: Mutex::new(0) });
    while let Ok((socket, _)) = listener.accept().await {
        let control = Arc::clone(&control);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let control = Arc::clone(&control);
                async move { Ok::<_, std::convert::Infallible>(control.answer(request).await) }
            });
            http1::Builder::new().serve_connection(TokioIo::new(socket), service).await.ok();
        });
    }
}

impl Control {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().trim_matches('/').to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        let found = match (request.method(), parts.as_slice()) {
            (&Method::GET, ["cases"]) => Some(self.cases()),
            (&Method::POST, ["play", case, way]) => self.play(case, way).await,
            (&Method::POST, ["end", play]) => self.end(play).await,
            _ => None,
        };
        let status = if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
        let body = found.unwrap_or_else(|| json!({ "detail": format!("there is no `{path}` here") }));
        let mut response = Response::new(Full::from(body.to_string()));
        *response.status_mut() = status;
        response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
        response
    }

    fn cases(&self) -> Value {
        json!({ "cases": self.script.cases.iter().map(super::script::Case::shown).collect::<Vec<_>>() })
    }

    /// Opens a port that plays `case`, and says with what to come.
    async fn play(&self, case: &str, way: &str) -> Option<Value> {
        let case = self.script.case(case)?.clone();
        if !case.ways().contains(&way) {
            return None;
        }
        let play = Play::start(Arc::clone(&self.script), &self.certificates, case, way).await;
        let number = {
            let mut last = self.last.lock().unwrap();
            *last += 1;
            *last
        };
        let client = self.client(&play);
        self.plays.lock().unwrap().insert(number, play);
        Some(json!({ "play": number, "client": client }))
    }

    fn client(&self, play: &Play) -> Value {
        let case = &play.case;
        let port = play.address.port();
        let encrypted = self.is_encrypted(case.server.listen);
        let scheme = case.client.scheme.as_deref().unwrap_or(if encrypted { "https" } else { "http" });
        // Certificates name the host; where there is none the address spares the look-up.
        let host = if encrypted || scheme == "https" { "localhost" } else { "127.0.0.1" };
        let endpoint = case.client.endpoint.clone().unwrap_or_else(|| format!("{scheme}://{host}:{port}"));
        let right = if case.call.act.starts_with("admin.") { ADMIN_KEY } else { AGENT_KEY };
        let key = (!case.client.no_key).then(|| case.client.key.clone().unwrap_or_else(|| right.to_owned()));
        let identity = case.client.identity.then(|| self.certificates.identity());
        json!({
            "endpoint": endpoint,
            "key": key,
            "timeout_ms": case.client.timeout_ms(),
            "insecure": case.client.insecure,
            "ca_file": (scheme == "https").then(|| self.certificates.roots()),
            "cert_file": identity.as_ref().map(|(certificate, _)| certificate),
            "cert_key_file": identity.as_ref().map(|(_, key)| key),
        })
    }

    fn is_encrypted(&self, listen: Listen) -> bool {
        match listen {
            Listen::Tls | Listen::TlsExpired | Listen::TlsWrongHost | Listen::TlsUnknown | Listen::Mutual => {
                true
            }
            Listen::Plain | Listen::Down | Listen::Silent | Listen::Slams | Listen::Web => false,
        }
    }

    /// Closes a play's port, and says what was wrong with what was seen on it.
    async fn end(&self, play: &str) -> Option<Value> {
        let play = self.plays.lock().unwrap().remove(&play.parse().ok()?)?;
        play.end().await;
        let seen = play.seen.lock().unwrap().clone();
        let shown: Vec<_> = seen
            .iter()
            .map(|one| json!({ "rpc": one.rpc, "headers": one.headers, "message": one.message }))
            .collect();
        Some(json!({ "problems": judge::problems(&play, &seen), "seen": shown }))
    }
}
