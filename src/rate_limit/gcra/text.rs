//! Limits as people write them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{Limit, MAX_CALLS, MAX_PERIOD_SECONDS, MAX_TICKS, MAX_WINDOWS, MICROS, Override, Window};

/// Why a text is no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

/// What a limit looks like, for messages.
const FORM: &str = "`1000/minute`, `100/second;5000/minute`, `20 per 10 seconds burst 5`";

/// The units, each with every spelling, the one that is shown first.
const UNITS: [(&[&str], u64); 4] = [
    (&["second", "seconds", "sec", "secs", "s"], 1),
    (&["minute", "minutes", "min", "mins", "m"], 60),
    (&["hour", "hours", "h"], 3_600),
    (&["day", "days", "d"], 86_400),
];

impl FromStr for Limit {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut windows: Vec<Window> = text.split([';', ',']).map(window).collect::<Result<_, _>>()?;
        if windows.len() > MAX_WINDOWS {
            return Err(Invalid(format!(
                "{} windows are given; {MAX_WINDOWS} are accepted at most",
                windows.len()
            )));
        }
        windows.sort_by_key(|window| window.seconds);
        let twice =
            windows.iter().zip(windows.iter().skip(1)).find(|(one, next)| one.seconds == next.seconds);
        if let Some((window, _)) = twice {
            return Err(Invalid(format!("two windows have the period of {}", Period(window.seconds))));
        }
        Ok(Self { windows })
    }
}

/// What an override without a limit is written as.
const UNLIMITED: &str = "unlimited";

impl FromStr for Override {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.trim().eq_ignore_ascii_case(UNLIMITED) {
            return Ok(Self::Unlimited);
        }
        text.parse().map(|limit| Self::Limit(Arc::new(limit)))
    }
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(limit) => limit.fmt(f),
            Self::Unlimited => f.write_str(UNLIMITED),
        }
    }
}

fn window(text: &str) -> Result<Window, Invalid> {
    let shown: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(64).collect();
    let malformed = || Invalid(format!("`{shown}` is no limit; one looks like {FORM}"));
    let spaced = spaced(text);
    let mut words = spaced.split_whitespace().peekable();
    let quota = count(words.next().ok_or_else(malformed)?).ok_or_else(malformed)?;
    if words.next() != Some("per") {
        return Err(malformed());
    }
    let every = match words.peek().and_then(|word| count(word)) {
        Some(every) => {
            words.next();
            every
        }
        None => 1,
    };
    let unit = words.next().ok_or_else(malformed)?;
    let unit = UNITS.iter().find(|(spellings, _)| spellings.contains(&unit)).ok_or_else(malformed)?.1;
    let burst = match words.next() {
        None => None,
        Some("burst") => Some(words.next().and_then(count).ok_or_else(malformed)?),
        Some(_) => return Err(malformed()),
    };
    if words.next().is_some() {
        return Err(malformed());
    }
    let seconds = every.saturating_mul(unit);
    let wrong = |what: String| Err(Invalid(format!("`{shown}`: {what}")));
    if !(1..=MAX_PERIOD_SECONDS).contains(&seconds) {
        return wrong("the period is not between a second and a day".to_owned());
    }
    let burst = burst.unwrap_or(quota);
    if !(1..=MAX_CALLS).contains(&quota) || !(1..=MAX_CALLS).contains(&burst) {
        return wrong(format!("calls and burst are not between 1 and {MAX_CALLS}"));
    }
    let shared = greatest_common_divisor(seconds * MICROS, quota);
    let (step, unit) = (seconds * MICROS / shared, quota / shared);
    if burst.checked_mul(step).is_none_or(|full| full >= MAX_TICKS) {
        return wrong(
            "cannot be counted exactly; use a rounder number, a smaller burst or a shorter period".to_owned(),
        );
    }
    Ok(Window { quota, seconds, burst, step, unit })
}

/// In lower case, every word and every number by itself.
fn spaced(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len() + 8);
    let mut was_digit = false;
    for letter in text.chars() {
        if letter == '/' {
            spaced.push_str(" per ");
        } else {
            if was_digit && letter.is_ascii_alphabetic() {
                spaced.push(' ');
            }
            spaced.push(letter.to_ascii_lowercase());
        }
        was_digit = letter.is_ascii_digit();
    }
    spaced
}

/// A whole number in decimal digits.
fn count(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

const fn greatest_common_divisor(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// A period as it is written.
struct Period(u64);

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = UNITS.iter().rev().find(|(_, seconds)| self.0.is_multiple_of(*seconds));
        let (name, seconds) = longest
            .map_or(("second", 1), |(spellings, seconds)| (spellings.first().unwrap_or(&"second"), *seconds));
        match self.0 / seconds {
            1 => f.write_str(name),
            many => write!(f, "{many} {name}s"),
        }
    }
}

/// As it is written: `100/second`, `20/10 seconds burst 5`.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.quota, Period(self.seconds))?;
        if self.burst != self.quota {
            write!(f, " burst {}", self.burst)?;
        }
        Ok(())
    }
}
