package io.agentguard;

import io.agentguard.v1.AuditRecord;
import io.agentguard.v1.BatchEnforceRequest;
import io.agentguard.v1.BatchEnforceResponse;
import io.agentguard.v1.BatchEnforceResult;
import io.agentguard.v1.EnforceRequest;
import io.agentguard.v1.EnforcementServiceGrpc;
import io.agentguard.v1.ListOwnRecordsRequest;
import io.agentguard.v1.ListOwnRecordsResponse;
import io.agentguard.v1.Outcome;
import io.agentguard.v1.RecordFilter;
import io.agentguard.v1.ReportOutcomeRequest;
import io.agentguard.v1.ReportOutcomeResponse;
import io.agentguard.v1.ReportRequest;
import io.agentguard.v1.ReportResponse;
import io.agentguard.v1.WhoAmIRequest;
import io.agentguard.v1.WhoAmIResponse;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.logging.Level;
import java.util.logging.Logger;

/**
 * Asks what one agent may do, over one connection: made once, closed at the end, safe for many threads. Only an exact
 * ALLOW allows; whatever goes wrong is an {@link AgentGuardError}.
 */
public final class AgentGuardClient implements AutoCloseable {
  private static final Logger LOG = Logger.getLogger(AgentGuardClient.class.getName());
  private final Transport transport;

  private AgentGuardClient(Builder settings) {
    transport = new Transport(settings, false);
  }

  public static Builder builder() {
    return new Builder();
  }

  /** How the client is made. */
  public static final class Builder extends ConnectionBuilder<Builder> {
    private Builder() {}

    @Override
    Builder self() {
      return this;
    }

    /** The agent's key; else {@code AGENTGUARD_API_KEY}, or the file named by {@code AGENTGUARD_API_KEY_FILE}. */
    public Builder apiKey(String key) {
      this.key = key;
      return this;
    }

    /** Checks everything, and does not connect yet. */
    public AgentGuardClient build() {
      return new AgentGuardClient(this);
    }
  }

  /** Whether {@code check} may be done; fails if nothing was decided. */
  public CompletableFuture<Boolean> checkAsync(Check check) {
    return decideAsync(check).thenApply(Decision::allowed);
  }

  /** As {@link #checkAsync}. */
  public boolean check(Check check) {
    return decide(check).allowed();
  }

  public boolean check(String action, String resource) {
    return check(Check.of(action, resource));
  }

  /** The decision, whichever it is; fails if nothing was decided. */
  public CompletableFuture<Decision> decideAsync(Check check) {
    String id = requestId(check);
    return transport
        .call(EnforcementServiceGrpc.getEnforceMethod(), check.keyed(), id, check.timeout, true)
        .thenApply(answer -> decided(answer.hasDecision() ? answer.getDecision() : null, id));
  }

  /** As {@link #decideAsync}. */
  public Decision decide(Check check) {
    return Transport.await(decideAsync(check));
  }

  public Decision decide(String action, String resource) {
    return decide(Check.of(action, resource));
  }

  /** The decision if it allows; else fails with {@link ActionDenied} or {@link ApprovalRequired}. */
  public CompletableFuture<Decision> enforceAsync(Check check) {
    Check known = check.requestId(requestId(check));
    return decideAsync(known).thenApply(decision -> decision.enforced(known.requestId));
  }

  /** As {@link #enforceAsync}. */
  public Decision enforce(Check check) {
    return Transport.await(enforceAsync(check));
  }

  public Decision enforce(String action, String resource) {
    return enforce(Check.of(action, resource));
  }

  /** Enforces, runs {@code function} once, and reports what came of it; the function's own exception comes out unchanged. */
  public <T> T guard(Check check, Callable<T> function) throws Exception {
    Decision decision = enforce(check);
    T value;
    try {
      value = function.call();
    } catch (Throwable error) {
      reported(decision, outcome(false, error.getClass().getName(), null));
      throw error;
    }
    reported(decision, outcome(true, "", null));
    return value;
  }

  public <T> T guard(String action, String resource, Callable<T> function) throws Exception {
    return guard(Check.of(action, resource), function);
  }

  private void reported(Decision decision, Outcome outcome) {
    try {
      Transport.await(reportOutcomeAsync(decision.decisionId(), outcome));
    } catch (RuntimeException e) {
      LOG.log(Level.WARNING, "the outcome of {0} was not reported: {1}", new Object[] {decision.decisionId(), e.toString()});
    }
  }

  /** One result a check, in their order. */
  public CompletableFuture<List<BatchResult>> batchAsync(List<Check> checks) {
    BatchEnforceRequest.Builder request = BatchEnforceRequest.newBuilder();
    checks.forEach(check -> request.addChecks(check.keyed()));
    String id = Ids.next();
    return transport
        .call(EnforcementServiceGrpc.getBatchEnforceMethod(), request.build(), id, null, true)
        .thenApply(answer -> results(answer, checks.size(), id));
  }

  /** As {@link #batchAsync}. */
  public List<BatchResult> batch(List<Check> checks) {
    return Transport.await(batchAsync(checks));
  }

  private static List<BatchResult> results(BatchEnforceResponse answer, int expected, String id) {
    if (answer.getResultsCount() != expected) {
      throw Errors.malformed("asked " + expected + " checks, got " + answer.getResultsCount() + " results", id);
    }
    List<BatchResult> results = new ArrayList<>();
    for (BatchEnforceResult item : answer.getResultsList()) {
      if (item.hasError()) {
        results.add(new BatchResult(null, Errors.of(item.getError(), id)));
        continue;
      }
      try {
        results.add(new BatchResult(decided(item.hasDecision() ? item.getDecision() : null, id), null));
      } catch (AgentGuardError e) {
        results.add(new BatchResult(null, e));
      }
    }
    return results;
  }

  /** The same questions over one open stream, for hot loops; close it before the client. */
  public DecisionStream stream() {
    return new DecisionStream(transport);
  }

  private static Outcome outcome(boolean success, String error, Map<String, ?> metadata) {
    Outcome.Builder outcome = Outcome.newBuilder().setSuccess(success).setError(error == null ? "" : error);
    if (metadata != null) {
      outcome.setMetadata(Check.struct(metadata));
    }
    return outcome.build();
  }

  private CompletableFuture<ReportOutcomeResponse> reportOutcomeAsync(String decisionId, Outcome outcome) {
    ReportOutcomeRequest request =
        ReportOutcomeRequest.newBuilder().setDecisionId(decisionId).setOutcome(outcome).build();
    return transport.call(EnforcementServiceGrpc.getReportOutcomeMethod(), request, null, null, true);
  }

  /** What came of a decision; {@code error} is the class of a failure (never a text with secrets), both last may be null. */
  public ReportOutcomeResponse reportOutcome(String decisionId, boolean success, String error, Map<String, ?> metadata) {
    return Transport.await(reportOutcomeAsync(decisionId, success, error, metadata));
  }

  /** As {@link #reportOutcome}. */
  public CompletableFuture<ReportOutcomeResponse> reportOutcomeAsync(
      String decisionId, boolean success, String error, Map<String, ?> metadata) {
    return reportOutcomeAsync(decisionId, outcome(success, error, metadata));
  }

  /** An act that was never asked about; {@code success} may be null: not known. Never tried again. */
  public ReportResponse report(Check act, Boolean success, String error) {
    return Transport.await(reportAsync(act, success, error));
  }

  /** As {@link #report}. */
  public CompletableFuture<ReportResponse> reportAsync(Check act, Boolean success, String error) {
    EnforceRequest from = act.message;
    ReportRequest.Builder request =
        ReportRequest.newBuilder()
            .setAction(from.getAction())
            .setResource(from.getResource())
            .setSessionId(from.getSessionId())
            .setOnBehalfOf(from.getOnBehalfOf());
    if (from.hasArguments()) {
      request.setArguments(from.getArguments());
    }
    if (from.hasContext()) {
      request.setContext(from.getContext());
    }
    if (success != null) {
      request.setOutcome(outcome(success, error, null));
    }
    return transport.call(
        EnforcementServiceGrpc.getReportMethod(), request.build(), act.requestId, act.timeout, false);
  }

  /** The agent's own records, all pages. */
  public Iterator<AuditRecord> listOwnRecords(RecordFilter filter) {
    return new Pages<>(
        "",
        token -> Transport.await(transport.call(
            EnforcementServiceGrpc.getListOwnRecordsMethod(),
            ListOwnRecordsRequest.newBuilder().setFilter(filter).setPageToken(token).build(), null, null, true)),
        ListOwnRecordsResponse::getRecordsList,
        ListOwnRecordsResponse::getNextPageToken);
  }

  /** The agent and the key. */
  public WhoAmIResponse whoAmI() {
    return Transport.await(whoAmIAsync());
  }

  /** As {@link #whoAmI}. */
  public CompletableFuture<WhoAmIResponse> whoAmIAsync() {
    return transport.call(
        EnforcementServiceGrpc.getWhoAmIMethod(), WhoAmIRequest.getDefaultInstance(), null, null, true);
  }

  private static String requestId(Check check) {
    return check.requestId != null && !check.requestId.isEmpty() ? check.requestId : Ids.next();
  }

  static Decision decided(io.agentguard.v1.Decision message, String requestId) {
    if (message == null || message.getVerdictValue() == 0) {
      throw Errors.malformed("the server answered without a decision", requestId);
    }
    return new Decision(message);
  }

  @Override
  public void close() {
    transport.close();
  }
}
