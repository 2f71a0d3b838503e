package casesim

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
)

// adminRoutes are what the simulator is told by. They are no part of the contract:
//
//	PUT    /admin/fault                         {"fault": "stall", "path": "/changes", "after": 1, "times": 3}
//	POST   /admin/clients/{reference}           fields of the person that change, beside "version", which may be an old one
//	DELETE /admin/clients/{reference}           is not known any more
//	POST   /admin/clients/{reference}/webhook   tells of a change, whether there was one
//	POST   /admin/changes                       {"count": 1000}: so many clients change, the first first
//	PUT    /admin/assessments/{number}          an assessment
//	PUT    /admin/webhook                       {"url": "…", "secret": "whsec_…"}: who is told of changes
//	DELETE /admin/cursors                       are not known any more
//	GET    /admin/requests                      how many there have been, by path
func (s *Simulator) adminRoutes() {
	s.mux.HandleFunc("PUT /admin/fault", func(w http.ResponseWriter, r *http.Request) {
		var fault Fault
		if !read(w, r, &fault) {
			return
		}
		if !fault.known() {
			problem(w, http.StatusBadRequest, "The faults are none, stall, error, garbage, schema, drop, redirect and huge.")
			return
		}
		s.Break(fault)
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("POST /admin/clients/{reference}", s.changeClient)
	s.mux.HandleFunc("DELETE /admin/clients/{reference}", func(w http.ResponseWriter, r *http.Request) {
		s.mutex.Lock()
		delete(s.clients, r.PathValue("reference"))
		s.mutex.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("POST /admin/clients/{reference}/webhook", func(w http.ResponseWriter, r *http.Request) {
		s.tell(r.PathValue("reference"))
		w.WriteHeader(http.StatusAccepted)
	})
	s.mux.HandleFunc("POST /admin/changes", func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Count int `json:"count"`
		}
		if read(w, r, &asked) {
			answer(w, map[string]int{"changed": s.ChangeMany(asked.Count)})
		}
	})
	s.mux.HandleFunc("PUT /admin/assessments/{number}", func(w http.ResponseWriter, r *http.Request) {
		var assessment Assessment
		if !read(w, r, &assessment) {
			return
		}
		assessment.Number = r.PathValue("number")
		s.mutex.Lock()
		s.assessments[assessment.Number] = &assessment
		s.mutex.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("PUT /admin/webhook", func(w http.ResponseWriter, r *http.Request) {
		var webhook Webhook
		if !read(w, r, &webhook) {
			return
		}
		s.mutex.Lock()
		s.webhook = webhook
		s.mutex.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("DELETE /admin/cursors", func(w http.ResponseWriter, _ *http.Request) {
		s.mutex.Lock()
		s.epoch = strconv.FormatInt(s.now().UnixNano(), 36)
		s.mutex.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("GET /admin/requests", func(w http.ResponseWriter, _ *http.Request) {
		s.mutex.Lock()
		counts := maps.Clone(s.counts)
		s.mutex.Unlock()
		answer(w, counts)
	})
}

const maxBody = 1 << 20

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		problem(w, http.StatusBadRequest, "The body cannot be read: "+err.Error())
		return false
	}
	return true
}

// changeClient merges fields into the person of a record, or makes a new one.
func (s *Simulator) changeClient(w http.ResponseWriter, r *http.Request) {
	reference := r.PathValue("reference")
	record, known := s.Client(reference)
	if !known {
		record = Client{Reference: reference, Person: Person{FirstName: "New", LastName: "Client"}}
	}
	asked := struct {
		*Person
		Version *int64 `json:"version"`
	}{Person: &record.Person}
	if !read(w, r, &asked) {
		return
	}
	answer(w, s.Change(record, asked.Version))
}

// Change takes over a record and tells of it. version is what it calls itself; nil: newer than before.
func (s *Simulator) Change(record Client, version *int64) Client {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	record.Version = s.versionAfter(record.Reference)
	if version != nil {
		record.Version = *version
	}
	s.place(record)
	s.tellLocked(record.Reference)
	return record
}

// versionAfter is a version that is newer than that of a record, also where this process knows nothing of the one before.
func (s *Simulator) versionAfter(reference string) int64 {
	next := s.now().UnixMilli()
	if found, known := s.clients[reference]; known {
		next = max(next, found.record.Version+1)
	}
	return next
}

// ChangeMany changes the first so many clients: each gets another last name and address. It tells how many there were.
func (s *Simulator) ChangeMany(count int) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	changed := 0
	for n := 1; changed < count && n <= len(s.clients); n++ {
		found, known := s.clients[ClientReference(n)]
		if !known {
			continue
		}
		record := found.record
		record.Version = s.versionAfter(record.Reference)
		record.Person.LastName = fmt.Sprintf("Changed-%d", record.Version)
		record.Person.Address = &Address{Line1: new(fmt.Sprintf("%d Moved Street", n)), City: new("Toronto"), Region: new("ON"), PostalCode: new("M5V 2T6"), Country: new("CA")}
		s.place(record)
		changed++
	}
	return changed
}
