//! The generic cell rate algorithm over several windows at once, in whole numbers.
//!
//! A window is a bucket that drains: each call adds to it, and a call fits while the bucket does not run over. What is
//! in it is kept as the moment at which it will have drained (the "theoretical arrival time"), so that an idle agent
//! costs no work. Amounts are counted in *ticks*, of which a microsecond drains `unit` and a call adds `step`:
//! `period / quota` in lowest terms, so that nothing is ever rounded. `gcra.lua` does the same inside Redis.
//!
//! **Invariant:** over any span of time `t` no more is admitted than `burst + quota × t / period`; all windows are
//! looked at before any is charged; no stored moment, whatever clock wrote it, keeps anybody out for longer than the
//! bucket takes to drain.

mod text;

pub use text::Invalid;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Windows that one limit may have: a short one against bursts, some longer ones against totals.
pub const MAX_WINDOWS: usize = 4;

/// Calls that one limit may speak of, per period or at once; more is no limit.
pub const MAX_CALLS: u64 = 1_000_000_000;

/// The longest period, in seconds: a day. What is counted over more is a budget, not a rate.
pub const MAX_PERIOD_SECONDS: u64 = 86_400;

/// The largest amount that a bucket may hold: the doubles that Lua counts in are exact up to here.
pub const MAX_TICKS: u64 = 9_007_199_254_740_992;

const MICROS: u64 = 1_000_000;

/// How often somebody may call: in every window at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// One to [`MAX_WINDOWS`], of different periods, the shortest first.
    windows: Vec<Window>,
}

/// What somebody has in place of the limit of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Override {
    /// Another limit.
    Limit(Arc<Limit>),
    /// None.
    Unlimited,
}

/// `quota` calls a period, `burst` of them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    quota: u64,
    seconds: u64,
    burst: u64,
    step: u64,
    unit: u64,
}

/// When a bucket will have drained: a moment in microseconds, and ticks on top (less than a microsecond drains).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Microseconds on the clock that the calls are told.
    pub micros: u64,
    /// Ticks beyond that.
    pub part: u64,
}

/// The marks of a limit's windows, in their order; those beyond are unused. The default is that of empty buckets.
pub type Marks = [Mark; MAX_WINDOWS];

/// What is in the buckets of a limit, in ticks.
pub type Levels = [u64; MAX_WINDOWS];

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Whether it fits. If not, nothing was charged.
    pub admitted: bool,
    /// What is in the buckets now.
    pub levels: Levels,
}

/// How a caller stands in the window that leaves it least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// That window.
    pub window: Window,
    /// Calls that would fit at once.
    pub remaining: u64,
    /// Until everything would fit again.
    pub reset: Duration,
    /// Until the call that was refused fits; zero if it was admitted.
    pub retry_after: Duration,
}

impl Limit {
    /// The windows, the shortest first.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The most that one call may cost.
    pub fn burst(&self) -> u64 {
        self.windows.iter().map(|window| window.burst).min().unwrap_or(0)
    }

    /// Charges a call of `cost` at the moment `now`, in microseconds, to all windows or to none.
    pub fn charge(&self, marks: &mut Marks, now: u64, cost: u64) -> Charge {
        let mut levels = self.levels(marks, now);
        let admitted = self.each(&levels).all(|(window, level)| window.fits(level, cost));
        if admitted {
            for (window, level) in self.windows.iter().zip(&mut levels) {
                *level += cost * window.step;
            }
        }
        // Also what was refused: a mark from another clock must begin to drain now.
        self.store(marks, now, &levels);
        Charge { admitted, levels }
    }

    /// Takes a charge back.
    pub fn refund(&self, marks: &mut Marks, now: u64, cost: u64) {
        let mut levels = self.levels(marks, now);
        for (window, level) in self.windows.iter().zip(&mut levels) {
            *level = level.saturating_sub(cost.saturating_mul(window.step));
        }
        self.store(marks, now, &levels);
    }

    /// How a caller stands after a charge of `cost`.
    pub fn standing(&self, charge: &Charge, cost: u64) -> Standing {
        let standings = self.each(&charge.levels).map(|(window, level)| Standing {
            window: *window,
            remaining: window.full().saturating_sub(level) / window.step,
            reset: window.drains(level),
            retry_after: if charge.admitted { Duration::ZERO } else { window.wait(level, cost) },
        });
        // The one that is waited for longest; if none is, the one that leaves least.
        let tightest = standings.reduce(|one, other| {
            let tighter = (other.retry_after, one.remaining) > (one.retry_after, other.remaining);
            if tighter { other } else { one }
        });
        tightest.unwrap_or(Standing {
            window: Window { quota: 0, seconds: 1, burst: 0, step: 1, unit: 1 },
            remaining: 0,
            reset: Duration::ZERO,
            retry_after: Duration::ZERO,
        })
    }

    fn each<'a>(&'a self, levels: &'a Levels) -> impl Iterator<Item = (&'a Window, u64)> {
        self.windows.iter().zip(levels.iter().copied())
    }

    fn levels(&self, marks: &Marks, now: u64) -> Levels {
        let mut levels = Levels::default();
        for ((window, mark), level) in self.windows.iter().zip(marks).zip(&mut levels) {
            *level = window.level(*mark, now);
        }
        levels
    }

    fn store(&self, marks: &mut Marks, now: u64, levels: &Levels) {
        for ((window, mark), level) in self.windows.iter().zip(marks).zip(levels) {
            *mark = Mark { micros: now.saturating_add(level / window.unit), part: level % window.unit };
        }
    }
}

/// Whether every bucket has drained by `now`: such marks are those of somebody who was never seen.
pub fn is_settled(marks: &Marks, now: u64) -> bool {
    marks.iter().all(|mark| mark.micros < now)
}

impl Window {
    /// Calls a period.
    pub const fn quota(&self) -> u64 {
        self.quota
    }

    /// The period, in seconds.
    pub const fn seconds(&self) -> u64 {
        self.seconds
    }

    /// Calls at once.
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// Ticks that a call adds.
    pub const fn step(&self) -> u64 {
        self.step
    }

    /// Ticks that drain in a microsecond.
    pub const fn unit(&self) -> u64 {
        self.unit
    }

    /// Ticks that the bucket holds.
    pub const fn full(&self) -> u64 {
        self.burst * self.step
    }

    /// What is in the bucket; a mark further ahead than a full bucket reaches is another clock's, and counts as full.
    fn level(&self, mark: Mark, now: u64) -> u64 {
        match mark.micros.checked_sub(now) {
            None => 0,
            Some(ahead) => {
                let part = mark.part.min(self.unit - 1);
                ahead.saturating_mul(self.unit).saturating_add(part).min(self.full())
            }
        }
    }

    fn fits(&self, level: u64, cost: u64) -> bool {
        cost <= self.burst && level + cost * self.step <= self.full()
    }

    fn wait(&self, level: u64, cost: u64) -> Duration {
        let cost = cost.min(self.burst) * self.step;
        self.drains((level + cost).saturating_sub(self.full()))
    }

    const fn drains(&self, ticks: u64) -> Duration {
        Duration::from_micros(ticks.div_ceil(self.unit))
    }
}

/// As it is written: `100/second;5000/minute burst 500`.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, window) in self.windows.iter().enumerate() {
            if index > 0 {
                f.write_str(";")?;
            }
            write!(f, "{window}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
