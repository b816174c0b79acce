//! Whether calls wait for Redis at all.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use tokio::sync::Notify;

/// Open: nobody asks Redis but the task that looks for it.
#[derive(Debug)]
pub struct Breaker {
    is_open: AtomicBool,
    failures: AtomicU32,
    outages: AtomicU64,
    opened: Notify,
}

impl Breaker {
    /// Open, until Redis is found for the first time.
    pub fn open() -> Self {
        let breaker = Self {
            is_open: AtomicBool::new(true),
            failures: AtomicU32::new(0),
            outages: AtomicU64::new(0),
            opened: Notify::new(),
        };
        breaker.opened.notify_one();
        breaker
    }

    /// Whether Redis is not to be asked.
    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// How often it opened.
    pub fn outages(&self) -> u64 {
        self.outages.load(Ordering::Relaxed)
    }

    /// A call was answered. A late one does not close the breaker: it says nothing of the next.
    pub fn succeeded(&self) {
        // Mostly it is zero, and a look disturbs nobody.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// A call was not answered; whether that opened the breaker.
    pub fn failed(&self, tolerated: u32) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures <= tolerated || self.is_open.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.outages.fetch_add(1, Ordering::Relaxed);
        self.opened.notify_one();
        true
    }

    /// Redis was found.
    pub fn close(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.is_open.store(false, Ordering::Release);
    }

    /// Waits until the breaker opens; each opening wakes one waiter once.
    pub async fn opened(&self) {
        loop {
            self.opened.notified().await;
            if self.is_open() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_more_failures_in_a_row_than_are_tolerated() {
        let breaker = Breaker::open();
        breaker.close();
        assert!(!breaker.failed(2) && !breaker.failed(2));
        breaker.succeeded();
        assert!(!breaker.failed(2) && !breaker.failed(2) && !breaker.is_open());
        assert!(breaker.failed(2) && breaker.is_open());
        // Others whose calls were under way say so, too; that is no other outage.
        assert!(!breaker.failed(2));
        assert_eq!(breaker.outages(), 1);
    }

    #[test]
    fn only_who_looks_for_redis_closes_it() {
        let breaker = Breaker::open();
        breaker.succeeded();
        assert!(breaker.is_open());
        breaker.close();
        assert!(!breaker.is_open());
    }

    #[tokio::test]
    async fn whoever_waits_for_it_to_open_is_woken_once_for_each_time() {
        let breaker = Breaker::open();
        breaker.opened().await;
        breaker.close();
        assert!(futures_util::FutureExt::now_or_never(breaker.opened()).is_none());
        breaker.failed(0);
        breaker.opened().await;
    }
}
