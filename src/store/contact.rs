//! Whether PostgreSQL answers at all: so that, once it does not, nobody waits for it one after the other, and nobody's
//! first call after its return is refused for long.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;

/// Nothing at all was answered for this long: before the database counts as away it is asked once more.
pub(super) const SILENCE: Duration = Duration::from_secs(1);

/// How long that one question may take, over a connection of its own: TCP, TLS, the password and one round trip.
pub(super) const QUESTION: Duration = Duration::from_secs(1);

/// What all connections of a store know together. Every answer counts, whoever asked: the poll's alone come every
/// `POLICY_REFRESH_INTERVAL`.
#[derive(Debug, Default)]
pub(crate) struct Contact {
    /// When the last answer came, in milliseconds of the elapsed-time clock.
    heard: AtomicU64,
    away: AtomicBool,
    /// How often it was found away so far.
    absences: AtomicU64,
    asking: AtomicBool,
}

/// The right to ask, which one at a time has; given back when dropped.
#[derive(Debug)]
pub(super) struct Question<'a>(&'a Contact);

impl Contact {
    pub(super) fn new() -> Self {
        let contact = Self::default();
        contact.heard.store(now(), Ordering::Release);
        contact
    }

    /// An answer came, be it a refusal.
    pub(super) fn heard(&self) {
        self.heard.store(now(), Ordering::Release);
        if self.away.swap(false, Ordering::AcqRel) {
            tracing::info!("PostgreSQL answers again");
        }
    }

    /// The question was not answered.
    pub(super) fn lost(&self) {
        if !self.away.swap(true, Ordering::AcqRel) {
            self.absences.fetch_add(1, Ordering::AcqRel);
            tracing::error!("PostgreSQL does not answer; what needs it is refused until it does");
        }
    }

    /// Whether the database is known not to answer.
    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::Acquire)
    }

    /// How often it was found away so far: a connection from before the last time may be dead without a word.
    pub(super) fn absences(&self) -> u64 {
        self.absences.load(Ordering::Acquire)
    }

    /// Whether nothing was answered for so long that it is worth a question.
    pub(super) fn is_silent(&self) -> bool {
        let silence = now().saturating_sub(self.heard.load(Ordering::Acquire));
        u128::from(silence) >= SILENCE.as_millis()
    }

    /// The right to ask, unless somebody asks already.
    pub(super) fn question(&self) -> Option<Question<'_>> {
        let taken = self.asking.swap(true, Ordering::AcqRel);
        (!taken).then_some(Question(self))
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.0.asking.store(false, Ordering::Release);
    }
}

fn now() -> u64 {
    let elapsed = Clock::System.instant().since(crate::clock::Instant::from_origin(Duration::ZERO));
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_asks_and_any_answer_ends_the_absence() {
        let contact = Contact::new();
        assert!(!contact.is_away() && !contact.is_silent());
        let first = contact.question();
        assert!(first.is_some() && contact.question().is_none());
        drop(first);
        assert!(contact.question().is_some());
        contact.lost();
        assert!(contact.is_away());
        contact.lost();
        assert_eq!(contact.absences(), 1);
        contact.heard();
        assert!(!contact.is_away());
    }
}
