package io.agentguard;

import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** Why nothing was allowed. Every failure of a client is one of its subclasses. */
public class AgentGuardError extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** A field, or the subject of a quota, and what is wrong with it. */
  public static final class Violation {
    private final String field;
    private final String description;

    Violation(String field, String description) {
      this.field = field;
      this.description = description;
    }

    public String field() {
      return field;
    }

    public String description() {
      return description;
    }
  }

  /** What is known about a failure. */
  static final class Facts {
    String message = "";
    String code = "INTERNAL";
    String reason = "INTERNAL";
    String requestId = "";
    transient Decision decision;
    Duration retryAfter;
    List<Violation> violations = List.of();
  }

  private final transient Facts facts;

  AgentGuardError(Facts facts) {
    super(facts.message);
    this.facts = facts;
  }

  /** The gRPC code's name; {@code OK} for a denial. */
  public String code() {
    return facts.code;
  }

  /** The server's reason, a denial's reason code, or the code's name. */
  public String reason() {
    return facts.reason;
  }

  /** The request's id, to find it in the server's logs; may be empty. */
  public String requestId() {
    return facts.requestId;
  }

  /** The denial's decision, if this is one. */
  public Optional<Decision> decision() {
    return Optional.ofNullable(facts.decision);
  }

  /** The denial's decision id, else empty. */
  public String decisionId() {
    return facts.decision == null ? "" : facts.decision.decisionId();
  }

  /** When to ask again, if the server said so. */
  public Optional<Duration> retryAfter() {
    return Optional.ofNullable(facts.retryAfter);
  }

  /** Bad fields or exhausted quotas. */
  public List<Violation> violations() {
    return facts.violations;
  }
}
