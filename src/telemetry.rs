//! Log lines: one JSON object each, or text for people, on standard error.
//!
//! `line` is the form of a line, `sink` writes them without keeping anybody waiting, `traces` sends spans to a
//! collector.
//!
//! **Invariant:** the only global of the program, set once by [`start`]; nothing that is secret has a `Display` or
//! `Debug` that shows it, so no line can hold it.

mod line;
mod sink;
mod traces;

use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, HeaderValue};
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::Clock;
use crate::config::{Log, LogFormat, LogLevel, Secret};

pub use traces::STEP;

use traces::Traces;

/// The name of the span that is a call.
const CALL: &str = "call";

/// The program's traces, where they are sent; like the tracing dispatcher, of which they are a part, they are global.
static TRACES: Mutex<Option<Traces>> = Mutex::new(None);

/// Whether there are any, so that calls of a server without a collector do nothing for them.
static IS_TRACING: AtomicBool = AtomicBool::new(false);

/// Libraries speak up from `warn` on, whatever `LOG_LEVEL` says below it: their details are theirs.
const LOUDEST_LIBRARY: LevelFilter = LevelFilter::WARN;

pub use sink::MAX_WAITING as MAX_WAITING_LINES;

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system gives no thread.
    #[error("the thread that writes the log cannot be started")]
    Thread(#[source] std::io::Error),
    /// Traces cannot be sent to where they are to be.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT: {0}")]
    Traces(String),
    /// It was started before.
    #[error("logging was started before")]
    Twice,
}

/// Starts logging, also of panics, and tracing where there is a `collector`, from the runtime around. Whatever ends the
/// process calls [`flush`] before it does.
///
/// # Errors
/// When it was started before, no thread is to be had, or the collector's address is none.
pub fn start(log: Log, collector: Option<&Secret>, clock: Clock) -> Result<(), Error> {
    let level = level(log.level);
    let filter = Targets::new().with_default(level.min(LOUDEST_LIBRARY)).with_target("agentguard", level);
    let form = match log.format {
        LogFormat::Json => line::Form::Json,
        LogFormat::Text => line::Form::Text,
    };
    let lost = line::Lost::new(form, clock.clone());
    let sink = sink::Sink::start(std::io::stderr(), MAX_WAITING_LINES, move |count| lost.line(count))
        .map_err(Error::Thread)?;
    let lines = line::Lines::new(form, clock, sink.clone());
    let twice = |_| Error::Twice;
    match collector {
        None => tracing_subscriber::registry().with(filter).with(lines).try_init().map_err(twice)?,
        Some(endpoint) => {
            let traces = Traces::start(endpoint.expose()).map_err(Error::Traces)?;
            let spans = tracing_opentelemetry::layer()
                .with_tracer(traces.tracer())
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_context_activation(false)
                .with_filter(filter_fn(|it| it.is_span() && (it.target() == STEP || it.name() == CALL)));
            let lines = lines.with_filter(filter);
            tracing_subscriber::registry().with(spans).with(lines).try_init().map_err(twice)?;
            *traced() = Some(traces);
            IS_TRACING.store(true, Ordering::Relaxed);
        }
    }
    sink::install(sink);
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn traced() -> std::sync::MutexGuard<'static, Option<Traces>> {
    TRACES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The span of a call: its log lines have what is in it. It is of the highest level, so that no `LOG_LEVEL` hides the id,
/// and joined to the trace of its caller.
pub fn call(request_id: &str, path: &str, headers: &HeaderMap) -> Span {
    let span = tracing::error_span!("call", %request_id, path, trace_id = tracing::field::Empty, otel.kind = tracing::field::Empty);
    if IS_TRACING.load(Ordering::Relaxed) {
        traces::join(&span, headers);
    }
    span
}

/// For the head of the answer to a call: which span of which trace it was.
pub fn trace_response(span: &Span) -> Option<HeaderValue> {
    if IS_TRACING.load(Ordering::Relaxed) { traces::response(span) } else { None }
}

/// Spans that ended, that were sent, and that could not be; nothing where there is no collector.
pub fn spans() -> Vec<(&'static str, u64)> {
    traced().as_ref().map(|traces| traces.counts().to_vec()).unwrap_or_default()
}

/// Waits until the lines that were logged are written and the spans sent; two seconds each at most.
pub fn flush() {
    let traces = traced().take();
    if let Some(traces) = traces {
        traces.flush();
    }
    if let Some(sink) = sink::of_program() {
        sink.flush();
    }
}

/// Lines that were dropped because standard error took none.
pub fn lines_dropped() -> u64 {
    sink::of_program().map_or(0, |sink| sink.dropped())
}

const fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    }
}

/// Where, but not what: the text of a panic can hold what it choked on.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "a panic; this is a fault of agentguard");
}
