//! What stands in `audit_logs`, read past the server: decisions by id and by resource.

use std::collections::HashMap;
use std::str::FromStr;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

/// A decision's record, as far as tests look at it.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub decision_id: String,
    pub resource: String,
    pub verdict: String,
    pub repeat_of: Option<String>,
}

/// The decisions in the audit, from one chain on.
#[derive(Debug, Default)]
pub struct Ledger {
    pub records: Vec<Recorded>,
    by_id: HashMap<String, usize>,
    by_resource: HashMap<String, usize>,
}

type Row = (Option<String>, Option<String>, Option<Vec<u8>>, Option<String>);

const DECISIONS: &str = "select decision_id, verdict, content, repeat_of from audit_logs \
     where kind = 'decision' and chain_no >= $1 order by chain_no, seq";
const LAST_CHAIN: &str = "select coalesce(max(chain_no), 0) from audit_chains";

impl Ledger {
    /// Reads the database at `url`: decisions in chain number `from` and later ones.
    pub async fn read(url: &str, from: i64) -> Self {
        let rows: Vec<Row> = if url.starts_with("sqlite:") {
            let pool = sqlite(url).await;
            sqlx::query_as(DECISIONS).bind(from).fetch_all(&pool).await.unwrap()
        } else {
            let pool = sqlx::PgPool::connect(url).await.unwrap();
            sqlx::query_as(DECISIONS).bind(from).fetch_all(&pool).await.unwrap()
        };
        let mut ledger = Self::default();
        for (decision_id, verdict, content, repeat_of) in rows {
            let content: serde_json::Value = serde_json::from_slice(&content.unwrap()).unwrap();
            let resource = content["resource"].as_str().unwrap_or_default().to_owned();
            let decision_id = decision_id.unwrap();
            *ledger.by_id.entry(decision_id.clone()).or_default() += 1;
            *ledger.by_resource.entry(resource.clone()).or_default() += 1;
            let verdict = verdict.unwrap();
            ledger.records.push(Recorded { decision_id, resource, verdict, repeat_of });
        }
        ledger
    }

    /// The number of the chain opened last; 0 before the first.
    pub async fn last_chain(url: &str) -> i64 {
        let (last,): (i64,) = if url.starts_with("sqlite:") {
            sqlx::query_as(LAST_CHAIN).fetch_one(&sqlite(url).await).await.unwrap()
        } else {
            sqlx::query_as(LAST_CHAIN).fetch_one(&sqlx::PgPool::connect(url).await.unwrap()).await.unwrap()
        };
        last
    }

    /// How many records have this decision id.
    pub fn with_id(&self, decision_id: &str) -> usize {
        self.by_id.get(decision_id).copied().unwrap_or(0)
    }

    /// How many records tell of this resource.
    pub fn about(&self, resource: &str) -> usize {
        self.by_resource.get(resource).copied().unwrap_or(0)
    }

    /// The records about this resource, in the order of their chains.
    pub fn all_about(&self, resource: &str) -> Vec<&Recorded> {
        self.records.iter().filter(|record| record.resource == resource).collect()
    }
}

/// A reader beside the server that holds the file.
async fn sqlite(url: &str) -> sqlx::SqlitePool {
    let options = SqliteConnectOptions::from_str(url).unwrap().read_only(true);
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
}
