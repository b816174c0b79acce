//! `agentguard enforce`: ask as an agent, exit by the verdict.

use serde_json::Map;

use super::output::Style;
use super::remote::{self, Remote};
use super::{Exit, Failure, Session, block_on, input, json};
use crate::config::client::Role;
use crate::pb::v1::{self, Verdict};

/// Ask whether the agent may do something, and exit by the verdict
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    check: Check,
    /// Makes a retry safe: the same key gets the same decision
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Decide with this revision or a later one
    #[arg(long, value_name = "REVISION")]
    min_revision: Option<String>,
    #[command(flatten)]
    remote: remote::Flags,
}

/// What is asked; also asked by `policy explain`.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// What to do: the tool's name
    #[arg(value_name = "ACTION")]
    action: String,
    /// What to do it to
    #[arg(long, short)]
    resource: Option<String>,
    /// The tool's arguments: `name=text`, `name:=JSON` or a JSON object
    #[arg(long, short, value_name = "ARGUMENT")]
    arguments: Vec<String>,
    /// Anything else rules may go by, in the same forms
    #[arg(long, short, value_name = "CONTEXT")]
    context: Vec<String>,
    /// The session the act belongs to
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
    /// Whom the agent acts for
    #[arg(long, value_name = "NAME")]
    on_behalf_of: Option<String>,
    /// The approval that the agent refers to
    #[arg(long, value_name = "ID")]
    approval_id: Option<String>,
}

impl Check {
    /// The check as a message.
    pub fn request(self) -> Result<v1::EnforceRequest, Failure> {
        let claims = |flag: &str, given: &[String]| {
            let members = input::members(flag, given)?;
            Ok::<_, Failure>((members != Map::new()).then(|| json::to_struct(&members)))
        };
        Ok(v1::EnforceRequest {
            arguments: claims("--arguments", &self.arguments)?,
            context: claims("--context", &self.context)?,
            action: self.action,
            resource: self.resource.unwrap_or_default(),
            session_id: self.session_id.unwrap_or_default(),
            on_behalf_of: self.on_behalf_of.unwrap_or_default(),
            approval_id: self.approval_id.unwrap_or_default(),
            ..Default::default()
        })
    }
}

const EXAMPLES: &str = "\
Examples:
  agentguard enforce read:file --resource notes.txt
  agentguard enforce transfer --arguments amount:=150 --arguments to=alice --context ticket=T-17
  agentguard enforce delete:file -r /etc/passwd --json
  if agentguard enforce deploy:app -r production; then ./deploy; fi

The key is the agent's, in AGENTGUARD_API_KEY. Exit code 0: allowed, 3: denied, 4: needs approval; anything else \
means that nothing was decided, which is no permission either. \
With --json: the answer of the RPC Enforce, {\"decision\": {\"verdict\": \"ALLOW\", \"allowed\": true, …}}.";

pub fn run(args: Args, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let request = v1::EnforceRequest {
        idempotency_key: args.idempotency_key.unwrap_or_default(),
        min_revision: args.min_revision.unwrap_or_default(),
        ..args.check.request()?
    };
    let answer = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Agent, session).await?;
        remote.answer(remote.enforcement().enforce(remote.call(request)).await)
    })?;
    if args.remote.json {
        session.out.json_pretty(&json::of("EnforceResponse", &answer)?)?;
    } else if let Some(decision) = &answer.decision {
        show(decision, session)?;
    }
    let decision = answer.decision.unwrap_or_default();
    // Only the exact verdict counts; a verdict that this build does not know permits nothing.
    match decision.verdict() {
        Verdict::Allow if decision.allowed => Ok(Exit::Done),
        Verdict::Deny => Ok(Exit::Denied),
        Verdict::RequireApproval => Ok(Exit::NeedsApproval),
        Verdict::Allow | Verdict::Unspecified => {
            Err(Failure::failed("the answer holds no verdict that this version knows; take it as a denial"))
        }
    }
}

/// A decision for people.
pub fn show(decision: &v1::Decision, session: &mut Session<'_>) -> Result<(), Failure> {
    let (style, verdict) = match decision.verdict() {
        Verdict::Allow => (Style::Good, "ALLOW"),
        Verdict::Deny => (Style::Bad, "DENY"),
        Verdict::RequireApproval => (Style::Notable, "REQUIRE_APPROVAL"),
        Verdict::Unspecified => (Style::Bad, "UNKNOWN"),
    };
    let verdict = session.out.paint(style, verdict);
    session.out.line(format_args!("{verdict}  {}", super::output::printable(&decision.reason)))?;
    let policy = match decision.policy_version {
        0 => String::new(),
        version => format!("{} version {version}", decision.policy_id),
    };
    session.out.fields(&[
        ("code", v1::ReasonCode::as_str_name(&decision.reason_code()).replacen("REASON_CODE_", "", 1)),
        ("action", decision.action.clone()),
        ("rule", decision.rule_id.clone()),
        ("rule says", decision.rule_reason.clone()),
        ("policy", policy),
        ("decision", decision.decision_id.clone()),
        ("repeat of", decision.repeat_of.clone()),
    ])
}
