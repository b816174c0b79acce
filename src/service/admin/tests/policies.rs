use super::*;

fn everyone() -> Option<Scope> {
    Some(Scope { kind: Some(scope::Kind::Everyone(scope::Everyone {})) })
}

fn allow(action: &str) -> Vec<Rule> {
    vec![Rule { action: action.into(), ..Default::default() }]
}

fn allowing(action: &str, etag: &str) -> v1::SetPolicyRequest {
    let policy = Policy { scope: everyone(), allow: allow(action), etag: etag.into(), ..Default::default() };
    v1::SetPolicyRequest { policy: Some(policy), validate_only: false }
}

fn get(version: i32) -> v1::GetPolicyRequest {
    v1::GetPolicyRequest { scope: everyone(), version }
}

fn versions() -> v1::ListPolicyVersionsRequest {
    v1::ListPolicyVersionsRequest { scope: everyone(), ..Default::default() }
}

#[tokio::test]
async fn every_fault_is_named_and_nothing_is_stored() {
    let guard = Guard::start().await;
    let policy = Policy {
        scope: everyone(),
        deny: allow(r"a\b"),
        allow: vec![Rule { action: "read:*".into(), resource: Some(String::new()), ..Default::default() }],
        ..Default::default()
    };
    let set = v1::SetPolicyRequest { policy: Some(policy), validate_only: false };
    let status = call!(guard, set_policy, set).unwrap_err();
    let details = format!("{:?}", String::from_utf8_lossy(status.details()));
    assert!(
        details.contains("policy.deny[0].action") && details.contains("policy.allow[0].resource"),
        "{details}"
    );
    assert_eq!(reason(&call!(guard, get_policy, get(0)).unwrap_err()), "NOT_FOUND");
}

#[tokio::test]
async fn to_validate_only_stores_nothing() {
    let guard = Guard::start().await;
    let mut set = allowing("read:*", "");
    set.validate_only = true;
    let checked = call!(guard, set_policy, set).unwrap();
    assert_eq!(checked.revision, "");
    assert_ne!(checked.policy.unwrap().allow[0].id, "");
    assert_eq!(reason(&call!(guard, get_policy, get(0)).unwrap_err()), "NOT_FOUND");
}

#[tokio::test]
async fn an_etag_must_be_that_of_the_policy_as_it_is() {
    let guard = Guard::start().await;
    let first = call!(guard, set_policy, allowing("read:*", "absent")).unwrap().policy.unwrap();
    assert_eq!((first.version, first.policy_id.starts_with("pol_")), (1, true));
    let refused = call!(guard, set_policy, allowing("write:*", "absent")).unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    let second = call!(guard, set_policy, allowing("write:*", &first.etag)).unwrap().policy.unwrap();
    assert_eq!((second.version, second.policy_id), (2, first.policy_id));
    let stale = v1::DeletePolicyRequest { scope: everyone(), etag: first.etag };
    assert_eq!(reason(&call!(guard, delete_policy, stale).unwrap_err()), "ETAG_MISMATCH");
    call!(guard, delete_policy, v1::DeletePolicyRequest { scope: everyone(), etag: second.etag }).unwrap();
}

#[tokio::test]
async fn versions_never_change_and_go_on_after_a_deletion() {
    let guard = Guard::start().await;
    call!(guard, set_policy, allowing("read:*", "")).unwrap();
    call!(guard, set_policy, allowing("write:*", "")).unwrap();
    call!(guard, delete_policy, v1::DeletePolicyRequest { scope: everyone(), etag: String::new() }).unwrap();
    assert_eq!(reason(&call!(guard, get_policy, get(0)).unwrap_err()), "NOT_FOUND");
    assert_eq!(call!(guard, get_policy, get(1)).unwrap().policy.unwrap().allow[0].action, "read:*");
    assert_eq!(reason(&call!(guard, get_policy, get(3)).unwrap_err()), "FAILED_PRECONDITION");
    assert_eq!(reason(&call!(guard, get_policy, get(4)).unwrap_err()), "NOT_FOUND");

    let back = |version| v1::RollbackPolicyRequest { scope: everyone(), version, etag: String::new() };
    assert_eq!(reason(&call!(guard, rollback_policy, back(0)).unwrap_err()), "INVALID_ARGUMENT");
    assert_eq!(reason(&call!(guard, rollback_policy, back(3)).unwrap_err()), "FAILED_PRECONDITION");
    let restored = call!(guard, rollback_policy, back(1)).unwrap().policy.unwrap();
    assert_eq!((restored.version, restored.allow[0].action.as_str()), (4, "read:*"));

    let listed = call!(guard, list_policy_versions, versions()).unwrap().versions;
    let shown: Vec<_> = listed.iter().map(|one| (one.version, one.is_current, one.is_deletion)).collect();
    assert_eq!(shown, [(4, true, false), (3, false, true), (2, false, false), (1, false, false)]);
    assert_eq!(listed[0].actor, "admin");
}

#[tokio::test]
async fn policies_and_versions_come_in_pages_beyond_one_chunk() {
    let guard = Guard::start().await;
    for at in 0..20 {
        let scope = Some(Scope { kind: Some(scope::Kind::Team(format!("team {at}"))) });
        let policy = Policy { scope, allow: allow("read:*"), ..Default::default() };
        let set = v1::SetPolicyRequest { policy: Some(policy), validate_only: false };
        call!(guard, set_policy, set).unwrap();
        call!(guard, set_policy, allowing(&format!("read:{at}"), "")).unwrap();
    }
    let list = |page_size, page_token| v1::ListPoliciesRequest { page_size, page_token };
    let first = call!(guard, list_policies, list(18, String::new())).unwrap();
    assert_eq!((first.policies.len(), first.policies[0].allow_count), (18, 1));
    let rest = call!(guard, list_policies, list(18, first.next_page_token)).unwrap();
    assert_eq!((rest.policies.len(), rest.next_page_token.as_str()), (3, ""));

    let first = v1::ListPolicyVersionsRequest { page_size: 17, ..versions() };
    let first = call!(guard, list_policy_versions, first).unwrap();
    assert_eq!((first.versions.len(), first.versions[16].version), (17, 4));
    let rest =
        v1::ListPolicyVersionsRequest { page_size: 17, page_token: first.next_page_token, ..versions() };
    let rest = call!(guard, list_policy_versions, rest).unwrap();
    assert_eq!((rest.versions.len(), rest.next_page_token.as_str()), (3, ""));
}

#[tokio::test]
async fn warnings_name_their_field() {
    let guard = Guard::start().await;
    let deny =
        vec![Rule { action: "read:file".into(), resource: Some("/etc/*".into()), ..Default::default() }];
    let policy = Policy { scope: everyone(), deny, ..Default::default() };
    let set = v1::SetPolicyRequest { policy: Some(policy), validate_only: true };
    let warnings = call!(guard, set_policy, set).unwrap().warnings;
    assert_eq!(warnings[0].field, "policy.deny[0].resource");
}

fn test(subject: Option<v1::test_policy_request::Subject>) -> v1::TestPolicyRequest {
    let request =
        v1::EnforceRequest { action: "read_file".into(), resource: "/a".into(), ..Default::default() };
    v1::TestPolicyRequest { subject, request: Some(request), ..Default::default() }
}

#[tokio::test]
async fn a_dry_run_explains_every_rule_and_leaves_no_trace() {
    let guard = Guard::start().await;
    let (id, _) = guard.agent("reader").await;
    let policy = Policy {
        scope: everyone(),
        allow: vec![
            Rule { id: "other".into(), action: "write:*".into(), ..Default::default() },
            Rule { id: "reads".into(), action: "read:*".into(), ..Default::default() },
        ],
        ..Default::default()
    };
    let set = v1::SetPolicyRequest { policy: Some(policy), validate_only: false };
    let revision = call!(guard, set_policy, set).unwrap().revision;
    let asked = test(Some(v1::test_policy_request::Subject::AgentId(id)));
    let shown =
        call!(guard, test_policy, v1::TestPolicyRequest { show_unmatched: true, ..asked.clone() }).unwrap();
    let decision = shown.decision.unwrap();
    assert!(decision.allowed && decision.decision_id.is_empty());
    assert_eq!((decision.rule_id.as_str(), decision.policy_version), ("reads", 1));
    assert_eq!(decision.policy_revision, revision);
    let rules: Vec<_> =
        shown.rules.iter().map(|rule| (rule.rule_id.as_str(), rule.index, rule.outcome())).collect();
    let expected = [("other", 0, v1::RuleOutcome::NotMatched), ("reads", 1, v1::RuleOutcome::Matched)];
    assert_eq!(rules, expected);
    assert_eq!((shown.rules[1].is_deciding, shown.rules[1].policy_version), (true, 1));
    assert_eq!(call!(guard, test_policy, asked).unwrap().rules.len(), 1);

    let kind = v1::RecordKind::Decision.into();
    let list = v1::ListAuditRecordsRequest {
        filter: Some(RecordFilter { kind, ..Default::default() }),
        ..Default::default()
    };
    assert!(call!(guard, list_audit_records, list).unwrap().records.is_empty());
    assert_eq!(call!(guard, get_stats, v1::GetStatsRequest {}).unwrap().revision, revision);
}

#[tokio::test]
async fn a_candidate_stands_in_for_the_stored_policy_of_its_scope() {
    let guard = Guard::start().await;
    call!(guard, set_policy, allowing("read:*", "")).unwrap();
    let described =
        Agent { name: "x".into(), team: "t".into(), environment: "dev".into(), ..Default::default() };
    let asked = test(Some(v1::test_policy_request::Subject::Agent(described)));
    assert!(call!(guard, test_policy, asked.clone()).unwrap().decision.unwrap().allowed);

    let none = v1::TestPolicyRequest { candidates_only: true, ..asked.clone() };
    let decision = call!(guard, test_policy, none).unwrap().decision.unwrap();
    assert_eq!(decision.reason_code(), v1::ReasonCode::DeniedNoPolicy);

    let candidates = vec![Policy { scope: everyone(), deny: allow("read:*"), ..Default::default() }];
    let denied = v1::TestPolicyRequest { candidates, ..asked.clone() };
    let decision = call!(guard, test_policy, denied).unwrap().decision.unwrap();
    assert_eq!((decision.reason_code(), decision.policy_version), (v1::ReasonCode::DeniedByRule, 0));

    let scope = Some(Scope { kind: Some(scope::Kind::Team("t".into())) });
    let candidates = vec![Policy { scope, deny: allow("read:*"), ..Default::default() }];
    let fresh = v1::TestPolicyRequest { candidates, ..asked.clone() };
    let shown = call!(guard, test_policy, fresh).unwrap();
    assert_eq!((shown.decision.unwrap().policy_id.as_str(), shown.rules[0].policy_id.as_str()), ("", ""));

    let scope = Some(Scope { kind: Some(scope::Kind::Team("other".into())) });
    let candidates = vec![
        Policy { scope, ..Default::default() },
        Policy { scope: everyone(), deny: allow(r"\"), ..Default::default() },
    ];
    let bad = v1::TestPolicyRequest { candidates, ..asked };
    let status = call!(guard, test_policy, bad).unwrap_err();
    let details = String::from_utf8_lossy(status.details()).into_owned();
    assert!(
        details.contains("candidates[0].scope") && details.contains("candidates[1].deny[0].action"),
        "{details}"
    );
    let nobody = call!(guard, test_policy, test(None)).unwrap_err();
    assert_eq!(reason(&nobody), "INVALID_ARGUMENT");
}
