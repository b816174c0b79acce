//! Every call with an HTTP form, as it is asked by JSON and as it is asked by gRPC. `$name` stands for what an earlier
//! answer held.

use serde_json::{Value, json};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Agent,
    Admin,
    Nobody,
}

/// One call, both ways.
#[derive(Clone, Debug)]
pub struct Step {
    pub by: By,
    pub rpc: &'static str,
    pub method: &'static str,
    pub path: &'static str,
    /// The body; `null` is none.
    pub body: Value,
    /// The whole message.
    pub message: Value,
    /// What to remember of the answer: a name and where it stands.
    pub keep: &'static [(&'static str, &'static str)],
    /// The reason of the error; empty if there is none.
    pub reason: &'static str,
}

const fn step(by: By, rpc: &'static str, method: &'static str, path: &'static str) -> Step {
    Step { by, rpc, method, path, body: Value::Null, message: Value::Null, keep: &[], reason: "" }
}

impl Step {
    /// Body and message are the same.
    fn whole(self, message: Value) -> Self {
        Self { body: message.clone(), message, ..self }
    }

    fn body(self, body: Value) -> Self {
        Self { body, ..self }
    }

    fn message(self, message: Value) -> Self {
        Self { message, ..self }
    }

    fn keep(self, keep: &'static [(&'static str, &'static str)]) -> Self {
        Self { keep, ..self }
    }

    fn refused(self, reason: &'static str) -> Self {
        Self { reason, ..self }
    }
}

/// The calls, in their order: later ones need what earlier ones made.
pub fn steps() -> Vec<Step> {
    let agent = json!({"name": "worker", "team": "a/b c", "environment": "prod", "labels": {"tier": "gold"}});
    let policy = json!({"scope": {"team": "a/b c"}, "allow": [
        {"id": "reads", "action": "read:**", "conditions": {"env": {"values": ["production"]}}},
        {"action": "pay", "conditions": {"expression": "arguments.amount < 10"}}],
        "deny": [{"id": "no", "action": "delete:*", "reason": "agents delete nothing"}]});
    let own = json!({"scope": {"agent_id": "$agent"}, "require_approval": [{"action": "deploy:**"}]});
    let team = || json!({"scope": {"team": "a/b c"}});
    let agents = |rest: Value| {
        let mut scope = json!({"scope": {"agent_id": "$agent"}});
        scope.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        scope
    };
    let check = json!({"action": "readFile", "resource": "/a", "arguments": {"n": 1, "s": ["x", null, true]},
        "context": {"deep": {"er": 1.5}}, "session_id": "s", "on_behalf_of": "u", "idempotency_key": "k-1"});
    let admin = |rpc, method, path| step(By::Admin, rpc, method, path);
    let calls = |rpc, method, path| step(By::Agent, rpc, method, path);
    vec![
        // Agents and keys.
        admin("CreateAgent", "POST", "/v1/agents")
            .body(agent.clone())
            .message(json!({"agent": agent}))
            .keep(&[("agent", "/agent/agent_id"), ("key", "/api_key"), ("key_id", "/key/key_id")]),
        admin("CreateAgent", "POST", "/v1/agents?key_expire_time=2100-01-01T00:00:00Z")
            .body(json!({"name": "other", "team": "t", "environment": "dev", "is_active": false}))
            .message(json!({"agent": {"name": "other", "team": "t", "environment": "dev", "is_active": false},
                "key_expire_time": "2100-01-01T00:00:00Z"})),
        admin("CreateAgent", "POST", "/v1/agents")
            .body(json!({"team": "", "environment": "mars"}))
            .message(json!({"agent": {"team": "", "environment": "mars"}}))
            .refused("INVALID_ARGUMENT"),
        admin("GetAgent", "GET", "/v1/agents/$agent").message(json!({"agent_id": "$agent"})),
        admin("GetAgent", "GET", "/v1/agents/agt_x").message(json!({"agent_id": "agt_x"})).refused("INVALID_ARGUMENT"),
        admin("GetAgent", "GET", "/v1/agents/agt_01h455vb4pex5vsknk084sn02q")
            .message(json!({"agent_id": "agt_01h455vb4pex5vsknk084sn02q"}))
            .refused("NOT_FOUND"),
        admin("ListAgents", "GET", "/v1/agents?page_size=1&environment=production")
            .message(json!({"page_size": 1, "environment": "production"})),
        admin("ListAgents", "GET", "/v1/agents?page_size=1").message(json!({"page_size": 1})).keep(&[("token", "/next_page_token")]),
        admin("ListAgents", "GET", "/v1/agents?page_size=1&page_token=$token").message(json!({"page_size": 1, "page_token": "$token"})),
        admin("ListAgents", "GET", "/v1/agents?team=t&page_token=$token")
            .message(json!({"team": "t", "page_token": "$token"}))
            .refused("PAGE_TOKEN_INVALID"),
        admin("UpdateAgent", "PATCH", "/v1/agents/$agent?update_mask=labels,name")
            .body(json!({"name": "renamed"}))
            .message(json!({"agent": {"agent_id": "$agent", "name": "renamed"}, "update_mask": "labels,name"})),
        admin("UpdateAgent", "PATCH", "/v1/agents/$agent?update_mask=nothing")
            .body(json!({}))
            .message(json!({"agent": {"agent_id": "$agent"}, "update_mask": "nothing"}))
            .refused("INVALID_ARGUMENT"),
        admin("SetRateLimit", "PUT", "/v1/agents/$agent/rate-limit")
            .body(json!({"limit": "500/minute"}))
            .message(json!({"agent_id": "$agent", "limit": "500/minute"})),
        admin("SetRateLimit", "PUT", "/v1/agents/$agent/rate-limit")
            .body(json!({"limit": "often"}))
            .message(json!({"agent_id": "$agent", "limit": "often"}))
            .refused("INVALID_ARGUMENT"),
        admin("GetRateLimit", "GET", "/v1/agents/$agent/rate-limit").message(json!({"agent_id": "$agent"})),
        admin("SetKillSwitch", "PUT", "/v1/kill-switches")
            .body(json!({"scope": {"team": "stopped"}, "is_on": true, "reason": "drill"}))
            .message(json!({"scope": {"team": "stopped"}, "is_on": true, "reason": "drill"})),
        admin("SetKillSwitch", "PUT", "/v1/kill-switches")
            .body(json!({"scope": {"team": "stopped"}, "is_on": true}))
            .message(json!({"scope": {"team": "stopped"}, "is_on": true}))
            .refused("INVALID_ARGUMENT"),
        admin("ListKillSwitches", "GET", "/v1/kill-switches?page_size=5").message(json!({"page_size": 5})),
        admin("SetKillSwitch", "PUT", "/v1/kill-switches")
            .body(json!({"scope": {"team": "stopped"}, "is_on": false}))
            .message(json!({"scope": {"team": "stopped"}, "is_on": false})),
        admin("CreateAgentKey", "POST", "/v1/agents/$agent/keys")
            .body(json!({"expire_time": "2100-01-01T00:00:00.5Z"}))
            .message(json!({"agent_id": "$agent", "expire_time": "2100-01-01T00:00:00.5Z"}))
            .keep(&[("spare", "/key/key_id")]),
        admin("CreateAgentKey", "POST", "/v1/agents/$agent/keys")
            .body(json!({"expire_time": "2001-01-01T00:00:00Z"}))
            .message(json!({"agent_id": "$agent", "expire_time": "2001-01-01T00:00:00Z"}))
            .refused("INVALID_ARGUMENT"),
        admin("RevokeAgentKey", "POST", "/v1/keys/$spare:revoke").message(json!({"key_id": "$spare"})),
        admin("ListAgentKeys", "GET", "/v1/agents/$agent/keys?page_size=5").message(json!({"agent_id": "$agent", "page_size": 5})),
        // Policies.
        admin("SetPolicy", "PUT", "/v1/policies?validate_only=true")
            .body(policy.clone())
            .message(json!({"policy": policy.clone(), "validate_only": true})),
        admin("SetPolicy", "PUT", "/v1/policies").body(policy.clone()).message(json!({"policy": policy})),
        admin("SetPolicy", "PUT", "/v1/policies").body(own.clone()).message(json!({"policy": own})).keep(&[("etag", "/policy/etag")]),
        admin("SetPolicy", "PUT", "/v1/policies")
            .body(json!({"scope": {"everyone": {}}, "allow": [{"action": "de*", "conditions": {}}, {"action": "a", "resource": ""}]}))
            .message(json!({"policy": {"scope": {"everyone": {}}, "allow": [{"action": "de*", "conditions": {}}, {"action": "a", "resource": ""}]}}))
            .refused("INVALID_ARGUMENT"),
        admin("SetPolicy", "PUT", "/v1/policies")
            .body(json!({"scope": {"agent_id": "$agent"}, "etag": "old"}))
            .message(json!({"policy": {"scope": {"agent_id": "$agent"}, "etag": "old"}}))
            .refused("ETAG_MISMATCH"),
        admin("GetPolicy", "POST", "/v1/policies:get").whole(team()),
        admin("GetPolicy", "GET", "/v1/policies/team/a%2Fb%20c?version=1")
            .message(json!({"scope": {"team": "a/b c"}, "version": 1})),
        admin("GetPolicy", "GET", "/v1/policies/agent/$agent").message(agents(json!({}))),
        admin("GetPolicy", "POST", "/v1/policies:get").whole(json!({"scope": {"everyone": {}}})).refused("NOT_FOUND"),
        admin("GetPolicy", "POST", "/v1/policies:get").whole(json!({})).refused("INVALID_ARGUMENT"),
        admin("ListPolicies", "GET", "/v1/policies?page_size=10").message(json!({"page_size": 10})),
        admin("TestPolicy", "POST", "/v1/policies:test").whole(json!({"agent_id": "$agent", "now": "2026-01-05T12:00:00Z",
            "request": {"action": "pay", "arguments": {"amount": "7"}}, "show_unmatched": true})),
        admin("TestPolicy", "POST", "/v1/policies:test").whole(json!({"agent_id": "$agent"})).refused("INVALID_ARGUMENT"),
        // Checks.
        calls("Enforce", "POST", "/v1/enforce").whole(check.clone()).keep(&[("decision", "/decision/decision_id")]),
        calls("Enforce", "POST", "/v1/enforce").whole(json!({"action": "delete:file"})),
        calls("Enforce", "POST", "/v1/enforce").whole(json!({"action": "deploy_app", "approval_id": "apr"})),
        calls("Enforce", "POST", "/v1/enforce").whole(json!({"action": "", "session_id": "s".repeat(300)})).refused("INVALID_ARGUMENT"),
        calls("Enforce", "POST", "/v1/enforce")
            .whole(json!({"action": "other", "idempotency_key": "k-1"}))
            .refused("IDEMPOTENCY_KEY_REUSED"),
        calls("Enforce", "POST", "/v1/enforce").whole(json!({"action": "a", "min_revision": "zzzzzz.1"})).refused("REVISION_UNKNOWN"),
        calls("Enforce", "POST", "/v1/enforce").whole(json!({"action": "a", "resource": "x".repeat(300_000)})).refused("MESSAGE_TOO_LARGE"),
        calls("BatchEnforce", "POST", "/v1/enforce:batch")
            .whole(json!({"checks": [{"action": "read:a"}, {"action": ""}, {"action": "pay", "arguments": {"amount": 3}}]})),
        calls("BatchEnforce", "POST", "/v1/enforce:batch").whole(json!({})).refused("INVALID_ARGUMENT"),
        calls("ReportOutcome", "POST", "/v1/decisions/$decision:reportOutcome")
            .body(json!({"outcome": {"success": false, "error": "no disk", "metadata": {"n": 1}}}))
            .message(json!({"decision_id": "$decision", "outcome": {"success": false, "error": "no disk", "metadata": {"n": 1}}})),
        calls("ReportOutcome", "POST", "/v1/decisions/$decision:reportOutcome")
            .body(json!({"outcome": {"success": true}}))
            .message(json!({"decision_id": "$decision", "outcome": {"success": true}}))
            .refused("ALREADY_EXISTS"),
        calls("ReportOutcome", "POST", "/v1/decisions/dec_01h455vb4pex5vsknk084sn02q:reportOutcome")
            .body(json!({"outcome": {"success": true}}))
            .message(json!({"decision_id": "dec_01h455vb4pex5vsknk084sn02q", "outcome": {"success": true}}))
            .refused("NOT_FOUND"),
        calls("Report", "POST", "/v1/reports")
            .whole(json!({"action": "sent mail", "resource": "m", "outcome": {"success": true, "metadata": {"to": "x"}}})),
        calls("Report", "POST", "/v1/reports").whole(json!({"outcome": {}})).refused("INVALID_ARGUMENT"),
        calls("WhoAmI", "GET", "/v1/whoami"),
        calls("ListOwnRecords", "GET", "/v1/records?filter.allowed=false&filter.kind=RECORD_KIND_DECISION&oldest_first=true")
            .message(json!({"filter": {"allowed": false, "kind": "RECORD_KIND_DECISION"}, "oldest_first": true})),
        calls("ListOwnRecords", "GET", "/v1/records?filter.agent_id=agt_01h455vb4pex5vsknk084sn02q")
            .message(json!({"filter": {"agent_id": "agt_01h455vb4pex5vsknk084sn02q"}}))
            .refused("INVALID_ARGUMENT"),
        // Who is not let in.
        step(By::Nobody, "WhoAmI", "GET", "/v1/whoami").refused("UNAUTHENTICATED"),
        step(By::Nobody, "GetStats", "GET", "/v1/stats").refused("UNAUTHENTICATED"),
        step(By::Agent, "GetStats", "GET", "/v1/stats").refused("PERMISSION_DENIED"),
        step(By::Admin, "WhoAmI", "GET", "/v1/whoami").refused("PERMISSION_DENIED"),
        // Going back, and the end.
        admin("ListPolicyVersions", "POST", "/v1/policies:listVersions").whole(agents(json!({"page_size": 3}))),
        admin("ListPolicyVersions", "GET", "/v1/policies/agent/$agent/versions").message(agents(json!({}))),
        admin("ListPolicyVersions", "GET", "/v1/policies/team/a%2Fb%20c/versions?page_size=1").message(json!({"scope": {"team": "a/b c"}, "page_size": 1})),
        admin("DeletePolicy", "DELETE", "/v1/policies/agent/$agent?etag=$etag").message(agents(json!({"etag": "$etag"}))),
        admin("RollbackPolicy", "POST", "/v1/policies:rollback").whole(agents(json!({"version": 1}))),
        admin("RollbackPolicy", "POST", "/v1/policies:rollback").whole(agents(json!({"version": 99}))).refused("NOT_FOUND"),
        admin("DeletePolicy", "DELETE", "/v1/policies/team/a%2Fb%20c").message(team()),
        admin("DeletePolicy", "POST", "/v1/policies:delete").whole(team()).refused("NOT_FOUND"),
        admin("DeleteAgent", "DELETE", "/v1/agents/$agent").message(json!({"agent_id": "$agent"})),
        admin("UpdateAgent", "PATCH", "/v1/agents/$agent")
            .body(json!({"name": "late"}))
            .message(json!({"agent": {"agent_id": "$agent", "name": "late"}}))
            .refused("AGENT_DELETED"),
        calls("Enforce", "POST", "/v1/enforce").whole(json!({"action": "read"})).refused("UNAUTHENTICATED"),
        // What is left of it all.
        admin("VerifyAudit", "GET", "/v1/audit:verify"),
        admin("VerifyAudit", "GET", "/v1/audit:verify?chain_id=chn_x").message(json!({"chain_id": "chn_x"})).refused("INVALID_ARGUMENT"),
        admin("FollowAudit", "GET", "/v1/audit/records:follow?position=nowhere")
            .message(json!({"position": "nowhere"}))
            .refused("PAGE_TOKEN_INVALID"),
        admin("GetStats", "GET", "/v1/stats"),
        admin("ListAuditRecords", "GET", "/v1/audit/records?page_size=1000&oldest_first=true")
            .message(json!({"page_size": 1000, "oldest_first": true})),
    ]
}
