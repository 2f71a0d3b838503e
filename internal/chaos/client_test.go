package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"handover/internal/testcontract"
)

type object = map[string]any

// patience is how long an answer is waited for. A request that waits for a lock is ended sooner.
const patience = 40 * time.Second

// client is somebody of an organization who asks for one thing after the other.
type client struct {
	*storm
	*organization
	random   *rand.Rand
	http     *http.Client
	register register
	pair     pair
}

func (s *storm) newClient(o *organization, number uint64) *client {
	return &client{
		storm: s, organization: o, random: rand.New(rand.NewPCG(s.seed, number)),
		http: &http.Client{Timeout: patience, Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, DisableKeepAlives: true}},
	}
}

// request is what is asked for.
type request struct {
	what, method, path string
	body               any
	headers            http.Header
	token              string // of the administrator where empty
	foreign            bool   // it names something of another organization
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	code   string // of a problem
	tries  int    // until it came
}

func (a answer) good() bool { return a.status >= 200 && a.status < 300 }

// newKey is one that nobody has used.
func (c *client) newKey() string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.number++
	return fmt.Sprintf("K%s-%d", c.ID.String()[24:], c.number)
}

// insist repeats a request until it is answered: the same answer as the first would have been, because it has a key or only reads.
func (c *client) insist(r request) (answer, bool) {
	body, err := json.Marshal(r.body)
	if err != nil {
		c.fail("%v", err)
		return answer{}, false
	}
	var ended time.Time // when nothing disturbed it any more
	var unheard *answer
	for tries := 1; !c.failed.Load(); tries++ {
		if ended.IsZero() && (c.over.Load() || c.calm.Load()) {
			ended = time.Now()
		}
		got, answered := c.attempt(r, body)
		if answered && got.good() && r.headers.Get("Idempotency-Key") != "" && unheard == nil && c.chance(8) {
			unheard, answered = &got, false // it was answered, and the answer is lost on the last stretch
		}
		if answered {
			got.tries = tries
			c.tally.answered(r.what, got)
			c.sameAnswer(r, unheard, got)
			return got, true
		}
		if !ended.IsZero() && time.Since(ended) > recovering {
			c.fail("%s was not answered %s after the last disturbance", r.what, recovering)
			break
		}
		time.Sleep(time.Duration(20+c.random.IntN(150)) * time.Millisecond)
	}
	return answer{}, false
}

// sameAnswer holds an answer against one that came before it and was not heard: it is that answer again.
func (c *client) sameAnswer(r request, unheard *answer, got answer) {
	if unheard == nil || isPreview(r) {
		return
	}
	var first, again struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(unheard.body, &first) // what has none is the same all the same
	_ = json.Unmarshal(got.body, &again)
	if got.status != unheard.status || first.ID != again.ID || got.header.Get("Idempotency-Replayed") != "true" {
		c.fail("%s %s was answered with %d %s, and when it was repeated with its key with %d %s (%v)", r.method, r.path, unheard.status, unheard.body, got.status, got.body, got.header)
	}
	c.tally.count("checked: answers that were lost, and given again", 1)
}

// isPreview tells of what keeps no answer: there is nothing that could be done twice.
func isPreview(r request) bool {
	body, _ := r.body.(object)
	return body["dry_run"] == true
}

// once asks a single time, for what is not to be repeated blindly.
func (c *client) once(r request) (answer, bool) {
	body, err := json.Marshal(r.body)
	if err != nil {
		c.fail("%v", err)
		return answer{}, false
	}
	got, answered := c.attempt(r, body)
	if answered {
		got.tries = 1
		c.tally.answered(r.what, got)
	}
	return got, answered
}

// attempt sends a request to any of the APIs. It was answered where the answer came whole, and said what became of it.
func (c *client) attempt(r request, body []byte) (got answer, answered bool) {
	calm := c.calm.Load()
	front := c.fronts[c.random.IntN(len(c.fronts))]
	request, err := http.NewRequestWithContext(context.Background(), r.method, "http://"+c.proxies.listen[front]+r.path, http.NoBody)
	if err != nil {
		c.fail("%v", err)
		return got, false
	}
	if r.body != nil {
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		request.Header.Set("Content-Type", "application/json")
	}
	for name, values := range r.headers {
		request.Header[name] = values
	}
	token := c.Token
	if r.token != "" {
		token = r.token
	}
	request.Header.Set("Authorization", "Bearer "+token)
	began := time.Now()
	response, err := c.http.Do(request)
	if err == nil {
		got.status, got.header = response.StatusCode, response.Header
		got.body, err = io.ReadAll(response.Body)
		_ = response.Body.Close() // read to its end
	}
	c.tally.took(r.what, time.Since(began))
	if err != nil {
		c.tally.count("answers that never came", 1)
		if calm && c.calm.Load() {
			c.fail("%s %s got no answer while nothing was disturbed: %v", r.method, r.path, err)
		}
		return got, false
	}
	c.judge(r, request, &got)
	switch {
	case got.status == http.StatusServiceUnavailable:
		c.tally.count("answers 503 "+got.code, 1)
		if calm && c.calm.Load() {
			c.fail("%s %s got 503 while nothing was disturbed: %s", r.method, r.path, got.body)
		}
		return got, false
	case got.code == "idempotency_key_in_use":
		c.tally.count("answers 409 idempotency_key_in_use", 1)
		return got, false
	case got.status == http.StatusTooManyRequests && !strings.HasSuffix(r.path, "/resend-invite"):
		c.tally.count("answers 429", 1)
		seconds, _ := strconv.Atoi(got.header.Get("Retry-After"))
		time.Sleep(min(time.Duration(max(seconds, 1))*time.Second, 2*time.Second))
		return got, false
	}
	return got, true
}

// unavailable are the refusals of what may succeed soon.
var unavailable = []string{"unavailable", "too_busy", "not_ready", "case_system_unavailable", "timed_out"}

// refusals are those that what is asked for here can get, by what others do at the same time.
var refusals = []string{
	"existing_assignments", "no_remaining_staff", "selection_empty", "task_policy_required", "precondition_failed", "revision_stale", "already_undone", "run_not_finished", "run_finished",
	"not_undoable", "already_client", "rate_limited", "idempotency_key_in_use", "managed_by_cams",
}

var idPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// judge holds every answer against the contract, and against what this organization may see.
func (c *client) judge(r request, request *http.Request, got *answer) {
	c.tally.count("answers checked against the contract", 1)
	if err := testcontract.Check(request, got.status, got.header, got.body); err != nil {
		c.fail("%v", err)
	}
	var told struct {
		Code string `json:"code"`
	}
	if got.status >= 400 {
		_ = json.Unmarshal(got.body, &told) // one that is none has no code
		got.code = told.Code
	}
	switch {
	case got.status >= 500 && (got.status != http.StatusServiceUnavailable || !slices.Contains(unavailable, got.code) || got.header.Get("Retry-After") == "" && got.code != "timed_out"):
		c.fail("%s %s got %d: %s\n%s", r.method, r.path, got.status, got.body, c.logged(got.header.Get("X-Request-Id")))
	case r.foreign && got.good():
		c.fail("%s %s, of another organization, got %d: %s", r.method, r.path, got.status, got.body)
	case r.foreign || got.status >= 500:
	case got.code == "invalid_value" && r.what == "reassign": // its times have passed while it was repeated
	case got.status >= 400 && !slices.Contains(refusals, got.code):
		c.fail("%s %s got %d: %s\n%v", r.method, r.path, got.status, got.body, r.body)
	}
	if r.foreign {
		return // it may repeat what was asked for
	}
	for _, text := range idPattern.FindAll(got.body, -1) {
		id, err := uuid.ParseBytes(text)
		if err != nil {
			continue
		}
		if owner, known := c.owners.Load(id); known && owner != c.ID {
			c.fail("%s %s told %s of organization %s, which is of %s: %.500s", r.method, r.path, id, c.ID, owner, got.body)
		}
	}
}

// logged is what the processes have logged of a request.
func (s *storm) logged(request string) string {
	time.Sleep(100 * time.Millisecond) // for the line to arrive
	var lines []string
	for _, p := range s.processes {
		for line := range strings.SplitSeq(p.said.text(), "\n") {
			if request != "" && strings.Contains(line, request) {
				lines = append(lines, p.name+": "+line)
			}
		}
	}
	return strings.Join(lines, "\n")
}

// made notes that an id belongs to this organization.
func (c *client) made(got answer) uuid.UUID {
	var told struct {
		ID uuid.UUID `json:"id"`
	}
	if err := json.Unmarshal(got.body, &told); err != nil {
		c.fail("%v: %s", err, got.body)
	}
	if told.ID != uuid.Nil {
		c.owners.Store(told.ID, c.ID)
	}
	return told.ID
}

// isReady asks an API whether it takes requests.
func (s *storm) isReady(at int) bool {
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.proxies.listen[s.fronts[at]]+"/readyz", http.NoBody)
	if err != nil {
		s.fail("%v", err)
		return false
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close() // only the status is of interest
	return response.StatusCode == http.StatusOK
}
