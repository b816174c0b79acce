package io.agentguard;

/** The decision denies, or has a verdict that this client does not know. */
public final class ActionDenied extends AgentGuardError {
  private static final long serialVersionUID = 1;

  ActionDenied(Facts facts) {
    super(facts);
  }
}
