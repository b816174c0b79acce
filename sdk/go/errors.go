package agentguard

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// The classes of errors, for errors.Is. ErrAgentGuard matches every one of them.
var (
	ErrAgentGuard       = errors.New("AgentGuardError")
	ErrActionDenied     = errors.New("ActionDenied")
	ErrApprovalRequired = errors.New("ApprovalRequired")
	ErrUnauthenticated  = errors.New("Unauthenticated")
	ErrPermissionDenied = errors.New("PermissionDenied")
	ErrInvalidRequest   = errors.New("InvalidRequest")
	ErrRateLimited      = errors.New("RateLimited")
	ErrUnavailable      = errors.New("Unavailable")
	ErrInternal         = errors.New("InternalError")
)

// Violation is one fault of a request, or one limit that is used up.
type Violation struct{ Field, Description string }

// Error is every error of this package but the caller's own cancellation; errors.As finds it.
type Error struct {
	// Kind is one of the classes above.
	Kind error
	// Message is for people.
	Message string
	// Code is the gRPC code's name; OK where a decision forbids.
	Code string
	// Reason is the server's reason, a denial's reason code, or the code's name.
	Reason string
	// RequestID finds the request in the server's log.
	RequestID string
	// DecisionID is a denial's.
	DecisionID string
	// Decision is a denial's, else nil.
	Decision *Decision
	// RetryAfter is nil where the server names no time.
	RetryAfter *time.Duration
	// Violations are the fields or limits that the server names.
	Violations []Violation
}

func (e *Error) Error() string { return e.Kind.Error() + " (" + e.Reason + "): " + e.Message }

// Is tells whether the error is of a class; a deadline that has passed is context.DeadlineExceeded too.
func (e *Error) Is(target error) bool {
	return target == e.Kind || target == ErrAgentGuard ||
		(target == context.DeadlineExceeded && e.Code == "DEADLINE_EXCEEDED")
}

func configuration(format string, args ...any) *Error {
	return &Error{Kind: ErrInvalidRequest, Code: "INVALID_ARGUMENT", Reason: "CLIENT_CONFIGURATION", Message: fmt.Sprintf(format, args...)}
}

func malformed(requestID, message string) *Error {
	return &Error{Kind: ErrInternal, Code: "INTERNAL", Reason: "MALFORMED_ANSWER", RequestID: requestID, Message: message}
}

func clientClosed(requestID string) *Error {
	return &Error{Kind: ErrUnavailable, Code: "UNAVAILABLE", Reason: "CLIENT_CLOSED", RequestID: requestID, Message: "the client is closed"}
}

func deadline(requestID string) *Error {
	return &Error{Kind: ErrUnavailable, Code: "DEADLINE_EXCEEDED", Reason: "DEADLINE_EXCEEDED", RequestID: requestID, Message: "no answer within the deadline"}
}

var codeNames = [...]string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
	"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
	"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}

func codeName(code codes.Code) string {
	if int(code) < len(codeNames) {
		return codeNames[code]
	}
	return "UNKNOWN"
}

// The library's own words for answers that are no message; it has no other sign of them.
var malformedWords = []string{"failed to unmarshal", "unexpected EOF", "cardinality violation", "invalid payload", "grpc: failed to decompress"}

func fromStatus(st *status.Status, trailer metadata.MD, requestID string) *Error {
	e := &Error{Code: codeName(st.Code()), Message: st.Message(), RequestID: requestID}
	ours := false
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() == "agentguard" && d.GetReason() != "" {
				e.Reason, ours = d.GetReason(), true
				if id := d.GetMetadata()["request_id"]; id != "" {
					e.RequestID = id
				}
			}
		case *errdetails.RetryInfo:
			if d.GetRetryDelay() != nil {
				after := d.GetRetryDelay().AsDuration()
				e.RetryAfter = &after
			}
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				e.Violations = append(e.Violations, Violation{v.GetField(), v.GetDescription()})
			}
		case *errdetails.QuotaFailure:
			for _, v := range d.GetViolations() {
				e.Violations = append(e.Violations, Violation{v.GetSubject(), v.GetDescription()})
			}
		case *errdetails.RequestInfo:
			if d.GetRequestId() != "" && !ours {
				e.RequestID = d.GetRequestId()
			}
		}
	}
	if pause, told := pushback(trailer); e.RetryAfter == nil && told && pause >= 0 {
		e.RetryAfter = &pause
	}
	if !ours {
		e.Reason = e.Code
	}
	switch st.Code() {
	case codes.Unauthenticated:
		e.Kind = ErrUnauthenticated
	case codes.PermissionDenied:
		e.Kind = ErrPermissionDenied
	case codes.InvalidArgument, codes.FailedPrecondition, codes.NotFound, codes.AlreadyExists, codes.Aborted:
		e.Kind = ErrInvalidRequest
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		e.Kind = ErrUnavailable
	case codes.ResourceExhausted:
		switch {
		case ours && e.Reason == "MESSAGE_TOO_LARGE":
			e.Kind = ErrInvalidRequest
		case ours && e.Reason == "RATE_LIMITED", !ours && e.RetryAfter != nil:
			e.Kind = ErrRateLimited
		default:
			e.Kind = ErrInternal
		}
	default:
		e.Kind = ErrInternal
	}
	if st.Code() == codes.Internal && !ours {
		for _, word := range malformedWords {
			if strings.Contains(st.Message(), word) {
				e.Reason = "MALFORMED_ANSWER"
			}
		}
	}
	return e
}

// pushback gives the server's pause; one that is no number is negative.
func pushback(trailer metadata.MD) (time.Duration, bool) {
	values := trailer.Get("grpc-retry-pushback-ms")
	if len(values) == 0 {
		return 0, false
	}
	ms, err := strconv.ParseInt(values[0], 10, 32)
	if err != nil {
		return -1, true
	}
	return time.Duration(ms) * time.Millisecond, true
}
