package acceptance

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

func TestDistribution(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	tomorrow := time.Now().Add(24 * time.Hour)

	// holdings is how many of the rows each member has.
	holdings := func(w *world, statement string, members ...member) []int {
		counts := make([]int, len(members))
		for i, m := range members {
			counts[i] = w.count(statement, w.ID, m.ID)
		}
		return counts
	}
	const (
		ofMatters = `SELECT count(*) FROM matters WHERE organization_id = $1 AND responsible_staff_id = $2 AND status <> 'closed'`
		ofTasks   = `SELECT count(*) FROM task_assignees a JOIN tasks t ON t.organization_id = a.organization_id AND t.id = a.task_id
			WHERE a.organization_id = $1 AND a.staff_id = $2 AND t.status IN ('open', 'in_progress')`
		ofEvents = `SELECT count(*) FROM calendar_events WHERE organization_id = $1 AND owner_staff_id = $2 AND starts_at > now()`
		ofPeople = `SELECT count(*) FROM assignments WHERE organization_id = $1 AND staff_id = $2`
	)
	have := func(t *testing.T, what string, got []int, want ...int) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: they have %v, want %v", what, got, want)
		}
	}

	s.rule(t, "B10 round_robin goes over the successors in the order they were named, whatever they have", func(t *testing.T, w *world) {
		lea, ann, bob, cat := w.member("member"), w.member("member"), w.member("member"), w.member("member")
		w.matter("everyone", ann)
		w.matter("everyone", ann)
		var matters []uuid.UUID
		for range 7 {
			matters = append(matters, w.matter("everyone", lea))
			w.person("client", lea)
		}
		w.reassigned(handOver(lea, given("matters", "round_robin", cat, ann, bob, cat), given("people", "round_robin", bob, cat)))
		for i, matter := range matters {
			w.responsible(matter, []member{cat, ann, bob}[i%3])
		}
		have(t, "people", holdings(w, ofPeople, bob, cat), 4, 3)
	})

	s.rule(t, "B10 least_loaded gives to whoever has fewest of the kind now, counting what this run gives", func(t *testing.T, w *world) {
		lea, ann, bob, cat := w.member("member"), w.member("member"), w.member("member"), w.member("member")
		for i, m := range []member{ann, bob, cat} {
			for range 3 * i { // nothing, three and six of each
				matter := w.matter("everyone", m)
				w.workOn(matter, m)
				w.eventOn(matter, tomorrow, m)
				w.person("client", m)
			}
		}
		// What is over does not count.
		for range 9 {
			w.matterWith("closed", "everyone", ann)
			w.taskIn("completed", uuid.NullUUID{}, uuid.NullUUID{}, ann)
			w.eventAt(uuid.NullUUID{}, time.Now().Add(-time.Hour), ann)
		}
		home := w.matter("everyone", lea)
		for range 5 {
			w.matter("everyone", lea)
			w.person("referral", lea)
		}
		for range 6 {
			w.workOn(w.matterWith("pending", "everyone", w.Admin), lea)
			w.eventOn(w.matterWith("pending", "everyone", w.Admin), tomorrow, lea)
		}
		shared := func(part string) object { return given(part, "least_loaded", ann, bob, cat) }
		w.reassigned(handOver(lea, shared("matters")))
		have(t, "matters", holdings(w, ofMatters, ann, bob, cat), 5, 4, 6)
		w.reassigned(handOver(lea, shared("people")))
		have(t, "people", holdings(w, ofPeople, ann, bob, cat), 4, 4, 6)
		w.reassigned(handOver(lea, shared("tasks")))
		have(t, "tasks", holdings(w, ofTasks, ann, bob, cat), 5, 4, 6)
		w.reassigned(handOver(lea, shared("events")))
		have(t, "events", holdings(w, ofEvents, ann, bob, cat), 5, 4, 6)
		if w.count(`SELECT count(*) FROM matters WHERE id = $1 AND responsible_staff_id = $2`, home, lea.ID) != 0 {
			t.Error("a matter stayed")
		}
	})

	s.rule(t, "B10 all tasks and events of one matter stay with one successor, and the heaviest is given first", func(t *testing.T, w *world) {
		lea, ann, bob := w.member("member"), w.member("member"), w.member("member")
		for _, distribution := range []string{"round_robin", "least_loaded"} {
			var matters []uuid.UUID
			for i := range 6 {
				matter := w.matter("everyone", w.Admin)
				matters = append(matters, matter)
				for range i + 1 {
					w.workOn(matter, lea)
				}
				w.eventOn(matter, tomorrow, lea)
				w.eventOn(matter, tomorrow, lea)
			}
			before := holdings(w, ofTasks, ann, bob)
			w.reassigned(handOver(lea, given("tasks", distribution, ann, bob), given("events", distribution, bob, ann)))
			for _, matter := range matters {
				takers := w.ids(`
					SELECT DISTINCT a.staff_id FROM tasks t JOIN task_assignees a ON a.organization_id = t.organization_id AND a.task_id = t.id WHERE t.organization_id = $1 AND t.matter_id = $2
					UNION SELECT owner_staff_id FROM calendar_events WHERE organization_id = $1 AND matter_id = $2`, w.ID, matter)
				if len(takers) != 1 {
					t.Errorf("%s: a matter's work went to %d people", distribution, len(takers))
				}
			}
			after := holdings(w, ofTasks, ann, bob)
			if distribution == "least_loaded" && max(after[0], after[1])-min(after[0], after[1]) > 1 {
				t.Errorf("they had %v, and have %v", before, after)
			}
		}
	})

	s.rule(t, "B10 tasks and events of one matter go to somebody who is named for both, wherever there is one", func(t *testing.T, w *world) {
		lea, ann, bob, cat := w.member("member"), w.member("member"), w.member("member"), w.member("member")
		both, tasksOnly := w.matter("everyone", w.Admin), w.matter("everyone", w.Admin)
		task, event, other := w.workOn(both, lea), w.eventOn(both, tomorrow, lea), w.workOn(tasksOnly, lea)
		w.reassigned(handOver(lea, given("tasks", "round_robin", ann, bob), given("events", "round_robin", cat, bob)))
		w.heldBy(task, bob)
		w.owned(event, bob)
		w.heldBy(other, ann)
	})

	s.rule(t, "B10 each: all successors share tasks and people", func(t *testing.T, w *world) {
		lea, ann, bob, cat := w.member("member"), w.member("member"), w.member("member"), w.member("member")
		person := w.person("client", lea, cat)
		ofMatter, ofPerson := w.workOn(w.matter("everyone", w.Admin), lea, ann), w.task(person, lea)
		run := w.reassigned(handOver(lea, given("tasks", "each", bob, ann), given("people", "each", ann, bob)))
		totals(t, run, api.RunTotals{PeopleChanged: 1, AssignmentsAdded: 2, AssignmentsRemoved: 1, TasksChanged: 2})
		w.servedBy(person, ann, bob, cat)
		w.heldBy(ofMatter, ann, bob)
		w.heldBy(ofPerson, ann, bob)
		w.sameReports(t, run)
	})

	s.rule(t, "B10 the tasks of a person go to who takes the person over, and count for who is least loaded", func(t *testing.T, w *world) {
		lea, ann, bob := w.member("member"), w.member("member"), w.member("member")
		first, second := w.person("client", lea), w.person("client", lea)
		ofFirst, ofSecond := w.task(first, lea), w.task(second, lea)
		w.task(first, lea)
		w.reassigned(handOver(lea, given("people", "round_robin", ann, bob)))
		w.heldBy(ofFirst, ann)
		w.heldBy(ofSecond, bob)
		w.servedBy(first, ann)
		w.servedBy(second, bob)

		cat := w.member("member")
		w.task(w.person("client", cat), cat)
		w.task(w.person("client", cat), cat)
		matter, another := w.matter("everyone", w.Admin), w.matter("everyone", w.Admin)
		w.workOn(matter, cat)
		w.workOn(another, cat)
		dan, eve := w.member("member"), w.member("member")
		w.reassigned(handOver(cat, given("people", "", dan), given("tasks", "least_loaded", dan, eve)))
		have(t, "tasks", holdings(w, ofTasks, dan, eve), 2, 2)
	})

	s.rule(t, "B10 each successor is told of their own share, once", func(t *testing.T, w *world) {
		lea, ann, bob := w.member("member"), w.member("member"), w.member("member")
		for range 3 {
			w.matter("everyone", lea)
		}
		w.reassigned(handOver(lea, given("matters", "round_robin", ann, bob)))
		for m, want := range map[member]int{ann: 2, bob: 1} {
			told := list[api.Notification](w, m, "/v1/notifications")
			if len(told) != 1 || told[0].Work.Matters != want {
				t.Errorf("told %+v, want %d matters", told, want)
			}
		}
	})
}
