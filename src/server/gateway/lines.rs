//! A streamed answer as lines of JSON (NDJSON): one a message, as it comes. An error after the first is the last line,
//! `{"error": {…}}` with what an error's body has; a stream that ends without one is whole.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use prost_reflect::MessageDescriptor;
use serde_json::json;
use tonic::Status;
use tonic::body::Body;

use super::problem::Problem;
use super::transcode::{next, refused, show};
use crate::pb::rpc;
use crate::service::Error;

/// The lines of a gRPC stream.
pub(super) struct Lines {
    body: Body,
    message: MessageDescriptor,
    /// What has come of a message that is not whole yet.
    begun: BytesMut,
    ended: bool,
}

impl Lines {
    pub(super) fn new(body: Body, message: MessageDescriptor) -> Self {
        Self { body, message, begun: BytesMut::new(), ended: false }
    }

    /// The lines of the messages that are whole now.
    fn whole(&mut self) -> Result<Vec<u8>, Error> {
        let mut lines = Vec::new();
        while let Some(message) = next(&mut self.begun) {
            let line = show(&self.message, &message)?;
            lines.extend_from_slice(line.to_string().as_bytes());
            lines.push(b'\n');
        }
        Ok(lines)
    }

    fn failed(&mut self, status: &rpc::Status) -> Frame<Bytes> {
        self.ended = true;
        let problem = Problem::of(status).body;
        Frame::data(format!("{}\n", json!({"error": problem})).into())
    }
}

impl http_body::Body for Lines {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        while !this.ended {
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(status)) => {
                    let status = crate::service::status::details(&status);
                    return Poll::Ready(Some(Ok(this.failed(&status))));
                }
                None => break,
            };
            match frame.into_data() {
                Ok(data) => {
                    this.begun.extend_from_slice(&data);
                    match this.whole() {
                        Ok(lines) if lines.is_empty() => {}
                        Ok(lines) => return Poll::Ready(Some(Ok(Frame::data(lines.into())))),
                        Err(error) => return Poll::Ready(Some(Ok(this.failed(&error.to_rpc(""))))),
                    }
                }
                Err(frame) => {
                    if let Some(status) = frame.trailers_ref().and_then(refused) {
                        return Poll::Ready(Some(Ok(this.failed(&status))));
                    }
                    this.ended = true;
                }
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;
    use crate::pb::v1;
    use crate::server::gateway::transcode::frame;
    use crate::service::json::contract;

    fn answer(position: &str) -> Bytes {
        frame(&v1::FollowAuditResponse { position: position.into(), ..Default::default() })
    }

    fn trailers(status: &Status) -> Frame<Bytes> {
        let mut trailers = http::HeaderMap::new();
        status.add_header(&mut trailers).unwrap();
        Frame::trailers(trailers)
    }

    async fn lines(frames: Vec<Frame<Bytes>>) -> Vec<serde_json::Value> {
        let frames = stream::iter(frames.into_iter().map(Ok::<_, Infallible>));
        let descriptor =
            contract().unwrap().get_message_by_name("agentguard.v1.FollowAuditResponse").unwrap();
        let lines = Lines::new(Body::new(StreamBody::new(frames)), descriptor);
        let text = String::from_utf8(lines.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[tokio::test]
    async fn each_message_is_a_line_however_it_is_cut() {
        let whole: Bytes = [answer("a"), answer("b"), answer("c")].concat().into();
        for size in [1, 3, 7, 1_000] {
            let mut frames: Vec<_> =
                whole.chunks(size).map(|piece| Frame::data(Bytes::copy_from_slice(piece))).collect();
            frames.push(trailers(&Status::ok("")));
            let positions: Vec<_> = lines(frames).await.iter().map(|line| line["position"].clone()).collect();
            assert_eq!(positions, ["a", "b", "c"], "{size}");
        }
    }

    #[tokio::test]
    async fn an_error_is_the_last_line() {
        let error = Error::ShuttingDown.to_status("req-1");
        let lines = lines(vec![Frame::data(answer("a")), trailers(&error)]).await;
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1]["error"]["code"], "SHUTTING_DOWN");
        assert_eq!(lines[1]["error"]["request_id"], "req-1");
    }
}
