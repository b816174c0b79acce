//! The nodes of a Redis, and how to get in.

use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, RedisError, TlsMode,
};
use tokio::sync::Mutex;

use super::storage::{Address, Form};

/// Finds a node to speak to about anything that is not kept at one node: channels.
pub enum Nodes {
    /// One server.
    Single(Box<Client>),
    /// Sentinels, which are asked who the master is.
    Sentinel(Box<Mutex<SentinelClient>>),
    /// Nodes of a cluster, each as good as the others.
    Cluster(Vec<Client>),
}

impl std::fmt::Debug for Nodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Single(_) => "Single",
            Self::Sentinel(_) => "Sentinel",
            Self::Cluster(_) => "Cluster",
        })
    }
}

impl Nodes {
    /// The nodes at `address`.
    ///
    /// # Errors
    /// When the address is none that can be used.
    pub fn new(address: &Address) -> Result<Self, RedisError> {
        Ok(match &address.form {
            Form::Single { database } => Self::Single(Box::new(Client::open(info(address, *database)?)?)),
            Form::Sentinel { service, database } => {
                Self::Sentinel(Box::new(Mutex::new(sentinel(address, service, *database)?)))
            }
            Form::Cluster => {
                Self::Cluster(infos(address)?.into_iter().map(Client::open).collect::<Result<_, _>>()?)
            }
        })
    }

    /// A node that answers.
    ///
    /// # Errors
    /// When none does.
    pub async fn client(&self) -> Result<Client, RedisError> {
        match self {
            Self::Single(client) => Ok(Client::clone(client)),
            Self::Sentinel(sentinel) => sentinel.lock().await.async_get_client().await,
            Self::Cluster(clients) => {
                let mut last = RedisError::from((redis::ErrorKind::InvalidClientConfig, "no host is named"));
                for client in clients {
                    match client.get_multiplexed_async_connection().await {
                        Ok(_) => return Ok(client.clone()),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }
}

fn node(address: &Address, (host, port): &(String, u16)) -> ConnectionAddr {
    let (host, port) = (host.clone(), *port);
    if address.tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

fn login(address: &Address) -> RedisConnectionInfo {
    let mut login = RedisConnectionInfo::default();
    if let Some(user) = &address.user {
        login = login.set_username(user);
    }
    if let Some(password) = &address.password {
        login = login.set_password(password);
    }
    login
}

pub(super) fn info(address: &Address, database: u16) -> Result<ConnectionInfo, RedisError> {
    let first = address.hosts.first().ok_or((redis::ErrorKind::InvalidClientConfig, "no host is named"))?;
    let login = login(address).set_db(i64::from(database));
    Ok(node(address, first).into_connection_info()?.set_redis_settings(login))
}

pub(super) fn sentinel(
    address: &Address,
    service: &str,
    database: u16,
) -> Result<SentinelClient, RedisError> {
    let nodes = address.hosts.iter().map(|host| node(address, host));
    let mut builder = SentinelClientBuilder::new(nodes, service, SentinelServerType::Master)?
        .set_client_to_redis_db(i64::from(database));
    if address.tls {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
    }
    if let Some(user) = &address.user {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = &address.password {
        builder = builder.set_client_to_redis_password(password);
    }
    builder.build()
}

pub(super) fn infos(address: &Address) -> Result<Vec<ConnectionInfo>, RedisError> {
    let login = login(address);
    let node = |host| Ok(node(address, host).into_connection_info()?.set_redis_settings(login.clone()));
    address.hosts.iter().map(node).collect()
}
