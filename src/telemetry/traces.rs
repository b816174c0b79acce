//! Traces: the way of each call as spans, joined to its caller's trace, sent to a collector by OTLP.
//!
//! What the library reads from the environment itself (`OTEL_*` beside the endpoint) is its own affair. Spans wait in a
//! bounded queue of its own; one that finds it full, or a collector that is away, costs a count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, SdkTracer, SdkTracerProvider, Span as SdkSpan, SpanData, SpanExporter as Export,
    SpanProcessor,
};
use tokio::runtime::Handle;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of spans that are steps of a call: part of traces, of no log line.
pub const STEP: &str = "agentguard_trace";

/// How long the end waits for spans that are not sent yet.
const FAREWELL: Duration = Duration::from_secs(2);

/// Spans by what became of them.
#[derive(Debug, Default)]
struct Counts {
    ended: AtomicU64,
    exported: AtomicU64,
    failed: AtomicU64,
}

/// Traces, as they are sent. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Traces {
    provider: SdkTracerProvider,
    counts: Arc<Counts>,
}

impl Traces {
    /// Sends to the collector at `endpoint`, from the runtime around; the collector need not be there yet.
    pub(super) fn start(endpoint: &str) -> Result<Self, String> {
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build();
        let exporter = exporter.map_err(|error| error.to_string())?;
        let counts = Arc::new(Counts::default());
        let runtime = Handle::try_current().map_err(|error| error.to_string())?;
        let exporter = Counting { exporter: Arc::new(exporter), runtime, counts: Arc::clone(&counts) };
        let batches = BatchSpanProcessor::builder(exporter).build();
        // `OTEL_SERVICE_NAME` wins where it is set.
        let named = std::iter::once(opentelemetry::KeyValue::new("service.name", "agentguard"));
        let resource = Resource::builder_empty()
            .with_attributes(named)
            .with_detectors(&[
                Box::new(opentelemetry_sdk::resource::EnvResourceDetector::new()),
                Box::new(Named),
                Box::new(opentelemetry_sdk::resource::TelemetryResourceDetector),
            ])
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Ended { batches, counts: Arc::clone(&counts) })
            .with_resource(resource)
            .build();
        Ok(Self { provider, counts })
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("agentguard")
    }

    /// Sends what waits.
    pub(super) fn flush(&self) {
        // Nobody is left to be told of what could not be sent; it was counted.
        self.provider.shutdown_with_timeout(FAREWELL).ok();
    }

    /// Spans that ended, that were sent, and that could not be.
    pub(super) fn counts(&self) -> [(&'static str, u64); 3] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("ended", of(&self.counts.ended)),
            ("exported", of(&self.counts.exported)),
            ("failed", of(&self.counts.failed)),
        ]
    }
}

/// `OTEL_SERVICE_NAME`, but not the library's name for who has none.
struct Named;

impl opentelemetry_sdk::resource::ResourceDetector for Named {
    fn detect(&self) -> Resource {
        let found = opentelemetry_sdk::resource::SdkProvidedResourceDetector.detect();
        let name = found.get(&"service.name".into()).map(|name| name.to_string());
        match name.filter(|name| !name.starts_with("unknown_service")) {
            Some(name) => Resource::builder_empty().with_service_name(name).build(),
            None => Resource::builder_empty().build(),
        }
    }
}

/// Counts spans as they end, before the queue may drop them.
#[derive(Debug)]
struct Ended {
    batches: BatchSpanProcessor,
    counts: Arc<Counts>,
}

impl SpanProcessor for Ended {
    fn on_start(&self, span: &mut SdkSpan, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.counts.ended.fetch_add(1, Ordering::Relaxed);
        self.batches.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Counts what is sent. The library sends from a thread without a runtime, which the connection needs.
#[derive(Debug)]
struct Counting {
    exporter: Arc<SpanExporter>,
    runtime: Handle,
    counts: Arc<Counts>,
}

impl Export for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let exporter = Arc::clone(&self.exporter);
        let sent = self.runtime.spawn(async move { exporter.export(batch).await }).await;
        let sent = sent.unwrap_or_else(|error| Err(OTelSdkError::InternalFailure(error.to_string())));
        let counter = if sent.is_ok() { &self.counts.exported } else { &self.counts.failed };
        counter.fetch_add(count, Ordering::Relaxed);
        sent
    }

    fn set_resource(&mut self, resource: &Resource) {
        if let Some(exporter) = Arc::get_mut(&mut self.exporter) {
            exporter.set_resource(resource);
        }
    }
}

/// The headers of a call, as the propagator reads them.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Joins the span of a call to the trace that its headers name, and has its log lines say which trace that is.
pub(super) fn join(span: &Span, headers: &HeaderMap) {
    span.record("otel.kind", "server");
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    // Where the span is of no trace there is nothing to join.
    if span.set_parent(parent).is_err() {
        return;
    }
    let context = span.context();
    let own = context.span().span_context().clone();
    if own.is_valid() {
        span.record("trace_id", own.trace_id().to_string());
    }
}

/// For the answer of a call: which span of which trace it was (W3C's `traceresponse`).
pub(super) fn response(span: &Span) -> Option<HeaderValue> {
    let context = span.context();
    let own = context.span().span_context().clone();
    let flags = own.trace_flags().to_u8();
    let text = format!("00-{}-{}-{flags:02x}", own.trace_id(), own.span_id());
    own.is_valid().then(|| HeaderValue::try_from(text).ok()).flatten()
}
