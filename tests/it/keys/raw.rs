//! Calls as they are on the wire, so that a test may send any headers and compare every byte of the answer.

use std::convert::Infallible;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, Request, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tonic::body::Body;

/// One HTTP/2 connection.
pub struct Wire {
    sender: http2::SendRequest<Body>,
    authority: String,
}

/// An answer, whole, or of an endless stream its beginning.
#[derive(Debug)]
pub struct Answer {
    pub http: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Wire {
    pub async fn connect(endpoint: &str) -> Self {
        let authority = endpoint.trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&authority).await.unwrap();
        Self::on(stream, &authority).await
    }

    /// On a connection that was made otherwise.
    pub async fn on(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, authority: &str) -> Self {
        let io = TokioIo::new(stream);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        Self { sender, authority: authority.to_owned() }
    }

    /// Whether the server has closed it.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// A call; `kind` is its content type. Of an answer that has no end only the head is read.
    pub async fn send(
        &self,
        (method, path): (&str, &str),
        kind: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
        is_endless: bool,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.authority))
            .version(Version::HTTP_2)
            .header("content-type", kind);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Body::new(Full::new(body))).unwrap();
        let answer = self.sender.clone().send_request(request).await.unwrap();
        Answer::read(answer, is_endless).await
    }

    /// A gRPC call that sends `beginning` and then nothing more; the answer comes if it is refused for that.
    pub async fn begin(&self, path: &str, headers: &[(&'static str, String)], beginning: Bytes) -> Answer {
        let first = futures_util::stream::iter([Ok::<_, Infallible>(Frame::data(beginning))]);
        let body = StreamBody::new(first.chain(futures_util::stream::pending()));
        let mut request = Request::post(format!("http://{}{path}", self.authority))
            .version(Version::HTTP_2)
            .header("content-type", "application/grpc");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Body::new(body)).unwrap();
        let answer = self.sender.clone().send_request(request).await.unwrap();
        Answer::read(answer, false).await
    }
}

impl Answer {
    async fn read(answer: http::Response<Incoming>, is_endless: bool) -> Self {
        let (head, body) = answer.into_parts();
        let refused = head.headers.contains_key("grpc-status");
        let (body, trailers) = if is_endless && !refused {
            (Bytes::new(), HeaderMap::new())
        } else {
            let body = body.collect().await.unwrap();
            let trailers = body.trailers().cloned().unwrap_or_default();
            (body.to_bytes(), trailers)
        };
        Self { http: head.status.as_u16(), headers: head.headers, body, trailers }
    }

    /// The gRPC code; `0` for an endless stream that has begun.
    pub fn code(&self) -> i32 {
        let code = self.trailers.get("grpc-status").or_else(|| self.headers.get("grpc-status"));
        code.map_or(0, |code| code.to_str().unwrap().parse().unwrap())
    }

    /// The documented reason of a refusal; empty if it has none.
    pub fn reason(&self) -> String {
        let headers = if self.trailers.is_empty() { &self.headers } else { &self.trailers };
        let status = tonic::Status::from_header_map(headers);
        status.map(|status| crate::harness::reason(&status)).unwrap_or_default()
    }

    /// The one message of a gRPC answer.
    pub fn message<M: prost::Message + Default>(&self) -> M {
        M::decode(self.body.get(5..).unwrap()).unwrap()
    }
}

/// A message as gRPC frames it.
pub fn frame(message: &impl prost::Message) -> Bytes {
    let bytes = message.encode_to_vec();
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(bytes.len()).unwrap());
    frame.put_slice(&bytes);
    frame.freeze()
}
