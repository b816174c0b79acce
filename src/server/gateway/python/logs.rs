//! `/logs`: what came of acts, and the audit as agents and admins read it.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::inside::Inside;
use super::members::Members;
use super::query::{Gathered, MAX_LIMIT, Query};
use super::{Failed, Shown};
use crate::pb::v1;
use crate::pb::v1::enforcement_service_server::EnforcementService;
use crate::pb::v1::verify_audit_response::Event;
use crate::service::Error;
use crate::service::convert::Faults;
use crate::service::json::{self, structure, timestamp};

/// Findings that an answer shows; they are counted beyond that.
const SHOWN_FINDINGS: usize = 100;

/// Takes what came of a decision, or of an act that was never asked about. Whatever it says of having been allowed is
/// repeated to it and never taken for a decision.
pub(super) async fn take<E: EnforcementService>(inside: &Inside<'_, E>, body: &[u8]) -> Shown {
    let Value::Object(sent) = json::parse(body)? else {
        return Err(Failed::Here(Error::invalid("body", "is no JSON object")));
    };
    let mut members = Members::new(sent.clone());
    let decision_id = members.text("decision_id");
    let success = success(&mut members);
    let error = members.text("error");
    let metadata = members.object("metadata");
    let has_outcome = success.is_some() || !error.is_empty() || metadata.is_some();
    let outcome = Some(v1::Outcome { success, error, metadata }).filter(|_| has_outcome);
    let (id, at) = if decision_id.is_empty() {
        let report = v1::ReportRequest {
            action: members.text("action"),
            resource: members.text("resource"),
            arguments: members.object("arguments"),
            context: members.object("context"),
            session_id: members.text("session_id"),
            on_behalf_of: members.text("on_behalf_of"),
            outcome,
        };
        let reported: v1::ReportResponse = inside.agents("Report", &members.or(report)?).await?;
        (reported.report_id, reported.timestamp)
    } else {
        let report = v1::ReportOutcomeRequest { decision_id: decision_id.clone(), outcome };
        let _known: v1::ReportOutcomeResponse = inside.agents("ReportOutcome", &members.or(report)?).await?;
        (decision_id, None)
    };
    let mut shown = sent;
    shown.insert("log_id".into(), id.into());
    if let Some(at) = at {
        shown.insert("timestamp".into(), timestamp(&at).into());
    }
    Ok((StatusCode::CREATED, Value::Object(shown)))
}

/// Whether the act succeeded: `success`, or in words `result`.
fn success(members: &mut Members) -> Option<bool> {
    let flag = members.flag("success");
    let word = match members.text("result").to_ascii_lowercase().as_str() {
        "" => return flag,
        "success" => Some(true),
        "error" | "failure" => Some(false),
        _ => {
            members.fault("result", "is none of `success`, `error`, `failure`");
            return flag;
        }
    };
    if flag.is_some() && flag != word {
        members.fault("result", "is not what `success` says");
    }
    word
}

/// Lists decisions, outcomes and reports, the newest first: an agent's own, or for an admin all.
pub(super) async fn list<E: EnforcementService>(inside: &Inside<'_, E>, query: &Query) -> Shown {
    let mut faults = Faults::default();
    let part = query.part("offset", &mut faults);
    let filter = query.records(&mut faults);
    faults.or(Some(()))?;
    let mut gathered = Gathered::new(part);
    let mut page_token = String::new();
    loop {
        let (records, next) = page(inside, filter.clone(), page_token).await?;
        // What admins and chains did has no agent and no action.
        let has_agent = |record: &&v1::AuditRecord| {
            let kind = record.kind();
            [v1::RecordKind::Decision, v1::RecordKind::Outcome, v1::RecordKind::Report].contains(&kind)
        };
        let records = records.iter().filter(has_agent);
        let has_room = records.map(|record| gathered.take(described(record))).last().unwrap_or(true);
        if !has_room || next.is_empty() {
            return Ok((StatusCode::OK, gathered.into_items().into()));
        }
        page_token = next;
    }
}

async fn page<E: EnforcementService>(
    inside: &Inside<'_, E>,
    filter: v1::RecordFilter,
    page_token: String,
) -> Result<(Vec<v1::AuditRecord>, String), Failed> {
    let page_size = i32::try_from(MAX_LIMIT).unwrap_or(i32::MAX);
    let filter = Some(filter);
    if inside.is_agent() {
        let message = v1::ListOwnRecordsRequest { filter, page_size, page_token, oldest_first: false };
        let page: v1::ListOwnRecordsResponse = inside.agents("ListOwnRecords", &message).await?;
        return Ok((page.records, page.next_page_token));
    }
    let message = v1::ListAuditRecordsRequest { filter, page_size, page_token, oldest_first: false };
    let page: v1::ListAuditRecordsResponse = inside.admins("ListAuditRecords", &message).await?;
    Ok((page.records, page.next_page_token))
}

fn described(record: &v1::AuditRecord) -> Value {
    let bare = |name: &'static str, prefix: &str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
    let is_decision = record.kind() == v1::RecordKind::Decision;
    let id = if record.report_id.is_empty() { &record.decision_id } else { &record.report_id };
    let outcome = record.outcome.as_ref();
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
    put("log_id", id.as_str().into());
    put("kind", bare(record.kind().as_str_name(), "RECORD_KIND_").to_lowercase().into());
    put("timestamp", record.timestamp.as_ref().map(timestamp).into());
    put("agent_id", record.agent.as_ref().map(|agent| agent.agent_id.clone()).into());
    put("decision_id", Some(record.decision_id.clone()).filter(|id| !id.is_empty()).into());
    put("action", record.action.as_str().into());
    put("resource", record.resource.clone().into());
    put("arguments", record.arguments.clone().map(structure).into());
    put("context", record.context.clone().map(structure).into());
    put("allowed", Some(record.allowed).filter(|_| is_decision).into());
    let code = bare(record.reason_code().as_str_name(), "REASON_CODE_");
    put("reason_code", Some(code).filter(|_| is_decision).into());
    put("result", outcome.map(|outcome| if outcome.success() { "success" } else { "error" }).into());
    put("error", outcome.map(|outcome| outcome.error.clone()).filter(|text| !text.is_empty()).into());
    put("metadata", outcome.and_then(|outcome| outcome.metadata.clone()).map(structure).into());
    put("request_id", record.request_id.as_str().into());
    Value::Object(shown)
}

/// Verifies the audit, whole, and says what was found once that is done.
pub(super) async fn verify<E: EnforcementService>(inside: &Inside<'_, E>) -> Shown {
    let message = v1::VerifyAuditRequest::default();
    let events: Vec<v1::VerifyAuditResponse> = inside.admins_all("VerifyAudit", &message).await?;
    let (mut findings, mut summary) = (Vec::new(), None);
    for event in events {
        match event.event {
            Some(Event::Finding(finding)) if findings.len() < SHOWN_FINDINGS => {
                let kind = finding.kind().as_str_name();
                findings.push(json!({
                    "kind": kind.strip_prefix("FINDING_KIND_").unwrap_or(kind),
                    "tampered": finding.tampered,
                    "chain_id": finding.chain_id,
                    "seq": finding.seq,
                    "message": finding.message,
                }));
            }
            Some(Event::Summary(found)) => summary = Some(found),
            Some(Event::Finding(_) | Event::Progress(_)) | None => {}
        }
    }
    // Without a summary nothing was verified, and that must not look like an answer.
    let summary = summary.ok_or_else(|| Error::internal("a verification without a summary"))?;
    let shown = json!({
        "valid": summary.ok,
        "records": summary.records,
        "chains": summary.chains,
        "tampered_count": summary.tampered_count,
        "notice_count": summary.notice_count,
        "findings": findings,
    });
    Ok((StatusCode::OK, shown))
}
