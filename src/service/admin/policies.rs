//! Policies and their versions.

use serde_json::json;

use super::{AdminService, Caller};
use crate::entropy;
use crate::ids::PolicyId;
use crate::pb::v1;
use crate::policy::{self, Document, Scope, Warning};
use crate::service::convert::{self, Faults};
use crate::service::{Error, page};
use crate::store::policies::{PolicyEntry, PolicyVersion};

/// The etag that demands that a scope has no policy.
const ABSENT: &str = "absent";

/// Policies read at once for a list: each may be 2 MiB.
const CHUNK: usize = 16;

impl AdminService {
    pub(super) async fn write_policy(
        &self,
        caller: &Caller,
        message: v1::SetPolicyRequest,
    ) -> Result<v1::SetPolicyResponse, Error> {
        let mut faults = Faults::default();
        let Some(sent) = message.policy else { return Err(Error::invalid("policy", "is required")) };
        let etag = sent.etag.clone();
        let document = convert::document("policy", sent, &mut faults);
        let document = faults.or(document)?;
        self.require_scope(&document.scope).await?;
        let fresh = PolicyId::new(caller.at, entropy::id());
        let (document, warnings) = checked("policy", &document, &fresh)?;
        let warnings = warnings.iter().map(|warning| convert::warning("policy", warning)).collect();
        if message.validate_only {
            let policy = Some(convert::policy(&document));
            return Ok(v1::SetPolicyResponse { policy, warnings, revision: String::new() });
        }
        let (entry, revision) =
            self.write(caller, "SetPolicy", &document.scope, Some(&document), &etag, &fresh, None).await?;
        Ok(v1::SetPolicyResponse { policy: Some(convert::policy_entry(&entry)), warnings, revision })
    }

    pub(super) async fn show_policy(
        &self,
        message: v1::GetPolicyRequest,
    ) -> Result<v1::GetPolicyResponse, Error> {
        let scope = scope(message.scope)?;
        let head = self.head(&scope).await?;
        if message.version == 0 {
            if head.document.is_none() {
                return Err(missing(&scope));
            }
            return Ok(v1::GetPolicyResponse { policy: Some(convert::policy_entry(&head)) });
        }
        let version = self.version(&head, message.version).await?;
        let current = version.version == head.version;
        let shown = PolicyEntry {
            version: version.version,
            document: Some(version.document),
            etag: if current { head.etag.clone() } else { String::new() },
            update_time: version.create_time,
            ..head
        };
        Ok(v1::GetPolicyResponse { policy: Some(convert::policy_entry(&shown)) })
    }

    pub(super) async fn policies(
        &self,
        mut message: v1::ListPoliciesRequest,
    ) -> Result<v1::ListPoliciesResponse, Error> {
        let size = page::size(std::mem::take(&mut message.page_size))?;
        let token = std::mem::take(&mut message.page_token);
        let listing = page::Listing::new("ListPolicies", &message);
        let mut after: Option<PolicyId> = listing.parsed(&token)?;
        let mut rows = Vec::new();
        while rows.len() <= size {
            let chunk = self.store.policies(after.as_ref(), page::rows(CHUNK - 1)).await?;
            let whole = chunk.len() < CHUNK;
            after = chunk.last().map(|entry| entry.policy_id.clone()).or(after);
            rows.extend(
                chunk.iter().map(|entry| (entry.policy_id.to_string(), convert::policy_summary(entry))),
            );
            if whole {
                break;
            }
        }
        let (policies, next_page_token) =
            listing.fill(rows, size, |(id, _)| id.clone(), |(_, summary)| summary);
        Ok(v1::ListPoliciesResponse { policies, next_page_token })
    }

    pub(super) async fn remove_policy(
        &self,
        caller: &Caller,
        message: v1::DeletePolicyRequest,
    ) -> Result<v1::DeletePolicyResponse, Error> {
        let scope = scope(message.scope)?;
        // A deletion never makes a policy, so this id is never used.
        let fresh = PolicyId::new(caller.at, entropy::id());
        let (_, revision) =
            self.write(caller, "DeletePolicy", &scope, None, &message.etag, &fresh, None).await?;
        Ok(v1::DeletePolicyResponse { revision })
    }

    pub(super) async fn versions(
        &self,
        mut message: v1::ListPolicyVersionsRequest,
    ) -> Result<v1::ListPolicyVersionsResponse, Error> {
        let size = page::size(std::mem::take(&mut message.page_size))?;
        let token = std::mem::take(&mut message.page_token);
        let listing = page::Listing::new("ListPolicyVersions", &message);
        let head = self.head(&scope(message.scope)?).await?;
        let mut before: Option<i32> = listing.parsed(&token)?;
        let mut rows = Vec::new();
        while rows.len() <= size {
            let chunk = self.store.policy_versions(&head, before, page::rows(CHUNK - 1)).await?;
            let whole = chunk.len() < CHUNK;
            before = chunk.last().map(|version| version.version).or(before);
            rows.extend(chunk.iter().map(|version| convert::policy_version(&head, version)));
            if whole {
                break;
            }
        }
        let position = |version: &v1::PolicyVersion| version.version.to_string();
        let (versions, next_page_token) = listing.fill(rows, size, position, |version| version);
        Ok(v1::ListPolicyVersionsResponse { versions, next_page_token })
    }

    pub(super) async fn roll_back(
        &self,
        caller: &Caller,
        message: v1::RollbackPolicyRequest,
    ) -> Result<v1::RollbackPolicyResponse, Error> {
        let scope = scope(message.scope)?;
        if message.version < 1 {
            return Err(Error::invalid("version", "is not the number of a version, from 1"));
        }
        let head = self.head(&scope).await?;
        let version = self.version(&head, message.version).await?;
        self.require_scope(&scope).await?;
        // Rules that were accepted once may be refused by today's checks; then the roll-back is refused too.
        let (document, warnings) = checked("", &version.document, &head.policy_id)?;
        let warnings = warnings.iter().map(|warning| convert::warning("", warning)).collect();
        let of = Some(message.version);
        let (entry, revision) = self
            .write(caller, "RollbackPolicy", &scope, Some(&document), &message.etag, &head.policy_id, of)
            .await?;
        Ok(v1::RollbackPolicyResponse { policy: Some(convert::policy_entry(&entry)), warnings, revision })
    }

    /// Writes the next version of a scope's policy, or its deletion.
    #[allow(
        clippy::too_many_arguments,
        reason = "each stands for one thing that differs between the three writes"
    )]
    async fn write(
        &self,
        caller: &Caller,
        act: &'static str,
        scope: &Scope,
        document: Option<&Document>,
        etag: &str,
        fresh: &PolicyId,
        rolled_back_to: Option<i32>,
    ) -> Result<(PolicyEntry, String), Error> {
        let expected = match etag {
            "" => None,
            ABSENT => Some(""),
            etag => Some(etag),
        };
        let detail = json!({
            "policy": document.map(policy::document::to_json), "rolled_back_to": rolled_back_to,
        });
        let act = self.act(caller, act, &target(scope), &detail);
        let (entry, stamp) = self.store.write_policy(&act, scope, document, expected, fresh).await?;
        let revision = self.settle(&act, &stamp).await?;
        Ok((entry, revision))
    }

    /// The newest state of a scope's policy, also a deleted one.
    async fn head(&self, scope: &Scope) -> Result<PolicyEntry, Error> {
        self.store.policy(scope).await?.ok_or_else(|| missing(scope))
    }

    /// One version that has rules.
    async fn version(&self, head: &PolicyEntry, number: i32) -> Result<Version, Error> {
        let before = Some(number.saturating_add(1));
        let found = self.store.policy_versions(head, before, 1).await?.into_iter().next();
        match found.filter(|found| found.version == number) {
            Some(PolicyVersion { version, document: Some(document), create_time, .. }) => {
                Ok(Version { version, document, create_time })
            }
            Some(PolicyVersion { document: None, .. }) => {
                Err(Error::FailedPrecondition(format!("version {number} is a deletion and has no rules")))
            }
            None => Err(Error::NotFound { what: "policy version", id: number.to_string() }),
        }
    }

    /// Refuses a scope whose agent is not there to have a policy.
    async fn require_scope(&self, scope: &Scope) -> Result<(), Error> {
        let Scope::Agent(id) = scope else { return Ok(()) };
        if self.agent(id).await?.delete_time.is_some() {
            return Err(Error::AgentDeleted(id.to_string()));
        }
        Ok(())
    }
}

/// A version that has rules.
struct Version {
    version: i32,
    document: Document,
    create_time: crate::clock::Timestamp,
}

fn scope(message: Option<v1::Scope>) -> Result<Scope, Error> {
    let mut faults = Faults::default();
    let scope = convert::scope("scope", message, &mut faults);
    faults.or(scope)
}

fn missing(scope: &Scope) -> Error {
    Error::NotFound { what: "policy", id: target(scope) }
}

/// A scope as history and errors name it.
pub(super) fn target(scope: &Scope) -> String {
    match scope {
        Scope::Everyone => "everyone".to_owned(),
        Scope::Team(team) => format!("team {team}"),
        Scope::Agent(id) => format!("agent {id}"),
    }
}

/// The document with the ids of all rules, once every rule compiles.
fn checked(field: &str, document: &Document, id: &PolicyId) -> Result<(Document, Vec<Warning>), Error> {
    match policy::compile(document, id.clone(), 0) {
        Ok((compiled, warnings)) => Ok((compiled.document().clone(), warnings)),
        Err(found) => {
            let mut faults = Faults::default();
            faults.extend(field, found);
            faults.or(None)
        }
    }
}
