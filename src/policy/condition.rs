//! Conditions on a rule: environment, time of day, day of the week, and an expression; all must hold.

use jiff::tz::TimeZone;

use super::Fault;
use super::document::{Conditions, DayOfWeek, TimeRange};
use super::expression::{Failure, Program};
use super::meter::{Meter, OverBudget};
use super::request::Request;
use super::subject::{Environment, Subject};
use crate::clock::Timestamp;

/// Steps that looking up a zone's local time costs.
const LOCAL_TIME_STEPS: u32 = 25;

const MICROS_PER_MINUTE: i64 = 60_000_000;
const MINUTES_PER_DAY: i64 = 24 * 60;

/// Conditions, ready to be tested.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    /// A set of environments' bits.
    environments: Option<u8>,
    time_range: Option<(u16, u16, Zone)>,
    days: Option<(u8, Zone)>,
    expression: Option<Box<Program>>,
}

/// How conditions turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All hold.
    Holds,
    /// One does not.
    Fails,
    /// Whether they hold cannot be said.
    Errors(&'static str),
}

impl Condition {
    /// Checks conditions as written; adds every fault with its path.
    pub(super) fn new(conditions: &Conditions, path: &str, faults: &mut Vec<Fault>) -> Option<Self> {
        let Conditions { env, time_range, day_of_week, expression } = conditions;
        if env.is_none() && time_range.is_none() && day_of_week.is_none() && expression.is_none() {
            faults.push(Fault::new(path, "is present but empty; leave it out or state a condition"));
            return None;
        }
        let before = faults.len();
        let environments = env.as_ref().map(|env| environments(env, &format!("{path}.env"), faults));
        let time_range =
            time_range.as_ref().map(|range| minutes(range, &format!("{path}.time_range"), faults));
        let days = day_of_week.as_ref().map(|days| weekdays(days, &format!("{path}.day_of_week"), faults));
        let expression = expression.as_ref().and_then(|source| {
            Program::compile(source)
                .map_err(|message| faults.push(Fault::new(format!("{path}.expression"), message)))
                .ok()
        });
        (faults.len() == before).then(|| Self {
            environments,
            time_range,
            days,
            expression: expression.map(Box::new),
        })
    }

    /// Whether testing it may fail.
    pub(super) const fn is_fallible(&self) -> bool {
        self.expression.is_some()
    }

    /// Tests the conditions; the expression last, and only if the others hold.
    pub(super) fn test(
        &self,
        subject: &Subject,
        request: &Request,
        now: Timestamp,
        meter: &mut Meter,
    ) -> Result<Outcome, OverBudget> {
        if self.environments.is_some_and(|set| set & subject.environment.bit() == 0) {
            return Ok(Outcome::Fails);
        }
        if let Some((start, end, zone)) = &self.time_range {
            meter.spend(LOCAL_TIME_STEPS)?;
            let (_, minute) = zone.local(now);
            let (start, end) = (i64::from(*start), i64::from(*end));
            let is_within =
                if start < end { (start..end).contains(&minute) } else { minute >= start || minute < end };
            if !is_within {
                return Ok(Outcome::Fails);
            }
        }
        if let Some((set, zone)) = &self.days {
            meter.spend(LOCAL_TIME_STEPS)?;
            let (day, _) = zone.local(now);
            // 1970-01-01 was a Thursday; Monday is bit 0.
            if (i64::from(*set) >> (day + 3).rem_euclid(7)) & 1 == 0 {
                return Ok(Outcome::Fails);
            }
        }
        match &self.expression {
            None => Ok(Outcome::Holds),
            Some(program) => match program.run(subject, request, now, meter) {
                Ok(true) => Ok(Outcome::Holds),
                Ok(false) => Ok(Outcome::Fails),
                Err(Failure::Error(text)) => Ok(Outcome::Errors(text)),
                Err(Failure::OverBudget) => Err(OverBudget),
            },
        }
    }
}

/// A time zone; UTC needs no look-up.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Zone(Option<TimeZone>);

impl Zone {
    pub(super) const UTC: Self = Self(None);

    /// The zone of an IANA name.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        if name == "UTC" {
            return Ok(Self::UTC);
        }
        let is_name = !name.is_empty() && name.len() <= 64 && name != "Etc/Unknown";
        match is_name.then(|| TimeZone::get(name)) {
            Some(Ok(zone)) => Ok(Self(Some(zone))),
            Some(Err(_)) | None => {
                let shown: String = name.chars().take(64).collect();
                Err(format!("`{shown}` is no IANA time zone; one looks like `Europe/Berlin`"))
            }
        }
    }

    /// The local time as microseconds since 1970-01-01T00:00 there.
    pub(super) fn local_micros(&self, now: Timestamp) -> i64 {
        let micros = now.as_micros();
        let seconds = match (&self.0, jiff::Timestamp::from_microsecond(micros)) {
            (Some(zone), Ok(instant)) => i64::from(zone.to_offset(instant).seconds()),
            (None, _) | (_, Err(_)) => 0,
        };
        micros + seconds * 1_000_000
    }

    /// The local day since 1970-01-01 and the minute of it.
    fn local(&self, now: Timestamp) -> (i64, i64) {
        let minutes = self.local_micros(now).div_euclid(MICROS_PER_MINUTE);
        (minutes.div_euclid(MINUTES_PER_DAY), minutes.rem_euclid(MINUTES_PER_DAY))
    }
}

fn environments(env: &[String], path: &str, faults: &mut Vec<Fault>) -> u8 {
    if env.is_empty() {
        faults.push(Fault::new(path, "is present but empty; name an environment"));
    }
    let mut set = 0;
    for (index, name) in env.iter().enumerate() {
        match name.parse::<Environment>() {
            Ok(environment) => set |= environment.bit(),
            Err(error) => faults.push(Fault::new(format!("{path}.values[{index}]"), error.to_string())),
        }
    }
    set
}

fn zone(tz: Option<&str>, path: &str, faults: &mut Vec<Fault>) -> Zone {
    tz.map_or(Ok(Zone::UTC), Zone::named).unwrap_or_else(|message| {
        faults.push(Fault::new(format!("{path}.tz"), message));
        Zone::UTC
    })
}

fn minutes(range: &TimeRange, path: &str, faults: &mut Vec<Fault>) -> (u16, u16, Zone) {
    if range.start.is_empty() && range.end.is_empty() && range.tz.is_none() {
        faults.push(Fault::new(path, "is present but empty; state `start` and `end`"));
        return (0, 0, Zone::UTC);
    }
    let mut minute = |text: &str, name: &str| {
        let minute = minute_of_day(text);
        if minute.is_none() {
            let shown: String = text.chars().take(32).collect();
            let message = format!("`{shown}` is no time of day from `00:00` to `23:59`");
            faults.push(Fault::new(format!("{path}.{name}"), message));
        }
        minute
    };
    let (start, end) = (minute(&range.start, "start"), minute(&range.end, "end"));
    if start.is_some() && start == end {
        faults.push(Fault::new(path, "has the same `start` and `end`; leave it out to mean the whole day"));
    }
    let zone = zone(range.tz.as_deref(), path, faults);
    (start.unwrap_or(0), end.unwrap_or(0), zone)
}

/// `HH:MM`, two digits each.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |digits: &str, limit: u16| {
        let is_two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|&number| is_two && number < limit)
    };
    Some(two(hours, 24)? * 60 + two(minutes, 60)?)
}

fn weekdays(days: &DayOfWeek, path: &str, faults: &mut Vec<Fault>) -> (u8, Zone) {
    const NAMES: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    if days.days.is_empty() {
        faults.push(Fault::new(path, "is present but empty; name a day"));
    }
    let mut set = 0u8;
    for (index, day) in days.days.iter().enumerate() {
        match NAMES.iter().position(|name| name == day || name.get(..3) == Some(day)) {
            Some(position) => set |= 1 << position,
            None => {
                let shown: String = day.chars().take(32).collect();
                let message = format!("`{shown}` is no day; one of `Mon` to `Sun`, or the full name");
                faults.push(Fault::new(format!("{path}.days[{index}]"), message));
            }
        }
    }
    (set, zone(days.tz.as_deref(), path, faults))
}

#[cfg(test)]
mod tests;
