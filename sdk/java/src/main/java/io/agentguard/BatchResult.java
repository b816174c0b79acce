package io.agentguard;

import java.util.Optional;

/** What became of one check of a batch: a decision, or an error. */
public final class BatchResult {
  private final Decision decision;
  private final AgentGuardError error;

  BatchResult(Decision decision, AgentGuardError error) {
    this.decision = decision;
    this.error = error;
  }

  /** True only for an exact ALLOW. */
  public boolean allowed() {
    return decision != null && decision.allowed();
  }

  public Optional<Decision> decision() {
    return Optional.ofNullable(decision);
  }

  public Optional<AgentGuardError> error() {
    return Optional.ofNullable(error);
  }
}
