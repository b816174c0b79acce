package io.agentguard;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.QuotaFailure;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** From statuses and details to errors: the one table. */
final class Errors {
  static final Metadata.Key<byte[]> DETAILS =
      Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);
  static final Metadata.Key<String> PUSHBACK =
      Metadata.Key.of("grpc-retry-pushback-ms", Metadata.ASCII_STRING_MARSHALLER);

  private Errors() {}

  static InvalidRequest invalid(String message) {
    AgentGuardError.Facts facts = facts(message, "INVALID_ARGUMENT", "CLIENT_CONFIGURATION", "");
    return new InvalidRequest(facts);
  }

  static InternalError malformed(String message, String requestId) {
    return new InternalError(facts(message, "INTERNAL", "MALFORMED_ANSWER", requestId));
  }

  static Unavailable closed(String requestId) {
    return new Unavailable(facts("the client is closed", "UNAVAILABLE", "CLIENT_CLOSED", requestId));
  }

  static Unavailable late(String requestId) {
    return new Unavailable(facts("the deadline passed", "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", requestId));
  }

  private static AgentGuardError.Facts facts(String message, String code, String reason, String requestId) {
    AgentGuardError.Facts facts = new AgentGuardError.Facts();
    facts.message = message;
    facts.code = code;
    facts.reason = reason;
    facts.requestId = requestId;
    return facts;
  }

  /** The error of a call that ended with {@code status}. */
  static AgentGuardError of(Status status, Metadata trailers, String requestId) {
    if (status.getCode() == Status.Code.CANCELLED && status.getCause() != null) {
      return malformed("the server's answer cannot be read", requestId); // gRPC cancels the call over such bytes
    }
    List<Any> details = List.of();
    byte[] bytes = trailers == null ? null : trailers.get(DETAILS);
    if (bytes != null) {
      try {
        details = com.google.rpc.Status.parseFrom(bytes).getDetailsList();
      } catch (InvalidProtocolBufferException e) {
        details = List.of(); // what cannot be read takes nothing from the code
      }
    }
    String pushback = trailers == null ? null : trailers.get(PUSHBACK);
    return of(status.getCode().name(), status.getDescription(), details, pushback, requestId);
  }

  /** The error of one item of a batch or of a stream. */
  static AgentGuardError of(com.google.rpc.Status status, String requestId) {
    if (status.getCode() == 0) {
      return malformed("an item without decision has status OK", requestId);
    }
    String code = Status.fromCodeValue(status.getCode()).getCode().name();
    return of(code, status.getMessage(), status.getDetailsList(), null, requestId);
  }

  private static AgentGuardError of(String code, String message, List<Any> details, String pushback, String requestId) {
    AgentGuardError.Facts facts = facts(message, code, code, requestId);
    boolean ours = false;
    boolean retry = false;
    List<AgentGuardError.Violation> violations = new ArrayList<>();
    for (Any detail : details) {
      try {
        if (detail.is(ErrorInfo.class)) {
          ErrorInfo info = detail.unpack(ErrorInfo.class);
          if (info.getDomain().equals("agentguard") && !info.getReason().isEmpty()) {
            ours = true;
            facts.reason = info.getReason();
            String id = info.getMetadataOrDefault("request_id", "");
            facts.requestId = id.isEmpty() ? requestId : id;
          }
        } else if (detail.is(RetryInfo.class)) {
          com.google.protobuf.Duration delay = detail.unpack(RetryInfo.class).getRetryDelay();
          facts.retryAfter = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
          retry = true;
        } else if (detail.is(BadRequest.class)) {
          detail.unpack(BadRequest.class).getFieldViolationsList()
              .forEach(v -> violations.add(new AgentGuardError.Violation(v.getField(), v.getDescription())));
        } else if (detail.is(QuotaFailure.class)) {
          detail.unpack(QuotaFailure.class).getViolationsList()
              .forEach(v -> violations.add(new AgentGuardError.Violation(v.getSubject(), v.getDescription())));
        }
      } catch (InvalidProtocolBufferException e) {
        continue; // what cannot be read takes nothing from the code
      }
    }
    facts.violations = List.copyOf(violations);
    Long pause = pause(pushback);
    if (facts.retryAfter == null && pause != null && pause >= 0) {
      facts.retryAfter = Duration.ofMillis(pause);
      retry = true;
    }
    if (facts.message == null || facts.message.isEmpty()) {
      facts.message = facts.reason;
    }
    return classify(facts, ours, retry);
  }

  private static AgentGuardError classify(AgentGuardError.Facts facts, boolean ours, boolean retry) {
    switch (facts.code) {
      case "UNAUTHENTICATED":
        return new Unauthenticated(facts);
      case "PERMISSION_DENIED":
        return new PermissionDenied(facts);
      case "INVALID_ARGUMENT":
      case "FAILED_PRECONDITION":
      case "NOT_FOUND":
      case "ALREADY_EXISTS":
      case "ABORTED":
        return new InvalidRequest(facts);
      case "RESOURCE_EXHAUSTED":
        if (ours && facts.reason.equals("MESSAGE_TOO_LARGE")) {
          return new InvalidRequest(facts);
        }
        return (ours ? facts.reason.equals("RATE_LIMITED") : retry) ? new RateLimited(facts) : new InternalError(facts);
      case "UNAVAILABLE":
      case "DEADLINE_EXCEEDED":
      case "CANCELLED":
        return new Unavailable(facts);
      default:
        return new InternalError(facts);
    }
  }

  /** The pushback as a number; negative for one that is none; null if there is no pushback. */
  static Long pause(String pushback) {
    if (pushback == null) {
      return null;
    }
    try {
      return Long.parseLong(pushback);
    } catch (NumberFormatException e) {
      return -1L;
    }
  }
}
