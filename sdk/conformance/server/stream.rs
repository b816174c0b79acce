//! One `EnforceStream` of a play.

use std::time::Duration;

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::HeaderMap;
use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::Value;

use super::connection::{Call, Command, Frames, text};
use super::script::{Cut, GoAway, Step};
use super::wire;

pub async fn serve(mut call: Call, method: &MethodDescriptor, headers: &HeaderMap, body: RecvStream) {
    let request_id = text(headers, "x-request-id");
    let Some(script) = call.play.step("EnforceStream") else { return };
    let mut frames = Frames::new(body);
    let Some(mut answers) = call.begin(&request_id) else { return };
    let mut number = 0;
    let mut collected = Vec::new();
    loop {
        let exhausted = script.each.is_none() && number >= script.replies.len();
        if exhausted && has_end(&script) && !script.on_next {
            return end(&call, &script, answers, &request_id).await;
        }
        let Some(message) = frames.next(method).await else {
            // The caller has said its last: so does the server.
            answers.send_trailers(wire::ok()).ok();
            return;
        };
        call.play.see("EnforceStream.message", headers, wire::to_json(&message));
        let Some(step) = script.replies.get(number).or(script.each.as_deref()) else {
            if has_end(&script) {
                return end(&call, &script, answers, &request_id).await;
            }
            continue;
        };
        number += 1;
        if script.collect > 1 {
            collected.push((step, message));
            if collected.len() >= script.collect {
                for (step, message) in collected.drain(..).rev() {
                    reply(&call, step, method, &message, &mut answers, &request_id).await;
                }
            }
            continue;
        }
        reply(&call, step, method, &message, &mut answers, &request_id).await;
    }
}

const fn has_end(script: &Step) -> bool {
    script.ends || script.error.is_some() || script.cut.is_some() || script.goaway.is_some()
}

async fn end(call: &Call, script: &Step, mut answers: SendStream<Bytes>, request_id: &str) {
    tokio::time::sleep(Duration::from_millis(script.after_ms)).await;
    if script.cut.is_some() {
        return call.end_connection(Command::Cut).await;
    }
    match script.goaway {
        Some(GoAway::Abrupt) => {
            return call.end_connection(Command::Abrupt).await;
        }
        Some(GoAway::Graceful) => {
            call.commands.send(Command::Graceful).ok();
        }
        None => {}
    }
    let trailers = script.error.as_ref().map_or_else(wire::ok, |fault| wire::trailers(fault, request_id));
    answers.send_trailers(trailers).ok();
}

async fn reply(
    call: &Call,
    step: &Step,
    method: &MethodDescriptor,
    message: &DynamicMessage,
    answers: &mut SendStream<Bytes>,
    request_id: &str,
) {
    tokio::time::sleep(Duration::from_millis(step.after_ms)).await;
    if step.hang {
        return;
    }
    if step.cut == Some(Cut::Before) {
        return call.end_connection(Command::Cut).await;
    }
    let asked = wire::to_json(message)["sequence"].as_u64().unwrap_or(0);
    let sequence = step.sequence.unwrap_or(asked);
    let mut messages = step.messages();
    if let Some(fault) = &step.error {
        let mut error = serde_json::json!({ "code": fault.code, "message": fault.message });
        if let Some(reason) = &fault.reason {
            error["reason"] = reason.as_str().into();
            error["request_id"] = fault.request_id.as_deref().unwrap_or(request_id).into();
        }
        error["retry_ms"] = fault.retry_ms.into();
        messages.push(serde_json::json!({ "error": error }));
    }
    if messages.is_empty() {
        messages.push(Value::Object(serde_json::Map::new()));
    }
    for mut json in messages {
        json["sequence"] = sequence.into();
        let message = call.play.script.contract.message(&method.output(), &json).unwrap();
        answers.send_data(wire::frame(&message.encode_to_vec(), step), false).ok();
    }
}
