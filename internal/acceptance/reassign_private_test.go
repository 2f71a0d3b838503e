package acceptance

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

// secretWork is a matter with a task and an event, called so that they are found wherever they are told of.
type secretWork struct{ matter, task, event uuid.UUID }

const secretName = "Wintergreen"

// secret adds a matter that a member is responsible for, with a task that holders have and an event of theirs.
func (w *world) secret(visibility string, responsible member, holders ...member) secretWork {
	w.t.Helper()
	var work secretWork
	if visibility == "groups" {
		work.matter = w.groupMatter(responsible, w.group())
	} else {
		work.matter = w.matter(visibility, responsible)
	}
	work.task = w.workOn(work.matter, holders...)
	work.event = w.eventOn(work.matter, time.Now().Add(time.Hour), holders[0])
	w.exec(`UPDATE matters SET number = $3, description = $4, external_id = $5 WHERE organization_id = $1 AND id = $2`, w.ID, work.matter, secretName+work.matter.String()[30:], secretName, "ext-"+secretName+work.matter.String())
	w.exec(`UPDATE tasks SET title = $3 WHERE organization_id = $1 AND id = $2`, w.ID, work.task, secretName)
	w.exec(`UPDATE calendar_events SET title = $3 WHERE organization_id = $1 AND id = $2`, w.ID, work.event, secretName)
	return work
}

func (work secretWork) all() []uuid.UUID { return []uuid.UUID{work.matter, work.task, work.event} }

// silent fails the test where an answer tells of secret work, by name or by id. Reports in XLSX are looked into by
// sameReports, which holds them against the items.
func silent(t testing.TB, got answer, works ...secretWork) {
	t.Helper()
	if bytes.Contains(got.Body, []byte(secretName)) {
		t.Errorf("the name is told: %s", got.Body)
	}
	for _, work := range works {
		for _, id := range work.all() {
			if bytes.Contains(got.Body, []byte(id.String())) {
				t.Errorf("the id %s is told: %s", id, got.Body)
			}
		}
	}
}

// silentAbout fails the test where any read of a run tells a member of secret work, or counts what it does not list.
func (w *world) silentAbout(t *testing.T, m member, run api.Run, works ...secretWork) {
	t.Helper()
	links := linksOf(t, run)
	for _, path := range []string{links.Self, links.Items + "?limit=200", links.ReportCSV, links.ReportJSON, "/v1/runs"} {
		silent(t, w.get(m, path).must(200), works...)
	}
	if m.ID == w.Admin.ID {
		w.sameReports(t, w.reread(run))
		silent(t, w.get(m, "/v1/audit-events?limit=200&run_id="+run.ID.MustGet().String()).must(200), works...)
		silent(t, w.get(m, "/v1/audit-events?limit=200").must(200), works...)
	}
	silent(t, w.get(m, "/v1/notifications?limit=200").must(200), works...)
	w.summed(t, m, decode[api.Run](w.get(m, links.Self).must(200)))
}

// summed fails the test unless the totals and the progress of a run, as a member reads it, are the sums of the items that
// they can list (I1).
func (w *world) summed(t *testing.T, m member, run api.Run) {
	t.Helper()
	var sums api.RunTotals
	alone := map[string]*int{
		"attendee_only": &sums.LeftAlone.AttendeeOnly, "no_matter": &sums.LeftAlone.NoMatter, "closed_matter": &sums.LeftAlone.ClosedMatter,
		"past_due": &sums.LeftAlone.PastDue, "changed_since": &sums.LeftAlone.ChangedSince, "no_longer_active": &sums.LeftAlone.NoLongerActive,
	}
	items := list[api.RunItem](w, m, linksOf(t, run).Items)
	for _, item := range items {
		switch told := told(item); {
		case item.Outcome == "left_alone":
			*alone[strings.TrimPrefix(told, "left_alone ")]++
		case told == "changed intake_cancelled":
			sums.TasksCancelled++
		case item.Outcome == "created":
			sums.TasksCreated++
		case item.Kind == "person" && item.Outcome == "unchanged":
			sums.PeopleUnchanged++
		case item.Kind == "person":
			sums.PeopleChanged++
			sums.AssignmentsAdded += fewer(item.After.StaffIds, item.Before.StaffIds)
			sums.AssignmentsRemoved += fewer(item.Before.StaffIds, item.After.StaffIds)
		case item.Kind == "matter":
			sums.MattersMoved++
		case item.Kind == "calendar_event":
			sums.EventsMoved++
		case item.Outcome == "changed":
			sums.TasksChanged++
			if len(item.After.StaffIds) == 0 {
				sums.TasksUnassigned++
			}
		}
	}
	sums.WithheldPrivate = run.Totals.WithheldPrivate
	totals(t, run, sums)
	if run.Kind == "reassign_work" || run.Kind == "undo" {
		if run.Progress != (api.RunProgress{Done: len(items), Total: len(items)}) {
			t.Errorf("progress %+v is told of %d items", run.Progress, len(items))
		}
	}
}

// fewer counts who is in one list and not in the other.
func fewer(in, notIn []uuid.UUID) int {
	count := 0
	for _, id := range in {
		found := false
		for _, other := range notIn {
			found = found || other == id
		}
		if !found {
			count++
		}
	}
	return count
}

func TestPrivateWork(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "B5 of private work one number is told, in the preview as in the run, and nothing else anywhere", func(t *testing.T, w *world) {
		lea, ann, bob := w.member("member"), w.member("member"), w.member("member")
		own, others := w.secret("private", lea, lea), w.secret("private", bob, lea, bob)
		closed := w.secret("private", lea, lea)
		w.exec(`UPDATE matters SET status = 'closed' WHERE organization_id = $1 AND id = $2`, w.ID, closed.matter)
		w.exec(`UPDATE tasks SET due_on = '2020-01-01' WHERE organization_id = $1 AND id = $2`, w.ID, own.task)
		attended := w.eventOn(others.matter, time.Now().Add(time.Hour), bob, lea)
		told := w.matter("everyone", lea)
		before := w.inHands()

		got := w.reassign(extended(handOver(lea, allTo(ann)), preview)).must(200)
		silent(t, got, own, others, closed)
		totals(t, decode[api.Run](got), api.RunTotals{MattersMoved: 1, WithheldPrivate: 9})
		if progress := decode[api.Run](got).Progress; progress.Total != 1 {
			t.Errorf("the preview speaks of %d items", progress.Total)
		}
		run := w.reassigned(handOver(lea, allTo(ann)))
		totals(t, run, api.RunTotals{MattersMoved: 1, WithheldPrivate: 9})
		w.silentAbout(t, w.Admin, run, own, others, closed)
		for _, m := range []member{ann, lea} {
			silent(t, w.get(m, "/v1/notifications").must(200), own, others, closed)
		}
		after := w.inHands()
		delete(before, "matter "+told.String())
		for what, who := range before {
			if after[what] != who {
				t.Errorf("%s is with %q", what, after[what])
			}
		}
		w.owned(attended, bob)
		w.undone(run)
	})

	s.rule(t, "B5 an administrator cannot hand over even their own private work so", func(t *testing.T, w *world) {
		ann := w.member("member")
		own := w.secret("private", w.Admin, w.Admin)
		run := w.reassigned(handOver(w.Admin, allTo(ann)))
		totals(t, run, api.RunTotals{WithheldPrivate: 3})
		w.responsible(own.matter, w.Admin)
		w.heldBy(own.task, w.Admin)
		w.owned(own.event, w.Admin)
	})

	s.rule(t, "B5 a run from before a matter became private withholds it: in totals, progress, items, reports and audit", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		later, stays := w.secret("everyone", lea, lea), w.matter("everyone", lea)
		w.workOn(stays, lea)
		run := w.reassigned(handOver(lea, allTo(ann)))
		totals(t, run, api.RunTotals{MattersMoved: 2, TasksChanged: 2, EventsMoved: 1})
		w.summed(t, w.Admin, run)
		if len(w.items(run)) != 5 {
			t.Errorf("got items %+v", w.items(run))
		}
		read := w.get(ann, "/v1/matters/"+later.matter.String()).must(200)
		w.as(ann, "PATCH", "/v1/matters/"+later.matter.String(), object{"visibility": "private"}, header{"If-Match", read.Header.Get("ETag")}).must(200)

		now := w.reread(run)
		totals(t, now, api.RunTotals{MattersMoved: 1, TasksChanged: 1})
		w.silentAbout(t, w.Admin, run, later)
		for _, listed := range list[api.Run](w, w.Admin, "/v1/runs") {
			totals(t, listed, now.Totals)
		}
		silent(t, w.get(lea, "/v1/notifications").must(200), later)
		if text := w.get(ann, "/v1/notifications").must(200).Body; !bytes.Contains(text, []byte(secretName)) {
			t.Errorf("who is responsible is not told: %s", text)
		}

		// Whoever is responsible sees it, and an administrator who is sees it in the run.
		w.exec(`UPDATE staff SET role = 'administrator' WHERE id = $1`, ann.ID)
		whole := decode[api.Run](w.get(ann, linksOf(t, run).Self).must(200))
		totals(t, whole, run.Totals)
		w.summed(t, ann, whole)
	})

	s.rule(t, "B5 the cursors of a run's items do not tell their places, among which those that are withheld would leave gaps", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		for range 4 {
			w.workOn(w.matter("everyone", lea), lea)
		}
		later := w.secret("everyone", lea, lea)
		run := w.reassigned(handOver(lea, allTo(ann)))
		w.exec(`UPDATE matters SET visibility = 'private' WHERE organization_id = $1 AND id = $2`, w.ID, later.matter)
		path, cursors := linksOf(t, run).Items+"?limit=1", 0
		for next := path; ; cursors++ {
			page := decode[struct {
				NextCursor *string `json:"next_cursor"`
			}](w.get(w.Admin, next).must(200))
			if page.NextCursor == nil {
				break
			}
			text, err := base64.RawURLEncoding.DecodeString(*page.NextCursor)
			if err != nil || bytes.Contains(text, make([]byte, 4)) {
				t.Errorf("the cursor %x can be read: %v", text, err)
			}
			next = path + "&cursor=" + *page.NextCursor
			text[len(text)/2] ^= 1
			w.get(w.Admin, path+"&cursor="+base64.RawURLEncoding.EncodeToString(text)).problem(400, "invalid_cursor")
		}
		if cursors < 7 {
			t.Errorf("there were %d pages", cursors+1)
		}
	})

	s.rule(t, "B5 what was left alone before a matter became private is withheld too", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		later := w.secret("everyone", ann, lea)
		w.exec(`UPDATE matters SET status = 'closed' WHERE organization_id = $1 AND id = $2`, w.ID, later.matter)
		run := w.reassigned(handOver(lea, allTo(ann)))
		leftAlone(t, run, api.RunLeftAlone{ClosedMatter: 2})
		w.exec(`UPDATE matters SET visibility = 'private' WHERE organization_id = $1 AND id = $2`, w.ID, later.matter)
		totals(t, w.reread(run), api.RunTotals{})
		w.silentAbout(t, w.Admin, run, later)
	})

	s.rule(t, "B5 a run's items tell what has become visible again", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		work := w.secret("everyone", lea, lea)
		run := w.reassigned(handOver(lea, allTo(ann)))
		for _, visibility := range []string{"private", "everyone"} {
			w.exec(`UPDATE matters SET visibility = $3 WHERE organization_id = $1 AND id = $2`, w.ID, work.matter, visibility)
		}
		totals(t, w.reread(run), run.Totals)
		w.summed(t, w.Admin, w.reread(run))
	})

	s.rule(t, "B5 what groups see moves, and is told to nobody outside of them, neither by name nor by number", func(t *testing.T, w *world) {
		lea, ann, inside := w.member("member"), w.member("member"), w.member("administrator")
		hidden := w.secret("groups", lea, lea)
		w.exec(`DELETE FROM matter_groups WHERE organization_id = $1`, w.ID)
		w.exec(`INSERT INTO matter_groups (organization_id, matter_id, staff_group_id) VALUES ($1, $2, $3)`, w.ID, hidden.matter, w.group(inside))
		open := w.matter("everyone", lea)
		body := handOver(lea, allTo(ann))
		got := w.reassign(extended(body, preview)).must(200)
		silent(t, got, hidden)
		totals(t, decode[api.Run](got), api.RunTotals{MattersMoved: 1})
		if progress := decode[api.Run](got).Progress; progress.Total != 1 {
			t.Errorf("the preview speaks of %d items", progress.Total)
		}
		run := w.reassigned(body)
		totals(t, run, api.RunTotals{MattersMoved: 1})
		w.silentAbout(t, w.Admin, run, hidden)
		w.responsible(hidden.matter, ann)
		w.heldBy(hidden.task, ann)
		w.owned(hidden.event, ann)
		w.responsible(open, ann)

		seen := decode[api.Run](w.get(inside, linksOf(t, run).Self).must(200))
		totals(t, seen, api.RunTotals{MattersMoved: 2, TasksChanged: 1, EventsMoved: 1})
		w.summed(t, inside, seen)

		undo := w.undone(run)
		totals(t, undo, api.RunTotals{MattersMoved: 1})
		w.silentAbout(t, w.Admin, undo, hidden)
		w.responsible(hidden.matter, lea)
		w.owned(hidden.event, lea)
	})

	s.rule(t, "B5 a revision does not tell when somebody works on what is private, but when there is more of it, as the totals do", func(t *testing.T, w *world) {
		lea, ann := w.member("member", "tasks"), w.member("member")
		secret := w.matter("private", lea)
		task, event := w.workOn(secret, lea), w.eventOn(secret, time.Now().Add(time.Hour), lea)
		w.workOn(w.matter("everyone", lea), lea)
		body := handOver(lea, allTo(ann))
		before := w.previewed(body)
		for _, edit := range []struct {
			path string
			body object
		}{
			{"/v1/tasks/" + task.String(), object{"due_on": "2031-01-01"}},
			{"/v1/tasks/" + task.String(), object{"assignee_ids": idsOf(lea, ann)}},
			{"/v1/calendar-events/" + event.String(), object{"starts_at": "2031-01-01T10:00:00Z", "ends_at": "2031-01-01T11:00:00Z"}},
			{"/v1/calendar-events/" + event.String(), object{"attendee_staff_ids": idsOf(ann)}},
			{"/v1/matters/" + secret.String(), object{"status": "closed"}},
		} {
			w.as(lea, "PATCH", edit.path, edit.body, header{"If-Match", "*"}).must(200)
			if got := w.previewed(body); got.Revision.MustGet() != before.Revision.MustGet() || got.Totals != before.Totals {
				t.Errorf("%v shows in the revision, or the totals: %+v, %+v", edit.body, got.Totals, before.Totals)
			}
		}
		w.workOn(secret, lea)
		if got := w.previewed(body); got.Revision.MustGet() == before.Revision.MustGet() || got.Totals.WithheldPrivate != before.Totals.WithheldPrivate+1 {
			t.Errorf("one more does not show: %+v", got.Totals)
		}
	})

	s.rule(t, "B5 undo withholds what has become private, and leaves it where it is", func(t *testing.T, w *world) {
		lea, ann := w.member("member"), w.member("member")
		later, open := w.secret("everyone", lea, lea), w.matter("everyone", lea)
		run := w.reassigned(handOver(lea, allTo(ann)))
		w.exec(`UPDATE matters SET visibility = 'private' WHERE organization_id = $1 AND id = $2`, w.ID, later.matter)
		silent(t, w.undo(w.Admin, run, preview).must(200), later)
		undo := w.undone(run)
		totals(t, undo, api.RunTotals{MattersMoved: 1, WithheldPrivate: 3})
		w.silentAbout(t, w.Admin, undo, later)
		w.responsible(later.matter, ann)
		w.heldBy(later.task, ann)
		w.owned(later.event, ann)
		w.responsible(open, lea)
	})

	s.rule(t, "B5 private work never blocks a deactivation, and handing over is not asked for it", func(t *testing.T, w *world) {
		lea := w.member("member")
		secret := w.secret("private", lea, lea)
		silent(t, w.get(w.Admin, "/v1/staff/"+lea.ID.String()+"/workload").must(200), secret)
		silent(t, w.as(w.Admin, "POST", "/v1/staff/"+lea.ID.String()+"/deactivate?require_empty=true", nil).must(200), secret)
	})
}
