package casesystem

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"handover/internal/app"
	"handover/internal/casesim"
	"handover/internal/domain"
)

const secretToken = "the-credential-of-the-tests"

var fixed = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// simulated is a system on a simulator. It waits little, so that stalls are over soon.
func simulated(t *testing.T, change ...func(*Options)) (*System, *casesim.Simulator, *strings.Builder) {
	t.Helper()
	simulator := casesim.New(casesim.Options{Token: secretToken})
	server := httptest.NewServer(simulator)
	t.Cleanup(server.Close)
	t.Cleanup(simulator.Close)
	var log strings.Builder
	options := Options{
		URL: server.URL, Token: secretToken, Timeout: 200 * time.Millisecond, Pause: time.Millisecond, Rest: 300 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	for _, with := range change {
		with(&options)
	}
	system, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	return system, simulator, &log
}

func TestReads(t *testing.T) {
	t.Parallel()
	system, simulator, _ := simulated(t)
	assessment, err := system.Assessment(t.Context(), "CA-000001")
	if err != nil {
		t.Fatal(err)
	}
	if assessment.Status != domain.AssessmentSubmitted || assessment.Person.LastName != "Delgado" || *assessment.Person.Address.City != "Toronto" {
		t.Errorf("got %+v", assessment)
	}
	record, err := system.Client(t.Context(), "CL-000001")
	if err != nil {
		t.Fatal(err)
	}
	if record.Version != 1 || record.Person.LastName != "Petrov" || record.Person.DateOfBirth.String() != "1991-08-14" {
		t.Errorf("got %+v", record)
	}
	for _, unknown := range []func() error{
		func() error { _, err := system.Assessment(t.Context(), "CA-999999"); return err },
		func() error { _, err := system.Client(t.Context(), "CL-999999"); return err },
	} {
		if err := unknown(); !errors.Is(err, app.ErrCaseUnknown) {
			t.Errorf("got %v of what is not known", err)
		}
	}
	changed, _ := simulator.Client("CL-000003")
	changed.Person.LastName = "Anders"
	simulator.Change(changed, nil)
	all, err := system.Changes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Records) != 200 || all.More || all.Records[199].Reference != "CL-000003" || all.Records[199].Person.LastName != "Anders" {
		t.Errorf("got %d records, the last %+v", len(all.Records), all.Records[len(all.Records)-1])
	}
	none, err := system.Changes(t.Context(), all.Next)
	if err != nil || len(none.Records) != 0 || none.Next == "" {
		t.Errorf("got %+v, %v after the last change", none, err)
	}
	if _, err := system.Changes(t.Context(), "gone.7"); !errors.Is(err, app.ErrCursorGone) {
		t.Errorf("got %v of a cursor that is not known", err)
	}
}

// C4 each way in which the case system fails is told apart, soon, and leaves the credential out of the log.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range []struct {
		kind casesim.FaultKind
		want error
	}{
		{casesim.FaultStall, app.ErrCaseSystemDown},
		{casesim.FaultError, app.ErrCaseSystemDown},
		{casesim.FaultDrop, app.ErrCaseSystemDown},
		{casesim.FaultGarbage, app.ErrCaseSystemBroken},
		{casesim.FaultSchema, app.ErrCaseSystemBroken},
		{casesim.FaultRedirect, app.ErrCaseSystemBroken},
		{casesim.FaultHuge, app.ErrCaseSystemBroken},
	} {
		t.Run(string(fault.kind), func(t *testing.T) {
			t.Parallel()
			system, simulator, log := simulated(t)
			simulator.Break(casesim.Fault{Kind: fault.kind})
			begun := time.Now()
			for name, call := range map[string]func() error{
				"assessment": func() error { _, err := system.Assessment(t.Context(), "CA-000001"); return err },
				"client":     func() error { _, err := system.Client(t.Context(), "CL-000001"); return err },
				"changes":    func() error { _, err := system.Changes(t.Context(), ""); return err },
			} {
				if err := call(); !errors.Is(err, fault.want) {
					t.Errorf("%s: got %v, want %v", name, err, fault.want)
				}
			}
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			simulator.Break(casesim.Fault{})
			time.Sleep(350 * time.Millisecond) // the rest that a circuit may take
			if _, err := system.Client(t.Context(), "CL-000001"); err != nil {
				t.Errorf("got %v when all was well again", err)
			}
			if strings.Contains(log.String(), secretToken) {
				t.Errorf("the credential is in the log:\n%s", log)
			}
		})
	}
}

func TestTriedAgain(t *testing.T) {
	t.Parallel()
	for _, kind := range []casesim.FaultKind{casesim.FaultError, casesim.FaultDrop, casesim.FaultStall} {
		system, simulator, _ := simulated(t)
		simulator.Break(casesim.Fault{Kind: kind, Times: attempts - 1})
		if _, err := system.Client(t.Context(), "CL-000001"); err != nil {
			t.Errorf("%s: got %v, though the last attempt would have been answered", kind, err)
		}
	}
}

// A case system that is down is left alone: nothing waits for it, and it is found when it is there again.
func TestCircuit(t *testing.T) {
	t.Parallel()
	asked := 0
	down := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		if down {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(server.Close)
	system, err := New(Options{URL: server.URL, Token: secretToken, Pause: time.Millisecond, Rest: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(system)
	for range 10 {
		if _, err := system.Client(t.Context(), "CL-000001"); !errors.Is(err, app.ErrCaseSystemDown) {
			t.Fatalf("got %v", err)
		}
	}
	if asked != failuresInARow {
		t.Errorf("it was asked %d times, want %d", asked, failuresInARow)
	}
	for _, want := range []string{
		"handover_case_system_circuit_state 2",
		`handover_case_system_requests_total{operation="client",outcome="unavailable"} 10`,
	} {
		page := httptest.NewRecorder()
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
		if !strings.Contains(page.Body.String(), want) {
			t.Errorf("got metrics %s, want %s", page.Body, want)
		}
	}
	down = false
	time.Sleep(250 * time.Millisecond)
	for range 3 {
		if _, err := system.Client(t.Context(), "CL-000001"); !errors.Is(err, app.ErrCaseUnknown) {
			t.Fatalf("got %v when it was there again", err)
		}
	}
}

// Who does not wait for the answer says nothing of the case system.
func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	system, simulator, _ := simulated(t, func(o *Options) { o.Timeout = 10 * time.Second })
	simulator.Break(casesim.Fault{Kind: casesim.FaultStall})
	for range failuresInARow + 1 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := system.Client(ctx, "CL-000001"); !errors.Is(err, errLeft) || errors.Is(err, app.ErrCaseSystemDown) {
			t.Errorf("got %v", err)
		}
		cancel()
	}
	simulator.Break(casesim.Fault{})
	if _, err := system.Client(t.Context(), "CL-000001"); err != nil {
		t.Errorf("got %v of the next who asks", err)
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "cases.example.org", "ftp://cases.example.org", "https://", "http://cases.example.org", "https://user:password@cases.example.org",
		"https://cases.example.org?a=b", "http://93.184.216.34",
	} {
		if _, err := New(Options{URL: url, Token: secretToken}); err == nil {
			t.Errorf("%q was taken", url)
		} else if strings.Contains(err.Error(), "password@") {
			t.Errorf("the error repeats a password: %v", err)
		}
	}
	for _, url := range []string{"https://cases.example.org/api/", "http://127.0.0.1:8090", "http://localhost:8090", "http://10.1.2.3/api", "http://[::1]:8090"} {
		if _, err := New(Options{URL: url, Token: secretToken}); err != nil {
			t.Errorf("%q was refused: %v", url, err)
		}
	}
	if _, err := New(Options{URL: "https://cases.example.org"}); err == nil {
		t.Error("no credential was taken")
	}
}

// A name that leads to a private address is refused, unless that is said to be right.
func TestPrivateAddresses(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(casesim.New(casesim.Options{Token: secretToken}))
	t.Cleanup(server.Close)
	named := strings.Replace(server.URL, "127.0.0.1", "localhost.", 1) // a name that is not localhost, and leads to it
	refused, err := New(Options{URL: strings.Replace(named, "http:", "https:", 1), Token: secretToken, Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := refused.Client(t.Context(), "CL-000001"); !errors.Is(err, app.ErrCaseSystemDown) || !strings.Contains(err.Error(), "private") && !strings.Contains(err.Error(), "no such host") {
		t.Errorf("got %v of a name that leads here", err)
	}
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	const secret, other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	both, err := NewSignatures(other + " " + secret)
	if err != nil {
		t.Fatal(err)
	}
	check := func(id string, at time.Time, spoil func(*casesim.Message)) error {
		message, err := casesim.NewMessage(secret, id, "CL-000001", at)
		if err != nil {
			t.Fatal(err)
		}
		spoil(&message)
		return both.Check(message.Header.Get("webhook-id"), message.Header.Get("webhook-timestamp"), message.Header.Get("webhook-signature"), message.Body)
	}
	now := time.Now()
	if err := check("msg_1", now, func(*casesim.Message) {}); err != nil {
		t.Errorf("a good signature was refused: %v", err)
	}
	for name, bad := range map[string]error{
		"too old": check("msg_1", now.Add(-6*time.Minute), func(*casesim.Message) {}),
		"too new": check("msg_1", now.Add(6*time.Minute), func(*casesim.Message) {}),
		"another body": check("msg_1", now, func(m *casesim.Message) {
			m.Body = []byte(strings.Replace(string(m.Body), "CL-000001", "CL-000002", 1))
		}),
		"another id":   check("msg_1", now, func(m *casesim.Message) { m.Header.Set("webhook-id", "msg_2") }),
		"another time": check("msg_1", now, func(m *casesim.Message) { m.Header.Set("webhook-timestamp", "1") }),
		"no time":      check("msg_1", now, func(m *casesim.Message) { m.Header.Del("webhook-timestamp") }),
		"no signature": check("msg_1", now, func(m *casesim.Message) { m.Header.Del("webhook-signature") }),
		"garbage":      check("msg_1", now, func(m *casesim.Message) { m.Header.Set("webhook-signature", "v1,AAAA v2,x ,,") }),
		"another version": check("msg_1", now, func(m *casesim.Message) {
			m.Header.Set("webhook-signature", "v2"+m.Header.Get("webhook-signature")[2:])
		}),
	} {
		if bad == nil {
			t.Errorf("a signature was taken that is %s", name)
		}
	}
	for _, secret := range []string{"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_short", "whsec_!!!!9r8GKYqrTwjUPD8ILPZIo2LaLaSw"} {
		if _, err := NewSignatures(secret); err == nil {
			t.Errorf("the secret %q was taken", secret)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
}
