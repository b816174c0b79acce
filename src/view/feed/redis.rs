//! A channel of Redis. In a cluster every node passes on what is said at any of them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use redis::Msg;
use redis::aio::{MultiplexedConnection, PubSubSink};
use tokio::sync::mpsc;

use super::Ear;
use crate::ids::Revision;
use crate::rate_limit::nodes::Nodes;
use crate::rate_limit::storage::Address;

/// The channel, of one deployment; replicas of another on the same Redis cause reads and nothing else.
const CHANNEL: &str = "agentguard:changes";

/// Silence after which Redis is asked for a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long anything that is asked of Redis may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// A channel of Redis.
#[derive(Clone)]
pub(super) struct Channel {
    nodes: Arc<Nodes>,
}

/// Hears what is said on the channel.
pub(super) struct Listener {
    sink: PubSubSink,
    messages: BoxStream<'static, Msg>,
}

impl Channel {
    pub(super) fn new(address: &Address) -> Result<Self, String> {
        let nodes = Nodes::new(address).map_err(|error| error.to_string())?;
        Ok(Self { nodes: Arc::new(nodes) })
    }

    pub(super) async fn listen(&self) -> Result<Listener, String> {
        let connecting = async {
            let pubsub = self.nodes.client().await?.get_async_pubsub().await?;
            let (mut sink, messages) = pubsub.split();
            sink.subscribe(CHANNEL).await?;
            Ok::<_, redis::RedisError>(Listener { sink, messages: messages.boxed() })
        };
        in_time(connecting).await
    }

    /// Says every revision that comes, for as long as some may come.
    pub(super) async fn say_all(self, mut revisions: mpsc::Receiver<Revision>) {
        let mut connection: Option<MultiplexedConnection> = None;
        while let Some(mut revision) = revisions.recv().await {
            while let Ok(newer) = revisions.try_recv() {
                revision = newer;
            }
            // Once more on a new connection: an old one may have died unseen.
            for _ in 0..2 {
                match in_time(self.say(connection.take(), &revision)).await {
                    Ok(used) => {
                        connection = Some(used);
                        break;
                    }
                    Err(error) => tracing::debug!(error, "a change was not announced in Redis"),
                }
            }
        }
    }

    async fn say(
        &self,
        connection: Option<MultiplexedConnection>,
        revision: &Revision,
    ) -> Result<MultiplexedConnection, redis::RedisError> {
        let mut connection = match connection {
            Some(connection) => connection,
            None => self.nodes.client().await?.get_multiplexed_async_connection().await?,
        };
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(CHANNEL).arg(revision.to_string());
        let _heard: i64 = publish.query_async(&mut connection).await?;
        Ok(connection)
    }
}

impl Ear for Listener {
    async fn next(&mut self) -> Result<String, String> {
        loop {
            match tokio::time::timeout(HEARTBEAT, self.messages.next()).await {
                Ok(Some(message)) => return message.get_payload().map_err(|error| error.to_string()),
                Ok(None) => return Err("Redis closed the connection".into()),
                Err(_) => in_time(self.sink.ping::<redis::Value>()).await.map(drop)?,
            }
        }
    }
}

async fn in_time<T>(asked: impl Future<Output = Result<T, redis::RedisError>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} ms", PATIENCE.as_millis())),
    }
}
