//! Figures for people.

use super::AdminService;
use crate::pb::v1;
use crate::rate_limit::Limiter;
use crate::service::Error;
use crate::service::convert;

impl AdminService {
    pub(super) async fn stats(&self) -> Result<v1::GetStatsResponse, Error> {
        let counts = self.store.counts().await?;
        let schema = self.store.schema().await?;
        let (figures, chain) = (self.writer.figures(), self.writer.chain());
        let view = self.views.now();
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        Ok(v1::GetStatsResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            start_time: Some(convert::timestamp_message(self.started)),
            database: self.store.kind().to_owned(),
            schema_version: i32::try_from(schema.version).unwrap_or(i32::MAX),
            revision: view.revision().to_string(),
            revision_age_ms: i64::try_from(self.views.age().as_millis()).unwrap_or(i64::MAX),
            agents: counts.agents,
            active_agents: counts.active_agents,
            agent_keys: counts.agent_keys,
            policies: counts.policies,
            decisions: self.tally.counts().map(decided).collect(),
            audit: Some(v1::AuditStats {
                mode: self.audit_mode.as_str().to_owned(),
                chain_id: chain.map(|chain| chain.to_string()).unwrap_or_default(),
                records: number(figures.records),
                commits: number(figures.commits),
                queued: i64::try_from(figures.queued).unwrap_or(i64::MAX),
            }),
            rate_limits: Some(limits(&self.limiter)),
        })
    }
}

fn limits(limiter: &Limiter) -> v1::RateLimitStats {
    let figures = limiter.figures();
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let default = limiter.default_limit();
    v1::RateLimitStats {
        storage: default.map_or("", |_| limiter.storage()).to_owned(),
        default_limit: default.map(ToString::to_string).unwrap_or_default(),
        is_counting: limiter.is_counting(),
        on_error: limiter.on_error().as_str().to_owned(),
        admitted: number(figures.admitted),
        refused: number(figures.refused),
        without_redis: number(figures.without_redis),
        outages: number(figures.outages),
        failed_logins_refused: number(figures.failures_refused),
        callers: number(figures.callers),
    }
}

fn decided((code, count): (crate::policy::ReasonCode, u64)) -> v1::ReasonCodeCount {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    v1::ReasonCodeCount { reason_code: convert::reason_code(code).into(), count }
}
