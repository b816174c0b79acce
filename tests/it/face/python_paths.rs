//! The paths that callers of the Python AgentGuard know, against `agentguard dev` and `serve`.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ask, json};
use crate::dev::Dev;
use crate::harness::{ADMIN_KEY, Guard};
use crate::keys::raw::Wire;

const ADMIN: (&str, &str) = ("x-admin-key", ADMIN_KEY);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agents_whole_life_by_the_python_paths() {
    let guard = Guard::on_sqlite(&[]);
    let wire = Wire::connect(&guard.endpoint()).await;
    let body = r#"{"name": "bot", "owner_team": "sales", "environment": "production", "permissions": []}"#;
    let made = ask(&wire, ("POST", "/agents"), ADMIN, body).await;
    assert_eq!(made.http, 201, "{made:?}");
    let made = json(&made);
    let (id, key) = (made["agent_id"].as_str().unwrap(), made["api_key"].as_str().unwrap());
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("api_key");
    assert_eq!(shown["owner_team"], "sales");
    let agent = ("x-agent-key", key);
    let (path, policy) = (format!("/agents/{id}"), format!("/agents/{id}/policy"));
    assert_eq!(json(&ask(&wire, ("GET", &path), ADMIN, "").await), shown);
    assert_eq!(json(&ask(&wire, ("GET", "/agents?environment=production"), ADMIN, "").await), json!([shown]));
    assert_eq!(json(&ask(&wire, ("GET", "/agents?skip=1"), ADMIN, "").await), json!([]));
    assert_eq!(ask(&wire, ("GET", "/agents?limit=0"), ADMIN, "").await.http, 422);
    assert_eq!(ask(&wire, ("GET", &policy), ADMIN, "").await.http, 404);

    // Short forms are accepted, nothing unknown is.
    let rules = json!({"allow": [{"action": "read:*", "conditions": {"env": ["production"]}}], "deny": [], "alow": []});
    let refused = ask(&wire, ("PUT", &policy), ADMIN, &rules.to_string()).await;
    assert_eq!((refused.http, &json(&refused)["errors"][0]["field"]), (422, &json!("alow")));
    let rules = json!({"allow": [{"id": "r", "action": "read:*", "conditions": {"env": ["production"]}}],
        "require_approval": [{"action": "pay:**"}]});
    let written = ask(&wire, ("PUT", &policy), ADMIN, &rules.to_string()).await;
    assert_eq!(written.http, 200, "{written:?}");
    let found = json(&ask(&wire, ("GET", &policy), ADMIN, "").await);
    assert_eq!(
        (&found["agent_id"], &found["deny"], &found["allow"][0]["id"]),
        (&json!(id), &json!([]), &json!("r"))
    );
    // What was shown may be sent back.
    assert_eq!(ask(&wire, ("PUT", &policy), ADMIN, &found.to_string()).await.http, 200);

    for (action, status, begins) in
        [("readFile", "allowed", "Allowed by rule"), ("write", "denied", ""), ("pay", "pending", "")]
    {
        let answer = ask(&wire, ("POST", "/enforce"), agent, &json!({"action": action}).to_string()).await;
        let answer = json(&answer);
        assert_eq!((&answer["status"], &answer["allowed"]), (&json!(status), &json!(status == "allowed")));
        assert!(answer["reason"].as_str().unwrap().starts_with(begins), "{answer}");
        if action == "write" {
            assert!(answer["reason"].as_str().unwrap().contains("default deny"), "{answer}");
        }
    }
    logs(&wire, agent, id).await;
    assert_eq!(ask(&wire, ("DELETE", &path), ADMIN, "").await.http, 204);
    assert_eq!(ask(&wire, ("GET", &path), ADMIN, "").await.http, 404);
    assert_eq!(ask(&wire, ("POST", "/enforce"), agent, r#"{"action": "read"}"#).await.http, 401);
}

async fn logs(wire: &Wire, agent: (&'static str, &str), id: &str) {
    let list =
        async |key, path: &str| json(&ask(wire, ("GET", path), key, "").await).as_array().unwrap().clone();
    let own = list(agent, "/logs?action=readFile").await;
    let decision = own[0]["decision_id"].as_str().unwrap();
    assert_eq!((own.len(), &own[0]["allowed"], &own[0]["agent_id"]), (1, &json!(true), &json!(id)));

    // What came of a decision; and what was never asked about, which whatever it says decides nothing.
    let outcome = json!({"decision_id": decision, "result": "success", "metadata": {"n": 1}});
    let taken = ask(wire, ("POST", "/logs"), agent, &outcome.to_string()).await;
    assert_eq!(
        (taken.http, &json(&taken)["log_id"], &json(&taken)["metadata"]),
        (201, &json!(decision), &json!({"n": 1}))
    );
    let report = json!({"action": "sent mail", "allowed": true, "result": "error", "error": "bounced"});
    let taken = ask(wire, ("POST", "/logs"), agent, &report.to_string()).await;
    let taken = json(&taken);
    assert_eq!((&taken["allowed"], &taken["action"]), (&json!(true), &json!("sent mail")));
    let report = taken["log_id"].as_str().unwrap();
    assert!(report.starts_with("rep_"), "{taken}");
    let odd = ask(wire, ("POST", "/logs"), agent, r#"{"action": "a", "result": "perhaps"}"#).await;
    assert_eq!(odd.http, 422);

    let all = list(ADMIN, &format!("/logs?agent_id={id}")).await;
    let kinds: Vec<_> = all.iter().map(|log| log["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["report", "outcome", "decision", "decision", "decision"]);
    assert_eq!(
        (&all[0]["result"], &all[0]["allowed"], &all[1]["result"]),
        (&json!("error"), &Value::Null, &json!("success"))
    );
    assert_eq!(list(ADMIN, "/logs?offset=1&limit=2").await, all[1..3]);
    assert_eq!(list(agent, "/logs").await.len(), 5);
    assert_eq!(list(ADMIN, "/logs?allowed=True").await.len(), 1);
    assert_eq!(list(ADMIN, "/logs?end_time=2001-01-01T00:00:00").await.len(), 0);

    let verified = json(&ask(wire, ("GET", "/logs/verify"), ADMIN, "").await);
    assert_eq!((&verified["valid"], &verified["findings"]), (&json!(true), &json!([])));
    assert_eq!(ask(wire, ("GET", "/logs/verify"), agent, "").await.http, 403);
}

/// Another agent's logs are not shown, and an agent sees its own only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_sees_its_own_logs_and_no_others() {
    let guard = Guard::on_sqlite(&[]);
    let wire = Wire::connect(&guard.endpoint()).await;
    let mut admin = guard.admin().await;
    let (one, two) = (admin.agent("one").await, admin.agent("two").await);
    for agent in [&one, &two] {
        ask(&wire, ("POST", "/enforce"), ("x-agent-key", &agent.key), r#"{"action": "read"}"#).await;
    }
    let own = json(&ask(&wire, ("GET", "/logs"), ("x-agent-key", &one.key), "").await);
    assert_eq!((own.as_array().unwrap().len(), &own[0]["agent_id"]), (1, &json!(one.id)));
    let path = format!("/logs?agent_id={}", two.id);
    assert_eq!(ask(&wire, ("GET", &path), ("x-agent-key", &one.key), "").await.http, 422);
    assert_eq!(json(&ask(&wire, ("GET", "/logs"), ADMIN, "").await).as_array().unwrap().len(), 2);
}

/// The smoke tests of the deployment guide, for an allowed and for a denied call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guides_smoke_tests_pass_against_dev() {
    let data = TempDir::new().unwrap();
    let dev = Dev::start(data.path(), &[]);
    let wire = Wire::connect(&dev.address).await;
    let key = dev.greeting["agent_key"].as_str().unwrap();
    let health = ask(&wire, ("GET", "/health"), ("accept", "*/*"), "").await;
    assert_eq!((health.http, &json(&health)["status"]), (200, &json!("healthy")));
    let ready = ask(&wire, ("GET", "/health/ready"), ("accept", "*/*"), "").await;
    assert_eq!((ready.http, &json(&ready)["status"]), (200, &json!("ready")));
    assert!(json(&ready)["checks"].is_object());
    for (body, allowed) in [
        (r#"{"action": "read:file", "resource": "test.txt"}"#, true),
        (r#"{"action": "delete:file", "resource": "test.txt"}"#, false),
    ] {
        let answer = ask(&wire, ("POST", "/enforce"), ("X-Agent-Key", key), body).await;
        assert_eq!((answer.http, &json(&answer)["allowed"]), (200, &json!(allowed)), "{answer:?}");
        assert!(json(&answer)["reason"].is_string());
    }
}
