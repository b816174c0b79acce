package io.agentguard.v1;

import static io.grpc.MethodDescriptor.generateFullMethodName;

/**
 * <pre>
 * What administrators call: agents, keys, policies, the audit. Every call needs the admin key, in the metadata (or
 * HTTP header) `x-admin-key` or as `authorization: Bearer KEY`.
 * Every change is recorded in the audit and answers with the `revision` (`epoch.n`) that it made; an `Enforce` that
 * starts after the answer is decided with the change. The reasons of errors are those of `ErrorReason`; every RPC may
 * answer `UNAUTHENTICATED`, `PERMISSION_DENIED`, `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`, `DATABASE_UNAVAILABLE`,
 * `OVERLOADED`, `SHUTTING_DOWN`, `DEADLINE_EXCEEDED` and `INTERNAL` besides those named with it.
 * </pre>
 */
@io.grpc.stub.annotations.GrpcGenerated
public final class AdminServiceGrpc {

  private AdminServiceGrpc() {}

  public static final java.lang.String SERVICE_NAME = "agentguard.v1.AdminService";

  // Static method descriptors that strictly reflect the proto.
  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.CreateAgentRequest,
      io.agentguard.v1.CreateAgentResponse> getCreateAgentMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CreateAgent",
      requestType = io.agentguard.v1.CreateAgentRequest.class,
      responseType = io.agentguard.v1.CreateAgentResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.CreateAgentRequest,
      io.agentguard.v1.CreateAgentResponse> getCreateAgentMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.CreateAgentRequest, io.agentguard.v1.CreateAgentResponse> getCreateAgentMethod;
    if ((getCreateAgentMethod = AdminServiceGrpc.getCreateAgentMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getCreateAgentMethod = AdminServiceGrpc.getCreateAgentMethod) == null) {
          AdminServiceGrpc.getCreateAgentMethod = getCreateAgentMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.CreateAgentRequest, io.agentguard.v1.CreateAgentResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CreateAgent"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.CreateAgentRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.CreateAgentResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("CreateAgent"))
              .build();
        }
      }
    }
    return getCreateAgentMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.GetAgentRequest,
      io.agentguard.v1.GetAgentResponse> getGetAgentMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetAgent",
      requestType = io.agentguard.v1.GetAgentRequest.class,
      responseType = io.agentguard.v1.GetAgentResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.GetAgentRequest,
      io.agentguard.v1.GetAgentResponse> getGetAgentMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.GetAgentRequest, io.agentguard.v1.GetAgentResponse> getGetAgentMethod;
    if ((getGetAgentMethod = AdminServiceGrpc.getGetAgentMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getGetAgentMethod = AdminServiceGrpc.getGetAgentMethod) == null) {
          AdminServiceGrpc.getGetAgentMethod = getGetAgentMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.GetAgentRequest, io.agentguard.v1.GetAgentResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetAgent"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.GetAgentRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.GetAgentResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("GetAgent"))
              .build();
        }
      }
    }
    return getGetAgentMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.ListAgentsRequest,
      io.agentguard.v1.ListAgentsResponse> getListAgentsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListAgents",
      requestType = io.agentguard.v1.ListAgentsRequest.class,
      responseType = io.agentguard.v1.ListAgentsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.ListAgentsRequest,
      io.agentguard.v1.ListAgentsResponse> getListAgentsMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.ListAgentsRequest, io.agentguard.v1.ListAgentsResponse> getListAgentsMethod;
    if ((getListAgentsMethod = AdminServiceGrpc.getListAgentsMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getListAgentsMethod = AdminServiceGrpc.getListAgentsMethod) == null) {
          AdminServiceGrpc.getListAgentsMethod = getListAgentsMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.ListAgentsRequest, io.agentguard.v1.ListAgentsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListAgents"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ListAgentsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ListAgentsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("ListAgents"))
              .build();
        }
      }
    }
    return getListAgentsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.UpdateAgentRequest,
      io.agentguard.v1.UpdateAgentResponse> getUpdateAgentMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "UpdateAgent",
      requestType = io.agentguard.v1.UpdateAgentRequest.class,
      responseType = io.agentguard.v1.UpdateAgentResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.UpdateAgentRequest,
      io.agentguard.v1.UpdateAgentResponse> getUpdateAgentMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.UpdateAgentRequest, io.agentguard.v1.UpdateAgentResponse> getUpdateAgentMethod;
    if ((getUpdateAgentMethod = AdminServiceGrpc.getUpdateAgentMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getUpdateAgentMethod = AdminServiceGrpc.getUpdateAgentMethod) == null) {
          AdminServiceGrpc.getUpdateAgentMethod = getUpdateAgentMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.UpdateAgentRequest, io.agentguard.v1.UpdateAgentResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "UpdateAgent"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.UpdateAgentRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.UpdateAgentResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("UpdateAgent"))
              .build();
        }
      }
    }
    return getUpdateAgentMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.DeleteAgentRequest,
      io.agentguard.v1.DeleteAgentResponse> getDeleteAgentMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DeleteAgent",
      requestType = io.agentguard.v1.DeleteAgentRequest.class,
      responseType = io.agentguard.v1.DeleteAgentResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.DeleteAgentRequest,
      io.agentguard.v1.DeleteAgentResponse> getDeleteAgentMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.DeleteAgentRequest, io.agentguard.v1.DeleteAgentResponse> getDeleteAgentMethod;
    if ((getDeleteAgentMethod = AdminServiceGrpc.getDeleteAgentMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getDeleteAgentMethod = AdminServiceGrpc.getDeleteAgentMethod) == null) {
          AdminServiceGrpc.getDeleteAgentMethod = getDeleteAgentMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.DeleteAgentRequest, io.agentguard.v1.DeleteAgentResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DeleteAgent"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.DeleteAgentRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.DeleteAgentResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("DeleteAgent"))
              .build();
        }
      }
    }
    return getDeleteAgentMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.SetRateLimitRequest,
      io.agentguard.v1.SetRateLimitResponse> getSetRateLimitMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SetRateLimit",
      requestType = io.agentguard.v1.SetRateLimitRequest.class,
      responseType = io.agentguard.v1.SetRateLimitResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.SetRateLimitRequest,
      io.agentguard.v1.SetRateLimitResponse> getSetRateLimitMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.SetRateLimitRequest, io.agentguard.v1.SetRateLimitResponse> getSetRateLimitMethod;
    if ((getSetRateLimitMethod = AdminServiceGrpc.getSetRateLimitMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getSetRateLimitMethod = AdminServiceGrpc.getSetRateLimitMethod) == null) {
          AdminServiceGrpc.getSetRateLimitMethod = getSetRateLimitMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.SetRateLimitRequest, io.agentguard.v1.SetRateLimitResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SetRateLimit"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.SetRateLimitRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.SetRateLimitResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("SetRateLimit"))
              .build();
        }
      }
    }
    return getSetRateLimitMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.GetRateLimitRequest,
      io.agentguard.v1.GetRateLimitResponse> getGetRateLimitMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetRateLimit",
      requestType = io.agentguard.v1.GetRateLimitRequest.class,
      responseType = io.agentguard.v1.GetRateLimitResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.GetRateLimitRequest,
      io.agentguard.v1.GetRateLimitResponse> getGetRateLimitMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.GetRateLimitRequest, io.agentguard.v1.GetRateLimitResponse> getGetRateLimitMethod;
    if ((getGetRateLimitMethod = AdminServiceGrpc.getGetRateLimitMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getGetRateLimitMethod = AdminServiceGrpc.getGetRateLimitMethod) == null) {
          AdminServiceGrpc.getGetRateLimitMethod = getGetRateLimitMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.GetRateLimitRequest, io.agentguard.v1.GetRateLimitResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetRateLimit"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.GetRateLimitRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.GetRateLimitResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("GetRateLimit"))
              .build();
        }
      }
    }
    return getGetRateLimitMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.SetKillSwitchRequest,
      io.agentguard.v1.SetKillSwitchResponse> getSetKillSwitchMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SetKillSwitch",
      requestType = io.agentguard.v1.SetKillSwitchRequest.class,
      responseType = io.agentguard.v1.SetKillSwitchResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.SetKillSwitchRequest,
      io.agentguard.v1.SetKillSwitchResponse> getSetKillSwitchMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.SetKillSwitchRequest, io.agentguard.v1.SetKillSwitchResponse> getSetKillSwitchMethod;
    if ((getSetKillSwitchMethod = AdminServiceGrpc.getSetKillSwitchMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getSetKillSwitchMethod = AdminServiceGrpc.getSetKillSwitchMethod) == null) {
          AdminServiceGrpc.getSetKillSwitchMethod = getSetKillSwitchMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.SetKillSwitchRequest, io.agentguard.v1.SetKillSwitchResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SetKillSwitch"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.SetKillSwitchRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.SetKillSwitchResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("SetKillSwitch"))
              .build();
        }
      }
    }
    return getSetKillSwitchMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.ListKillSwitchesRequest,
      io.agentguard.v1.ListKillSwitchesResponse> getListKillSwitchesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListKillSwitches",
      requestType = io.agentguard.v1.ListKillSwitchesRequest.class,
      responseType = io.agentguard.v1.ListKillSwitchesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.ListKillSwitchesRequest,
      io.agentguard.v1.ListKillSwitchesResponse> getListKillSwitchesMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.ListKillSwitchesRequest, io.agentguard.v1.ListKillSwitchesResponse> getListKillSwitchesMethod;
    if ((getListKillSwitchesMethod = AdminServiceGrpc.getListKillSwitchesMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getListKillSwitchesMethod = AdminServiceGrpc.getListKillSwitchesMethod) == null) {
          AdminServiceGrpc.getListKillSwitchesMethod = getListKillSwitchesMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.ListKillSwitchesRequest, io.agentguard.v1.ListKillSwitchesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListKillSwitches"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ListKillSwitchesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ListKillSwitchesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("ListKillSwitches"))
              .build();
        }
      }
    }
    return getListKillSwitchesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.CreateAgentKeyRequest,
      io.agentguard.v1.CreateAgentKeyResponse> getCreateAgentKeyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "CreateAgentKey",
      requestType = io.agentguard.v1.CreateAgentKeyRequest.class,
      responseType = io.agentguard.v1.CreateAgentKeyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.CreateAgentKeyRequest,
      io.agentguard.v1.CreateAgentKeyResponse> getCreateAgentKeyMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.CreateAgentKeyRequest, io.agentguard.v1.CreateAgentKeyResponse> getCreateAgentKeyMethod;
    if ((getCreateAgentKeyMethod = AdminServiceGrpc.getCreateAgentKeyMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getCreateAgentKeyMethod = AdminServiceGrpc.getCreateAgentKeyMethod) == null) {
          AdminServiceGrpc.getCreateAgentKeyMethod = getCreateAgentKeyMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.CreateAgentKeyRequest, io.agentguard.v1.CreateAgentKeyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "CreateAgentKey"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.CreateAgentKeyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.CreateAgentKeyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("CreateAgentKey"))
              .build();
        }
      }
    }
    return getCreateAgentKeyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.ListAgentKeysRequest,
      io.agentguard.v1.ListAgentKeysResponse> getListAgentKeysMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListAgentKeys",
      requestType = io.agentguard.v1.ListAgentKeysRequest.class,
      responseType = io.agentguard.v1.ListAgentKeysResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.ListAgentKeysRequest,
      io.agentguard.v1.ListAgentKeysResponse> getListAgentKeysMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.ListAgentKeysRequest, io.agentguard.v1.ListAgentKeysResponse> getListAgentKeysMethod;
    if ((getListAgentKeysMethod = AdminServiceGrpc.getListAgentKeysMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getListAgentKeysMethod = AdminServiceGrpc.getListAgentKeysMethod) == null) {
          AdminServiceGrpc.getListAgentKeysMethod = getListAgentKeysMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.ListAgentKeysRequest, io.agentguard.v1.ListAgentKeysResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListAgentKeys"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ListAgentKeysRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ListAgentKeysResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("ListAgentKeys"))
              .build();
        }
      }
    }
    return getListAgentKeysMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.RevokeAgentKeyRequest,
      io.agentguard.v1.RevokeAgentKeyResponse> getRevokeAgentKeyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RevokeAgentKey",
      requestType = io.agentguard.v1.RevokeAgentKeyRequest.class,
      responseType = io.agentguard.v1.RevokeAgentKeyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.RevokeAgentKeyRequest,
      io.agentguard.v1.RevokeAgentKeyResponse> getRevokeAgentKeyMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.RevokeAgentKeyRequest, io.agentguard.v1.RevokeAgentKeyResponse> getRevokeAgentKeyMethod;
    if ((getRevokeAgentKeyMethod = AdminServiceGrpc.getRevokeAgentKeyMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getRevokeAgentKeyMethod = AdminServiceGrpc.getRevokeAgentKeyMethod) == null) {
          AdminServiceGrpc.getRevokeAgentKeyMethod = getRevokeAgentKeyMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.RevokeAgentKeyRequest, io.agentguard.v1.RevokeAgentKeyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RevokeAgentKey"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.RevokeAgentKeyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.RevokeAgentKeyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("RevokeAgentKey"))
              .build();
        }
      }
    }
    return getRevokeAgentKeyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.SetPolicyRequest,
      io.agentguard.v1.SetPolicyResponse> getSetPolicyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "SetPolicy",
      requestType = io.agentguard.v1.SetPolicyRequest.class,
      responseType = io.agentguard.v1.SetPolicyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.SetPolicyRequest,
      io.agentguard.v1.SetPolicyResponse> getSetPolicyMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.SetPolicyRequest, io.agentguard.v1.SetPolicyResponse> getSetPolicyMethod;
    if ((getSetPolicyMethod = AdminServiceGrpc.getSetPolicyMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getSetPolicyMethod = AdminServiceGrpc.getSetPolicyMethod) == null) {
          AdminServiceGrpc.getSetPolicyMethod = getSetPolicyMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.SetPolicyRequest, io.agentguard.v1.SetPolicyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "SetPolicy"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.SetPolicyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.SetPolicyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("SetPolicy"))
              .build();
        }
      }
    }
    return getSetPolicyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.GetPolicyRequest,
      io.agentguard.v1.GetPolicyResponse> getGetPolicyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetPolicy",
      requestType = io.agentguard.v1.GetPolicyRequest.class,
      responseType = io.agentguard.v1.GetPolicyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.GetPolicyRequest,
      io.agentguard.v1.GetPolicyResponse> getGetPolicyMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.GetPolicyRequest, io.agentguard.v1.GetPolicyResponse> getGetPolicyMethod;
    if ((getGetPolicyMethod = AdminServiceGrpc.getGetPolicyMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getGetPolicyMethod = AdminServiceGrpc.getGetPolicyMethod) == null) {
          AdminServiceGrpc.getGetPolicyMethod = getGetPolicyMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.GetPolicyRequest, io.agentguard.v1.GetPolicyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetPolicy"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.GetPolicyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.GetPolicyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("GetPolicy"))
              .build();
        }
      }
    }
    return getGetPolicyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.ListPoliciesRequest,
      io.agentguard.v1.ListPoliciesResponse> getListPoliciesMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListPolicies",
      requestType = io.agentguard.v1.ListPoliciesRequest.class,
      responseType = io.agentguard.v1.ListPoliciesResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.ListPoliciesRequest,
      io.agentguard.v1.ListPoliciesResponse> getListPoliciesMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.ListPoliciesRequest, io.agentguard.v1.ListPoliciesResponse> getListPoliciesMethod;
    if ((getListPoliciesMethod = AdminServiceGrpc.getListPoliciesMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getListPoliciesMethod = AdminServiceGrpc.getListPoliciesMethod) == null) {
          AdminServiceGrpc.getListPoliciesMethod = getListPoliciesMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.ListPoliciesRequest, io.agentguard.v1.ListPoliciesResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListPolicies"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ListPoliciesRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ListPoliciesResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("ListPolicies"))
              .build();
        }
      }
    }
    return getListPoliciesMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.DeletePolicyRequest,
      io.agentguard.v1.DeletePolicyResponse> getDeletePolicyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "DeletePolicy",
      requestType = io.agentguard.v1.DeletePolicyRequest.class,
      responseType = io.agentguard.v1.DeletePolicyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.DeletePolicyRequest,
      io.agentguard.v1.DeletePolicyResponse> getDeletePolicyMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.DeletePolicyRequest, io.agentguard.v1.DeletePolicyResponse> getDeletePolicyMethod;
    if ((getDeletePolicyMethod = AdminServiceGrpc.getDeletePolicyMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getDeletePolicyMethod = AdminServiceGrpc.getDeletePolicyMethod) == null) {
          AdminServiceGrpc.getDeletePolicyMethod = getDeletePolicyMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.DeletePolicyRequest, io.agentguard.v1.DeletePolicyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "DeletePolicy"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.DeletePolicyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.DeletePolicyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("DeletePolicy"))
              .build();
        }
      }
    }
    return getDeletePolicyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.ListPolicyVersionsRequest,
      io.agentguard.v1.ListPolicyVersionsResponse> getListPolicyVersionsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListPolicyVersions",
      requestType = io.agentguard.v1.ListPolicyVersionsRequest.class,
      responseType = io.agentguard.v1.ListPolicyVersionsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.ListPolicyVersionsRequest,
      io.agentguard.v1.ListPolicyVersionsResponse> getListPolicyVersionsMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.ListPolicyVersionsRequest, io.agentguard.v1.ListPolicyVersionsResponse> getListPolicyVersionsMethod;
    if ((getListPolicyVersionsMethod = AdminServiceGrpc.getListPolicyVersionsMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getListPolicyVersionsMethod = AdminServiceGrpc.getListPolicyVersionsMethod) == null) {
          AdminServiceGrpc.getListPolicyVersionsMethod = getListPolicyVersionsMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.ListPolicyVersionsRequest, io.agentguard.v1.ListPolicyVersionsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListPolicyVersions"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ListPolicyVersionsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ListPolicyVersionsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("ListPolicyVersions"))
              .build();
        }
      }
    }
    return getListPolicyVersionsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.RollbackPolicyRequest,
      io.agentguard.v1.RollbackPolicyResponse> getRollbackPolicyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "RollbackPolicy",
      requestType = io.agentguard.v1.RollbackPolicyRequest.class,
      responseType = io.agentguard.v1.RollbackPolicyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.RollbackPolicyRequest,
      io.agentguard.v1.RollbackPolicyResponse> getRollbackPolicyMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.RollbackPolicyRequest, io.agentguard.v1.RollbackPolicyResponse> getRollbackPolicyMethod;
    if ((getRollbackPolicyMethod = AdminServiceGrpc.getRollbackPolicyMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getRollbackPolicyMethod = AdminServiceGrpc.getRollbackPolicyMethod) == null) {
          AdminServiceGrpc.getRollbackPolicyMethod = getRollbackPolicyMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.RollbackPolicyRequest, io.agentguard.v1.RollbackPolicyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "RollbackPolicy"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.RollbackPolicyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.RollbackPolicyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("RollbackPolicy"))
              .build();
        }
      }
    }
    return getRollbackPolicyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.TestPolicyRequest,
      io.agentguard.v1.TestPolicyResponse> getTestPolicyMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "TestPolicy",
      requestType = io.agentguard.v1.TestPolicyRequest.class,
      responseType = io.agentguard.v1.TestPolicyResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.TestPolicyRequest,
      io.agentguard.v1.TestPolicyResponse> getTestPolicyMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.TestPolicyRequest, io.agentguard.v1.TestPolicyResponse> getTestPolicyMethod;
    if ((getTestPolicyMethod = AdminServiceGrpc.getTestPolicyMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getTestPolicyMethod = AdminServiceGrpc.getTestPolicyMethod) == null) {
          AdminServiceGrpc.getTestPolicyMethod = getTestPolicyMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.TestPolicyRequest, io.agentguard.v1.TestPolicyResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "TestPolicy"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.TestPolicyRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.TestPolicyResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("TestPolicy"))
              .build();
        }
      }
    }
    return getTestPolicyMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.ListAuditRecordsRequest,
      io.agentguard.v1.ListAuditRecordsResponse> getListAuditRecordsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "ListAuditRecords",
      requestType = io.agentguard.v1.ListAuditRecordsRequest.class,
      responseType = io.agentguard.v1.ListAuditRecordsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.ListAuditRecordsRequest,
      io.agentguard.v1.ListAuditRecordsResponse> getListAuditRecordsMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.ListAuditRecordsRequest, io.agentguard.v1.ListAuditRecordsResponse> getListAuditRecordsMethod;
    if ((getListAuditRecordsMethod = AdminServiceGrpc.getListAuditRecordsMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getListAuditRecordsMethod = AdminServiceGrpc.getListAuditRecordsMethod) == null) {
          AdminServiceGrpc.getListAuditRecordsMethod = getListAuditRecordsMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.ListAuditRecordsRequest, io.agentguard.v1.ListAuditRecordsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "ListAuditRecords"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ListAuditRecordsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.ListAuditRecordsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("ListAuditRecords"))
              .build();
        }
      }
    }
    return getListAuditRecordsMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.FollowAuditRequest,
      io.agentguard.v1.FollowAuditResponse> getFollowAuditMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "FollowAudit",
      requestType = io.agentguard.v1.FollowAuditRequest.class,
      responseType = io.agentguard.v1.FollowAuditResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.FollowAuditRequest,
      io.agentguard.v1.FollowAuditResponse> getFollowAuditMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.FollowAuditRequest, io.agentguard.v1.FollowAuditResponse> getFollowAuditMethod;
    if ((getFollowAuditMethod = AdminServiceGrpc.getFollowAuditMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getFollowAuditMethod = AdminServiceGrpc.getFollowAuditMethod) == null) {
          AdminServiceGrpc.getFollowAuditMethod = getFollowAuditMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.FollowAuditRequest, io.agentguard.v1.FollowAuditResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "FollowAudit"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.FollowAuditRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.FollowAuditResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("FollowAudit"))
              .build();
        }
      }
    }
    return getFollowAuditMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.VerifyAuditRequest,
      io.agentguard.v1.VerifyAuditResponse> getVerifyAuditMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "VerifyAudit",
      requestType = io.agentguard.v1.VerifyAuditRequest.class,
      responseType = io.agentguard.v1.VerifyAuditResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.VerifyAuditRequest,
      io.agentguard.v1.VerifyAuditResponse> getVerifyAuditMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.VerifyAuditRequest, io.agentguard.v1.VerifyAuditResponse> getVerifyAuditMethod;
    if ((getVerifyAuditMethod = AdminServiceGrpc.getVerifyAuditMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getVerifyAuditMethod = AdminServiceGrpc.getVerifyAuditMethod) == null) {
          AdminServiceGrpc.getVerifyAuditMethod = getVerifyAuditMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.VerifyAuditRequest, io.agentguard.v1.VerifyAuditResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "VerifyAudit"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.VerifyAuditRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.VerifyAuditResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("VerifyAudit"))
              .build();
        }
      }
    }
    return getVerifyAuditMethod;
  }

  private static volatile io.grpc.MethodDescriptor<io.agentguard.v1.GetStatsRequest,
      io.agentguard.v1.GetStatsResponse> getGetStatsMethod;

  @io.grpc.stub.annotations.RpcMethod(
      fullMethodName = SERVICE_NAME + '/' + "GetStats",
      requestType = io.agentguard.v1.GetStatsRequest.class,
      responseType = io.agentguard.v1.GetStatsResponse.class,
      methodType = io.grpc.MethodDescriptor.MethodType.UNARY)
  public static io.grpc.MethodDescriptor<io.agentguard.v1.GetStatsRequest,
      io.agentguard.v1.GetStatsResponse> getGetStatsMethod() {
    io.grpc.MethodDescriptor<io.agentguard.v1.GetStatsRequest, io.agentguard.v1.GetStatsResponse> getGetStatsMethod;
    if ((getGetStatsMethod = AdminServiceGrpc.getGetStatsMethod) == null) {
      synchronized (AdminServiceGrpc.class) {
        if ((getGetStatsMethod = AdminServiceGrpc.getGetStatsMethod) == null) {
          AdminServiceGrpc.getGetStatsMethod = getGetStatsMethod =
              io.grpc.MethodDescriptor.<io.agentguard.v1.GetStatsRequest, io.agentguard.v1.GetStatsResponse>newBuilder()
              .setType(io.grpc.MethodDescriptor.MethodType.UNARY)
              .setFullMethodName(generateFullMethodName(SERVICE_NAME, "GetStats"))
              .setSampledToLocalTracing(true)
              .setRequestMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.GetStatsRequest.getDefaultInstance()))
              .setResponseMarshaller(io.grpc.protobuf.ProtoUtils.marshaller(
                  io.agentguard.v1.GetStatsResponse.getDefaultInstance()))
              .setSchemaDescriptor(new AdminServiceMethodDescriptorSupplier("GetStats"))
              .build();
        }
      }
    }
    return getGetStatsMethod;
  }

  /**
   * Creates a new async stub that supports all call types for the service
   */
  public static AdminServiceStub newStub(io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<AdminServiceStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<AdminServiceStub>() {
        @java.lang.Override
        public AdminServiceStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new AdminServiceStub(channel, callOptions);
        }
      };
    return AdminServiceStub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports all types of calls on the service
   */
  public static AdminServiceBlockingV2Stub newBlockingV2Stub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<AdminServiceBlockingV2Stub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<AdminServiceBlockingV2Stub>() {
        @java.lang.Override
        public AdminServiceBlockingV2Stub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new AdminServiceBlockingV2Stub(channel, callOptions);
        }
      };
    return AdminServiceBlockingV2Stub.newStub(factory, channel);
  }

  /**
   * Creates a new blocking-style stub that supports unary and streaming output calls on the service
   */
  public static AdminServiceBlockingStub newBlockingStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<AdminServiceBlockingStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<AdminServiceBlockingStub>() {
        @java.lang.Override
        public AdminServiceBlockingStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new AdminServiceBlockingStub(channel, callOptions);
        }
      };
    return AdminServiceBlockingStub.newStub(factory, channel);
  }

  /**
   * Creates a new ListenableFuture-style stub that supports unary calls on the service
   */
  public static AdminServiceFutureStub newFutureStub(
      io.grpc.Channel channel) {
    io.grpc.stub.AbstractStub.StubFactory<AdminServiceFutureStub> factory =
      new io.grpc.stub.AbstractStub.StubFactory<AdminServiceFutureStub>() {
        @java.lang.Override
        public AdminServiceFutureStub newStub(io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
          return new AdminServiceFutureStub(channel, callOptions);
        }
      };
    return AdminServiceFutureStub.newStub(factory, channel);
  }

  /**
   * <pre>
   * What administrators call: agents, keys, policies, the audit. Every call needs the admin key, in the metadata (or
   * HTTP header) `x-admin-key` or as `authorization: Bearer KEY`.
   * Every change is recorded in the audit and answers with the `revision` (`epoch.n`) that it made; an `Enforce` that
   * starts after the answer is decided with the change. The reasons of errors are those of `ErrorReason`; every RPC may
   * answer `UNAUTHENTICATED`, `PERMISSION_DENIED`, `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`, `DATABASE_UNAVAILABLE`,
   * `OVERLOADED`, `SHUTTING_DOWN`, `DEADLINE_EXCEEDED` and `INTERNAL` besides those named with it.
   * </pre>
   */
  public interface AsyncService {

    /**
     * <pre>
     * Creates an agent and its first key. The key is shown in this answer and never again.
     * </pre>
     */
    default void createAgent(io.agentguard.v1.CreateAgentRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.CreateAgentResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCreateAgentMethod(), responseObserver);
    }

    /**
     * <pre>
     * Shows one agent. A deleted one is still shown, with `is_active` false and `delete_time` set.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    default void getAgent(io.agentguard.v1.GetAgentRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.GetAgentResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetAgentMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists agents in the order of their creation.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    default void listAgents(io.agentguard.v1.ListAgentsRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ListAgentsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListAgentsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Changes fields of an agent, in force for every call that starts after the answer.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`.
     * </pre>
     */
    default void updateAgent(io.agentguard.v1.UpdateAgentRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.UpdateAgentResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getUpdateAgentMethod(), responseObserver);
    }

    /**
     * <pre>
     * Deletes an agent: its keys are dead at once; its audit and its policy stay, the latter without effect. Deleting
     * again changes nothing and answers with the agent as it is.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    default void deleteAgent(io.agentguard.v1.DeleteAgentRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.DeleteAgentResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDeleteAgentMethod(), responseObserver);
    }

    /**
     * <pre>
     * Gives an agent a limit of its own in place of the deployment's default, or the default again, in force for every
     * call that starts after the answer.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`.
     * </pre>
     */
    default void setRateLimit(io.agentguard.v1.SetRateLimitRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.SetRateLimitResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSetRateLimitMethod(), responseObserver);
    }

    /**
     * <pre>
     * Shows how often an agent may call.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    default void getRateLimit(io.agentguard.v1.GetRateLimitRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.GetRateLimitResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetRateLimitMethod(), responseObserver);
    }

    /**
     * <pre>
     * Switches the kill switch of a scope on or off. While it is on, everything the scope's agents ask is denied with
     * `KILL_SWITCH`, above every rule, in force for every call that starts after the answer; open streams feel it at
     * their next message. Switching on what is on replaces reason, who and when; switching off what is off changes
     * nothing.
     * Without its database a replica still switches on, in its own memory, and says so in `this_replica_only`; it writes
     * the switch to the database as soon as that is back. Switching off needs the database.
     * Errors: `NOT_FOUND` (the scope's agent).
     * </pre>
     */
    default void setKillSwitch(io.agentguard.v1.SetKillSwitchRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.SetKillSwitchResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSetKillSwitchMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists the kill switches that are on, as this replica knows them: everyone's, then teams' by name, then agents' by
     * id. Answers without the database, too.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    default void listKillSwitches(io.agentguard.v1.ListKillSwitchesRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ListKillSwitchesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListKillSwitchesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Makes another key for an agent, which may have 10 live ones. The key is shown in this answer and never again.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`, `KEY_LIMIT_REACHED`.
     * </pre>
     */
    default void createAgentKey(io.agentguard.v1.CreateAgentKeyRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.CreateAgentKeyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getCreateAgentKeyMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists an agent's keys, revoked and expired ones included, in the order of their creation.
     * Errors: `NOT_FOUND`, `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    default void listAgentKeys(io.agentguard.v1.ListAgentKeysRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ListAgentKeysResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListAgentKeysMethod(), responseObserver);
    }

    /**
     * <pre>
     * Revokes a key, at once and for good. Revoking again keeps the first time of revocation.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    default void revokeAgentKey(io.agentguard.v1.RevokeAgentKeyRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.RevokeAgentKeyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRevokeAgentKeyMethod(), responseObserver);
    }

    /**
     * <pre>
     * Writes the whole policy of a scope, as its next version. A policy with any fault is refused, every fault named
     * by its field, and nothing is stored.
     * Errors: `NOT_FOUND` (the scope's agent), `AGENT_DELETED`, `ETAG_MISMATCH`.
     * </pre>
     */
    default void setPolicy(io.agentguard.v1.SetPolicyRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.SetPolicyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getSetPolicyMethod(), responseObserver);
    }

    /**
     * <pre>
     * Shows the policy of a scope, or an earlier version of it.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    default void getPolicy(io.agentguard.v1.GetPolicyRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.GetPolicyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetPolicyMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists the policies there are, without their rules, in the order of their ids.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    default void listPolicies(io.agentguard.v1.ListPoliciesRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ListPoliciesResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListPoliciesMethod(), responseObserver);
    }

    /**
     * <pre>
     * Deletes the policy of a scope. Its versions stay and can be rolled back to.
     * Errors: `NOT_FOUND`, `ETAG_MISMATCH`.
     * </pre>
     */
    default void deletePolicy(io.agentguard.v1.DeletePolicyRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.DeletePolicyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getDeletePolicyMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists the versions of a scope's policy, the newest first, also after a deletion.
     * Errors: `NOT_FOUND` (the scope never had one), `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    default void listPolicyVersions(io.agentguard.v1.ListPolicyVersionsRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ListPolicyVersionsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListPolicyVersionsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Writes the rules of an earlier version again, as the next version. Works after a deletion too.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`, `ETAG_MISMATCH`.
     * </pre>
     */
    default void rollbackPolicy(io.agentguard.v1.RollbackPolicyRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.RollbackPolicyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getRollbackPolicyMethod(), responseObserver);
    }

    /**
     * <pre>
     * Decides without doing: what would be answered, and what every rule had to say. Nothing is recorded, charged or
     * changed.
     * Errors: `NOT_FOUND` (the agent).
     * </pre>
     */
    default void testPolicy(io.agentguard.v1.TestPolicyRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.TestPolicyResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getTestPolicyMethod(), responseObserver);
    }

    /**
     * <pre>
     * Lists records of the audit in the order `(timestamp, chain_no, seq)`, newest first unless asked otherwise.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    default void listAuditRecords(io.agentguard.v1.ListAuditRecordsRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ListAuditRecordsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getListAuditRecordsMethod(), responseObserver);
    }

    /**
     * <pre>
     * Sends records as they are committed, each exactly once, and goes on until the caller ends it. Begins with new
     * records, or after a position. At most 64 followers a replica.
     * Errors: `PAGE_TOKEN_INVALID` (the position), `OVERLOADED` (too many followers).
     * </pre>
     */
    default void followAudit(io.agentguard.v1.FollowAuditRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.FollowAuditResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getFollowAuditMethod(), responseObserver);
    }

    /**
     * <pre>
     * Checks every hash, link and commitment of the audit up to where it stood when the call began. Sends progress at
     * least every few seconds, each finding as it is found, and a summary last. An answer without summary is no
     * result.
     * </pre>
     */
    default void verifyAudit(io.agentguard.v1.VerifyAuditRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.VerifyAuditResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getVerifyAuditMethod(), responseObserver);
    }

    /**
     * <pre>
     * Shows what this replica is, holds and has done since it started.
     * </pre>
     */
    default void getStats(io.agentguard.v1.GetStatsRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.GetStatsResponse> responseObserver) {
      io.grpc.stub.ServerCalls.asyncUnimplementedUnaryCall(getGetStatsMethod(), responseObserver);
    }
  }

  /**
   * Base class for the server implementation of the service AdminService.
   * <pre>
   * What administrators call: agents, keys, policies, the audit. Every call needs the admin key, in the metadata (or
   * HTTP header) `x-admin-key` or as `authorization: Bearer KEY`.
   * Every change is recorded in the audit and answers with the `revision` (`epoch.n`) that it made; an `Enforce` that
   * starts after the answer is decided with the change. The reasons of errors are those of `ErrorReason`; every RPC may
   * answer `UNAUTHENTICATED`, `PERMISSION_DENIED`, `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`, `DATABASE_UNAVAILABLE`,
   * `OVERLOADED`, `SHUTTING_DOWN`, `DEADLINE_EXCEEDED` and `INTERNAL` besides those named with it.
   * </pre>
   */
  public static abstract class AdminServiceImplBase
      implements io.grpc.BindableService, AsyncService {

    @java.lang.Override public final io.grpc.ServerServiceDefinition bindService() {
      return AdminServiceGrpc.bindService(this);
    }
  }

  /**
   * A stub to allow clients to do asynchronous rpc calls to service AdminService.
   * <pre>
   * What administrators call: agents, keys, policies, the audit. Every call needs the admin key, in the metadata (or
   * HTTP header) `x-admin-key` or as `authorization: Bearer KEY`.
   * Every change is recorded in the audit and answers with the `revision` (`epoch.n`) that it made; an `Enforce` that
   * starts after the answer is decided with the change. The reasons of errors are those of `ErrorReason`; every RPC may
   * answer `UNAUTHENTICATED`, `PERMISSION_DENIED`, `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`, `DATABASE_UNAVAILABLE`,
   * `OVERLOADED`, `SHUTTING_DOWN`, `DEADLINE_EXCEEDED` and `INTERNAL` besides those named with it.
   * </pre>
   */
  public static final class AdminServiceStub
      extends io.grpc.stub.AbstractAsyncStub<AdminServiceStub> {
    private AdminServiceStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected AdminServiceStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new AdminServiceStub(channel, callOptions);
    }

    /**
     * <pre>
     * Creates an agent and its first key. The key is shown in this answer and never again.
     * </pre>
     */
    public void createAgent(io.agentguard.v1.CreateAgentRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.CreateAgentResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCreateAgentMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Shows one agent. A deleted one is still shown, with `is_active` false and `delete_time` set.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public void getAgent(io.agentguard.v1.GetAgentRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.GetAgentResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetAgentMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists agents in the order of their creation.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public void listAgents(io.agentguard.v1.ListAgentsRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ListAgentsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListAgentsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Changes fields of an agent, in force for every call that starts after the answer.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`.
     * </pre>
     */
    public void updateAgent(io.agentguard.v1.UpdateAgentRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.UpdateAgentResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getUpdateAgentMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Deletes an agent: its keys are dead at once; its audit and its policy stay, the latter without effect. Deleting
     * again changes nothing and answers with the agent as it is.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public void deleteAgent(io.agentguard.v1.DeleteAgentRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.DeleteAgentResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDeleteAgentMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Gives an agent a limit of its own in place of the deployment's default, or the default again, in force for every
     * call that starts after the answer.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`.
     * </pre>
     */
    public void setRateLimit(io.agentguard.v1.SetRateLimitRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.SetRateLimitResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSetRateLimitMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Shows how often an agent may call.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public void getRateLimit(io.agentguard.v1.GetRateLimitRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.GetRateLimitResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetRateLimitMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Switches the kill switch of a scope on or off. While it is on, everything the scope's agents ask is denied with
     * `KILL_SWITCH`, above every rule, in force for every call that starts after the answer; open streams feel it at
     * their next message. Switching on what is on replaces reason, who and when; switching off what is off changes
     * nothing.
     * Without its database a replica still switches on, in its own memory, and says so in `this_replica_only`; it writes
     * the switch to the database as soon as that is back. Switching off needs the database.
     * Errors: `NOT_FOUND` (the scope's agent).
     * </pre>
     */
    public void setKillSwitch(io.agentguard.v1.SetKillSwitchRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.SetKillSwitchResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSetKillSwitchMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists the kill switches that are on, as this replica knows them: everyone's, then teams' by name, then agents' by
     * id. Answers without the database, too.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public void listKillSwitches(io.agentguard.v1.ListKillSwitchesRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ListKillSwitchesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListKillSwitchesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Makes another key for an agent, which may have 10 live ones. The key is shown in this answer and never again.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`, `KEY_LIMIT_REACHED`.
     * </pre>
     */
    public void createAgentKey(io.agentguard.v1.CreateAgentKeyRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.CreateAgentKeyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getCreateAgentKeyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists an agent's keys, revoked and expired ones included, in the order of their creation.
     * Errors: `NOT_FOUND`, `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public void listAgentKeys(io.agentguard.v1.ListAgentKeysRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ListAgentKeysResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListAgentKeysMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Revokes a key, at once and for good. Revoking again keeps the first time of revocation.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public void revokeAgentKey(io.agentguard.v1.RevokeAgentKeyRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.RevokeAgentKeyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRevokeAgentKeyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Writes the whole policy of a scope, as its next version. A policy with any fault is refused, every fault named
     * by its field, and nothing is stored.
     * Errors: `NOT_FOUND` (the scope's agent), `AGENT_DELETED`, `ETAG_MISMATCH`.
     * </pre>
     */
    public void setPolicy(io.agentguard.v1.SetPolicyRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.SetPolicyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getSetPolicyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Shows the policy of a scope, or an earlier version of it.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public void getPolicy(io.agentguard.v1.GetPolicyRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.GetPolicyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetPolicyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists the policies there are, without their rules, in the order of their ids.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public void listPolicies(io.agentguard.v1.ListPoliciesRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ListPoliciesResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListPoliciesMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Deletes the policy of a scope. Its versions stay and can be rolled back to.
     * Errors: `NOT_FOUND`, `ETAG_MISMATCH`.
     * </pre>
     */
    public void deletePolicy(io.agentguard.v1.DeletePolicyRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.DeletePolicyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getDeletePolicyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists the versions of a scope's policy, the newest first, also after a deletion.
     * Errors: `NOT_FOUND` (the scope never had one), `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public void listPolicyVersions(io.agentguard.v1.ListPolicyVersionsRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ListPolicyVersionsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListPolicyVersionsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Writes the rules of an earlier version again, as the next version. Works after a deletion too.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`, `ETAG_MISMATCH`.
     * </pre>
     */
    public void rollbackPolicy(io.agentguard.v1.RollbackPolicyRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.RollbackPolicyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getRollbackPolicyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Decides without doing: what would be answered, and what every rule had to say. Nothing is recorded, charged or
     * changed.
     * Errors: `NOT_FOUND` (the agent).
     * </pre>
     */
    public void testPolicy(io.agentguard.v1.TestPolicyRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.TestPolicyResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getTestPolicyMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Lists records of the audit in the order `(timestamp, chain_no, seq)`, newest first unless asked otherwise.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public void listAuditRecords(io.agentguard.v1.ListAuditRecordsRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.ListAuditRecordsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getListAuditRecordsMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Sends records as they are committed, each exactly once, and goes on until the caller ends it. Begins with new
     * records, or after a position. At most 64 followers a replica.
     * Errors: `PAGE_TOKEN_INVALID` (the position), `OVERLOADED` (too many followers).
     * </pre>
     */
    public void followAudit(io.agentguard.v1.FollowAuditRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.FollowAuditResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getFollowAuditMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Checks every hash, link and commitment of the audit up to where it stood when the call began. Sends progress at
     * least every few seconds, each finding as it is found, and a summary last. An answer without summary is no
     * result.
     * </pre>
     */
    public void verifyAudit(io.agentguard.v1.VerifyAuditRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.VerifyAuditResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncServerStreamingCall(
          getChannel().newCall(getVerifyAuditMethod(), getCallOptions()), request, responseObserver);
    }

    /**
     * <pre>
     * Shows what this replica is, holds and has done since it started.
     * </pre>
     */
    public void getStats(io.agentguard.v1.GetStatsRequest request,
        io.grpc.stub.StreamObserver<io.agentguard.v1.GetStatsResponse> responseObserver) {
      io.grpc.stub.ClientCalls.asyncUnaryCall(
          getChannel().newCall(getGetStatsMethod(), getCallOptions()), request, responseObserver);
    }
  }

  /**
   * A stub to allow clients to do synchronous rpc calls to service AdminService.
   * <pre>
   * What administrators call: agents, keys, policies, the audit. Every call needs the admin key, in the metadata (or
   * HTTP header) `x-admin-key` or as `authorization: Bearer KEY`.
   * Every change is recorded in the audit and answers with the `revision` (`epoch.n`) that it made; an `Enforce` that
   * starts after the answer is decided with the change. The reasons of errors are those of `ErrorReason`; every RPC may
   * answer `UNAUTHENTICATED`, `PERMISSION_DENIED`, `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`, `DATABASE_UNAVAILABLE`,
   * `OVERLOADED`, `SHUTTING_DOWN`, `DEADLINE_EXCEEDED` and `INTERNAL` besides those named with it.
   * </pre>
   */
  public static final class AdminServiceBlockingV2Stub
      extends io.grpc.stub.AbstractBlockingStub<AdminServiceBlockingV2Stub> {
    private AdminServiceBlockingV2Stub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected AdminServiceBlockingV2Stub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new AdminServiceBlockingV2Stub(channel, callOptions);
    }

    /**
     * <pre>
     * Creates an agent and its first key. The key is shown in this answer and never again.
     * </pre>
     */
    public io.agentguard.v1.CreateAgentResponse createAgent(io.agentguard.v1.CreateAgentRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCreateAgentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows one agent. A deleted one is still shown, with `is_active` false and `delete_time` set.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public io.agentguard.v1.GetAgentResponse getAgent(io.agentguard.v1.GetAgentRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetAgentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists agents in the order of their creation.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public io.agentguard.v1.ListAgentsResponse listAgents(io.agentguard.v1.ListAgentsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListAgentsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes fields of an agent, in force for every call that starts after the answer.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`.
     * </pre>
     */
    public io.agentguard.v1.UpdateAgentResponse updateAgent(io.agentguard.v1.UpdateAgentRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getUpdateAgentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Deletes an agent: its keys are dead at once; its audit and its policy stay, the latter without effect. Deleting
     * again changes nothing and answers with the agent as it is.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public io.agentguard.v1.DeleteAgentResponse deleteAgent(io.agentguard.v1.DeleteAgentRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getDeleteAgentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Gives an agent a limit of its own in place of the deployment's default, or the default again, in force for every
     * call that starts after the answer.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`.
     * </pre>
     */
    public io.agentguard.v1.SetRateLimitResponse setRateLimit(io.agentguard.v1.SetRateLimitRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getSetRateLimitMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows how often an agent may call.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public io.agentguard.v1.GetRateLimitResponse getRateLimit(io.agentguard.v1.GetRateLimitRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetRateLimitMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Switches the kill switch of a scope on or off. While it is on, everything the scope's agents ask is denied with
     * `KILL_SWITCH`, above every rule, in force for every call that starts after the answer; open streams feel it at
     * their next message. Switching on what is on replaces reason, who and when; switching off what is off changes
     * nothing.
     * Without its database a replica still switches on, in its own memory, and says so in `this_replica_only`; it writes
     * the switch to the database as soon as that is back. Switching off needs the database.
     * Errors: `NOT_FOUND` (the scope's agent).
     * </pre>
     */
    public io.agentguard.v1.SetKillSwitchResponse setKillSwitch(io.agentguard.v1.SetKillSwitchRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getSetKillSwitchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the kill switches that are on, as this replica knows them: everyone's, then teams' by name, then agents' by
     * id. Answers without the database, too.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public io.agentguard.v1.ListKillSwitchesResponse listKillSwitches(io.agentguard.v1.ListKillSwitchesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListKillSwitchesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Makes another key for an agent, which may have 10 live ones. The key is shown in this answer and never again.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`, `KEY_LIMIT_REACHED`.
     * </pre>
     */
    public io.agentguard.v1.CreateAgentKeyResponse createAgentKey(io.agentguard.v1.CreateAgentKeyRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getCreateAgentKeyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists an agent's keys, revoked and expired ones included, in the order of their creation.
     * Errors: `NOT_FOUND`, `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public io.agentguard.v1.ListAgentKeysResponse listAgentKeys(io.agentguard.v1.ListAgentKeysRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListAgentKeysMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Revokes a key, at once and for good. Revoking again keeps the first time of revocation.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public io.agentguard.v1.RevokeAgentKeyResponse revokeAgentKey(io.agentguard.v1.RevokeAgentKeyRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRevokeAgentKeyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Writes the whole policy of a scope, as its next version. A policy with any fault is refused, every fault named
     * by its field, and nothing is stored.
     * Errors: `NOT_FOUND` (the scope's agent), `AGENT_DELETED`, `ETAG_MISMATCH`.
     * </pre>
     */
    public io.agentguard.v1.SetPolicyResponse setPolicy(io.agentguard.v1.SetPolicyRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getSetPolicyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows the policy of a scope, or an earlier version of it.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public io.agentguard.v1.GetPolicyResponse getPolicy(io.agentguard.v1.GetPolicyRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetPolicyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the policies there are, without their rules, in the order of their ids.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public io.agentguard.v1.ListPoliciesResponse listPolicies(io.agentguard.v1.ListPoliciesRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListPoliciesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Deletes the policy of a scope. Its versions stay and can be rolled back to.
     * Errors: `NOT_FOUND`, `ETAG_MISMATCH`.
     * </pre>
     */
    public io.agentguard.v1.DeletePolicyResponse deletePolicy(io.agentguard.v1.DeletePolicyRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getDeletePolicyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the versions of a scope's policy, the newest first, also after a deletion.
     * Errors: `NOT_FOUND` (the scope never had one), `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public io.agentguard.v1.ListPolicyVersionsResponse listPolicyVersions(io.agentguard.v1.ListPolicyVersionsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListPolicyVersionsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Writes the rules of an earlier version again, as the next version. Works after a deletion too.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`, `ETAG_MISMATCH`.
     * </pre>
     */
    public io.agentguard.v1.RollbackPolicyResponse rollbackPolicy(io.agentguard.v1.RollbackPolicyRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getRollbackPolicyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Decides without doing: what would be answered, and what every rule had to say. Nothing is recorded, charged or
     * changed.
     * Errors: `NOT_FOUND` (the agent).
     * </pre>
     */
    public io.agentguard.v1.TestPolicyResponse testPolicy(io.agentguard.v1.TestPolicyRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getTestPolicyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists records of the audit in the order `(timestamp, chain_no, seq)`, newest first unless asked otherwise.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public io.agentguard.v1.ListAuditRecordsResponse listAuditRecords(io.agentguard.v1.ListAuditRecordsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getListAuditRecordsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Sends records as they are committed, each exactly once, and goes on until the caller ends it. Begins with new
     * records, or after a position. At most 64 followers a replica.
     * Errors: `PAGE_TOKEN_INVALID` (the position), `OVERLOADED` (too many followers).
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, io.agentguard.v1.FollowAuditResponse>
        followAudit(io.agentguard.v1.FollowAuditRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getFollowAuditMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Checks every hash, link and commitment of the audit up to where it stood when the call began. Sends progress at
     * least every few seconds, each finding as it is found, and a summary last. An answer without summary is no
     * result.
     * </pre>
     */
    @io.grpc.ExperimentalApi("https://github.com/grpc/grpc-java/issues/10918")
    public io.grpc.stub.BlockingClientCall<?, io.agentguard.v1.VerifyAuditResponse>
        verifyAudit(io.agentguard.v1.VerifyAuditRequest request) {
      return io.grpc.stub.ClientCalls.blockingV2ServerStreamingCall(
          getChannel(), getVerifyAuditMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows what this replica is, holds and has done since it started.
     * </pre>
     */
    public io.agentguard.v1.GetStatsResponse getStats(io.agentguard.v1.GetStatsRequest request) throws io.grpc.StatusException {
      return io.grpc.stub.ClientCalls.blockingV2UnaryCall(
          getChannel(), getGetStatsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do limited synchronous rpc calls to service AdminService.
   * <pre>
   * What administrators call: agents, keys, policies, the audit. Every call needs the admin key, in the metadata (or
   * HTTP header) `x-admin-key` or as `authorization: Bearer KEY`.
   * Every change is recorded in the audit and answers with the `revision` (`epoch.n`) that it made; an `Enforce` that
   * starts after the answer is decided with the change. The reasons of errors are those of `ErrorReason`; every RPC may
   * answer `UNAUTHENTICATED`, `PERMISSION_DENIED`, `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`, `DATABASE_UNAVAILABLE`,
   * `OVERLOADED`, `SHUTTING_DOWN`, `DEADLINE_EXCEEDED` and `INTERNAL` besides those named with it.
   * </pre>
   */
  public static final class AdminServiceBlockingStub
      extends io.grpc.stub.AbstractBlockingStub<AdminServiceBlockingStub> {
    private AdminServiceBlockingStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected AdminServiceBlockingStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new AdminServiceBlockingStub(channel, callOptions);
    }

    /**
     * <pre>
     * Creates an agent and its first key. The key is shown in this answer and never again.
     * </pre>
     */
    public io.agentguard.v1.CreateAgentResponse createAgent(io.agentguard.v1.CreateAgentRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCreateAgentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows one agent. A deleted one is still shown, with `is_active` false and `delete_time` set.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public io.agentguard.v1.GetAgentResponse getAgent(io.agentguard.v1.GetAgentRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetAgentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists agents in the order of their creation.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public io.agentguard.v1.ListAgentsResponse listAgents(io.agentguard.v1.ListAgentsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListAgentsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Changes fields of an agent, in force for every call that starts after the answer.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`.
     * </pre>
     */
    public io.agentguard.v1.UpdateAgentResponse updateAgent(io.agentguard.v1.UpdateAgentRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getUpdateAgentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Deletes an agent: its keys are dead at once; its audit and its policy stay, the latter without effect. Deleting
     * again changes nothing and answers with the agent as it is.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public io.agentguard.v1.DeleteAgentResponse deleteAgent(io.agentguard.v1.DeleteAgentRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDeleteAgentMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Gives an agent a limit of its own in place of the deployment's default, or the default again, in force for every
     * call that starts after the answer.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`.
     * </pre>
     */
    public io.agentguard.v1.SetRateLimitResponse setRateLimit(io.agentguard.v1.SetRateLimitRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSetRateLimitMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows how often an agent may call.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public io.agentguard.v1.GetRateLimitResponse getRateLimit(io.agentguard.v1.GetRateLimitRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetRateLimitMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Switches the kill switch of a scope on or off. While it is on, everything the scope's agents ask is denied with
     * `KILL_SWITCH`, above every rule, in force for every call that starts after the answer; open streams feel it at
     * their next message. Switching on what is on replaces reason, who and when; switching off what is off changes
     * nothing.
     * Without its database a replica still switches on, in its own memory, and says so in `this_replica_only`; it writes
     * the switch to the database as soon as that is back. Switching off needs the database.
     * Errors: `NOT_FOUND` (the scope's agent).
     * </pre>
     */
    public io.agentguard.v1.SetKillSwitchResponse setKillSwitch(io.agentguard.v1.SetKillSwitchRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSetKillSwitchMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the kill switches that are on, as this replica knows them: everyone's, then teams' by name, then agents' by
     * id. Answers without the database, too.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public io.agentguard.v1.ListKillSwitchesResponse listKillSwitches(io.agentguard.v1.ListKillSwitchesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListKillSwitchesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Makes another key for an agent, which may have 10 live ones. The key is shown in this answer and never again.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`, `KEY_LIMIT_REACHED`.
     * </pre>
     */
    public io.agentguard.v1.CreateAgentKeyResponse createAgentKey(io.agentguard.v1.CreateAgentKeyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getCreateAgentKeyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists an agent's keys, revoked and expired ones included, in the order of their creation.
     * Errors: `NOT_FOUND`, `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public io.agentguard.v1.ListAgentKeysResponse listAgentKeys(io.agentguard.v1.ListAgentKeysRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListAgentKeysMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Revokes a key, at once and for good. Revoking again keeps the first time of revocation.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public io.agentguard.v1.RevokeAgentKeyResponse revokeAgentKey(io.agentguard.v1.RevokeAgentKeyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRevokeAgentKeyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Writes the whole policy of a scope, as its next version. A policy with any fault is refused, every fault named
     * by its field, and nothing is stored.
     * Errors: `NOT_FOUND` (the scope's agent), `AGENT_DELETED`, `ETAG_MISMATCH`.
     * </pre>
     */
    public io.agentguard.v1.SetPolicyResponse setPolicy(io.agentguard.v1.SetPolicyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getSetPolicyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows the policy of a scope, or an earlier version of it.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public io.agentguard.v1.GetPolicyResponse getPolicy(io.agentguard.v1.GetPolicyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetPolicyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the policies there are, without their rules, in the order of their ids.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public io.agentguard.v1.ListPoliciesResponse listPolicies(io.agentguard.v1.ListPoliciesRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListPoliciesMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Deletes the policy of a scope. Its versions stay and can be rolled back to.
     * Errors: `NOT_FOUND`, `ETAG_MISMATCH`.
     * </pre>
     */
    public io.agentguard.v1.DeletePolicyResponse deletePolicy(io.agentguard.v1.DeletePolicyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getDeletePolicyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists the versions of a scope's policy, the newest first, also after a deletion.
     * Errors: `NOT_FOUND` (the scope never had one), `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public io.agentguard.v1.ListPolicyVersionsResponse listPolicyVersions(io.agentguard.v1.ListPolicyVersionsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListPolicyVersionsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Writes the rules of an earlier version again, as the next version. Works after a deletion too.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`, `ETAG_MISMATCH`.
     * </pre>
     */
    public io.agentguard.v1.RollbackPolicyResponse rollbackPolicy(io.agentguard.v1.RollbackPolicyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getRollbackPolicyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Decides without doing: what would be answered, and what every rule had to say. Nothing is recorded, charged or
     * changed.
     * Errors: `NOT_FOUND` (the agent).
     * </pre>
     */
    public io.agentguard.v1.TestPolicyResponse testPolicy(io.agentguard.v1.TestPolicyRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getTestPolicyMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Lists records of the audit in the order `(timestamp, chain_no, seq)`, newest first unless asked otherwise.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public io.agentguard.v1.ListAuditRecordsResponse listAuditRecords(io.agentguard.v1.ListAuditRecordsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getListAuditRecordsMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Sends records as they are committed, each exactly once, and goes on until the caller ends it. Begins with new
     * records, or after a position. At most 64 followers a replica.
     * Errors: `PAGE_TOKEN_INVALID` (the position), `OVERLOADED` (too many followers).
     * </pre>
     */
    public java.util.Iterator<io.agentguard.v1.FollowAuditResponse> followAudit(
        io.agentguard.v1.FollowAuditRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getFollowAuditMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Checks every hash, link and commitment of the audit up to where it stood when the call began. Sends progress at
     * least every few seconds, each finding as it is found, and a summary last. An answer without summary is no
     * result.
     * </pre>
     */
    public java.util.Iterator<io.agentguard.v1.VerifyAuditResponse> verifyAudit(
        io.agentguard.v1.VerifyAuditRequest request) {
      return io.grpc.stub.ClientCalls.blockingServerStreamingCall(
          getChannel(), getVerifyAuditMethod(), getCallOptions(), request);
    }

    /**
     * <pre>
     * Shows what this replica is, holds and has done since it started.
     * </pre>
     */
    public io.agentguard.v1.GetStatsResponse getStats(io.agentguard.v1.GetStatsRequest request) {
      return io.grpc.stub.ClientCalls.blockingUnaryCall(
          getChannel(), getGetStatsMethod(), getCallOptions(), request);
    }
  }

  /**
   * A stub to allow clients to do ListenableFuture-style rpc calls to service AdminService.
   * <pre>
   * What administrators call: agents, keys, policies, the audit. Every call needs the admin key, in the metadata (or
   * HTTP header) `x-admin-key` or as `authorization: Bearer KEY`.
   * Every change is recorded in the audit and answers with the `revision` (`epoch.n`) that it made; an `Enforce` that
   * starts after the answer is decided with the change. The reasons of errors are those of `ErrorReason`; every RPC may
   * answer `UNAUTHENTICATED`, `PERMISSION_DENIED`, `INVALID_ARGUMENT`, `MESSAGE_TOO_LARGE`, `DATABASE_UNAVAILABLE`,
   * `OVERLOADED`, `SHUTTING_DOWN`, `DEADLINE_EXCEEDED` and `INTERNAL` besides those named with it.
   * </pre>
   */
  public static final class AdminServiceFutureStub
      extends io.grpc.stub.AbstractFutureStub<AdminServiceFutureStub> {
    private AdminServiceFutureStub(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      super(channel, callOptions);
    }

    @java.lang.Override
    protected AdminServiceFutureStub build(
        io.grpc.Channel channel, io.grpc.CallOptions callOptions) {
      return new AdminServiceFutureStub(channel, callOptions);
    }

    /**
     * <pre>
     * Creates an agent and its first key. The key is shown in this answer and never again.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.CreateAgentResponse> createAgent(
        io.agentguard.v1.CreateAgentRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCreateAgentMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Shows one agent. A deleted one is still shown, with `is_active` false and `delete_time` set.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.GetAgentResponse> getAgent(
        io.agentguard.v1.GetAgentRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetAgentMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists agents in the order of their creation.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.ListAgentsResponse> listAgents(
        io.agentguard.v1.ListAgentsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListAgentsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Changes fields of an agent, in force for every call that starts after the answer.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.UpdateAgentResponse> updateAgent(
        io.agentguard.v1.UpdateAgentRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getUpdateAgentMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Deletes an agent: its keys are dead at once; its audit and its policy stay, the latter without effect. Deleting
     * again changes nothing and answers with the agent as it is.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.DeleteAgentResponse> deleteAgent(
        io.agentguard.v1.DeleteAgentRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDeleteAgentMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Gives an agent a limit of its own in place of the deployment's default, or the default again, in force for every
     * call that starts after the answer.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.SetRateLimitResponse> setRateLimit(
        io.agentguard.v1.SetRateLimitRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSetRateLimitMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Shows how often an agent may call.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.GetRateLimitResponse> getRateLimit(
        io.agentguard.v1.GetRateLimitRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetRateLimitMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Switches the kill switch of a scope on or off. While it is on, everything the scope's agents ask is denied with
     * `KILL_SWITCH`, above every rule, in force for every call that starts after the answer; open streams feel it at
     * their next message. Switching on what is on replaces reason, who and when; switching off what is off changes
     * nothing.
     * Without its database a replica still switches on, in its own memory, and says so in `this_replica_only`; it writes
     * the switch to the database as soon as that is back. Switching off needs the database.
     * Errors: `NOT_FOUND` (the scope's agent).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.SetKillSwitchResponse> setKillSwitch(
        io.agentguard.v1.SetKillSwitchRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSetKillSwitchMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists the kill switches that are on, as this replica knows them: everyone's, then teams' by name, then agents' by
     * id. Answers without the database, too.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.ListKillSwitchesResponse> listKillSwitches(
        io.agentguard.v1.ListKillSwitchesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListKillSwitchesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Makes another key for an agent, which may have 10 live ones. The key is shown in this answer and never again.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`, `KEY_LIMIT_REACHED`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.CreateAgentKeyResponse> createAgentKey(
        io.agentguard.v1.CreateAgentKeyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getCreateAgentKeyMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists an agent's keys, revoked and expired ones included, in the order of their creation.
     * Errors: `NOT_FOUND`, `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.ListAgentKeysResponse> listAgentKeys(
        io.agentguard.v1.ListAgentKeysRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListAgentKeysMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Revokes a key, at once and for good. Revoking again keeps the first time of revocation.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.RevokeAgentKeyResponse> revokeAgentKey(
        io.agentguard.v1.RevokeAgentKeyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRevokeAgentKeyMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Writes the whole policy of a scope, as its next version. A policy with any fault is refused, every fault named
     * by its field, and nothing is stored.
     * Errors: `NOT_FOUND` (the scope's agent), `AGENT_DELETED`, `ETAG_MISMATCH`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.SetPolicyResponse> setPolicy(
        io.agentguard.v1.SetPolicyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getSetPolicyMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Shows the policy of a scope, or an earlier version of it.
     * Errors: `NOT_FOUND`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.GetPolicyResponse> getPolicy(
        io.agentguard.v1.GetPolicyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetPolicyMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists the policies there are, without their rules, in the order of their ids.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.ListPoliciesResponse> listPolicies(
        io.agentguard.v1.ListPoliciesRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListPoliciesMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Deletes the policy of a scope. Its versions stay and can be rolled back to.
     * Errors: `NOT_FOUND`, `ETAG_MISMATCH`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.DeletePolicyResponse> deletePolicy(
        io.agentguard.v1.DeletePolicyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getDeletePolicyMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists the versions of a scope's policy, the newest first, also after a deletion.
     * Errors: `NOT_FOUND` (the scope never had one), `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.ListPolicyVersionsResponse> listPolicyVersions(
        io.agentguard.v1.ListPolicyVersionsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListPolicyVersionsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Writes the rules of an earlier version again, as the next version. Works after a deletion too.
     * Errors: `NOT_FOUND`, `AGENT_DELETED`, `ETAG_MISMATCH`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.RollbackPolicyResponse> rollbackPolicy(
        io.agentguard.v1.RollbackPolicyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getRollbackPolicyMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Decides without doing: what would be answered, and what every rule had to say. Nothing is recorded, charged or
     * changed.
     * Errors: `NOT_FOUND` (the agent).
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.TestPolicyResponse> testPolicy(
        io.agentguard.v1.TestPolicyRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getTestPolicyMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Lists records of the audit in the order `(timestamp, chain_no, seq)`, newest first unless asked otherwise.
     * Errors: `PAGE_TOKEN_INVALID`.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.ListAuditRecordsResponse> listAuditRecords(
        io.agentguard.v1.ListAuditRecordsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getListAuditRecordsMethod(), getCallOptions()), request);
    }

    /**
     * <pre>
     * Shows what this replica is, holds and has done since it started.
     * </pre>
     */
    public com.google.common.util.concurrent.ListenableFuture<io.agentguard.v1.GetStatsResponse> getStats(
        io.agentguard.v1.GetStatsRequest request) {
      return io.grpc.stub.ClientCalls.futureUnaryCall(
          getChannel().newCall(getGetStatsMethod(), getCallOptions()), request);
    }
  }

  private static final int METHODID_CREATE_AGENT = 0;
  private static final int METHODID_GET_AGENT = 1;
  private static final int METHODID_LIST_AGENTS = 2;
  private static final int METHODID_UPDATE_AGENT = 3;
  private static final int METHODID_DELETE_AGENT = 4;
  private static final int METHODID_SET_RATE_LIMIT = 5;
  private static final int METHODID_GET_RATE_LIMIT = 6;
  private static final int METHODID_SET_KILL_SWITCH = 7;
  private static final int METHODID_LIST_KILL_SWITCHES = 8;
  private static final int METHODID_CREATE_AGENT_KEY = 9;
  private static final int METHODID_LIST_AGENT_KEYS = 10;
  private static final int METHODID_REVOKE_AGENT_KEY = 11;
  private static final int METHODID_SET_POLICY = 12;
  private static final int METHODID_GET_POLICY = 13;
  private static final int METHODID_LIST_POLICIES = 14;
  private static final int METHODID_DELETE_POLICY = 15;
  private static final int METHODID_LIST_POLICY_VERSIONS = 16;
  private static final int METHODID_ROLLBACK_POLICY = 17;
  private static final int METHODID_TEST_POLICY = 18;
  private static final int METHODID_LIST_AUDIT_RECORDS = 19;
  private static final int METHODID_FOLLOW_AUDIT = 20;
  private static final int METHODID_VERIFY_AUDIT = 21;
  private static final int METHODID_GET_STATS = 22;

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
        case METHODID_CREATE_AGENT:
          serviceImpl.createAgent((io.agentguard.v1.CreateAgentRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.CreateAgentResponse>) responseObserver);
          break;
        case METHODID_GET_AGENT:
          serviceImpl.getAgent((io.agentguard.v1.GetAgentRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.GetAgentResponse>) responseObserver);
          break;
        case METHODID_LIST_AGENTS:
          serviceImpl.listAgents((io.agentguard.v1.ListAgentsRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.ListAgentsResponse>) responseObserver);
          break;
        case METHODID_UPDATE_AGENT:
          serviceImpl.updateAgent((io.agentguard.v1.UpdateAgentRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.UpdateAgentResponse>) responseObserver);
          break;
        case METHODID_DELETE_AGENT:
          serviceImpl.deleteAgent((io.agentguard.v1.DeleteAgentRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.DeleteAgentResponse>) responseObserver);
          break;
        case METHODID_SET_RATE_LIMIT:
          serviceImpl.setRateLimit((io.agentguard.v1.SetRateLimitRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.SetRateLimitResponse>) responseObserver);
          break;
        case METHODID_GET_RATE_LIMIT:
          serviceImpl.getRateLimit((io.agentguard.v1.GetRateLimitRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.GetRateLimitResponse>) responseObserver);
          break;
        case METHODID_SET_KILL_SWITCH:
          serviceImpl.setKillSwitch((io.agentguard.v1.SetKillSwitchRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.SetKillSwitchResponse>) responseObserver);
          break;
        case METHODID_LIST_KILL_SWITCHES:
          serviceImpl.listKillSwitches((io.agentguard.v1.ListKillSwitchesRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.ListKillSwitchesResponse>) responseObserver);
          break;
        case METHODID_CREATE_AGENT_KEY:
          serviceImpl.createAgentKey((io.agentguard.v1.CreateAgentKeyRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.CreateAgentKeyResponse>) responseObserver);
          break;
        case METHODID_LIST_AGENT_KEYS:
          serviceImpl.listAgentKeys((io.agentguard.v1.ListAgentKeysRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.ListAgentKeysResponse>) responseObserver);
          break;
        case METHODID_REVOKE_AGENT_KEY:
          serviceImpl.revokeAgentKey((io.agentguard.v1.RevokeAgentKeyRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.RevokeAgentKeyResponse>) responseObserver);
          break;
        case METHODID_SET_POLICY:
          serviceImpl.setPolicy((io.agentguard.v1.SetPolicyRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.SetPolicyResponse>) responseObserver);
          break;
        case METHODID_GET_POLICY:
          serviceImpl.getPolicy((io.agentguard.v1.GetPolicyRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.GetPolicyResponse>) responseObserver);
          break;
        case METHODID_LIST_POLICIES:
          serviceImpl.listPolicies((io.agentguard.v1.ListPoliciesRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.ListPoliciesResponse>) responseObserver);
          break;
        case METHODID_DELETE_POLICY:
          serviceImpl.deletePolicy((io.agentguard.v1.DeletePolicyRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.DeletePolicyResponse>) responseObserver);
          break;
        case METHODID_LIST_POLICY_VERSIONS:
          serviceImpl.listPolicyVersions((io.agentguard.v1.ListPolicyVersionsRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.ListPolicyVersionsResponse>) responseObserver);
          break;
        case METHODID_ROLLBACK_POLICY:
          serviceImpl.rollbackPolicy((io.agentguard.v1.RollbackPolicyRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.RollbackPolicyResponse>) responseObserver);
          break;
        case METHODID_TEST_POLICY:
          serviceImpl.testPolicy((io.agentguard.v1.TestPolicyRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.TestPolicyResponse>) responseObserver);
          break;
        case METHODID_LIST_AUDIT_RECORDS:
          serviceImpl.listAuditRecords((io.agentguard.v1.ListAuditRecordsRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.ListAuditRecordsResponse>) responseObserver);
          break;
        case METHODID_FOLLOW_AUDIT:
          serviceImpl.followAudit((io.agentguard.v1.FollowAuditRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.FollowAuditResponse>) responseObserver);
          break;
        case METHODID_VERIFY_AUDIT:
          serviceImpl.verifyAudit((io.agentguard.v1.VerifyAuditRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.VerifyAuditResponse>) responseObserver);
          break;
        case METHODID_GET_STATS:
          serviceImpl.getStats((io.agentguard.v1.GetStatsRequest) request,
              (io.grpc.stub.StreamObserver<io.agentguard.v1.GetStatsResponse>) responseObserver);
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
        default:
          throw new AssertionError();
      }
    }
  }

  public static final io.grpc.ServerServiceDefinition bindService(AsyncService service) {
    return io.grpc.ServerServiceDefinition.builder(getServiceDescriptor())
        .addMethod(
          getCreateAgentMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.CreateAgentRequest,
              io.agentguard.v1.CreateAgentResponse>(
                service, METHODID_CREATE_AGENT)))
        .addMethod(
          getGetAgentMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.GetAgentRequest,
              io.agentguard.v1.GetAgentResponse>(
                service, METHODID_GET_AGENT)))
        .addMethod(
          getListAgentsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.ListAgentsRequest,
              io.agentguard.v1.ListAgentsResponse>(
                service, METHODID_LIST_AGENTS)))
        .addMethod(
          getUpdateAgentMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.UpdateAgentRequest,
              io.agentguard.v1.UpdateAgentResponse>(
                service, METHODID_UPDATE_AGENT)))
        .addMethod(
          getDeleteAgentMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.DeleteAgentRequest,
              io.agentguard.v1.DeleteAgentResponse>(
                service, METHODID_DELETE_AGENT)))
        .addMethod(
          getSetRateLimitMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.SetRateLimitRequest,
              io.agentguard.v1.SetRateLimitResponse>(
                service, METHODID_SET_RATE_LIMIT)))
        .addMethod(
          getGetRateLimitMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.GetRateLimitRequest,
              io.agentguard.v1.GetRateLimitResponse>(
                service, METHODID_GET_RATE_LIMIT)))
        .addMethod(
          getSetKillSwitchMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.SetKillSwitchRequest,
              io.agentguard.v1.SetKillSwitchResponse>(
                service, METHODID_SET_KILL_SWITCH)))
        .addMethod(
          getListKillSwitchesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.ListKillSwitchesRequest,
              io.agentguard.v1.ListKillSwitchesResponse>(
                service, METHODID_LIST_KILL_SWITCHES)))
        .addMethod(
          getCreateAgentKeyMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.CreateAgentKeyRequest,
              io.agentguard.v1.CreateAgentKeyResponse>(
                service, METHODID_CREATE_AGENT_KEY)))
        .addMethod(
          getListAgentKeysMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.ListAgentKeysRequest,
              io.agentguard.v1.ListAgentKeysResponse>(
                service, METHODID_LIST_AGENT_KEYS)))
        .addMethod(
          getRevokeAgentKeyMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.RevokeAgentKeyRequest,
              io.agentguard.v1.RevokeAgentKeyResponse>(
                service, METHODID_REVOKE_AGENT_KEY)))
        .addMethod(
          getSetPolicyMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.SetPolicyRequest,
              io.agentguard.v1.SetPolicyResponse>(
                service, METHODID_SET_POLICY)))
        .addMethod(
          getGetPolicyMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.GetPolicyRequest,
              io.agentguard.v1.GetPolicyResponse>(
                service, METHODID_GET_POLICY)))
        .addMethod(
          getListPoliciesMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.ListPoliciesRequest,
              io.agentguard.v1.ListPoliciesResponse>(
                service, METHODID_LIST_POLICIES)))
        .addMethod(
          getDeletePolicyMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.DeletePolicyRequest,
              io.agentguard.v1.DeletePolicyResponse>(
                service, METHODID_DELETE_POLICY)))
        .addMethod(
          getListPolicyVersionsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.ListPolicyVersionsRequest,
              io.agentguard.v1.ListPolicyVersionsResponse>(
                service, METHODID_LIST_POLICY_VERSIONS)))
        .addMethod(
          getRollbackPolicyMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.RollbackPolicyRequest,
              io.agentguard.v1.RollbackPolicyResponse>(
                service, METHODID_ROLLBACK_POLICY)))
        .addMethod(
          getTestPolicyMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.TestPolicyRequest,
              io.agentguard.v1.TestPolicyResponse>(
                service, METHODID_TEST_POLICY)))
        .addMethod(
          getListAuditRecordsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.ListAuditRecordsRequest,
              io.agentguard.v1.ListAuditRecordsResponse>(
                service, METHODID_LIST_AUDIT_RECORDS)))
        .addMethod(
          getFollowAuditMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              io.agentguard.v1.FollowAuditRequest,
              io.agentguard.v1.FollowAuditResponse>(
                service, METHODID_FOLLOW_AUDIT)))
        .addMethod(
          getVerifyAuditMethod(),
          io.grpc.stub.ServerCalls.asyncServerStreamingCall(
            new MethodHandlers<
              io.agentguard.v1.VerifyAuditRequest,
              io.agentguard.v1.VerifyAuditResponse>(
                service, METHODID_VERIFY_AUDIT)))
        .addMethod(
          getGetStatsMethod(),
          io.grpc.stub.ServerCalls.asyncUnaryCall(
            new MethodHandlers<
              io.agentguard.v1.GetStatsRequest,
              io.agentguard.v1.GetStatsResponse>(
                service, METHODID_GET_STATS)))
        .build();
  }

  private static abstract class AdminServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoFileDescriptorSupplier, io.grpc.protobuf.ProtoServiceDescriptorSupplier {
    AdminServiceBaseDescriptorSupplier() {}

    @java.lang.Override
    public com.google.protobuf.Descriptors.FileDescriptor getFileDescriptor() {
      return io.agentguard.v1.Admin.getDescriptor();
    }

    @java.lang.Override
    public com.google.protobuf.Descriptors.ServiceDescriptor getServiceDescriptor() {
      return getFileDescriptor().findServiceByName("AdminService");
    }
  }

  private static final class AdminServiceFileDescriptorSupplier
      extends AdminServiceBaseDescriptorSupplier {
    AdminServiceFileDescriptorSupplier() {}
  }

  private static final class AdminServiceMethodDescriptorSupplier
      extends AdminServiceBaseDescriptorSupplier
      implements io.grpc.protobuf.ProtoMethodDescriptorSupplier {
    private final java.lang.String methodName;

    AdminServiceMethodDescriptorSupplier(java.lang.String methodName) {
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
      synchronized (AdminServiceGrpc.class) {
        result = serviceDescriptor;
        if (result == null) {
          serviceDescriptor = result = io.grpc.ServiceDescriptor.newBuilder(SERVICE_NAME)
              .setSchemaDescriptor(new AdminServiceFileDescriptorSupplier())
              .addMethod(getCreateAgentMethod())
              .addMethod(getGetAgentMethod())
              .addMethod(getListAgentsMethod())
              .addMethod(getUpdateAgentMethod())
              .addMethod(getDeleteAgentMethod())
              .addMethod(getSetRateLimitMethod())
              .addMethod(getGetRateLimitMethod())
              .addMethod(getSetKillSwitchMethod())
              .addMethod(getListKillSwitchesMethod())
              .addMethod(getCreateAgentKeyMethod())
              .addMethod(getListAgentKeysMethod())
              .addMethod(getRevokeAgentKeyMethod())
              .addMethod(getSetPolicyMethod())
              .addMethod(getGetPolicyMethod())
              .addMethod(getListPoliciesMethod())
              .addMethod(getDeletePolicyMethod())
              .addMethod(getListPolicyVersionsMethod())
              .addMethod(getRollbackPolicyMethod())
              .addMethod(getTestPolicyMethod())
              .addMethod(getListAuditRecordsMethod())
              .addMethod(getFollowAuditMethod())
              .addMethod(getVerifyAuditMethod())
              .addMethod(getGetStatsMethod())
              .build();
        }
      }
    }
    return result;
  }
}
