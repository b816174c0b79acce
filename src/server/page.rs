//! The pages of the HTTP face that are no calls.

/// A page of the HTTP face that is no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// `/health`: it answers.
    Health,
    /// `/health/live`: it answers; for an orchestrator that restarts what does not.
    Live,
    /// `/health/ready`: it decides.
    Ready,
    /// `/openapi.json`: the description of the HTTP face.
    OpenApi,
    /// `/docs`: the same for people.
    Docs,
}

impl Page {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [Self::Health, Self::Live, Self::Ready, Self::OpenApi, Self::Docs];

    /// Where it is.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Live => "/health/live",
            Self::Ready => "/health/ready",
            Self::OpenApi => "/openapi.json",
            Self::Docs => "/docs",
        }
    }

    /// What it says, for the documentation.
    pub(super) const fn says(self) -> &'static str {
        match self {
            Self::OpenApi => "All of this as OpenAPI 3.1; also in [openapi.json](openapi.json).",
            Self::Docs => "The same for people, on a page on which calls can be tried.",
            Self::Health => "`{\"status\": \"healthy\", …}`: the process answers.",
            Self::Live => {
                "`{\"status\": \"alive\"}`: the same, for an orchestrator that restarts what does not answer."
            }
            Self::Ready => {
                "`{\"status\": \"ready\", \"checks\": {…}}`, or 503 with `reason`: whether this replica decides, as `grpc.health.v1` says it too. `checks` has `database` (with `latency_ms`), `limiter`, `audit`, `policies` (with `age_seconds`) and `server`. It is not ready while it stops, while its policies are stale, and in `durable` mode once the database was not heard of for three seconds; a limiter without Redis or an audit that is behind are shown and turn nobody away."
            }
        }
    }
}
