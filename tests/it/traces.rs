//! Traces as a collector gets them: the spans of one call as one tree, joined to its caller's trace.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use agentguard::pb::v1;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};

use crate::harness::{Guard, eventually};
use crate::metrics::Page;
use crate::redis::Redis;

/// A collector that keeps what it gets.
#[derive(Clone, Default)]
struct Sink {
    spans: Arc<Mutex<Vec<Span>>>,
    services: Arc<Mutex<Vec<String>>>,
}

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
            let names = attributes.into_iter().filter(|attribute| attribute.key == "service.name");
            self.services.lock().unwrap().extend(names.map(|name| format!("{:?}", name.value)));
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.spans.lock().unwrap().extend(spans);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Sink {
    async fn start() -> (Self, SocketAddr) {
        let sink = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = TraceServiceServer::new(sink.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                tokio::spawn(
                    http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        (sink, address)
    }

    /// The spans of a trace, once there are `count`.
    async fn trace(&self, id: &str, count: usize) -> Vec<Span> {
        let of = |span: &&Span| hex(&span.trace_id) == id;
        eventually("the collector has the trace", async || {
            let spans: Vec<Span> = self.spans.lock().unwrap().iter().filter(of).cloned().collect();
            (spans.len() >= count).then_some(spans)
        })
        .await
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

async fn traced_call(guard: &Guard, key: &str) -> Response<v1::EnforceResponse> {
    let mut caller = guard.caller(key).await;
    let message = v1::EnforceRequest { action: "read:file".to_owned(), ..Default::default() };
    let mut request = caller.request(message);
    let parent = format!("00-{TRACE}-{PARENT}-01");
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    caller.client().enforce(request).await.unwrap()
}

#[tokio::test]
async fn the_spans_of_one_call_are_one_tree_of_its_callers_trace() {
    let (sink, collector) = Sink::start().await;
    let redis = Redis::start().await;
    let guard = Guard::on_sqlite(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{collector}")),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("OTEL_SERVICE_NAME", "guard-of-the-test"),
        ("RATE_LIMIT_ENABLED", "true"),
        ("RATE_LIMIT_STORAGE_URI", &redis.uri()),
        ("LOG_LEVEL", "DEBUG"),
    ]);
    let mut admins = guard.admin().await;
    let agent = admins.agent("reader").await;
    let answer = traced_call(&guard, &agent.key).await;

    let names = ["call", "authenticate", "throttle", "redis", "decide", "commit", "database"];
    let spans = sink.trace(TRACE, names.len()).await;
    let find = |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}"));
    let call = find("call");
    assert_eq!(call.kind, 2, "a server span");
    assert_eq!(hex(&call.parent_span_id), PARENT, "the call hangs below its caller's span");
    for (child, parent) in [
        ("authenticate", "call"),
        ("throttle", "call"),
        ("redis", "throttle"),
        ("decide", "call"),
        ("commit", "call"),
        ("database", "commit"),
    ] {
        assert_eq!(find(child).parent_span_id, find(parent).span_id, "{child} below {parent}");
    }
    assert!(spans.iter().all(|span| span.end_time_unix_nano >= span.start_time_unix_nano));
    // The answer says which span it was.
    let said = answer.metadata().get("traceresponse").unwrap().to_str().unwrap();
    assert_eq!(said, format!("00-{TRACE}-{}-01", hex(&call.span_id)));
    assert!(sink.services.lock().unwrap()[0].contains("guard-of-the-test"));
    // So do the call's log lines.
    let log = guard.log();
    let line = log.lines().find(|line| line.contains("Enforcement check")).expect("the check is logged");
    assert!(line.contains(&format!("\"trace_id\": \"{TRACE}\"")), "{line}");
    assert!(!line.contains("otel."), "{line}");
}

#[tokio::test]
async fn a_collector_that_is_away_costs_a_count() {
    // A port on which nobody listens.
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let guard = Guard::on_sqlite(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{away}")),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ]);
    let mut admins = guard.admin().await;
    let agent = admins.agent("reader").await;
    for _ in 0..20 {
        traced_call(&guard, &agent.key).await;
    }
    eventually("spans are counted as lost", async || {
        let page = Page::of(guard.address()).await;
        let of = |result: &str| page.sum("agentguard_trace_spans_total", &[("result", result)]);
        (of("failed") > 0.0 && of("ended") >= 20.0).then(|| assert_eq!(of("exported"), 0.0))
    })
    .await;
}

#[tokio::test]
async fn without_a_collector_there_is_no_trace() {
    let guard = Guard::on_sqlite(&[]);
    let mut admins = guard.admin().await;
    let agent = admins.agent("reader").await;
    let answer = traced_call(&guard, &agent.key).await;
    assert!(answer.metadata().get("traceresponse").is_none());
    assert_eq!(Page::of(guard.address()).await.sum("agentguard_trace_spans_total", &[]), 0.0);
}
