package io.agentguard;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/** The messages of one call, as they come. For one thread; closing it cancels the call. */
public final class Messages<A> implements Iterator<A>, AutoCloseable {
  private static final Object END = new Object();
  private final LinkedBlockingQueue<Object> queue = new LinkedBlockingQueue<>(); // at most one message and the end
  private final ClientCall<?, A> call;
  private final Predicate<A> isLast;
  private final boolean needsLast;
  private final String id = Ids.next();
  private boolean sawLast;
  private A following;
  private boolean ended;

  <Q> Messages(
      Transport transport, MethodDescriptor<Q, A> method, Q request, Duration timeout, Predicate<A> isLast, boolean needsLast) {
    this.isLast = isLast;
    this.needsLast = needsLast;
    if (transport.closed) {
      throw Errors.closed(id);
    }
    CallOptions options = CallOptions.DEFAULT;
    if (timeout != null) {
      options = options.withDeadlineAfter(timeout.toNanos(), TimeUnit.NANOSECONDS);
    }
    ClientCall<Q, A> started = transport.channel.newCall(method, options);
    call = started;
    started.start(
        new ClientCall.Listener<A>() {
          @Override
          public void onMessage(A message) {
            queue.add(message);
          }

          @Override
          public void onClose(Status status, Metadata trailers) {
            if (status.isOk()) {
              queue.add(END);
            } else {
              queue.add(transport.closed ? Errors.closed(id) : Errors.of(status, trailers, id));
            }
          }
        },
        transport.headers(id, 0));
    started.request(1);
    started.sendMessage(request);
    started.halfClose();
  }

  @Override
  @SuppressWarnings("unchecked")
  public boolean hasNext() {
    if (following != null) {
      return true;
    }
    if (ended) {
      return false;
    }
    Object got;
    try {
      got = queue.take();
    } catch (InterruptedException e) {
      close();
      Thread.currentThread().interrupt();
      throw new java.util.concurrent.CancellationException("interrupted");
    }
    if (got instanceof AgentGuardError) {
      ended = true;
      throw (AgentGuardError) got;
    }
    if (got == END) {
      ended = true;
      if (needsLast && !sawLast) {
        throw Errors.malformed("the answers ended without the last one", id);
      }
      return false;
    }
    following = (A) got;
    sawLast |= isLast.test(following);
    call.request(1);
    return true;
  }

  @Override
  public A next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    A message = following;
    following = null;
    return message;
  }

  @Override
  public void close() {
    ended = true;
    call.cancel("closed by the caller", null);
  }
}
