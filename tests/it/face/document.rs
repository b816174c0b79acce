//! `docs/http.md` and `docs/openapi.json` are printed from the paths that the server serves; this keeps them so.

use crate::config::same_as_printed;

#[test]
fn the_page_of_paths_is_what_the_server_serves() {
    let page = agentguard::server::http_document().unwrap();
    same_as_printed("docs/http.md", &page, "UPDATE_DOCS=1 cargo test --test it face::document");
}

#[test]
fn the_description_is_what_the_server_shows() {
    let description = agentguard::server::openapi_document().unwrap();
    let text = format!("{}\n", serde_json::to_string_pretty(&description).unwrap());
    same_as_printed("docs/openapi.json", &text, "UPDATE_DOCS=1 cargo test --test it face::document");
}
