package acceptance

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/casesim"
	"handover/internal/casesystem"
	"handover/internal/testmail"
	"handover/internal/worker"
)

// linkMany links new clients to the first records of the simulator, of which nothing has been taken over yet.
func (w *world) linkMany(count int) {
	w.t.Helper()
	w.exec(`
		WITH made AS (
			INSERT INTO people (organization_id, id, kind, status, first_name, last_name, email, created_at, updated_at)
			SELECT $1, gen_random_uuid(), 'client', 'active', 'Person', 'CL-' || to_char(n, 'FM000000'), 'person' || n || '@mail.example', now(), now()
			FROM generate_series(1, $2::integer) AS n RETURNING id, last_name
		), worded AS (
			INSERT INTO person_words (organization_id, word, person_id) SELECT $1, word, id FROM made CROSS JOIN LATERAL (VALUES ('person'), (lower(last_name))) AS w (word)
		)
		INSERT INTO cams_links (organization_id, person_id, reference, linked_at) SELECT $1, id, last_name, now() FROM made`, w.ID, count)
	w.exec(`ANALYZE people, cams_links, person_words`)
}

// clientOf is the client who is linked to a record.
func (w *world) clientOf(reference string) uuid.UUID {
	w.t.Helper()
	found := w.ids(`SELECT person_id FROM cams_links WHERE organization_id = $1 AND reference = $2`, w.ID, reference)
	if len(found) != 1 {
		w.t.Fatalf("%d clients are linked to %s", len(found), reference)
	}
	return found[0]
}

// record reads a client of CaMS past the service.
func (s *simulator) record(reference string) casesim.Client {
	s.t.Helper()
	found, err := s.reading(s.t).Client(s.t.Context(), reference)
	if err != nil {
		s.t.Fatal(err)
	}
	record := casesim.Client{Reference: reference, Version: found.Version, Person: casesim.Person{
		FirstName: found.Person.FirstName, LastName: found.Person.LastName, Email: found.Person.Email, Phone: found.Person.Phone,
	}}
	if found.Person.DateOfBirth != nil {
		record.Person.DateOfBirth = new(found.Person.DateOfBirth.String())
	}
	address := casesim.Address(found.Person.Address)
	record.Person.Address = &address
	return record
}

// synced counts the audit rows of what came from CaMS.
func (w *world) synced() int {
	w.t.Helper()
	return w.count(`SELECT count(*) FROM audit_events WHERE organization_id = $1 AND action = 'cams_synced'`, w.ID)
}

func TestC4CaseSystemInTrouble(t *testing.T) {
	t.Parallel()
	for _, kind := range []casesim.FaultKind{
		casesim.FaultStall, casesim.FaultError, casesim.FaultGarbage, casesim.FaultSchema, casesim.FaultDrop, casesim.FaultRedirect, casesim.FaultHuge,
	} {
		t.Run("C4 nothing is half done and nothing lost when the case system answers with "+string(kind), func(t *testing.T) {
			t.Parallel()
			cases := simulate(t)
			s := start(t, following(t, cases, never))
			w := s.organization(t)
			linked, client := decode[api.Client](w.fromCaMS("CL-000001").must(201)), w.person("client")
			w.quiet()
			w.pull()
			cases.breaks(kind)
			cases.changes("CL-000001", object{"last_name": "Late", "phone": nil})
			before := w.written()
			for _, refused := range []answer{
				w.get(w.Admin, "/v1/common-assessments/CA-000001"), w.get(w.Admin, "/v1/cams-clients/CL-000001"),
				w.as(w.Admin, "POST", "/v1/clients", object{"source": "common_assessment", "assessment_number": "CA-000001"}, header{"Idempotency-Key", "a"}),
				w.as(w.Admin, "POST", "/v1/clients", object{"source": "cams", "cams_reference": "CL-000002"}, header{"Idempotency-Key", "b"}),
				w.linking(client, "CL-000002"),
				w.as(w.Admin, "POST", "/v1/clients/"+linked.ID.String()+"/cams-sync", nil, header{"Idempotency-Key", "c"}),
			} {
				problem := refused.problem(503, "case_system_unavailable")
				if refused.Header.Get("Retry-After") == "" || strings.Contains(problem.Detail, "127.0.0.1") || strings.Contains(problem.Detail, "html") {
					t.Errorf("got %v, %s", refused.Header, refused.Body)
				}
			}
			w.pull()
			if after := w.written(); after != before {
				t.Errorf("something was written: %s, and then %s", before, after)
			}
			now := w.clientNow(linked.ID)
			if link := linkState(t, now); now.LastName != linked.LastName || link.LastError.MustGet() != "case_system_unavailable" || link.LastErrorAt.IsNull() || link.LagSeconds.IsNull() {
				t.Errorf("got %s, %+v", now.LastName, link)
			}
			health, err := s.app.CaMSHealth(t.Context())
			if err != nil || health.Failing != 1 || health.Organizations != 1 || health.BehindSince == nil {
				t.Errorf("got %+v, %v", health, err)
			}
			cases.breaks(casesim.FaultNone)
			eventually(t, "the change is here", func() bool {
				w.pull()
				now = w.clientNow(linked.ID)
				return now.LastName == "Late"
			})
			if link := linkState(t, now); !link.LastError.IsNull() || !now.Phone.IsNull() {
				t.Errorf("got %+v, %+v", now.Phone, link)
			}
			w.as(w.Admin, "POST", "/v1/clients", object{"source": "common_assessment", "assessment_number": "CA-000001"}, header{"Idempotency-Key", "a"}).must(201)
		})
	}
}

// A case system that stalls delays whoever waits for it, and nobody else: runs and mails go on, and so do other requests.
func TestC4StallDelaysOnlyItself(t *testing.T) {
	t.Parallel()
	cases, server := simulate(t), testmail.Start(t, testmail.Config{})
	patient, err := casesystem.New(casesystem.Options{URL: cases.URL, Token: simulatorToken, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, mailing(t, server), func(o *serviceOptions) {
		o.cases, o.pulls = patient, []worker.Option{worker.PullCaMSEvery(time.Second)}
	})
	const organizations = 8 // more than pulls are worked on at once
	var all []*world
	for range organizations {
		w := s.organization(t)
		w.fromCaMS("CL-000001").must(201)
		w.quiet()
		all = append(all, w)
	}
	cases.breaks(casesim.FaultStall)
	cases.changes("CL-000001", object{"last_name": "Late"})
	eventually(t, "pulls wait for the case system", func() bool {
		return all[0].count(`SELECT count(*) FROM river.river_job WHERE kind = 'cams_pull' AND state = 'running'`) >= 2
	})
	begun := time.Now()
	w := all[0]
	grace := w.member("member", "clients")
	queued := decode[api.Run](w.as(w.Admin, "POST", "/v1/manage-assignments", object{
		"selection": people(w.person("client")), "change": change("assign", object{"staff_ids": []uuid.UUID{grace.ID}}),
	}, header{"Prefer", "respond-async, wait=30"}).must(200))
	if queued.Status != "succeeded" {
		t.Errorf("the run is %s", queued.Status)
	}
	eventually(t, "the mail is there", func() bool { return len(mailsTo(t, server, grace)) == 1 })
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("a run and a mail took %v", took)
	}
	w.added("Other", "Client", newAddress())
	cases.breaks(casesim.FaultNone)
	for _, w := range all {
		deadline := time.Now().Add(90 * time.Second) // after what was under way, and a rest that the circuit may take
		for w.clientNow(w.clientOf("CL-000001")).LastName != "Late" {
			if time.Now().After(deadline) {
				t.Fatal("the change did not come")
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

func TestC4Pulls(t *testing.T) {
	t.Parallel()

	t.Run("C4 10,000 linked clients with 1,000 changes are brought up to date within seconds", func(t *testing.T) {
		t.Parallel()
		const linked, changed = 10_000, 1000
		cases := simulate(t, "--clients", fmt.Sprint(linked))
		s := start(t, withoutWorker, following(t, cases, never))
		w := s.organization(t)
		w.linkMany(linked)
		begun := time.Now()
		w.pull()
		t.Logf("%d clients for the first time: %v", linked, time.Since(begun))
		if synced := w.synced(); synced != linked {
			t.Fatalf("%d of %d clients were brought up to date", synced, linked)
		}
		cases.admin("POST", "/changes", object{"count": changed}, nil)
		begun = time.Now()
		w.pull()
		took := time.Since(begun)
		t.Logf("%d changes: %v", changed, took)
		if synced := w.synced(); synced != linked+changed {
			t.Errorf("%d of %d changes were taken over", synced-linked, changed)
		}
		if took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		for _, n := range []int{1, 10, 15, 500, changed, changed + 1, 7777, linked} {
			reference := casesim.ClientReference(n)
			isRecord(t, w.clientNow(w.clientOf(reference)), cases.record(reference))
		}
	})

	t.Run("C4 several pulls at once take every change over once", func(t *testing.T) {
		t.Parallel()
		const linked = 2500
		cases := simulate(t, "--clients", fmt.Sprint(linked))
		s := start(t, withoutWorker, following(t, cases, never))
		w := s.organization(t)
		w.linkMany(linked)
		for round := range 4 {
			var pulls sync.WaitGroup
			for range 4 {
				pulls.Go(w.pull)
			}
			pulls.Wait()
			w.pull() // where the one that was ahead of the others left off, somebody has to end
			if synced := w.synced(); synced != linked*(round+1) {
				t.Fatalf("round %d: %d changes were recorded, want %d", round, synced, linked*(round+1))
			}
			cases.admin("POST", "/changes", object{"count": linked}, nil)
		}
	})

	t.Run("C4 a pull that is broken off goes on from where it was", func(t *testing.T) {
		t.Parallel()
		cases := simulate(t, "--clients", "3500")
		s := start(t, withoutWorker, following(t, cases, never))
		w := s.organization(t)
		w.linkMany(3500)
		cases.admin("PUT", "/fault", casesim.Fault{Kind: casesim.FaultGarbage, Path: "/changes", After: 2}, nil)
		w.pull()
		if synced := w.synced(); synced != 2000 {
			t.Errorf("%d changes of the first pages were taken over", synced)
		}
		if link := linkState(t, w.clientNow(w.clientOf("CL-000001"))); link.LastError.MustGet() != "case_system_unavailable" {
			t.Errorf("got %+v", link)
		}
		cases.breaks(casesim.FaultNone)
		asked := cases.asked()
		w.pull()
		if synced := w.synced(); synced != 3500 {
			t.Errorf("%d changes were taken over", synced)
		}
		// Two, or three where a call was lost and made again; from the start it would be four.
		if calls := cases.asked() - asked; calls > 3 {
			t.Errorf("the rest took %d calls", calls)
		}
	})

	t.Run("C4 who is unlinked while a pull works is not touched by it any more", func(t *testing.T) {
		t.Parallel()
		cases := simulate(t, "--clients", "300")
		s := start(t, following(t, cases, never))
		w := s.organization(t)
		w.linkMany(300)
		w.pull()
		for round := range 5 {
			cases.admin("POST", "/changes", object{"count": 300}, nil)
			var both sync.WaitGroup
			both.Go(w.pull)
			for n := range 20 {
				client := w.clientOf(casesim.ClientReference(1 + round*20 + n))
				both.Go(func() { w.unlinking(client).must(204) })
			}
			both.Wait()
		}
		if late := w.count(`
			SELECT count(*) FROM audit_events u JOIN audit_events s ON s.organization_id = u.organization_id AND s.subject_id = u.subject_id AND s.action = 'cams_synced'
			WHERE u.organization_id = $1 AND u.action = 'cams_unlinked' AND s.occurred_at > u.occurred_at`, w.ID); late != 0 {
			t.Errorf("%d changes came after their client was unlinked", late)
		}
		if links := w.count(`SELECT count(*) FROM cams_links WHERE organization_id = $1`, w.ID); links != 200 {
			t.Errorf("%d links are left", links)
		}
	})

	t.Run("C4 a pull that waits for whoever is unlinked finds them gone", func(t *testing.T) {
		t.Parallel()
		cases := simulate(t)
		s := start(t, following(t, cases, never))
		w := s.organization(t)
		client := decode[api.Client](w.fromCaMS("CL-000001").must(201))
		w.quiet()
		cases.changes("CL-000001", object{"last_name": "Unseen"})
		obstacle, err := s.DB.SQL.BeginTxx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer obstacle.Rollback()
		if _, err := obstacle.ExecContext(t.Context(), `SELECT FROM people WHERE id = $1 FOR UPDATE`, client.ID); err != nil {
			t.Fatal(err)
		}
		waiting := func(count int) {
			eventually(t, "others wait", func() bool {
				return w.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == count
			})
		}
		var both sync.WaitGroup
		both.Go(func() { w.unlinking(client.ID).must(204) })
		waiting(1)
		both.Go(w.pull)
		waiting(2)
		if err := obstacle.Rollback(); err != nil {
			t.Fatal(err)
		}
		both.Wait()
		if now := w.clientNow(client.ID); now.LastName != client.LastName || !now.Cams.IsNull() {
			t.Errorf("got %s, %+v", now.LastName, now.Cams)
		}
	})

	t.Run("C4 a pull and whoever edits a client at the same time lose nothing of each other", func(t *testing.T) {
		t.Parallel()
		cases := simulate(t)
		s := start(t, following(t, cases, never))
		w := s.organization(t)
		client := decode[api.Client](w.fromCaMS("CL-000001").must(201))
		w.quiet()
		for round := range 25 {
			name, born := fmt.Sprintf("Name-%d", round), fmt.Sprintf("1990-01-%02d", 1+round)
			cases.changes("CL-000001", object{"last_name": name, "date_of_birth": born})
			var both sync.WaitGroup
			both.Go(w.pull)
			both.Go(func() { w.section(client.ID, "identity", object{"preferred_name": name}).must(200) })
			both.Wait()
			now := w.clientNow(client.ID)
			if identity := now.Sections.Identity; identity.PreferredName.MustGet() != name || now.LastName != name || identity.DateOfBirth.MustGet().String() != born {
				t.Fatalf("round %d: got %+v", round, identity)
			}
		}
	})
}
