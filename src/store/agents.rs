//! Agents: rows, look-ups and the admin writes that change them.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::ids::AgentId;
use crate::policy::{Environment, Subject};
use crate::rate_limit::gcra::Override;

use super::keys::NewKey;
use super::revision::{Act, Stamp, admin_write};
use super::{Error, Store, on_pool, sql, sql_as};

/// An agent as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentEntry {
    /// Who it is, as decisions see it.
    pub subject: Subject,
    /// How often it may call, where that is not the deployment's default.
    pub limit: Option<Override>,
    /// When it was made.
    pub create_time: Timestamp,
    /// When it was last changed.
    pub update_time: Timestamp,
    /// When it was deleted; its keys have been dead since.
    pub delete_time: Option<Timestamp>,
}

/// What an update changes; `None` leaves a field alone.
#[derive(Clone, Debug, Default)]
pub struct AgentChange {
    /// A new name.
    pub name: Option<String>,
    /// A new team.
    pub team: Option<String>,
    /// A new environment.
    pub environment: Option<Environment>,
    /// New labels, replacing all.
    pub labels: Option<BTreeMap<String, String>>,
    /// Active or not.
    pub is_active: Option<bool>,
}

/// Which agents a listing shows.
#[derive(Clone, Debug, Default)]
pub struct AgentFilter {
    /// Only this team's.
    pub team: Option<String>,
    /// Only this environment's.
    pub environment: Option<Environment>,
    /// Only active ones, or only those that are not.
    pub is_active: Option<bool>,
    /// Deleted ones too.
    pub show_deleted: bool,
}

pub(crate) type AgentRow =
    (String, String, String, String, String, bool, i64, i64, Option<i64>, Option<String>);

const BY_ID: &str = "select agent_id, name, team, environment, labels, is_active, created_at, updated_at, deleted_at, \
     rate_limit from agents where agent_id = $1";
pub(crate) const CHANGED: &str = "select agent_id, name, team, environment, labels, is_active, created_at, updated_at, deleted_at, \
     rate_limit from agents where revision > $1";
const LIST: &str = "select agent_id, name, team, environment, labels, is_active, created_at, updated_at, deleted_at, \
     rate_limit from agents where agent_id > $1 and ($2 = '' or team = $2) and ($3 = '' or environment = $3) \
     and (deleted_at is null or $4 = 1) and ($5 < 0 or is_active = ($5 = 1)) order by agent_id limit $6";
const INSERT: &str = "insert into agents \
     (agent_id, name, team, environment, labels, is_active, created_at, updated_at, deleted_at, revision) \
     values ($1, $2, $3, $4, $5, $6, $7, $8, null, $9)";
const UPDATE: &str = "update agents set name = $2, team = $3, environment = $4, labels = $5, is_active = $6, \
     updated_at = $7, revision = $8 where agent_id = $1 and deleted_at is null";
const LIMIT: &str = "update agents set rate_limit = $2, updated_at = $3, revision = $4 \
     where agent_id = $1 and deleted_at is null";
const DELETE: &str = "update agents set is_active = $2, deleted_at = $3, updated_at = $3, revision = $4 \
     where agent_id = $1 and deleted_at is null";

impl TryFrom<AgentRow> for AgentEntry {
    type Error = Error;

    fn try_from(row: AgentRow) -> Result<Self, Error> {
        let (id, name, team, environment, labels, is_active, created, updated, deleted, limit) = row;
        let corrupt = |fault: String| Error::Corrupt { table: "agents", key: id.clone(), fault };
        let subject = Subject {
            id: id.parse().map_err(|_| corrupt("the id is no agent id".into()))?,
            name,
            team,
            environment: environment
                .parse()
                .map_err(|_| corrupt(format!("`{environment}` is no environment")))?,
            labels: serde_json::from_str(&labels).map_err(|error| corrupt(format!("labels: {error}")))?,
            is_active,
        };
        let limit = limit.map(|text| text.parse().map_err(|error| corrupt(format!("rate_limit: {error}"))));
        Ok(Self {
            subject,
            limit: limit.transpose()?,
            create_time: Timestamp::from_micros(created),
            update_time: Timestamp::from_micros(updated),
            delete_time: deleted.map(Timestamp::from_micros),
        })
    }
}

fn labels_json(labels: &BTreeMap<String, String>) -> String {
    serde_json::Value::from_iter(labels.iter().map(|(key, value)| (key.clone(), value.clone()))).to_string()
}

impl Store {
    /// The agent `id`, also a deleted one.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn agent(&self, id: &AgentId) -> Result<Option<AgentEntry>, Error> {
        let row: Option<AgentRow> =
            on_pool!(self, admin, |tx, keep| Ok(sql_as!(keep, AgentRow, BY_ID, id.as_str())
                .fetch_optional(&mut *tx)
                .await?))?;
        row.map(AgentEntry::try_from).transpose()
    }

    /// Up to `limit` agents after `after`, in the order of their ids (so of their making).
    ///
    /// # Errors
    /// When the database is away.
    pub async fn agents(
        &self,
        filter: &AgentFilter,
        after: Option<&AgentId>,
        limit: i64,
    ) -> Result<Vec<AgentEntry>, Error> {
        let rows: Vec<AgentRow> = on_pool!(self, admin, |tx, keep| Ok(sql_as!(
            keep,
            AgentRow,
            LIST,
            after.map_or("", AgentId::as_str),
            filter.team.as_deref().unwrap_or(""),
            filter.environment.map_or("", |environment| environment.as_str()),
            i64::from(filter.show_deleted),
            filter.is_active.map_or(-1_i64, i64::from),
            limit
        )
        .fetch_all(&mut *tx)
        .await?))?;
        rows.into_iter().map(AgentEntry::try_from).collect()
    }

    /// Makes an agent with its first key.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn create_agent(&self, act: &Act, agent: &AgentEntry, key: &NewKey) -> Result<Stamp, Error> {
        let subject = &agent.subject;
        let ((), stamp) = admin_write!(self, act, |tx, keep, n| {
            sql!(
                keep,
                INSERT,
                subject.id.as_str(),
                subject.name.as_str(),
                subject.team.as_str(),
                subject.environment.as_str(),
                labels_json(&subject.labels),
                subject.is_active,
                agent.create_time.as_micros(),
                agent.update_time.as_micros(),
                n
            )
            .execute(&mut *tx)
            .await?;
            super::keys::insert!(keep, tx, key, n);
            Ok(())
        })?;
        Ok(stamp)
    }

    /// Changes an agent and answers what it is now.
    ///
    /// # Errors
    /// [`Error::Missing`] for an unknown or deleted agent; or when the database is away.
    pub async fn update_agent(
        &self,
        act: &Act,
        id: &AgentId,
        change: &AgentChange,
    ) -> Result<(AgentEntry, Stamp), Error> {
        admin_write!(self, act, |tx, keep, n| {
            let row: Option<AgentRow> =
                sql_as!(keep, AgentRow, BY_ID, id.as_str()).fetch_optional(&mut *tx).await?;
            let mut agent =
                row.map(AgentEntry::try_from).transpose()?.filter(|agent| agent.delete_time.is_none());
            let Some(agent) = agent.as_mut() else { return Err(missing(id)) };
            let subject = &mut agent.subject;
            let AgentChange { name, team, environment, labels, is_active } = change.clone();
            subject.name = name.unwrap_or_else(|| std::mem::take(&mut subject.name));
            subject.team = team.unwrap_or_else(|| std::mem::take(&mut subject.team));
            subject.environment = environment.unwrap_or(subject.environment);
            subject.labels = labels.unwrap_or_else(|| std::mem::take(&mut subject.labels));
            subject.is_active = is_active.unwrap_or(subject.is_active);
            agent.update_time = act.at;
            sql!(
                keep,
                UPDATE,
                id.as_str(),
                agent.subject.name.as_str(),
                agent.subject.team.as_str(),
                agent.subject.environment.as_str(),
                labels_json(&agent.subject.labels),
                agent.subject.is_active,
                act.at.as_micros(),
                n
            )
            .execute(&mut *tx)
            .await?;
            Ok(agent.clone())
        })
    }

    /// Gives an agent a limit of its own, or the default again.
    ///
    /// # Errors
    /// [`Error::Missing`] for an unknown or deleted agent; or when the database is away.
    pub async fn set_limit(&self, act: &Act, id: &AgentId, limit: Option<&Override>) -> Result<Stamp, Error> {
        let text = limit.map(ToString::to_string);
        let ((), stamp) = admin_write!(self, act, |tx, keep, n| {
            let done = sql!(keep, LIMIT, id.as_str(), text.as_deref(), act.at.as_micros(), n)
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Err(missing(id));
            }
            Ok(())
        })?;
        Ok(stamp)
    }

    /// Deletes an agent: inactive, its keys revoked, its row and its audit kept.
    ///
    /// # Errors
    /// [`Error::Missing`] for an unknown or deleted agent; or when the database is away.
    pub async fn delete_agent(&self, act: &Act, id: &AgentId) -> Result<Stamp, Error> {
        let ((), stamp) = admin_write!(self, act, |tx, keep, n| {
            let done =
                sql!(keep, DELETE, id.as_str(), false, act.at.as_micros(), n).execute(&mut *tx).await?;
            if done.rows_affected() == 0 {
                return Err(missing(id));
            }
            sql!(keep, super::keys::REVOKE_ALL, id.as_str(), act.at.as_micros(), n).execute(&mut *tx).await?;
            Ok(())
        })?;
        Ok(stamp)
    }
}

fn missing(id: &AgentId) -> Error {
    Error::Missing { what: "agent", id: id.to_string() }
}
