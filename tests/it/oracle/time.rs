//! Conditions over time, read from the design; jiff knows the zones.

use agentguard::clock::Timestamp;
use jiff::tz::TimeZone;

/// Microseconds of the local day at `now`, and the local day, Monday = 0.
pub fn local(now: Timestamp, tz: Option<&str>) -> (i64, usize) {
    let zone = TimeZone::get(tz.unwrap_or("UTC")).unwrap();
    let zoned = jiff::Timestamp::from_microsecond(now.as_micros()).unwrap().to_zoned_datetime(zone);
    let seconds =
        i64::from(zoned.hour()) * 3_600 + i64::from(zoned.minute()) * 60 + i64::from(zoned.second());
    let micros = seconds * 1_000_000 + i64::from(zoned.subsec_nanosecond() / 1_000);
    (micros, zoned.weekday().to_monday_zero_offset() as usize)
}

/// Whether the time of day lies from `start` on and before `end`.
pub fn is_within(micros: i64, start: &str, end: &str) -> bool {
    let at = |text: &str| {
        let (hours, minutes) = text.split_once(':').unwrap();
        (hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap()) * 60_000_000
    };
    let (start, end) = (at(start), at(end));
    if start < end { start <= micros && micros < end } else { start <= micros || micros < end }
}

/// The number of a day's name, Monday = 0.
pub fn day(name: &str) -> usize {
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].iter().position(|day| name.starts_with(day)).unwrap()
}

/// The names of a time's parts in CEL.
pub const PARTS: [&str; 10] = [
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "getDayOfWeek",
    "getDate",
    "getDayOfMonth",
    "getDayOfYear",
    "getMonth",
    "getFullYear",
];

/// A part of a time in a zone, counted as CEL does.
pub fn part(micros: i64, name: &str, tz: Option<&str>) -> i64 {
    let zone = TimeZone::get(tz.unwrap_or("UTC")).unwrap();
    let local = jiff::Timestamp::from_microsecond(micros).unwrap().to_zoned_datetime(zone);
    match name {
        "getHours" => i64::from(local.hour()),
        "getMinutes" => i64::from(local.minute()),
        "getSeconds" => i64::from(local.second()),
        "getMilliseconds" => micros.div_euclid(1_000).rem_euclid(1_000),
        "getDayOfWeek" => i64::from(local.weekday().to_sunday_zero_offset()),
        "getDate" => i64::from(local.day()),
        "getDayOfMonth" => i64::from(local.day()) - 1,
        "getDayOfYear" => i64::from(local.day_of_year()) - 1,
        "getMonth" => i64::from(local.month()) - 1,
        _ => i64::from(local.year()),
    }
}
