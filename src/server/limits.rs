//! Bounds of the front door, each with its reason.

use std::time::Duration;

/// What the server takes at most. [`Limits::default`] is what runs; tests shorten the times.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections in all.
    pub max_connections: usize,
    /// Connections of one address (IPv6: of one /64).
    pub max_connections_per_address: usize,
    /// From the accepted connection to its whole HTTP/2 preface, and for each head of an HTTP/1.1 request.
    pub head_timeout: Duration,
    /// How long a connection may be without a call.
    pub idle_timeout: Duration,
    /// The age at which a connection is told to go, give or take a tenth.
    pub connection_age: Duration,
    /// How long its calls may then take.
    pub connection_grace: Duration,
    /// Messages being worked on.
    pub max_in_flight: usize,
    /// The longest that a unary call may take.
    pub request_timeout: Duration,
    /// Bytes of a message.
    pub max_request_size: usize,
    /// Bytes of one check.
    pub max_enforce_size: usize,
    /// Whether server reflection answers.
    pub reflection: bool,
    /// How long calls are still taken after health says `NOT_SERVING`.
    pub drain_delay: Duration,
    /// How long calls in flight may then take.
    pub drain_grace: Duration,
}

/// An idle connection holds about 50 KiB: half a gigabyte at most.
pub const MAX_CONNECTIONS: usize = 10_000;

/// A tenth of all: one host with a broken pool leaves the others theirs.
pub const MAX_CONNECTIONS_PER_ADDRESS: usize = 1_000;

/// Long enough for any network that agents live in, short enough that silent sockets do not pile up.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Longer than the pauses of a working agent, shorter than what load balancers keep.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Connections end by age, so that a new replica gets its share within minutes.
pub const CONNECTION_AGE: Duration = Duration::from_secs(300);

/// As long as the longest unary call.
pub const CONNECTION_GRACE: Duration = Duration::from_secs(30);

/// Concurrent calls of one connection, as most servers allow; more belong on more connections.
pub const MAX_CONCURRENT_STREAMS: u32 = 256;

/// Bytes of a head: keys, ids and trace context fit twenty times.
pub const MAX_HEADER_LIST: u32 = 16 * 1024;

/// Streams that a client may reset before they are accepted. Clients with short deadlines do this in bursts, so it is
/// four times what may be open; unbounded it would be the "rapid reset" attack.
pub const MAX_PENDING_RESETS: usize = 1_024;

/// Calls of one connection, over its whole life, that may end by what the HTTP/2 library takes for the peer's fault. It
/// counts frames that arrive for a call just refused here, which honest clients cause, so h2's 1,024 are too few for a
/// life of five minutes.
pub const MAX_STREAM_ERRORS: usize = 65_536;

/// How often a silent HTTP/2 peer is asked whether it lives: below the minute at which NATs forget.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// How long it may take to say so.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Frames that belong to no call (pings, settings, priorities, empty ones) that a peer may send beyond what its calls
/// earn. Clients send one or two a call; a flood of them only makes work.
pub const MAX_CHATTER: u32 = 1_024;

/// What each frame of a call earns.
pub const CHATTER_EARNED: u32 = 4;

/// What each second earns: a client that asks every 100 ms whether the server lives is odd, but no attack.
pub const CHATTER_A_SECOND: u32 = 10;

/// Connections of a listener that answers admins or health only.
pub const MAX_SIDE_CONNECTIONS: usize = 1_000;

/// Connections of one address on it.
pub const MAX_SIDE_CONNECTIONS_PER_ADDRESS: usize = 100;

/// A tenth of a second of work for a full machine; a longer queue only makes late answers later.
pub const MAX_IN_FLIGHT: usize = 4_096;

/// Admins' messages being worked on. They have their own, so that no agents can keep an admin from revoking a key.
pub const MAX_ADMIN_IN_FLIGHT: usize = 256;

/// Streams of health and reflection on one connection: they need no key, and a client needs one of each.
pub const MAX_OPEN_STREAMS: usize = 16;

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: MAX_CONNECTIONS,
            max_connections_per_address: MAX_CONNECTIONS_PER_ADDRESS,
            head_timeout: HEAD_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            connection_age: CONNECTION_AGE,
            connection_grace: CONNECTION_GRACE,
            max_in_flight: MAX_IN_FLIGHT,
            request_timeout: Duration::from_secs(30),
            max_request_size: 10 * 1024 * 1024,
            max_enforce_size: 256 * 1024,
            reflection: true,
            drain_delay: Duration::from_secs(5),
            drain_grace: Duration::from_secs(20),
        }
    }
}
