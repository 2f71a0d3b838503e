package acceptance

import (
	"maps"
	"testing"

	"handover/api"
)

func TestA16Preview(t *testing.T) {
	t.Parallel()
	s := start(t)

	changes := map[string]func(w *world) (path string, body object){
		"assign with intake tasks": func(w *world) (string, object) {
			w.template(intake("Call", "", 1))
			return "/v1/manage-assignments", wish(people(w.person("client"), w.person("referral")), change("assign", object{"staff_ids": idsOf(w.Admin), "include_intake_tasks": true}))
		},
		"add": func(w *world) (string, object) {
			c := w.cast("client")
			return "/v1/manage-assignments", wish(people(c.person, w.person("referral")),
				change("add", object{"staff_ids": idsOf(c.members("bc")...), "task_policy": "add_new_staff", "task_scope": "all"}))
		},
		"replace, by a filter": func(w *world) (string, object) {
			c := w.cast("client")
			return "/v1/manage-assignments", wish(matching(object{"staff_id": idsOf(c.members("a")...)}),
				change("replace", object{"staff_ids": idsOf(c.members("d")...), "task_policy": "reassign_all"}))
		},
		"replace, keeping tasks": func(w *world) (string, object) {
			c := w.cast("client")
			return "/v1/manage-assignments", wish(people(c.person), change("replace", object{"staff_ids": idsOf(c.members("d")...), "task_policy": "keep"}))
		},
		"remove": func(w *world) (string, object) {
			c := w.cast("client")
			return "/v1/manage-assignments", wish(people(c.person, w.person("client")), change("remove", object{"staff_ids": idsOf(c.members("a")...), "task_policy": "reassign_to_remaining"}))
		},
		"remove, with nobody remaining": func(w *world) (string, object) {
			c := w.cast("client")
			return "/v1/manage-assignments", wish(people(c.person),
				change("remove", object{"all_staff": true, "task_policy": "reassign_to_remaining", "when_no_staff_remain": "unassign"}))
		},
		"what is in place already": func(w *world) (string, object) {
			return "/v1/manage-assignments", wish(people(w.person("client", w.Admin)), change("replace", staffed(w.Admin)))
		},
		"assign-staff": func(w *world) (string, object) {
			c := w.cast("client")
			w.template(intake("Call", "", 1))
			return "/v1/assign-staff", object{
				"selection": people(c.person, w.person("client")), "staff_ids": idsOf(c.members("c")...), "tasks": "reassign", "include_intake_tasks": true,
			}
		},
		"remove-staff": func(w *world) (string, object) {
			return "/v1/remove-staff", object{"selection": people(w.cast("referral").person)}
		},
	}
	for name, prepare := range changes {
		s.rule(t, "A16 a preview gives the same answer and changes nothing in any table: "+name, func(t *testing.T, w *world) {
			path, body := prepare(w)
			dry := maps.Clone(body)
			dry["dry_run"] = true
			before := w.tables()
			preview := decode[api.Run](w.as(w.Admin, "POST", path, dry, header{"Idempotency-Key", "preview"}).must(200))
			w.unchanged(before)
			// A wish not to wait changes nothing: a preview is answered at once.
			async := decode[api.Run](w.as(w.Admin, "POST", path, dry, header{"Prefer", "respond-async"}).must(200))
			w.unchanged(before)
			if preview.Status != "preview" || !preview.DryRun || !preview.ID.IsNull() || !preview.Links.IsNull() || !preview.Undo.IsNull() || !preview.Error.IsNull() {
				t.Errorf("got preview %+v", preview)
			}
			w.lists(w.Admin, "/v1/runs")

			// The key is free still: a preview keeps none.
			run := decode[api.Run](w.as(w.Admin, "POST", path, body, header{"Idempotency-Key", "preview"}).must(200))
			totals(t, preview, run.Totals)
			totals(t, async, run.Totals)
			if preview.Revision.MustGet() != run.Revision.MustGet() || preview.Progress != run.Progress || preview.Kind != run.Kind || run.DryRun {
				t.Errorf("got preview %+v, run %+v", preview, run)
			}
			w.lists(w.Admin, "/v1/runs", run.ID.MustGet())
		})
	}

	s.rule(t, "A16 what would be refused is refused in a preview too", func(_ *testing.T, w *world) {
		c := w.cast("client")
		before := w.tables()
		dry := object{"dry_run": true}
		w.manage(c.who['a'], people(c.person), change("remove", staffed(c.who['a'])), dry).problem(403, "permission_denied")
		w.manage(w.Admin, people(newID()), change("remove", staffed(c.who['a'])), dry).problem(422, "person_not_found")
		w.manage(w.Admin, people(c.person), change("remove", staffed(c.who['a'])), dry).problem(422, "task_policy_required")
		w.manage(w.Admin, people(c.person), change("remove", object{"all_staff": true, "task_policy": "reassign_to_remaining"}), dry).problem(422, "no_remaining_staff")
		w.unchanged(before)
	})
}
