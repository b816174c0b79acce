package io.agentguard;

/** A person has to approve first. */
public final class ApprovalRequired extends AgentGuardError {
  private static final long serialVersionUID = 1;

  ApprovalRequired(Facts facts) {
    super(facts);
  }
}
