package acceptance

import (
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"handover/internal/domain"
)

// chained chains what there is to chain.
func (s *service) chained(t testing.TB) {
	t.Helper()
	if err := s.app.ChainAudit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// verified holds the organization's chain against its trail.
func (w *world) verified(expected ...domain.ChainHead) domain.ChainReport {
	w.t.Helper()
	report, err := w.service.app.VerifyAudit(w.t.Context(), domain.OrganizationID(w.ID), expected, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

// trail makes an organization whose trail has 12 events, in three links of its chain. They are told in their order.
func (s *service) trail(t testing.TB) (*world, []uuid.UUID) {
	t.Helper()
	w := s.organization(t)
	for range 3 {
		for i := range 4 {
			w.as(w.Admin, "POST", "/v1/tasks", object{"title": fmt.Sprint("Call ", i), "details": "D1 “" + w.ID.String() + "”"}).must(201)
		}
		s.chained(t)
	}
	if links := w.count(`SELECT count(*) FROM audit_links WHERE organization_id = $1`, w.ID); links != 3 {
		t.Fatalf("got %d links", links)
	}
	return w, w.ids(`SELECT e.id FROM audit_links l, unnest(l.event_ids) WITH ORDINALITY AS e (id, place) WHERE l.organization_id = $1 ORDER BY l.first_position, e.place`, w.ID)
}

func TestAuditChain(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "D1 what was changed over HTTP is chained, single changes and runs, and verifies", func(t *testing.T, w *world) {
		ann := w.member("member")
		person := w.person("client")
		w.as(w.Admin, "POST", "/v1/tasks", object{"title": "Call", "person_id": person}).must(201)
		w.managed(people(person), change("assign", staffed(ann)))
		if before := w.verified(); before.Events != 0 || before.Unchained != 2 || before.OldestUnchainedAt == nil || time.Since(*before.OldestUnchainedAt) > time.Minute || before.Problem != nil {
			t.Errorf("before: %+v", before)
		}
		s.chained(t)
		report := w.verified()
		if events := w.count(`SELECT count(*) FROM audit_events WHERE organization_id = $1`, w.ID); report.Problem != nil || report.Events != int64(events) || events != 2 || report.Unchained != 0 {
			t.Errorf("%d events: %+v", events, report)
		}
		s.chained(t)
		if again := w.verified(report.Head); again.Head != report.Head || again.Problem != nil {
			t.Errorf("nothing happened, and the head went from %s to %s", report.Head, again.Head)
		}
		head, _, begun, err := s.app.AuditHead(t.Context(), domain.OrganizationID(w.ID))
		if err != nil || !begun || head != report.Head {
			t.Errorf("got head %s, %t, %v, want %s", head, begun, err, report.Head)
		}
	})

	s.rule(t, "D1 a chain is not that of another organization with the same events", func(t *testing.T, w *world) {
		empty := w.verified()
		if other := s.organization(t).verified(); other.Head == empty.Head || empty.Head.Position != 0 {
			t.Errorf("two chains begin with %s", empty.Head)
		}
		_, _, begun, err := s.app.AuditHead(t.Context(), domain.OrganizationID(w.ID))
		if err != nil || begun {
			t.Errorf("a chain without events has begun: %t, %v", begun, err)
		}
	})
}

// Whatever somebody does to the trail past the service, verifying names the first place where it shows.
func TestAuditChainNamesWhatWasTamperedWith(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	const (
		own      = ` WHERE organization_id = $1`
		oneEvent = own + ` AND id = $2`
		lastLink = own + ` AND first_position = 9`
	)
	bytesOf := func(text string) string { return fmt.Sprintf(`decode('%s', 'hex')`, text) }
	for name, tampering := range map[string]struct {
		do       func(t *testing.T, w *world, events []uuid.UUID)
		problem  string
		position int64
		event    int // the index of the one that is named; -1: none
		expect   bool
	}{
		"a changed text": {func(_ *testing.T, w *world, events []uuid.UUID) {
			w.exec(`UPDATE audit_events SET reason = 'another'`+oneEvent, w.ID, events[5])
		}, domain.ChainEventChanged, 6, 5, false},
		"a text that was null and is empty": {func(_ *testing.T, w *world, events []uuid.UUID) {
			w.exec(`UPDATE audit_events SET reason = ''`+oneEvent, w.ID, events[0])
		}, domain.ChainEventChanged, 1, 0, false},
		"a changed actor": {func(_ *testing.T, w *world, events []uuid.UUID) {
			w.exec(`UPDATE audit_events SET staff_id = NULL`+oneEvent, w.ID, events[3])
		}, domain.ChainEventChanged, 4, 3, false},
		"an instant later by a microsecond": {func(_ *testing.T, w *world, events []uuid.UUID) {
			w.exec(`UPDATE audit_events SET occurred_at = occurred_at + interval '1 microsecond'`+oneEvent, w.ID, events[11])
		}, domain.ChainEventChanged, 12, 11, false},
		"an instant that is none": {func(_ *testing.T, w *world, events []uuid.UUID) {
			w.exec(`UPDATE audit_events SET occurred_at = 'infinity'`+oneEvent, w.ID, events[4])
		}, domain.ChainEventChanged, 5, 4, false},
		"a changed member of what is after": {func(_ *testing.T, w *world, events []uuid.UUID) {
			w.exec(`UPDATE audit_events SET after = jsonb_set(after, '{title}', '"Visit"')`+oneEvent, w.ID, events[7])
		}, domain.ChainEventChanged, 8, 7, false},
		"something where there was nothing before": {func(_ *testing.T, w *world, events []uuid.UUID) {
			w.exec(`UPDATE audit_events SET before = 'null'`+oneEvent, w.ID, events[8])
		}, domain.ChainEventChanged, 9, 8, false},
		"a deleted event": {func(_ *testing.T, w *world, events []uuid.UUID) {
			w.exec(`DELETE FROM audit_events`+oneEvent, w.ID, events[6])
		}, domain.ChainEventMissing, 7, 6, false},
		"two of them: the first is named": {func(_ *testing.T, w *world, events []uuid.UUID) {
			w.exec(`DELETE FROM audit_events`+oneEvent, w.ID, events[10])
			w.exec(`UPDATE audit_events SET action = 'nothing'`+oneEvent, w.ID, events[9])
		}, domain.ChainEventChanged, 10, 9, false},
		"two events that have changed places in the chain": {func(_ *testing.T, w *world, events []uuid.UUID) {
			w.exec(`UPDATE audit_links SET event_ids = $2`+lastLink, w.ID, pq.Array([]uuid.UUID{events[8], events[10], events[9], events[11]}))
		}, domain.ChainEventOutOfPlace, 10, 10, false},
		"two events that have changed ids": {func(_ *testing.T, w *world, events []uuid.UUID) {
			third := newID()
			for _, step := range [][2]uuid.UUID{{events[1], third}, {events[2], events[1]}, {third, events[2]}} {
				w.exec(`UPDATE audit_events SET id = $3`+oneEvent, w.ID, step[0], step[1])
			}
		}, domain.ChainEventChanged, 2, 1, false},
		"an event that was put into the chain": {func(_ *testing.T, w *world, events []uuid.UUID) {
			w.exec(`UPDATE audit_links SET event_ids = event_ids[1:2] || $2::uuid || event_ids[3:4], last_position = last_position + 1,
				hashes = substring(hashes FOR 64) || `+bytesOf(hex.EncodeToString(make([]byte, 32)))+` || substring(hashes FROM 65)`+lastLink, w.ID, w.forged(events[9], newID()))
		}, domain.ChainEventInserted, 11, -2, false},
		"an event that was put into the chain with a hash that fits": {func(t *testing.T, w *world, events []uuid.UUID) {
			forgery := w.forged(events[9], newID())
			w.exec(`UPDATE audit_links SET event_ids = event_ids[1:2] || $2::uuid || event_ids[3:4], last_position = last_position + 1,
				hashes = substring(hashes FOR 64) || `+bytesOf(w.hashAfter(t, 10, forgery).String())+` || substring(hashes FROM 65)`+lastLink, w.ID, forgery)
		}, domain.ChainEventInserted, 11, -2, false},
		"an event that was taken out of trail and chain": {func(_ *testing.T, w *world, events []uuid.UUID) {
			w.exec(`DELETE FROM audit_events`+oneEvent, w.ID, events[9])
			w.exec(`UPDATE audit_links SET event_ids = event_ids[1:1] || event_ids[3:4], last_position = last_position - 1,
				hashes = substring(hashes FOR 32) || substring(hashes FROM 65)`+lastLink, w.ID)
		}, domain.ChainEventChanged, 10, 10, false},
		"a hash that was replaced": {func(_ *testing.T, w *world, _ []uuid.UUID) {
			w.exec(`UPDATE audit_links SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1)`+lastLink, w.ID)
		}, domain.ChainEventChanged, 10, 9, false},
		"a link that is gone": {func(_ *testing.T, w *world, _ []uuid.UUID) {
			w.exec(`DELETE FROM audit_links`+own+` AND first_position = 5`, w.ID)
		}, domain.ChainBroken, 5, -1, false},
		"a first link that is gone": {func(_ *testing.T, w *world, _ []uuid.UUID) {
			w.exec(`DELETE FROM audit_links`+own+` AND first_position = 1`, w.ID)
		}, domain.ChainBroken, 1, -1, false},
		"a link beside the others": {func(_ *testing.T, w *world, events []uuid.UUID) {
			forgery := w.forged(events[9], newID())
			w.exec(`INSERT INTO audit_links (organization_id, first_position, last_position, format, newest_event_id, event_ids, hashes, chained_at)
				SELECT organization_id, 11, 11, format, $2, ARRAY[$2::uuid], substring(hashes FOR 32), chained_at FROM audit_links`+lastLink, w.ID, forgery)
		}, domain.ChainBroken, 13, -1, false},
		"a link of an unknown format": {func(_ *testing.T, w *world, _ []uuid.UUID) {
			w.exec(`UPDATE audit_links SET format = 7`+lastLink, w.ID)
		}, domain.ChainBroken, 9, -1, false},
		"an event that is chained twice": {func(t *testing.T, w *world, events []uuid.UUID) {
			w.exec(`UPDATE audit_links SET event_ids = event_ids || $2::uuid, last_position = last_position + 1,
				hashes = hashes || `+bytesOf(w.hashAfter(t, 12, events[4]).String())+lastLink, w.ID, events[4])
		}, domain.ChainEventRepeated, 0, 4, false},
		"a tail that is gone, where its head was kept": {func(_ *testing.T, w *world, events []uuid.UUID) {
			w.exec(`DELETE FROM audit_events`+own+` AND id = ANY ($2)`, w.ID, pq.Array(events[8:]))
			w.exec(`DELETE FROM audit_links`+lastLink, w.ID)
		}, domain.ChainTruncated, 9, -1, true},
		"a chain that was made anew, where its head was kept": {func(t *testing.T, w *world, events []uuid.UUID) {
			w.exec(`UPDATE audit_events SET reason = 'another'`+oneEvent, w.ID, events[5])
			w.exec(`DELETE FROM audit_links`+own, w.ID)
			w.exec(`DELETE FROM audit_chain_progress`+own, w.ID)
			s.chained(t)
			if report := w.verified(); report.Problem != nil {
				t.Errorf("without the head it shows: %+v", report.Problem)
			}
		}, domain.ChainNotExpected, 12, 11, true},
	} {
		t.Run(name, func(t *testing.T) {
			w, events := s.trail(t)
			w.t = t
			sound := w.verified()
			if sound.Problem != nil || sound.Events != 12 {
				t.Fatalf("before: %+v", sound)
			}
			tampering.do(t, w, events)
			var expected []domain.ChainHead
			if tampering.expect {
				expected = append(expected, sound.Head)
			}
			problem := w.verified(expected...).Problem
			if problem == nil {
				t.Fatal("it is not noticed")
			}
			var named *uuid.UUID
			switch tampering.event {
			case -1:
			case -2:
				forgery := w.forgery()
				named = &forgery
			default:
				named = &events[tampering.event]
			}
			if problem.Problem != tampering.problem || problem.Position != tampering.position || (named == nil) != (problem.AuditEventID == nil) || named != nil && *named != *problem.AuditEventID {
				t.Errorf("got %s at position %d (%v): %s", problem.Problem, problem.Position, problem.AuditEventID, problem.Detail)
			}
		})
	}
}

// forged puts a copy of an event into the trail, under another id.
func (w *world) forged(event, id uuid.UUID) uuid.UUID {
	w.t.Helper()
	w.exec(`INSERT INTO audit_events (organization_id, id, occurred_at, staff_id, action, subject_kind, subject_id, reason, before, after)
		SELECT organization_id, $3, occurred_at, staff_id, action, subject_kind, subject_id, 'forged', before, after FROM audit_events WHERE organization_id = $1 AND id = $2`, w.ID, event, id)
	return id
}

func (w *world) forgery() uuid.UUID {
	w.t.Helper()
	return w.ids(`SELECT id FROM audit_events WHERE organization_id = $1 AND reason = 'forged'`, w.ID)[0]
}

// hashAfter is what somebody would compute who puts an event of a task that was created by the administrator after a position.
func (w *world) hashAfter(t *testing.T, position int64, event uuid.UUID) domain.ChainHash {
	t.Helper()
	var hash []byte
	if err := w.service.DB.SQL.GetContext(t.Context(), &hash, `SELECT substring(hashes FROM (32 * ($2::bigint - first_position) + 1)::integer FOR 32) FROM audit_links
		WHERE organization_id = $1 AND $2 BETWEEN first_position AND last_position`, w.ID, position); err != nil {
		t.Fatal(err)
	}
	record := domain.AuditRecord{ID: event}
	if err := w.service.DB.SQL.QueryRowContext(t.Context(), `SELECT (extract(epoch FROM occurred_at) * 1000000)::bigint, staff_id, action, subject_kind, subject_id, run_id, request_id, reason, before, after
		FROM audit_events WHERE organization_id = $1 AND id = $2`, w.ID, event).Scan(&record.OccurredAt, &record.StaffID, &record.Action, &record.SubjectKind, &record.SubjectID,
		&record.RunID, &record.RequestID, &record.Reason, &record.Before, &record.After); err != nil {
		t.Fatal(err)
	}
	return domain.ChainFrom(domain.OrganizationID(w.ID), domain.ChainHead{Position: position, Hash: domain.ChainHash(hash)}).Append(record)
}

// Writers commit in another order than that of their ids, and several workers chain meanwhile: each event is chained once, and nobody waits.
func TestAuditChainBesideWriters(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	insert := `INSERT INTO audit_events (organization_id, id, occurred_at, action, subject_kind, subject_id, after)
		SELECT $1, id, now(), 'written', 'task', id, '{}' FROM unnest($2::uuid[]) AS id`
	const writers, rounds, events = 6, 12, 40
	stop := make(chan struct{})
	var chainers sync.WaitGroup
	for range 3 {
		chainers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := s.app.ChainAudit(t.Context()); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	together(writers, func(writer int) error {
		for round := range rounds {
			ids := make([]uuid.UUID, events)
			for i := range ids {
				ids[i] = newID()
			}
			tx, err := s.DB.SQL.BeginTxx(t.Context(), nil)
			if err != nil {
				t.Error(err)
				return err
			}
			defer tx.Rollback()
			if _, err := tx.ExecContext(t.Context(), insert, w.ID, pq.Array(ids)); err != nil {
				t.Error(err)
				return err
			}
			time.Sleep(time.Duration((writer*7+round*3)%11) * 5 * time.Millisecond) // others overtake it
			if writer == 0 && round%4 == 3 {
				continue // it comes to nothing
			}
			if err := tx.Commit(); err != nil {
				t.Error(err)
				return err
			}
		}
		return nil
	})
	close(stop)
	chainers.Wait()
	s.chained(t)
	report := w.verified()
	const want = (writers*rounds - rounds/4) * events
	if report.Problem != nil || report.Unchained != 0 || report.Events != want {
		t.Errorf("want %d events, got %+v", want, report)
	}
	if order := w.ids(`SELECT e.id FROM audit_links l, unnest(l.event_ids) WITH ORDINALITY AS e (id, place) WHERE l.organization_id = $1 ORDER BY l.first_position, e.place`, w.ID); slices.IsSortedFunc(order, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }) {
		t.Error("nobody was overtaken, so that nothing was tried")
	}
}

// A transaction may take longer than a look goes back: its events are chained by the next sweep, after all others.
func TestAuditChainSweeps(t *testing.T) {
	t.Parallel()
	var hands clock
	s := start(t, withoutWorker, hands.option)
	w := s.organization(t)
	w.as(w.Admin, "POST", "/v1/tasks", object{"title": "Call"}).must(201)
	s.chained(t)
	late := uuid.MustParse("01900000-0000-7000-8000-000000000001") // of 2024
	w.exec(`INSERT INTO audit_events (organization_id, id, occurred_at, action, subject_kind, subject_id) VALUES ($1, $2, now() - interval '3 hours', 'written', 'task', $2)`, w.ID, late)
	s.chained(t)
	report := w.verified()
	if report.Events != 1 || report.Unchained != 1 || report.Problem != nil || time.Since(*report.OldestUnchainedAt) < time.Hour {
		t.Errorf("before the sweep: %+v", report)
	}
	hands.advance(25 * time.Hour)
	s.chained(t)
	if report := w.verified(report.Head); report.Events != 2 || report.Unchained != 0 || report.Problem != nil {
		t.Errorf("after the sweep: %+v", report)
	}
}
