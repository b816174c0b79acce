//! The description of the HTTP face as OpenAPI 3.1: the contract's calls from its annotations, descriptors and
//! comments, the other paths from `openapi/own.json`.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::DescriptorPool;
use serde_json::{Map, Value, json};

use super::VERSION;
use super::annotations::{Binding, Taken, Unusable, bindings, rpcs};
use crate::pb::v1::ErrorReason;
use crate::server::route::Route;
use crate::service::status;

mod schema;

use schema::{Schemas, comment, summary};

/// What no annotation says: the paths of the Python AgentGuard and the pages.
const OWN: &str = include_str!("openapi/own.json");

/// Statuses that no described call has: another method, a caller who is gone, a path that is not there.
const UNDESCRIBED: [u16; 3] = [405, 499, 501];

/// The description.
pub(super) fn description(contract: &DescriptorPool) -> Result<Value, Unusable> {
    let mut schemas = Schemas::default();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let comments: BTreeMap<String, String> = rpcs(contract)
        .filter_map(Result::ok)
        .map(|(rpc, method)| (rpc.name, comment(&method.parent_service().parent_file(), method.path())))
        .collect();
    for binding in bindings(contract)? {
        let mut id = binding.rpc.name.clone();
        let mut number = 1;
        while !seen.insert(id.clone()) {
            number += 1;
            id = format!("{}{number}", binding.rpc.name);
        }
        let said = comments.get(&binding.rpc.name).map_or("", String::as_str);
        let method = binding.method.as_str().to_ascii_lowercase();
        let described = operation(&binding, &id, said, &mut schemas);
        paths.entry(plain(binding.template.text())).or_default().insert(method, described);
    }
    for (path, own) in own_paths() {
        let entry = paths.entry(path).or_default();
        for (method, mut described) in own {
            if described.get("security").is_some() {
                with_problems(&mut described);
            }
            entry.insert(method, described);
        }
    }
    schemas.add("Problem", problem());
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "AgentGuard",
            "version": VERSION,
            "summary": "Decides, explains and durably records what AI agents may do.",
            "description": "A verdict is always 200; a denial is an answer. Any other status means that nothing was decided, and must be treated as a denial. Exactly one key is sent, as `x-agent-key`, `x-admin-key` or `authorization: Bearer KEY`. `x-request-id` is taken over or made, and comes back with every answer. Unknown members are ignored, but in policies.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "EnforcementService", "description": "What agents call: ask before acting, report what came of it."},
            {"name": "AdminService", "description": "What administrators call: agents, keys, policies, the audit."},
            {"name": "Python paths", "description": "For callers that know the Python AgentGuard."},
            {"name": "Pages", "description": "They need no key."},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas.into_schemas(),
            "responses": {"Problem": {
                "description": "Nothing was decided, or shown.",
                "headers": {"x-request-id": {"description": "The call's correlation id.", "schema": {"type": "string"}}},
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }},
            "securitySchemes": {
                "agentKey": {"type": "apiKey", "in": "header", "name": "x-agent-key", "description": "An agent's key, `agk_…`."},
                "adminKey": {"type": "apiKey", "in": "header", "name": "x-admin-key", "description": "The admin key."},
                "bearer": {"type": "http", "scheme": "bearer", "description": "Either key."},
            },
        },
    }))
}

/// A path with the last name of each field alone: two paths that differ in the names of their places only would be one
/// path, and not every tool takes a point in a name.
fn plain(template: &str) -> String {
    let part = |part: &str| match part.split_once('}') {
        Some((field, rest)) => format!("{{{}}}{rest}", field.rsplit('.').next().unwrap_or(field)),
        None => part.to_owned(),
    };
    template.split('{').map(part).collect()
}

/// What `own.json` says, by path and method.
fn own_paths() -> BTreeMap<String, Map<String, Value>> {
    // A test reads it.
    serde_json::from_str(OWN).unwrap_or_default()
}

fn operation(binding: &Binding, id: &str, said: &str, schemas: &mut Schemas) -> Value {
    let rpc = &binding.rpc;
    let key = if rpc.route == Route::Admin { "adminKey" } else { "agentKey" };
    let answer = schemas.of(&rpc.output);
    let (kind, what) = if rpc.answers_stream {
        ("application/x-ndjson", "One object a line, as it comes; an error after the first is the last line.")
    } else {
        ("application/json", "The answer.")
    };
    let mut described = json!({
        "operationId": id,
        "summary": summary(said),
        "description": said,
        "tags": [rpc.service],
        "security": [{key: []}, {"bearer": []}],
        "responses": {"200": {"description": what, "content": {kind: {"schema": answer}}}},
    });
    let mut parameters = Vec::new();
    for steps in &binding.places {
        if let Some(field) = steps.last() {
            let schema = schemas.field(field);
            parameters.push(json!({"name": field.name(), "in": "path", "required": true, "schema": schema,
                "description": comment(&field.parent_message().parent_file(), field.path())}));
        }
    }
    if binding.body != Taken::Whole {
        schemas.query(binding, &mut parameters);
    }
    let body = match &binding.body {
        Taken::Nothing => None,
        Taken::Whole => Some(schemas.without(&rpc.input, &binding.places)),
        Taken::Field(field) => field.kind().as_message().map(|message| schemas.of(message)),
    };
    if let Some(members) = described.as_object_mut() {
        if !parameters.is_empty() {
            members.insert("parameters".into(), parameters.into());
        }
        if let Some(schema) = body {
            let content = json!({"required": true, "content": {"application/json": {"schema": schema}}});
            members.insert("requestBody".into(), content);
        }
    }
    with_problems(&mut described);
    described
}

/// Every status that a reason may have, described once.
fn with_problems(operation: &mut Value) {
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    let reasons = (1..).map_while(|number| ErrorReason::try_from(number).ok());
    for status in
        reasons.map(|reason| status::row(reason).http).filter(|status| !UNDESCRIBED.contains(status))
    {
        responses.insert(status.to_string(), json!({"$ref": "#/components/responses/Problem"}));
    }
}

fn problem() -> Value {
    let reasons = (1..).map_while(|number| ErrorReason::try_from(number).ok());
    let codes: Vec<_> = reasons.map(status::name).collect();
    json!({
        "type": "object",
        "description": "An error: nothing was decided or changed.",
        "required": ["detail", "code", "request_id"],
        "properties": {
            "detail": {"type": "string", "description": "What is wrong, for people."},
            "code": {"type": "string", "enum": codes, "description": "What is wrong, for programs."},
            "request_id": {"type": "string", "description": "Under this the log has it."},
            "errors": {"type": "array", "description": "Every bad field.", "items": {
                "type": "object", "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            }},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::gateway::python;
    use crate::server::route::Page;
    use crate::service::json::contract;

    #[test]
    fn every_path_that_is_served_is_described_and_no_other() {
        let contract = contract().unwrap();
        let description = description(&contract).unwrap();
        let mut described = BTreeSet::new();
        for (path, methods) in description["paths"].as_object().unwrap() {
            described.extend(methods.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
        }
        let form =
            |method: &http::Method, path: &str| format!("{} {path}", method.as_str().to_ascii_lowercase());
        let mut served = BTreeSet::new();
        served.extend(
            bindings(&contract)
                .unwrap()
                .iter()
                .map(|found| form(&found.method, &plain(found.template.text()))),
        );
        served.extend(python::Page::ALL.map(python::Page::place).map(|(method, path)| form(&method, path)));
        served.extend(Page::ALL.map(|page| form(&http::Method::GET, page.path())));
        assert_eq!(described, served);
    }

    #[test]
    fn everything_that_is_named_is_there_and_has_a_description() {
        let description = description(&contract().unwrap()).unwrap();
        let text = description.to_string();
        for reference in text.split("\"#/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(description.pointer(&format!("/{reference}")).is_some(), "{reference}");
        }
        for methods in description["paths"].as_object().unwrap().values() {
            for operation in methods.as_object().unwrap().values() {
                assert!(operation["summary"].as_str().is_some_and(|text| text.len() > 5), "{operation}");
            }
        }
        let agent = &description["components"]["schemas"]["Agent"];
        assert_eq!(agent["required"], json!(["name", "team", "environment"]));
        assert_eq!(agent["properties"]["agent_id"]["readOnly"], true);
        assert!(agent["description"].as_str().unwrap().contains("a program that asks before it acts"));
    }

    #[test]
    fn what_stands_in_the_path_is_not_asked_for_in_the_body() {
        let description = description(&contract().unwrap()).unwrap();
        let report = &description["paths"]["/v1/decisions/{decision_id}:reportOutcome"]["post"];
        let schema = &report["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(schema["required"], json!(["outcome"]));
        assert!(schema["properties"].get("decision_id").is_none());
        assert_eq!(report["parameters"][0]["name"], "decision_id");
        let list = &description["paths"]["/v1/audit/records"]["get"]["parameters"];
        let names: Vec<_> =
            list.as_array().unwrap().iter().map(|found| found["name"].as_str().unwrap()).collect();
        assert!(names.contains(&"filter.start_time") && names.contains(&"page_size"), "{names:?}");
    }
}
