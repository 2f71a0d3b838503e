package acceptance

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
	"handover/internal/invariants"
)

// Handovers of overlapping work, undone now and then, together with changes of assignments, edits of single tasks, matters
// and events, and asynchronous runs that are cancelled. Everybody locks in one order, so that there is no deadlock, and
// whatever comes through, the end is that of some order of it.
func TestOverlappingHandovers(t *testing.T) {
	t.Parallel()
	s := start(t)
	w := s.organization(t)
	bystander := s.organization(t)
	bystander.workOn(bystander.matter("everyone", bystander.Admin), bystander.Admin)
	var staff []member
	for range 5 {
		staff = append(staff, w.member("member"))
	}
	someone := func(random *rand.Rand) member { return staff[random.IntN(len(staff))] }
	var persons, tasks, matters, events []uuid.UUID
	for i := range 25 {
		ann, bob := staff[i%len(staff)], staff[(i+1)%len(staff)]
		matter := w.matter("everyone", ann)
		matters = append(matters, matter)
		tasks = append(tasks, w.workOn(matter, ann, bob), w.workOn(matter, bob))
		events = append(events, w.eventOn(matter, time.Now().Add(time.Hour), ann, bob))
		person := w.person("client", ann, bob)
		persons = append(persons, person)
		tasks = append(tasks, w.task(person, ann), w.task(person, bob, ann))
		w.secret("private", ann, ann, bob)
		w.workOn(w.matterWith("closed", "everyone", ann), ann)
	}
	before, err := invariants.Take(t.Context(), s.DB.SQL)
	if err != nil {
		t.Fatal(err)
	}

	crowd := newCrowd(map[string]int{"reassign 200": 5, "manage 200": 5, "undo 200": 5, "edit 200": 5})
	var acknowledged []invariants.Acknowledged
	var runs []api.Run
	note := func(what string, got answer) {
		outcome := fmt.Sprint(got.Status)
		if got.Status >= 400 {
			outcome += " " + decode[api.Problem](got).Code
		}
		crowd.note(what+" "+outcome, func() {
			if (got.Status == 200 || got.Status == 202) && what != "edit" && what != "cancel" {
				run := decode[api.Run](got)
				acknowledged = append(acknowledged, invariants.Acknowledged{Organization: w.ID, Run: run.ID.MustGet(), Succeeded: got.Status == 200})
				runs = append(runs, run)
			}
		})
		switch outcome {
		case "200", "202", "409 existing_assignments", "422 no_remaining_staff", "412 precondition_failed", "409 already_undone", "409 run_not_finished", "409 run_finished", "409 not_undoable":
		default:
			t.Errorf("%s: got %d: %s", what, got.Status, got.Body)
		}
	}
	anyRun := func(random *rand.Rand) (api.Run, bool) {
		crowd.mutex.Lock()
		defer crowd.mutex.Unlock()
		if len(runs) == 0 {
			return api.Run{}, false
		}
		return runs[max(0, len(runs)-1-random.IntN(6))], true
	}
	together(8, func(i int) struct{} {
		random := rand.New(rand.NewPCG(uint64(i), 11))
		for crowd.goesOn(t) {
			var headers []header
			if random.IntN(6) == 0 {
				headers = []header{async}
			}
			switch {
			case i < 3:
				note("reassign", w.reassign(anyHandover(random, staff), headers...))
			case i == 3:
				if run, found := anyRun(random); found {
					note("undo", w.undo(w.Admin, run, object{}, headers...))
				}
				if run, found := anyRun(random); found && random.IntN(2) == 0 {
					note("cancel", w.cancel(w.Admin, run, object{}))
				}
			case i < 6:
				some := someOf(random, persons, 1+random.IntN(len(persons)))
				note("manage", w.as(w.Admin, "POST", "/v1/manage-assignments", wish(people(some...), anyChange(random, staff)), headers...))
			default:
				edits := []struct {
					path string
					ids  []uuid.UUID
					body object
				}{
					{"/v1/tasks/", tasks, object{"assignee_ids": idsOf(someone(random), someone(random))}},
					{"/v1/matters/", matters, object{"responsible_staff_id": someone(random).ID}},
					{"/v1/calendar-events/", events, object{"owner_staff_id": someone(random).ID}},
				}
				edit := edits[random.IntN(len(edits))]
				path := edit.path + edit.ids[random.IntN(len(edit.ids))].String()
				read := w.get(w.Admin, path).must(200)
				note("edit", w.as(w.Admin, "PATCH", path, edit.body, header{"If-Match", read.Header.Get("ETag")}))
			}
		}
		return struct{}{}
	})
	eventually(t, "all runs end", func() bool {
		return w.count(`SELECT count(*) FROM runs WHERE organization_id = $1 AND status IN ('queued', 'running')`, w.ID) == 0
	})
	crowd.ended(t)
	if deadlocks := w.count(`SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`); deadlocks != 0 {
		t.Errorf("%d transactions were ended in favour of another", deadlocks)
	}
	s.invariant(t, invariants.Options{Before: before, Changed: []uuid.UUID{w.ID}, Acknowledged: acknowledged})
}

// anyHandover draws a handover.
func anyHandover(random *rand.Rand, staff []member) object {
	leaver := random.IntN(len(staff))
	others := slices.Delete(slices.Clone(staff), leaver, leaver+1)
	parts := []object{}
	for _, part := range []string{"matters", "tasks", "events", "people"} {
		if random.IntN(2) == 0 {
			continue
		}
		random.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
		distributions := []string{"round_robin", "least_loaded", "each"}
		if part == "matters" || part == "events" {
			distributions = distributions[:2]
		}
		parts = append(parts, given(part, distributions[random.IntN(len(distributions))], others[:1+random.IntN(2)]...))
	}
	if len(parts) == 0 {
		parts = append(parts, allTo(others[0]))
	}
	return handOver(staff[leaver], parts...)
}
