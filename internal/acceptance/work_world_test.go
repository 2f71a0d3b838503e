package acceptance

import (
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

// What a leaver has, straight into the tables, and asking for it to be handed over.

// matterWith adds a matter of any status and visibility.
func (w *world) matterWith(status, visibility string, responsible member) uuid.UUID {
	w.t.Helper()
	id := w.matter(visibility, responsible)
	w.exec(`UPDATE matters SET status = $3 WHERE organization_id = $1 AND id = $2`, w.ID, id, status)
	return id
}

// workOn adds an open task on a matter, without a due date.
func (w *world) workOn(matter uuid.UUID, assignees ...member) uuid.UUID {
	w.t.Helper()
	return w.taskIn("open", uuid.NullUUID{}, uuid.NullUUID{UUID: matter, Valid: true}, assignees...)
}

// due gives a task a due date, "2024-02-26".
func (w *world) due(task uuid.UUID, on string) uuid.UUID {
	w.t.Helper()
	w.exec(`UPDATE tasks SET due_on = $3 WHERE organization_id = $1 AND id = $2`, w.ID, task, on)
	return task
}

// eventOn adds an event on a matter, at an instant of an hour.
func (w *world) eventOn(matter uuid.UUID, starts time.Time, owner member, attendees ...member) uuid.UUID {
	w.t.Helper()
	return w.eventAt(uuid.NullUUID{UUID: matter, Valid: true}, starts, owner, attendees...)
}

func (w *world) eventAt(matter uuid.NullUUID, starts time.Time, owner member, attendees ...member) uuid.UUID {
	w.t.Helper()
	id := newID()
	w.exec(`INSERT INTO calendar_events (organization_id, id, title, starts_at, ends_at, owner_staff_id, matter_id, created_at, updated_at)
		VALUES ($1, $2, 'Hearing', $3, $3::timestamptz + interval '1 hour', $4, $5, now(), now())`, w.ID, id, starts, owner.ID, matter)
	for _, attendee := range attendees {
		w.exec(`INSERT INTO calendar_event_attendees (organization_id, calendar_event_id, staff_id) VALUES ($1, $2, $3)`, w.ID, id, attendee.ID)
	}
	return id
}

// responsible fails the test unless the matter is this member's.
func (w *world) responsible(matter uuid.UUID, want member) {
	w.t.Helper()
	sameIDs(w.t, "who is responsible for the matter", w.ids(`SELECT responsible_staff_id FROM matters WHERE organization_id = $1 AND id = $2`, w.ID, matter), want.ID)
}

// owned fails the test unless the event is on this member's calendar.
func (w *world) owned(event uuid.UUID, want member) {
	w.t.Helper()
	sameIDs(w.t, "the event's owner", w.ids(`SELECT owner_staff_id FROM calendar_events WHERE organization_id = $1 AND id = $2`, w.ID, event), want.ID)
}

// handOver is the body that hands over what a leaver has.
func handOver(leaver member, parts ...object) object {
	body := object{"from_staff_id": leaver.ID}
	for _, part := range parts {
		maps.Copy(body, part)
	}
	return body
}

// given is a part of the work with its successors, in their order, and how they share it.
func given(part string, distribution string, successors ...member) object {
	ids := make([]uuid.UUID, len(successors))
	for i, m := range successors {
		ids[i] = m.ID
	}
	fields := object{"to_staff_ids": ids}
	if distribution != "" {
		fields["distribution"] = distribution
	}
	return object{part: fields}
}

// allTo hands over every part to one successor.
func allTo(successor member) object {
	all := object{}
	for _, part := range []string{"matters", "tasks", "events", "people"} {
		maps.Copy(all, given(part, "", successor))
	}
	return all
}

// extended is a body with further fields.
func extended(body object, fields object) object {
	both := maps.Clone(body)
	maps.Copy(both, fields)
	return both
}

var preview = object{"dry_run": true}

// reassign asks for a leaver's work to be handed over.
func (w *world) reassign(body object, headers ...header) answer {
	w.t.Helper()
	return w.as(w.Admin, "POST", "/v1/reassign-work", body, headers...)
}

// previewed asks what a handover would do.
func (w *world) previewed(body object) api.Run {
	w.t.Helper()
	run := decode[api.Run](w.reassign(extended(body, preview)).must(200))
	if run.Status != "preview" || !run.DryRun || !run.ID.IsNull() || !run.Links.IsNull() || !run.Undo.IsNull() {
		w.t.Fatalf("got a preview %+v", run)
	}
	return run
}

// reassigned hands over. What comes of it must be what the preview said (A16).
func (w *world) reassigned(body object) api.Run {
	w.t.Helper()
	before := w.previewed(body)
	run := decode[api.Run](w.reassign(body).must(200))
	if run.Status != "succeeded" || run.Kind != "reassign_work" || run.DryRun {
		w.t.Fatalf("got run %+v", run)
	}
	w.asPreviewed(run, before)
	return run
}

// asPreviewed fails the test unless a run came to what its preview said.
func (w *world) asPreviewed(run, before api.Run) {
	w.t.Helper()
	if run.Totals != before.Totals || run.Progress != before.Progress {
		w.t.Errorf("the run came to %+v %+v\nthe preview  to %+v %+v", run.Totals, run.Progress, before.Totals, before.Progress)
	}
	if run.Revision.IsNull() != before.Revision.IsNull() || !run.Revision.IsNull() && run.Revision.MustGet() != before.Revision.MustGet() {
		w.t.Errorf("the run's revision is %v, the preview's %v", run.Revision, before.Revision)
	}
}

// undo asks for a run to be undone.
func (w *world) undo(m member, run api.Run, body object, headers ...header) answer {
	w.t.Helper()
	return w.as(m, "POST", linksOf(w.t, run).Self+"/undo", body, headers...)
}

// undone undoes a run. What comes of it must be what the preview said (A16).
func (w *world) undone(run api.Run) api.Run {
	w.t.Helper()
	before := decode[api.Run](w.undo(w.Admin, run, preview).must(200))
	if before.Status != "preview" || before.Kind != "undo" || !before.ID.IsNull() {
		w.t.Fatalf("got a preview %+v", before)
	}
	undo := decode[api.Run](w.undo(w.Admin, run, object{}).must(200))
	if undo.Status != "succeeded" || undo.Kind != "undo" || undo.Reverts.MustGet() != run.ID.MustGet() {
		w.t.Fatalf("got run %+v", undo)
	}
	w.asPreviewed(undo, before)
	return undo
}

// reread reads a run anew.
func (w *world) reread(run api.Run) api.Run {
	w.t.Helper()
	return decode[api.Run](w.get(w.Admin, linksOf(w.t, run).Self).must(200))
}

// endOf waits for the end of a run, however it ends.
func (w *world) endOf(run api.Run) api.Run {
	w.t.Helper()
	eventually(w.t, "the run ends", func() bool {
		run = w.reread(run)
		return run.Status == "succeeded" || run.Status == "failed" || run.Status == "cancelled"
	})
	return run
}

// movable is a clock that a test sets on.
type movable struct {
	mutex  sync.Mutex
	passed time.Duration
}

func (c *movable) now() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return time.Now().Add(c.passed)
}

func (c *movable) pass(d time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.passed += d
}

// by lets the service go by a clock that the test sets on. The queue goes by the real one.
func by(clock *movable) serviceOption { return func(o *serviceOptions) { o.now = clock.now } }

// soon is a moment from now, as it is sent.
func soon(after time.Duration) string {
	return time.Now().Add(after).UTC().Format(time.RFC3339Nano)
}

// snapshotOf is who has everything of an organization: people, tasks, matters and events, with the status of tasks.
func (w *world) inHands() map[string]string {
	w.t.Helper()
	rows, err := w.service.DB.SQL.QueryContext(w.t.Context(), `
		SELECT 'person ' || p.id, array_to_string(ARRAY (SELECT a.staff_id FROM assignments a WHERE a.organization_id = p.organization_id AND a.person_id = p.id ORDER BY 1), ' ')
		FROM people p WHERE p.organization_id = $1
		UNION ALL
		SELECT 'task ' || t.id, t.status || ' ' || array_to_string(ARRAY (SELECT a.staff_id FROM task_assignees a WHERE a.organization_id = t.organization_id AND a.task_id = t.id ORDER BY 1), ' ')
		FROM tasks t WHERE t.organization_id = $1
		UNION ALL
		SELECT 'matter ' || m.id, m.responsible_staff_id::text FROM matters m WHERE m.organization_id = $1
		UNION ALL
		SELECT 'event ' || e.id, e.owner_staff_id::text FROM calendar_events e WHERE e.organization_id = $1`, w.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	hands := map[string]string{}
	for rows.Next() {
		var what, who string
		if err := rows.Scan(&what, &who); err != nil {
			w.t.Fatal(err)
		}
		hands[what] = who
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return hands
}

// sameHands fails the test unless everything is with whom it was.
func (w *world) sameHands(before map[string]string) {
	w.t.Helper()
	for what, who := range w.inHands() {
		if before[what] != who {
			w.t.Errorf("%s is with %q, and was with %q", what, who, before[what])
		}
	}
}

// leftAlone are the totals of what stayed, by reason, beside whatever else a run came to.
func leftAlone(t testing.TB, run api.Run, want api.RunLeftAlone) {
	t.Helper()
	if run.Totals.LeftAlone != want {
		t.Errorf("left alone: got %+v, want %+v", run.Totals.LeftAlone, want)
	}
}
