//! The listeners: the main one, and those that admins or probes have to themselves.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{Answer, Gate};
use super::entrance::{Entrance, Opens};
use super::limits::{self, Limits};
use super::seats::Seats;
use super::{Error, Tls, listener};
use crate::clock::Clock;
use crate::config::{self, Https, Network};

/// Where the server listens, and by which rules.
#[derive(Debug)]
pub struct Doors {
    main: TcpListener,
    admin: Option<TcpListener>,
    health: Option<TcpListener>,
    metrics: Option<TcpListener>,
    tls: Option<Tls>,
    proxies: Option<Arc<[Network]>>,
    /// Whether TLS ends at a proxy, which must say so.
    https_at_proxy: bool,
}

impl Doors {
    /// The main listener alone, in plain text, without proxies.
    pub const fn plain(main: TcpListener) -> Self {
        Self {
            main,
            admin: None,
            health: None,
            metrics: None,
            tls: None,
            proxies: None,
            https_at_proxy: false,
        }
    }

    /// Listens on `main` and on what `door` names beside it.
    ///
    /// # Errors
    /// When an address is taken, or not this machine's.
    pub async fn bind(main: SocketAddr, door: &config::Door, tls: Option<Tls>) -> Result<Self, Error> {
        Ok(Self {
            main: bind(main).await?,
            admin: bind_beside(door.admin).await?,
            health: bind_beside(door.health).await?,
            metrics: bind_beside(door.metrics).await?,
            tls,
            proxies: door.proxies.as_deref().map(Arc::from),
            https_at_proxy: door.https == Https::AtProxy,
        })
    }

    /// Where the main listener is; with port 0 asked for, the port it got.
    ///
    /// # Errors
    /// When the socket has gone.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.main.local_addr()
    }

    /// Whether clients of the main listener speak TLS with it.
    pub const fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Says where each listener is.
    pub(super) fn announce(&self, database: &'static str) {
        let beside = [("admin", &self.admin), ("health", &self.health), ("metrics", &self.metrics)];
        for (service, listener) in beside {
            if let Some(Ok(listens_on)) = listener.as_ref().map(TcpListener::local_addr) {
                tracing::info!(service, %listens_on, "a listener of its own");
            }
        }
        if let Ok(address) = self.address() {
            let tls = self.is_tls();
            tracing::info!(%address, tls, database, version = env!("CARGO_PKG_VERSION"), "serving");
        }
    }

    /// Takes connections until the drain begins, then waits for those that are open. Health answers to the end.
    pub(super) async fn open<A: Answer>(
        self,
        stack: Arc<A>,
        limits: Limits,
        clock: Clock,
        draining: CancellationToken,
    ) {
        let gate = |entrance: Entrance, draining: &CancellationToken| Gate {
            stack: Arc::clone(&stack),
            entrance: Arc::new(entrance),
            limits,
            clock: clock.clone(),
            draining: draining.clone(),
            calls: TaskTracker::new(),
        };
        let side = || {
            let all = limits.max_connections.min(limits::MAX_SIDE_CONNECTIONS);
            Seats::new(all, limits.max_connections_per_address.min(limits::MAX_SIDE_CONNECTIONS_PER_ADDRESS))
        };
        let main = Entrance {
            opens: if self.admin.is_some() { Opens::AllButAdmin } else { Opens::All },
            tls: self.tls,
            proxies: self.proxies,
            wants_https: self.https_at_proxy,
        };
        let admin = self.admin.map(|listener| {
            // Whoever is on this machine came through no proxy and needs none.
            let is_local =
                listener.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
            let entrance =
                Entrance { opens: Opens::Admin, wants_https: main.wants_https && !is_local, ..main.clone() };
            listener::accept(listener, side(), gate(entrance, &draining))
        });
        let seats = Seats::new(limits.max_connections, limits.max_connections_per_address);
        let served = async {
            let main = listener::accept(self.main, seats, gate(main, &draining));
            match admin {
                Some(admin) => drop(tokio::join!(main, admin)),
                None => main.await,
            }
        };
        // Probes and Prometheus are heard until the last call is answered: an orchestrator that hears nothing would
        // kill, and how a drain ends is worth a look.
        let done = CancellationToken::new();
        let beside = |listener: Option<TcpListener>, opens| {
            let entrance = Entrance { opens, tls: None, proxies: None, wants_https: false };
            let accept = listener.map(|listener| listener::accept(listener, side(), gate(entrance, &done)));
            async { futures_util::future::OptionFuture::from(accept).await }
        };
        let (health, metrics) = (beside(self.health, Opens::Health), beside(self.metrics, Opens::Metrics));
        let served = async {
            served.await;
            done.cancel();
        };
        tokio::join!(served, health, metrics);
    }
}

async fn bind_beside(address: Option<SocketAddr>) -> Result<Option<TcpListener>, Error> {
    match address {
        Some(address) => bind(address).await.map(Some),
        None => Ok(None),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|error| Error::Bind { address, error: Arc::new(error) })
}
