//! A histogram of durations. Where nothing is measured it is empty, and observing costs a look.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;

/// Upper bounds of the buckets, in seconds: from a decision in memory to the longest call.
pub const BUCKETS: [f64; 18] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0,
];

/// Durations under one set of labels. Cheap to clone.
#[derive(Clone, Default)]
pub struct Timer {
    histogram: Option<Histogram<f64>>,
    labels: Arc<[KeyValue]>,
}

impl std::fmt::Debug for Timer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timer").field("measures", &self.histogram.is_some()).finish_non_exhaustive()
    }
}

impl Timer {
    pub(super) fn new(histogram: Histogram<f64>) -> Self {
        Self { histogram: Some(histogram), labels: Arc::default() }
    }

    /// The same histogram under these labels.
    pub(super) fn labelled(&self, labels: &[(&'static str, &str)]) -> Self {
        let labels = labels.iter().map(|(name, value)| KeyValue::new(*name, (*value).to_owned())).collect();
        Self { histogram: self.histogram.clone(), labels }
    }

    /// Takes one duration in.
    pub fn observe(&self, took: Duration) {
        if let Some(histogram) = &self.histogram {
            histogram.record(took.as_secs_f64(), &self.labels);
        }
    }
}
