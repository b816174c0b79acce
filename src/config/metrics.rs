//! The settings of metrics.

use super::network::Network;
use super::reader::Reader;

/// What is counted, and who sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Whether anything is.
    pub enabled: bool,
    /// The page's path.
    pub path: String,
    /// Whom it is shown to.
    pub allow: Vec<Network>,
    /// The most series with an `agent_id` label.
    pub max_series: usize,
}

impl Metrics {
    pub(super) fn read(read: &mut Reader<'_>) -> Self {
        let metrics = Self {
            enabled: read.switch("METRICS_ENABLED"),
            path: read.http_path("METRICS_PATH"),
            allow: read.networks("METRICS_ALLOW").unwrap_or_default(),
            max_series: read.number("METRICS_MAX_SERIES"),
        };
        if metrics.allow.iter().any(Network::is_everything) {
            read.warn(
                "METRICS_ALLOW covers every address: whoever reaches the server sees its metrics".to_owned(),
            );
        }
        metrics
    }
}
