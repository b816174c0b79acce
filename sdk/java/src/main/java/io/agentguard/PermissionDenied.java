package io.agentguard;

/** The key may not do this. */
public final class PermissionDenied extends AgentGuardError {
  private static final long serialVersionUID = 1;

  PermissionDenied(Facts facts) {
    super(facts);
  }
}
