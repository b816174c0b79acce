//! How many connections there are, for whoever watches.

use super::pool::Pool;
use super::{Sqlite, Store};

/// One pool at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// `main` or `admin`; on SQLite also `exports`, `audit` and `poll`.
    pub pool: &'static str,
    /// In use.
    pub used: u32,
    /// Open and at rest.
    pub idle: u32,
    /// At most.
    pub max: u32,
}

impl Store {
    /// Every pool. Counted without a lock, so that a connection that changes hands may be missed.
    pub fn connections(&self) -> Vec<Connections> {
        fn shared(name: &'static str, pool: &Pool) -> Connections {
            let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            Connections {
                pool: name,
                used: count(pool.in_use()),
                idle: count(pool.at_rest()),
                max: pool.most(),
            }
        }
        fn of(name: &'static str, pool: &sqlx::SqlitePool) -> Connections {
            let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX).min(pool.size());
            let max = pool.options().get_max_connections();
            Connections { pool: name, used: pool.size() - idle, idle, max }
        }
        match self {
            // Exports have a share of the main pool; the audit writer and the poll one connection each.
            Self::Postgres(store) => vec![shared("main", &store.main), shared("admin", &store.admin)],
            Self::Sqlite(store) => {
                let Sqlite { main, exports, admin, audit, poll, .. } = store;
                let named = [
                    ("main", main),
                    ("exports", exports),
                    ("admin", admin),
                    ("audit", audit),
                    ("poll", poll),
                ];
                named.into_iter().map(|(name, pool)| of(name, pool)).collect()
            }
        }
    }
}
