import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { ADMIN } from "./config.js";
import type { ClientOptions } from "./config.js";
import { malformed } from "./errors.js";
import { AdminService } from "./gen/agentguard/v1/admin_pb.js";
import type { KillSwitch } from "./gen/agentguard/v1/admin_pb.js";
import type { PolicySummary, PolicyVersion } from "./gen/agentguard/v1/policy_pb.js";
import type { Agent, AgentKey } from "./gen/agentguard/v1/agent_pb.js";
import type { AuditRecord } from "./gen/agentguard/v1/audit_pb.js";
import { items } from "./pages.js";
import { Transport } from "./transport.js";
import type { CallOptions } from "./transport.js";

const rpc = AdminService.method;
type Rpc = typeof rpc;
/** The fields of a call's request. */
type In<M extends keyof Rpc> = MessageInitShape<Rpc[M]["input"]>;
/** A call's answer. */
type Out<M extends keyof Rpc> = Promise<MessageShape<Rpc[M]["output"]>>;
/** Messages or items, one after the other. */
type Stream<T> = AsyncGenerator<T, void, undefined>;

/** The options of an administrator's client: its key is `adminKey`, else `AGENTGUARD_ADMIN_KEY`. */
export interface AdminClientOptions extends Omit<ClientOptions, "apiKey" | "onReportFailure"> {
  adminKey?: string | undefined;
}

/** Every call of `AdminService` by its name. Reads are tried again when the server was away, writes never. */
export class AgentGuardAdminClient implements AsyncDisposable {
  readonly #transport: Transport;

  /** Checks its options and connects with the first call. What is not given comes from the environment. */
  constructor(options: AdminClientOptions = {}) {
    this.#transport = new Transport({ ...options, apiKey: options.adminKey }, ADMIN);
  }

  /** Makes an agent and its first key, which is shown this once. */
  createAgent(request: In<"createAgent">, options?: CallOptions): Out<"createAgent"> {
    return this.#write(rpc.createAgent, request, options);
  }

  /** Changes an agent: the fields of the mask, or all that are given. */
  updateAgent(request: In<"updateAgent">, options?: CallOptions): Out<"updateAgent"> {
    return this.#write(rpc.updateAgent, request, options);
  }

  /** Deletes an agent and revokes its keys; its records stay. */
  deleteAgent(request: In<"deleteAgent">, options?: CallOptions): Out<"deleteAgent"> {
    return this.#write(rpc.deleteAgent, request, options);
  }

  /** Switches a scope's kill switch. */
  setKillSwitch(request: In<"setKillSwitch">, options?: CallOptions): Out<"setKillSwitch"> {
    return this.#write(rpc.setKillSwitch, request, options);
  }

  /** Sets an agent's own limit; empty: the default again. */
  setRateLimit(request: In<"setRateLimit">, options?: CallOptions): Out<"setRateLimit"> {
    return this.#write(rpc.setRateLimit, request, options);
  }

  /** Makes another key, which is shown this once. */
  createAgentKey(request: In<"createAgentKey">, options?: CallOptions): Out<"createAgentKey"> {
    return this.#write(rpc.createAgentKey, request, options);
  }

  /** Revokes a key. */
  revokeAgentKey(request: In<"revokeAgentKey">, options?: CallOptions): Out<"revokeAgentKey"> {
    return this.#write(rpc.revokeAgentKey, request, options);
  }

  /** Writes a policy, or only checks it. */
  setPolicy(request: In<"setPolicy">, options?: CallOptions): Out<"setPolicy"> {
    return this.#write(rpc.setPolicy, request, options);
  }

  /** Deletes a scope's policy. */
  deletePolicy(request: In<"deletePolicy">, options?: CallOptions): Out<"deletePolicy"> {
    return this.#write(rpc.deletePolicy, request, options);
  }

  /** Makes an earlier version a policy's newest. */
  rollbackPolicy(request: In<"rollbackPolicy">, options?: CallOptions): Out<"rollbackPolicy"> {
    return this.#write(rpc.rollbackPolicy, request, options);
  }

  /** One agent. */
  getAgent(request: In<"getAgent">, options?: CallOptions): Out<"getAgent"> {
    return this.#read(rpc.getAgent, request, options);
  }

  /** The limit that holds for an agent. */
  getRateLimit(request: In<"getRateLimit">, options?: CallOptions): Out<"getRateLimit"> {
    return this.#read(rpc.getRateLimit, request, options);
  }

  /** A scope's policy. */
  getPolicy(request: In<"getPolicy">, options?: CallOptions): Out<"getPolicy"> {
    return this.#read(rpc.getPolicy, request, options);
  }

  /** What would be decided, and why; nothing is recorded. */
  testPolicy(request: In<"testPolicy">, options?: CallOptions): Out<"testPolicy"> {
    return this.#read(rpc.testPolicy, request, options);
  }

  /** What the server is and does. */
  getStats(request: In<"getStats"> = {}, options?: CallOptions): Out<"getStats"> {
    return this.#read(rpc.getStats, request, options);
  }

  /** All agents, page by page. */
  listAgents(request: In<"listAgents"> = {}, options: CallOptions = {}): Stream<Agent> {
    return items(this.#transport, rpc.listAgents, request, options, (page) => page.agents);
  }

  /** An agent's keys, page by page. */
  listAgentKeys(request: In<"listAgentKeys">, options: CallOptions = {}): Stream<AgentKey> {
    return items(this.#transport, rpc.listAgentKeys, request, options, (page) => page.keys);
  }

  /** The kill switches that are on, page by page. */
  listKillSwitches(request: In<"listKillSwitches"> = {}, options: CallOptions = {}): Stream<KillSwitch> {
    return items(this.#transport, rpc.listKillSwitches, request, options, (page) => page.killSwitches);
  }

  /** All policies, page by page. */
  listPolicies(request: In<"listPolicies"> = {}, options: CallOptions = {}): Stream<PolicySummary> {
    return items(this.#transport, rpc.listPolicies, request, options, (page) => page.policies);
  }

  /** A policy's versions, page by page. */
  listPolicyVersions(request: In<"listPolicyVersions">, options: CallOptions = {}): Stream<PolicyVersion> {
    return items(this.#transport, rpc.listPolicyVersions, request, options, (page) => page.versions);
  }

  /** Records of all agents, page by page. */
  listAuditRecords(request: In<"listAuditRecords"> = {}, options: CallOptions = {}): Stream<AuditRecord> {
    return items(this.#transport, rpc.listAuditRecords, request, options, (page) => page.records);
  }

  /** Records as they are written, without end: leave the loop, or give a `signal`. There is no deadline unless given. */
  followAudit(request: In<"followAudit"> = {}, options: CallOptions = {}): Stream<MessageShape<Rpc["followAudit"]["output"]>> {
    return this.#transport.serverStream(rpc.followAudit, request, options);
  }

  /** Progress, findings and at last a summary, without which this throws. There is no deadline unless given. */
  async *verifyAudit(request: In<"verifyAudit"> = {}, options: CallOptions = {}): Stream<MessageShape<Rpc["verifyAudit"]["output"]>> {
    let summed = false;
    for await (const message of this.#transport.serverStream(rpc.verifyAudit, request, options)) {
      summed ||= message.event.case === "summary";
      yield message;
    }
    if (!summed) throw malformed("the verification ended without a summary", options.requestId ?? "");
  }

  async #write<I extends DescMessage, O extends DescMessage>(method: DescMethod & { input: I; output: O }, request: MessageInitShape<I>, options: CallOptions = {}): Promise<MessageShape<O>> {
    return (await this.#transport.unary(method, request, options, false)).answer;
  }

  async #read<I extends DescMessage, O extends DescMessage>(method: DescMethod & { input: I; output: O }, request: MessageInitShape<I>, options: CallOptions = {}): Promise<MessageShape<O>> {
    return (await this.#transport.unary(method, request, options, true)).answer;
  }

  /** Closes the connection. Calls under way fail with `Unavailable`, reason `CLIENT_CLOSED`, as later ones do. */
  async close(): Promise<void> {
    this.#transport.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
