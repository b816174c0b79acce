//! `docs/http.md`, printed from the paths that the server serves.

use std::fmt::Write;

use prost_reflect::DescriptorPool;

use super::annotations::{Taken, rpcs};
use super::python;
use super::table::Table;
use crate::server::route::{Page, Wants};

const HEAD: &str = "\
# HTTP

<!-- Printed by the program from proto/agentguard/v1 and src/server/gateway; do not edit. Remedy: UPDATE_DOCS=1 cargo test --test it face::document -->

gRPC, gRPC-Web and JSON share one port, the same checks and the same services. A key comes in `x-agent-key`, `x-admin-key` or `authorization: Bearer KEY`; exactly one.

A verdict is always 200. An error is `{\"detail\", \"code\", \"request_id\"}`, for bad fields also `errors` with `field` and `message` of each; `code` is a reason of [errors.md](errors.md), which has the status of each. 429 and 503 say `Retry-After` in seconds. `x-request-id` is taken over (1 to 128 of `[A-Za-z0-9._-]`) or made, and comes back with every answer.

## The contract: `/v1`

Each call of the contract has these forms; messages are described in [the contract](../proto/agentguard/v1). Bodies and answers are proto JSON: the proto's field names (names in camelCase are read too), defaults always written, 64-bit numbers as text, times in RFC 3339, enums by their whole name (`VERDICT_ALLOW`). Fields that are neither in the path nor in the body come as query parameters (`filter.allowed=false`), lists by repeating them. Unknown members and parameters are ignored; in policies unknown members are refused, and so is an object that names a key twice. HEAD is answered wherever GET is. What has a body wants `content-type: application/json`, but an empty body is an empty request.

A streamed answer is NDJSON (`application/x-ndjson`): one message a line, as it comes. An error after the first line is the last line, `{\"error\": {\"detail\", \"code\", \"request_id\"}}`.

gRPC-Web (`application/grpc-web` and `application/grpc-web-text`) is spoken on the paths of gRPC.

";

const PYTHON: &str = "
## The Python AgentGuard's paths

For callers that know them; `owner_team` is `team` elsewhere, enums come without prefix, and policies may use the short forms of policy files. `GET /logs` shows an agent its own and an admin all. What `POST /logs` says is a record of kind `outcome` (with `decision_id`) or `report` and never taken for a decision; `result` is `success`, `error` or `failure`. Lists take `limit` (1 to 1,000, usually 100), and `skip` or `offset` up to 10,000; `/v1` has tokens for more.

| method and path | key of | body, parameters | answer |
|---|---|---|---|
";

const OTHERS: &str = "
## Pages

They need no key.

| path | answer |
|---|---|
";

/// The page as Markdown.
pub(super) fn markdown(contract: &DescriptorPool, table: &Table) -> String {
    let mut page = String::from(HEAD);
    page.push_str("| call | method and path | body |\n|---|---|---|\n");
    for rpc in rpcs(contract).flatten() {
        let (rpc, _) = rpc;
        let name = format!("`{}.{}`", rpc.service, rpc.name);
        let mut forms = table.bindings().filter(|binding| binding.rpc.path == rpc.path).peekable();
        if forms.peek().is_none() {
            line(&mut page, &format!("| {name} | none: it needs gRPC | |"));
        }
        for form in forms {
            let body = match &form.body {
                Taken::Nothing => "none".to_owned(),
                Taken::Whole => format!("`{}`", rpc.input.name()),
                Taken::Field(field) => {
                    field.kind().as_message().map_or_else(String::new, |kind| format!("`{}`", kind.name()))
                }
            };
            let stream = if rpc.answers_stream { ", answers NDJSON" } else { "" };
            line(
                &mut page,
                &format!("| {name} | `{} {}`{stream} | {body} |", form.method, form.template.text()),
            );
        }
    }
    page.push_str(PYTHON);
    for python in python::Page::ALL {
        let (method, path) = python.place();
        let key = match python.wants() {
            Wants::Agent => "agent",
            Wants::Admin => "admin",
            Wants::Either => "agent, admin",
        };
        let (asked, answered) = python.says();
        line(&mut page, &format!("| `{method} {path}` | {key} | {asked} | {answered} |"));
    }
    page.push_str(OTHERS);
    for other in Page::ALL {
        line(&mut page, &format!("| `{}` | {} |", other.path(), other.says()));
    }
    page
}

fn line(page: &mut String, text: &str) {
    // Writing to a string cannot fail.
    writeln!(page, "{text}").ok();
}
