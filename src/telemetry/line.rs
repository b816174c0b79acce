//! The form of a line: the deployment guide's fields first, then the event's own, then those of the call around it.

use std::fmt::{self, Write as _};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::sink::Sink;
use crate::clock::Clock;

/// Fields of one line at most; a span has a few, an event not many more.
const MAX_FIELDS: usize = 64;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON object.
    Json,
    /// For people.
    Text,
}

/// Writes each event as one line.
pub(super) struct Lines {
    form: Form,
    clock: Clock,
    sink: Sink,
}

impl Lines {
    pub(super) const fn new(form: Form, clock: Clock, sink: Sink) -> Self {
        Self { form, clock, sink }
    }
}

/// Says how many lines are missing at its place.
pub(super) struct Lost {
    form: Form,
    clock: Clock,
}

impl Lost {
    pub(super) const fn new(form: Form, clock: Clock) -> Self {
        Self { form, clock }
    }

    pub(super) fn line(&self, count: u64) -> String {
        let message = "log lines were dropped here, standard error took none".to_owned();
        let fields = Fields { message, others: vec![("count", count.into())] };
        match self.form {
            Form::Json => fields.json(&self.clock, Level::WARN, "agentguard::telemetry"),
            Form::Text => fields.text(&self.clock, Level::WARN),
        }
    }
}

/// Fields in the order of their naming.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl<S> Layer<S> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                for (name, value) in &outer.others {
                    fields.add(name, value.clone());
                }
            }
        }
        let meta = event.metadata();
        let line = match self.form {
            Form::Json => fields.json(&self.clock, *meta.level(), meta.target()),
            Form::Text => fields.text(&self.clock, *meta.level()),
        };
        self.sink.line(line);
    }
}

impl Fields {
    /// The innermost naming wins.
    fn add(&mut self, name: &'static str, value: Value) {
        // What is meant for traces.
        if name.starts_with("otel.") {
            return;
        }
        if self.others.len() < MAX_FIELDS && self.others.iter().all(|(known, _)| *known != name) {
            self.others.push((name, value));
        }
    }

    fn json(self, clock: &Clock, level: Level, target: &str) -> String {
        let mut line = String::from("{");
        let fixed = [
            ("timestamp", clock.now().to_string().into()),
            ("level", name(level).into()),
            ("logger", "agentguard".into()),
            ("message", Value::String(self.message)),
        ];
        let others: Vec<_> = self.others.into_iter().filter(|(name, _)| !FIXED.contains(name)).collect();
        let (mut guides, rest): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|(name, _)| GUIDES.contains(name));
        guides.sort_by_key(|(name, _)| GUIDES.iter().position(|known| known == name));
        let own = [("target", Value::from(target))];
        for (index, (name, value)) in fixed.into_iter().chain(guides).chain(own).chain(rest).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            // Writing to a string cannot fail.
            write!(line, "{comma}{}: {value}", Value::from(name)).ok();
        }
        line.push_str("}\n");
        line
    }

    fn text(self, clock: &Clock, level: Level) -> String {
        let mut line = format!("{} {:<7} {}", clock.now(), name(level), visible(&self.message));
        for (name, value) in self.others {
            // A text without white space reads better without quotes.
            match value {
                Value::String(text) if is_plain(&text) => write!(line, " {name}={text}").ok(),
                Value::String(_)
                | Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_) => write!(line, " {name}={value}").ok(),
            };
        }
        line.push('\n');
        line
    }
}

/// The guide's other fields, in its order; a line has those that are known.
const GUIDES: [&str; 4] = ["agent_id", "action", "allowed", "request_id"];

const FIXED: [&str; 5] = ["timestamp", "level", "logger", "message", "target"];

/// The guide's names of levels.
const fn name(level: Level) -> &'static str {
    match level {
        Level::TRACE => "TRACE",
        Level::DEBUG => "DEBUG",
        Level::INFO => "INFO",
        Level::WARN => "WARNING",
        Level::ERROR => "ERROR",
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|letter| !letter.is_whitespace() && !letter.is_control() && letter != '"')
}

/// One line stays one line, and a terminal obeys no one in it.
fn visible(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.add(field.name(), format!("{value:?}").into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.to_owned();
        } else {
            self.add(field.name(), value.into());
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Map;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::clock::Timestamp;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(form: Form, log: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let clock = Clock::fixed(Timestamp::from_micros(1_705_314_645_123_456));
        let sink = Sink::start(writer, 64, |_| String::new()).unwrap();
        let layer = Lines::new(form, clock, sink.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        sink.flush();
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_json_line_begins_with_the_guides_fields() {
        let written = lines(Form::Json, || {
            let span = tracing::error_span!("call", request_id = "req-1", allowed = false);
            let _entered = span.enter();
            tracing::warn!(
                target: "agentguard::service",
                allowed = true,
                count = 3,
                action = "read:file",
                agent_id = "agt_1",
                "Enforcement check"
            );
        });
        assert_eq!(
            written,
            concat!(
                r#"{"timestamp": "2024-01-15T10:30:45.123456Z", "level": "WARNING", "logger": "agentguard", "#,
                r#""message": "Enforcement check", "agent_id": "agt_1", "action": "read:file", "allowed": true, "#,
                r#""request_id": "req-1", "target": "agentguard::service", "count": 3}"#,
                "\n"
            )
        );
    }

    #[test]
    fn nothing_that_is_logged_breaks_a_line_in_two() {
        let nasty = "a\nb\" \u{1b}[31m\u{0}";
        for form in [Form::Json, Form::Text] {
            let written = lines(form, || tracing::info!(nasty, "said {nasty}"));
            assert_eq!(written.matches('\n').count(), 1, "{written:?}");
            assert!(!written.contains('\u{1b}'), "{written:?}");
        }
        let written = lines(Form::Json, || tracing::info!(nasty, "said {nasty}"));
        let json: Map<String, Value> = serde_json::from_str(&written).unwrap();
        assert_eq!(json["nasty"], nasty);
    }

    #[test]
    fn a_field_cannot_take_the_place_of_a_fixed_one() {
        let written = lines(Form::Json, || tracing::info!(level = "FAKE", timestamp = "never", "x"));
        let json: Map<String, Value> = serde_json::from_str(&written).unwrap();
        assert_eq!(json["level"], "INFO");
        assert_eq!(written.matches("timestamp").count(), 1);
    }

    #[test]
    fn a_gap_is_told_in_the_form_of_the_others() {
        let clock = Clock::fixed(Timestamp::from_micros(0));
        let line = Lost::new(Form::Json, clock.clone()).line(7);
        let json: Map<String, Value> = serde_json::from_str(&line).unwrap();
        assert_eq!((&json["level"], &json["count"]), (&"WARNING".into(), &7.into()));
        assert!(Lost::new(Form::Text, clock).line(7).ends_with("count=7\n"));
    }

    #[test]
    fn text_is_for_people() {
        let written =
            lines(Form::Text, || tracing::info!(address = "127.0.0.1:8000", why = "a b", "serving"));
        assert_eq!(
            written,
            "2024-01-15T10:30:45.123456Z INFO    serving address=127.0.0.1:8000 why=\"a b\"\n"
        );
    }
}
