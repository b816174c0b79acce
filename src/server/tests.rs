//! The front door over real sockets: a service that does as it is told behind the real layers.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::{Response, Status};
use tower::util::BoxCloneSyncService;

use super::*;
use crate::auth::{AdminKeys, Peppers};
use crate::clock::Timestamp;
use crate::ids::{AgentId, KeyId};
use crate::pb::v1::{self, ErrorReason};
use crate::policy::{Environment, Subject};
use crate::rate_limit;
use crate::service::{call, status};
use crate::store::agents::AgentEntry;
use crate::store::keys::NewKey;
use crate::store::revision::Act;
use crate::store::{Location, Options, Store};
use crate::view::{self, Views};

mod bounds;
mod ends;
mod http_face;
mod limits;
mod refusals;
mod whole;

const ADMIN_KEY: &str = "an-admin-key-of-more-than-32-characters";
const ENFORCE: &str = "/agentguard.v1.EnforcementService/Enforce";
const STREAM: &str = "/agentguard.v1.EnforcementService/EnforceStream";

/// Does what the action says: `sleep:<ms>`, `panic`, anything else is allowed.
#[derive(Debug)]
struct Obedient;

async fn obey(action: &str) -> v1::Decision {
    if let Some(millis) = action.strip_prefix("sleep:") {
        tokio::time::sleep(Duration::from_millis(millis.parse().unwrap())).await;
    }
    assert_ne!(action, "panic", "as asked");
    v1::Decision {
        verdict: v1::Verdict::Allow.into(),
        allowed: true,
        action: action.to_owned(),
        reason_code: v1::ReasonCode::AllowedByRule.into(),
        decision_id: "dec_01h455vb4pex5vsknk084sn02q".into(),
        ..Default::default()
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<v1::EnforceStreamResponse, Status>> + Send>>;

#[tonic::async_trait]
impl EnforcementService for Obedient {
    type EnforceStreamStream = Answers;

    async fn enforce(
        &self,
        request: tonic::Request<v1::EnforceRequest>,
    ) -> Result<Response<v1::EnforceResponse>, Status> {
        let taken = call::from_agent(request)?;
        let decision = obey(&taken.message.action).await;
        Ok(Response::new(v1::EnforceResponse { decision: Some(decision) }))
    }

    async fn batch_enforce(
        &self,
        _request: tonic::Request<v1::BatchEnforceRequest>,
    ) -> Result<Response<v1::BatchEnforceResponse>, Status> {
        Ok(Response::new(v1::BatchEnforceResponse::default()))
    }

    async fn enforce_stream(
        &self,
        request: tonic::Request<tonic::Streaming<v1::EnforceStreamRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let answers = call::from_agent(request)?.message.then(|message| async {
            let message = message?;
            let decision = obey(&message.request.unwrap_or_default().action).await;
            let result = Some(v1::enforce_stream_response::Result::Decision(decision));
            Ok(v1::EnforceStreamResponse { sequence: message.sequence, result })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn report_outcome(
        &self,
        _request: tonic::Request<v1::ReportOutcomeRequest>,
    ) -> Result<Response<v1::ReportOutcomeResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn report(
        &self,
        _request: tonic::Request<v1::ReportRequest>,
    ) -> Result<Response<v1::ReportResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn list_own_records(
        &self,
        _request: tonic::Request<v1::ListOwnRecordsRequest>,
    ) -> Result<Response<v1::ListOwnRecordsResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn who_am_i(
        &self,
        _request: tonic::Request<v1::WhoAmIRequest>,
    ) -> Result<Response<v1::WhoAmIResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}

/// A running front door.
struct Front {
    address: SocketAddr,
    agent_key: String,
    stopper: Stopper,
    health: watch::Sender<Health>,
    running: JoinSet<Result<(), Error>>,
    _tasks: JoinSet<()>,
    _folder: TempDir,
}

impl Front {
    async fn start() -> Self {
        Self::with(Limits { drain_delay: Duration::ZERO, ..Limits::default() }).await
    }

    async fn with(limits: Limits) -> Self {
        Self::limiting(limits, rate_limit::Settings::off()).await
    }

    async fn limiting(limits: Limits, limited: rate_limit::Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::System;
        let store = Store::open(&Options::at(Location::Sqlite(folder.path().join("test.db")))).await.unwrap();
        store.migrate(clock.now()).await.unwrap();
        let agent_key = one_agent(&store, clock.now()).await;
        let settings = view::Settings {
            refresh_interval: Duration::from_secs(1),
            max_staleness: Duration::from_secs(60),
        };
        let mut tasks = JoinSet::new();
        let (views, task) = Views::start(store, settings, clock.clone()).await.unwrap();
        tasks.spawn(task);
        let admins = AdminKeys::new([ADMIN_KEY]);
        let (health, signal) = watch::channel(Health { policies: true, audit: true });
        let parts = Parts {
            enforcement: Arc::new(Obedient),
            admin: BoxCloneSyncService::new(tower::service_fn(|_request| async {
                Ok(Status::ok("").into_http())
            })),
            authenticator: Arc::new(Authenticator::new(views, Peppers::default(), admins, clock.clone())),
            limiter: Arc::new(Limiter::start(limited, clock.clone()).await.unwrap().0),
            health: signal,
            measured: Measured::off(),
            clock,
            limits,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stopper, stop) = stop();
        let mut running = JoinSet::new();
        running.spawn(run(parts, Doors::plain(listener), stop));
        Self { address, agent_key, stopper, health, running, _tasks: tasks, _folder: folder }
    }

    /// What `run` answered, once it ends.
    async fn ended(&mut self) -> Result<(), Error> {
        let ended = self.running.join_next();
        tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap().unwrap().unwrap()
    }

    async fn http2(&self) -> Http2 {
        let io = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            connection.await.ok();
        });
        Http2 { sender, key: self.agent_key.clone(), task }
    }

    /// One connection, one text, whatever comes back until it is closed.
    async fn http1(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().ok();
        String::from_utf8(answer).unwrap()
    }
}

async fn one_agent(store: &Store, now: Timestamp) -> String {
    let entry = AgentEntry {
        subject: Subject {
            id: AgentId::new(now, [1; 16]),
            name: "reader".into(),
            team: "data".into(),
            environment: Environment::Production,
            labels: [].into(),
            is_active: true,
        },
        limit: None,
        create_time: now,
        update_time: now,
        delete_time: None,
    };
    let minted = Peppers::default().mint(KeyId::new(now, [2; 16]), [3; 32]);
    let key = NewKey {
        id: minted.id,
        agent_id: entry.subject.id.clone(),
        hash: minted.hash,
        pepper_id: None,
        create_time: now,
        expire_time: None,
    };
    let act = Act {
        actor: "test".into(),
        act: "CreateAgent",
        target: entry.subject.id.to_string(),
        request_id: "test".into(),
        detail: b"{}".to_vec(),
        at: now,
        token: [4; 16],
    };
    store.create_agent(&act, &entry, &key).await.unwrap();
    minted.text.expose().to_owned()
}

/// An HTTP/2 connection with an agent's key.
struct Http2 {
    sender: http2::SendRequest<Full<Bytes>>,
    key: String,
    task: JoinSet<()>,
}

/// What came back on gRPC.
#[derive(Debug)]
struct Answer {
    http: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    trailers: HeaderMap,
}

impl Answer {
    /// The gRPC code, of the trailers or of an answer without body.
    fn code(&self) -> Option<&str> {
        let status = self.trailers.get("grpc-status").or_else(|| self.headers.get("grpc-status"));
        status.and_then(|value| value.to_str().ok())
    }

    fn reason(&self) -> Option<ErrorReason> {
        status::reason_of(&self.trailers).or_else(|| status::reason_of(&self.headers))
    }
}

impl Http2 {
    /// A request with the agent's key.
    fn request(&self, path: &str) -> http::request::Builder {
        Request::post(format!("http://agentguard{path}"))
            .version(Version::HTTP_2)
            .header("content-type", "application/grpc")
            .header("x-agent-key", &self.key)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let response = self.sender.clone().send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned().unwrap_or_default();
        Answer { http: parts.status, headers: parts.headers, body: body.to_bytes(), trailers }
    }

    /// One message on `path`.
    async fn call(&self, path: &str, message: &[u8]) -> Answer {
        self.send(self.request(path).body(Full::new(frame(message))).unwrap()).await
    }

    /// One Enforce.
    async fn enforce(&self, action: &str) -> Answer {
        self.call(ENFORCE, &asking(action)).await
    }
}

/// A message as gRPC frames it.
fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(message);
    frame.freeze()
}

fn asking(action: &str) -> Vec<u8> {
    v1::EnforceRequest { action: action.into(), ..Default::default() }.encode_to_vec()
}
