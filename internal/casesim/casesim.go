// Package casesim simulates a case system, CaMS and Common Assessment, over real HTTP as docs/case-system.openapi.yaml has
// it: for the demo, for tests, and for who writes an adapter. Its data are made up and the same at every start; what is changed
// at /admin lives as long as the process.
package casesim

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options say how large a case system is simulated, and who may ask it.
type Options struct {
	Token       string // the credential that callers give; empty: DefaultToken
	Clients     int    // of CaMS; zero: 200
	Assessments int    // zero: 60
	Webhook     Webhook
	Now         func() time.Time // nil: the clock of the machine
}

// Webhook says who is told of changes.
type Webhook struct {
	URL    string `json:"url"`    // empty: nobody
	Secret string `json:"secret"` // whsec_…
}

// DefaultToken is the credential where none is chosen.
const DefaultToken = "casesim"

const (
	usualClients     = 200
	usualAssessments = 60
	maxChanges       = 1000
)

// Simulator is a case system in memory.
type Simulator struct {
	token string
	now   func() time.Time
	mux   *http.ServeMux
	alive context.Context // ends with the simulator
	end   context.CancelFunc

	mutex       sync.Mutex
	clients     map[string]*client
	assessments map[string]*Assessment
	feed        []change // in order; those that a later one has taken the place of are passed over
	epoch       string   // of the cursors
	fault       Fault
	counts      map[string]int
	webhook     Webhook
	sending     sync.WaitGroup
}

type client struct {
	record   Client
	position int // in the feed
}

type change struct{ reference string }

// New makes a simulator with its data.
func New(options Options) *Simulator {
	alive, end := context.WithCancel(context.Background())
	s := &Simulator{
		token: cmp.Or(options.Token, DefaultToken), now: options.Now, mux: http.NewServeMux(), alive: alive, end: end,
		clients: map[string]*client{}, assessments: map[string]*Assessment{}, counts: map[string]int{}, webhook: options.Webhook,
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.epoch = strconv.FormatInt(s.now().UnixNano(), 36)
	for n := 1; n <= cmp.Or(options.Clients, usualClients); n++ {
		s.place(ClientOf(n))
	}
	for n := 1; n <= cmp.Or(options.Assessments, usualAssessments); n++ {
		assessment := AssessmentOf(n)
		s.assessments[assessment.Number] = &assessment
	}
	s.routes()
	return s
}

// Close ends what is under way: answers that stall, and messages that are being sent.
func (s *Simulator) Close() {
	s.end()
	s.sending.Wait()
}

func (s *Simulator) routes() {
	s.mux.HandleFunc("GET /assessments/{number}", s.faulty(s.getAssessment))
	s.mux.HandleFunc("GET /clients/{reference}", s.faulty(s.getClient))
	s.mux.HandleFunc("GET /changes", s.faulty(s.listChanges))
	s.adminRoutes()
}

// ServeHTTP answers requests of who has the credential.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if subtle.ConstantTimeCompare([]byte(given), []byte(s.token)) != 1 {
		problem(w, http.StatusUnauthorized, "The credential is wrong.")
		return
	}
	s.mux.ServeHTTP(w, r)
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // whoever asked has gone
}

func problem(w http.ResponseWriter, status int, title string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": title, "status": status}) // whoever asked has gone
}

// place puts a record into the data, as the last change there is.
func (s *Simulator) place(record Client) {
	s.feed = append(s.feed, change{record.Reference})
	s.clients[record.Reference] = &client{record: record, position: len(s.feed)}
}

func (s *Simulator) getAssessment(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	found, known := s.assessments[r.PathValue("number")]
	var assessment Assessment
	if known {
		assessment = *found
	}
	s.mutex.Unlock()
	if !known {
		problem(w, http.StatusNotFound, "There is no such assessment.")
		return
	}
	answer(w, assessment)
}

func (s *Simulator) getClient(w http.ResponseWriter, r *http.Request) {
	record, known := s.Client(r.PathValue("reference"))
	if !known {
		problem(w, http.StatusNotFound, "There is no such client.")
		return
	}
	answer(w, record)
}

// Client is a record as it is now.
func (s *Simulator) Client(reference string) (record Client, known bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	found, known := s.clients[reference]
	if known {
		record = found.record
	}
	return record, known
}

func (s *Simulator) listChanges(w http.ResponseWriter, r *http.Request) {
	limit := maxChanges
	if text := r.URL.Query().Get("limit"); text != "" {
		number, err := strconv.Atoi(text)
		if err != nil || number < 1 || number > maxChanges {
			problem(w, http.StatusBadRequest, "The limit is not a number from 1 to 1000.")
			return
		}
		limit = number
	}
	s.mutex.Lock()
	from, known := s.position(r.URL.Query().Get("after"))
	changes := s.changesAfter(from, limit)
	s.mutex.Unlock()
	if !known {
		problem(w, http.StatusGone, "This cursor is not known. Begin anew.")
		return
	}
	answer(w, changes)
}

// Changes is a page of the list of changes.
type Changes struct {
	Items []Client `json:"items"`
	Next  string   `json:"next_cursor"`
	More  bool     `json:"more"`
}

func (s *Simulator) changesAfter(from, limit int) Changes {
	changes := Changes{Items: []Client{}}
	at := from
	for ; at < len(s.feed) && len(changes.Items) < limit; at++ {
		if found, known := s.clients[s.feed[at].reference]; known && found.position == at+1 {
			changes.Items = append(changes.Items, found.record)
		}
	}
	changes.Next, changes.More = fmt.Sprintf("%s.%d", s.epoch, at), at < len(s.feed)
	return changes
}

// ChangedAfter counts the clients who have changed after a cursor.
func (s *Simulator) ChangedAfter(cursor string) (count int, known bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	from, known := s.position(cursor)
	if !known {
		return 0, false
	}
	return len(s.changesAfter(from, len(s.feed)).Items), true
}

// position reads a cursor: how many changes came before it.
func (s *Simulator) position(cursor string) (position int, known bool) {
	if cursor == "" {
		return 0, true
	}
	epoch, text, _ := strings.Cut(cursor, ".")
	position, err := strconv.Atoi(text)
	if err != nil || epoch != s.epoch || position < 0 || position > len(s.feed) {
		return 0, false
	}
	return position, true
}

// References are those of all clients, in order.
func (s *Simulator) References() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Sorted(maps.Keys(s.clients))
}
