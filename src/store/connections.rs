//! How many connections there are, for whoever watches.

use super::Store;

/// One pool at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// `main` or `admin`; of SQLite also `exports`, `audit` and `poll`.
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
        fn of<D: sqlx::Database>(name: &'static str, pool: &sqlx::Pool<D>) -> Connections {
            let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX).min(pool.size());
            let max = pool.options().get_max_connections();
            Connections { pool: name, used: pool.size() - idle, idle, max }
        }
        match self {
            Self::Postgres(store) => {
                vec![store.main.connections("main"), store.admin.connections("admin")]
            }
            Self::Sqlite(store) => [
                ("main", &store.main),
                ("exports", &store.exports),
                ("admin", &store.admin),
                ("audit", &store.audit),
                ("poll", &store.poll),
            ]
            .map(|(name, pool)| of(name, pool))
            .to_vec(),
        }
    }
}
