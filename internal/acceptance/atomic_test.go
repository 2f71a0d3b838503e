package acceptance

import (
	"net/http"
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

func TestA14AllOrNothing(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "A14 one person of another organization among fifty: nobody is changed, in either", func(_ *testing.T, w *world) {
		ann := w.member("member")
		other := s.organization(w.t)
		var fifty []uuid.UUID
		for i := range 50 {
			person := w.person("client", w.Admin)
			if i == 31 {
				person = other.person("client", other.Admin)
			}
			fifty = append(fifty, person)
		}
		before, others := w.tables(), other.tables()
		w.manage(w.Admin, people(fifty...), change("replace", staffed(ann))).problem(422, "person_not_found")
		w.unchanged(before)
		other.unchanged(others)
	})

	s.rule(t, "A14 one person whom the caller may not manage among fifty: nobody is changed", func(_ *testing.T, w *world) {
		caller := w.member("member", "clients")
		fifty := []uuid.UUID{w.person("referral")}
		for range 49 {
			fifty = append(fifty, w.person("client"))
		}
		before := w.tables()
		w.manage(caller, people(fifty...), change("assign", staffed(caller))).problem(403, "permission_denied")
		w.unchanged(before)
	})

	s.rule(t, "A14 one person with whom nobody would remain among fifty: nobody is changed", func(_ *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		alone := w.person("client", ann)
		w.task(alone, ann)
		fifty := []uuid.UUID{alone}
		for range 49 {
			person := w.person("client", ann, bob)
			w.task(person, ann)
			fifty = append(fifty, person)
		}
		before := w.tables()
		w.manage(w.Admin, people(fifty...), change("remove", object{"staff_ids": idsOf(ann), "task_policy": "reassign_to_remaining"})).problem(422, "no_remaining_staff")
		w.unchanged(before)
	})

	s.rule(t, "A14 what fails at each table in turn leaves nothing: no seat, no item, no run, no audit row, no key", func(t *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		w.template(intake("Call", "", 1))
		served, fresh := w.person("client", ann), w.person("referral")
		w.task(served, ann)
		replace := wish(people(served), change("replace", object{"staff_ids": idsOf(bob), "task_policy": "reassign_all"}))
		assign := wish(people(fresh), change("assign", object{"staff_ids": idsOf(bob), "include_intake_tasks": true}))
		for _, broken := range []struct {
			table, on string
			body      object
		}{
			{"assignments", "INSERT", replace},
			{"assignments", "DELETE", replace},
			{"task_assignees", "INSERT", replace},
			{"task_assignees", "DELETE", replace},
			{"tasks", "INSERT", assign},
			{"runs", "INSERT", replace},
			{"run_progress", "INSERT", replace},
			{"run_items", "INSERT", replace},
			{"audit_events", "INSERT", replace},
			{"idempotency_keys", "INSERT", replace},
		} {
			name := "broken_" + newID().String()[24:]
			w.exec(`CREATE FUNCTION ` + name + `() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				IF coalesce(NEW.organization_id, OLD.organization_id) = '` + w.ID.String() + `' THEN RAISE 'the disk is full'; END IF;
				RETURN coalesce(NEW, OLD); END $$`)
			w.exec(`CREATE TRIGGER ` + name + ` AFTER ` + broken.on + ` ON ` + broken.table + ` FOR EACH ROW EXECUTE FUNCTION ` + name + `()`)
			before := w.tables()
			key := header{"Idempotency-Key", name}
			got := w.as(w.Admin, "POST", "/v1/manage-assignments", broken.body, key)
			got.problem(http.StatusInternalServerError, "internal_error")
			w.unchanged(before)
			w.exec(`DROP TRIGGER ` + name + ` ON ` + broken.table)
			if t.Failed() {
				t.Fatalf("%s on %s", broken.on, broken.table)
			}
		}
		// Nothing stands in the way of asking again.
		w.as(w.Admin, "POST", "/v1/manage-assignments", replace).must(200)
		w.as(w.Admin, "POST", "/v1/manage-assignments", assign).must(200)
		w.servedBy(served, bob)
		w.servedBy(fresh, bob)
	})

	s.rule(t, "A14 I1 I2 I5 items, audit rows and totals of a run of every outcome agree", func(t *testing.T, w *world) {
		ann, bob, cat := w.member("member"), w.member("member"), w.member("member")
		changed, alone, kept := w.person("client", ann, bob), w.person("referral", ann), w.person("client", bob)
		ofChanged, ofAlone, ofKept := w.task(changed, ann, cat), w.task(alone, ann), w.task(kept, ann)
		run := w.managed(people(changed, alone, kept), change("remove", object{"staff_ids": idsOf(ann), "task_policy": "reassign_to_remaining", "when_no_staff_remain": "unassign"}),
			object{"reason": "Ann has left"})
		totals(t, run, api.RunTotals{PeopleChanged: 2, PeopleUnchanged: 1, AssignmentsRemoved: 2, TasksChanged: 2, TasksUnassigned: 1})
		items := w.items(run)
		if len(items) != 5 {
			t.Errorf("got items %+v", items)
		}
		events := map[uuid.UUID]api.AuditEvent{}
		for _, event := range list[api.AuditEvent](w, w.Admin, "/v1/audit-events?run_id="+run.ID.MustGet().String()) {
			if _, twice := events[event.SubjectID]; twice {
				t.Errorf("%s has two audit rows", event.SubjectID)
			}
			events[event.SubjectID] = event
		}
		if len(events) != 4 {
			t.Errorf("got audit events %+v", events)
		}
		for id, item := range items {
			event, audited := events[id]
			if audited != (item.Outcome == "changed") {
				t.Errorf("%s is %s, audited: %v", id, item.Outcome, audited)
			}
			if !audited {
				continue
			}
			if event.SubjectKind != item.Kind || event.Action != "manage_assignments" || event.Staff.MustGet().ID != w.Admin.ID ||
				event.Reason.MustGet() != "Ann has left" || event.RunID.MustGet() != run.ID.MustGet() {
				t.Errorf("got event %+v", event)
			}
			sameIDs(t, "before", staffIDsOf(event.Before.MustGet()), item.Before.StaffIds...)
			sameIDs(t, "after", staffIDsOf(event.After.MustGet()), item.After.StaffIds...)
		}
		for _, unchanged := range []uuid.UUID{kept, ofKept} {
			if _, audited := events[unchanged]; audited {
				t.Errorf("%s was audited", unchanged)
			}
		}
		w.heldBy(ofChanged, bob, cat)
		w.heldBy(ofAlone)
	})
}

// staffIDsOf is the staff of an audit event's before or after.
func staffIDsOf(state api.AuditState) []uuid.UUID {
	ids := []uuid.UUID{}
	named, _ := state["staff_ids"].([]any)
	for _, id := range named {
		ids = append(ids, uuid.MustParse(id.(string)))
	}
	return ids
}
