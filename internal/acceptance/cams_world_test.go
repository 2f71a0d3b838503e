package acceptance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/app"
	"handover/internal/casesim"
	"handover/internal/casesystem"
	"handover/internal/worker"
)

// simulatorFolder is where cmd/casesim is built, once for all tests.
var simulatorFolder = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "handover-casesim-")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", filepath.Join(folder, "casesim"), "handover/cmd/casesim")
	if text, err := build.CombinedOutput(); err != nil {
		return folder, fmt.Errorf("build the simulator: %w\n%s", err, text)
	}
	simulatorBuilt = folder
	return folder, nil
})

var simulatorBuilt string

func removeSimulator() {
	if simulatorBuilt != "" {
		_ = os.RemoveAll(simulatorBuilt) // it is only in the way
	}
}

const (
	simulatorToken  = "credential-of-the-tests"
	simulatorSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

// simulator is a case system in a process of its own.
type simulator struct {
	t   testing.TB
	URL string
}

// simulate starts a simulator. It ends with the test, and if the tests die, with them.
func simulate(t testing.TB, args ...string) *simulator {
	t.Helper()
	folder, err := simulatorFolder()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(filepath.Join(folder, "casesim"), append([]string{ //nolint:noctx // the test kills it
		"--addr", "127.0.0.1:0", "--token", simulatorToken, "--until-eof",
	}, args...)...)
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may be gone already
		_ = command.Wait()         // it was killed, and says so
		_ = stdin.Close()
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the simulator did not start: %v", err)
	}
	return &simulator{t, strings.TrimSpace(address)}
}

// admin tells the simulator something, and reads what it says into answer.
func (s *simulator) admin(method, path string, body, answer any) {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+"/admin"+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+simulatorToken)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		s.t.Fatalf("%s %s: the simulator answers %d", method, path, response.StatusCode)
	}
	if answer != nil {
		if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
			s.t.Fatal(err)
		}
	}
}

// breaks makes every request fail in some way; none ends that.
func (s *simulator) breaks(kind casesim.FaultKind) {
	s.t.Helper()
	s.admin("PUT", "/fault", casesim.Fault{Kind: kind}, nil)
}

// changes gives a client of CaMS other values.
func (s *simulator) changes(reference string, fields object) casesim.Client {
	s.t.Helper()
	var record casesim.Client
	s.admin("POST", "/clients/"+reference, fields, &record)
	return record
}

// asked is how often the simulator was asked.
func (s *simulator) asked() int {
	s.t.Helper()
	var counts map[string]int
	s.admin("GET", "/requests", nil, &counts)
	total := 0
	for _, count := range counts {
		total += count
	}
	return total
}

// reading is the adapter to the simulator. It waits little, so that stalls are over soon.
func (s *simulator) reading(t testing.TB) *casesystem.System {
	t.Helper()
	system, err := casesystem.New(casesystem.Options{
		URL: s.URL, Token: simulatorToken, Timeout: 400 * time.Millisecond, Pause: 5 * time.Millisecond, Rest: 100 * time.Millisecond,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return system
}

// never is a period that no test waits for.
const never = time.Hour

// following is a service that reads a simulator, and pulls its changes every so often.
func following(t testing.TB, from *simulator, every time.Duration) serviceOption {
	t.Helper()
	signatures, err := casesystem.NewSignatures(simulatorSecret)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *serviceOptions) {
		o.cases, o.signed, o.pulls = from.reading(t), signatures.Check, []worker.Option{worker.PullCaMSEvery(every)}
	}
}

// pull pulls the changes of CaMS now.
func (w *world) pull() {
	w.t.Helper()
	if err := w.service.app.PullCaMS(w.t.Context(), app.CaMSPullJob{Organization: w.ID}); err != nil {
		w.t.Error(err)
	}
}

// fromCaMS adds a client who is linked from the beginning.
func (w *world) fromCaMS(reference string, more ...object) answer {
	w.t.Helper()
	return w.as(w.Admin, "POST", "/v1/clients", besides(object{"source": "cams", "cams_reference": reference, "send_invitation": false}, more))
}

// fromAssessment adds a client from an assessment.
func (w *world) fromAssessment(number string, more ...object) answer {
	w.t.Helper()
	return w.as(w.Admin, "POST", "/v1/clients", besides(object{"source": "common_assessment", "assessment_number": number, "send_invitation": false}, more))
}

func besides(body object, more []object) object {
	for _, fields := range more {
		for name, value := range fields {
			body[name] = value
		}
	}
	return body
}

// linking links a client, whoever has changed them before.
func (w *world) linking(client uuid.UUID, reference string) answer {
	w.t.Helper()
	return w.as(w.Admin, "PUT", "/v1/clients/"+client.String()+"/cams-link", object{"cams_reference": reference}, header{"If-Match", "*"})
}

func (w *world) unlinking(client uuid.UUID) answer {
	w.t.Helper()
	return w.as(w.Admin, "DELETE", "/v1/clients/"+client.String()+"/cams-link", nil, header{"If-Match", "*"})
}

func (w *world) syncing(client uuid.UUID, headers ...header) answer {
	w.t.Helper()
	return w.as(w.Admin, "POST", "/v1/clients/"+client.String()+"/cams-sync", nil, headers...)
}

// clientNow is a client as they are read now.
func (w *world) clientNow(id uuid.UUID) api.Client {
	w.t.Helper()
	return decode[api.Client](w.get(w.Admin, "/v1/clients/"+id.String()).must(200))
}

// written counts everything that an operation on clients could have written.
func (w *world) written() string {
	w.t.Helper()
	var counts []string
	for _, table := range []string{"people", "client_profiles", "client_assessments", "cams_links", "person_words", "invitations", "audit_events", "idempotency_keys"} {
		counts = append(counts, table+" "+strconv.Itoa(w.count(`SELECT count(*) FROM `+table+` WHERE organization_id = $1`, w.ID)))
	}
	return strings.Join(counts, ", ")
}

// tells sends a message of CaMS to the service.
func (w *world) tells(message casesim.Message) answer {
	w.t.Helper()
	var headers []header
	for name, values := range message.Header {
		headers = append(headers, header{name, values[0]})
	}
	return w.service.call(w.t, "", "POST", "/v1/webhooks/cams", string(message.Body), headers...)
}

func changedMessage(t testing.TB, id, reference string, at time.Time) casesim.Message {
	t.Helper()
	message, err := casesim.NewMessage(simulatorSecret, id, reference, at)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

// linkState is how current a client is.
func linkState(t testing.TB, client api.Client) api.CamsLink {
	t.Helper()
	link, err := client.Cams.Get()
	if err != nil {
		t.Fatalf("the client is not linked: %v", err)
	}
	return link
}
