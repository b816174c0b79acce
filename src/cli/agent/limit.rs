//! `agentguard agent limit`.

use super::Limit;
use crate::cli::remote::Remote;
use crate::cli::{Exit, Failure, Session, block_on, json as form};
use crate::config::client::Role;
use crate::pb::v1;

pub(super) fn run(args: Limit, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let change = args.default || args.set.is_some();
    if args.set.as_ref().is_some_and(|text| text.trim().is_empty()) {
        return Err(Failure::Usage("--set is empty; --default gives the server's default again".into()));
    }
    let (limit, json) = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        if change {
            let message = v1::SetRateLimitRequest { agent_id: args.id, limit: args.set.unwrap_or_default() };
            let answer = remote.answer(remote.admin().set_rate_limit(remote.call(message)).await)?;
            let json = form::of("SetRateLimitResponse", &answer)?;
            Ok((answer.rate_limit, json))
        } else {
            let message = v1::GetRateLimitRequest { agent_id: args.id };
            let answer = remote.answer(remote.admin().get_rate_limit(remote.call(message)).await)?;
            let json = form::of("GetRateLimitResponse", &answer)?;
            Ok((answer.rate_limit, json))
        }
    })?;
    if args.remote.json {
        session.out.json_pretty(&json)?;
        return Ok(Exit::Done);
    }
    let Some(limit) = limit else {
        return Err(Failure::failed("the server's answer holds no limit"));
    };
    let whose = if limit.is_default { "the server's default" } else { "its own" };
    session.out.fields(&[("agent", limit.agent_id), ("limit", limit.limit), ("whose", whose.to_owned())])?;
    Ok(Exit::Done)
}
