//! Log lines: one JSON object each, or text for people, on standard error.
//!
//! `line` is the form of a line, `sink` writes them without keeping anybody waiting.
//!
//! **Invariant:** the only global of the program, set once by [`start`]; nothing that is secret has a `Display` or
//! `Debug` that shows it, so no line can hold it.

mod line;
mod sink;

use std::panic::PanicHookInfo;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::Clock;
use crate::config::{Log, LogFormat, LogLevel};

/// Libraries speak up from `warn` on, whatever `LOG_LEVEL` says below it: their details are theirs.
const LOUDEST_LIBRARY: LevelFilter = LevelFilter::WARN;

pub use sink::MAX_WAITING as MAX_WAITING_LINES;

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system gives no thread.
    #[error("the thread that writes the log cannot be started")]
    Thread(#[source] std::io::Error),
    /// It was started before.
    #[error("logging was started before")]
    Twice,
}

/// Starts logging, also of panics. Whatever ends the process calls [`flush`] before it does.
///
/// # Errors
/// When it was started before, or no thread is to be had.
pub fn start(log: Log, clock: Clock) -> Result<(), Error> {
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
    tracing_subscriber::registry().with(filter).with(lines).try_init().map_err(|_| Error::Twice)?;
    sink::install(sink);
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Waits until the lines that were logged are written; two seconds at most.
pub fn flush() {
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
