//! How often this replica decided for which reason, since it started.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::policy::ReasonCode;

/// One counter a reason code. Counting is one relaxed addition.
#[derive(Debug, Default)]
pub struct Tally {
    counts: [AtomicU64; ReasonCode::ALL.len()],
}

impl Tally {
    /// Counts one decision.
    pub fn count(&self, code: ReasonCode) {
        let place = ReasonCode::ALL.iter().position(|known| *known == code);
        if let Some(counter) = place.and_then(|place| self.counts.get(place)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Every code, with how often it occurred.
    pub fn all(&self) -> impl Iterator<Item = (ReasonCode, u64)> + '_ {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        ReasonCode::ALL.iter().copied().zip(counts)
    }

    /// The codes that occurred, with how often.
    pub fn counts(&self) -> impl Iterator<Item = (ReasonCode, u64)> + '_ {
        self.all().filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_occurred_is_left_out() {
        let tally = Tally::default();
        tally.count(ReasonCode::DecisionBudget);
        tally.count(ReasonCode::AllowedByRule);
        tally.count(ReasonCode::AllowedByRule);
        let counts: Vec<_> = tally.counts().collect();
        assert_eq!(counts, [(ReasonCode::AllowedByRule, 2), (ReasonCode::DecisionBudget, 1)]);
    }
}
