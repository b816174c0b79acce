/** The messages and services of `agentguard.v1`, as protobuf-es makes them. */
export * from "./gen/agentguard/v1/admin_pb.js";
export * from "./gen/agentguard/v1/agent_pb.js";
export * from "./gen/agentguard/v1/audit_pb.js";
export * from "./gen/agentguard/v1/decision_pb.js";
export * from "./gen/agentguard/v1/enforcement_pb.js";
export * from "./gen/agentguard/v1/errors_pb.js";
export * from "./gen/agentguard/v1/policy_pb.js";
