package agentguard

import (
	"context"
	"errors"
	"strings"
	"testing"
)

type secretError struct{}

func (secretError) Error() string { return "secret" }

func TestGuardRunsOnlyWhatIsAllowed(t *testing.T) {
	for _, verdict := range []Verdict{VerdictAllow, VerdictDeny, VerdictRequireApproval, VerdictUnknown, ""} {
		f, ran := &FakeClient{}, 0
		f.Answer("read:file", "a", verdict)
		_, err := Guard(context.Background(), f, "read:file", "a", func(context.Context) (int, error) { ran++; return 1, nil })
		if allowed := verdict == VerdictAllow; (ran == 1) != allowed || (err == nil) != allowed || len(f.Reported()) != ran {
			t.Errorf("%q: ran %d times, error %v, reports %v", verdict, ran, err, f.Reported())
		}
	}
}

func TestGuardReportsTheClassNeverTheText(t *testing.T) {
	f := &FakeClient{}
	f.Answer("read:file", "a", VerdictAllow)
	_, err := Guard(context.Background(), f, "read:file", "a", func(context.Context) (int, error) { return 0, secretError{} })
	r := f.Reported()
	if err != (secretError{}) || len(r) != 1 || r[0].Success || r[0].ErrorClass != "agentguard.secretError" {
		t.Fatalf("%v %v", err, r)
	}
}

func TestGuardReportsAPanic(t *testing.T) {
	f := &FakeClient{}
	f.Answer("read:file", "a", VerdictAllow)
	defer func() {
		if r := f.Reported(); recover() == nil || len(r) != 1 || r[0].Success {
			t.Fatalf("%v", r)
		}
	}()
	_, _ = Guard(context.Background(), f, "read:file", "a", func(context.Context) (int, error) { panic("x") })
}

func TestErrorsHaveClasses(t *testing.T) {
	_, err := (&FakeClient{}).Enforce(context.Background(), "read:file", "a")
	var e *Error
	if !errors.Is(err, ErrActionDenied) || !errors.Is(err, ErrAgentGuard) || errors.Is(err, ErrUnavailable) || !errors.As(err, &e) || e.Decision == nil {
		t.Fatal(err)
	}
}

func TestEndpoints(t *testing.T) {
	for endpoint, want := range map[string]string{"https://a": "dns:///a:443 true", "http://127.9.9.9": "dns:///127.9.9.9:80 false",
		"localhost:8000": "dns:///localhost:8000 false", "a:1": "dns:///a:1 true", "dns:///a:1": "dns:///a:1 true", "http://[::1]:8": "dns:///[::1]:8 false",
		"a": "", "https://u:p@a": "", "https://a/x": "", "https://a?x": "", "ftp://a": "", "": "", "https://a:0": "", "unix:///x": ""} {
		target, secure, _, err := parseEndpoint(endpoint)
		got := ""
		if err == nil {
			got = target + map[bool]string{true: " true", false: " false"}[secure]
		}
		if got != want {
			t.Errorf("%s: %q instead of %q", endpoint, got, want)
		}
	}
}

func TestACallersCancellationStaysItsOwn(t *testing.T) {
	c, err := NewClient("http://127.0.0.1:1", "k")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Decide(ctx, "a:b", ""); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	s := c.Stream()
	if _, err := s.Decide(ctx, "a:b", ""); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	c.Close()
	var e *Error
	if _, err := c.Decide(context.Background(), "a:b", ""); !errors.As(err, &e) || e.Reason != "CLIENT_CLOSED" {
		t.Error(err)
	}
}

func TestIDsAreUUIDv7(t *testing.T) {
	id := newID()
	if parts := strings.Split(id, "-"); len(id) != 36 || len(parts) != 5 || parts[2][0] != '7' || newID() == id {
		t.Fatal(id)
	}
}
