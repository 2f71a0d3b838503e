package acceptance

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

// refusal is what a bad request is answered with: a status, a code, and the places that are wrong.
type refusal struct {
	status   int
	code     string
	pointers []string
}

// refuses asks as the administrator and fails the test unless the request is refused like this, with nothing changed.
func (w *world) refuses(t *testing.T, what, path string, body any, want refusal, headers ...header) api.Problem {
	t.Helper()
	before := w.tables()
	got := w.as(w.Admin, "POST", path, body, headers...)
	if got.Status != want.status {
		t.Errorf("%s: got %d, want %d %s: %s", what, got.Status, want.status, want.code, got.Body)
		return api.Problem{}
	}
	problem := got.problem(want.status, want.code)
	var pointers []string
	for _, place := range problem.Errors {
		pointers = append(pointers, place.Pointer)
	}
	if !slices.Equal(pointers, want.pointers) {
		t.Errorf("%s: got errors at %q, want %q", what, pointers, want.pointers)
	}
	w.unchanged(before)
	return problem
}

// to is a part of a wish with its successors.
func to(distribution string, successors ...any) object {
	part := object{"to_staff_ids": successors}
	if distribution != "" {
		part["distribution"] = distribution
	}
	return part
}

func TestBadReassignments(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w, other := s.organization(t), s.organization(t)
	leaver, ann, bob, gone := w.member("member"), w.member("member"), w.member("member"), w.member("member")
	w.deactivate(gone)
	unknown, foreign := newID(), other.member("member")
	w.matter("everyone", leaver)
	w.person("client", leaver)
	many := make([]any, 201)
	for i := range many {
		many[i] = ann.ID
	}
	hourAgo, tomorrow := time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	dayAfter := tomorrow.Add(24 * time.Hour)
	work := func(fields object) object {
		body := object{"from_staff_id": leaver.ID}
		for name, value := range fields {
			body[name] = value
		}
		return body
	}
	invalid := func(pointer string) refusal { return refusal{422, "invalid_value", []string{pointer}} }

	for _, part := range []string{"matters", "tasks", "events", "people"} {
		at := func(index string) string { return "/" + part + "/to_staff_ids" + index }
		for what, c := range map[string]struct {
			body object
			want refusal
		}{
			"the same from and to":                {object{part: to("", leaver.ID)}, refusal{422, "same_staff", []string{at("/0")}}},
			"the same among others":               {object{part: to("round_robin", ann.ID, leaver.ID, bob.ID, leaver.ID)}, refusal{422, "same_staff", []string{at("/1"), at("/3")}}},
			"the caller to themselves":            {object{"from_staff_id": "me", part: to("", w.Admin.ID)}, refusal{422, "same_staff", []string{at("/0")}}},
			"the same, in capitals":               {object{part: to("", strings.ToUpper(leaver.ID.String()))}, refusal{422, "same_staff", []string{at("/0")}}},
			"nobody to hand to":                   {object{part: to("")}, refusal{400, "invalid_request", []string{at("")}}},
			"no successors at all":                {object{part: object{}}, refusal{400, "invalid_request", []string{at("")}}},
			"too many successors":                 {object{part: to("round_robin", many...)}, refusal{400, "invalid_request", []string{at("")}}},
			"a deactivated successor":             {object{part: to("", gone.ID)}, refusal{422, "staff_not_active", []string{at("/0")}}},
			"a deactivated successor among more":  {object{part: to("least_loaded", ann.ID, gone.ID, bob.ID)}, refusal{422, "staff_not_active", []string{at("/1")}}},
			"an unknown successor":                {object{part: to("", unknown)}, refusal{422, "staff_not_found", []string{at("/0")}}},
			"a successor of another organization": {object{part: to("", foreign.ID)}, refusal{422, "staff_not_found", []string{at("/0")}}},
			"unknown before deactivated":          {object{part: to("round_robin", gone.ID, unknown, foreign.ID)}, refusal{422, "staff_not_found", []string{at("/0"), at("/1"), at("/2")}}},
			"an unknown leaver":                   {object{"from_staff_id": unknown, part: to("", ann.ID)}, refusal{422, "staff_not_found", []string{"/from_staff_id"}}},
			"a leaver of another organization":    {object{"from_staff_id": foreign.ID, part: to("", ann.ID)}, refusal{422, "staff_not_found", []string{"/from_staff_id"}}},
			"several successors and no way":       {object{part: to("", ann.ID, bob.ID)}, invalid("/" + part + "/distribution")},
			"a way that there is not":             {object{part: to("random", ann.ID)}, refusal{400, "invalid_request", []string{"/" + part + "/distribution"}}},
			"a list for a part":                   {object{part: []object{to("", ann.ID)}}, refusal{400, "invalid_request", []string{"/" + part}}},
			"a time that has passed":              {object{part: to("", ann.ID), "run_at": hourAgo}, invalid("/run_at")},
			"a time that is none":                 {object{part: to("", ann.ID), "run_at": "tomorrow"}, refusal{400, "invalid_request", []string{"/run_at"}}},
			"a return before the run":             {object{part: to("", ann.ID), "run_at": dayAfter, "return_at": tomorrow}, invalid("/return_at")},
			"a return at the time of the run":     {object{part: to("", ann.ID), "run_at": tomorrow, "return_at": tomorrow}, invalid("/return_at")},
			"a return that has passed":            {object{part: to("", ann.ID), "return_at": hourAgo}, invalid("/return_at")},
			"a stale revision":                    {object{part: to("", ann.ID), "expected_revision": strings.Repeat("0", 32)}, refusal{412, "revision_stale", nil}},
		} {
			for how, more := range map[string]object{"now": {}, "as a dry run": {"dry_run": true}, "later": {"run_at": tomorrow}} {
				if how == "later" && (strings.Contains(what, "run_at") || c.body["run_at"] != nil || c.body["return_at"] != nil || c.want.status == 412) {
					continue
				}
				body := work(c.body)
				for name, value := range more {
					body[name] = value
				}
				problem := w.refuses(t, part+", "+how+": "+what, "/v1/reassign-work", body, c.want)
				if problem.Summary != nil {
					t.Errorf("%s: a summary of a selection is told: %+v", what, problem.Summary)
				}
			}
			w.refuses(t, part+", asynchronously: "+what, "/v1/reassign-work", work(c.body), c.want, async)
		}
	}

	for what, c := range map[string]struct {
		body object
		want refusal
	}{
		"no part":                       {object{}, invalid("")},
		"null for every part":           {object{"matters": nil, "tasks": nil, "events": nil, "people": nil}, invalid("")},
		"each for matters":              {object{"matters": to("each", ann.ID, bob.ID)}, invalid("/matters/distribution")},
		"each of one for matters":       {object{"matters": to("each", ann.ID)}, invalid("/matters/distribution")},
		"each for events":               {object{"events": to("each", ann.ID, bob.ID)}, invalid("/events/distribution")},
		"past-due matters":              {object{"matters": object{"to_staff_ids": idsOf(ann), "include_past_due": true}}, refusal{400, "unknown_field", []string{"/matters/include_past_due"}}},
		"people of an unknown kind":     {object{"people": object{"to_staff_ids": idsOf(ann), "kinds": []string{"prospect"}}}, refusal{400, "invalid_request", []string{"/people/kinds/0"}}},
		"people of no kind":             {object{"people": object{"to_staff_ids": idsOf(ann), "kinds": []string{}}}, refusal{400, "invalid_request", []string{"/people/kinds"}}},
		"tasks of people, done somehow": {object{"people": object{"to_staff_ids": idsOf(ann), "tasks": "leave"}}, refusal{400, "invalid_request", []string{"/people/tasks"}}},
		"null for the leaver":           {object{"from_staff_id": nil, "matters": to("", ann.ID)}, refusal{400, "invalid_request", []string{"/from_staff_id"}}},
		"faults in several parts": {
			object{"matters": to("", gone.ID), "tasks": to("round_robin", ann.ID, gone.ID), "people": to("", bob.ID)},
			refusal{422, "staff_not_active", []string{"/matters/to_staff_ids/0", "/tasks/to_staff_ids/1"}},
		},
		"the same in several parts": {
			object{"matters": to("", ann.ID), "events": to("", leaver.ID), "people": to("each", bob.ID, leaver.ID)},
			refusal{422, "same_staff", []string{"/events/to_staff_ids/0", "/people/to_staff_ids/1"}},
		},
	} {
		w.refuses(t, what, "/v1/reassign-work", work(c.body), c.want)
	}

	t.Run("what looks bad and is not", func(t *testing.T) {
		for what, fields := range map[string]object{
			"a successor named twice needs no way to share": {"matters": to("", ann.ID, ann.ID)},
			"a part that is null is one that is left out":   {"matters": nil, "people": to("", ann.ID)},
			"one successor with each":                       {"tasks": to("each", ann.ID)},
			"times that are null":                           {"matters": to("", ann.ID), "run_at": nil, "return_at": nil, "expected_revision": nil, "reason": nil},
			"a leaver who has left":                         {"from_staff_id": gone.ID, "matters": to("", ann.ID)},
		} {
			body := work(fields)
			body["dry_run"] = true
			if got := w.as(w.Admin, "POST", "/v1/reassign-work", body); got.Status != 200 {
				t.Errorf("%s: got %d: %s", what, got.Status, got.Body)
			}
		}
	})
}

// endedRun is a run that has ended like this, in the tables.
func (w *world) endedRun(status string) uuid.UUID {
	w.t.Helper()
	id := w.scheduledRun(w.Admin)
	w.exec(`UPDATE runs SET status = $3, finished_at = now() WHERE organization_id = $1 AND id = $2`, w.ID, id, status)
	return id
}

func TestBadCancelsAndUndos(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w, other := s.organization(t), s.organization(t)
	ann, bob := w.member("member"), w.member("member")
	on := func(run uuid.UUID, action string) string { return "/v1/runs/" + run.String() + "/" + action }
	done := func() uuid.UUID {
		person := w.person("client", ann)
		return w.managed(people(person), change("replace", staffed(bob))).ID.MustGet()
	}
	reassigned := func(fields object) uuid.UUID {
		w.matter("everyone", ann)
		body := object{"from_staff_id": ann.ID, "matters": to("", bob.ID)}
		for name, value := range fields {
			body[name] = value
		}
		run := decode[api.Run](w.as(w.Admin, "POST", "/v1/reassign-work", body))
		return run.ID.MustGet()
	}
	tomorrow := time.Now().Add(24 * time.Hour)

	t.Run("cancel of a run that has ended", func(t *testing.T) {
		for what, run := range map[string]uuid.UUID{
			"succeeded": done(), "reassigned": reassigned(nil), "failed": w.endedRun("failed"), "cancelled": w.endedRun("cancelled"),
		} {
			for _, body := range []object{{}, {"dry_run": true}, {"reason": "Not now"}} {
				w.refuses(t, what, on(run, "cancel"), body, refusal{409, "run_finished", nil})
			}
		}
	})
	t.Run("cancel twice", func(t *testing.T) {
		run := reassigned(object{"run_at": tomorrow})
		before := w.tables()
		preview := decode[api.Run](w.as(w.Admin, "POST", on(run, "cancel"), object{"dry_run": true}).must(200))
		if preview.Status != "preview" || !preview.ID.IsNull() {
			t.Errorf("got the preview %+v", preview)
		}
		w.unchanged(before)
		cancelled := decode[api.Run](w.as(w.Admin, "POST", on(run, "cancel"), object{"reason": "Not now"}).must(200))
		if cancelled.Status != "cancelled" || cancelled.ID.MustGet() != run || cancelled.FinishedAt.IsNull() {
			t.Errorf("got %+v", cancelled)
		}
		w.refuses(t, "again", on(run, "cancel"), object{}, refusal{409, "run_finished", nil})
		w.refuses(t, "undone", on(run, "undo"), object{}, refusal{409, "not_undoable", nil})
	})
	t.Run("undo twice, and undo of an undo", func(t *testing.T) {
		for what, run := range map[string]uuid.UUID{"managed": done(), "reassigned": reassigned(nil)} {
			undo := decode[api.Run](w.as(w.Admin, "POST", on(run, "undo"), object{}).must(200))
			if undo.Kind != "undo" || undo.Reverts.MustGet() != run {
				t.Errorf("%s: got %+v", what, undo)
			}
			for _, body := range []object{{}, {"dry_run": true}} {
				problem := w.refuses(t, what, on(run, "undo"), body, refusal{409, "already_undone", nil})
				if problem.Params["run_id"] != undo.ID.MustGet().String() {
					t.Errorf("%s: got params %v", what, problem.Params)
				}
				w.refuses(t, what, on(undo.ID.MustGet(), "undo"), body, refusal{409, "not_undoable", nil})
			}
			w.refuses(t, what, on(run, "undo"), object{}, refusal{409, "already_undone", nil}, async)
			undone := decode[api.Run](w.get(w.Admin, "/v1/runs/"+run.String()).must(200)).Undo.MustGet()
			if undone.Available || undone.UndoneBy.MustGet() != undo.ID.MustGet() {
				t.Errorf("%s: got %+v", what, undone)
			}
			if of := decode[api.Run](w.get(w.Admin, "/v1/runs/"+undo.ID.MustGet().String()).must(200)).Undo.MustGet(); of.Available || !of.Until.IsNull() {
				t.Errorf("%s: the undo tells %+v", what, of)
			}
		}
	})
	t.Run("undo after the window", func(t *testing.T) {
		for what, run := range map[string]uuid.UUID{"managed": done(), "reassigned": reassigned(nil)} {
			undo := decode[api.Run](w.get(w.Admin, "/v1/runs/"+run.String()).must(200)).Undo.MustGet()
			if !undo.Available || !undo.Until.MustGet().After(time.Now()) {
				t.Errorf("%s: got %+v", what, undo)
			}
			w.exec(`UPDATE runs SET finished_at = finished_at - interval '31 days' WHERE organization_id = $1 AND id = $2`, w.ID, run)
			for _, body := range []object{{}, {"dry_run": true}} {
				w.refuses(t, what, on(run, "undo"), body, refusal{409, "undo_expired", nil})
			}
			if undo = decode[api.Run](w.get(w.Admin, "/v1/runs/"+run.String()).must(200)).Undo.MustGet(); undo.Available || undo.Until.IsNull() {
				t.Errorf("%s: got %+v after it", what, undo)
			}
		}
	})
	t.Run("undo of a run that has done nothing", func(t *testing.T) {
		for what, want := range map[string]string{"failed": "not_undoable", "cancelled": "not_undoable"} {
			w.refuses(t, what, on(w.endedRun(what), "undo"), object{}, refusal{409, want, nil})
		}
	})
	t.Run("undo and reports of a run that has not finished", func(t *testing.T) {
		person := w.person("client", ann)
		queued := decode[api.Run](w.queue(w.Admin, people(person), change("replace", staffed(bob)))).ID.MustGet()
		for what, run := range map[string]uuid.UUID{"queued": queued, "scheduled": reassigned(object{"run_at": tomorrow})} {
			for _, body := range []object{{}, {"dry_run": true}} {
				w.refuses(t, what, on(run, "undo"), body, refusal{409, "run_not_finished", nil})
			}
			for _, report := range []string{"report.csv", "report.xlsx", "report.json"} {
				w.get(w.Admin, on(run, report)).problem(409, "run_not_finished")
			}
			w.lists(w.Admin, on(run, "items"))
			if undo := decode[api.Run](w.get(w.Admin, "/v1/runs/"+run.String()).must(200)).Undo.MustGet(); undo.Available || !undo.Until.IsNull() || !undo.UndoneBy.IsNull() {
				t.Errorf("%s: got %+v", what, undo)
			}
		}
	})
	t.Run("a foreign run, and one that never was", func(t *testing.T) {
		run := reassigned(nil)
		for what, id := range map[string]uuid.UUID{"foreign": run, "unknown": newID()} {
			for _, action := range []string{"undo", "cancel"} {
				for _, headers := range [][]header{nil, {async}, {{"Idempotency-Key", "k"}}} {
					other.as(other.Admin, "POST", on(id, action), object{}, headers...).problem(404, "not_found")
				}
			}
			for _, report := range []string{"items", "report.csv", "report.xlsx", "report.json"} {
				other.get(other.Admin, on(id, report)).problem(404, "not_found")
			}
			other.as(other.Admin, "GET", "/v1/runs/"+id.String(), nil, header{"Prefer", "wait=5"}).problem(404, "not_found")
			if t.Failed() {
				t.Fatal(what)
			}
		}
		colleague := w.member("member", "clients", "referrals", "staff", "tasks")
		before := w.tables()
		for _, action := range []string{"undo", "cancel"} {
			w.as(colleague, "POST", on(run, action), object{}).problem(403, "permission_denied")
		}
		w.unchanged(before)
	})
}

func TestBadNotifications(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w, other := s.organization(t), s.organization(t)
	colleague := w.member("administrator")
	own, colleagues, foreign, unknown := w.notification(w.Admin), w.notification(colleague), other.notification(other.Admin), newID()
	many := make([]uuid.UUID, 201)
	for i := range many {
		many[i] = own
	}
	const path = "/v1/notifications/mark-read"
	for what, c := range map[string]struct {
		body object
		want refusal
	}{
		"neither":           {object{}, refusal{422, "invalid_value", []string{"/notification_ids"}}},
		"all, but not":      {object{"all": false}, refusal{422, "invalid_value", []string{"/notification_ids"}}},
		"both":              {object{"all": true, "notification_ids": []uuid.UUID{own}}, refusal{422, "invalid_value", []string{"/notification_ids"}}},
		"no ids":            {object{"notification_ids": []uuid.UUID{}}, refusal{400, "invalid_request", []string{"/notification_ids"}}},
		"too many ids":      {object{"notification_ids": many}, refusal{400, "invalid_request", []string{"/notification_ids"}}},
		"null":              {object{"notification_ids": nil}, refusal{400, "invalid_request", []string{"/notification_ids"}}},
		"an unknown one":    {object{"notification_ids": []uuid.UUID{own, unknown}}, refusal{422, "notification_not_found", []string{"/notification_ids/1"}}},
		"a colleague's":     {object{"notification_ids": []uuid.UUID{colleagues, own}}, refusal{422, "notification_not_found", []string{"/notification_ids/0"}}},
		"a foreign one":     {object{"notification_ids": []uuid.UUID{foreign}}, refusal{422, "notification_not_found", []string{"/notification_ids/0"}}},
		"each of the worst": {object{"notification_ids": []uuid.UUID{foreign, own, colleagues, unknown}}, refusal{422, "notification_not_found", []string{"/notification_ids/0", "/notification_ids/2", "/notification_ids/3"}}},
	} {
		w.refuses(t, what, path, c.body, c.want)
	}
	for _, id := range []uuid.UUID{colleagues, foreign, unknown} {
		w.get(w.Admin, "/v1/notifications/"+id.String()).problem(404, "not_found")
	}
	for _, last := range []string{"", "x", "-1", "1.5", "01", "+1", "1e2", "99999999999999999999", newID().String(), "1, 2"} {
		problem := w.as(w.Admin, "GET", "/v1/notifications/stream", nil, header{"Last-Event-ID", last}).problem(400, "invalid_parameter")
		pointsTo(t, last, problem, "header:Last-Event-ID")
	}
	w.as(w.Admin, "PUT", "/v1/notification-settings", object{"email": nil}, header{"If-Match", "*"}).problem(400, "invalid_request")
	w.as(w.Admin, "PUT", "/v1/notification-settings", object{}, header{"If-Match", "*"}).problem(400, "invalid_request")
}

// A handover with everything wrong at once is mended step by step, in the order in which errors are told.
func TestWhichErrorOfAHandoverFirst(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	for name, c := range map[string]struct {
		more    object
		headers []header
	}{
		"within the request": {}, "in a preview": {more: object{"dry_run": true}}, "asynchronously": {headers: []header{async}},
	} {
		s.rule(t, "which error first, "+name, func(t *testing.T, w *world) {
			leaver, gone := w.member("member"), w.member("member")
			plain, narrow := w.member("member", "clients", "referrals", "staff", "tasks"), w.scoped(w.Admin, "assignments")
			w.deactivate(gone)
			before := w.tables()
			body := object{
				"from_staff_id": leaver.ID, "matters": to("each", leaver.ID, newID(), gone.ID), "expected_revision": "stale", "surprise": true,
				"run_at": time.Now().Add(-time.Hour),
			}
			maps.Copy(body, c.more)
			token := ""
			step := func(status int, code string, mend func()) {
				t.Helper()
				s.call(t, token, "POST", "/v1/reassign-work", body, c.headers...).problem(status, code)
				mend()
			}
			step(400, "unknown_field", func() { delete(body, "surprise") })
			step(401, "unauthenticated", func() { token = narrow })
			step(403, "insufficient_scope", func() { token = plain.Token })
			step(403, "permission_denied", func() { token = w.Admin.Token })
			step(422, "invalid_value", func() { body["matters"] = to("round_robin", leaver.ID, newID(), gone.ID) })
			step(422, "same_staff", func() { body["matters"] = to("round_robin", newID(), gone.ID) })
			step(422, "invalid_value", func() { delete(body, "run_at") })
			step(412, "revision_stale", func() { delete(body, "expected_revision") })
			step(422, "staff_not_found", func() { body["matters"] = to("round_robin", gone.ID) })
			step(422, "staff_not_active", func() { body["matters"] = to("round_robin", w.Admin.ID) })
			w.unchanged(before)
			if got := s.call(t, token, "POST", "/v1/reassign-work", body, c.headers...); got.Status >= 300 {
				t.Errorf("mended, it is refused still: %s", got.Body)
			}
		})
	}
}
