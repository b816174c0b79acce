package agentguard

import (
	"context"
	"errors"
	"io"
	"sync"

	pb "github.com/agentguard/agentguard/sdk/go/gen/agentguardv1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Stream asks over one open stream, for hot loops; safe for concurrent use, and opens itself anew.
type Stream struct {
	c        *connection
	places   chan struct{}
	end      context.Context
	close    context.CancelFunc
	mu       sync.Mutex
	current  *session
	sequence uint64
}

// Stream gives a stream; it opens with the first check. At most 64 checks are outstanding, more wait.
func (c *Client) Stream() *Stream {
	end, cancel := context.WithCancel(context.Background())
	return &Stream{c: c.c, places: make(chan struct{}, 64), end: end, close: cancel}
}

// Close cancels the stream and fails what is outstanding.
func (s *Stream) Close() error {
	s.close()
	return nil
}

type session struct {
	requestID string
	out       chan *pb.EnforceStreamRequest
	done      chan struct{}
	err       error // set before done is closed
	trailer   metadata.MD
	mu        sync.Mutex
	waiting   map[uint64]chan *pb.EnforceStreamResponse
}

func (s *Stream) session(try int) (*session, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sequence++
	if s.current != nil {
		select {
		case <-s.current.done:
		default:
			return s.current, s.sequence
		}
	}
	s.current = &session{requestID: newID(), out: make(chan *pb.EnforceStreamRequest, 64), done: make(chan struct{}),
		waiting: map[uint64]chan *pb.EnforceStreamResponse{}}
	go s.current.run(s, try)
	return s.current, s.sequence
}

func (n *session) run(s *Stream, try int) {
	ctx, cancel := context.WithCancel(s.end)
	defer close(n.done)
	defer cancel()
	stream, err := pb.NewEnforcementServiceClient(s.c.conn).EnforceStream(s.c.outgoing(ctx, n.requestID, try))
	if err != nil {
		n.err = err
		return
	}
	go func() {
		for {
			select {
			case message := <-n.out:
				if stream.Send(message) != nil {
					return // the reader tells why
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		answer, err := stream.Recv()
		if err != nil {
			n.err, n.trailer = err, stream.Trailer()
			return
		}
		n.mu.Lock()
		if waiter := n.waiting[answer.GetSequence()]; waiter != nil {
			delete(n.waiting, answer.GetSequence())
			waiter <- answer
		}
		n.mu.Unlock()
	}
}

// ask sends one message and waits for its answer, for the stream's end or for the deadline.
func (n *session) ask(ctx context.Context, s *Stream, sequence uint64, request *pb.EnforceRequest) (*pb.EnforceStreamResponse, bool) {
	waiter := make(chan *pb.EnforceStreamResponse, 1)
	n.mu.Lock()
	n.waiting[sequence] = waiter
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.waiting, sequence)
		n.mu.Unlock()
	}()
	select {
	case n.out <- &pb.EnforceStreamRequest{Sequence: sequence, Request: request}:
	case <-n.done:
	case <-ctx.Done():
		return nil, false
	}
	select {
	case answer := <-waiter:
		return answer, false
	case <-n.done:
		select {
		case answer := <-waiter:
			return answer, false
		default:
			return nil, true
		}
	case <-ctx.Done():
		return nil, false
	case <-s.end.Done():
		return nil, false
	}
}

// Check is true only for an exact ALLOW; the error tells that nothing was decided.
func (s *Stream) Check(ctx context.Context, action, resource string, options ...CallOption) (bool, error) {
	d, err := s.Decide(ctx, action, resource, options...)
	return err == nil && d.Allowed(), err
}

// Enforce gives the decision if it allows, else ErrActionDenied or ErrApprovalRequired.
func (s *Stream) Enforce(ctx context.Context, action, resource string, options ...CallOption) (*Decision, error) {
	return enforced(s.Decide(ctx, action, resource, options...))
}

// Decide gives the decision, whichever it is.
func (s *Stream) Decide(ctx context.Context, action, resource string, options ...CallOption) (*Decision, error) {
	o := collect(options)
	request, err := o.request(action, resource)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeoutOr(s.c.timeout))
	defer cancel()
	stopped := func(requestID string) error {
		switch {
		case ctx.Err() == context.Canceled:
			return ctx.Err()
		case s.end.Err() != nil || s.c.closed.Load():
			return clientClosed(requestID)
		}
		return deadline(requestID)
	}
	if s.end.Err() != nil || s.c.closed.Load() {
		return nil, clientClosed(o.requestID)
	}
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	case <-ctx.Done():
		return nil, stopped(o.requestID)
	case <-s.end.Done():
		return nil, stopped(o.requestID)
	}
	for try := 0; ; try++ {
		n, sequence := s.session(try)
		answer, broken := n.ask(ctx, s, sequence, request)
		var failed *Error
		var trailer metadata.MD
		switch {
		case broken && (s.end.Err() != nil || s.c.closed.Load()), answer == nil && !broken:
			return nil, stopped(n.requestID)
		case broken && errors.Is(n.err, io.EOF):
			failed = &Error{Kind: ErrUnavailable, Code: "UNAVAILABLE", Reason: "UNAVAILABLE", RequestID: n.requestID, Message: "the stream ended without an answer"}
		case broken:
			failed, trailer = fromStatus(status.Convert(n.err), n.trailer, n.requestID), n.trailer
		case answer.GetError() != nil:
			failed = itemError(status.FromProto(answer.GetError()), n.requestID)
		default:
			return fromDecision(answer.GetDecision(), n.requestID)
		}
		if failed.Code != "UNAVAILABLE" || try+1 == tries || !pause(ctx, trailer) {
			if ctx.Err() == context.Canceled {
				return nil, ctx.Err()
			}
			return nil, failed
		}
	}
}
