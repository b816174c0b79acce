package io.agentguard;

import io.agentguard.v1.ReasonCode;
import java.time.Instant;

/** What the server decided about one question. */
public final class Decision {
  private final io.agentguard.v1.Decision message;

  Decision(io.agentguard.v1.Decision message) {
    this.message = message;
  }

  public Verdict verdict() {
    switch (message.getVerdict()) {
      case VERDICT_ALLOW:
        return Verdict.ALLOW;
      case VERDICT_DENY:
        return Verdict.DENY;
      case VERDICT_REQUIRE_APPROVAL:
        return Verdict.REQUIRE_APPROVAL;
      default:
        return Verdict.UNKNOWN;
    }
  }

  /** True only for an exact ALLOW; the message's own flag is not read. */
  public boolean allowed() {
    return verdict() == Verdict.ALLOW;
  }

  public String reason() {
    return message.getReason();
  }

  /** Without prefix; {@code UNKNOWN} where this client does not know it. */
  public String reasonCode() {
    ReasonCode code = message.getReasonCode();
    return code == ReasonCode.UNRECOGNIZED || code == ReasonCode.REASON_CODE_UNSPECIFIED
        ? "UNKNOWN"
        : code.name().substring("REASON_CODE_".length());
  }

  public String decisionId() {
    return message.getDecisionId();
  }

  public String action() {
    return message.getAction();
  }

  public String ruleId() {
    return message.getRuleId();
  }

  public String ruleReason() {
    return message.getRuleReason();
  }

  public String policyId() {
    return message.getPolicyId();
  }

  public int policyVersion() {
    return message.getPolicyVersion();
  }

  public String policyRevision() {
    return message.getPolicyRevision();
  }

  public boolean ruleError() {
    return message.getRuleError();
  }

  public Instant decidedAt() {
    return Instant.ofEpochSecond(message.getDecidedAt().getSeconds(), message.getDecidedAt().getNanos());
  }

  public boolean idempotentRepeat() {
    return message.getIdempotentRepeat();
  }

  public String repeatOf() {
    return message.getRepeatOf();
  }

  /** This decision, if it allows. */
  Decision enforced(String requestId) {
    if (allowed()) {
      return this;
    }
    AgentGuardError.Facts facts = new AgentGuardError.Facts();
    facts.code = "OK";
    facts.reason = reasonCode();
    facts.requestId = requestId;
    facts.decision = this;
    boolean approval = verdict() == Verdict.REQUIRE_APPROVAL;
    facts.message =
        (approval ? "approval is required: " : "denied: ") + (reason().isEmpty() ? reasonCode() : reason());
    throw approval ? new ApprovalRequired(facts) : new ActionDenied(facts);
  }
}
