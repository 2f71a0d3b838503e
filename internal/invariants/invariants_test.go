package invariants

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"handover/internal/app"
	"handover/internal/httpapi"
	"handover/internal/invariants/seed"
	"handover/internal/postgres"
	"handover/internal/testdb"
	"handover/internal/worker"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// scene is two organizations, of which the first had changes of every sort after the snapshot.
type scene struct {
	t          testing.TB
	db         *sqlx.DB
	url        string
	ours       *seed.Organization
	theirs     *seed.Organization
	before     *Snapshot
	replaced   uuid.UUID // a run that replaced the staff of the first ten people
	queued     uuid.UUID
	handed     uuid.UUID // a run that handed over the leaver's matters and events
	undid      uuid.UUID // a run that took matters back
	acked      []Acknowledged
	editedTask uuid.UUID
}

type object = map[string]any

func newScene(t testing.TB) *scene {
	t.Helper()
	s := &scene{t: t, db: testdb.New(t).SQL}
	size := seed.Size{People: 60, Staff: 5, Matters: 12}
	for _, organization := range []**seed.Organization{&s.ours, &s.theirs} {
		filled, err := seed.New(t.Context(), s.db, size)
		if err != nil {
			t.Fatal(err)
		}
		*organization = filled
	}
	log := slog.New(slog.DiscardHandler)
	queue, err := worker.NewQueue(s.db.DB, log)
	if err != nil {
		t.Fatal(err)
	}
	application := app.New(postgres.NewStore(s.db, true), queue, time.Now, log)
	server := httptest.NewServer(httpapi.New(application, httpapi.Options{}))
	t.Cleanup(server.Close)
	s.url = server.URL
	if s.before, err = Take(t.Context(), s.db); err != nil {
		t.Fatal(err)
	}
	s.changes()
	if err := application.ChainAudit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// changes are one of every sort: each policy and scope, the older actions, intake tasks, a queued run, single edits, a
// handover, and one that was undone.
func (s *scene) changes() {
	staff := s.ours.Staff
	s.replaced = s.manage(0, 10, object{"type": "replace", "staff_ids": staff[2:3], "task_policy": "reassign_all", "task_scope": "assigned"})
	s.manage(5, 15, object{"type": "add", "staff_ids": staff[3:4], "task_policy": "add_new_staff"})
	s.manage(8, 18, object{"type": "add", "staff_ids": staff[1:2], "task_policy": "reassign_all", "task_scope": "team"})
	s.manage(16, 20, object{"type": "replace", "staff_ids": staff[1:3], "task_policy": "reassign_all", "task_scope": "all"})
	s.manage(20, 24, object{"type": "replace", "staff_ids": staff[1:3], "task_policy": "keep"})
	s.manage(20, 35, object{"type": "remove", "staff_ids": staff[:1], "task_policy": "reassign_to_remaining", "when_no_staff_remain": "unassign"})
	s.manage(30, 36, object{"type": "remove", "all_staff": true, "task_policy": "unassign"})
	s.manage(30, 36, object{"type": "assign", "staff_ids": staff[2:4], "include_intake_tasks": true})
	s.manage(0, 10, object{"type": "replace", "staff_ids": staff[2:3], "task_policy": "reassign_all", "task_scope": "assigned"})
	people := func(from, to int) object { return object{"type": "people", "person_ids": s.ours.People[from:to]} }
	s.post(200, "/v1/remove-staff", object{"selection": people(36, 40)})
	s.post(200, "/v1/assign-staff", object{"selection": people(36, 44), "staff_ids": staff[3:5], "tasks": "reassign", "include_intake_tasks": true})
	s.editedTask = s.post(201, "/v1/tasks", object{"title": "By hand", "person_id": s.ours.People[0], "assignee_ids": staff[:1]})
	s.manage(0, 1, object{"type": "add", "staff_ids": staff[4:], "task_policy": "reassign_all", "task_scope": "all"})
	s.queued = s.post(202, "/v1/manage-assignments", object{
		"selection": people(44, 50), "change": object{"type": "remove", "all_staff": true, "task_policy": "unassign"},
	})
	s.handed = s.post(200, "/v1/reassign-work", object{
		"from_staff_id": staff[0], "matters": object{"to_staff_ids": staff[1:3], "distribution": "round_robin"}, "events": object{"to_staff_ids": staff[3:4]},
	})
	undone := s.post(200, "/v1/reassign-work", object{"from_staff_id": staff[1], "matters": object{"to_staff_ids": []string{"me"}}})
	s.undid = s.post(200, "/v1/runs/"+undone.String()+"/undo", object{})
	// Intake tasks that were there are handed on, and no more are created; those of a run that is undone are cancelled.
	alone := object{"selection": people(50, 54)}
	welcome := func(by string) uuid.UUID {
		return s.post(200, "/v1/assign-staff", object{"selection": people(50, 54), "staff_ids": []string{by}, "tasks": "reassign", "include_intake_tasks": true})
	}
	s.post(200, "/v1/remove-staff", alone)
	taken := welcome(staff[2].String())
	s.post(200, "/v1/runs/"+taken.String()+"/undo", object{})
	welcome(staff[2].String())
	s.manage(50, 54, object{"type": "replace", "staff_ids": staff[4:5], "task_policy": "keep"}) // who held the tasks holds them still
	s.post(200, "/v1/remove-staff", alone)
	welcome(staff[3].String())
}

func (s *scene) manage(from, to int, change object) uuid.UUID {
	s.t.Helper()
	return s.post(200, "/v1/manage-assignments", object{
		"selection": object{"type": "people", "person_ids": s.ours.People[from:to]}, "change": change,
	})
}

// post sends a request and gives the id of what was answered. A status of 202 asks for it.
func (s *scene) post(status int, path string, body object) uuid.UUID {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+s.ours.Token)
	if status == http.StatusAccepted {
		request.Header.Set("Prefer", "respond-async")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		s.t.Fatalf("%s answered %d, want %d: %v %s", path, response.StatusCode, status, err, answer)
	}
	var created struct {
		ID uuid.UUID `json:"id"`
	}
	if err := json.Unmarshal(answer, &created); err != nil {
		s.t.Fatal(err)
	}
	if path != "/v1/tasks" {
		s.acked = append(s.acked, Acknowledged{s.ours.ID, created.ID, status == http.StatusOK})
	}
	return created.ID
}

func (s *scene) options() Options {
	return Options{Before: s.before, Changed: []uuid.UUID{s.ours.ID}, Acknowledged: s.acked}
}

// broken breaks something in a transaction of its own and tells what the check then finds.
func (s *scene) broken(t *testing.T, statement string) []Violation {
	t.Helper()
	tx, err := s.db.BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	statement = strings.NewReplacer(
		":ours", quoted(s.ours.ID), ":theirs", quoted(s.theirs.ID), ":replaced", quoted(s.replaced), ":queued", quoted(s.queued), ":handed", quoted(s.handed), ":undid", quoted(s.undid),
		":first", quoted(s.ours.People[0]), ":foreign", quoted(s.theirs.People[0]), ":stranger", quoted(s.theirs.Staff[0]),
		":last", quoted(s.ours.People[len(s.ours.People)-1]), ":leaver", quoted(s.ours.Leaver()), ":new", quoted(uuid.Must(uuid.NewV7())),
	).Replace(statement)
	if _, err := tx.ExecContext(t.Context(), `SET LOCAL session_replication_role = replica; `+statement); err != nil { // foreign keys would stop some
		t.Fatalf("%v\n%s", err, statement)
	}
	found, err := check(t.Context(), tx, s.options())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func quoted(id uuid.UUID) string { return "'" + id.String() + "'::uuid" }

func TestCheck(t *testing.T) {
	t.Parallel()
	s := newScene(t)

	t.Run("changes of every sort keep every invariant", func(t *testing.T) {
		found, err := Check(t.Context(), s.db, s.options())
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range found {
			t.Error(v)
		}
	})

	t.Run("without a snapshot the records of runs are checked alone", func(t *testing.T) {
		found, err := Check(t.Context(), s.db, Options{})
		if err != nil || len(found) > 0 {
			t.Errorf("got %v, %v", found, err)
		}
	})

	for _, broken := range breakages {
		t.Run(broken.invariant+" "+broken.what, func(t *testing.T) {
			found := s.broken(t, broken.statement)
			if !slices.ContainsFunc(found, func(v Violation) bool {
				return v.Invariant == broken.invariant && strings.Contains(v.Detail, broken.told)
			}) {
				t.Errorf("%q of %s is not among %v", broken.told, broken.invariant, found)
			}
		})
	}
}

// A plain active task of the last person, whom no run has touched; a changed item of a run.
const (
	someTask = `(SELECT id FROM tasks WHERE organization_id = :ours AND person_id = :last AND status = 'open' ORDER BY id LIMIT 1)`
	someItem = `run_id = :replaced AND kind = 'task' AND outcome = 'changed' AND position = (SELECT min(position) FROM run_items
		WHERE run_id = :replaced AND kind = 'task' AND outcome = 'changed')`
	itsAudit = `run_id = :replaced AND subject_id = :first`

	// Of the handover: who is neither the leaver nor named for it; an item that moved, and one that was left alone.
	uninvolved = `(SELECT id FROM staff WHERE organization_id = :ours AND role = 'administrator')`
	someMatter = `(SELECT min(item_id::text)::uuid FROM run_items WHERE run_id = :handed AND kind = 'matter' AND outcome = 'changed')`
	someEvent  = `(SELECT min(item_id::text)::uuid FROM run_items WHERE run_id = :handed AND kind = 'calendar_event' AND outcome = 'changed')`
	privateOne = `(SELECT id FROM matters WHERE organization_id = :ours AND visibility = 'private' AND status <> 'closed' LIMIT 1)`
)

var breakages = []struct{ invariant, what, told, statement string }{
	{"I1", "an item twice", "stands more than once", `
		INSERT INTO run_items SELECT organization_id, run_id, 1000, kind, item_id, outcome, reason, before_staff_ids, after_staff_ids FROM run_items WHERE run_id = :replaced AND position = 1`},
	{"I1", "a gap in the items", "without gaps", `UPDATE run_items SET position = 1000 WHERE run_id = :replaced AND position = 2`},
	{"I1", "an outcome that is not true", "outcome is not", `UPDATE run_items SET outcome = 'unchanged' WHERE ` + someItem},
	{"I1", "a total off by one", "totals are not", `UPDATE runs SET totals = jsonb_set(totals, '{tasks_changed}', to_jsonb((totals ->> 'tasks_changed')::integer + 1)) WHERE id = :replaced`},
	{"I1", "totals of a run that did nothing yet", "totals are not", `UPDATE runs SET totals = jsonb_set(totals, '{people_changed}', '1') WHERE id = :queued`},
	{"I1", "progress that stopped", "progress", `UPDATE run_progress SET done = done - 1 WHERE run_id = :replaced`},
	{"I1", "a selected person without an item", "has no item", `DELETE FROM run_items WHERE run_id = :replaced AND item_id = :first`},
	{"I1", "an item of somebody who was not selected", "was not selected", `UPDATE run_items SET item_id = :last WHERE run_id = :replaced AND item_id = :first`},

	{"I2", "items of a run that failed", "items of a run that has not succeeded", `UPDATE runs SET status = 'failed' WHERE id = :replaced`},
	{"I2", "audit rows of a run that is queued", "audit rows of a run that has not succeeded", `UPDATE runs SET status = 'queued', finished_at = NULL WHERE id = :replaced`},
	{"I2", "items without a run", "items of a run that has not succeeded", `DELETE FROM runs WHERE id = :replaced`},
	{"I2", "a succeeded run without items", "has no items", `DELETE FROM run_items WHERE run_id = :replaced`},
	{"I2", "a queued run without a job", "will never come", `DELETE FROM river.river_job WHERE args ->> 'run_id' = :queued::text`},
	{"I2", "a queued run whose job was given up", "will never come", `UPDATE river.river_job SET state = 'discarded', finalized_at = now() WHERE args ->> 'run_id' = :queued::text`},
	{"I2", "a job without its run", "without its run", `DELETE FROM runs WHERE id = :queued`},
	{"I2", "a seat on a person missing", "last run left", `DELETE FROM assignments WHERE person_id = :first`},
	{"I2", "a seat on a task missing", "last run left", `
		DELETE FROM task_assignees WHERE task_id = (SELECT item_id FROM run_items WHERE ` + someItem + `)`},
	{"I2", "seats of people without the run that gave them", "a person's staff were", `
		DELETE FROM runs WHERE id = :replaced; DELETE FROM run_items WHERE run_id = :replaced; DELETE FROM audit_events WHERE run_id = :replaced`},
	{"I2", "seats given by nobody", "the staff of a person are", `INSERT INTO assignments SELECT :ours, :last, id FROM staff WHERE organization_id = :ours ON CONFLICT DO NOTHING`},
	{"I2", "a before that was not so", "a task's assignees were", `UPDATE run_items SET before_staff_ids = '{}' WHERE ` + someItem},
	{"I2", "a task that nobody created", "nobody created", `
		INSERT INTO tasks (organization_id, id, title, status, created_at, updated_at) VALUES (:ours, :new, 'Ghost', 'open', now(), now())`},
	{"I2", "a person whom nobody added", "nobody added", `
		INSERT INTO people (organization_id, id, kind, status, first_name, last_name, created_at, updated_at) VALUES (:ours, :new, 'client', 'active', 'G', 'Host', now(), now())`},

	{"I1", "a total of what was left alone off by one", "left alone are not", `
		UPDATE runs SET totals = jsonb_set(totals, '{left_alone,closed_matter}', to_jsonb((totals -> 'left_alone' ->> 'closed_matter')::integer + 1)) WHERE id = :handed`},
	{"I1", "matters moved that are none of its items", "totals are not", `UPDATE runs SET totals = jsonb_set(totals, '{matters_moved}', '99') WHERE id = :handed`},
	{"I1", "an item left alone without a reason", "no known reason", `UPDATE run_items SET reason = NULL WHERE run_id = :handed AND outcome = 'left_alone'`},
	{"I2", "a matter that somebody else has", "responsible for a matter", `UPDATE matters SET responsible_staff_id = ` + uninvolved + ` WHERE id = ` + someMatter},
	{"I2", "an event that somebody else has", "owner of an event", `UPDATE calendar_events SET owner_staff_id = ` + uninvolved + ` WHERE id = ` + someEvent},
	{"I2", "an undo that is not marked", "marked as undone", `UPDATE runs SET reverted_by_run_id = NULL WHERE organization_id = :ours AND reverted_by_run_id IS NOT NULL`},
	{"I2", "somebody told of too much", "told of", `UPDATE notifications SET matters_count = matters_count + 1 WHERE run_id = :handed`},
	{"I2", "somebody not told", "told of", `DELETE FROM notifications WHERE run_id = :handed AND kind = 'work_received'`},
	{"I2", "somebody told to have lost too much", "to have lost", `UPDATE notifications SET matters_count = matters_count + 1 WHERE run_id = :undid AND kind = 'work_handed_over'`},
	{"I2", "somebody not told what an undo took", "to have lost", `DELETE FROM notifications WHERE run_id = :undid AND kind = 'work_handed_over'`},
	{"I2", "a notification whose number is missing", "numbered", `UPDATE notification_counters SET last_number = last_number + 1 WHERE organization_id = :ours`},
	{"I3", "a matter that was not the leaver's", "was not theirs", `UPDATE run_items SET before_staff_ids = ARRAY [` + uninvolved + `] WHERE run_id = :handed AND item_id = ` + someMatter},
	{"I3", "a matter that is still the leaver's", "still is", `UPDATE run_items SET after_staff_ids = before_staff_ids WHERE run_id = :handed AND item_id = ` + someMatter},
	{"I3", "a matter that went to somebody else", "was not named", `UPDATE run_items SET after_staff_ids = ARRAY [` + uninvolved + `] WHERE run_id = :handed AND item_id = ` + someMatter},
	{"I3", "an event that went to who gets the matters", "was not named", `
		UPDATE runs SET request = jsonb_set(request, '{events,to_staff_ids}', request -> 'matters' -> 'to_staff_ids') WHERE id = :handed`},
	{"I6", "an item of a private matter", "private or over", `UPDATE run_items SET item_id = ` + privateOne + ` WHERE run_id = :handed AND item_id = ` + someMatter},

	{"I3", "an active task vanished", "task has vanished", `DELETE FROM tasks WHERE id = ` + someTask},
	{"I3", "a person vanished", "person has vanished", `DELETE FROM people WHERE id = :last`},
	{"I3", "an active task lost its assignees", "no run touched", `DELETE FROM task_assignees WHERE task_id = ` + someTask},
	{"I3", "an active task became over by itself", "nobody edited", `UPDATE tasks SET status = 'cancelled' WHERE id = ` + someTask},
	{"I3", "a result that is not what the rules say", "the rules say", `
		UPDATE run_items SET after_staff_ids = ARRAY [:leaver] WHERE ` + someItem},
	{"I3", "another wish than the one carried out", "the rules say", `
		UPDATE runs SET request = jsonb_set(request, '{change,staff_ids}', jsonb_build_array(:leaver)) WHERE id = :replaced`},
	{"I3", "a task left out", "was left out", `DELETE FROM run_items WHERE ` + someItem},
	{"I3", "a task out of scope", "does not speak of", `UPDATE runs SET request = jsonb_set(request, '{change,task_policy}', '"keep"') WHERE id = :replaced`},
	{"I3", "intake tasks for some only", "intake tasks", `
		DELETE FROM run_items WHERE ctid = (SELECT ctid FROM run_items WHERE organization_id = :ours AND outcome = 'created' LIMIT 1)`},

	{"I4", "an acknowledged run is gone", "is not there", `DELETE FROM runs WHERE id = :replaced`},
	{"I4", "an acknowledged run has failed after all", "acknowledged as succeeded is failed", `UPDATE runs SET status = 'failed' WHERE id = :replaced`},

	{"I5", "an audit row missing", "has no audit row", `DELETE FROM audit_events WHERE ` + itsAudit},
	{"I5", "an audit row too many", "has no changed item", `
		INSERT INTO audit_events SELECT organization_id, :new, occurred_at, staff_id, action, subject_kind, :last, run_id, request_id, reason, before, after FROM audit_events WHERE ` + itsAudit},
	{"I5", "an audit row twice", "more than one audit row", `
		INSERT INTO audit_events SELECT organization_id, :new, occurred_at, staff_id, action, subject_kind, subject_id, run_id, request_id, reason, before, after FROM audit_events WHERE ` + itsAudit},
	{"I5", "a before that differs from the item's", "before and after", `UPDATE audit_events SET before = NULL WHERE ` + itsAudit},
	{"I5", "an after that differs from the item's", "before and after", `UPDATE audit_events SET after = '{"staff_ids": []}' WHERE ` + itsAudit},
	{"I5", "somebody else who did it", "who did what", `UPDATE audit_events SET staff_id = :leaver WHERE ` + itsAudit},
	{"I5", "an audit row from another time", "who did what", `UPDATE audit_events SET occurred_at = occurred_at - interval '1 day' WHERE ` + itsAudit},

	{"I6", "a task that is over lost its assignee", "no run touched", `
		DELETE FROM task_assignees WHERE task_id IN (SELECT id FROM tasks WHERE organization_id = :ours AND status = 'completed')`},
	{"I6", "a task of a private matter went over", "no run touched", `
		UPDATE task_assignees a SET staff_id = (SELECT id FROM staff WHERE organization_id = :ours AND id <> :leaver LIMIT 1) FROM tasks t JOIN matters m ON m.id = t.matter_id
		WHERE t.id = a.task_id AND m.organization_id = :ours AND m.visibility = 'private'`},
	{"I6", "a closed matter went over", "matter or an event", `
		UPDATE matters SET responsible_staff_id = (SELECT id FROM staff WHERE organization_id = :ours AND id <> :leaver LIMIT 1) WHERE organization_id = :ours AND status = 'closed'`},
	{"I6", "an item of a task that is over", "private or over", `
		UPDATE run_items SET item_id = (SELECT id FROM tasks WHERE organization_id = :ours AND status = 'completed' LIMIT 1) WHERE ` + someItem},

	{"I7", "a person of another organization renamed", "nobody changed", `UPDATE people SET first_name = 'Other' WHERE id = :foreign`},
	{"I7", "a row more in another organization", "nobody changed", `
		INSERT INTO selections SELECT :theirs, :new, :stranger, now(), now(), 0, 0`},
	{"I7", "all rows of a table of another organization gone", "nobody changed", `DELETE FROM intake_template_tasks WHERE organization_id = :theirs`},
	{"I7", "another organization renamed", "nobody changed", `UPDATE organizations SET name = 'Other' WHERE id = :theirs`},
	{"I7", "an item of another organization", "not of the run's organization", `UPDATE run_items SET item_id = :foreign WHERE run_id = :replaced AND item_id = :first`},
	{"I7", "staff of another organization in an item", "staff of another organization", `UPDATE run_items SET after_staff_ids = ARRAY [:stranger] WHERE ` + someItem},
	{"I7", "somebody of another organization in a selection", "holds somebody of another", `
		UPDATE selection_people SET person_id = :foreign WHERE ctid = (SELECT ctid FROM selection_people WHERE organization_id = :ours LIMIT 1)`},

	{"I8", "a chained event changed", "not what was chained", `UPDATE audit_events SET reason = 'another' WHERE ` + itsAudit},
	{"I8", "a chained event gone", "is not in the trail", `DELETE FROM audit_events WHERE ` + itsAudit},
	{"I8", "a stretch of the chain gone", "a gap", `UPDATE audit_links SET first_position = first_position + 1, last_position = last_position + 1 WHERE organization_id = :ours`},
	{"I8", "an event twice in the chain", "chained twice", `
		UPDATE audit_links SET event_ids = event_ids || event_ids[1], hashes = hashes || substring(hashes FOR 32), last_position = last_position + 1 WHERE organization_id = :ours`},
	{"I8", "a hash replaced", "not what was chained", `UPDATE audit_links SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) WHERE organization_id = :ours`},
	{"I8", "a link whose events nobody would find", "newest", `UPDATE audit_links SET newest_event_id = :leaver WHERE organization_id = :ours`},
}
