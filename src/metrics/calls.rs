//! Calls by method, endpoint and status, and how long they took.
//!
//! **Invariant:** a call that began is counted once, however it ends; the labels' values are of closed sets.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;

use super::Metrics;
use super::agents::OTHER;
use super::timer::Timer;
use crate::clock::{Clock, Instant};

/// The methods that have a label of their own.
const METHODS: [&str; 8] = ["POST", "GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", OTHER];

/// Statuses that have a label of their own: those of answers, and of the table of errors.
pub const STATUSES: [u16; 20] =
    [200, 201, 204, 304, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 429, 499, 500, 501, 503, 504];

/// The status of what its caller did not wait for.
pub const CANCELLED: u16 = 499;

/// The label of a status that is not among [`STATUSES`].
const UNLISTED: u16 = 500;

/// One method of one endpoint.
#[derive(Debug)]
pub(super) struct Slot {
    method: &'static str,
    endpoint: Box<str>,
    counts: [AtomicU64; STATUSES.len()],
    durations: Timer,
}

/// The counts of one slot and status.
#[derive(Debug)]
pub(super) struct Count<'a> {
    pub(super) method: &'static str,
    pub(super) endpoint: &'a str,
    pub(super) status: u16,
    pub(super) count: u64,
}

/// Every call.
#[derive(Debug)]
pub(super) struct Calls {
    /// Where each endpoint is; what is not there is [`OTHER`], the last one.
    endpoints: HashMap<Box<str>, usize>,
    /// One for each endpoint and method, made when it is first called.
    slots: Vec<OnceLock<Slot>>,
    in_flight: AtomicU64,
    durations: Timer,
}

impl Calls {
    pub(super) fn new(endpoints: impl IntoIterator<Item = String>, durations: Timer) -> Self {
        let mut known = HashMap::new();
        for endpoint in endpoints {
            let place = known.len();
            known.entry(endpoint.into_boxed_str()).or_insert(place);
        }
        let places = (known.len() + 1) * METHODS.len();
        let slots = std::iter::repeat_with(OnceLock::new).take(places).collect();
        Self { endpoints: known, slots, in_flight: AtomicU64::new(0), durations }
    }

    /// The place of a method of an endpoint.
    fn place(&self, method: &Method, endpoint: &str) -> (usize, &'static str, bool) {
        let known = self.endpoints.get(endpoint).copied();
        let other = METHODS.len() - 1;
        let method = METHODS.iter().position(|name| method == name).unwrap_or(other);
        let place = known.unwrap_or(self.endpoints.len()) * METHODS.len() + method;
        (place, METHODS.get(method).copied().unwrap_or(OTHER), known.is_some())
    }

    fn slot(&self, method: &Method, endpoint: &str) -> Option<usize> {
        let (place, method, is_known) = self.place(method, endpoint);
        self.slots.get(place)?.get_or_init(|| {
            let endpoint = if is_known { endpoint } else { OTHER };
            Slot {
                method,
                endpoint: endpoint.into(),
                counts: Default::default(),
                durations: self.durations.labelled(&[("method", method), ("endpoint", endpoint)]),
            }
        });
        Some(place)
    }

    fn observe(&self, place: usize, status: u16, took: std::time::Duration) {
        let Some(slot) = self.slots.get(place).and_then(OnceLock::get) else { return };
        let find = |wanted: u16| STATUSES.iter().position(|known| *known == wanted);
        let counter = find(status).or_else(|| find(UNLISTED)).and_then(|place| slot.counts.get(place));
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        slot.durations.observe(took);
    }

    /// Every count that is not zero.
    pub(super) fn counts(&self) -> impl Iterator<Item = Count<'_>> {
        self.slots.iter().filter_map(OnceLock::get).flat_map(|slot| {
            let counts = slot.counts.iter().map(|count| count.load(Ordering::Relaxed));
            STATUSES.into_iter().zip(counts).filter(|(_, count)| *count > 0).map(|(status, count)| Count {
                method: slot.method,
                endpoint: &slot.endpoint,
                status,
                count,
            })
        })
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// A call under way. Dropped without an end it counts as one that its caller did not wait for.
#[derive(Debug)]
pub struct Observed {
    /// `None` once it is counted, or where nothing is.
    counted: Option<(Metrics, usize)>,
    began: Instant,
    clock: Clock,
    /// How long it took until it was answered, where that is not its end.
    opened: Option<std::time::Duration>,
    dropped: Dropped,
}

/// What a call that is dropped counts as.
#[derive(Clone, Copy, Debug)]
enum Dropped {
    Cancelled,
    /// A stream that had begun: clients end it by going away.
    Served,
    /// A stream of which the messages are counted.
    Nothing,
}

impl Metrics {
    /// A call of `endpoint` begins.
    pub fn begin(&self, method: &Method, endpoint: &str, clock: &Clock) -> Observed {
        let place = self.inner().and_then(|inner| {
            let place = inner.calls.slot(method, endpoint)?;
            inner.calls.in_flight.fetch_add(1, Ordering::Relaxed);
            Some(place)
        });
        Observed {
            counted: place.map(|place| (self.clone(), place)),
            began: clock.instant(),
            clock: clock.clone(),
            opened: None,
            dropped: Dropped::Cancelled,
        }
    }
}

impl Observed {
    /// It ended.
    pub fn finish(mut self, status: u16) {
        self.end(Some(status));
    }

    /// It is a stream, and begins to answer. From now on going away is no failure; where its messages are counted it
    /// is not, unless it fails as a whole.
    pub fn open(&mut self, messages_are_counted: bool) {
        self.opened = Some(self.clock.instant().since(self.began));
        self.dropped = if messages_are_counted { Dropped::Nothing } else { Dropped::Served };
    }

    /// The stream ended; `None`: without an error.
    pub fn close(mut self, error: Option<u16>) {
        let status = match (error, self.dropped) {
            (Some(status), _) => Some(status),
            (None, Dropped::Nothing) => None,
            (None, Dropped::Served | Dropped::Cancelled) => Some(200),
        };
        self.end(status);
    }

    fn end(&mut self, status: Option<u16>) {
        let Some((metrics, place)) = self.counted.take() else { return };
        let Some(inner) = metrics.inner() else { return };
        inner.calls.in_flight.fetch_sub(1, Ordering::Relaxed);
        if let Some(status) = status {
            let took = self.opened.unwrap_or_else(|| self.clock.instant().since(self.began));
            inner.calls.observe(place, status, took);
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.end(match self.dropped {
            Dropped::Cancelled => Some(CANCELLED),
            Dropped::Served => Some(200),
            Dropped::Nothing => None,
        });
    }
}
