package io.agentguard;

import io.agentguard.v1.AdminServiceGrpc;
import io.agentguard.v1.Agent;
import io.agentguard.v1.AgentKey;
import io.agentguard.v1.AuditRecord;
import io.agentguard.v1.CreateAgentKeyRequest;
import io.agentguard.v1.CreateAgentKeyResponse;
import io.agentguard.v1.CreateAgentRequest;
import io.agentguard.v1.CreateAgentResponse;
import io.agentguard.v1.DeleteAgentRequest;
import io.agentguard.v1.DeleteAgentResponse;
import io.agentguard.v1.DeletePolicyRequest;
import io.agentguard.v1.DeletePolicyResponse;
import io.agentguard.v1.FollowAuditRequest;
import io.agentguard.v1.FollowAuditResponse;
import io.agentguard.v1.GetAgentRequest;
import io.agentguard.v1.GetAgentResponse;
import io.agentguard.v1.GetPolicyRequest;
import io.agentguard.v1.GetPolicyResponse;
import io.agentguard.v1.GetRateLimitRequest;
import io.agentguard.v1.GetRateLimitResponse;
import io.agentguard.v1.KillSwitch;
import io.agentguard.v1.ListKillSwitchesRequest;
import io.agentguard.v1.ListKillSwitchesResponse;
import io.agentguard.v1.GetStatsRequest;
import io.agentguard.v1.GetStatsResponse;
import io.agentguard.v1.ListAgentKeysRequest;
import io.agentguard.v1.ListAgentKeysResponse;
import io.agentguard.v1.ListAgentsRequest;
import io.agentguard.v1.ListAgentsResponse;
import io.agentguard.v1.ListAuditRecordsRequest;
import io.agentguard.v1.ListAuditRecordsResponse;
import io.agentguard.v1.ListPoliciesRequest;
import io.agentguard.v1.ListPoliciesResponse;
import io.agentguard.v1.ListPolicyVersionsRequest;
import io.agentguard.v1.ListPolicyVersionsResponse;
import io.agentguard.v1.PolicySummary;
import io.agentguard.v1.PolicyVersion;
import io.agentguard.v1.RevokeAgentKeyRequest;
import io.agentguard.v1.RevokeAgentKeyResponse;
import io.agentguard.v1.RollbackPolicyRequest;
import io.agentguard.v1.RollbackPolicyResponse;
import io.agentguard.v1.SetPolicyRequest;
import io.agentguard.v1.SetPolicyResponse;
import io.agentguard.v1.SetKillSwitchRequest;
import io.agentguard.v1.SetKillSwitchResponse;
import io.agentguard.v1.SetRateLimitRequest;
import io.agentguard.v1.SetRateLimitResponse;
import io.agentguard.v1.TestPolicyRequest;
import io.agentguard.v1.TestPolicyResponse;
import io.agentguard.v1.UpdateAgentRequest;
import io.agentguard.v1.UpdateAgentResponse;
import io.agentguard.v1.VerifyAuditRequest;
import io.agentguard.v1.VerifyAuditResponse;
import java.time.Duration;
import java.util.Iterator;
import java.util.concurrent.CompletableFuture;

/** Every call of the administrators' service. Calls that read are tried again; calls that write never. */
public final class AdminClient implements AutoCloseable {
  private final Transport transport;

  private AdminClient(Builder settings) {
    transport = new Transport(settings, true);
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

    /** The key; else {@code AGENTGUARD_ADMIN_KEY}, or the file named by {@code AGENTGUARD_ADMIN_KEY_FILE}. */
    public Builder adminKey(String key) {
      this.key = key;
      return this;
    }

    /** Checks everything, and does not connect yet. */
    public AdminClient build() {
      return new AdminClient(this);
    }
  }

  public GetAgentResponse getAgent(GetAgentRequest request) {
    return Transport.await(getAgentAsync(request));
  }

  public CompletableFuture<GetAgentResponse> getAgentAsync(GetAgentRequest request) {
    return transport.call(AdminServiceGrpc.getGetAgentMethod(), request, null, null, true);
  }

  public GetRateLimitResponse getRateLimit(GetRateLimitRequest request) {
    return Transport.await(getRateLimitAsync(request));
  }

  public CompletableFuture<GetRateLimitResponse> getRateLimitAsync(GetRateLimitRequest request) {
    return transport.call(AdminServiceGrpc.getGetRateLimitMethod(), request, null, null, true);
  }

  public GetPolicyResponse getPolicy(GetPolicyRequest request) {
    return Transport.await(getPolicyAsync(request));
  }

  public CompletableFuture<GetPolicyResponse> getPolicyAsync(GetPolicyRequest request) {
    return transport.call(AdminServiceGrpc.getGetPolicyMethod(), request, null, null, true);
  }

  public TestPolicyResponse testPolicy(TestPolicyRequest request) {
    return Transport.await(testPolicyAsync(request));
  }

  public CompletableFuture<TestPolicyResponse> testPolicyAsync(TestPolicyRequest request) {
    return transport.call(AdminServiceGrpc.getTestPolicyMethod(), request, null, null, true);
  }

  public GetStatsResponse getStats(GetStatsRequest request) {
    return Transport.await(getStatsAsync(request));
  }

  public CompletableFuture<GetStatsResponse> getStatsAsync(GetStatsRequest request) {
    return transport.call(AdminServiceGrpc.getGetStatsMethod(), request, null, null, true);
  }

  public CreateAgentResponse createAgent(CreateAgentRequest request) {
    return Transport.await(createAgentAsync(request));
  }

  public CompletableFuture<CreateAgentResponse> createAgentAsync(CreateAgentRequest request) {
    return transport.call(AdminServiceGrpc.getCreateAgentMethod(), request, null, null, false);
  }

  public UpdateAgentResponse updateAgent(UpdateAgentRequest request) {
    return Transport.await(updateAgentAsync(request));
  }

  public CompletableFuture<UpdateAgentResponse> updateAgentAsync(UpdateAgentRequest request) {
    return transport.call(AdminServiceGrpc.getUpdateAgentMethod(), request, null, null, false);
  }

  public DeleteAgentResponse deleteAgent(DeleteAgentRequest request) {
    return Transport.await(deleteAgentAsync(request));
  }

  public CompletableFuture<DeleteAgentResponse> deleteAgentAsync(DeleteAgentRequest request) {
    return transport.call(AdminServiceGrpc.getDeleteAgentMethod(), request, null, null, false);
  }

  public SetRateLimitResponse setRateLimit(SetRateLimitRequest request) {
    return Transport.await(setRateLimitAsync(request));
  }

  public CompletableFuture<SetRateLimitResponse> setRateLimitAsync(SetRateLimitRequest request) {
    return transport.call(AdminServiceGrpc.getSetRateLimitMethod(), request, null, null, false);
  }

  public CreateAgentKeyResponse createAgentKey(CreateAgentKeyRequest request) {
    return Transport.await(createAgentKeyAsync(request));
  }

  public CompletableFuture<CreateAgentKeyResponse> createAgentKeyAsync(CreateAgentKeyRequest request) {
    return transport.call(AdminServiceGrpc.getCreateAgentKeyMethod(), request, null, null, false);
  }

  public RevokeAgentKeyResponse revokeAgentKey(RevokeAgentKeyRequest request) {
    return Transport.await(revokeAgentKeyAsync(request));
  }

  public CompletableFuture<RevokeAgentKeyResponse> revokeAgentKeyAsync(RevokeAgentKeyRequest request) {
    return transport.call(AdminServiceGrpc.getRevokeAgentKeyMethod(), request, null, null, false);
  }

  public SetPolicyResponse setPolicy(SetPolicyRequest request) {
    return Transport.await(setPolicyAsync(request));
  }

  public CompletableFuture<SetPolicyResponse> setPolicyAsync(SetPolicyRequest request) {
    return transport.call(AdminServiceGrpc.getSetPolicyMethod(), request, null, null, false);
  }

  public DeletePolicyResponse deletePolicy(DeletePolicyRequest request) {
    return Transport.await(deletePolicyAsync(request));
  }

  public CompletableFuture<DeletePolicyResponse> deletePolicyAsync(DeletePolicyRequest request) {
    return transport.call(AdminServiceGrpc.getDeletePolicyMethod(), request, null, null, false);
  }

  public RollbackPolicyResponse rollbackPolicy(RollbackPolicyRequest request) {
    return Transport.await(rollbackPolicyAsync(request));
  }

  public CompletableFuture<RollbackPolicyResponse> rollbackPolicyAsync(RollbackPolicyRequest request) {
    return transport.call(AdminServiceGrpc.getRollbackPolicyMethod(), request, null, null, false);
  }

  /** The items of all pages, from the request's page token on. */
  public Iterator<Agent> listAgents(ListAgentsRequest request) {
    return new Pages<>(
        request.getPageToken(),
        token -> Transport.await(transport.call(
            AdminServiceGrpc.getListAgentsMethod(), request.toBuilder().setPageToken(token).build(), null, null, true)),
        ListAgentsResponse::getAgentsList,
        ListAgentsResponse::getNextPageToken);
  }

  public SetKillSwitchResponse setKillSwitch(SetKillSwitchRequest request) {
    return Transport.await(setKillSwitchAsync(request));
  }

  public CompletableFuture<SetKillSwitchResponse> setKillSwitchAsync(SetKillSwitchRequest request) {
    return transport.call(AdminServiceGrpc.getSetKillSwitchMethod(), request, null, null, false);
  }

  /** The items of all pages, from the request's page token on. */
  public Iterator<KillSwitch> listKillSwitches(ListKillSwitchesRequest request) {
    return new Pages<>(
        request.getPageToken(),
        token -> Transport.await(transport.call(
            AdminServiceGrpc.getListKillSwitchesMethod(), request.toBuilder().setPageToken(token).build(), null, null, true)),
        ListKillSwitchesResponse::getKillSwitchesList,
        ListKillSwitchesResponse::getNextPageToken);
  }

  /** The items of all pages, from the request's page token on. */
  public Iterator<AgentKey> listAgentKeys(ListAgentKeysRequest request) {
    return new Pages<>(
        request.getPageToken(),
        token -> Transport.await(transport.call(
            AdminServiceGrpc.getListAgentKeysMethod(), request.toBuilder().setPageToken(token).build(), null, null, true)),
        ListAgentKeysResponse::getKeysList,
        ListAgentKeysResponse::getNextPageToken);
  }

  /** The items of all pages, from the request's page token on. */
  public Iterator<PolicySummary> listPolicies(ListPoliciesRequest request) {
    return new Pages<>(
        request.getPageToken(),
        token -> Transport.await(transport.call(
            AdminServiceGrpc.getListPoliciesMethod(), request.toBuilder().setPageToken(token).build(), null, null, true)),
        ListPoliciesResponse::getPoliciesList,
        ListPoliciesResponse::getNextPageToken);
  }

  /** The items of all pages, from the request's page token on. */
  public Iterator<PolicyVersion> listPolicyVersions(ListPolicyVersionsRequest request) {
    return new Pages<>(
        request.getPageToken(),
        token -> Transport.await(transport.call(
            AdminServiceGrpc.getListPolicyVersionsMethod(), request.toBuilder().setPageToken(token).build(), null, null, true)),
        ListPolicyVersionsResponse::getVersionsList,
        ListPolicyVersionsResponse::getNextPageToken);
  }

  /** The items of all pages, from the request's page token on. */
  public Iterator<AuditRecord> listAuditRecords(ListAuditRecordsRequest request) {
    return new Pages<>(
        request.getPageToken(),
        token -> Transport.await(transport.call(
            AdminServiceGrpc.getListAuditRecordsMethod(), request.toBuilder().setPageToken(token).build(), null, null, true)),
        ListAuditRecordsResponse::getRecordsList,
        ListAuditRecordsResponse::getNextPageToken);
  }

  /** New records as they come; {@code timeout} may be null: none. Close it when done. */
  public Messages<FollowAuditResponse> followAudit(FollowAuditRequest request, Duration timeout) {
    return new Messages<>(transport, AdminServiceGrpc.getFollowAuditMethod(), request, timeout, answer -> false, false);
  }

  /** Progress, findings and at last the summary, without which it fails; {@code timeout} may be null: none. */
  public Messages<VerifyAuditResponse> verifyAudit(VerifyAuditRequest request, Duration timeout) {
    return new Messages<>(
        transport, AdminServiceGrpc.getVerifyAuditMethod(), request, timeout, VerifyAuditResponse::hasSummary, true);
  }

  @Override
  public void close() {
    transport.close();
  }
}
