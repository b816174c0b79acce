//! The settings of rate limits.

use super::reader::Reader;
use crate::rate_limit::OnError;
use crate::rate_limit::gcra::Limit;
use crate::rate_limit::storage::Storage;

/// How often agents may call, and addresses fail to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Of an agent without a limit of its own; `None`: limits are off.
    pub default: Option<Limit>,
    /// Of an address that fails to log in; `None`: limits are off.
    pub failures: Option<Limit>,
    /// Where agents' calls are counted.
    pub storage: Storage,
    /// What to do with calls while they cannot be counted there.
    pub on_error: OnError,
}

impl RateLimit {
    pub(super) fn load(read: &mut Reader<'_>) -> Self {
        let enabled = read.switch("RATE_LIMIT_ENABLED");
        // Read in any case, so that a fault shows before the day they are switched on.
        let (default, failures) = (read.limit("RATE_LIMIT_DEFAULT"), read.limit("RATE_LIMIT_AUTH_FAILURES"));
        read.switch("RATE_LIMIT_REDIS_UNPROTECTED");
        Self {
            default: default.filter(|_| enabled),
            failures: failures.filter(|_| enabled),
            storage: read.storage("RATE_LIMIT_STORAGE_URI"),
            on_error: match read.choice("RATE_LIMIT_ON_ERROR") {
                "deny" => OnError::Deny,
                "allow" => OnError::Allow,
                _ => OnError::Local,
            },
        }
    }

    /// What must hold where strangers may reach the server.
    pub(super) fn check_protection(&self, read: &mut Reader<'_>) {
        let Storage::Redis(address) = &self.storage else { return };
        let open = address.password.is_none() && !address.is_loopback();
        if open && self.default.is_some() && !read.switch("RATE_LIMIT_REDIS_UNPROTECTED") {
            read.fault(
                "RATE_LIMIT_STORAGE_URI",
                "names a Redis beyond loopback without a password, which anybody who reaches it can use",
                "a URI with a password; or RATE_LIMIT_REDIS_UNPROTECTED=true if the network protects it",
            );
        }
    }
}
