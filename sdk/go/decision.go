package agentguard

import (
	"strings"
	"time"

	pb "github.com/agentguard/agentguard/sdk/go/gen/agentguardv1"
)

// Verdict of a decision. What this version does not know is VerdictUnknown, and does not allow.
type Verdict string

// The verdicts.
const (
	VerdictAllow           Verdict = "ALLOW"
	VerdictDeny            Verdict = "DENY"
	VerdictRequireApproval Verdict = "REQUIRE_APPROVAL"
	VerdictUnknown         Verdict = "UNKNOWN"
)

// Decision is the server's answer, whichever it is.
type Decision struct {
	Verdict          Verdict
	Reason           string
	ReasonCode       string // without prefix; UNKNOWN where this version does not know it
	DecisionID       string
	Action           string // in canonical form
	RuleID           string
	RuleReason       string
	PolicyID         string
	PolicyVersion    int32
	PolicyRevision   string
	RuleError        bool
	DecidedAt        time.Time
	IdempotentRepeat bool
	RepeatOf         string
}

// Allowed is true only for an exact ALLOW.
func (d *Decision) Allowed() bool { return d != nil && d.Verdict == VerdictAllow }

func fromDecision(m *pb.Decision, requestID string) (*Decision, error) {
	if m == nil || m.GetVerdict() == pb.Verdict_VERDICT_UNSPECIFIED {
		return nil, malformed(requestID, "the answer holds no decision")
	}
	d := &Decision{Verdict: VerdictUnknown, Reason: m.GetReason(), ReasonCode: "UNKNOWN", DecisionID: m.GetDecisionId(),
		Action: m.GetAction(), RuleID: m.GetRuleId(), RuleReason: m.GetRuleReason(), PolicyID: m.GetPolicyId(),
		PolicyVersion: m.GetPolicyVersion(), PolicyRevision: m.GetPolicyRevision(), RuleError: m.GetRuleError(),
		IdempotentRepeat: m.GetIdempotentRepeat(), RepeatOf: m.GetRepeatOf()}
	switch m.GetVerdict() {
	case pb.Verdict_VERDICT_ALLOW:
		d.Verdict = VerdictAllow
	case pb.Verdict_VERDICT_DENY:
		d.Verdict = VerdictDeny
	case pb.Verdict_VERDICT_REQUIRE_APPROVAL:
		d.Verdict = VerdictRequireApproval
	}
	if name, known := pb.ReasonCode_name[int32(m.GetReasonCode())]; known && m.GetReasonCode() != 0 {
		d.ReasonCode = strings.TrimPrefix(name, "REASON_CODE_")
	}
	if m.GetDecidedAt() != nil {
		d.DecidedAt = m.GetDecidedAt().AsTime()
	}
	return d, nil
}

// enforced turns every decision but an exact ALLOW into an error.
func enforced(d *Decision, err error) (*Decision, error) {
	if err != nil {
		return nil, err
	}
	if d.Allowed() {
		return d, nil
	}
	e := &Error{Kind: ErrActionDenied, Code: "OK", Reason: d.ReasonCode, DecisionID: d.DecisionID, Decision: d, Message: d.Reason}
	if d.Verdict == VerdictRequireApproval {
		e.Kind = ErrApprovalRequired
	}
	return nil, e
}
