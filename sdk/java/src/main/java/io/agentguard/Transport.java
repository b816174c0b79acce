package io.agentguard;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.handler.codec.http2.Http2Exception;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslContextBuilder;
import java.io.ByteArrayInputStream;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/** One channel, and the one way in which calls are made, tried again and fail. */
final class Transport implements AutoCloseable {
  static final int TRIES = 3;
  private static final Metadata.Key<String> REQUEST_ID = Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER);
  private static final Metadata.Key<String> ATTEMPT =
      Metadata.Key.of("x-agentguard-attempt", Metadata.ASCII_STRING_MARSHALLER);

  final ManagedChannel channel;
  private final Metadata.Key<String> keyHeader;
  private final String key;
  final Duration timeout;
  volatile boolean closed;

  Transport(ConnectionBuilder<?> settings, boolean admin) {
    ConnectionBuilder.Target target = settings.resolve(admin ? "AGENTGUARD_ADMIN_KEY" : "AGENTGUARD_API_KEY");
    keyHeader = Metadata.Key.of(admin ? "x-admin-key" : "x-agent-key", Metadata.ASCII_STRING_MARSHALLER);
    key = settings.key;
    timeout = settings.timeout != null ? settings.timeout : Duration.ofSeconds(admin ? 10 : 1);
    String host = target.host.contains(":") ? "[" + target.host + "]" : target.host;
    NettyChannelBuilder builder =
        NettyChannelBuilder.forTarget("dns:///" + host + ":" + target.port)
            .defaultLoadBalancingPolicy("round_robin")
            .disableServiceConfigLookUp()
            .disableRetry()
            .maxInboundMessageSize((admin ? 16 : 4) << 20)
            .userAgent("agentguard-java/0.1.0");
    if (target.tls) {
      try {
        SslContextBuilder tls = GrpcSslContexts.forClient();
        if (settings.caBytes != null) {
          tls.trustManager(new ByteArrayInputStream(settings.caBytes));
        } else if (settings.caFile != null) {
          tls.trustManager(settings.caFile);
        }
        if (settings.certFile != null) {
          tls.keyManager(settings.certFile, settings.certKeyFile);
        }
        builder.sslContext(tls.build());
      } catch (javax.net.ssl.SSLException | RuntimeException e) {
        throw Errors.invalid("the certificates cannot be used: check the files of the CA and of the client");
      }
    } else {
      builder.usePlaintext();
    }
    channel = builder.build();
  }

  /** The headers of one try. */
  Metadata headers(String requestId, int attempt) {
    Metadata headers = new Metadata();
    headers.put(keyHeader, key);
    headers.put(REQUEST_ID, requestId);
    if (attempt > 0) {
      headers.put(ATTEMPT, Integer.toString(attempt));
    }
    return headers;
  }

  /** A pause of 25 to 250 ms, or what the server said; negative: no other try. In ms. */
  static long pause(Metadata trailers) {
    Long said = trailers == null ? null : Errors.pause(trailers.get(Errors.PUSHBACK));
    return said != null ? said : ThreadLocalRandom.current().nextLong(25, 251);
  }

  /** A connection that breaks is UNAVAILABLE, also where gRPC calls its HTTP/2 error INTERNAL. */
  static Status normal(Status status) {
    boolean connection =
        status.getCause() instanceof Http2Exception && !(status.getCause() instanceof Http2Exception.StreamException);
    return connection ? Status.UNAVAILABLE.withDescription("the connection broke").withCause(status.getCause()) : status;
  }

  /** A call with one request and one answer. Cancelling the future cancels the call. */
  <Q, A> CompletableFuture<A> call(
      MethodDescriptor<Q, A> method, Q request, String requestId, Duration timeout, boolean again) {
    String id = requestId != null && !requestId.isEmpty() ? requestId : Ids.next();
    long end = System.nanoTime() + (timeout != null ? timeout : this.timeout).toNanos();
    Unary<Q, A> unary = new Unary<>(method, request, id, end, again);
    unary.start(0);
    return unary.result;
  }

  /** Waits for {@code future}; its own error is thrown as it is. */
  static <T> T await(CompletableFuture<T> future) {
    try {
      return future.get();
    } catch (InterruptedException e) {
      future.cancel(true);
      Thread.currentThread().interrupt();
      throw new java.util.concurrent.CancellationException("interrupted");
    } catch (java.util.concurrent.ExecutionException e) {
      throw unwrapped(e.getCause());
    }
  }

  static RuntimeException unwrapped(Throwable error) {
    Throwable cause = error;
    while (cause instanceof CompletionException && cause.getCause() != null) {
      cause = cause.getCause();
    }
    if (cause instanceof Error) {
      throw (Error) cause;
    }
    return cause instanceof RuntimeException ? (RuntimeException) cause : new CompletionException(cause);
  }

  private final class Unary<Q, A> {
    final CompletableFuture<A> result = new CompletableFuture<>();
    final MethodDescriptor<Q, A> method;
    final Q request;
    final String id;
    final long end;
    final boolean again;
    volatile ClientCall<Q, A> current;

    Unary(MethodDescriptor<Q, A> method, Q request, String id, long end, boolean again) {
      this.method = method;
      this.request = request;
      this.id = id;
      this.end = end;
      this.again = again;
      result.whenComplete((answer, error) -> {
        ClientCall<Q, A> call = current;
        if (result.isCancelled() && call != null) {
          call.cancel("cancelled by the caller", null);
        }
      });
    }

    void start(int attempt) {
      if (result.isDone()) {
        return;
      }
      long left = end - System.nanoTime();
      if (closed) {
        result.completeExceptionally(Errors.closed(id));
        return;
      }
      if (left <= 0) {
        result.completeExceptionally(Errors.late(id));
        return;
      }
      ClientCall<Q, A> call = channel.newCall(method, CallOptions.DEFAULT.withDeadlineAfter(left, TimeUnit.NANOSECONDS));
      current = call;
      call.start(
          new ClientCall.Listener<A>() {
            private A answer;

            @Override
            public void onMessage(A message) {
              answer = message;
            }

            @Override
            public void onClose(Status status, Metadata trailers) {
              finish(normal(status), trailers, answer, attempt);
            }
          },
          headers(id, attempt));
      call.request(2);
      call.sendMessage(request);
      call.halfClose();
    }

    void finish(Status status, Metadata trailers, A answer, int attempt) {
      if (closed && !status.isOk()) {
        result.completeExceptionally(Errors.closed(id));
      } else if (status.isOk()) {
        if (answer != null) {
          result.complete(answer);
        } else {
          result.completeExceptionally(Errors.malformed("the server answered without a message", id));
        }
      } else {
        long pause = pause(trailers);
        boolean fits = pause >= 0 && pause < TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
        if (again && attempt + 1 < TRIES && fits && status.getCode() == Status.Code.UNAVAILABLE) {
          CompletableFuture.delayedExecutor(pause, TimeUnit.MILLISECONDS).execute(() -> start(attempt + 1));
        } else {
          result.completeExceptionally(Errors.of(status, trailers, id));
        }
      }
    }
  }

  @Override
  public void close() {
    closed = true;
    channel.shutdownNow();
    try {
      channel.awaitTermination(1, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
