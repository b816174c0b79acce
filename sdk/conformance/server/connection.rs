//! One HTTP/2 connection of a play: reads calls, does to each what its step says.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::judge;
use super::play::Play;
use super::script::{Cut, GoAway, Step};
use super::{stream, wire};

/// What a call wants of its connection.
#[derive(Clone, Copy, Debug)]
pub enum Command {
    Graceful,
    Abrupt,
    Cut,
}

/// Until what was written is on the wire: HTTP/2 gives no sign of it.
const FLUSH: Duration = Duration::from_millis(30);

/// Bytes of a request at most.
const LARGEST: usize = 16 << 20;

pub async fn serve(play: Arc<Play>, socket: impl AsyncRead + AsyncWrite + Unpin) {
    let mut generation = play.generation();
    let born = *generation.borrow();
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(1 << 20).initial_connection_window_size(4 << 20);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(socket).await else { return };
    let (commands, mut wanted) = mpsc::unbounded_channel();
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    let call = Call { play: Arc::clone(&play), commands: commands.clone(), respond, born };
                    tokio::spawn(call.answer(request));
                }
                Some(Err(_)) | None => return,
            },
            command = wanted.recv() => match command {
                Some(Command::Graceful) => connection.graceful_shutdown(),
                Some(Command::Abrupt) => connection.abrupt_shutdown(Reason::NO_ERROR),
                Some(Command::Cut) | None => return,
            },
            _ = generation.changed() => return,
        }
    }
}

pub struct Call {
    pub play: Arc<Play>,
    pub commands: mpsc::UnboundedSender<Command>,
    pub respond: SendResponse<Bytes>,
    /// The generation of its connection.
    born: usize,
}

impl Call {
    async fn answer(mut self, request: Request<RecvStream>) {
        let (head, body) = request.into_parts();
        let name = head.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
        let request_id = text(&head.headers, "x-request-id");
        let Some(method) = self.play.script.contract.method(&name) else {
            self.refuse("UNIMPLEMENTED", "UNIMPLEMENTED", &request_id);
            return;
        };
        if let Err(reason) = judge::credential(&method, &head.headers) {
            self.play.see(&name, &head.headers, serde_json::Value::Null);
            self.refuse(reason, reason, &request_id);
            return;
        }
        if method.is_client_streaming() {
            self.play.see(&name, &head.headers, serde_json::Value::Null);
            stream::serve(self, &method, &head.headers, body).await;
            return;
        }
        let mut frames = Frames::new(body);
        let Some(message) = frames.next(&method).await else { return };
        self.play.see(&name, &head.headers, wire::to_json(&message));
        if self.play.is_doomed(self.born) {
            // Came while its connection was about to close: not answered.
            self.commands.closed().await;
            return;
        }
        let Some(step) = self.play.step(&name) else {
            self.refuse("UNIMPLEMENTED", "UNIMPLEMENTED", &request_id);
            return;
        };
        self.perform(&step, &method, &request_id).await;
    }

    async fn perform(&mut self, step: &Step, method: &MethodDescriptor, request_id: &str) {
        tokio::time::sleep(Duration::from_millis(step.after_ms)).await;
        match step.goaway {
            Some(GoAway::Graceful) => {
                self.commands.send(Command::Graceful).ok();
                tokio::time::sleep(FLUSH).await;
            }
            Some(GoAway::Abrupt) => {
                return self.end_connection(Command::Abrupt).await;
            }
            None => {}
        }
        if step.hang {
            // Held until the caller or the play is gone.
            let mut gone = self.play.generation();
            tokio::select! {
                _ = std::future::poll_fn(|context| self.respond.poll_reset(context)) => {}
                _ = gone.changed() => {}
            }
            return;
        }
        if let Some(code) = &step.reset {
            self.respond.send_reset(reset(code));
            return;
        }
        if step.cut == Some(Cut::Before) {
            return self.end_connection(Command::Cut).await;
        }
        if let Some(http) = &step.http {
            let mut response = Response::builder().status(http.status);
            for (name, value) in &http.headers {
                response = response.header(name, value);
            }
            if let Ok(mut body) = self.respond.send_response(response.body(()).unwrap(), false) {
                body.send_data(http.body.clone().into(), true).ok();
            }
            return;
        }
        let messages = self.frames(step, method);
        if let (Some(fault), true) = (&step.error, messages.is_empty()) {
            self.trailers_only(wire::trailers(fault, request_id), request_id);
            return;
        }
        if step.restart {
            self.play.doom(self.born);
        }
        let Ok(mut body) = self.respond.send_response(head(request_id), false) else { return };
        if step.cut == Some(Cut::AfterHeaders) {
            return self.cut_once_flushed().await;
        }
        for message in messages {
            if step.cut == Some(Cut::HalfWay) {
                body.send_data(message.slice(..message.len() / 2), false).ok();
                return self.cut_once_flushed().await;
            }
            body.send_data(message, false).ok();
        }
        if step.no_status {
            body.send_data(Bytes::new(), true).ok();
        } else {
            let trailers =
                step.error.as_ref().map_or_else(wire::ok, |fault| wire::trailers(fault, request_id));
            body.send_trailers(trailers).ok();
        }
        if step.restart {
            tokio::time::sleep(FLUSH).await;
            self.play.restart();
        }
    }

    /// The answers of `step` as frames.
    fn frames(&self, step: &Step, method: &MethodDescriptor) -> Vec<Bytes> {
        if step.no_message {
            return Vec::new();
        }
        if let Some(raw) = &step.raw {
            return vec![wire::frame(&hexadecimal(raw), step)];
        }
        let of = method.output();
        let messages = step.messages();
        if messages.is_empty() && step.error.is_none() && !method.is_server_streaming() {
            return vec![wire::frame(&[], step)];
        }
        let encoded = |json| self.play.script.contract.message(&of, json).unwrap().encode_to_vec();
        messages.iter().map(|json| wire::frame(&encoded(json), step)).collect()
    }

    async fn cut_once_flushed(&self) {
        tokio::time::sleep(FLUSH).await;
        self.end_connection(Command::Cut).await;
    }

    /// Returns once the connection is gone: a call that ended before would be reset, not cut.
    pub async fn end_connection(&self, command: Command) {
        self.commands.send(command).ok();
        self.commands.closed().await;
    }

    /// Starts an answer that is a stream.
    pub fn begin(&mut self, request_id: &str) -> Option<SendStream<Bytes>> {
        self.respond.send_response(head(request_id), false).ok()
    }

    fn trailers_only(&mut self, trailers: HeaderMap, request_id: &str) {
        let mut response = head(request_id);
        response.headers_mut().extend(trailers);
        self.respond.send_response(response, true).ok();
    }

    fn refuse(&mut self, code: &str, reason: &str, request_id: &str) {
        let fault =
            serde_json::json!({ "code": code, "reason": reason, "message": "refused by the test server" });
        let fault = serde_json::from_value(fault).unwrap();
        self.trailers_only(wire::trailers(&fault, request_id), request_id);
    }
}

fn head(request_id: &str) -> Response<()> {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("server", HeaderValue::from_static("agentguard-test-server"));
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert("x-request-id", value);
    }
    response
}

pub fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn reset(code: &str) -> Reason {
    match code {
        "CANCEL" => Reason::CANCEL,
        "REFUSED_STREAM" => Reason::REFUSED_STREAM,
        "INTERNAL_ERROR" => Reason::INTERNAL_ERROR,
        "ENHANCE_YOUR_CALM" => Reason::ENHANCE_YOUR_CALM,
        _ => panic!("`{code}` is no code to reset with"),
    }
}

fn hexadecimal(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// The messages of a request.
pub struct Frames {
    body: RecvStream,
    buffer: BytesMut,
}

impl Frames {
    pub fn new(body: RecvStream) -> Self {
        Self { body, buffer: BytesMut::new() }
    }

    /// The next message; `None` at the end, or where the caller is gone.
    pub async fn next(&mut self, method: &MethodDescriptor) -> Option<DynamicMessage> {
        loop {
            if self.buffer.len() >= 5 {
                let length = u32::from_be_bytes(self.buffer[1..5].try_into().unwrap()) as usize;
                assert!(length <= LARGEST && self.buffer[0] == 0, "a request that this server does not read");
                if self.buffer.len() >= 5 + length {
                    let frame = self.buffer.split_to(5 + length);
                    return Some(DynamicMessage::decode(method.input(), &frame[5..]).unwrap());
                }
            }
            let data = self.body.data().await?.ok()?;
            self.body.flow_control().release_capacity(data.len()).ok()?;
            self.buffer.extend_from_slice(&data);
        }
    }
}
