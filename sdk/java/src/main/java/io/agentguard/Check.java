package io.agentguard;

import com.google.protobuf.ListValue;
import com.google.protobuf.NullValue;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import io.agentguard.v1.EnforceRequest;
import java.time.Duration;
import java.util.Map;

/** One question: may this be done? What is not given is not sent. Immutable: each method returns a new one. */
public final class Check {
  final EnforceRequest message;
  final String requestId;
  final Duration timeout;

  private Check(EnforceRequest message, String requestId, Duration timeout) {
    this.message = message;
    this.requestId = requestId;
    this.timeout = timeout;
  }

  public static Check of(String action) {
    return new Check(EnforceRequest.newBuilder().setAction(action).build(), null, null);
  }

  public static Check of(String action, String resource) {
    return of(action).resource(resource);
  }

  private Check with(EnforceRequest.Builder changed) {
    return new Check(changed.build(), requestId, timeout);
  }

  public Check resource(String resource) {
    return with(message.toBuilder().setResource(resource));
  }

  /** Values: null, Boolean, Number, String, Map with text as keys, Iterable; anything else is refused. */
  public Check arguments(Map<String, ?> arguments) {
    return with(message.toBuilder().setArguments(struct(arguments)));
  }

  /** As {@link #arguments}. */
  public Check context(Map<String, ?> context) {
    return with(message.toBuilder().setContext(struct(context)));
  }

  public Check sessionId(String id) {
    return with(message.toBuilder().setSessionId(id));
  }

  public Check onBehalfOf(String whom) {
    return with(message.toBuilder().setOnBehalfOf(whom));
  }

  public Check approvalId(String id) {
    return with(message.toBuilder().setApprovalId(id));
  }

  public Check idempotencyKey(String key) {
    return with(message.toBuilder().setIdempotencyKey(key));
  }

  public Check minRevision(String revision) {
    return with(message.toBuilder().setMinRevision(revision));
  }

  public Check requestId(String id) {
    return new Check(message, id, timeout);
  }

  /** For all tries together. */
  public Check timeout(Duration timeout) {
    return new Check(message, requestId, timeout);
  }

  /** With an idempotency key: the caller's, else a new one. */
  EnforceRequest keyed() {
    return message.getIdempotencyKey().isEmpty()
        ? message.toBuilder().setIdempotencyKey(Ids.next()).build()
        : message;
  }

  static Struct struct(Map<String, ?> map) {
    Struct.Builder out = Struct.newBuilder();
    map.forEach((name, value) -> out.putFields(name, value(value)));
    return out.build();
  }

  private static Value value(Object value) {
    Value.Builder out = Value.newBuilder();
    if (value == null) {
      return out.setNullValue(NullValue.NULL_VALUE).build();
    } else if (value instanceof Boolean) {
      return out.setBoolValue((Boolean) value).build();
    } else if (value instanceof Number) {
      return out.setNumberValue(((Number) value).doubleValue()).build();
    } else if (value instanceof CharSequence) {
      return out.setStringValue(value.toString()).build();
    } else if (value instanceof Map) {
      Struct.Builder fields = Struct.newBuilder();
      ((Map<?, ?>) value).forEach((name, item) -> fields.putFields((String) name, value(item)));
      return out.setStructValue(fields).build();
    } else if (value instanceof Iterable) {
      ListValue.Builder list = ListValue.newBuilder();
      ((Iterable<?>) value).forEach(item -> list.addValues(value(item)));
      return out.setListValue(list).build();
    }
    throw Errors.invalid("a value of class " + value.getClass().getName() + " cannot be sent: use maps, lists, text, numbers");
  }
}
