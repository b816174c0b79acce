//! Policies: one head a scope, immutable versions beneath it that go on after a deletion.

use crate::clock::Timestamp;
use crate::ids::PolicyId;
use crate::policy::{Document, Scope, document};

use super::revision::{Act, Stamp, admin_write, digest};
use super::{Error, Store, on_pool, sql, sql_as};

/// A scope's policy as stored.
#[derive(Clone, Debug)]
pub struct PolicyEntry {
    /// Whom it is for.
    pub scope: Scope,
    /// Its id, the same over all versions.
    pub policy_id: PolicyId,
    /// The number of this version, from 1 on.
    pub version: i32,
    /// What it says; `None` once deleted.
    pub document: Option<Document>,
    /// Names this very version; a write may be bound to it.
    pub etag: String,
    /// When the policy was first made.
    pub create_time: Timestamp,
    /// When this version was made.
    pub update_time: Timestamp,
}

/// One version of a policy.
#[derive(Clone, Debug)]
pub struct PolicyVersion {
    /// Its number.
    pub version: i32,
    /// What it said; `None` for a deletion.
    pub document: Option<Document>,
    /// When it was made.
    pub create_time: Timestamp,
    /// Who made it.
    pub actor: String,
}

pub(crate) type PolicyRow = (String, String, String, i64, Option<Vec<u8>>, i64, i64);
type VersionRow = (i64, Option<Vec<u8>>, i64, String);

const BY_SCOPE: &str = "select scope_kind, scope_id, policy_id, version, document, created_at, updated_at \
     from policies where scope_kind = $1 and scope_id = $2";
pub(crate) const CHANGED: &str = "select scope_kind, scope_id, policy_id, version, document, created_at, updated_at from policies where revision > $1";
const LIST: &str = "select scope_kind, scope_id, policy_id, version, document, created_at, updated_at \
     from policies where policy_id > $1 and document is not null order by policy_id limit $2";
const INSERT: &str = "insert into policies \
     (scope_kind, scope_id, policy_id, version, document, created_at, updated_at, revision) \
     values ($1, $2, $3, $4, $5, $6, $6, $7)";
const UPDATE: &str = "update policies set version = $3, document = $4, updated_at = $5, revision = $6 \
     where scope_kind = $1 and scope_id = $2";
const ADD_VERSION: &str = "insert into policy_versions (policy_id, version, document, created_at, actor, revision) \
     values ($1, $2, $3, $4, $5, $6)";
const VERSIONS: &str = "select version, document, created_at, actor from policy_versions \
     where policy_id = $1 and version < $2 order by version desc limit $3";

pub(super) fn scope_columns(scope: &Scope) -> (&'static str, &str) {
    match scope {
        Scope::Everyone => ("everyone", ""),
        Scope::Team(team) => ("team", team),
        Scope::Agent(agent) => ("agent", agent.as_str()),
    }
}

pub(super) fn scope_of(kind: &str, id: &str) -> Result<Scope, String> {
    match kind {
        "everyone" => Ok(Scope::Everyone),
        "team" => Ok(Scope::Team(id.to_owned())),
        "agent" => id.parse().map(Scope::Agent).map_err(|_| "the scope is no agent id".to_owned()),
        other => Err(format!("`{other}` is no kind of scope")),
    }
}

fn read_document(bytes: &[u8], scope: &Scope) -> Result<Document, String> {
    let json = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let mut read = document::from_json(&json).map_err(|faults| {
        faults.first().map_or_else(String::new, |fault| format!("{}: {}", fault.field, fault.message))
    })?;
    read.scope = scope.clone();
    Ok(read)
}

fn write_document(written: &Document) -> Vec<u8> {
    document::to_json(written).to_string().into_bytes()
}

fn etag(id: &PolicyId, version: i64, bytes: Option<&[u8]>) -> String {
    let mut input = format!("{id}/{version}/").into_bytes();
    input.extend_from_slice(bytes.unwrap_or_default());
    digest(&input).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl TryFrom<PolicyRow> for PolicyEntry {
    type Error = Error;

    fn try_from(row: PolicyRow) -> Result<Self, Error> {
        let (kind, scope_id, id, version, bytes, created, updated) = row;
        let corrupt = |fault: String| Error::Corrupt { table: "policies", key: id.clone(), fault };
        let scope = scope_of(&kind, &scope_id).map_err(corrupt)?;
        let policy_id: PolicyId = id.parse().map_err(|_| corrupt("the id is no policy id".into()))?;
        Ok(Self {
            document: bytes
                .as_deref()
                .map(|bytes| read_document(bytes, &scope))
                .transpose()
                .map_err(corrupt)?,
            etag: etag(&policy_id, version, bytes.as_deref()),
            policy_id,
            scope,
            version: i32::try_from(version).map_err(|_| corrupt("the version is too large".into()))?,
            create_time: Timestamp::from_micros(created),
            update_time: Timestamp::from_micros(updated),
        })
    }
}

impl Store {
    /// The head of a scope, also a deleted one (without a document).
    ///
    /// # Errors
    /// When the database is away.
    pub async fn policy(&self, scope: &Scope) -> Result<Option<PolicyEntry>, Error> {
        let (kind, id) = scope_columns(scope);
        let row: Option<PolicyRow> =
            on_pool!(self, admin, |tx, keep| Ok(sql_as!(keep, PolicyRow, BY_SCOPE, kind, id)
                .fetch_optional(&mut *tx)
                .await?))?;
        row.map(PolicyEntry::try_from).transpose()
    }

    /// Up to `limit` living policies after `after`, in the order of their ids (so of their making).
    ///
    /// # Errors
    /// When the database is away.
    pub async fn policies(&self, after: Option<&PolicyId>, limit: i64) -> Result<Vec<PolicyEntry>, Error> {
        let after = after.map_or("", PolicyId::as_str);
        let rows: Vec<PolicyRow> =
            on_pool!(self, admin, |tx, keep| Ok(sql_as!(keep, PolicyRow, LIST, after, limit)
                .fetch_all(&mut *tx)
                .await?))?;
        rows.into_iter().map(PolicyEntry::try_from).collect()
    }

    /// Up to `limit` versions of a policy below `before`, newest first.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn policy_versions(
        &self,
        policy: &PolicyEntry,
        before: Option<i32>,
        limit: i64,
    ) -> Result<Vec<PolicyVersion>, Error> {
        let before = before.map_or(i64::MAX, i64::from);
        let rows: Vec<VersionRow> = on_pool!(self, admin, |tx, keep| Ok(sql_as!(
            keep,
            VersionRow,
            VERSIONS,
            policy.policy_id.as_str(),
            before,
            limit
        )
        .fetch_all(&mut *tx)
        .await?))?;
        rows.into_iter()
            .map(|(version, bytes, created, actor)| {
                let corrupt = |fault: String| Error::Corrupt {
                    table: "policy_versions",
                    key: format!("{}/{version}", policy.policy_id),
                    fault,
                };
                Ok(PolicyVersion {
                    version: i32::try_from(version)
                        .map_err(|_| corrupt("the version is too large".into()))?,
                    document: bytes
                        .as_deref()
                        .map(|bytes| read_document(bytes, &policy.scope))
                        .transpose()
                        .map_err(corrupt)?,
                    create_time: Timestamp::from_micros(created),
                    actor,
                })
            })
            .collect()
    }

    /// Writes the next version of a scope's policy; `None` deletes it. `fresh` becomes the id of a scope's first.
    /// With `expected` the write takes place only if that etag is the stored one (empty: only if there is none).
    ///
    /// # Errors
    /// [`Error::EtagMismatch`]; [`Error::Missing`] when a deletion finds nothing; or when the database is away.
    pub async fn write_policy(
        &self,
        act: &Act,
        scope: &Scope,
        document: Option<&Document>,
        expected: Option<&str>,
        fresh: &PolicyId,
    ) -> Result<(PolicyEntry, Stamp), Error> {
        let (kind, scope_id) = scope_columns(scope);
        let bytes = document.map(write_document);
        admin_write!(self, act, |tx, keep, n| {
            let row: Option<PolicyRow> =
                sql_as!(keep, PolicyRow, BY_SCOPE, kind, scope_id).fetch_optional(&mut *tx).await?;
            let head = row.map(PolicyEntry::try_from).transpose()?;
            let living = head.as_ref().filter(|head| head.document.is_some());
            if expected.is_some_and(|expected| living.map_or("", |head| head.etag.as_str()) != expected) {
                return Err(Error::EtagMismatch);
            }
            if bytes.is_none() && living.is_none() {
                return Err(Error::Missing {
                    what: "policy",
                    id: format!("{kind} {scope_id}").trim_end().to_owned(),
                });
            }
            let id = head.as_ref().map_or(fresh, |head| &head.policy_id).clone();
            let version = head.as_ref().map_or(0, |head| i64::from(head.version)) + 1;
            let (at, created) = (act.at.as_micros(), head.as_ref().map_or(act.at, |head| head.create_time));
            if head.is_some() {
                sql!(keep, UPDATE, kind, scope_id, version, bytes.as_deref(), at, n)
                    .execute(&mut *tx)
                    .await?;
            } else {
                sql!(keep, INSERT, kind, scope_id, id.as_str(), version, bytes.as_deref(), at, n)
                    .execute(&mut *tx)
                    .await?;
            }
            sql!(keep, ADD_VERSION, id.as_str(), version, bytes.as_deref(), at, act.actor.as_str(), n)
                .execute(&mut *tx)
                .await?;
            PolicyEntry::try_from((
                kind.to_owned(),
                scope_id.to_owned(),
                id.to_string(),
                version,
                bytes.clone(),
                created.as_micros(),
                at,
            ))
        })
    }
}
