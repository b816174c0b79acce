//! The only room that asks what time it is; everything else is told.
//!
//! **Invariant:** no other module reads a clock. Wall time is UTC in whole microseconds; elapsed time is
//! measured on a clock that counts suspension (`CLOCK_BOOTTIME`), so that a machine that slept does not
//! take an old confirmation for a fresh one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A point in wall time: microseconds since 1970-01-01T00:00:00Z, UTC, in the years 1970 to 9999 (to the last instant that is valid in every zone).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The largest instant that is a valid civil time in every zone, so that conditions can be tested at it.
const LAST_MICROS: i64 = 253_402_207_199_999_999;

impl Timestamp {
    /// The instant `micros` microseconds after 1970-01-01T00:00:00Z, clamped to the years 1970 to 9999.
    pub const fn from_micros(micros: i64) -> Self {
        Self(if micros < 0 {
            0
        } else if micros > LAST_MICROS {
            LAST_MICROS
        } else {
            micros
        })
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This instant moved on by `by`.
    pub fn plus(self, by: Duration) -> Self {
        Self::from_micros(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This instant moved back by `by`.
    pub fn minus(self, by: Duration) -> Self {
        Self::from_micros(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Reads an RFC 3339 instant such as `2026-01-05T12:00:00Z`; `None` if it is none or outside 1970 to 9999.
    pub fn parse(text: &str) -> Option<Self> {
        let micros = text.parse::<jiff::Timestamp>().ok()?.as_microsecond();
        (0..=LAST_MICROS).contains(&micros).then_some(Self(micros))
    }
}

/// RFC 3339, UTC, always six digits after the second and a `Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => write!(f, "{instant:.6}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// A point on the machine's elapsed-time clock, which goes on while the machine is suspended and is never set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Duration);

impl Instant {
    /// The instant `elapsed` after the clock's own origin; for tests of pure state machines.
    pub const fn from_origin(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    pub const fn since(self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// This instant moved on by `by`.
    pub const fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }
}

/// Where time comes from: the machine, or a test's hand.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clocks.
    System,
    /// Wall time that stands at the given microsecond until a test moves it; elapsed time still runs.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock of which the wall time stands at `at` until [`Clock::set`] moves it.
    pub fn fixed(at: Timestamp) -> Self {
        Self::Fixed(Arc::new(AtomicI64::new(at.as_micros())))
    }

    /// Moves a fixed clock to `at`; the system's clock is left alone.
    pub fn set(&self, at: Timestamp) {
        match self {
            Self::System => {}
            Self::Fixed(micros) => micros.store(at.as_micros(), Ordering::SeqCst),
        }
    }

    /// The wall time.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let time = clock_gettime(ClockId::Realtime);
                Timestamp::from_micros(
                    time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000),
                )
            }
            Self::Fixed(micros) => Timestamp::from_micros(micros.load(Ordering::SeqCst)),
        }
    }

    /// The elapsed-time clock; it counts suspension.
    pub fn instant(&self) -> Instant {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
        Instant(Duration::new(seconds, nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_shows_six_digits_and_reads_back() {
        let at = Timestamp::from_micros(1_767_614_400_000_001);
        assert_eq!(at.to_string(), "2026-01-05T12:00:00.000001Z");
        assert_eq!(Timestamp::parse(&at.to_string()), Some(at));
        assert_eq!(Timestamp::parse("2026-01-05T13:00:00.000001+01:00"), Some(at));
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn years_outside_1970_to_9999_are_clamped() {
        assert_eq!(Timestamp::from_micros(-1).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::from_micros(i64::MAX).to_string(), "9999-12-30T21:59:59.999999Z");
    }

    #[test]
    fn a_fixed_clock_moves_only_by_hand() {
        let clock = Clock::fixed(Timestamp::from_micros(5));
        assert_eq!(clock.now(), clock.now());
        clock.set(Timestamp::from_micros(9));
        assert_eq!(clock.now().as_micros(), 9);
    }
}
