//! The yardstick: a service of tonic's that answers the same messages and does nothing, behind hyper's HTTP/2 with
//! no layer between, in a process of its own. What AgentGuard needs beyond it is AgentGuard's.

use std::convert::Infallible;
use std::pin::Pin;

use agentguard::pb::v1;
use agentguard::pb::v1::enforcement_service_server::{EnforcementService, EnforcementServiceServer};
use futures_util::Stream;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::{Request, Response, Status, Streaming};
use tower::Service;

/// The argument that makes the benchmark's own program this server.
pub const ARGUMENT: &str = "echo";

/// Serves until it is killed; its first line on stdout is its address.
pub fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        let server = EnforcementServiceServer::new(Echo);
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let server = server.clone();
            let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let mut server = server.clone();
                async move { Ok::<_, Infallible>(server.call(request.map(Body::new)).await.unwrap()) }
            });
            let connection =
                http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer);
            tokio::spawn(connection);
        }
    });
}

struct Echo;

type Nothing = Pin<Box<dyn Stream<Item = Result<v1::EnforceStreamResponse, Status>> + Send>>;

#[tonic::async_trait]
impl EnforcementService for Echo {
    /// As large as a real answer.
    async fn enforce(
        &self,
        request: Request<v1::EnforceRequest>,
    ) -> Result<Response<v1::EnforceResponse>, Status> {
        let asked = request.into_inner();
        let decision = v1::Decision {
            verdict: v1::Verdict::Allow.into(),
            allowed: true,
            reason: "Allowed by rule `allow-1-c5a8a8b2` of the agent's policy".into(),
            reason_code: v1::ReasonCode::AllowedByRule.into(),
            decision_id: "dec_01h455vb4pex5vsknk084sn02q".into(),
            action: asked.action,
            rule_id: "allow-1-c5a8a8b2".into(),
            policy_id: "pol_01h455vb4pex5vsknk084sn02q".into(),
            policy_version: 1,
            policy_revision: "4f1c09aa4f1c09aa.17".into(),
            ..v1::Decision::default()
        };
        Ok(Response::new(v1::EnforceResponse { decision: Some(decision) }))
    }

    async fn batch_enforce(
        &self,
        _: Request<v1::BatchEnforceRequest>,
    ) -> Result<Response<v1::BatchEnforceResponse>, Status> {
        Err(Status::unimplemented("an echo"))
    }

    type EnforceStreamStream = Nothing;

    async fn enforce_stream(
        &self,
        _: Request<Streaming<v1::EnforceStreamRequest>>,
    ) -> Result<Response<Nothing>, Status> {
        Err(Status::unimplemented("an echo"))
    }

    async fn report_outcome(
        &self,
        _: Request<v1::ReportOutcomeRequest>,
    ) -> Result<Response<v1::ReportOutcomeResponse>, Status> {
        Err(Status::unimplemented("an echo"))
    }

    async fn report(&self, _: Request<v1::ReportRequest>) -> Result<Response<v1::ReportResponse>, Status> {
        Err(Status::unimplemented("an echo"))
    }

    async fn list_own_records(
        &self,
        _: Request<v1::ListOwnRecordsRequest>,
    ) -> Result<Response<v1::ListOwnRecordsResponse>, Status> {
        Err(Status::unimplemented("an echo"))
    }

    async fn who_am_i(&self, _: Request<v1::WhoAmIRequest>) -> Result<Response<v1::WhoAmIResponse>, Status> {
        Err(Status::unimplemented("an echo"))
    }
}
