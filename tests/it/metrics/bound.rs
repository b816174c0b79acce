//! Many agents, many actions: the number of series stays beneath its bound, and a page stays quick.

use std::sync::Arc;
use std::time::Instant;

use agentguard::clock::Timestamp;
use agentguard::ids::{AgentId, PolicyId};
use agentguard::metrics::{Metrics, Sample};
use agentguard::policy::{Action, Decision, ReasonCode, RuleHit, ScopeKind, Verdict};

use crate::evidence;

/// The setting's default.
const MAX_SERIES: usize = 10_000;

#[test]
fn a_hundred_thousand_actions_of_ten_thousand_agents_stay_beneath_the_bound() {
    const AGENTS: u32 = 10_000;
    const ACTIONS: u32 = 100_000;
    let metrics = Metrics::new(MAX_SERIES, ["/enforce".to_owned()]).unwrap();
    let rule = RuleHit {
        scope: ScopeKind::Everyone,
        policy_id: PolicyId::new(Timestamp::from_micros(0), [0; 16]),
        version: 1,
        rule_id: Arc::from("everything"),
        reason: None,
        errored: false,
    };
    let decision = Decision::recorded(Verdict::Allow, ReasonCode::AllowedByRule, Some(rule));
    let agents: Vec<AgentId> = (0..AGENTS)
        .map(|number| AgentId::new(Timestamp::from_micros(0), (u128::from(number) << 32).to_be_bytes()))
        .collect();
    for number in 0..ACTIONS {
        let action = Action::parse(&format!("tool:action_{number}")).unwrap();
        metrics.decided(&agents[number as usize % agents.len()], &action, &decision, true);
    }
    let began = Instant::now();
    let page = metrics.page(Sample::default(), |_| true).unwrap().unwrap();
    let took = began.elapsed();
    let of_agents: Vec<&str> = page.lines().filter(|line| line.contains("agent_id=")).collect();
    let counted: f64 = of_agents
        .iter()
        .filter(|line| line.starts_with("agentguard_enforcement_total"))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum();
    assert!(of_agents.len() <= MAX_SERIES, "{} series", of_agents.len());
    assert_eq!(counted, f64::from(ACTIONS), "nothing is lost beyond the bound");
    let build = if cfg!(debug_assertions) { "debug build" } else { "release build" };
    evidence::row(
        "metrics-series.txt",
        &format!("{ACTIONS} actions of {AGENTS} agents, {build}"),
        &[
            ("series", &of_agents.len()),
            ("bound", &MAX_SERIES),
            ("page, bytes", &page.len()),
            ("page, ms", &took.as_millis()),
        ],
    );
}
