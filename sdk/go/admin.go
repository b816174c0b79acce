package agentguard

import (
	"context"
	"errors"
	"io"
	"iter"

	pb "github.com/agentguard/agentguard/sdk/go/gen/agentguardv1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// AdminClient makes the calls of AdminService; safe for concurrent use.
type AdminClient struct{ c *connection }

// NewAdminClient makes a client for an administrator; what is empty comes from the environment.
func NewAdminClient(endpoint, adminKey string, options ...Option) (*AdminClient, error) {
	c, err := connect(endpoint, adminKey, true, options)
	if err != nil {
		return nil, err
	}
	return &AdminClient{c}, nil
}

// Close ends the connection and what is outstanding.
func (a *AdminClient) Close() error { return a.c.close() }

// CreateAgent is never tried again.
func (a *AdminClient) CreateAgent(ctx context.Context, request *pb.CreateAgentRequest, options ...CallOption) (*pb.CreateAgentResponse, error) {
	answer := &pb.CreateAgentResponse{}
	return answer, a.c.call(ctx, pb.AdminService_CreateAgent_FullMethodName, request, answer, false, collect(options))
}

// GetAgent is tried again while the server is unavailable.
func (a *AdminClient) GetAgent(ctx context.Context, request *pb.GetAgentRequest, options ...CallOption) (*pb.GetAgentResponse, error) {
	answer := &pb.GetAgentResponse{}
	return answer, a.c.call(ctx, pb.AdminService_GetAgent_FullMethodName, request, answer, true, collect(options))
}

// ListAgents gives the items of all pages; an error is the last item.
func (a *AdminClient) ListAgents(ctx context.Context, request *pb.ListAgentsRequest, options ...CallOption) iter.Seq2[*pb.Agent, error] {
	return pages(ctx, a.c, pb.AdminService_ListAgents_FullMethodName, request, options,
		func(r *pb.ListAgentsRequest, token string) { r.PageToken = token },
		func() *pb.ListAgentsResponse { return &pb.ListAgentsResponse{} }, (*pb.ListAgentsResponse).GetAgents)
}

// UpdateAgent is never tried again.
func (a *AdminClient) UpdateAgent(ctx context.Context, request *pb.UpdateAgentRequest, options ...CallOption) (*pb.UpdateAgentResponse, error) {
	answer := &pb.UpdateAgentResponse{}
	return answer, a.c.call(ctx, pb.AdminService_UpdateAgent_FullMethodName, request, answer, false, collect(options))
}

// DeleteAgent is never tried again.
func (a *AdminClient) DeleteAgent(ctx context.Context, request *pb.DeleteAgentRequest, options ...CallOption) (*pb.DeleteAgentResponse, error) {
	answer := &pb.DeleteAgentResponse{}
	return answer, a.c.call(ctx, pb.AdminService_DeleteAgent_FullMethodName, request, answer, false, collect(options))
}

// SetRateLimit is never tried again.
func (a *AdminClient) SetRateLimit(ctx context.Context, request *pb.SetRateLimitRequest, options ...CallOption) (*pb.SetRateLimitResponse, error) {
	answer := &pb.SetRateLimitResponse{}
	return answer, a.c.call(ctx, pb.AdminService_SetRateLimit_FullMethodName, request, answer, false, collect(options))
}

// GetRateLimit is tried again while the server is unavailable.
func (a *AdminClient) GetRateLimit(ctx context.Context, request *pb.GetRateLimitRequest, options ...CallOption) (*pb.GetRateLimitResponse, error) {
	answer := &pb.GetRateLimitResponse{}
	return answer, a.c.call(ctx, pb.AdminService_GetRateLimit_FullMethodName, request, answer, true, collect(options))
}

// CreateAgentKey is never tried again.
func (a *AdminClient) CreateAgentKey(ctx context.Context, request *pb.CreateAgentKeyRequest, options ...CallOption) (*pb.CreateAgentKeyResponse, error) {
	answer := &pb.CreateAgentKeyResponse{}
	return answer, a.c.call(ctx, pb.AdminService_CreateAgentKey_FullMethodName, request, answer, false, collect(options))
}

// SetKillSwitch is never tried again.
func (a *AdminClient) SetKillSwitch(ctx context.Context, request *pb.SetKillSwitchRequest, options ...CallOption) (*pb.SetKillSwitchResponse, error) {
	answer := &pb.SetKillSwitchResponse{}
	return answer, a.c.call(ctx, pb.AdminService_SetKillSwitch_FullMethodName, request, answer, false, collect(options))
}

// ListKillSwitches gives the items of all pages; an error is the last item.
func (a *AdminClient) ListKillSwitches(ctx context.Context, request *pb.ListKillSwitchesRequest, options ...CallOption) iter.Seq2[*pb.KillSwitch, error] {
	return pages(ctx, a.c, pb.AdminService_ListKillSwitches_FullMethodName, request, options,
		func(r *pb.ListKillSwitchesRequest, token string) { r.PageToken = token },
		func() *pb.ListKillSwitchesResponse { return &pb.ListKillSwitchesResponse{} }, (*pb.ListKillSwitchesResponse).GetKillSwitches)
}

// ListAgentKeys gives the items of all pages; an error is the last item.
func (a *AdminClient) ListAgentKeys(ctx context.Context, request *pb.ListAgentKeysRequest, options ...CallOption) iter.Seq2[*pb.AgentKey, error] {
	return pages(ctx, a.c, pb.AdminService_ListAgentKeys_FullMethodName, request, options,
		func(r *pb.ListAgentKeysRequest, token string) { r.PageToken = token },
		func() *pb.ListAgentKeysResponse { return &pb.ListAgentKeysResponse{} }, (*pb.ListAgentKeysResponse).GetKeys)
}

// RevokeAgentKey is never tried again.
func (a *AdminClient) RevokeAgentKey(ctx context.Context, request *pb.RevokeAgentKeyRequest, options ...CallOption) (*pb.RevokeAgentKeyResponse, error) {
	answer := &pb.RevokeAgentKeyResponse{}
	return answer, a.c.call(ctx, pb.AdminService_RevokeAgentKey_FullMethodName, request, answer, false, collect(options))
}

// SetPolicy is never tried again.
func (a *AdminClient) SetPolicy(ctx context.Context, request *pb.SetPolicyRequest, options ...CallOption) (*pb.SetPolicyResponse, error) {
	answer := &pb.SetPolicyResponse{}
	return answer, a.c.call(ctx, pb.AdminService_SetPolicy_FullMethodName, request, answer, false, collect(options))
}

// GetPolicy is tried again while the server is unavailable.
func (a *AdminClient) GetPolicy(ctx context.Context, request *pb.GetPolicyRequest, options ...CallOption) (*pb.GetPolicyResponse, error) {
	answer := &pb.GetPolicyResponse{}
	return answer, a.c.call(ctx, pb.AdminService_GetPolicy_FullMethodName, request, answer, true, collect(options))
}

// ListPolicies gives the items of all pages; an error is the last item.
func (a *AdminClient) ListPolicies(ctx context.Context, request *pb.ListPoliciesRequest, options ...CallOption) iter.Seq2[*pb.PolicySummary, error] {
	return pages(ctx, a.c, pb.AdminService_ListPolicies_FullMethodName, request, options,
		func(r *pb.ListPoliciesRequest, token string) { r.PageToken = token },
		func() *pb.ListPoliciesResponse { return &pb.ListPoliciesResponse{} }, (*pb.ListPoliciesResponse).GetPolicies)
}

// DeletePolicy is never tried again.
func (a *AdminClient) DeletePolicy(ctx context.Context, request *pb.DeletePolicyRequest, options ...CallOption) (*pb.DeletePolicyResponse, error) {
	answer := &pb.DeletePolicyResponse{}
	return answer, a.c.call(ctx, pb.AdminService_DeletePolicy_FullMethodName, request, answer, false, collect(options))
}

// ListPolicyVersions gives the items of all pages; an error is the last item.
func (a *AdminClient) ListPolicyVersions(ctx context.Context, request *pb.ListPolicyVersionsRequest, options ...CallOption) iter.Seq2[*pb.PolicyVersion, error] {
	return pages(ctx, a.c, pb.AdminService_ListPolicyVersions_FullMethodName, request, options,
		func(r *pb.ListPolicyVersionsRequest, token string) { r.PageToken = token },
		func() *pb.ListPolicyVersionsResponse { return &pb.ListPolicyVersionsResponse{} }, (*pb.ListPolicyVersionsResponse).GetVersions)
}

// RollbackPolicy is never tried again.
func (a *AdminClient) RollbackPolicy(ctx context.Context, request *pb.RollbackPolicyRequest, options ...CallOption) (*pb.RollbackPolicyResponse, error) {
	answer := &pb.RollbackPolicyResponse{}
	return answer, a.c.call(ctx, pb.AdminService_RollbackPolicy_FullMethodName, request, answer, false, collect(options))
}

// TestPolicy is tried again while the server is unavailable.
func (a *AdminClient) TestPolicy(ctx context.Context, request *pb.TestPolicyRequest, options ...CallOption) (*pb.TestPolicyResponse, error) {
	answer := &pb.TestPolicyResponse{}
	return answer, a.c.call(ctx, pb.AdminService_TestPolicy_FullMethodName, request, answer, true, collect(options))
}

// ListAuditRecords gives the items of all pages; an error is the last item.
func (a *AdminClient) ListAuditRecords(ctx context.Context, request *pb.ListAuditRecordsRequest, options ...CallOption) iter.Seq2[*pb.AuditRecord, error] {
	return pages(ctx, a.c, pb.AdminService_ListAuditRecords_FullMethodName, request, options,
		func(r *pb.ListAuditRecordsRequest, token string) { r.PageToken = token },
		func() *pb.ListAuditRecordsResponse { return &pb.ListAuditRecordsResponse{} }, (*pb.ListAuditRecordsResponse).GetRecords)
}

// FollowAudit gives records as they come, until the caller stops; an error is the last item.
func (a *AdminClient) FollowAudit(ctx context.Context, request *pb.FollowAuditRequest, options ...CallOption) iter.Seq2[*pb.FollowAuditResponse, error] {
	return messages(ctx, a.c, pb.AdminService_FollowAudit_FullMethodName, request, options, func() *pb.FollowAuditResponse { return &pb.FollowAuditResponse{} }, nil)
}

// VerifyAudit gives progress, findings and, at the end, the summary; an error is the last item.
func (a *AdminClient) VerifyAudit(ctx context.Context, request *pb.VerifyAuditRequest, options ...CallOption) iter.Seq2[*pb.VerifyAuditResponse, error] {
	return messages(ctx, a.c, pb.AdminService_VerifyAudit_FullMethodName, request, options, func() *pb.VerifyAuditResponse { return &pb.VerifyAuditResponse{} }, func(m *pb.VerifyAuditResponse) bool { return m.GetSummary() != nil })
}

// GetStats is tried again while the server is unavailable.
func (a *AdminClient) GetStats(ctx context.Context, request *pb.GetStatsRequest, options ...CallOption) (*pb.GetStatsResponse, error) {
	answer := &pb.GetStatsResponse{}
	return answer, a.c.call(ctx, pb.AdminService_GetStats_FullMethodName, request, answer, true, collect(options))
}

// messages reads a stream of the server. If finished is given, a stream that ends without such a message is malformed.
func messages[A proto.Message](ctx context.Context, c *connection, method string, request proto.Message, options []CallOption,
	empty func() A, finished func(A) bool) iter.Seq2[A, error] {
	return func(yield func(A, error) bool) {
		var none A
		o := collect(options)
		if c.closed.Load() {
			yield(none, clientClosed(o.requestID))
			return
		}
		inner, cancel := context.WithCancel(ctx)
		if o.timeout > 0 {
			inner, cancel = context.WithTimeout(ctx, o.timeout)
		}
		defer cancel()
		stream, err := c.conn.NewStream(c.outgoing(inner, o.requestID, 0), &grpc.StreamDesc{ServerStreams: true}, method)
		if err == nil {
			if err = stream.SendMsg(request); err == nil || errors.Is(err, io.EOF) {
				err = stream.CloseSend()
			}
		}
		complete := finished == nil
		for err == nil {
			answer := empty()
			if err = stream.RecvMsg(answer); err == nil {
				complete = complete || finished(answer)
				if !yield(answer, nil) {
					return
				}
			}
		}
		switch {
		case !errors.Is(err, io.EOF):
			yield(none, c.failure(ctx, err, nil, o.requestID))
		case !complete:
			yield(none, malformed(o.requestID, "the stream ended without its summary"))
		}
	}
}
