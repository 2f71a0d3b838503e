package acceptance

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

func TestStaff(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	newcomer := func(email, role string, permissions ...string) object {
		return object{"first_name": "Noor", "last_name": "Haddad", "email": email, "role": role, "permissions": append([]string{}, permissions...)}
	}

	s.rule(t, "A2 the staff permission changes staff, and only administrators make or touch administrators", func(t *testing.T, w *world) {
		chief, clerk, other := w.member("member", "staff"), w.member("member", "clients", "referrals", "tasks"), w.member("member")
		path := func(m member) string { return "/v1/staff/" + m.ID.String() }
		whatever := header{"If-Match", "*"}
		before := w.tables()
		for name, got := range map[string]answer{
			"creating":                   w.as(clerk, "POST", "/v1/staff", newcomer("a@example.org", "member")),
			"changing":                   w.as(clerk, "PATCH", path(other), object{"first_name": "New"}, whatever),
			"changing oneself":           w.as(clerk, "PATCH", path(clerk), object{"permissions": []string{"staff"}}, whatever),
			"deactivating":               w.as(clerk, "POST", path(other)+"/deactivate", nil),
			"reactivating":               w.as(clerk, "POST", path(other)+"/reactivate", nil),
			"upserting":                  w.as(clerk, "PUT", "/v1/staff/by-external-id/1", newcomer("a@example.org", "member")),
			"making an administrator":    w.as(chief, "POST", "/v1/staff", newcomer("a@example.org", "administrator")),
			"making one of a member":     w.as(chief, "PATCH", path(other), object{"role": "administrator"}, whatever),
			"making one of oneself":      w.as(chief, "PATCH", path(chief), object{"role": "administrator"}, whatever),
			"unmaking one":               w.as(chief, "PATCH", path(w.Admin), object{"role": "member"}, whatever),
			"renaming one":               w.as(chief, "PATCH", path(w.Admin), object{"first_name": "New"}, whatever),
			"deactivating one":           w.as(chief, "POST", path(w.Admin)+"/deactivate", nil),
			"upserting an administrator": w.as(chief, "PUT", "/v1/staff/by-external-id/1", newcomer("a@example.org", "administrator")),
			"seeing what another holds":  w.get(clerk, path(other)+"/workload"),
			"seeing what a chief holds":  w.get(other, path(chief)+"/workload"),
		} {
			if got.Status != 403 || got.problem(403, "permission_denied").Code == "" {
				t.Errorf("%s: got %d", name, got.Status)
			}
		}
		w.unchanged(before)
		made := decode[api.Staff](w.as(chief, "POST", "/v1/staff", newcomer("a@example.org", "member", "tasks", "clients")).must(201))
		w.as(chief, "PATCH", "/v1/staff/"+made.ID.String(), object{"permissions": []string{"staff"}, "last_name": "Low"}, whatever).must(200)
		w.as(chief, "POST", path(other)+"/deactivate", nil).must(200)
		w.as(chief, "POST", path(other)+"/reactivate", nil).must(200)
		other.Token = w.scoped(other, "read") // that of before is revoked
		w.get(chief, path(clerk)+"/workload").must(200)
		w.get(clerk, path(clerk)+"/workload").must(200)
		boss := decode[api.Staff](w.as(w.Admin, "POST", "/v1/staff", newcomer("b@example.org", "administrator")).must(201))
		w.as(w.Admin, "PATCH", "/v1/staff/"+boss.ID.String(), object{"role": "member"}, whatever).must(200)
		for _, everybody := range []member{other, clerk, chief} {
			w.get(everybody, "/v1/staff/"+boss.ID.String()).must(200)
		}
		foreign := s.organization(t)
		for _, unknown := range []uuid.UUID{foreign.Admin.ID, newID()} {
			w.get(other, "/v1/staff/"+unknown.String()).problem(404, "not_found")
			w.as(w.Admin, "PATCH", "/v1/staff/"+unknown.String(), object{"first_name": "New"}, whatever).problem(404, "not_found")
			w.as(w.Admin, "POST", "/v1/staff/"+unknown.String()+"/deactivate", nil).problem(404, "not_found")
		}
	})

	s.rule(t, "a new staff member is active, with what was asked for, each permission once", func(t *testing.T, w *world) {
		body := newcomer("Noor@Example.org", "member", "tasks", "clients", "tasks")
		body["external_id"] = "hr-1"
		created := w.as(w.Admin, "POST", "/v1/staff", body).must(201)
		made := decode[api.Staff](created)
		if made.Status != "active" || made.Name != "Noor Haddad" || made.Email != "Noor@Example.org" || !slices.Equal(made.Permissions, []string{"clients", "tasks"}) || made.ExternalID.MustGet() != "hr-1" || !made.Invitation.IsNull() {
			t.Errorf("got %+v", made)
		}
		w.reads(created.Header.Get("Location"), created)
		w.as(w.Admin, "POST", "/v1/staff", newcomer("noor@example.ORG", "member")).problem(409, "email_taken")
		body["email"] = "else@example.org"
		w.as(w.Admin, "POST", "/v1/staff", body).problem(409, "external_id_taken")
		w.as(w.Admin, "PATCH", "/v1/staff/me", object{"email": "noor@example.org"}, header{"If-Match", "*"}).problem(409, "email_taken")
		w.as(w.Admin, "PUT", "/v1/staff/by-external-id/hr-2", newcomer("NOOR@example.org", "member")).problem(409, "email_taken")
		other := s.organization(t)
		other.as(other.Admin, "POST", "/v1/staff", newcomer("noor@example.org", "member")).must(201)
	})

	s.rule(t, "D5 deactivating answers with the work still held, where it is, and ends access at once", func(t *testing.T, w *world) {
		ann, bob := w.member("member", "clients"), w.member("member")
		client, referral := w.person("client", ann), w.person("referral", ann, bob)
		matter := w.matter("everyone", ann)
		w.task(client, ann, bob)
		past := w.task(referral, ann)
		w.exec(`UPDATE tasks SET due_on = '2020-01-01' WHERE id = $1`, past)
		w.taskIn("completed", uuid.NullUUID{UUID: client, Valid: true}, uuid.NullUUID{}, ann)
		w.taskIn("open", uuid.NullUUID{}, uuid.NullUUID{UUID: matter, Valid: true}, ann)
		upcoming := w.event(ann, time.Now().Add(time.Hour))
		w.event(ann, time.Now().Add(-time.Hour))
		w.exec(`UPDATE matters SET status = 'closed' WHERE id = $1`, w.matter("everyone", ann))
		want := api.Workload{
			Staff: api.StaffRef{ID: ann.ID}, People: api.PeopleCounts{Total: 2, Clients: 1, Referrals: 1},
			ActiveTasks: 3, PastDueTasks: 1, Matters: 1, Events: 1,
		}
		same := func(got api.Workload) {
			t.Helper()
			links := got.Links
			w.lists(w.Admin, links.People, client, referral)
			if n := len(w.listed(w.Admin, links.ActiveTasks)); n != got.ActiveTasks {
				t.Errorf("the link lists %d active tasks", n)
			}
			w.lists(w.Admin, links.PastDueTasks, past)
			w.lists(w.Admin, links.Matters, matter)
			w.lists(w.Admin, links.Events, upcoming)
			if links.HandOver != "/v1/reassign-work" || links.HandOverPeople != "/v1/manage-assignments" {
				t.Errorf("got the links %+v", links)
			}
			got.Links, got.Staff.Name, got.Staff.Status = api.WorkloadLinks{}, "", ""
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
		same(decode[api.Workload](w.get(ann, "/v1/staff/me/workload").must(200)))
		before := w.tables()
		problem := w.as(w.Admin, "POST", "/v1/staff/"+ann.ID.String()+"/deactivate?require_empty=true", nil).problem(409, "staff_holds_work")
		if problem.Params["clients"] != 1.0 || problem.Params["active_tasks"] != 3.0 || problem.Params["matters"] != 1.0 || problem.Params["events"] != 1.0 {
			t.Errorf("got params %v", problem.Params)
		}
		w.unchanged(before)
		done := decode[api.StaffDeactivation](w.as(w.Admin, "POST", "/v1/staff/"+ann.ID.String()+"/deactivate", nil).must(200))
		if done.Staff.Status != "deactivated" {
			t.Errorf("got %+v", done.Staff)
		}
		same(done.Workload)
		w.get(ann, "/v1/me").problem(401, "unauthenticated")
		w.servedBy(client, ann)
		again := w.tables()
		same(decode[api.StaffDeactivation](w.as(w.Admin, "POST", "/v1/staff/"+ann.ID.String()+"/deactivate", nil).must(200)).Workload)
		w.unchanged(again)

		back := decode[api.Staff](w.as(w.Admin, "POST", "/v1/staff/"+ann.ID.String()+"/reactivate", nil).must(200))
		if back.Status != "active" || !slices.Equal(back.Permissions, []string{"clients"}) {
			t.Errorf("got %+v", back)
		}
		w.get(ann, "/v1/me").problem(401, "unauthenticated") // their tokens were revoked for good
		unchanged := w.tables()
		w.as(w.Admin, "POST", "/v1/staff/"+ann.ID.String()+"/reactivate", nil).must(200)
		w.unchanged(unchanged)
	})

	s.rule(t, "D5 require_empty lets go whoever holds nothing; B5 private work neither shows nor blocks", func(t *testing.T, w *world) {
		ann := w.member("member")
		matter := w.matter("private", ann)
		w.taskIn("open", uuid.NullUUID{}, uuid.NullUUID{UUID: matter, Valid: true}, ann)
		w.exec(`UPDATE calendar_events SET matter_id = $2 WHERE id = $1`, w.event(ann, time.Now().Add(time.Hour)), matter)
		closed := w.matter("everyone", ann)
		w.exec(`UPDATE matters SET status = 'closed' WHERE id = $1`, closed)
		if own := decode[api.Workload](w.get(ann, "/v1/staff/me/workload").must(200)); own.ActiveTasks != 1 || own.Matters != 1 || own.Events != 1 {
			t.Errorf("their own private work is not counted: %+v", own)
		}
		done := decode[api.StaffDeactivation](w.as(w.Admin, "POST", "/v1/staff/"+ann.ID.String()+"/deactivate?require_empty=true", nil).must(200))
		if done.Workload.ActiveTasks+done.Workload.Matters+done.Workload.Events != 0 {
			t.Errorf("got %+v", done.Workload)
		}
	})

	s.rule(t, "B5 private work does not keep its owner from going, though they do it themselves", func(_ *testing.T, w *world) {
		chief := w.member("administrator")
		matter := w.matter("private", chief)
		w.taskIn("open", uuid.NullUUID{}, uuid.NullUUID{UUID: matter, Valid: true}, chief)
		w.as(chief, "POST", "/v1/staff/me/deactivate?require_empty=true", nil).must(200)
	})

	s.rule(t, "the last active administrator stays, whichever way they would go", func(t *testing.T, w *world) {
		w.member("member", "clients", "referrals", "staff", "tasks")
		w.deactivate(w.member("administrator"))
		w.exec(`UPDATE staff SET external_id = 'hr-1' WHERE id = $1`, w.Admin.ID)
		before := w.tables()
		for _, got := range []answer{
			w.as(w.Admin, "POST", "/v1/staff/me/deactivate", nil),
			w.as(w.Admin, "PATCH", "/v1/staff/me", object{"role": "member"}, header{"If-Match", "*"}),
			w.as(w.Admin, "PUT", "/v1/staff/by-external-id/hr-1", newcomer("c@example.org", "member")),
			func() answer {
				body := newcomer("c@example.org", "administrator")
				body["status"] = "deactivated"
				return w.as(w.Admin, "PUT", "/v1/staff/by-external-id/hr-1", body)
			}(),
		} {
			got.problem(409, "last_administrator")
		}
		w.unchanged(before)
		second := w.member("administrator")
		w.as(w.Admin, "PATCH", "/v1/staff/me", object{"role": "member"}, header{"If-Match", "*"}).must(200)
		w.as(second, "POST", "/v1/staff/me/deactivate", nil).problem(409, "last_administrator")
		if t.Failed() {
			return
		}
		w.get(second, "/v1/audit-events").must(200)
		w.get(w.Admin, "/v1/audit-events").problem(403, "permission_denied")
	})
}

// event adds an event to somebody's calendar.
func (w *world) event(owner member, starts time.Time) uuid.UUID {
	w.t.Helper()
	id := newID()
	w.exec(`INSERT INTO calendar_events (organization_id, id, title, starts_at, ends_at, owner_staff_id, created_at, updated_at)
		VALUES ($1, $2, 'Event', $3, $4, $5, now(), now())`, w.ID, id, starts, starts.Add(time.Hour), owner.ID)
	return id
}
