package acceptance

import (
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

func TestStaffGroups(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	whatever := header{"If-Match", "*"}

	s.rule(t, "B5 a group is created, read and changed field by field", func(t *testing.T, w *world) {
		ann, gone := w.member("member"), w.member("member")
		w.deactivate(gone)
		if empty := decode[api.StaffGroup](w.as(w.Admin, "POST", "/v1/staff-groups", object{"name": "Nobody yet"}).must(201)); len(empty.MemberIds) != 0 {
			t.Errorf("got %+v", empty)
		}
		created := w.as(w.Admin, "POST", "/v1/staff-groups", object{"name": "Legal desk", "member_ids": []any{"me", ann.ID, gone.ID, ann.ID}}).must(201)
		group := decode[api.StaffGroup](created)
		if group.Name != "Legal desk" {
			t.Errorf("got %+v", group)
		}
		sameIDs(t, "members", group.MemberIds, w.Admin.ID, ann.ID, gone.ID)
		self, tag := created.Header.Get("Location"), created.Header.Get("ETag")
		w.reads(self, created)
		for _, edit := range []object{{"name": "Legal aid"}, {"member_ids": idsOf(ann)}, {"name": "legal AID", "member_ids": []string{}}} {
			changed := w.as(w.Admin, "PATCH", self, edit, header{"If-Match", tag}).must(200)
			w.as(w.Admin, "PATCH", self, edit, header{"If-Match", tag}).problem(412, "precondition_failed")
			w.reads(self, changed)
			tag = changed.Header.Get("ETag")
		}
		before := w.tables()
		w.as(w.Admin, "PATCH", self, object{"name": "legal AID"}, header{"If-Match", tag}).must(200)
		w.as(w.Admin, "PATCH", self, object{"name": "Another"}).problem(428, "precondition_required")
		w.unchanged(before)
		if events := len(w.listed(w.Admin, "/v1/audit-events?subject_kind=staff_group&subject_id="+group.ID.String())); events != 4 {
			t.Errorf("%d changes were recorded", events)
		}
	})

	s.rule(t, "B5 the name of a group is its own among the organization's, in any case", func(t *testing.T, w *world) {
		w.as(w.Admin, "POST", "/v1/staff-groups", object{"name": "Legal desk"}).must(201)
		other := w.as(w.Admin, "POST", "/v1/staff-groups", object{"name": "Intake"}).must(201).Header.Get("Location")
		before := w.tables()
		for _, got := range []answer{
			w.as(w.Admin, "POST", "/v1/staff-groups", object{"name": "LEGAL desk"}),
			w.as(w.Admin, "PATCH", other, object{"name": "legal Desk"}, whatever),
		} {
			pointsAt(t, got.problem(409, "group_name_taken"), "group_name_taken", "/name")
		}
		w.unchanged(before)
		foreign := s.organization(t)
		foreign.as(foreign.Admin, "POST", "/v1/staff-groups", object{"name": "Legal desk"}).must(201)
	})

	s.rule(t, "B5 members exist; everybody reads groups, the staff permission writes them", func(t *testing.T, w *world) {
		ann, keeper := w.member("member", "clients", "referrals", "tasks"), w.member("member", "staff")
		foreign := s.organization(t)
		group := w.group(ann)
		path := "/v1/staff-groups/" + group.String()
		problem := w.as(keeper, "POST", "/v1/staff-groups", object{"name": "New", "member_ids": []any{"me", newID(), foreign.Admin.ID}}).problem(422, "staff_not_found")
		pointsAt(t, problem, "staff_not_found", "/member_ids/1", "/member_ids/2")
		w.as(keeper, "PATCH", path, object{"member_ids": []any{foreign.Admin.ID}}, whatever).problem(422, "staff_not_found")
		w.as(ann, "POST", "/v1/staff-groups", object{"name": "New"}).problem(403, "permission_denied")
		w.as(ann, "PATCH", path, object{"name": "New"}, whatever).problem(403, "permission_denied")
		w.as(keeper, "PATCH", path, object{"name": "New"}, whatever).must(200)
		w.get(ann, path).must(200)
		w.lists(ann, "/v1/staff-groups", group)
		for _, unknown := range []uuid.UUID{newID(), foreign.group()} {
			w.get(w.Admin, "/v1/staff-groups/"+unknown.String()).problem(404, "not_found")
			w.as(w.Admin, "PATCH", "/v1/staff-groups/"+unknown.String(), object{"name": "Mine"}, whatever).problem(404, "not_found")
		}
	})

	s.rule(t, "B5 groups are found by their members and the words of their names", func(_ *testing.T, w *world) {
		ann, bob := w.member("member"), w.member("member")
		ids := map[string]uuid.UUID{}
		for name, members := range map[string][]uuid.UUID{"legal": idsOf(ann, bob), "intake": idsOf(bob), "empty": {}} {
			ids[name] = decode[api.StaffGroup](w.as(w.Admin, "POST", "/v1/staff-groups", object{"name": "The Élan of " + name, "member_ids": members}).must(201)).ID
		}
		for query, want := range map[string]string{
			"": "legal intake empty", "member_id=" + ann.ID.String(): "legal", "member_id=" + bob.ID.String(): "legal intake", "member_id=me": "",
			"member_id=me," + ann.ID.String(): "legal", "q=%C3%89LA": "legal intake empty", "q=in%20th": "intake", "q=lan": "", "q=emp&member_id=" + bob.ID.String(): "",
		} {
			w.listsNamed("/v1/staff-groups", query, ids, want)
		}
		w.lists(bob, "/v1/staff-groups?member_id=me", ids["legal"], ids["intake"])
	})

	s.rule(t, "B5 a repeated request with its key gives the stored answer, and one group", func(_ *testing.T, w *world) {
		first := w.as(w.Admin, "POST", "/v1/staff-groups", object{"name": "Legal desk"}, key("group-1")).must(201)
		replays(w.t, first, w.as(w.Admin, "POST", "/v1/staff-groups", object{"name": "Legal desk"}, key("group-1")).must(201))
		w.lists(w.Admin, "/v1/staff-groups", decode[api.StaffGroup](first).ID)
	})
}
