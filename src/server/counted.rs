//! The outermost layer: each call is counted once, with the status of its end.
//!
//! gRPC says how a call ended in its trailers: those of a call without an answer are in the head, those of a stream at
//! the end of its body.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;

use crate::metrics::Observed;
use crate::service::status;

/// How the answers of a call come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comes {
    /// At once.
    Whole,
    /// As a stream, which counts when it ends.
    Streamed,
    /// As a stream of which each message is counted by whoever answers it.
    Message,
}

/// Counts a call that is answered by `response`.
pub(super) fn count(observed: Observed, comes: Comes, response: Response<Body>) -> Response<Body> {
    let mut observed = observed;
    if let Some(status) = error(response.headers()) {
        observed.finish(status);
        return response;
    }
    let status = response.status();
    if comes == Comes::Whole || !status.is_success() {
        observed.finish(status.as_u16());
        return response;
    }
    observed.open(comes == Comes::Message);
    response.map(|body| Body::new(Counted { body, observed: Some(observed) }))
}

/// The status of an error in a head or in trailers.
fn error(headers: &HeaderMap) -> Option<u16> {
    let code = headers.get("grpc-status")?;
    if code == "0" {
        return None;
    }
    status::reason_of(headers).map(|reason| status::row(reason).http)
}

/// The body of a stream.
struct Counted {
    body: Body,
    /// `None` once it has ended.
    observed: Option<Observed>,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let ended = match &polled {
            Poll::Ready(Some(Ok(frame))) => frame.trailers_ref().map(error),
            Poll::Ready(Some(Err(_))) => Some(Some(500)),
            Poll::Ready(None) => Some(None),
            Poll::Pending => None,
        };
        if let Some((ended, observed)) = ended.and_then(|ended| Some((ended, self.observed.take()?))) {
            observed.close(ended);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
