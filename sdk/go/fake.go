package agentguard

import (
	"context"
	"sync"
)

// Asked is one question that a FakeClient was asked.
type Asked struct{ Action, Resource string }

// Reported is one outcome that a FakeClient was told.
type Reported struct {
	DecisionID string
	Success    bool
	ErrorClass string
}

// FakeClient is for tests, without a server: it denies what it was not told to allow.
type FakeClient struct {
	mu       sync.Mutex
	verdicts map[Asked]Verdict
	failure  error
	asked    []Asked
	reported []Reported
}

// Answer sets the verdict of a question.
func (f *FakeClient) Answer(action, resource string, verdict Verdict) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.verdicts == nil {
		f.verdicts = map[Asked]Verdict{}
	}
	f.verdicts[Asked{action, resource}] = verdict
}

// Fail makes every question fail with an error; nil ends that.
func (f *FakeClient) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failure = err
}

// Asked gives the questions so far.
func (f *FakeClient) Asked() []Asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Asked(nil), f.asked...)
}

// Reported gives the outcomes so far.
func (f *FakeClient) Reported() []Reported {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Reported(nil), f.reported...)
}

// Decide gives the verdict that was set, else a denial.
func (f *FakeClient) Decide(ctx context.Context, action, resource string, _ ...CallOption) (*Decision, error) {
	if err := ctx.Err(); err == context.Canceled {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, Asked{action, resource})
	if f.failure != nil {
		return nil, f.failure
	}
	d := &Decision{Verdict: VerdictDeny, ReasonCode: "DENIED_DEFAULT", Reason: "the fake client denies by default", DecisionID: "dec_" + newID(), Action: action}
	if verdict, set := f.verdicts[Asked{action, resource}]; set {
		d.Verdict, d.Reason = verdict, "set by the test"
		switch verdict {
		case VerdictAllow:
			d.ReasonCode = "ALLOWED_BY_RULE"
		case VerdictRequireApproval:
			d.ReasonCode = "APPROVAL_REQUIRED"
		}
	}
	return d, nil
}

// Check is true only for what was set to ALLOW.
func (f *FakeClient) Check(ctx context.Context, action, resource string, options ...CallOption) (bool, error) {
	d, err := f.Decide(ctx, action, resource, options...)
	return err == nil && d.Allowed(), err
}

// Enforce gives the decision if it allows, else ErrActionDenied or ErrApprovalRequired.
func (f *FakeClient) Enforce(ctx context.Context, action, resource string, options ...CallOption) (*Decision, error) {
	return enforced(f.Decide(ctx, action, resource, options...))
}

// ReportOutcome keeps the outcome.
func (f *FakeClient) ReportOutcome(_ context.Context, decisionID string, success bool, errorClass string, _ map[string]any, _ ...CallOption) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reported = append(f.reported, Reported{decisionID, success, errorClass})
	return nil
}
