//! Counts for `GetStats`.

use super::{Error, Store, on_pool, sql_as};

/// Counts of what is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Agents that are not deleted.
    pub agents: i64,
    /// Those of them that are active.
    pub active_agents: i64,
    /// Keys that are not revoked.
    pub agent_keys: i64,
    /// Living policies.
    pub policies: i64,
    /// Decisions by reason code.
    pub decisions: Vec<(String, i64)>,
}

const AGENTS: &str = "select count(*) from agents where deleted_at is null";
const ACTIVE: &str = "select count(*) from agents where is_active = true";
const KEYS: &str = "select count(*) from agent_keys where revoked_at is null";
const POLICIES: &str = "select count(*) from policies where document is not null";

impl Store {
    /// Counts agents, keys and policies.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn counts(&self) -> Result<Counts, Error> {
        on_pool!(self, admin, |tx, keep| {
            let (agents,): (i64,) = sql_as!(keep, (i64,), AGENTS).fetch_one(&mut *tx).await?;
            let (active_agents,): (i64,) = sql_as!(keep, (i64,), ACTIVE).fetch_one(&mut *tx).await?;
            let (agent_keys,): (i64,) = sql_as!(keep, (i64,), KEYS).fetch_one(&mut *tx).await?;
            let (policies,): (i64,) = sql_as!(keep, (i64,), POLICIES).fetch_one(&mut *tx).await?;
            Ok(Counts { agents, active_agents, agent_keys, policies, decisions: Vec::new() })
        })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        on_pool!(self, admin, |tx, keep| {
            let (_one,): (i64,) =
                sql_as!(keep, (i64,), "select count(*) from revision").fetch_one(&mut *tx).await?;
            Ok(())
        })
    }
}
