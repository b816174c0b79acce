//! The standard services beside ours: health (`grpc.health.v1`, with `Watch`) and server reflection.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use tokio::sync::watch;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::service_fn;
use tower::util::BoxCloneSyncService;

use super::stack::Routed;
use super::{Error, Health};
use crate::service;

/// Names under which health is asked for: the whole, and each service.
const NAMES: [&str; 3] = ["", "agentguard.v1.EnforcementService", "agentguard.v1.AdminService"];

/// Messages of these services hold a name.
const MAX_MESSAGE: usize = 64 * 1024;

/// The standard services.
pub(super) struct Standard {
    pub(super) health: Routed,
    pub(super) reflection: Routed,
    pub(super) reflection_alpha: Routed,
    signal: watch::Receiver<Health>,
    stopping: watch::Receiver<bool>,
}

/// Whether this replica decides, and if not why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing {
    pub(super) health: Health,
    pub(super) is_stopping: bool,
}

impl Standing {
    pub(super) const fn serves(self) -> bool {
        self.health.decides() && !self.is_stopping
    }
}

impl Standard {
    /// The services, and what keeps their health: to be polled for as long as they answer.
    pub(super) fn new(
        signal: watch::Receiver<Health>,
        stopping: watch::Receiver<bool>,
        with_reflection: bool,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), Error> {
        let reporter = HealthReporter::new();
        let health = HealthServer::new(HealthService::from_health_reporter(reporter.clone()))
            .max_decoding_message_size(MAX_MESSAGE);
        let (reflection, reflection_alpha) =
            if with_reflection { reflection()? } else { (absent(), absent()) };
        let standard = Self {
            health: BoxCloneSyncService::new(health),
            reflection,
            reflection_alpha,
            signal: signal.clone(),
            stopping: stopping.clone(),
        };
        Ok((standard, report(reporter, signal, stopping)))
    }

    pub(super) fn standing(&self) -> Standing {
        Standing { health: *self.signal.borrow(), is_stopping: *self.stopping.borrow() }
    }
}

/// Tells health what the signals say, until there is nobody left to signal.
async fn report(
    reporter: HealthReporter,
    mut signal: watch::Receiver<Health>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut last = None;
    loop {
        let standing =
            Standing { health: *signal.borrow_and_update(), is_stopping: *stopping.borrow_and_update() };
        let status = if standing.serves() { ServingStatus::Serving } else { ServingStatus::NotServing };
        // Whoever watches hears of changes only.
        if last.replace(status) != Some(status) {
            for name in NAMES {
                reporter.set_service_status(name, status).await;
            }
        }
        let changed = tokio::select! {
            changed = signal.changed() => changed,
            changed = stopping.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

fn reflection() -> Result<(Routed, Routed), Error> {
    let describe = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(crate::pb::DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name("agentguard.v1.EnforcementService")
            .with_service_name("agentguard.v1.AdminService")
            .with_service_name(<HealthServer<HealthService> as NamedService>::NAME)
    };
    let fault = |error: tonic_reflection::server::Error| Error::Descriptors(Arc::new(error));
    let newest = describe().build_v1().map_err(fault)?.max_decoding_message_size(MAX_MESSAGE);
    let alpha = describe().build_v1alpha().map_err(fault)?.max_decoding_message_size(MAX_MESSAGE);
    Ok((BoxCloneSyncService::new(newest), BoxCloneSyncService::new(alpha)))
}

/// A service that is switched off.
fn absent() -> Routed {
    BoxCloneSyncService::new(service_fn(|request: Request<Body>| async move {
        let request_id = request
            .extensions()
            .get::<service::call::Call>()
            .map(|call| Arc::clone(&call.request_id))
            .unwrap_or_default();
        Ok::<Response<Body>, Infallible>(service::Error::Unimplemented.to_status(&request_id).into_http())
    }))
}
