//! Counts what a decision costs, in steps that are the same on every machine.

/// Steps that one decision may take. The dearest steps found cost about 12 ns, so that the worst accepted
/// policies stay within 5 ms (`benches/worst.rs`); an ordinary decision takes well under a hundredth of them.
pub const DECISION_STEPS: u32 = 250_000;

/// The budget is used up; whatever was being decided is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OverBudget;

/// What is left of a budget.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    budget: u32,
    left: u32,
    is_over: bool,
}

impl Meter {
    /// A meter for one decision.
    pub(super) const fn for_decision() -> Self {
        Self::new(DECISION_STEPS)
    }

    pub(super) const fn new(budget: u32) -> Self {
        Self { budget, left: budget, is_over: false }
    }

    /// Takes `steps`; once that fails it fails for ever.
    #[inline]
    pub(super) fn spend(&mut self, steps: u32) -> Result<(), OverBudget> {
        match self.left.checked_sub(steps) {
            Some(left) if !self.is_over => {
                self.left = left;
                Ok(())
            }
            Some(_) | None => {
                self.is_over = true;
                Err(OverBudget)
            }
        }
    }

    /// Takes one step, and one more for each `per_step` of `bytes`.
    #[inline]
    pub(super) fn spend_bytes(&mut self, bytes: usize, per_step: usize) -> Result<(), OverBudget> {
        let steps = u32::try_from(bytes / per_step.max(1)).unwrap_or(u32::MAX);
        self.spend(steps.saturating_add(1))
    }

    /// The steps taken so far; the whole budget if it was exceeded.
    pub(super) const fn spent(&self) -> u32 {
        if self.is_over { self.budget } else { self.budget - self.left }
    }
}
