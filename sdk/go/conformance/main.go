// Conformance plays the shared cases with this client and writes what came of them; see sdk/README.md.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"time"

	agentguard "github.com/agentguard/agentguard/sdk/go"
	pb "github.com/agentguard/agentguard/sdk/go/gen/agentguardv1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

type object = map[string]any

type theCase struct {
	Name   string
	Ways   []string
	Call   object
	Expect object
}

type start struct {
	Play   int
	Client struct {
		Endpoint, Key *string
		TimeoutMS     *float64 `json:"timeout_ms"`
		Insecure      *bool
		CAFile        *string `json:"ca_file"`
		CertFile      *string `json:"cert_file"`
		CertKeyFile   *string `json:"cert_key_file"`
	}
}

// got is what one call gave.
type got struct {
	decision *agentguard.Decision
	allowed  *bool
	value    any
	items    int
	results  []got
	err      error
}

// errOwn's type is the runner's own error class.
type ownError struct{ text string }

func (e *ownError) Error() string { return e.text }

var wrong = os.Getenv("CONFORMANCE_WRONG") != "" // negative control: a check that says true to what is not denied

func main() {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "AGENTGUARD_") && name != "AGENTGUARD_TEST_SERVER" {
			os.Unsetenv(name)
		}
	}
	program := os.Getenv("AGENTGUARD_TEST_SERVER")
	if program == "" {
		program = "target/debug/examples/agentguard-test-server"
	}
	server := exec.Command(program)
	server.Stderr = os.Stderr
	input, err := server.StdinPipe()
	must(err)
	output, err := server.StdoutPipe()
	must(err)
	must(server.Start())
	line, err := bufio.NewReader(output).ReadBytes('\n')
	must(err)
	var hello struct{ Control string }
	must(json.Unmarshal(line, &hello))
	if !strings.Contains(hello.Control, "://") {
		hello.Control = "http://" + hello.Control
	}
	var list struct{ Cases []theCase }
	ask("GET", hello.Control+"/cases", &list)
	failures, failed, plays, guarded := []object{}, map[string]bool{}, 0, 0
	for _, c := range list.Cases {
		for _, way := range c.Ways {
			plays++
			var s start
			ask("POST", hello.Control+"/play/"+c.Name+"/"+way, &s)
			problems, ran := play(c, way, &s)
			var end struct {
				Problems []string
				Seen     json.RawMessage
			}
			ask("POST", fmt.Sprintf("%s/end/%d", hello.Control, s.Play), &end)
			problems = append(problems, end.Problems...)
			if do, _ := c.Call["do"].(string); do == "guard_failing" {
				if secret, _ := c.Call["secret"].(string); bytes.Contains(end.Seen, []byte(secret)) {
					problems = append(problems, "the secret was sent")
				}
				if !bytes.Contains(end.Seen, []byte("ownError")) {
					problems = append(problems, "the error's class was not reported")
				}
			} else if c.Expect["result"] != "allowed" {
				guarded += ran
			}
			for _, p := range problems {
				failed[c.Name] = true
				failures = append(failures, object{"case": c.Name, "way": way, "problem": p})
				fmt.Printf("%s (%s): %s\n", c.Name, way, p)
			}
			if len(problems) > 0 && os.Getenv("SEEN") != "" {
				fmt.Println(string(end.Seen))
			}
		}
	}
	input.Close()
	_ = server.Wait()
	report, err := json.Marshal(object{"language": "go", "total": len(list.Cases), "passed": len(list.Cases) - len(failed), "plays": plays,
		"guarded_runs_without_allow": guarded, "failures": failures})
	must(err)
	if len(os.Args) > 1 {
		must(os.WriteFile(os.Args[1], append(report, '\n'), 0o644))
	}
	fmt.Printf("%d of %d cases, %d plays\n", len(list.Cases)-len(failed), len(list.Cases), plays)
	if len(failures) > 0 || guarded > 0 || len(list.Cases) == 0 {
		os.Exit(1)
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func ask(method, url string, into any) {
	request, err := http.NewRequest(method, url, nil)
	must(err)
	answer, err := http.DefaultClient.Do(request)
	must(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(err)
	if answer.StatusCode != 200 {
		must(fmt.Errorf("%s: %d %s", url, answer.StatusCode, text))
	}
	must(json.Unmarshal(text, into))
}

func text(o object, name string) string { s, _ := o[name].(string); return s }

func options(call object) (list []agentguard.CallOption) {
	for name, set := range map[string]func(string) agentguard.CallOption{"session_id": agentguard.SessionID, "on_behalf_of": agentguard.OnBehalfOf,
		"approval_id": agentguard.ApprovalID, "idempotency_key": agentguard.IdempotencyKey, "min_revision": agentguard.MinRevision, "request_id": agentguard.RequestID} {
		if value, given := call[name].(string); given {
			list = append(list, set(value))
		}
	}
	if values, given := call["arguments"].(object); given {
		list = append(list, agentguard.Arguments(values))
	}
	if values, given := call["context"].(object); given {
		list = append(list, agentguard.Context(values))
	}
	for _, name := range []string{"timeout_ms", "timeout"} {
		if ms, given := call[name].(float64); given {
			list = append(list, agentguard.Timeout(time.Duration(ms)*time.Millisecond))
		}
	}
	return list
}

func play(c theCase, way string, s *start) (problems []string, ran int) {
	var endpoint, key string
	var list []agentguard.Option
	p := s.Client
	if p.Endpoint != nil {
		endpoint = *p.Endpoint
	}
	if p.Key != nil {
		key = *p.Key
	}
	if p.TimeoutMS != nil {
		list = append(list, agentguard.WithTimeout(time.Duration(*p.TimeoutMS)*time.Millisecond))
	}
	if p.Insecure != nil && *p.Insecure {
		list = append(list, agentguard.WithInsecure())
	}
	if p.CAFile != nil {
		list = append(list, agentguard.WithCAFile(*p.CAFile))
	}
	if p.CertFile != nil {
		list = append(list, agentguard.WithClientCertificate(*p.CertFile, *p.CertKeyFile))
	}
	do := text(c.Call, "do")
	repeat := 1
	if n, given := c.Call["repeat"].(float64); given {
		repeat = int(n)
	}
	ctx := context.Background()
	var client *agentguard.Client
	var admin *agentguard.AdminClient
	var err error
	if strings.HasPrefix(do, "admin.") {
		if admin, err = agentguard.NewAdminClient(endpoint, key, list...); err == nil {
			defer admin.Close()
		}
	} else if client, err = agentguard.NewClient(endpoint, key, list...); err == nil {
		defer client.Close()
	}
	for range repeat {
		var g got
		before := time.Now()
		switch {
		case err != nil:
			g.err = err
		case admin != nil:
			g = callAdmin(ctx, admin, strings.TrimPrefix(do, "admin."), c.Call)
		default:
			g = call(ctx, client, do, way, c.Call, &ran)
		}
		problems = append(problems, compare(c.Expect, g, way, do)...)
		if limits, given := c.Expect["within_ms"].([]any); given {
			ms := float64(time.Since(before).Milliseconds())
			if ms < limits[0].(float64) || ms > limits[1].(float64) {
				problems = append(problems, fmt.Sprintf("the call took %v ms", ms))
			}
		}
	}
	return problems, ran
}

func call(ctx context.Context, client *agentguard.Client, do, way string, c object, ran *int) (g got) {
	action, resource := text(c, "action"), text(c, "resource")
	switch do {
	case "decide":
		switch way {
		case "check":
			allowed, err := client.Check(ctx, action, resource, options(c)...)
			if wrong && err != nil {
				allowed, err = true, nil
			}
			g.allowed, g.err = &allowed, err
		case "decide":
			g.decision, g.err = client.Decide(ctx, action, resource, options(c)...)
		case "enforce":
			g.decision, g.err = client.Enforce(ctx, action, resource, options(c)...)
		case "guard":
			g.value, g.err = agentguard.Guard(ctx, client, action, resource, func(context.Context) (string, error) { *ran++; return "done", nil }, options(c)...)
			yes := g.err == nil && g.value == "done"
			g.allowed = &yes
		}
	case "guard_failing":
		own, runs := &ownError{text(c, "secret")}, 0
		_, err := agentguard.Guard(ctx, client, action, resource, func(context.Context) (string, error) { runs++; return "", own }, options(c)...)
		g.value = object{"own_error": err == own, "runs": float64(runs)}
	case "batch":
		var questions []agentguard.Question
		for _, check := range c["checks"].([]any) {
			q := check.(object)
			questions = append(questions, agentguard.Question{Action: text(q, "action"), Resource: text(q, "resource"), Options: options(q)})
		}
		results, err := client.Batch(ctx, questions, options(c)...)
		g.err = err
		for _, r := range results {
			g.results = append(g.results, got{decision: r.Decision, err: r.Err})
		}
	case "stream":
		stream := client.Stream()
		defer stream.Close()
		checks := c["checks"].([]any)
		g.results = make([]got, len(checks))
		var group sync.WaitGroup
		for i, check := range checks {
			one := func() {
				q := check.(object)
				g.results[i].decision, g.results[i].err = stream.Decide(ctx, text(q, "action"), text(q, "resource"), options(q)...)
			}
			if c["parallel"] == true {
				group.Go(one)
			} else {
				one()
			}
		}
		group.Wait()
	case "report_outcome":
		metadata, _ := c["metadata"].(object)
		success, _ := c["success"].(bool)
		g.err = client.ReportOutcome(ctx, text(c, "decision_id"), success, text(c, "error"), metadata, options(c)...)
	case "report":
		var outcome *agentguard.Outcome
		if success, given := c["success"].(bool); given {
			metadata, _ := c["metadata"].(object)
			outcome = &agentguard.Outcome{Success: success, Error: text(c, "error"), Metadata: metadata}
		}
		answer, err := client.Report(ctx, action, resource, outcome, options(c)...)
		g.value, g.err = plain(answer), err
	case "who_am_i":
		answer, err := client.WhoAmI(ctx, options(c)...)
		g.value, g.err = plain(answer), err
	case "list_own_records":
		request := &pb.ListOwnRecordsRequest{}
		fill(c["request"], request)
		count(&g, client.ListOwnRecords(ctx, request, options(c)...))
	case "construct":
	default:
		g.err = fmt.Errorf("the runner does not know %s", do)
	}
	return g
}

func fill(from any, into proto.Message) {
	if from == nil {
		return
	}
	text, err := json.Marshal(from)
	must(err)
	must(protojson.Unmarshal(text, into))
}

func plain(m proto.Message) (value any) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	must(err)
	must(json.Unmarshal(text, &value))
	return value
}

func count[T any](g *got, items iter.Seq2[T, error]) {
	for _, err := range items {
		if err != nil {
			g.err = err
		} else {
			g.items++
		}
	}
}

func admin1[Q proto.Message, A proto.Message](ctx context.Context, c object, request Q, f func(context.Context, Q, ...agentguard.CallOption) (A, error)) (g got) {
	fill(c["request"], request)
	answer, err := f(ctx, request, options(c)...)
	return got{value: plain(answer), err: err}
}

func adminN[Q proto.Message, T any](ctx context.Context, c object, request Q, f func(context.Context, Q, ...agentguard.CallOption) iter.Seq2[T, error]) (g got) {
	fill(c["request"], request)
	count(&g, f(ctx, request, options(c)...))
	return g
}

func callAdmin(ctx context.Context, a *agentguard.AdminClient, method string, c object) got {
	switch method {
	case "create_agent":
		return admin1(ctx, c, &pb.CreateAgentRequest{}, a.CreateAgent)
	case "get_agent":
		return admin1(ctx, c, &pb.GetAgentRequest{}, a.GetAgent)
	case "set_policy":
		return admin1(ctx, c, &pb.SetPolicyRequest{}, a.SetPolicy)
	case "get_stats":
		return admin1(ctx, c, &pb.GetStatsRequest{}, a.GetStats)
	case "list_agents":
		return adminN(ctx, c, &pb.ListAgentsRequest{}, a.ListAgents)
	case "verify_audit":
		return adminN(ctx, c, &pb.VerifyAuditRequest{}, a.VerifyAudit)
	case "follow_audit":
		return adminN(ctx, c, &pb.FollowAuditRequest{}, a.FollowAudit)
	}
	return got{err: fmt.Errorf("the runner does not know admin.%s", method)}
}

func compare(expect object, g got, way, do string) (problems []string) {
	fail := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	result := text(expect, "result")
	var e *agentguard.Error
	isOurs := errors.As(g.err, &e)
	throws := way == "enforce" || way == "guard"
	wantError, _ := expect["error"].(object)
	if items, given := expect["items"].(float64); given && int(items) != g.items {
		fail("%d items instead of %v", g.items, items)
	}
	switch result {
	case "allowed":
		if g.err != nil {
			fail("error instead of an allowance: %v", g.err)
		} else if g.allowed != nil && !*g.allowed || g.allowed == nil && !g.decision.Allowed() {
			fail("not allowed")
		}
	case "denied", "approval_required":
		if throws {
			if kind := map[string]error{"denied": agentguard.ErrActionDenied, "approval_required": agentguard.ErrApprovalRequired}[result]; !errors.Is(g.err, kind) {
				fail("%v instead of %v", g.err, kind)
			}
		} else {
			wantError = nil
			if g.err != nil {
				fail("error instead of a denial: %v", g.err)
			} else if g.allowed != nil && *g.allowed || g.allowed == nil && g.decision.Allowed() {
				fail("allowed")
			} else if g.decision != nil && (g.decision.Verdict == agentguard.VerdictRequireApproval) != (result == "approval_required") {
				fail("verdict %s", g.decision.Verdict)
			}
		}
	case "error":
		if g.err == nil {
			fail("no error")
		}
	case "value":
		if g.err != nil {
			fail("error instead of a value: %v", g.err)
		}
	case "results":
		wanted, _ := expect["results"].([]any)
		if g.err != nil || len(wanted) != len(g.results) {
			fail("%d results, error %v", len(g.results), g.err)
			return problems
		}
		for i, want := range wanted {
			for _, p := range compare(want.(object), g.results[i], "decide", do) {
				fail("result %d: %s", i, p)
			}
		}
	default:
		fail("the runner does not know the result %s", result)
	}
	if want, given := expect["decision"].(object); given {
		d := g.decision
		if d == nil && isOurs {
			d = e.Decision
		}
		if d != nil {
			has := object{"verdict": string(d.Verdict), "allowed": d.Allowed(), "reason": d.Reason, "reason_code": d.ReasonCode, "decision_id": d.DecisionID,
				"action": d.Action, "rule_id": d.RuleID, "rule_reason": d.RuleReason, "policy_id": d.PolicyID, "policy_version": float64(d.PolicyVersion),
				"policy_revision": d.PolicyRevision, "rule_error": d.RuleError, "idempotent_repeat": d.IdempotentRepeat, "repeat_of": d.RepeatOf,
				"decided_at": d.DecidedAt.UTC().Format(time.RFC3339Nano)}
			for name, value := range want {
				if !reflect.DeepEqual(has[name], value) {
					fail("decision.%s is %v instead of %v", name, has[name], value)
				}
			}
		} else if way == "decide" || way == "enforce" {
			fail("no decision")
		}
	}
	if wantError != nil && g.err != nil {
		if !isOurs {
			fail("%T is no error of ours: %v", g.err, g.err)
			return problems
		}
		has := object{"kind": e.Kind.Error(), "code": e.Code, "reason": e.Reason, "decision_id": e.DecisionID, "request_id": e.RequestID, "retry_after_ms": nil}
		if e.RetryAfter != nil {
			has["retry_after_ms"] = float64(e.RetryAfter.Milliseconds())
		}
		violations := []any{}
		for _, v := range e.Violations {
			violations = append(violations, object{"field": v.Field, "description": v.Description})
		}
		has["violations"] = violations
		for name, value := range wantError {
			switch {
			case name == "message":
				if !strings.Contains(e.Error(), value.(string)) {
					fail("the message is %q", e.Error())
				}
			case name == "not_in_message":
				if strings.Contains(e.Error(), value.(string)) {
					fail("the message tells a secret")
				}
			case name == "request_id" && value == "any":
				if e.RequestID == "" {
					fail("no request id")
				}
			case !reflect.DeepEqual(has[name], value):
				fail("error.%s is %v instead of %v (%v)", name, has[name], value, e)
			}
		}
	}
	if want, given := expect["value"]; given && g.err == nil && do != "report_outcome" && !within(want, g.value) {
		fail("the value is %v instead of %v", g.value, want)
	}
	return problems
}

func within(want, has any) bool {
	w, ok := want.(object)
	if !ok {
		return reflect.DeepEqual(want, has)
	}
	h, _ := has.(object)
	for name, value := range w {
		if !within(value, h[name]) {
			return false
		}
	}
	return true
}
