package casesim

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// FaultKind is what goes wrong.
type FaultKind string

// The faults.
const (
	FaultNone     FaultKind = "none"
	FaultStall    FaultKind = "stall"    // no answer comes
	FaultError    FaultKind = "error"    // 500
	FaultGarbage  FaultKind = "garbage"  // what is said to be JSON is none
	FaultSchema   FaultKind = "schema"   // JSON of another form
	FaultDrop     FaultKind = "drop"     // the connection breaks in the middle of the answer
	FaultRedirect FaultKind = "redirect" // to another place
	FaultHuge     FaultKind = "huge"     // an answer without an end
)

// Fault is what goes wrong, where, and how often.
type Fault struct {
	Kind  FaultKind `json:"fault"`
	Path  string    `json:"path"`  // of the requests it happens to begins so; empty: all
	After int       `json:"after"` // so many are let through first
	Times int       `json:"times"` // and then no more; zero: until it is changed
}

func (f Fault) known() bool {
	switch f.Kind {
	case FaultNone, FaultStall, FaultError, FaultGarbage, FaultSchema, FaultDrop, FaultRedirect, FaultHuge:
		return f.Times >= 0 && f.After >= 0
	}
	return false
}

// Break makes something go wrong from now on.
func (s *Simulator) Break(fault Fault) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.fault = fault
}

// due counts a request, and tells what is to go wrong with it.
func (s *Simulator) due(path string) FaultKind {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.counts[strings.Split(path, "/")[1]]++
	if s.fault.Kind == "" || !strings.HasPrefix(path, s.fault.Path) {
		return FaultNone
	}
	if s.fault.After > 0 {
		s.fault.After--
		return FaultNone
	}
	kind := s.fault.Kind
	if s.fault.Times > 0 {
		if s.fault.Times--; s.fault.Times == 0 {
			s.fault = Fault{}
		}
	}
	return kind
}

// stalling is the longest that an answer is held back.
const stalling = time.Minute

func (s *Simulator) faulty(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch s.due(r.URL.Path) {
		case FaultNone:
			next(w, r)
		case FaultStall:
			select {
			case <-r.Context().Done():
			case <-s.alive.Done():
			case <-time.After(stalling):
			}
			panic(http.ErrAbortHandler)
		case FaultError:
			problem(w, http.StatusInternalServerError, "It was told to fail.")
		case FaultGarbage:
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprint(w, "<html><body>\x00\xff It works! {\"reference\": ") // whoever asked has gone
		case FaultSchema:
			answer(w, map[string]any{"data": map[string]any{"id": 17, "attributes": map[string]any{"name": "Somebody"}}, "items": []any{map[string]any{"id": 17}}})
		case FaultDrop:
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			_, _ = fmt.Fprint(w, `{"reference": "CL-`) // it breaks here
			panic(http.ErrAbortHandler)
		case FaultRedirect:
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
		case FaultHuge:
			w.Header().Set("Content-Type", "application/json")
			blank := []byte(strings.Repeat(" ", 64<<10))
			for range 100 {
				if _, err := w.Write(blank); err != nil {
					return
				}
			}
		}
	}
}
