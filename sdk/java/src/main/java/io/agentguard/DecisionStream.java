package io.agentguard;

import io.agentguard.v1.EnforceRequest;
import io.agentguard.v1.EnforceStreamRequest;
import io.agentguard.v1.EnforceStreamResponse;
import io.agentguard.v1.EnforcementServiceGrpc;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * The same questions over one open stream, for hot loops; safe for many threads. It opens with the first check, and
 * anew after it broke. At most 64 checks are outstanding; more wait.
 */
public final class DecisionStream implements AutoCloseable {
  private static final int OUTSTANDING = 64;
  private final Transport transport;
  private final ArrayDeque<Pending> waiting = new ArrayDeque<>();
  private final Map<Long, Pending> outstanding = new HashMap<>();
  private ClientCall<EnforceStreamRequest, EnforceStreamResponse> call;
  private long sequence;
  private boolean closed;
  private int attempt;
  private String streamId = Ids.next();

  DecisionStream(Transport transport) {
    this.transport = transport;
  }

  private static final class Pending {
    final CompletableFuture<Decision> result = new CompletableFuture<>();
    EnforceRequest request;
    String id;
    long end;
    int tries;
  }

  /** As the client's. */
  public CompletableFuture<Decision> decideAsync(Check check) {
    Pending pending = new Pending();
    pending.request = check.keyed();
    pending.id = check.requestId == null ? Ids.next() : check.requestId;
    long nanos = (check.timeout != null ? check.timeout : transport.timeout).toNanos();
    pending.end = System.nanoTime() + nanos;
    CompletableFuture.delayedExecutor(nanos, TimeUnit.NANOSECONDS, Runnable::run).execute(() -> expire(pending));
    ask(pending);
    return pending.result;
  }

  /** As the client's. */
  public Decision decide(Check check) {
    return Transport.await(decideAsync(check));
  }

  /** As the client's. */
  public boolean check(Check check) {
    return decide(check).allowed();
  }

  /** As the client's. */
  public Decision enforce(Check check) {
    return decide(check).enforced(check.requestId == null ? "" : check.requestId);
  }

  private void expire(Pending pending) {
    synchronized (this) {
      waiting.remove(pending);
      outstanding.values().remove(pending);
      pump();
    }
    pending.result.completeExceptionally(Errors.late(pending.id));
  }

  private void ask(Pending pending) {
    boolean refused;
    synchronized (this) {
      refused = closed || transport.closed;
      if (!refused && !pending.result.isDone()) {
        waiting.add(pending);
        pump();
      }
    }
    if (refused) {
      pending.result.completeExceptionally(Errors.closed(pending.id));
    }
  }

  /** Sends what fits. Under the lock. */
  private void pump() {
    while (!closed && !waiting.isEmpty() && outstanding.size() < OUTSTANDING) {
      Pending pending = waiting.remove();
      if (call == null) {
        open();
      }
      long number = ++sequence;
      outstanding.put(number, pending);
      call.sendMessage(EnforceStreamRequest.newBuilder().setSequence(number).setRequest(pending.request).build());
    }
  }

  private void open() {
    ClientCall<EnforceStreamRequest, EnforceStreamResponse> fresh =
        transport.channel.newCall(EnforcementServiceGrpc.getEnforceStreamMethod(), CallOptions.DEFAULT);
    call = fresh;
    fresh.start(
        new ClientCall.Listener<EnforceStreamResponse>() {
          @Override
          public void onMessage(EnforceStreamResponse message) {
            fresh.request(1);
            answered(message);
          }

          @Override
          public void onClose(Status status, Metadata trailers) {
            ended(fresh, Transport.normal(status), trailers);
          }
        },
        transport.headers(streamId, attempt));
    fresh.request(1);
  }

  private void answered(EnforceStreamResponse message) {
    Pending pending;
    synchronized (this) {
      attempt = 0;
      pending = outstanding.remove(message.getSequence());
      pump();
    }
    if (pending == null) {
      return; // nobody waits for it any more
    }
    if (message.hasError()) {
      AgentGuardError error = Errors.of(message.getError(), pending.id);
      if (message.getError().getCode() == Status.Code.UNAVAILABLE.value()) {
        again(pending, Transport.pause(null), error);
      } else {
        pending.result.completeExceptionally(error);
      }
      return;
    }
    try {
      pending.result.complete(
          AgentGuardClient.decided(message.hasDecision() ? message.getDecision() : null, pending.id));
    } catch (AgentGuardError e) {
      pending.result.completeExceptionally(e);
    }
  }

  private void ended(ClientCall<?, ?> which, Status status, Metadata trailers) {
    List<Pending> left;
    synchronized (this) {
      if (call != which) {
        return;
      }
      call = null;
      left = new ArrayList<>(outstanding.values());
      outstanding.clear();
      if (left.isEmpty()) {
        attempt = 0;
        streamId = Ids.next();
      } else {
        attempt = Math.min(attempt + 1, Transport.TRIES - 1);
      }
      pump();
    }
    boolean tried = status.isOk() || status.getCode() == Status.Code.UNAVAILABLE;
    long pause = Transport.pause(trailers);
    Status told = status.isOk() ? Status.UNAVAILABLE.withDescription("the stream ended without an answer") : status;
    for (Pending pending : left) {
      AgentGuardError error =
          closed || transport.closed ? Errors.closed(pending.id) : Errors.of(told, trailers, pending.id);
      if (tried && !closed && !transport.closed) {
        again(pending, pause, error);
      } else {
        pending.result.completeExceptionally(error);
      }
    }
  }

  private void again(Pending pending, long pause, AgentGuardError error) {
    pending.tries++;
    if (pending.tries >= Transport.TRIES || pause < 0
        || pause >= TimeUnit.NANOSECONDS.toMillis(pending.end - System.nanoTime())) {
      pending.result.completeExceptionally(error);
    } else {
      CompletableFuture.delayedExecutor(pause, TimeUnit.MILLISECONDS).execute(() -> ask(pending));
    }
  }

  /** Cancels the stream; what is outstanding fails with {@link Unavailable}, reason {@code CLIENT_CLOSED}. */
  @Override
  public void close() {
    List<Pending> left;
    synchronized (this) {
      closed = true;
      left = new ArrayList<>(outstanding.values());
      left.addAll(waiting);
      outstanding.clear();
      waiting.clear();
      if (call != null) {
        call.cancel("closed by the caller", null);
      }
    }
    left.forEach(pending -> pending.result.completeExceptionally(Errors.closed(pending.id)));
  }
}
