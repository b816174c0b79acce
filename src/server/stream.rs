//! The bodies of calls that stream: what the layers do for a unary call in one place, they do here for each frame.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

use super::connection::Seat;
use crate::service::{Error, call, status};

/// The answering side of a stream: a panic, the caller's deadline and the end of the connection become statuses, and
/// every error gets what errors of ours carry.
pub(super) struct Answers {
    body: Body,
    request_id: Arc<str>,
    span: tracing::Span,
    /// The caller's deadline for the whole stream.
    deadline: Option<Pin<Box<Sleep>>>,
    /// For streams that would not end by themselves.
    closing: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// For services that are not ours: see [`blame_the_caller`].
    is_foreign: bool,
    /// Held to the end.
    _seat: Option<Seat>,
    ended: bool,
}

/// How the answering side of a stream may end.
pub(super) struct Ends {
    /// The caller's deadline.
    pub(super) deadline: Option<std::time::Duration>,
    /// Cancelled when the connection is about to end.
    pub(super) closing: Option<CancellationToken>,
    /// Whether the service's code is not ours.
    pub(super) is_foreign: bool,
    /// The stream's place on its connection, where that is bounded.
    pub(super) seat: Option<Seat>,
}

impl Answers {
    pub(super) fn new(body: Body, request_id: Arc<str>, ends: Ends) -> Self {
        Self {
            body,
            request_id,
            span: tracing::Span::current(),
            deadline: ends.deadline.map(|left| Box::pin(tokio::time::sleep(left))),
            closing: ends.closing.map(|closing| Box::pin(closing.cancelled_owned())),
            is_foreign: ends.is_foreign,
            _seat: ends.seat,
            ended: false,
        }
    }

    fn end(&mut self, error: &Error) -> Frame<Bytes> {
        self.ended = true;
        Frame::trailers(trailers(&call::refuse(error, &self.request_id)))
    }

    fn passed(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_trailers() {
            Ok(mut trailers) => {
                self.ended = true;
                if self.is_foreign {
                    blame_the_caller(&mut trailers, &self.request_id);
                }
                status::complete(&mut trailers, &self.request_id);
                Frame::trailers(trailers)
            }
            Err(data) => data,
        }
    }
}

impl http_body::Body for Answers {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        let span = this.span.clone();
        let _entered = span.enter();
        if this.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(context).is_ready()) {
            return Poll::Ready(Some(Ok(this.end(&Error::DeadlineExceeded))));
        }
        let polled = AssertUnwindSafe(|| Pin::new(&mut this.body).poll_frame(context));
        let Ok(polled) = std::panic::catch_unwind(polled) else {
            return Poll::Ready(Some(Ok(this.end(&Error::internal("a panic in a stream")))));
        };
        match polled {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(this.passed(frame)))),
            Poll::Ready(Some(Err(status))) => {
                let frame = Frame::trailers(trailers(&status));
                Poll::Ready(Some(Ok(this.passed(frame))))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                // Only where there is nothing to send, so that what is ready still leaves.
                match this.closing.as_mut() {
                    Some(closing) => ready!(closing.as_mut().poll(context)),
                    None => return Poll::Pending,
                }
                Poll::Ready(Some(Ok(this.end(&Error::ShuttingDown))))
            }
        }
    }
}

/// The asking side of a stream: ends when the connection is about to, so that the handler answers what it has and
/// ends the stream in peace.
pub(super) struct Questions {
    body: Body,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
    ended: bool,
}

impl Questions {
    pub(super) fn new(body: Body, closing: CancellationToken) -> Self {
        Self { body, closing: Box::pin(closing.cancelled_owned()), ended: false }
    }
}

impl http_body::Body for Questions {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        ready!(self.closing.as_mut().poll(context));
        self.ended = true;
        Poll::Ready(None)
    }
}

/// The trailers of a status.
fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        trailers.insert("grpc-status", http::HeaderValue::from_static("13"));
    }
    trailers
}

/// Health and reflection read messages by tonic's own codec, which calls garbage `INTERNAL`. They have no other way
/// to fail inside, so that is what the caller sent.
pub(super) fn blame_the_caller(headers: &mut HeaderMap, request_id: &str) {
    let is_bare_internal = headers.get("grpc-status").is_some_and(|code| code == "13")
        && !headers.contains_key("grpc-status-details-bin");
    if is_bare_internal {
        headers.remove("grpc-message");
        let error = Error::Malformed("it is no protobuf message of this kind");
        headers.extend(trailers(&error.to_status(request_id)));
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;
    use crate::pb::v1::ErrorReason;

    fn ends() -> Ends {
        Ends { deadline: None, closing: None, is_foreign: false, seat: None }
    }

    fn endless() -> Body {
        Body::new(StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>()))
    }

    async fn reason(body: Body, ends: Ends) -> Option<ErrorReason> {
        let answers = Answers::new(body, "req".into(), ends);
        status::reason_of(answers.collect().await.unwrap().trailers().unwrap())
    }

    #[tokio::test]
    async fn a_stream_ends_at_the_callers_deadline() {
        let ends = Ends { deadline: Some(Duration::from_millis(20)), ..ends() };
        assert_eq!(reason(endless(), ends).await, Some(ErrorReason::DeadlineExceeded));
    }

    #[tokio::test]
    async fn an_endless_stream_ends_with_its_connection() {
        let closing = CancellationToken::new();
        closing.cancel();
        let ends = Ends { closing: Some(closing), ..ends() };
        assert_eq!(reason(endless(), ends).await, Some(ErrorReason::ShuttingDown));
    }

    #[tokio::test]
    async fn a_panic_in_a_stream_is_an_internal_error() {
        let panics =
            stream::poll_fn(|_| -> Poll<Option<Result<Frame<Bytes>, Infallible>>> { panic!("planted") });
        let body = Body::new(StreamBody::new(panics));
        assert_eq!(reason(body, ends()).await, Some(ErrorReason::Internal));
    }

    #[tokio::test]
    async fn questions_end_with_the_connection_but_not_before_what_was_sent() {
        let closing = CancellationToken::new();
        closing.cancel();
        let sent = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"sent")))]);
        let body = Body::new(StreamBody::new(futures_util::StreamExt::chain(sent, stream::pending())));
        let questions = Questions::new(body, closing);
        assert_eq!(questions.collect().await.unwrap().to_bytes(), "sent");
    }
}
