//! The JSON that `--json` prints: the proto's own JSON form with the proto's field names, defaults always written,
//! and the names of enums without their prefix (`ALLOW`, not `VERDICT_ALLOW`).

use prost::Message;
use prost_reflect::DynamicMessage;
use serde_json::Value;

use super::Failure;
use crate::service::json::{self, Enums};

pub use crate::service::json::{timestamp, to_struct};

/// The JSON form of `message`, which is the contract's message of this name (without its package).
pub fn of(name: &str, message: &impl Message) -> Result<Value, Failure> {
    let broken = |what: String| Failure::failed(format!("the answer has no JSON form: {what}"));
    let pool = json::contract().map_err(|error| broken(error.to_string()))?;
    let descriptor = pool
        .get_message_by_name(&format!("agentguard.v1.{name}"))
        .ok_or_else(|| broken(format!("the contract knows no `{name}`")))?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice());
    Ok(json::write(&dynamic.map_err(|error| broken(error.to_string()))?, Enums::Bare))
}
