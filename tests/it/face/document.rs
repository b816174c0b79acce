//! `docs/http.md` is printed from the paths that the server serves; this keeps it so.

use crate::config::same_as_printed;

#[test]
fn the_page_of_paths_is_what_the_server_serves() {
    let page = agentguard::server::http_document().unwrap();
    same_as_printed("docs/http.md", &page, "UPDATE_DOCS=1 cargo test --test it face::document");
}
