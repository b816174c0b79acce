//! One call of the contract in its JSON form: the request becomes the message that gRPC would have sent, goes the way
//! that gRPC's messages go, and its answer comes back as JSON.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, Value as Field};
use serde_json::{Map, Value};
use tonic::body::Body;

use super::annotations::{Binding, Taken, steps};
use super::lines::Lines;
use super::template::{Values, decoded};
use super::{body, json_answer, refusal};
use crate::pb::rpc;
use crate::service::call::Call;
use crate::service::convert::Faults;
use crate::service::json::{self, Enums};
use crate::service::{Error, status};

/// Bytes before each message of gRPC: one flag, four of length.
const HEAD: usize = 5;

/// The gRPC request that an HTTP request stands for.
pub(in crate::server) async fn request(
    binding: &Binding,
    values: &Values,
    request: Request<Body>,
    bounds: body::Bounds,
    call: &Call,
) -> Result<Request<Body>, Error> {
    let (parts, content) = request.into_parts();
    let mut faults = Faults::default();
    let mut message = match &binding.body {
        Taken::Nothing => DynamicMessage::new(binding.rpc.input.clone()),
        Taken::Whole => {
            let json = read(content, bounds, call).await?;
            json::message(&binding.rpc.input, json, "", &mut faults)
        }
        Taken::Field(field) => {
            let json = read(content, bounds, call).await?;
            let mut message = DynamicMessage::new(binding.rpc.input.clone());
            if let Some(kind) = field.kind().as_message() {
                let inside = json::message(kind, json, field.name(), &mut faults);
                message.set_field(field, Field::Message(inside));
            }
            message
        }
    };
    if binding.body != Taken::Whole {
        query(binding, parts.uri.query().unwrap_or_default(), &mut message, &mut faults)?;
    }
    path(binding, values, &mut message, &mut faults);
    faults.or(Some(()))?;
    let mut asked = Request::new(Body::new(Full::from(frame(&message))));
    *asked.extensions_mut() = parts.extensions;
    Ok(as_grpc(asked, binding))
}

/// What tonic looks for in the head of a call.
fn as_grpc(mut request: Request<Body>, binding: &Binding) -> Request<Body> {
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = binding.rpc.path.clone();
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    request
}

/// A message as gRPC frames it.
pub(super) fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(HEAD + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // The buffer grows as it is written.
    message.encode(&mut frame).ok();
    frame.freeze()
}

async fn read(content: Body, bounds: body::Bounds, call: &Call) -> Result<Value, Error> {
    let bytes = body::read(content, bounds, call).await?;
    if bytes.is_empty() { Ok(Value::Object(Map::new())) } else { json::parse(&bytes) }
}

/// Puts what a query says into the message. What is unknown, or has another place, is ignored.
fn query(
    binding: &Binding,
    query: &str,
    message: &mut DynamicMessage,
    faults: &mut Faults,
) -> Result<(), Error> {
    let mut seen: Vec<Vec<FieldDescriptor>> = binding.places.clone();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| {
            decoded(&text.replace('+', " "))
                .map_err(|_| Error::Malformed("its query is no percent-encoded UTF-8"))
        };
        let (name, value) = (plain(name)?, plain(value)?);
        let Some(steps) = steps(&binding.rpc.input, &name) else { continue };
        if matches!((&binding.body, steps.first()), (Taken::Field(body), Some(first)) if body == first) {
            continue;
        }
        let name = shown(&steps);
        let Some((last, way)) = steps.split_last() else { continue };
        if last.is_map() {
            faults.add(name, "cannot be given in a query");
            continue;
        }
        if !last.is_list() {
            if seen.contains(&steps) {
                faults.add(name, "is given twice");
                continue;
            }
            seen.push(steps.clone());
        }
        let Some(value) = json::from_text(last, &value, &name, faults) else { continue };
        let Some(place) = place(message, way) else { continue };
        if last.is_list() {
            if let Some(list) = place.get_field_mut(last).as_list_mut() {
                list.push(value);
            }
        } else {
            place.set_field(last, value);
        }
    }
    Ok(())
}

/// Puts the values in the path into the message. A body that says otherwise is refused: one of the two is a mistake.
fn path(binding: &Binding, values: &Values, message: &mut DynamicMessage, faults: &mut Faults) {
    for (steps, text) in binding.places.iter().zip(values) {
        let name = shown(steps);
        let Some((last, way)) = steps.split_last() else { continue };
        let Some(value) = json::from_text(last, text, &name, faults) else { continue };
        let Some(place) = place(message, way) else { continue };
        if place.has_field(last) && *place.get_field(last) != value {
            faults.add(name, "is another one than in the path");
        }
        place.set_field(last, value);
    }
}

/// The message at the end of a way from `message`.
fn place<'a>(message: &'a mut DynamicMessage, way: &[FieldDescriptor]) -> Option<&'a mut DynamicMessage> {
    let mut here = message;
    for step in way {
        here = here.get_field_mut(step).as_message_mut()?;
    }
    Some(here)
}

fn shown(steps: &[FieldDescriptor]) -> String {
    steps.iter().map(FieldDescriptor::name).collect::<Vec<_>>().join(".")
}

/// The HTTP answer that a gRPC answer stands for.
pub(in crate::server) async fn answer(
    binding: &Binding,
    response: Response<Body>,
) -> Result<Response<Body>, Error> {
    if !binding.rpc.answers_stream {
        return Ok(match unary(response).await? {
            Ok(bytes) => json_answer(StatusCode::OK, &show(&binding.rpc.output, &bytes)?),
            Err(status) => refusal(&status, None),
        });
    }
    if let Some(status) = refused(response.headers()) {
        return Ok(refusal(&status, None));
    }
    let lines = Lines::new(response.into_body(), binding.rpc.output.clone());
    let mut response = Response::new(Body::new(lines));
    super::describe(response.headers_mut(), "application/x-ndjson");
    Ok(response)
}

/// The one message of an answer, or its error.
pub(super) async fn unary(response: Response<Body>) -> Result<Result<Bytes, rpc::Status>, Error> {
    let mut bytes = match whole(response).await? {
        Ok(bytes) => BytesMut::from(bytes),
        Err(status) => return Ok(Err(status)),
    };
    let message = next(&mut bytes).ok_or_else(|| Error::internal("an answer without a message"))?;
    Ok(Ok(message.freeze()))
}

/// All messages of an answer, framed, or its error.
pub(super) async fn whole(response: Response<Body>) -> Result<Result<Bytes, rpc::Status>, Error> {
    if let Some(status) = refused(response.headers()) {
        return Ok(Err(status));
    }
    let collected = response.into_body().collect().await.map_err(Error::internal)?;
    if let Some(status) = collected.trailers().and_then(refused) {
        return Ok(Err(status));
    }
    Ok(Ok(collected.to_bytes()))
}

/// Takes the next message off what has come, once it is whole.
pub(super) fn next(begun: &mut BytesMut) -> Option<BytesMut> {
    let (head, rest) = begun.split_at_checked(HEAD)?;
    let length = head.get(1..).and_then(|length| length.try_into().ok()).map_or(0, u32::from_be_bytes);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if rest.len() < length {
        return None;
    }
    begun.advance(HEAD);
    Some(begun.split_to(length))
}

/// The error in the headers or trailers of a gRPC answer.
pub(super) fn refused(headers: &HeaderMap) -> Option<rpc::Status> {
    let status = tonic::Status::from_header_map(headers)?;
    // A status of ours says everything in its details.
    (status.code() != tonic::Code::Ok).then(|| status::details(&status))
}

/// An answer's message as JSON.
pub(super) fn show(descriptor: &MessageDescriptor, message: &[u8]) -> Result<Value, Error> {
    let message = DynamicMessage::decode(descriptor.clone(), message).map_err(Error::internal)?;
    Ok(json::write(&message, Enums::Whole))
}

#[cfg(test)]
mod tests;
