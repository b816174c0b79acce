//! Log lines: one JSON object each, or text for people, on standard error.
//!
//! **Invariant:** the only global of the program, set once by [`start`]; nothing that is secret has a `Display` or
//! `Debug` that shows it, so no line can hold it.

mod line;

use std::panic::PanicHookInfo;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::clock::Clock;
use crate::config::{Log, LogFormat, LogLevel};

/// Libraries speak up from `warn` on, whatever `LOG_LEVEL` says below it: their details are theirs.
const LOUDEST_LIBRARY: LevelFilter = LevelFilter::WARN;

/// Starts logging, also of panics.
///
/// # Errors
/// When it was started before.
pub fn start(log: Log, clock: Clock) -> Result<(), TryInitError> {
    let level = level(log.level);
    let filter = Targets::new().with_default(level.min(LOUDEST_LIBRARY)).with_target("agentguard", level);
    let form = match log.format {
        LogFormat::Json => line::Form::Json,
        LogFormat::Text => line::Form::Text,
    };
    let lines = line::Lines::new(form, clock, std::io::stderr);
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
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
