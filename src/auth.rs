//! Who is calling. An [`Agent`] or an [`Admin`] can only be had from [`Authenticator::authenticate`], so a function
//! that takes one cannot be reached without a verified key.
//!
//! **Invariant:** every refusal is one and the same answer, whatever was wrong with the key; once the
//! view is at hand an unknown key costs the same work as a wrong one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::clock::{Clock, Timestamp};
use crate::ids::KeyId;
use crate::store::Store;
use crate::view::{AgentEntry, KeyEntry, View, Views};

pub mod credential;
pub mod key;

pub use key::{Minted, Peppers};

/// Why a caller was not let in. One answer leaves for both; the log and the metrics may tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No credential.
    #[error("there is no credential")]
    None,
    /// More than one.
    #[error("there is more than one credential")]
    Many,
    /// A credential that opens nothing.
    #[error("the credential opens nothing")]
    Refused,
}

/// Who it is.
#[derive(Clone, Debug)]
pub enum Principal {
    /// An agent.
    Agent(Agent),
    /// An admin.
    Admin(Admin),
}

/// A verified agent, as the view knew it when its key was checked.
#[derive(Clone, Debug)]
pub struct Agent {
    entry: Arc<AgentEntry>,
    key: Arc<KeyEntry>,
}

impl Agent {
    /// Who it is.
    pub const fn entry(&self) -> &Arc<AgentEntry> {
        &self.entry
    }

    /// The key it came with.
    pub const fn key(&self) -> &Arc<KeyEntry> {
        &self.key
    }

    /// The same agent in a newer view, provided that its key still opens there.
    ///
    /// # Errors
    /// [`Error::Refused`] once the key is revoked or expired or the agent deleted.
    pub fn recheck(&self, view: &View, now: Timestamp) -> Result<Self, Error> {
        let key = view.key(&self.key.id).filter(|key| key.hash == self.key.hash).ok_or(Error::Refused)?;
        living(view, key, now).ok_or(Error::Refused)
    }
}

/// A verified admin.
#[derive(Clone, Debug)]
pub struct Admin {
    actor: Arc<str>,
}

impl Admin {
    /// The name under which its acts are recorded.
    pub fn actor(&self) -> &str {
        &self.actor
    }
}

/// The keys that open the admin service: one, or two while rotating.
pub struct AdminKeys {
    digests: Vec<[u8; 32]>,
}

impl AdminKeys {
    /// The given keys.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self { digests: keys.into_iter().map(|key| Sha256::digest(key.as_bytes()).into()).collect() }
    }

    /// Compares with every key, whichever matches.
    fn open(&self, candidate: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(candidate.as_bytes()).into();
        let matched = self.digests.iter().fold(Choice::from(0), |any, own| any | own.ct_eq(&digest));
        bool::from(matched)
    }
}

/// Lets callers in.
pub struct Authenticator {
    views: Arc<Views>,
    peppers: Peppers,
    admins: AdminKeys,
    admin: Admin,
    clock: Clock,
    /// Keys used since the last flush.
    used: Mutex<HashMap<KeyId, Timestamp>>,
}

/// How often the last use of keys is written down.
const FLUSH: Duration = Duration::from_secs(60);

/// Keys remembered between two flushes; beyond it a use goes unnoted until the next.
const MAX_USED: usize = 65_536;

impl Authenticator {
    /// An authenticator on the newest view.
    pub fn new(views: Arc<Views>, peppers: Peppers, admins: AdminKeys, clock: Clock) -> Self {
        let admin = Admin { actor: "admin".into() };
        Self { views, peppers, admins, admin, clock, used: Mutex::new(HashMap::new()) }
    }

    /// Who comes with these headers.
    ///
    /// # Errors
    /// One of three, which callers are told as one.
    pub async fn authenticate(&self, headers: &http::HeaderMap) -> Result<Principal, Error> {
        let text = credential::only(headers)?;
        let Some(presented) = key::Presented::parse(text) else {
            return if self.admins.open(text) {
                Ok(Principal::Admin(self.admin.clone()))
            } else {
                Err(Error::Refused)
            };
        };
        let mut view = self.views.now();
        if view.key(&presented.id).is_none() {
            view = self.views.refresh_for_unknown_key().await;
        }
        let now = self.clock.now();
        let entry = view.key(&presented.id);
        // An unknown key costs the same hash and the same comparison.
        let (hash, pepper) = entry.map_or(([0; 32], None), |entry| (entry.hash, entry.pepper_id.as_deref()));
        let genuine = self.peppers.matches(&presented, &hash, pepper);
        let agent =
            entry.filter(|_| genuine).and_then(|entry| living(&view, entry, now)).ok_or(Error::Refused)?;
        self.note(&agent.key, now);
        Ok(Principal::Agent(agent))
    }

    /// A new key for an agent; its secret leaves this process once.
    pub fn mint(&self, id: KeyId) -> Minted {
        self.peppers.mint(id, crate::entropy::bytes())
    }

    fn note(&self, key: &KeyEntry, now: Timestamp) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = used.get_mut(&key.id) {
            *at = now;
        } else if used.len() < MAX_USED {
            used.insert(key.id.clone(), now);
        }
    }

    /// Writes the last use of keys down, once a minute, for as long as it is polled.
    pub async fn flush_uses(self: Arc<Self>, store: Store) {
        let mut turn = tokio::time::interval(FLUSH);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            turn.tick().await;
            let used: Vec<_> = {
                let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
                used.drain().collect()
            };
            if !used.is_empty()
                && let Err(error) = store.touch_keys(&used).await
            {
                tracing::warn!(%error, keys = used.len(), "the last use of keys was not written down");
            }
        }
    }
}

/// The agent of a key that is neither revoked nor expired and whose agent is not deleted.
fn living(view: &View, key: &Arc<KeyEntry>, now: Timestamp) -> Option<Agent> {
    let dead = key.revoke_time.is_some() || key.expire_time.is_some_and(|end| end <= now);
    let entry = view.agent(&key.agent_id).filter(|agent| agent.delete_time.is_none())?;
    (!dead).then(|| Agent { entry: Arc::clone(entry), key: Arc::clone(key) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_of_two_admin_keys_opens_and_nothing_else() {
        let keys =
            AdminKeys::new(["old-key-old-key-old-key-old-key-32", "new-key-new-key-new-key-new-key-32"]);
        assert!(keys.open("old-key-old-key-old-key-old-key-32"));
        assert!(keys.open("new-key-new-key-new-key-new-key-32"));
        assert!(!keys.open("new-key-new-key-new-key-new-key-3"));
        assert!(!keys.open(""));
    }

    #[test]
    fn without_admin_keys_nobody_is_admin() {
        assert!(!AdminKeys::new([]).open(""));
    }
}
