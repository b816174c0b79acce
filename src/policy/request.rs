//! What an agent asks: checked once, at the edge.

use super::Fault;
use super::action::Action;
use super::value::{self, Object};

/// Bytes of a resource.
pub const MAX_RESOURCE_BYTES: usize = 2_048;
/// Bytes each of `session_id`, `on_behalf_of` and `approval_id`.
pub const MAX_REFERENCE_BYTES: usize = 256;

/// One action that an agent wants to take. Everything but the agent's identity is the agent's own claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The action in its canonical form.
    pub action: Action,
    /// What the action is done to; `None` means unknown, never "nothing".
    pub resource: Option<String>,
    /// The action's arguments.
    pub arguments: Object,
    /// Further claims.
    pub context: Object,
    /// The session the agent says it is in.
    pub session_id: Option<String>,
    /// Whom the agent says it acts for.
    pub on_behalf_of: Option<String>,
    /// An approval the agent refers to.
    pub approval_id: Option<String>,
}

impl Request {
    /// Checks every bound and reports every fault with its field; an empty text is an absent one.
    ///
    /// # Errors
    /// All faults at once, in the order of the fields.
    pub fn new(
        action: &str,
        resource: Option<String>,
        arguments: Object,
        context: Object,
        session_id: Option<String>,
        on_behalf_of: Option<String>,
        approval_id: Option<String>,
    ) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let action = Action::parse(action)
            .map_err(|invalid| faults.push(Fault::new("action", invalid.to_string())))
            .ok();
        let resource = text("resource", resource, MAX_RESOURCE_BYTES, &mut faults);
        value::check(&arguments, &context, &mut faults);
        let session_id = text("session_id", session_id, MAX_REFERENCE_BYTES, &mut faults);
        let on_behalf_of = text("on_behalf_of", on_behalf_of, MAX_REFERENCE_BYTES, &mut faults);
        let approval_id = text("approval_id", approval_id, MAX_REFERENCE_BYTES, &mut faults);
        match action {
            Some(action) if faults.is_empty() => {
                Ok(Self { action, resource, arguments, context, session_id, on_behalf_of, approval_id })
            }
            Some(_) | None => Err(faults),
        }
    }
}

fn text(field: &str, value: Option<String>, limit: usize, faults: &mut Vec<Fault>) -> Option<String> {
    let value = value.filter(|value| !value.is_empty())?;
    if value.len() > limit {
        faults
            .push(Fault::new(field, format!("is {} bytes long; at most {limit} are accepted", value.len())));
    }
    if value.contains('\0') {
        faults.push(Fault::new(field, "contains the character U+0000"));
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::super::Value;
    use super::*;

    fn fields(arguments: Object, context: Object) -> Vec<String> {
        let faults = Request::new("a", None, arguments, context, None, None, None).err().unwrap_or_default();
        faults.into_iter().map(|fault| fault.field).collect()
    }

    fn object(value: Value) -> Object {
        Object::from([("x".into(), value)])
    }

    #[test]
    fn every_fault_is_shown_with_its_field() {
        let faults = Request::new(
            "--",
            Some("a".repeat(2_049)),
            object(Value::Number(f64::NAN)),
            object(Value::List(vec![Value::Null, Value::Number(f64::INFINITY)])),
            Some("s".repeat(257)),
            Some("a\0".into()),
            Some("p".repeat(257)),
        );
        let fields: Vec<String> = faults.unwrap_err().into_iter().map(|fault| fault.field).collect();
        assert_eq!(
            fields,
            [
                "action",
                "resource",
                "arguments.x",
                "context.x[1]",
                "session_id",
                "on_behalf_of",
                "approval_id"
            ]
        );
    }

    #[test]
    fn texts_at_their_bound_are_accepted_and_empty_ones_are_absent() {
        let request = Request::new(
            "a",
            Some("r".repeat(2_048)),
            object(Value::String("s".repeat(64 * 1024))),
            Object::new(),
            Some("s".repeat(256)),
            Some(String::new()),
            None,
        );
        assert_eq!(request.unwrap().on_behalf_of, None);
        assert_eq!(fields(object(Value::String("s".repeat(64 * 1024 + 1))), Object::new()), ["arguments.x"]);
    }

    #[test]
    fn nodes_are_bounded_over_arguments_and_context_together() {
        let list = |nodes: usize| object(Value::List(vec![Value::Null; nodes - 1]));
        assert!(fields(list(500), list(500)).is_empty());
        assert_eq!(fields(list(500), list(501)), ["context"]);
        assert_eq!(fields(list(100_000), Object::new()), ["arguments"]);
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |depth: usize| (1..depth).fold(Value::Null, |value, _| Value::Object(object(value)));
        assert!(fields(object(deep(16)), Object::new()).is_empty());
        assert_eq!(fields(object(deep(17)), Object::new()).len(), 1);
        let lists = |depth: usize| (1..depth).fold(Value::Null, |value, _| Value::List(vec![value]));
        assert!(fields(object(lists(16)), Object::new()).is_empty());
        assert_eq!(fields(object(lists(900)), Object::new()).len(), 1);
    }
}
