package io.agentguard.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * What agents call: ask before acting, report what came of it. Every call needs an agent's key, in the metadata
 * (or HTTP header) `x-agent-key` or as `authorization: Bearer KEY`.
 * A denial is an answer, not an error: the status is `OK` and the verdict says DENY. Any other status means that
 * nothing was decided, and must be treated as a denial. The reasons of errors are those of `ErrorReason`; every
 * RPC may answer `UNAUTHENTICATED`, `PERMISSION_DENIED`, `RATE_LIMITED`, `OVERLOADED`, `SHUTTING_DOWN`,
 * `DEADLINE_EXCEEDED` and `INTERNAL` besides those named with it. Deadlines are gRPC's; there is no timeout field.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class EnforcementServiceGrpc {

  private EnforcementServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "agentguard.v1.EnforcementService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.EnforceRequest,
      io.agentguard.v1.EnforceResponse> getEnforceMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Enforce",
      requestType = io.agentguard.v1.EnforceRequest.class,
      responseType = io.agentguard.v1.EnforceResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.EnforceRequest,
      io.agentguard.v1.EnforceResponse> getEnforceMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.EnforceRequest, io.agentguard.v1.EnforceResponse> getEnforceMethod;
    if ((getEnforceMethod = EnforcementServiceGrpc.getEnforceMethod) == null) {
      synchronized (EnforcementServiceGrpc.class) {
        if ((getEnforceMethod = EnforcementServiceGrpc.getEnforceMethod) == null) {
          EnforcementServiceGrpc.getEnforceMethod = getEnforceMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.EnforceRequest, io.agentguard.v1.EnforceResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Enforce"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.EnforceRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.EnforceResponse.getDefaultInstance()))
              .setSchemaDescriptor(new EnforcementServiceMethodDescriptorSupplier("Enforce"))
              .build();
        }
      }
    }
    return getEnforceMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.BatchEnforceRequest,
      io.agentguard.v1.BatchEnforceResponse> getBatchEnforceMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "BatchEnforce",
      requestType = io.agentguard.v1.BatchEnforceRequest.class,
      responseType = io.agentguard.v1.BatchEnforceResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.BatchEnforceRequest,
      io.agentguard.v1.BatchEnforceResponse> getBatchEnforceMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.BatchEnforceRequest, io.agentguard.v1.BatchEnforceResponse> getBatchEnforceMethod;
    if ((getBatchEnforceMethod = EnforcementServiceGrpc.getBatchEnforceMethod) == null) {
      synchronized (EnforcementServiceGrpc.class) {
        if ((getBatchEnforceMethod = EnforcementServiceGrpc.getBatchEnforceMethod) == null) {
          EnforcementServiceGrpc.getBatchEnforceMethod = getBatchEnforceMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.BatchEnforceRequest, io.agentguard.v1.BatchEnforceResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "BatchEnforce"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.BatchEnforceRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.BatchEnforceResponse.getDefaultInstance()))
              .setSchemaDescriptor(new EnforcementServiceMethodDescriptorSupplier("BatchEnforce"))
              .build();
        }
      }
    }
    return getBatchEnforceMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.EnforceStreamRequest,
      io.agentguard.v1.EnforceStreamResponse> getEnforceStreamMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "EnforceStream",
      requestType = io.agentguard.v1.EnforceStreamRequest.class,
      responseType = io.agentguard.v1.EnforceStreamResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.EnforceStreamRequest,
      io.agentguard.v1.EnforceStreamResponse> getEnforceStreamMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.EnforceStreamRequest, io.agentguard.v1.EnforceStreamResponse> getEnforceStreamMethod;
    if ((getEnforceStreamMethod = EnforcementServiceGrpc.getEnforceStreamMethod) == null) {
      synchronized (EnforcementServiceGrpc.class) {
        if ((getEnforceStreamMethod = EnforcementServiceGrpc.getEnforceStreamMethod) == null) {
          EnforcementServiceGrpc.getEnforceStreamMethod = getEnforceStreamMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.EnforceStreamRequest, io.agentguard.v1.EnforceStreamResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "EnforceStream"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.EnforceStreamRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.EnforceStreamResponse.getDefaultInstance()))
              .setSchemaDescriptor(new EnforcementServiceMethodDescriptorSupplier("EnforceStream"))
              .build();
        }
      }
    }
    return getEnforceStreamMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.ReportOutcomeRequest,
      io.agentguard.v1.ReportOutcomeResponse> getReportOutcomeMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ReportOutcome",
      requestType = io.agentguard.v1.ReportOutcomeRequest.class,
      responseType = io.agentguard.v1.ReportOutcomeResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.ReportOutcomeRequest,
      io.agentguard.v1.ReportOutcomeResponse> getReportOutcomeMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.ReportOutcomeRequest, io.agentguard.v1.ReportOutcomeResponse> getReportOutcomeMethod;
    if ((getReportOutcomeMethod = EnforcementServiceGrpc.getReportOutcomeMethod) == null) {
      synchronized (EnforcementServiceGrpc.class) {
        if ((getReportOutcomeMethod = EnforcementServiceGrpc.getReportOutcomeMethod) == null) {
          EnforcementServiceGrpc.getReportOutcomeMethod = getReportOutcomeMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.ReportOutcomeRequest, io.agentguard.v1.ReportOutcomeResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ReportOutcome"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ReportOutcomeRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ReportOutcomeResponse.getDefaultInstance()))
              .setSchemaDescriptor(new EnforcementServiceMethodDescriptorSupplier("ReportOutcome"))
              .build();
        }
      }
    }
    return getReportOutcomeMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.ReportRequest,
      io.agentguard.v1.ReportResponse> getReportMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "Report",
      requestType = io.agentguard.v1.ReportRequest.class,
      responseType = io.agentguard.v1.ReportResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.ReportRequest,
      io.agentguard.v1.ReportResponse> getReportMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.ReportRequest, io.agentguard.v1.ReportResponse> getReportMethod;
    if ((getReportMethod = EnforcementServiceGrpc.getReportMethod) == null) {
      synchronized (EnforcementServiceGrpc.class) {
        if ((getReportMethod = EnforcementServiceGrpc.getReportMethod) == null) {
          EnforcementServiceGrpc.getReportMethod = getReportMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.ReportRequest, io.agentguard.v1.ReportResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "Report"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ReportRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ReportResponse.getDefaultInstance()))
              .setSchemaDescriptor(new EnforcementServiceMethodDescriptorSupplier("Report"))
              .build();
        }
      }
    }
    return getReportMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.ListOwnRecordsRequest,
      io.agentguard.v1.ListOwnRecordsResponse> getListOwnRecordsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListOwnRecords",
      requestType = io.agentguard.v1.ListOwnRecordsRequest.class,
      responseType = io.agentguard.v1.ListOwnRecordsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.ListOwnRecordsRequest,
      io.agentguard.v1.ListOwnRecordsResponse> getListOwnRecordsMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.ListOwnRecordsRequest, io.agentguard.v1.ListOwnRecordsResponse> getListOwnRecordsMethod;
    if ((getListOwnRecordsMethod = EnforcementServiceGrpc.getListOwnRecordsMethod) == null) {
      synchronized (EnforcementServiceGrpc.class) {
        if ((getListOwnRecordsMethod = EnforcementServiceGrpc.getListOwnRecordsMethod) == null) {
          EnforcementServiceGrpc.getListOwnRecordsMethod = getListOwnRecordsMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.ListOwnRecordsRequest, io.agentguard.v1.ListOwnRecordsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListOwnRecords"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ListOwnRecordsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ListOwnRecordsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new EnforcementServiceMethodDescriptorSupplier("ListOwnRecords"))
              .build();
        }
      }
    }
    return getListOwnRecordsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.WhoAmIRequest,
      io.agentguard.v1.WhoAmIResponse> getWhoAmIMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "WhoAmI",
      requestType = io.agentguard.v1.WhoAmIRequest.class,
      responseType = io.agentguard.v1.WhoAmIResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.WhoAmIRequest,
      io.agentguard.v1.WhoAmIResponse> getWhoAmIMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.WhoAmIRequest, io.agentguard.v1.WhoAmIResponse> getWhoAmIMethod;
    if ((getWhoAmIMethod = EnforcementServiceGrpc.getWhoAmIMethod) == null) {
      synchronized (EnforcementServiceGrpc.class) {
        if ((getWhoAmIMethod = EnforcementServiceGrpc.getWhoAmIMethod) == null) {
          EnforcementServiceGrpc.getWhoAmIMethod = getWhoAmIMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.WhoAmIRequest, io.agentguard.v1.WhoAmIResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "WhoAmI"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.WhoAmIRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.WhoAmIResponse.getDefaultInstance()))
              .setSchemaDescriptor(new EnforcementServiceMethodDescriptorSupplier("WhoAmI"))
              .build();
        }
      }
    }
    return getWhoAmIMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static EnforcementServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<EnforcementServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<EnforcementServiceStub>() {
        @java.lang.Override
        public EnforcementServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new EnforcementServiceStub(channel, callOptions);
        }
      };
    return EnforcementServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static EnforcementServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<EnforcementServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<EnforcementServiceBlockingV2Stub>() {
        @java.lang.Override
        public EnforcementServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new EnforcementServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return EnforcementServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static EnforcementServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<EnforcementServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<EnforcementServiceBlockingStub>() {
        @java.lang.Override
        public EnforcementServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new EnforcementServiceBlockingStub(channel, callOptions);
        }
      };
    return EnforcementServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static EnforcementServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<EnforcementServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<EnforcementServiceFutureStub>() {
        @java.lang.Override
        public EnforcementServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new EnforcementServiceFutureStub(channel, callOptions);
        }
      };
    return EnforcementServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * What agents call: ask before acting, report what came of it. Every call needs an agent's key, in the metadata
   * (or HTTP header) `x-agent-key` or as `authorization: Bearer KEY`.
   * A denial is an answer, not an error: the status is `OK` and the verdict says DENY. Any other status means that
   * nothing was decided, and must be treated as a denial. The reasons of errors are those of `ErrorReason`; every
   * RPC may answer `UNAUTHENTICATED`, `PERMISSION_DENIED`, `RATE_LIMITED`, `OVERLOADED`, `SHUTTING_DOWN`,
   * `DEADLINE_EXCEEDED` and `INTERNAL` besides those named with it. Deadlines are gRPC's; there is no timeout field.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Decides whether the calling agent may do one thing, and records the decision before it answers.
     * Errors: `INVALID_ARGUMENT`, `IDEMPOTENCY_KEY_REUSED`, `MESSAGE_TOO_LARGE`, `REVISION_UNKNOWN`,
     * `REVISION_NOT_REACHED`, `AUDIT_UNAVAILABLE`, `POLICY_STALE`.
     * </pre>
     */
    default void enforce(io.agentguard.v1.EnforceRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.EnforceResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getEnforceMethod(), responseObserver);
    }

    /**
     * <pre>
     * Decides up to 100 checks with one revision, one `now` and one transaction, and answers in their order. A bad
     * check gets a status of its own; the others are decided all the same.
     * Errors: as `Enforce`, for the batch as a whole.
     * </pre>
     */
    default void batchEnforce(io.agentguard.v1.BatchEnforceRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.BatchEnforceResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getBatchEnforceMethod(), responseObserver);
    }

    /**
     * <pre>
     * Decides one check after the other on a stream that stays open, for loops that ask often. Answers come in any
     * order and are matched by `sequence`; at most 64 are outstanding, then the server stops reading. A bad message
     * gets a status of its own and the stream lives on. Key, agent and limits are checked for every message. Streams
     * end with their connection, by age; open a new one then. Not available on HTTP.
     * Errors: as `Enforce`, in the answer to the message concerned; a message that cannot be read ends the stream.
     * </pre>
     */
    default io.grpc.stub.StreamObserver<io.agentguard.v1.EnforceStreamRequest> enforceStream(
        io.grpc.stub.StreamObserver<io.agentguard.v1.EnforceStreamResponse> responseObserver) {
      return io.grpc.stub.ServerCalls.asyncUnimplementedStreamingCall(getEnforceStreamMethod(), responseObserver);
    }

    /**
     * <pre>
     * Says what came of a decision of the caller's own. The same report again is accepted and makes no second
     * record.
     * Errors: `INVALID_ARGUMENT`, `NOT_FOUND` (also for another agent's decision), `ALREADY_EXISTS` (a different
     * outcome was reported before), `DECISION_NOT_YET_KNOWN`, `AUDIT_UNAVAILABLE`.
     * </pre>
     */
    default void reportOutcome(io.agentguard.v1.ReportOutcomeRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ReportOutcomeResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getReportOutcomeMethod(), responseObserver);
    }

    /**
     * <pre>
     * Puts on record an action that was never asked about. It becomes a record of kind `report` and is never taken
     * for a decision.
     * Errors: `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`, `AUDIT_UNAVAILABLE`.
     * </pre>
     */
    default void report(io.agentguard.v1.ReportRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ReportResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getReportMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists the calling agent's own records. What `DECISION_DETAIL` hides in answers is left empty here too, and so
     * are `error_rule_ids`, `policies` and all that only verification needs (hashes, salt, commitment, digest).
     * Errors: `INVALID_ARGUMENT`, `PAGE_TOKEN_INVALID`, `DATABASE_UNAVAILABLE`.
     * </pre>
     */
    default void listOwnRecords(io.agentguard.v1.ListOwnRecordsRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ListOwnRecordsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListOwnRecordsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Shows the agent that the key belongs to, and the key. An inactive agent is answered too.
     * </pre>
     */
    default void whoAmI(io.agentguard.v1.WhoAmIRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.WhoAmIResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getWhoAmIMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service EnforcementService.
   * <pre>
   * What agents call: ask before acting, report what came of it. Every call needs an agent's key, in the metadata
   * (or HTTP header) `x-agent-key` or as `authorization: Bearer KEY`.
   * A denial is an answer, not an error: the status is `OK` and the verdict says DENY. Any other status means that
   * nothing was decided, and must be treated as a denial. The reasons of errors are those of `ErrorReason`; every
   * RPC may answer `UNAUTHENTICATED`, `PERMISSION_DENIED`, `RATE_LIMITED`, `OVERLOADED`, `SHUTTING_DOWN`,
   * `DEADLINE_EXCEEDED` and `INTERNAL` besides those named with it. Deadlines are gRPC's; there is no timeout field.
   * </pre>
   */
  public static abstract class EnforcementServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return EnforcementServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service EnforcementService.
   * <pre>
   * What agents call: ask before acting, report what came of it. Every call needs an agent's key, in the metadata
   * (or HTTP header) `x-agent-key` or as `authorization: Bearer KEY`.
   * A denial is an answer, not an error: the status is `OK` and the verdict says DENY. Any other status means that
   * nothing was decided, and must be treated as a denial. The reasons of errors are those of `ErrorReason`; every
   * RPC may answer `UNAUTHENTICATED`, `PERMISSION_DENIED`, `RATE_LIMITED`, `OVERLOADED`, `SHUTTING_DOWN`,
   * `DEADLINE_EXCEEDED` and `INTERNAL` besides those named with it. Deadlines are gRPC's; there is no timeout field.
   * </pre>
   */
  public static final class EnforcementServiceStub
      extends io.grpc.stub.AbstractAsyncStub<EnforcementServiceStub> {
    private EnforcementServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected EnforcementServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new EnforcementServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Decides whether the calling agent may do one thing, and records the decision before it answers.
     * Errors: `INVALID_ARGUMENT`, `IDEMPOTENCY_KEY_REUSED`, `MESSAGE_TOO_LARGE`, `REVISION_UNKNOWN`,
     * `REVISION_NOT_REACHED`, `AUDIT_UNAVAILABLE`, `POLICY_STALE`.
     * </pre>
     */
    public void enforce(io.agentguard.v1.EnforceRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.EnforceResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getEnforceMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Decides up to 100 checks with one revision, one `now` and one transaction, and answers in their order. A bad
     * check gets a status of its own; the others are decided all the same.
     * Errors: as `Enforce`, for the batch as a whole.
     * </pre>
     */
    public void batchEnforce(io.agentguard.v1.BatchEnforceRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.BatchEnforceResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getBatchEnforceMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Decides one check after the other on a stream that stays open, for loops that ask often. Answers come in any
     * order and are matched by `sequence`; at most 64 are outstanding, then the server stops reading. A bad message
     * gets a status of its own and the stream lives on. Key, agent and limits are checked for every message. Streams
     * end with their connection, by age; open a new one then. Not available on HTTP.
     * Errors: as `Enforce`, in the answer to the message concerned; a message that cannot be read ends the stream.
     * </pre>
     */
    public io.grpc.stub.StreamObserver<io.agentguard.v1.EnforceStreamRequest> enforceStream(
        io.grpc.stub.StreamObserver<io.agentguard.v1.EnforceStreamResponse> responseObserver) {
      return io.grpc.stub.ClientCalls.asyncBidiStreamingCall(
          getChannel().newCall(getEnforceStreamMethod(), getCallOptions()), responseObserver);
    }

    /**
     * <pre>
     * Says what came of a decision of the caller's own. The same report again is accepted and makes no second
     * record.
     * Errors: `INVALID_ARGUMENT`, `NOT_FOUND` (also for another agent's decision), `ALREADY_EXISTS` (a different
     * outcome was reported before), `DECISION_NOT_YET_KNOWN`, `AUDIT_UNAVAILABLE`.
     * </pre>
     */
    public void reportOutcome(io.agentguard.v1.ReportOutcomeRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ReportOutcomeResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getReportOutcomeMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Puts on record an action that was never asked about. It becomes a record of kind `report` and is never taken
     * for a decision.
     * Errors: `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`, `AUDIT_UNAVAILABLE`.
     * </pre>
     */
    public void report(io.agentguard.v1.ReportRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ReportResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getReportMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists the calling agent's own records. What `DECISION_DETAIL` hides in answers is left empty here too, and so
     * are `error_rule_ids`, `policies` and all that only verification needs (hashes, salt, commitment, digest).
     * Errors: `INVALID_ARGUMENT`, `PAGE_TOKEN_INVALID`, `DATABASE_UNAVAILABLE`.
     * </pre>
     */
    public void listOwnRecords(io.agentguard.v1.ListOwnRecordsRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ListOwnRecordsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListOwnRecordsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Shows the agent that the key belongs to, and the key. An inactive agent is answered too.
     * </pre>
     */
    public void whoAmI(io.agentguard.v1.WhoAmIRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.WhoAmIResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getWhoAmIMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service EnforcementService.
   * <pre>
   * What agents call: ask before acting, report what came of it. Every call needs an agent's key, in the metadata
   * (or HTTP header) `x-agent-key` or as `authorization: Bearer KEY`.
   * A denial is an answer, not an error: the status is `OK` and the verdict says DENY. Any other status means that
   * nothing was decided, and must be treated as a denial. The reasons of errors are those of `ErrorReason`; every
   * RPC may answer `UNAUTHENTICATED`, `PERMISSION_DENIED`, `RATE_LIMITED`, `OVERLOADED`, `SHUTTING_DOWN`,
   * `DEADLINE_EXCEEDED` and `INTERNAL` besides those named with it. Deadlines are gRPC's; there is no timeout field.
   * </pre>
   */
  public static final class EnforcementServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<EnforcementServiceBlockingV2Stub> {
    private EnforcementServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected EnforcementServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new EnforcementServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Decides whether the calling agent may do one thing, and records the decision before it answers.
     * Errors: `INVALID_ARGUMENT`, `IDEMPOTENCY_KEY_REUSED`, `MESSAGE_TOO_LARGE`, `REVISION_UNKNOWN`,
     * `REVISION_NOT_REACHED`, `AUDIT_UNAVAILABLE`, `POLICY_STALE`.
     * </pre>
     */
    public io.agentguard.v1.EnforceResponse enforce(io.agentguard.v1.EnforceRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getEnforceMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Decides up to 100 checks with one revision, one `now` and one transaction, and answers in their order. A bad
     * check gets a status of its own; the others are decided all the same.
     * Errors: as `Enforce`, for the batch as a whole.
     * </pre>
     */
    public io.agentguard.v1.BatchEnforceResponse batchEnforce(io.agentguard.v1.BatchEnforceRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getBatchEnforceMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Decides one check after the other on a stream that stays open, for loops that ask often. Answers come in any
     * order and are matched by `sequence`; at most 64 are outstanding, then the server stops reading. A bad message
     * gets a status of its own and the stream lives on. Key, agent and limits are checked for every message. Streams
     * end with their connection, by age; open a new one then. Not available on HTTP.
     * Errors: as `Enforce`, in the answer to the message concerned; a message that cannot be read ends the stream.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<io.agentguard.v1.EnforceStreamRequest, io.agentguard.v1.EnforceStreamResponse>
        enforceStream() {
      return io.grpc.stub.ClientCalls.blockingBidiStreamingCall(
          getChannel(), getEnforceStreamMethod(), getCallOptions());
    }

    /**
     * <pre>
     * Says what came of a decision of the caller's own. The same report again is accepted and makes no second
     * record.
     * Errors: `INVALID_ARGUMENT`, `NOT_FOUND` (also for another agent's decision), `ALREADY_EXISTS` (a different
     * outcome was reported before), `DECISION_NOT_YET_KNOWN`, `AUDIT_UNAVAILABLE`.
     * </pre>
     */
    public io.agentguard.v1.ReportOutcomeResponse reportOutcome(io.agentguard.v1.ReportOutcomeRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getReportOutcomeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Puts on record an action that was never asked about. It becomes a record of kind `report` and is never taken
     * for a decision.
     * Errors: `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`, `AUDIT_UNAVAILABLE`.
     * </pre>
     */
    public io.agentguard.v1.ReportResponse report(io.agentguard.v1.ReportRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getReportMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the calling agent's own records. What `DECISION_DETAIL` hides in answers is left empty here too, and so
     * are `error_rule_ids`, `policies` and all that only verification needs (hashes, salt, commitment, digest).
     * Errors: `INVALID_ARGUMENT`, `PAGE_TOKEN_INVALID`, `DATABASE_UNAVAILABLE`.
     * </pre>
     */
    public io.agentguard.v1.ListOwnRecordsResponse listOwnRecords(io.agentguard.v1.ListOwnRecordsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListOwnRecordsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows the agent that the key belongs to, and the key. An inactive agent is answered too.
     * </pre>
     */
    public io.agentguard.v1.WhoAmIResponse whoAmI(io.agentguard.v1.WhoAmIRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getWhoAmIMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service EnforcementService.
   * <pre>
   * What agents call: ask before acting, report what came of it. Every call needs an agent's key, in the metadata
   * (or HTTP header) `x-agent-key` or as `authorization: Bearer KEY`.
   * A denial is an answer, not an error: the status is `OK` and the verdict says DENY. Any other status means that
   * nothing was decided, and must be treated as a denial. The reasons of errors are those of `ErrorReason`; every
   * RPC may answer `UNAUTHENTICATED`, `PERMISSION_DENIED`, `RATE_LIMITED`, `OVERLOADED`, `SHUTTING_DOWN`,
   * `DEADLINE_EXCEEDED` and `INTERNAL` besides those named with it. Deadlines are gRPC's; there is no timeout field.
   * </pre>
   */
  public static final class EnforcementServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<EnforcementServiceBlockingStub> {
    private EnforcementServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected EnforcementServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new EnforcementServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Decides whether the calling agent may do one thing, and records the decision before it answers.
     * Errors: `INVALID_ARGUMENT`, `IDEMPOTENCY_KEY_REUSED`, `MESSAGE_TOO_LARGE`, `REVISION_UNKNOWN`,
     * `REVISION_NOT_REACHED`, `AUDIT_UNAVAILABLE`, `POLICY_STALE`.
     * </pre>
     */
    public io.agentguard.v1.EnforceResponse enforce(io.agentguard.v1.EnforceRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getEnforceMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Decides up to 100 checks with one revision, one `now` and one transaction, and answers in their order. A bad
     * check gets a status of its own; the others are decided all the same.
     * Errors: as `Enforce`, for the batch as a whole.
     * </pre>
     */
    public io.agentguard.v1.BatchEnforceResponse batchEnforce(io.agentguard.v1.BatchEnforceRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getBatchEnforceMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Says what came of a decision of the caller's own. The same report again is accepted and makes no second
     * record.
     * Errors: `INVALID_ARGUMENT`, `NOT_FOUND` (also for another agent's decision), `ALREADY_EXISTS` (a different
     * outcome was reported before), `DECISION_NOT_YET_KNOWN`, `AUDIT_UNAVAILABLE`.
     * </pre>
     */
    public io.agentguard.v1.ReportOutcomeResponse reportOutcome(io.agentguard.v1.ReportOutcomeRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getReportOutcomeMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Puts on record an action that was never asked about. It becomes a record of kind `report` and is never taken
     * for a decision.
     * Errors: `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`, `AUDIT_UNAVAILABLE`.
     * </pre>
     */
    public io.agentguard.v1.ReportResponse report(io.agentguard.v1.ReportRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getReportMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the calling agent's own records. What `DECISION_DETAIL` hides in answers is left empty here too, and so
     * are `error_rule_ids`, `policies` and all that only verification needs (hashes, salt, commitment, digest).
     * Errors: `INVALID_ARGUMENT`, `PAGE_TOKEN_INVALID`, `DATABASE_UNAVAILABLE`.
     * </pre>
     */
    public io.agentguard.v1.ListOwnRecordsResponse listOwnRecords(io.agentguard.v1.ListOwnRecordsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListOwnRecordsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows the agent that the key belongs to, and the key. An inactive agent is answered too.
     * </pre>
     */
    public io.agentguard.v1.WhoAmIResponse whoAmI(io.agentguard.v1.WhoAmIRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getWhoAmIMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service EnforcementService.
   * <pre>
   * What agents call: ask before acting, report what came of it. Every call needs an agent's key, in the metadata
   * (or HTTP header) `x-agent-key` or as `authorization: Bearer KEY`.
   * A denial is an answer, not an error: the status is `OK` and the verdict says DENY. Any other status means that
   * nothing was decided, and must be treated as a denial. The reasons of errors are those of `ErrorReason`; every
   * RPC may answer `UNAUTHENTICATED`, `PERMISSION_DENIED`, `RATE_LIMITED`, `OVERLOADED`, `SHUTTING_DOWN`,
   * `DEADLINE_EXCEEDED` and `INTERNAL` besides those named with it. Deadlines are gRPC's; there is no timeout field.
   * </pre>
   */
  public static final class EnforcementServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<EnforcementServiceFutureStub> {
    private EnforcementServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected EnforcementServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new EnforcementServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Decides whether the calling agent may do one thing, and records the decision before it answers.
     * Errors: `INVALID_ARGUMENT`, `IDEMPOTENCY_KEY_REUSED`, `MESSAGE_TOO_LARGE`, `REVISION_UNKNOWN`,
     * `REVISION_NOT_REACHED`, `AUDIT_UNAVAILABLE`, `POLICY_STALE`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.EnforceResponse> enforce(
        io.agentguard.v1.EnforceRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getEnforceMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Decides up to 100 checks with one revision, one `now` and one transaction, and answers in their order. A bad
     * check gets a status of its own; the others are decided all the same.
     * Errors: as `Enforce`, for the batch as a whole.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.BatchEnforceResponse> batchEnforce(
        io.agentguard.v1.BatchEnforceRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getBatchEnforceMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Says what came of a decision of the caller's own. The same report again is accepted and makes no second
     * record.
     * Errors: `INVALID_ARGUMENT`, `NOT_FOUND` (also for another agent's decision), `ALREADY_EXISTS` (a different
     * outcome was reported before), `DECISION_NOT_YET_KNOWN`, `AUDIT_UNAVAILABLE`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.ReportOutcomeResponse> reportOutcome(
        io.agentguard.v1.ReportOutcomeRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getReportOutcomeMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Puts on record an action that was never asked about. It becomes a record of kind `report` and is never taken
     * for a decision.
     * Errors: `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`, `AUDIT_UNAVAILABLE`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.ReportResponse> report(
        io.agentguard.v1.ReportRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getReportMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists the calling agent's own records. What `DECISION_DETAIL` hides in answers is left empty here too, and so
     * are `error_rule_ids`, `policies` and all that only verification needs (hashes, salt, commitment, digest).
     * Errors: `INVALID_ARGUMENT`, `PAGE_TOKEN_INVALID`, `DATABASE_UNAVAILABLE`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.ListOwnRecordsResponse> listOwnRecords(
        io.agentguard.v1.ListOwnRecordsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListOwnRecordsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Shows the agent that the key belongs to, and the key. An inactive agent is answered too.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.WhoAmIResponse> whoAmI(
        io.agentguard.v1.WhoAmIRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getWhoAmIMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_ENFORCE = 0;
  private static final int METHODID_BATCH_ENFORCE = 1;
  private static final int METHODID_REPORT_OUTCOME = 2;
  private static final int METHODID_REPORT = 3;
  private static final int METHODID_LIST_OWN_RECORDS = 4;
  private static final int METHODID_WHO_AM_I = 5;
  private static final int METHODID_ENFORCE_STREAM = 6;

  private static final class MethodHandlers<Req, Resp> implements
      io.grpc.stub.ServerCalls.UnaryMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ServerStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.ClientStreamingMethod<Req, Resp>,
      io.grpc.stub.ServerCalls.BidiStreamingMethod<Req, Resp> {
    private final AsyncService serviceImpl;
    private final int methodId;

    MethodHandlers(AsyncService serviceImpl, int methodId) {
      this.serviceImpl = serviceImpl;
      this.methodId = methodId;
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public void invoke(Req request, io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_ENFORCE:
          serviceImpl.enforce((io.agentguard.v1.EnforceRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.EnforceResponse>) responseObserver);
          break;
        case METHODID_BATCH_ENFORCE:
          serviceImpl.batchEnforce((io.agentguard.v1.BatchEnforceRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.BatchEnforceResponse>) responseObserver);
          break;
        case METHODID_REPORT_OUTCOME:
          serviceImpl.reportOutcome((io.agentguard.v1.ReportOutcomeRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.ReportOutcomeResponse>) responseObserver);
          break;
        case METHODID_REPORT:
          serviceImpl.report((io.agentguard.v1.ReportRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.ReportResponse>) responseObserver);
          break;
        case METHODID_LIST_OWN_RECORDS:
          serviceImpl.listOwnRecords((io.agentguard.v1.ListOwnRecordsRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.ListOwnRecordsResponse>) responseObserver);
          break;
        case METHODID_WHO_AM_I:
          serviceImpl.whoAmI((io.agentguard.v1.WhoAmIRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.WhoAmIResponse>) responseObserver);
          break;
        default:
          throw new AssertionError();
      }
    }

    @java.lang.Override
    @java.lang.SuppressWarnings("unchecked")
    public io.grpc.stub.StreamObserver<Req> invoke(
        io.grpc.stub.StreamObserver<Resp> responseObserver) {
      switch (methodId) {
        case METHODID_ENFORCE_STREAM:
          return (io.grpc.stub.StreamObserver<Req>) serviceImpl.enforceStream(
              (io.grpc.stub.StreamObserver<io.agentguard.v1.EnforceStreamResponse>) responseObserver);
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getEnforceMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.EnforceRequest,
              io.agentguard.v1.EnforceResponse>(
                service, METHODID_ENFORCE)))
        .addMethod(
          getBatchEnforceMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.BatchEnforceRequest,
              io.agentguard.v1.BatchEnforceResponse>(
                service, METHODID_BATCH_ENFORCE)))
        .addMethod(
          getEnforceStreamMethod(),
          io.grpc.stub.ServerCalls.asyncBidiStreamingCall(
            new MethodHandlers<
              io.agentguard.v1.EnforceStreamRequest,
              io.agentguard.v1.EnforceStreamResponse>(
                service, METHODID_ENFORCE_STREAM)))
        .addMethod(
          getReportOutcomeMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.ReportOutcomeRequest,
              io.agentguard.v1.ReportOutcomeResponse>(
                service, METHODID_REPORT_OUTCOME)))
        .addMethod(
          getReportMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.ReportRequest,
              io.agentguard.v1.ReportResponse>(
                service, METHODID_REPORT)))
        .addMethod(
          getListOwnRecordsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.ListOwnRecordsRequest,
              io.agentguard.v1.ListOwnRecordsResponse>(
                service, METHODID_LIST_OWN_RECORDS)))
        .addMethod(
          getWhoAmIMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.WhoAmIRequest,
              io.agentguard.v1.WhoAmIResponse>(
                service, METHODID_WHO_AM_I)))
        .build();
  }

  private static abstract class EnforcementServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    EnforcementServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.agentguard.v1.Enforcement.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("EnforcementService");
    }
  }

  private static final class EnforcementServiceFileDescriptorSupplier
      extends EnforcementServiceBaseDescriptorSupplier {
    EnforcementServiceFileDescriptorSupplier() {}
  }

  private static final class EnforcementServiceMethodDescriptorSupplier
      extends EnforcementServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    EnforcementServiceMethodDescriptorSupplier(java.lang.String methodName) {
      this.methodName = methodName;
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.MethodDescriptor getMethodDescriptor() {
      return getServiceDescriptor().findMethodByName(methodName);
    }
  }

  private static volatile io.grpc.ServiceDescriptor serviceDescriptor;

  public static io.grpc.ServiceDescriptor getServiceDescriptor() {
    io.grpc.ServiceDescriptor result = serviceDescriptor;
    if (result == null) {
      synchronized (EnforcementServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new EnforcementServiceFileDescriptorSupplier())
              .addMethod(getEnforceMethod())
              .addMethod(getBatchEnforceMethod())
              .addMethod(getEnforceStreamMethod())
              .addMethod(getReportOutcomeMethod())
              .addMethod(getReportMethod())
              .addMethod(getListOwnRecordsMethod())
              .addMethod(getWhoAmIMethod())
              .build();
        }
      }
    }
    return result;
  }
}
