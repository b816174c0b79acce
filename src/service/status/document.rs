//! `docs/errors.md`, made from the comments of the contract's `ErrorReason` and the table beside it, so that neither
//! can be changed without the page.

use std::fmt::Write;

use prost::Message;
use prost_types::FileDescriptorSet;

use super::{Retry, name, row};
use crate::pb::DESCRIPTOR_SET;
use crate::pb::v1::ErrorReason;

const HEAD: &str = "\
# Errors

<!-- Generated from proto/agentguard/v1/errors.proto and src/service/status.rs; a test compares it. -->

A denial is no error: it is an answer with the status `OK` and a verdict. An error means that nothing was decided;
treat it as a denial. Every error is a `google.rpc.Status` with an `ErrorInfo` (`domain: agentguard`, one of the
reasons below, `metadata.request_id`); on HTTP it is `{\"detail\", \"code\", \"request_id\"}`. `BadRequest` names every bad
field; where the same call may be tried again, `RetryInfo`, `grpc-retry-pushback-ms` and `Retry-After` say when.

";

/// The page as Markdown.
pub fn document() -> String {
    let comments = comments();
    let reasons = || {
        (1..)
            .map_while(|number| ErrorReason::try_from(number).ok())
            .map(|reason| (reason, name(reason), row(reason)))
    };
    let mut page = String::from(HEAD);
    page.push_str("| Reason | gRPC code | HTTP | Try again |\n|---|---|---|---|\n");
    for (reason, name, row) in reasons() {
        let retry = match row.retry {
            Retry::Never => "no".to_owned(),
            Retry::After(delay) if delay.is_zero() => "at once".to_owned(),
            Retry::After(delay) => format!("after {} ms", delay.as_millis()),
            Retry::Limited => "as `RetryInfo` says".to_owned(),
        };
        let code = code_name(reason);
        let anchor = name.to_lowercase();
        line(&mut page, &format!("| [`{name}`](#{anchor}) | `{code}` | {} | {retry} |", row.http));
    }
    for (reason, name, _) in reasons() {
        line(&mut page, &format!("\n## {name}\n"));
        let number = usize::try_from(i32::from(reason)).unwrap_or_default();
        let comment = comments.get(number).map(String::as_str).unwrap_or_default();
        for paragraph in paragraphs(comment) {
            let marked = ["Likely cause:", "What to do:"]
                .iter()
                .find_map(|label| paragraph.strip_prefix(label).map(|rest| format!("**{label}**{rest}")));
            line(&mut page, &format!("{}\n", marked.as_deref().unwrap_or(&paragraph)));
        }
        page.truncate(page.trim_end().len());
        page.push('\n');
    }
    page
}

/// What the contract's comment advises to do about the reason of this name (`NOT_FOUND`); `None` for an unknown one.
pub fn remedy(reason: &str) -> Option<String> {
    let number = i32::from(ErrorReason::from_str_name(&format!("ERROR_REASON_{reason}"))?);
    let comments = comments();
    let comment = comments.get(usize::try_from(number).ok()?)?;
    paragraphs(comment).iter().find_map(|part| part.strip_prefix("What to do: ").map(str::to_owned))
}

fn line(page: &mut String, text: &str) {
    // Writing to a string cannot fail.
    writeln!(page, "{text}").ok();
}

fn code_name(reason: ErrorReason) -> String {
    let code = format!("{:?}", row(reason).code);
    let mut name = String::new();
    for letter in code.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// The comment's paragraphs, each on one line.
fn paragraphs(comment: &str) -> Vec<String> {
    comment
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|paragraph| !paragraph.is_empty())
        .collect()
}

/// The comment of each value of `ErrorReason`, by number.
fn comments() -> Vec<String> {
    // Numbers of the fields in descriptor.proto: an enum in a file, a value in an enum.
    const ENUM: i32 = 5;
    const VALUE: i32 = 2;
    let set = FileDescriptorSet::decode(DESCRIPTOR_SET).unwrap_or_default();
    let Some(file) = set.file.iter().find(|file| file.name() == "agentguard/v1/errors.proto") else {
        return Vec::new();
    };
    let places = file.source_code_info.iter().flat_map(|info| &info.location);
    let mut comments = Vec::new();
    for place in places {
        let &[ENUM, 0, VALUE, value] = place.path.as_slice() else { continue };
        let number = file
            .enum_type
            .first()
            .and_then(|reasons| reasons.value.get(usize::try_from(value).ok()?))
            .and_then(|value| usize::try_from(value.number()).ok());
        if let Some(number) = number {
            comments.resize(comments.len().max(number + 1), String::new());
            if let Some(slot) = comments.get_mut(number) {
                // The compiler keeps the space after `//`.
                *slot = place.leading_comments().lines().map(str::trim).collect::<Vec<_>>().join("\n");
            }
        }
    }
    comments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_says_what_it_is_its_cause_and_what_to_do() {
        for (number, comment) in comments().iter().enumerate() {
            let parts = paragraphs(comment);
            assert_eq!(parts.len(), 3, "reason {number}: {comment}");
            assert!(parts[1].starts_with("Likely cause: "), "reason {number}");
            assert!(parts[2].starts_with("What to do: "), "reason {number}");
        }
    }

    #[test]
    fn docs_errors_md_is_what_the_contract_says() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let fresh = document();
        let kept = std::fs::read_to_string(root.join("docs/errors.md")).unwrap_or_default();
        if kept != fresh {
            let target = root.join("target/docs-errors.md");
            std::fs::write(&target, &fresh).unwrap();
            panic!("docs/errors.md is out of date; run: cp target/docs-errors.md docs/errors.md");
        }
    }
}
