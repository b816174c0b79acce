package agentguard

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	pb "github.com/agentguard/agentguard/sdk/go/gen/agentguardv1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// CallOption of one call.
type CallOption func(*callOptions)

type callOptions struct {
	arguments, context                map[string]any
	sessionID, onBehalfOf, approvalID string
	idempotencyKey, minRevision       string
	requestID                         string
	timeout                           time.Duration
}

// Arguments of the act.
func Arguments(arguments map[string]any) CallOption {
	return func(o *callOptions) { o.arguments = arguments }
}

// Context of the act, for conditions of policies.
func Context(values map[string]any) CallOption { return func(o *callOptions) { o.context = values } }

// SessionID joins decisions of one session.
func SessionID(id string) CallOption { return func(o *callOptions) { o.sessionID = id } }

// OnBehalfOf names for whom the agent acts.
func OnBehalfOf(who string) CallOption { return func(o *callOptions) { o.onBehalfOf = who } }

// ApprovalID of an approval that was given.
func ApprovalID(id string) CallOption { return func(o *callOptions) { o.approvalID = id } }

// IdempotencyKey of the question; a new UUIDv7 if not given.
func IdempotencyKey(key string) CallOption { return func(o *callOptions) { o.idempotencyKey = key } }

// MinRevision that the decision must know of.
func MinRevision(revision string) CallOption {
	return func(o *callOptions) { o.minRevision = revision }
}

// RequestID of the call; a new UUIDv7 if not given.
func RequestID(id string) CallOption { return func(o *callOptions) { o.requestID = id } }

// Timeout of the call, for all its tries together; the client's if not given.
func Timeout(timeout time.Duration) CallOption { return func(o *callOptions) { o.timeout = timeout } }

func collect(options []CallOption) *callOptions {
	o := &callOptions{}
	for _, option := range options {
		option(o)
	}
	if o.requestID == "" {
		o.requestID = newID()
	}
	return o
}

func (o *callOptions) timeoutOr(other time.Duration) time.Duration {
	if o.timeout > 0 {
		return o.timeout
	}
	return other
}

func toStruct(values map[string]any) (*structpb.Struct, error) {
	if values == nil {
		return nil, nil
	}
	s, err := structpb.NewStruct(values)
	if err != nil {
		return nil, &Error{Kind: ErrInvalidRequest, Code: "INVALID_ARGUMENT", Reason: "INVALID_ARGUMENT", Message: "arguments, context and metadata must be values of JSON"}
	}
	return s, nil
}

func (o *callOptions) request(action, resource string) (*pb.EnforceRequest, error) {
	arguments, err := toStruct(o.arguments)
	if err != nil {
		return nil, err
	}
	values, err := toStruct(o.context)
	if err != nil {
		return nil, err
	}
	key := o.idempotencyKey
	if key == "" {
		key = newID()
	}
	return &pb.EnforceRequest{Action: action, Resource: resource, Arguments: arguments, Context: values, IdempotencyKey: key,
		SessionId: o.sessionID, OnBehalfOf: o.onBehalfOf, ApprovalId: o.approvalID, MinRevision: o.minRevision}, nil
}

// Client is one connection for one agent; safe for concurrent use.
type Client struct{ c *connection }

// NewClient makes a client; what is empty comes from the environment. It does not connect yet.
func NewClient(endpoint, apiKey string, options ...Option) (*Client, error) {
	c, err := connect(endpoint, apiKey, false, options)
	if err != nil {
		return nil, err
	}
	return &Client{c}, nil
}

// Close ends the connection and what is outstanding.
func (c *Client) Close() error { return c.c.close() }

// Check is true only for an exact ALLOW; the error tells that nothing was decided.
func (c *Client) Check(ctx context.Context, action, resource string, options ...CallOption) (bool, error) {
	d, err := c.Decide(ctx, action, resource, options...)
	return err == nil && d.Allowed(), err
}

// Decide gives the decision, whichever it is.
func (c *Client) Decide(ctx context.Context, action, resource string, options ...CallOption) (*Decision, error) {
	o := collect(options)
	request, err := o.request(action, resource)
	if err != nil {
		return nil, err
	}
	answer := &pb.EnforceResponse{}
	if err := c.c.call(ctx, pb.EnforcementService_Enforce_FullMethodName, request, answer, true, o); err != nil {
		return nil, err
	}
	return fromDecision(answer.GetDecision(), o.requestID)
}

// Enforce gives the decision if it allows, else ErrActionDenied or ErrApprovalRequired.
func (c *Client) Enforce(ctx context.Context, action, resource string, options ...CallOption) (*Decision, error) {
	o := collect(options)
	d, err := enforced(c.Decide(ctx, action, resource, append(options[:len(options):len(options)], RequestID(o.requestID))...))
	if e, ours := err.(*Error); ours && e.RequestID == "" {
		e.RequestID = o.requestID
	}
	return d, err
}

// Guardian is what Guard needs: a Client or a FakeClient.
type Guardian interface {
	Enforce(ctx context.Context, action, resource string, options ...CallOption) (*Decision, error)
	ReportOutcome(ctx context.Context, decisionID string, success bool, errorClass string, metadata map[string]any, options ...CallOption) error
}

// Guard runs the function if the act is allowed, and reports what came of it: success, or the error's type (never its
// text). The function's own error comes out unchanged; a report that fails is logged.
func Guard[T any](ctx context.Context, client Guardian, action, resource string, function func(context.Context) (T, error), options ...CallOption) (T, error) {
	var value T
	d, err := client.Enforce(ctx, action, resource, options...)
	if err != nil {
		return value, err
	}
	if !d.Allowed() {
		return value, malformed("", "enforce gave no decision that allows")
	}
	class := "panic"
	defer func() {
		if err := client.ReportOutcome(context.WithoutCancel(ctx), d.DecisionID, class == "", class, nil); err != nil {
			slog.WarnContext(ctx, "agentguard: the outcome could not be reported", "decision_id", d.DecisionID, "error", err)
		}
	}()
	value, err = function(ctx)
	class = ""
	if err != nil {
		class = fmt.Sprintf("%T", err)
	}
	return value, err
}

// Question is one check of a batch.
type Question struct {
	Action, Resource string
	Options          []CallOption
}

// Result of one check of a batch: a decision, or an error.
type Result struct {
	Decision *Decision
	Err      error
}

// Allowed is true only for an exact ALLOW.
func (r Result) Allowed() bool { return r.Err == nil && r.Decision.Allowed() }

// Batch asks several questions in one call and gives one result for each, in their order.
func (c *Client) Batch(ctx context.Context, questions []Question, options ...CallOption) ([]Result, error) {
	o := collect(options)
	request := &pb.BatchEnforceRequest{MinRevision: o.minRevision}
	for _, q := range questions {
		check, err := collect(q.Options).request(q.Action, q.Resource)
		if err != nil {
			return nil, err
		}
		request.Checks = append(request.Checks, check)
	}
	answer := &pb.BatchEnforceResponse{}
	if err := c.c.call(ctx, pb.EnforcementService_BatchEnforce_FullMethodName, request, answer, true, o); err != nil {
		return nil, err
	}
	if len(answer.GetResults()) != len(questions) {
		return nil, malformed(o.requestID, "the answer has another number of results")
	}
	results := make([]Result, len(questions))
	for i, r := range answer.GetResults() {
		if s := r.GetError(); s != nil {
			results[i].Err = itemError(status.FromProto(s), o.requestID)
		} else {
			results[i].Decision, results[i].Err = fromDecision(r.GetDecision(), o.requestID)
		}
	}
	return results, nil
}

// itemError is the error of one check; a status that says OK is none, and no decision either.
func itemError(st *status.Status, requestID string) *Error {
	if st.Code() == 0 {
		return malformed(requestID, "a check has neither a decision nor an error")
	}
	return fromStatus(st, nil, requestID)
}

func outcome(success bool, class string, metadata map[string]any) (*pb.Outcome, error) {
	values, err := toStruct(metadata)
	return &pb.Outcome{Success: proto.Bool(success), Error: class, Metadata: values}, err
}

// ReportOutcome tells what came of a decision.
func (c *Client) ReportOutcome(ctx context.Context, decisionID string, success bool, errorClass string, metadata map[string]any, options ...CallOption) error {
	_, err := c.reportOutcome(ctx, decisionID, success, errorClass, metadata, options...)
	return err
}

func (c *Client) reportOutcome(ctx context.Context, decisionID string, success bool, class string, metadata map[string]any, options ...CallOption) (*pb.ReportOutcomeResponse, error) {
	what, err := outcome(success, class, metadata)
	if err != nil {
		return nil, err
	}
	answer := &pb.ReportOutcomeResponse{}
	return answer, c.c.call(ctx, pb.EnforcementService_ReportOutcome_FullMethodName,
		&pb.ReportOutcomeRequest{DecisionId: decisionID, Outcome: what}, answer, true, collect(options))
}

// Outcome of a reported act.
type Outcome struct {
	Success  bool
	Error    string
	Metadata map[string]any
}

// Report tells of an act that was never asked about; result may be nil.
func (c *Client) Report(ctx context.Context, action, resource string, result *Outcome, options ...CallOption) (*pb.ReportResponse, error) {
	o := collect(options)
	q, err := o.request(action, resource)
	if err != nil {
		return nil, err
	}
	request := &pb.ReportRequest{Action: action, Resource: resource, Arguments: q.Arguments, Context: q.Context, SessionId: o.sessionID, OnBehalfOf: o.onBehalfOf}
	if result != nil {
		if request.Outcome, err = outcome(result.Success, result.Error, result.Metadata); err != nil {
			return nil, err
		}
	}
	answer := &pb.ReportResponse{}
	return answer, c.c.call(ctx, pb.EnforcementService_Report_FullMethodName, request, answer, false, o)
}

// WhoAmI gives the agent and the key.
func (c *Client) WhoAmI(ctx context.Context, options ...CallOption) (*pb.WhoAmIResponse, error) {
	answer := &pb.WhoAmIResponse{}
	return answer, c.c.call(ctx, pb.EnforcementService_WhoAmI_FullMethodName, &pb.WhoAmIRequest{}, answer, true, collect(options))
}

// ListOwnRecords gives the agent's own records, all pages; an error is the last item.
func (c *Client) ListOwnRecords(ctx context.Context, request *pb.ListOwnRecordsRequest, options ...CallOption) iter.Seq2[*pb.AuditRecord, error] {
	return pages(ctx, c.c, pb.EnforcementService_ListOwnRecords_FullMethodName, request, options,
		func(r *pb.ListOwnRecordsRequest, token string) { r.PageToken = token },
		func() *pb.ListOwnRecordsResponse { return &pb.ListOwnRecordsResponse{} }, (*pb.ListOwnRecordsResponse).GetRecords)
}

type page interface {
	proto.Message
	GetNextPageToken() string
}

type pageRequest interface {
	proto.Message
	GetPageToken() string
}

func pages[Q pageRequest, A page, T any](ctx context.Context, c *connection, method string, request Q, options []CallOption,
	turn func(Q, string), empty func() A, items func(A) []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		q := request.ProtoReflect().New().Interface().(Q)
		proto.Merge(q, request)
		for {
			o, answer := collect(options), empty()
			if err := c.call(ctx, method, q, answer, true, o); err != nil {
				yield(none, err)
				return
			}
			for _, item := range items(answer) {
				if !yield(item, nil) {
					return
				}
			}
			next := answer.GetNextPageToken()
			if next == "" {
				return
			}
			if next == q.GetPageToken() {
				yield(none, malformed(o.requestID, "a page names itself as the next one"))
				return
			}
			turn(q, next)
		}
	}
}
