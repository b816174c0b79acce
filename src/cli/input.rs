//! What arguments may look like: `k=v` pairs, times, scopes; and questions to a person.

use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

use serde_json::{Map, Value};

use super::Failure;
use crate::clock::Timestamp;
use crate::config::value;
use crate::ids::AgentId;
use crate::policy::Scope;
use crate::service::convert;

/// Whom a policy or a kill switch is for, as flags.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct ScopeFlags {
    /// Everyone
    #[arg(long)]
    everyone: bool,
    /// All agents of a team
    #[arg(long, value_name = "TEAM")]
    team: Option<String>,
    /// One agent
    #[arg(long, value_name = "AGENT_ID")]
    agent: Option<String>,
}

impl ScopeFlags {
    /// The scope; exactly one flag is given, or the parser would have refused.
    pub fn scope(&self) -> Result<Scope, Failure> {
        match (&self.team, &self.agent) {
            (Some(team), _) => Ok(Scope::Team(team.clone())),
            (None, Some(agent)) => agent
                .parse::<AgentId>()
                .map(Scope::Agent)
                .map_err(|invalid| Failure::Usage(format!("--agent: {invalid}"))),
            (None, None) => Ok(Scope::Everyone),
        }
    }
}

/// JSON members from arguments: a whole object (`{"a": 1}`), `name=text`, or `name:=JSON`. Later ones win.
pub fn members(flag: &str, arguments: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut all = Map::new();
    for argument in arguments {
        let wrong = |what: String| Failure::Usage(format!("{flag}: {what}"));
        if argument.trim_start().starts_with('{') {
            let object: Map<String, Value> = serde_json::from_str(argument)
                .map_err(|error| wrong(format!("`{argument}` is no JSON object: {error}")))?;
            all.extend(object);
            continue;
        }
        let (name, text) = argument.split_once('=').ok_or_else(|| {
            wrong(format!("`{argument}` is neither `name=text`, `name:=JSON` nor a JSON object"))
        })?;
        let (name, value) = match name.strip_suffix(':') {
            None => (name, Value::String(text.to_owned())),
            Some(name) => {
                let value = serde_json::from_str(text)
                    .map_err(|error| wrong(format!("the value of `{name}` is no JSON: {error}")))?;
                (name, value)
            }
        };
        if name.is_empty() {
            return Err(wrong(format!("`{argument}` has no name")));
        }
        all.insert(name.to_owned(), value);
    }
    Ok(all)
}

/// Labels from `name=text` arguments.
pub fn labels(arguments: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |argument: &String| {
        let (name, text) = argument
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| Failure::Usage(format!("--label: `{argument}` is not `name=text`")))?;
        Ok((name.to_owned(), text.to_owned()))
    };
    arguments.iter().map(pair).collect()
}

/// A point in time: RFC 3339, or a duration (`2h`, `30d`) from `now` in the direction of `shift`.
pub fn time(flag: &str, text: &str, now: Timestamp, shift: Shift) -> Result<prost_types::Timestamp, Failure> {
    let days = |text: &str| {
        let days: u64 = text.strip_suffix('d')?.parse().ok()?;
        days.checked_mul(86_400).map(Duration::from_secs)
    };
    let span =
        || days(text).or_else(|| text.ends_with(['s', 'm', 'h']).then(|| value::duration(text)).flatten());
    let at = match (Timestamp::parse(text), span()) {
        (Some(at), _) => at,
        (None, Some(span)) => match shift {
            Shift::Back => now.minus(span),
            Shift::On => now.plus(span),
        },
        (None, None) => {
            return Err(Failure::Usage(format!(
                "{flag}: `{text}` is neither a time such as `2026-01-05T12:00:00Z` nor a span such as `2h` or `30d`"
            )));
        }
    };
    Ok(convert::timestamp_message(at))
}

/// Where a span is counted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// Into the past.
    Back,
    /// Into the future.
    On,
}

/// Refuses a command that would ask a person and print JSON at once: the question needs the difference shown.
pub fn decided(json: bool, decided: bool) -> Result<(), Failure> {
    if json && !decided && io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "--json asks nothing: give --yes, or --dry-run where there is one".to_owned(),
        ));
    }
    Ok(())
}

/// Asks a person, on a terminal only: whether to go on. Without a terminal there is nobody to ask and the command
/// goes on, as it was told to.
pub fn confirm(question: &str, yes: bool) -> Result<bool, Failure> {
    if yes || !io::stdin().is_terminal() {
        return Ok(true);
    }
    let mut stderr = io::stderr();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(arguments: &[&str]) -> Option<Value> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        members("--context", &arguments).ok().map(Value::Object)
    }

    #[test]
    fn a_value_is_text_unless_said_to_be_json() {
        assert_eq!(read(&["amount=150"]), Some(json!({"amount": "150"})));
        assert_eq!(read(&["amount:=150", "a=b=c"]), Some(json!({"amount": 150, "a": "b=c"})));
        assert_eq!(read(&[r#"{"a": {"b": [1]}}"#, "a=x"]), Some(json!({"a": "x"})));
        for bad in ["novalue", "=x", ":=1", "a:=nope", "{\"a\": "] {
            assert_eq!(read(&[bad]), None, "{bad}");
        }
    }

    #[test]
    fn a_time_is_absolute_or_a_span_from_now() {
        let now = Timestamp::parse("2026-01-05T12:00:00Z").unwrap();
        let seconds = |text: &str, shift| time("--since", text, now, shift).ok().map(|time| time.seconds);
        let noon = now.as_micros() / 1_000_000;
        assert_eq!(seconds("2026-01-05T12:00:00Z", Shift::Back), Some(noon));
        assert_eq!(seconds("2h", Shift::Back), Some(noon - 7_200));
        assert_eq!(seconds("30d", Shift::On), Some(noon + 30 * 86_400));
        for bad in ["yesterday", "5", "", "-2h", "d"] {
            assert_eq!(seconds(bad, Shift::Back), None, "{bad}");
        }
    }
}
