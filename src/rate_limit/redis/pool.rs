//! Connections to Redis in any of its forms. Each carries any number of calls at once; the pool replaces those that
//! are spoiled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bb8_redis::bb8;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::SentinelClient;
use redis::{AsyncConnectionConfig, Client, Cmd, RedisError};
use tokio::sync::Mutex;

use crate::rate_limit::nodes::{info, infos, sentinel};
use crate::rate_limit::storage::{Address, Form};

/// Makes connections.
pub struct Manager {
    source: Source,
    generation: Generation,
    config: AsyncConnectionConfig,
}

enum Source {
    Single(Client),
    /// Asks who the master is for each connection.
    Sentinel(Mutex<SentinelClient>),
    Cluster(ClusterClient),
}

/// The connections made since Redis was last given up; all earlier ones are spoiled.
#[derive(Clone, Debug, Default)]
pub struct Generation(Arc<AtomicU64>);

/// Whether a connection has failed.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<AtomicBool>);

/// A connection in the pool.
#[derive(Debug)]
pub struct Pooled {
    /// The way to Redis.
    pub link: Link,
    /// How it is.
    pub health: Health,
    generation: u64,
}

/// A way to Redis that calls share.
#[derive(Clone)]
pub enum Link {
    /// To one server.
    One(MultiplexedConnection),
    /// To the nodes of a cluster.
    Cluster(ClusterConnection),
}

impl Generation {
    /// Spoils every connection made so far.
    pub fn next(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether a connection is not to be used any more.
    pub fn has_spoiled(&self, connection: &Pooled) -> bool {
        connection.generation != self.0.load(Ordering::Acquire) || connection.health.0.load(Ordering::Acquire)
    }
}

impl Health {
    /// The connection is not to be used any more.
    pub fn spoil(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Link {
    /// Sends a command, once, and waits for its answer.
    pub async fn ask(&mut self, command: &Cmd) -> Result<Vec<u64>, RedisError> {
        match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::One(_) => "One",
            Self::Cluster(_) => "Cluster",
        })
    }
}

impl Manager {
    /// Connections to `address`, each made within `patience`.
    pub fn new(address: &Address, generation: Generation, patience: Duration) -> Result<Self, RedisError> {
        let source = match &address.form {
            Form::Single { database } => Source::Single(Client::open(info(address, *database)?)?),
            Form::Sentinel { service, database } => {
                Source::Sentinel(Mutex::new(sentinel(address, service, *database)?))
            }
            Form::Cluster => Source::Cluster(cluster(address, patience)?),
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(patience))
            // Who asks has a time-out of its own.
            .set_response_timeout(None);
        Ok(Self { source, generation, config })
    }
}

impl bb8::ManageConnection for Manager {
    type Connection = Pooled;
    type Error = RedisError;

    async fn connect(&self) -> Result<Pooled, RedisError> {
        // Before the connection is begun, so that one made while Redis is given up counts as spoiled.
        let generation = self.generation.0.load(Ordering::Acquire);
        let link = match &self.source {
            Source::Single(client) => {
                Link::One(client.get_multiplexed_async_connection_with_config(&self.config).await?)
            }
            Source::Sentinel(client) => {
                let mut client = client.lock().await;
                Link::One(client.get_async_connection_with_config(&self.config).await?)
            }
            Source::Cluster(client) => Link::Cluster(client.get_async_connection().await?),
        };
        Ok(Pooled { link, health: Health::default(), generation })
    }

    async fn is_valid(&self, _connection: &mut Pooled) -> Result<(), RedisError> {
        Ok(())
    }

    fn has_broken(&self, connection: &mut Pooled) -> bool {
        self.generation.has_spoiled(connection)
    }
}

fn cluster(address: &Address, patience: Duration) -> Result<ClusterClient, RedisError> {
    ClusterClient::builder(infos(address)?)
        // A script whose answer was lost may have been run.
        .retries(0)
        .connection_timeout(patience)
        .response_timeout(patience)
        .build()
}
