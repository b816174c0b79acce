//! The page that Prometheus reads: what was counted, and the state of the parts at this moment.
//!
//! OpenTelemetry's instruments are asked when the page is made; they read one [`Sample`], taken just before, so that
//! the figures of a page belong together.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter, MeterProvider};
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use prometheus::{Registry, TextEncoder};

use super::agents::{Kind as Counted, Series};
use super::catalog::{self, Kind, Metric};
use super::sample::Sample;
use super::timer::{BUCKETS, Timer};
use super::{Error, Inner};

/// The content type of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Series of one instrument beside those with an `agent_id`: endpoints, methods and statuses.
const OTHER_SERIES: usize = 16_384;

/// A moment, as the instruments read it.
#[derive(Debug, Default)]
struct Moment {
    sample: Sample,
    agents: Vec<Series>,
}

/// Makes pages, one at a time.
pub(super) struct Exposition {
    registry: Registry,
    moment: Arc<ArcSwap<Moment>>,
    making: Mutex<()>,
    meter: Meter,
    /// The instruments live as long as it does.
    _provider: SdkMeterProvider,
}

impl std::fmt::Debug for Exposition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exposition").finish_non_exhaustive()
    }
}

impl Exposition {
    pub(super) fn new(max_series: usize) -> Result<Self, Error> {
        let registry = Registry::new();
        // The library reads `/proc`, which other systems do not have.
        #[cfg(target_os = "linux")]
        registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .map_err(Error::because)?;
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_units()
            .without_counter_suffixes()
            .without_target_info()
            .scope_info_enabled(false)
            .build()
            .map_err(Error::because)?;
        // The bound is kept where things are counted; the library's own must never fold anything beneath it.
        let room = max_series.saturating_add(OTHER_SERIES);
        let roomy = move |_: &Instrument| Stream::builder().with_cardinality_limit(room).build().ok();
        let provider = SdkMeterProvider::builder().with_reader(exporter).with_view(roomy).build();
        let meter = provider.meter("agentguard");
        Ok(Self { registry, moment: Arc::default(), making: Mutex::new(()), meter, _provider: provider })
    }

    /// A histogram of the catalogue.
    pub(super) fn timer(&self, metric: &'static Metric) -> Timer {
        let histogram = self.meter.f64_histogram(metric.name).with_description(metric.help);
        Timer::new(histogram.with_boundaries(BUCKETS.to_vec()).build())
    }

    /// Has every counter and gauge read what was counted.
    pub(super) fn watch(&self, inner: &Weak<Inner>) {
        let requests = |least: u16| {
            let inner = Weak::clone(inner);
            move |observe: &dyn Fn(u64, &[KeyValue])| {
                let Some(inner) = inner.upgrade() else { return };
                for count in inner.calls.counts().filter(|count| count.status >= least) {
                    let labels = [
                        KeyValue::new("method", count.method),
                        KeyValue::new("endpoint", count.endpoint.to_owned()),
                        KeyValue::new("status", count.status.to_string()),
                    ];
                    observe(count.count, &labels);
                }
            }
        };
        self.counter(catalog::REQUESTS, requests(0));
        self.counter(catalog::ERRORS, requests(400));
        let counting = Weak::clone(inner);
        self.gauge(catalog::IN_FLIGHT, move |observe| {
            if let Some(inner) = counting.upgrade() {
                observe(whole(inner.calls.in_flight()), &[]);
            }
        });
        let counting = Weak::clone(inner);
        self.counter(catalog::AUTHENTICATION_FAILURES, move |observe| {
            let Some(inner) = counting.upgrade() else { return };
            for (name, count) in inner.failures.counts() {
                observe(count, &[KeyValue::new("type", name)]);
            }
        });
        let moment = Arc::clone(&self.moment);
        self.counter(catalog::ENFORCEMENT, move |observe| {
            for series in &moment.load().agents {
                if let Counted::Enforcement(allowed) = series.kind {
                    let allowed = if allowed { "true" } else { "false" };
                    observe(series.count, &by_agent(series, KeyValue::new("allowed", allowed)));
                }
            }
        });
        let moment = Arc::clone(&self.moment);
        self.counter(catalog::LOGS, move |observe| {
            for series in &moment.load().agents {
                if let Counted::Logged(result) = series.kind {
                    observe(series.count, &by_agent(series, KeyValue::new("result", result.as_str())));
                }
            }
        });
        let moment = Arc::clone(&self.moment);
        self.gauge(catalog::AGENT_SERIES, move |observe| {
            observe(whole(u64::try_from(moment.load().agents.len()).unwrap_or(u64::MAX)), &[]);
        });
        for metric in catalog::all() {
            self.watch_sample(metric);
        }
    }

    /// Has a metric that is part of the sample read it from there.
    fn watch_sample(&self, metric: &'static Metric) {
        let moment = Arc::clone(&self.moment);
        if !Sample::tells(metric) {
            return;
        }
        match metric.kind {
            Kind::Counter => self.counter(metric, move |observe| {
                for (count, labels) in moment.load().sample.counts(metric) {
                    observe(count, &labelled(metric, &labels));
                }
            }),
            Kind::Gauge => self.gauge(metric, move |observe| {
                for (value, labels) in moment.load().sample.values(metric) {
                    observe(value, &labelled(metric, &labels));
                }
            }),
            Kind::Histogram => {}
        }
    }

    fn counter(
        &self,
        metric: &'static Metric,
        read: impl Fn(&dyn Fn(u64, &[KeyValue])) + Send + Sync + 'static,
    ) {
        let counter = self.meter.u64_observable_counter(metric.name).with_description(metric.help);
        let read = move |observer: &dyn AsyncInstrument<u64>| {
            read(&|count: u64, labels: &[KeyValue]| observer.observe(count, labels));
        };
        // The provider keeps it.
        let _kept = counter.with_callback(read).build();
    }

    fn gauge(
        &self,
        metric: &'static Metric,
        read: impl Fn(&dyn Fn(f64, &[KeyValue])) + Send + Sync + 'static,
    ) {
        let gauge = self.meter.f64_observable_gauge(metric.name).with_description(metric.help);
        let read = move |observer: &dyn AsyncInstrument<f64>| {
            read(&|value: f64, labels: &[KeyValue]| observer.observe(value, labels));
        };
        let _kept = gauge.with_callback(read).build();
    }

    /// The page.
    pub(super) fn page(&self, sample: Sample, agents: Vec<Series>) -> Result<String, Error> {
        // Pages one after the other: two at once would mix their samples.
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        self.moment.store(Arc::new(Moment { sample, agents }));
        let page = TextEncoder::new().encode_to_string(&self.registry.gather()).map_err(Error::because);
        self.moment.store(Arc::default());
        page
    }
}

#[allow(clippy::cast_precision_loss, reason = "a gauge beyond 2^53 is no longer exact, and none is")]
pub(super) const fn whole(count: u64) -> f64 {
    count as f64
}

fn by_agent(series: &Series, last: KeyValue) -> [KeyValue; 3] {
    [
        KeyValue::new("agent_id", Arc::clone(&series.agent)),
        KeyValue::new("action", Arc::clone(&series.action)),
        last,
    ]
}

fn labelled(metric: &'static Metric, values: &[&'static str]) -> Vec<KeyValue> {
    metric.labels.iter().zip(values).map(|((name, _), value)| KeyValue::new(*name, *value)).collect()
}
