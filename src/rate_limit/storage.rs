//! Where calls are counted, as a URI says it.

use std::net::IpAddr;

/// Where calls are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In this process.
    Memory,
    /// In a Redis that replicas share.
    Redis(Address),
}

/// A Redis, and how to get in.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Whether by TLS.
    pub tls: bool,
    /// As whom; `None`: Redis's default user.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<String>,
    /// Which nodes, at least one.
    pub hosts: Vec<(String, u16)>,
    /// How the nodes belong together.
    pub form: Form,
}

/// How the nodes of a Redis belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// One server.
    Single {
        /// The number of its database.
        database: u16,
    },
    /// Sentinels that know which server is the master.
    Sentinel {
        /// What they call it.
        service: String,
        /// The number of its database.
        database: u16,
    },
    /// Some nodes of a cluster; they know the others.
    Cluster,
}

/// What is accepted, for messages and documentation.
pub const FORMS: &str = "`memory://`, `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss://…` (TLS), \
     `redis+sentinel://[USER:PASSWORD@]HOST[:PORT][,HOST…]/SERVICE[/DATABASE]`, \
     `redis+cluster://[USER:PASSWORD@]HOST[:PORT][,HOST…]`, the last two also as `rediss+…`";

/// Nodes that a URI may name.
const MAX_HOSTS: usize = 64;

const REDIS_PORT: u16 = 6_379;
const SENTINEL_PORT: u16 = 26_379;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Single,
    Sentinel,
    Cluster,
}

impl Storage {
    /// Reads a URI; `None` if it is none of [`FORMS`].
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (tls, kind) = match scheme {
            "memory" => return rest.trim_end_matches('/').is_empty().then_some(Self::Memory),
            "redis" => (false, Kind::Single),
            "rediss" => (true, Kind::Single),
            "redis+sentinel" => (false, Kind::Sentinel),
            "rediss+sentinel" => (true, Kind::Sentinel),
            "redis+cluster" => (false, Kind::Cluster),
            "rediss+cluster" => (true, Kind::Cluster),
            _ => return None,
        };
        if rest
            .contains(|letter: char| letter.is_whitespace() || letter.is_control() || "?#".contains(letter))
        {
            return None;
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(login, hosts)| (Some(login), hosts));
        let (mut user, mut password) = (None, None);
        if let Some(login) = login {
            // `redis://secret@host` is a user to some clients and a password to others.
            let (name, secret) = login.split_once(':')?;
            user = Some(decoded(name)?).filter(|name| !name.is_empty());
            password = Some(decoded(secret)?).filter(|secret| !secret.is_empty());
        }
        let port = if kind == Kind::Sentinel { SENTINEL_PORT } else { REDIS_PORT };
        let hosts: Vec<_> = hosts.split(',').map(|text| host(text, port)).collect::<Option<_>>()?;
        if hosts.len() > MAX_HOSTS || (kind == Kind::Single && hosts.len() != 1) {
            return None;
        }
        let form = match kind {
            Kind::Single => Form::Single { database: database(path)? },
            Kind::Cluster if path.is_empty() => Form::Cluster,
            Kind::Cluster => return None,
            Kind::Sentinel => {
                let (service, rest) = path.split_once('/').unwrap_or((path, ""));
                let service = decoded(service).filter(|service| !service.is_empty())?;
                Form::Sentinel { service, database: database(rest)? }
            }
        };
        Some(Self::Redis(Address { tls, user, password, hosts, form }))
    }
}

impl Address {
    /// Whether every node is this machine itself.
    pub fn is_loopback(&self) -> bool {
        self.hosts.iter().all(|(host, _)| {
            host == "localhost"
                || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
        })
    }
}

/// Without the password.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address")
            .field("tls", &self.tls)
            .field("hosts", &self.hosts)
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

fn host(text: &str, default: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, rest.strip_prefix(':').or(rest.is_empty().then_some(""))?)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let named = !host.is_empty() && host.len() <= 255 && !host.contains(['/', '@', '[', ']']);
    let port = if port.is_empty() { default } else { port.parse().ok().filter(|port| *port != 0)? };
    named.then(|| (host.to_owned(), port))
}

fn database(text: &str) -> Option<u16> {
    if text.is_empty() { Some(0) } else { text.parse().ok() }
}

/// Percent-decoded; `None` if that leaves nothing that can be read.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redis(text: &str) -> Address {
        match Storage::parse(text) {
            Some(Storage::Redis(address)) => address,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(Storage::parse("memory://"), Some(Storage::Memory));
        let plain = redis("redis://redis-host:6380/3");
        assert_eq!(plain.hosts, [("redis-host".to_owned(), 6_380)]);
        assert_eq!((plain.tls, &plain.form), (false, &Form::Single { database: 3 }));
        let tls = redis("rediss://app:p%40ss%3Aword@[::1]");
        assert_eq!((tls.tls, tls.hosts.as_slice()), (true, [("::1".to_owned(), 6_379)].as_slice()));
        assert_eq!((tls.user.as_deref(), tls.password.as_deref()), (Some("app"), Some("p@ss:word")));
        assert_eq!(redis("redis://:secret@a").password.as_deref(), Some("secret"));
        let sentinel = redis("redis+sentinel://:x@a,b:26380/primary/1");
        assert_eq!(sentinel.hosts, [("a".to_owned(), 26_379), ("b".to_owned(), 26_380)]);
        assert_eq!(sentinel.form, Form::Sentinel { service: "primary".to_owned(), database: 1 });
        let cluster = redis("rediss+cluster://a:7000,b:7001");
        assert_eq!((cluster.tls, cluster.form, cluster.hosts.len()), (true, Form::Cluster, 2));
    }

    #[test]
    fn what_is_none_of_them_is_refused() {
        for text in [
            "",
            "memory",
            "memory://x",
            "http://a",
            "redis://",
            "redis://a,b",
            "redis://a:0",
            "redis://a:99999",
            "redis://a/x",
            "redis://a b",
            "redis://a?db=1",
            "redis://secret@a",
            "redis+sentinel://a",
            "redis+sentinel://a/",
            "redis+cluster://a/1",
            "redis+cluster://a,",
            "redis://:%zz@a",
            "redis://[::1",
        ] {
            assert_eq!(Storage::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        assert!(!format!("{:?}", redis("redis://u:hunter2@a")).contains("hunter2"));
    }

    #[test]
    fn loopback_is_told_from_the_rest() {
        for (text, expected) in [
            ("redis://127.0.0.9", true),
            ("redis://localhost", true),
            ("redis://[::1]", true),
            ("redis://redis", false),
            ("redis://10.0.0.1", false),
            ("redis+cluster://127.0.0.1,10.0.0.1", false),
        ] {
            assert_eq!(redis(text).is_loopback(), expected, "{text}");
        }
    }
}
