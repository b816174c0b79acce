package io.agentguard;

/** Nobody answered in time. */
public final class Unavailable extends AgentGuardError {
  private static final long serialVersionUID = 1;

  Unavailable(Facts facts) {
    super(facts);
  }
}
