//! `/health`, `/health/live`, `/health/ready`: for people, load balancers and orchestrators. What `ready` says is what
//! `grpc.health.v1` says.

use http::{Response, StatusCode};
use serde_json::{Value, json};
use tonic::body::Body;

use super::{VERSION, json_answer};
use crate::server::standard::Standing;

/// Whether this process answers; whether it decides is said by [`decides`].
pub(super) fn answers() -> Response<Body> {
    json_answer(StatusCode::OK, &json!({"status": "healthy", "version": VERSION}))
}

/// The same, for an orchestrator that restarts what does not.
pub(super) fn lives() -> Response<Body> {
    json_answer(StatusCode::OK, &json!({"status": "alive"}))
}

/// Whether this replica decides, and what is wrong if not.
pub(super) fn decides(standing: Standing) -> Response<Body> {
    let health = standing.health;
    let status = |good: bool, otherwise: &'static str| if good { "ok" } else { otherwise };
    let database = match health.database.latency {
        _ if health.database.is_away => json!({"status": "unavailable"}),
        // It is read from all the same, so that it is no reason to turn callers away.
        None => json!({"status": "slow"}),
        Some(latency) => json!({"status": "ok", "latency_ms": rounded(latency.as_secs_f64() * 1_000.0)}),
    };
    let checks = json!({
        "database": database,
        "limiter": {"status": status(health.limiter, "degraded")},
        "audit": {"status": status(health.audit, "unavailable")},
        "policies": {"status": status(health.policies, "stale"), "age_seconds": rounded(health.policy_age.as_secs_f64())},
        "server": {"status": status(!standing.is_stopping, "shutting down")},
    });
    if standing.serves() {
        return json_answer(
            StatusCode::OK,
            &json!({"status": "ready", "checks": checks, "version": VERSION}),
        );
    }
    let reason = if standing.is_stopping {
        "the server is shutting down".to_owned()
    } else if health.policies {
        "the database does not answer, so that nothing can be recorded".to_owned()
    } else {
        format!("the policies here have not been confirmed for {} s", health.policy_age.as_secs())
    };
    let body = json!({"status": "not ready", "reason": reason, "checks": checks, "version": VERSION});
    json_answer(StatusCode::SERVICE_UNAVAILABLE, &body)
}

/// To the thousandth.
fn rounded(number: f64) -> Value {
    ((number * 1_000.0).round() / 1_000.0).into()
}
