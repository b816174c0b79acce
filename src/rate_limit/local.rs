//! A limiter of this process alone: marks in memory, in shards so that callers seldom meet.
//!
//! **Invariant:** it holds at most [`MAX_KEYS`] callers. Those whose buckets have drained go first; then those that
//! drain soonest, who lose least.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::gcra::{Charge, Limit, Mark, Marks, is_settled};

/// Callers whose use is remembered: 30 MiB at worst. Beyond it those whose buckets drain soonest are forgotten.
pub const MAX_KEYS: usize = 262_144;

/// As many locks, so that the callers of a busy machine hardly ever wait for each other.
const SHARDS: usize = 64;

/// Below this a shard is not swept.
const LEAST_SWEPT: usize = 64;

/// Limits callers of one kind.
#[derive(Debug)]
pub struct Local<K> {
    shards: Vec<Mutex<Shard<K>>>,
    hasher: RandomState,
    /// Callers of one shard.
    capacity: usize,
}

#[derive(Debug)]
struct Shard<K> {
    callers: HashMap<K, Marks>,
    /// The number of callers at which the settled ones are looked for again.
    sweep_at: usize,
}

impl<K: Hash + Eq + Clone> Local<K> {
    /// Nobody has called yet.
    pub fn new() -> Self {
        Self::with_capacity(MAX_KEYS)
    }

    fn with_capacity(keys: usize) -> Self {
        let shard = || Mutex::new(Shard { callers: HashMap::new(), sweep_at: LEAST_SWEPT });
        let capacity = (keys / SHARDS).max(1);
        Self { shards: (0..SHARDS).map(|_| shard()).collect(), hasher: RandomState::new(), capacity }
    }

    /// Charges a call of `cost` at `now`, in microseconds of a clock that is never set back.
    pub fn charge(&self, key: &K, limit: &Limit, now: u64, cost: u64) -> Charge {
        self.on(key, now, |marks| limit.charge(marks, now, cost))
    }

    /// Takes a charge back.
    pub fn refund(&self, key: &K, limit: &Limit, now: u64, cost: u64) {
        self.on(key, now, |marks| limit.refund(marks, now, cost));
    }

    /// Callers that are remembered.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).callers.len()).sum()
    }

    fn on<T>(&self, key: &K, now: u64, act: impl FnOnce(&mut Marks) -> T) -> T {
        let place = usize::try_from(self.hasher.hash_one(key)).unwrap_or_default() % SHARDS;
        let Some(shard) = self.shards.get(place) else { return act(&mut Marks::default()) };
        let mut shard = lock(shard);
        if let Some(marks) = shard.callers.get_mut(key) {
            return act(marks);
        }
        if shard.callers.len() >= shard.sweep_at.min(self.capacity) {
            shard.sweep(now, self.capacity);
        }
        let mut marks = Marks::default();
        let done = act(&mut marks);
        shard.callers.insert(key.clone(), marks);
        done
    }
}

impl<K: Hash + Eq> Shard<K> {
    /// Makes room. The next sweep comes only after as many new callers as were left, so that a call pays for one or
    /// two others on average.
    fn sweep(&mut self, now: u64, capacity: usize) {
        self.callers.retain(|_, marks| !is_settled(marks, now));
        if self.callers.len() >= capacity {
            let keep = self.callers.len() / 2;
            let mut ends: Vec<u64> = self.callers.values().map(end).collect();
            let first = ends.len() - keep;
            let bound = if keep == 0 { u64::MAX } else { *ends.select_nth_unstable(first).1 };
            // Of those who drain just then some go and some stay.
            let mut ties = keep - self.callers.values().filter(|marks| end(marks) > bound).count();
            self.callers.retain(|_, marks| {
                let at = end(marks);
                let is_kept_tie = at == bound && ties > 0;
                ties -= usize::from(is_kept_tie);
                at > bound || is_kept_tie
            });
        }
        self.sweep_at = (2 * self.callers.len()).max(LEAST_SWEPT);
    }
}

/// When the last of a caller's buckets has drained.
fn end(marks: &Marks) -> u64 {
    marks.iter().map(|mark: &Mark| mark.micros).max().unwrap_or(0)
}

fn lock<K>(shard: &Mutex<Shard<K>>) -> MutexGuard<'_, Shard<K>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000_000;

    fn limit(text: &str) -> Limit {
        text.parse().unwrap()
    }

    #[test]
    fn callers_do_not_share() {
        let (local, limit) = (Local::new(), limit("2/minute"));
        let admitted = |key: u32| local.charge(&key, &limit, NOW, 1).admitted;
        assert!(admitted(1) && admitted(1) && !admitted(1));
        assert!(admitted(2) && admitted(2) && !admitted(2));
    }

    #[test]
    fn callers_who_have_drained_make_room_for_new_ones() {
        let (local, limit) = (Local::with_capacity(64 * 256), limit("60/minute"));
        for turn in 0..100_000_u64 {
            // Each caller drains within a second, in which two others come.
            local.charge(&turn, &limit, NOW + turn * 500_000, 1);
        }
        assert!(local.len() <= SHARDS * (LEAST_SWEPT + 1), "{}", local.len());
    }

    #[test]
    fn at_capacity_those_who_drain_soonest_are_forgotten() {
        let (local, limit) = (Local::with_capacity(64 * 256), limit("1000/minute"));
        // A thousand who used all they have, before a crowd that called once each.
        for key in 0..1_000_u64 {
            assert!(local.charge(&key, &limit, NOW, 1_000).admitted);
        }
        for key in 1_000..200_000_u64 {
            assert!(local.charge(&key, &limit, NOW + 1, 1).admitted);
        }
        assert!(local.len() <= 64 * 256, "{}", local.len());
        assert!((0..1_000).all(|key| !local.charge(&key, &limit, NOW + 2, 1).admitted));
    }

    #[test]
    fn even_equal_callers_are_kept_within_the_capacity() {
        let (local, limit) = (Local::with_capacity(64 * 4), limit("1/hour"));
        for key in 0..50_000_u64 {
            local.charge(&key, &limit, NOW, 1);
        }
        assert!(local.len() <= 64 * 4, "{}", local.len());
    }

    #[test]
    fn many_threads_admit_no_more_than_the_limit() {
        let (local, limit) = (Local::new(), limit("1000/hour"));
        let admitted = std::thread::scope(|scope| {
            let run = || (0..2_000).filter(|_| local.charge(&"one", &limit, NOW, 1).admitted).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(admitted, 1_000);
    }
}
