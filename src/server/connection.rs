//! One connection from its first byte to its last: protocol, bounds, age.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;

use super::chatter::Metered;
use super::entrance::Entrance;
use super::limits::{self, Limits};
use super::preface::{self, Protocol};
use super::tls::Tls;
use crate::clock::Clock;

/// What answers the requests of a connection.
pub(super) trait Answer: Send + Sync + 'static {
    /// Answers one request, which came over `link`.
    fn answer(
        self: Arc<Self>,
        request: http::Request<Body>,
        link: Arc<Link>,
    ) -> impl Future<Output = http::Response<Body>> + Send;
}

/// What the connections of a listener have in common.
#[derive(Debug)]
pub(super) struct Gate<A> {
    pub(super) stack: Arc<A>,
    pub(super) entrance: Arc<Entrance>,
    pub(super) limits: Limits,
    pub(super) clock: Clock,
    pub(super) draining: CancellationToken,
    /// The calls under way, which the drain waits for.
    pub(super) calls: TaskTracker,
}

/// What the calls of one connection have in common.
#[derive(Debug)]
pub(super) struct Link {
    /// The address at the other end.
    pub(super) peer: IpAddr,
    /// The listener's rules.
    pub(super) entrance: Arc<Entrance>,
    /// Streams that need no key.
    pub(super) open: OpenStreams,
    /// Cancelled when the connection is about to end.
    pub(super) closing: CancellationToken,
}

/// Serves one connection until its peer, its age, its idleness or the drain ends it.
pub(super) async fn serve<A: Answer>(stream: TcpStream, peer: IpAddr, gate: &Gate<A>) {
    // Handshake and first bytes together have one time-out, so that no silent peer stays.
    match gate.entrance.tls.as_ref().map(Tls::acceptor) {
        None => match begin(preface::detect(stream), gate).await {
            Ok((protocol, stream)) => talk(protocol, stream, peer, gate).await,
            Err(error) => tracing::debug!(%peer, %error, "a connection did not begin"),
        },
        Some(acceptor) => {
            let shaken = async { preface::detect(acceptor.accept(stream).await?).await };
            match begin(shaken, gate).await {
                Ok((protocol, stream)) => talk(protocol, stream, peer, gate).await,
                Err(error) => tracing::debug!(%peer, %error, "a connection by TLS did not begin"),
            }
        }
    }
}

async fn begin<A, T>(beginning: impl Future<Output = io::Result<T>>, gate: &Gate<A>) -> io::Result<T> {
    tokio::select! {
        begun = tokio::time::timeout(gate.limits.head_timeout, beginning) => begun?,
        () = gate.draining.cancelled() => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

async fn talk<A: Answer>(
    protocol: Protocol,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: IpAddr,
    gate: &Gate<A>,
) {
    let limits = &gate.limits;
    let closing = gate.draining.child_token();
    let activity = Arc::new(Activity::default());
    let link = Arc::new(Link {
        peer,
        entrance: Arc::clone(&gate.entrance),
        open: OpenStreams(Arc::new(Semaphore::new(limits::MAX_OPEN_STREAMS))),
        closing: closing.clone(),
    });
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
        let (stack, link, busy) = (Arc::clone(&gate.stack), Arc::clone(&link), Activity::begin(&activity));
        async move {
            let response = stack.answer(request.map(Body::new), link).await;
            Ok::<_, Infallible>(response.map(|body| Body::new(Counted { body, _busy: busy })))
        }
    });
    // How a connection ended is its peer's affair; what matters was answered or not.
    match protocol {
        Protocol::Http1 => {
            let connection = http1_builder(limits).serve_connection(TokioIo::new(stream), service);
            drive(connection, limits, &closing, &activity).await;
        }
        Protocol::Http2 => {
            let io = TokioIo::new(Metered::new(stream, gate.clock.clone()));
            let connection = http2_builder(gate.calls.clone()).serve_connection(io, service);
            drive(connection, limits, &closing, &activity).await;
        }
    }
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // hyper also counts the pause between two requests, as uvicorn's 5 s do.
        .header_read_timeout(limits.head_timeout)
        .max_header_size(usize::try_from(limits::MAX_HEADER_LIST).unwrap_or(usize::MAX))
        .max_buf_size(4 * usize::try_from(limits::MAX_HEADER_LIST).unwrap_or(usize::MAX / 4));
    builder
}

fn http2_builder(calls: TaskTracker) -> http2::Builder<Tracked> {
    let mut builder = http2::Builder::new(Tracked(calls));
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::MAX_CONCURRENT_STREAMS)
        .max_header_list_size(limits::MAX_HEADER_LIST)
        .max_pending_accept_reset_streams(limits::MAX_PENDING_RESETS)
        .max_local_error_reset_streams(limits::MAX_STREAM_ERRORS)
        .keep_alive_interval(limits::KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(limits::KEEP_ALIVE_TIMEOUT);
    builder
}

/// hyper's two connections have the same method under no common trait.
trait Graceful: Future {
    /// GOAWAY, or the last answer with `connection: close`.
    fn last_call(self: Pin<&mut Self>);
}

impl<I, S> Graceful for http1::Connection<I, S>
where
    http1::Connection<I, S>: Future,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    fn last_call(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S> Graceful for http2::Connection<I, S, Tracked>
where
    http2::Connection<I, S, Tracked>: Future,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    Tracked: hyper::rt::bounds::Http2ServerConnExec<S::Future, Body>,
{
    fn last_call(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

async fn drive<C: Graceful>(
    connection: C,
    limits: &Limits,
    closing: &CancellationToken,
    activity: &Activity,
) {
    let mut connection = pin!(connection);
    tokio::select! {
        _ = &mut connection => return,
        () = closing.cancelled() => {}
        () = tokio::time::sleep(jittered(limits.connection_age)) => {}
        () = activity.idle_for(limits.idle_timeout) => {}
    }
    // Endless streams end by this; the others have the grace.
    closing.cancel();
    connection.as_mut().last_call();
    // Whatever is left after the grace is cut by the drop.
    let _cut = tokio::time::timeout(limits.connection_grace, connection).await;
}

/// A tenth less to a tenth more, so that connections that began together do not end together.
fn jittered(age: Duration) -> Duration {
    let random = f64::from(u16::from_be_bytes(crate::entropy::bytes())) / f64::from(u16::MAX);
    age.mul_f64(0.9 + 0.2 * random)
}

/// Whether calls are under way on a connection. Looked at now and then, so that a call costs two counters.
#[derive(Debug, Default)]
struct Activity {
    open: AtomicUsize,
    begun: AtomicU64,
}

/// Streams of a connection that need no key.
#[derive(Clone, Debug)]
pub(super) struct OpenStreams(Arc<Semaphore>);

/// One of them, until dropped.
#[derive(Debug)]
pub(super) struct Seat(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl OpenStreams {
    /// A seat for one more, if there is one.
    pub(super) fn take(&self) -> Option<Seat> {
        Arc::clone(&self.0).try_acquire_owned().map(Seat).ok()
    }
}

/// A call under way, until dropped.
struct Busy(Arc<Activity>);

impl Activity {
    fn begin(activity: &Arc<Self>) -> Busy {
        activity.open.fetch_add(1, Ordering::Relaxed);
        activity.begun.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(activity))
    }

    /// Ends once no call was under way for `timeout`, or half as long again.
    async fn idle_for(&self, timeout: Duration) {
        let mut seen = None;
        loop {
            let begun = self.begun.load(Ordering::Relaxed);
            let quiet = self.open.load(Ordering::Relaxed) == 0;
            match seen {
                Some((before, 2)) if quiet && before == begun => return,
                Some((before, looks)) if quiet && before == begun => seen = Some((begun, looks + 1)),
                Some(_) | None => seen = quiet.then_some((begun, 0)),
            }
            tokio::time::sleep(timeout / 2).await;
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body that counts as activity until it is sent.
struct Counted {
    body: Body,
    _busy: Busy,
}

impl http_body::Body for Counted {
    type Data = bytes::Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// Where hyper runs the calls of an HTTP/2 connection: tracked, so that the drain can wait for them.
#[derive(Clone, Debug)]
struct Tracked(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_differ_by_a_tenth_at_most() {
        for _ in 0..100 {
            let age = jittered(Duration::from_secs(300));
            assert!((Duration::from_secs(270)..=Duration::from_secs(330)).contains(&age), "{age:?}");
        }
    }

    #[tokio::test]
    async fn a_connection_with_a_call_under_way_is_not_idle() {
        let activity = Arc::new(Activity::default());
        let busy = Activity::begin(&activity);
        let timeout = Duration::from_millis(20);
        tokio::time::timeout(timeout * 5, activity.idle_for(timeout)).await.unwrap_err();
        drop(busy);
        tokio::time::timeout(timeout * 100, activity.idle_for(timeout)).await.unwrap();
    }
}
