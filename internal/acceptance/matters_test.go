package acceptance

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

func TestD3Matters(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	whatever := header{"If-Match", "*"}

	s.rule(t, "D3 a matter is created, read and changed field by field", func(t *testing.T, w *world) {
		ann, client, group, other := w.member("member"), w.person("client"), w.group(w.Admin), w.group(w.Admin)
		plain := decode[api.Matter](w.as(w.Admin, "POST", "/v1/matters", object{"number": "M-1", "responsible_staff_id": "me"}).must(201))
		if plain.Number != "M-1" || plain.Description != "" || plain.Status != "open" || plain.Visibility != "everyone" || plain.ResponsibleStaff.ID != w.Admin.ID ||
			!plain.ClientID.IsNull() || !plain.ExternalID.IsNull() || len(plain.GroupIds) != 0 {
			t.Errorf("got %+v", plain)
		}
		created := w.as(w.Admin, "POST", "/v1/matters", object{
			"number": "M-2", "description": "Wage claim", "status": "pending", "visibility": "groups", "responsible_staff_id": ann.ID, "client_id": client,
			"group_ids": []uuid.UUID{other, group, other}, "external_id": "m-2",
		}).must(201)
		matter := decode[api.Matter](created)
		if matter.Number != "M-2" || matter.Description != "Wage claim" || matter.Status != "pending" || matter.Visibility != "groups" ||
			matter.ResponsibleStaff.ID != ann.ID || matter.ClientID.MustGet() != client || matter.ExternalID.MustGet() != "m-2" {
			t.Errorf("got %+v", matter)
		}
		sameIDs(t, "its groups", matter.GroupIds, group, other)
		self, tag := created.Header.Get("Location"), created.Header.Get("ETag")
		w.reads(self, created)
		for _, edit := range []struct {
			body object
			same func(api.Matter) bool
		}{
			{object{"number": "M-3"}, func(got api.Matter) bool {
				return got.Number == "M-3" && got.Description == "Wage claim" && len(got.GroupIds) == 2
			}},
			{object{"description": ""}, func(got api.Matter) bool { return got.Description == "" }},
			{object{"status": "closed"}, func(got api.Matter) bool { return got.Status == "closed" }},
			{object{"group_ids": []uuid.UUID{other}}, func(got api.Matter) bool { return len(got.GroupIds) == 1 && got.GroupIds[0] == other }},
			{object{"visibility": "everyone"}, func(got api.Matter) bool { return got.Visibility == "everyone" && len(got.GroupIds) == 0 }},
			{object{"visibility": "groups", "group_ids": []uuid.UUID{group}}, func(got api.Matter) bool { return got.Visibility == "groups" && len(got.GroupIds) == 1 }},
			{object{"client_id": nil, "external_id": nil}, func(got api.Matter) bool { return got.ClientID.IsNull() && got.ExternalID.IsNull() }},
			{object{"responsible_staff_id": "me", "visibility": "private"}, func(got api.Matter) bool {
				return got.ResponsibleStaff.ID == w.Admin.ID && got.Visibility == "private" && len(got.GroupIds) == 0
			}},
		} {
			changed := w.as(w.Admin, "PATCH", self, edit.body, header{"If-Match", tag}).must(200)
			w.as(w.Admin, "PATCH", self, edit.body, header{"If-Match", tag}).problem(412, "precondition_failed")
			if got := decode[api.Matter](changed); !edit.same(got) {
				t.Errorf("%v: got %+v", edit.body, got)
			}
			w.reads(self, changed)
			tag = changed.Header.Get("ETag")
		}
		w.as(w.Admin, "PATCH", self, object{"number": "M-3"}, header{"If-Match", tag}).must(200)
		if events := len(w.listed(w.Admin, "/v1/audit-events?subject_id="+matter.ID.String())); events != 9 {
			t.Errorf("%d changes were recorded", events)
		}
	})

	s.rule(t, "B5 groups are named just where groups see the matter, and must exist", func(t *testing.T, w *world) {
		group, foreign := w.group(), s.organization(t)
		matter := func(more object) object {
			body := object{"number": "M-1", "responsible_staff_id": "me"}
			for name, value := range more {
				body[name] = value
			}
			return body
		}
		open := "/v1/matters/" + w.matter("everyone", w.Admin).String()
		shown := "/v1/matters/" + w.groupMatter(w.Admin, group).String()
		before := w.tables()
		for _, got := range []answer{
			w.as(w.Admin, "POST", "/v1/matters", matter(object{"visibility": "groups"})),
			w.as(w.Admin, "POST", "/v1/matters", matter(object{"visibility": "groups", "group_ids": []uuid.UUID{}})),
			w.as(w.Admin, "POST", "/v1/matters", matter(object{"group_ids": []uuid.UUID{group}})),
			w.as(w.Admin, "POST", "/v1/matters", matter(object{"visibility": "private", "group_ids": []uuid.UUID{group}})),
			w.as(w.Admin, "PUT", "/v1/matters/by-external-id/1", matter(object{"group_ids": []uuid.UUID{group}})),
			w.as(w.Admin, "PATCH", open, object{"visibility": "groups"}, whatever),
			w.as(w.Admin, "PATCH", open, object{"group_ids": []uuid.UUID{group}}, whatever),
			w.as(w.Admin, "PATCH", shown, object{"group_ids": []uuid.UUID{}}, whatever),
			w.as(w.Admin, "PATCH", shown, object{"visibility": "private", "group_ids": []uuid.UUID{group}}, whatever),
		} {
			pointsAt(t, got.problem(422, "invalid_value"), "invalid_value", "/group_ids")
		}
		unknown, theirs := newID(), foreign.group()
		problem := w.as(w.Admin, "POST", "/v1/matters", matter(object{"visibility": "groups", "group_ids": []uuid.UUID{unknown, group, theirs}})).problem(422, "staff_group_not_found")
		pointsAt(t, problem, "staff_group_not_found", "/group_ids/0", "/group_ids/2")
		pointsAt(t, w.as(w.Admin, "PATCH", shown, object{"group_ids": []uuid.UUID{theirs}}, whatever).problem(422, "staff_group_not_found"), "staff_group_not_found", "/group_ids/0")
		w.unchanged(before)
		// One that was imported for groups has none yet, and is edited all the same.
		imported := "/v1/matters/" + w.groupMatter(w.Admin).String()
		w.as(w.Admin, "PATCH", imported, object{"number": "M-9"}, whatever).must(200)
		w.as(w.Admin, "PATCH", imported, object{"group_ids": []uuid.UUID{group}}, whatever).must(200)
	})

	s.rule(t, "A13 whoever is made responsible exists and is active; who was may stay, and what is closed is history", func(t *testing.T, w *world) {
		gone, foreign := w.member("member"), s.organization(t)
		w.deactivate(gone)
		body := object{"number": "M-1", "responsible_staff_id": gone.ID}
		matter := w.matter("everyone", w.Admin)
		path := "/v1/matters/" + matter.String()
		held := "/v1/matters/" + w.matter("everyone", gone).String()
		for _, got := range []answer{
			w.as(w.Admin, "POST", "/v1/matters", body),
			w.as(w.Admin, "PUT", "/v1/matters/by-external-id/1", body),
			w.as(w.Admin, "PATCH", path, object{"responsible_staff_id": gone.ID}, whatever),
		} {
			pointsAt(t, got.problem(422, "staff_not_active"), "staff_not_active", "/responsible_staff_id")
		}
		for _, unknown := range []uuid.UUID{newID(), foreign.Admin.ID} {
			for _, got := range []answer{
				w.as(w.Admin, "POST", "/v1/matters", with(body, "responsible_staff_id", unknown)),
				w.as(w.Admin, "PATCH", path, object{"responsible_staff_id": unknown}, whatever),
			} {
				pointsAt(t, got.problem(422, "staff_not_found"), "staff_not_found", "/responsible_staff_id")
			}
		}
		w.as(w.Admin, "PATCH", held, object{"responsible_staff_id": gone.ID, "number": "M-8"}, whatever).must(200)
		w.as(w.Admin, "PUT", "/v1/matters/by-external-id/2", with(body, "status", "closed")).must(201)
		w.as(w.Admin, "PUT", "/v1/matters/by-external-id/2", with(body, "status", "open")).must(200)
	})

	s.rule(t, "D3 a client exists, and is seen by who names them, or the caller has the tasks permission", func(t *testing.T, w *world) {
		plain, clerk, foreign := w.member("member"), w.member("member", "tasks"), s.organization(t)
		own, other := w.person("client", plain), w.person("client")
		body := func(client uuid.UUID) object {
			return object{"number": "M-1", "responsible_staff_id": "me", "client_id": client}
		}
		for _, unknown := range []uuid.UUID{newID(), foreign.person("client")} {
			for _, m := range []member{plain, clerk, w.Admin} {
				pointsAt(t, w.as(m, "POST", "/v1/matters", body(unknown)).problem(422, "person_not_found"), "person_not_found", "/client_id")
			}
		}
		w.as(plain, "POST", "/v1/matters", body(other)).problem(403, "permission_denied")
		w.as(clerk, "POST", "/v1/matters", body(other)).must(201)
		self := w.as(plain, "POST", "/v1/matters", body(own)).must(201).Header.Get("Location")
		w.as(plain, "PATCH", self, object{"client_id": other}, whatever).problem(403, "permission_denied")
		w.as(clerk, "PATCH", self, object{"client_id": other}, whatever).must(200)
		w.as(plain, "PATCH", self, object{"client_id": other, "number": "M-2"}, whatever).must(200)
	})

	s.rule(t, "D3 writing matters: the tasks permission, or being responsible, who may hand them over", func(t *testing.T, w *world) {
		ann, bob, clerk := w.member("member", "clients", "staff"), w.member("member"), w.member("member", "tasks")
		w.as(ann, "POST", "/v1/matters", object{"number": "M-1", "responsible_staff_id": bob.ID}).problem(403, "permission_denied")
		w.as(ann, "PUT", "/v1/matters/by-external-id/1", object{"number": "M-1", "responsible_staff_id": bob.ID}).problem(403, "permission_denied")
		w.as(clerk, "POST", "/v1/matters", object{"number": "M-1", "responsible_staff_id": bob.ID}).must(201)
		own := w.as(ann, "PUT", "/v1/matters/by-external-id/1", object{"number": "M-1", "responsible_staff_id": "me"}).must(201).Header.Get("Location")
		w.as(bob, "PATCH", own, object{"number": "M-2"}, whatever).problem(403, "permission_denied")
		w.as(bob, "PATCH", own, object{"number": "M-2"}, header{"If-Match", `"old"`}).problem(403, "permission_denied")
		w.as(bob, "PUT", "/v1/matters/by-external-id/1", object{"number": "M-2", "responsible_staff_id": "me"}).problem(403, "permission_denied")
		w.as(clerk, "PATCH", own, object{"number": "M-2"}, whatever).must(200)
		for _, hidden := range []string{"everyone", "private"} {
			mine := w.as(ann, "POST", "/v1/matters", object{"number": "M-3", "responsible_staff_id": "me", "visibility": hidden}).must(201).Header.Get("Location")
			if got := decode[api.Matter](w.as(ann, "PATCH", mine, object{"responsible_staff_id": bob.ID}, whatever).must(200)); got.ResponsibleStaff.ID != bob.ID {
				t.Errorf("handed over to %+v", got.ResponsibleStaff)
			}
			w.get(bob, mine).must(200)
		}
	})

	s.rule(t, "D3 a repeated request with its key gives the stored answer, and one matter", func(_ *testing.T, w *world) {
		body := object{"number": "M-1", "responsible_staff_id": "me", "visibility": "groups", "group_ids": []uuid.UUID{w.group(w.Admin)}}
		first := w.as(w.Admin, "POST", "/v1/matters", body, key("matter-1")).must(201)
		replays(w.t, first, w.as(w.Admin, "POST", "/v1/matters", body, key("matter-1")).must(201))
		w.as(w.Admin, "POST", "/v1/matters", with(body, "number", "M-2"), key("matter-1")).problem(422, "idempotency_key_reused")
		w.lists(w.Admin, "/v1/matters", decode[api.Matter](first).ID)
	})
}

func TestMatterFilters(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	ann, bob := w.member("member"), w.member("member")
	maya, omar := w.person("client"), w.person("client")
	group := w.group(w.Admin)
	ids := map[string]uuid.UUID{}
	create := func(name string, fields object) {
		body := object{"number": "2026/" + name, "description": "The Zoning-Board of " + name, "responsible_staff_id": ann.ID, "external_id": "x-" + name}
		for field, value := range fields {
			body[field] = value
		}
		ids[name] = decode[api.Matter](w.as(w.Admin, "POST", "/v1/matters", body).must(201)).ID
	}
	create("plain", object{})
	create("pending", object{"status": "pending", "client_id": maya})
	create("closed", object{"status": "closed", "client_id": omar, "responsible_staff_id": bob.ID})
	create("shown", object{"visibility": "groups", "group_ids": []uuid.UUID{group}, "responsible_staff_id": bob.ID})
	create("mine", object{"visibility": "private", "responsible_staff_id": "me"})
	create("secret", object{"visibility": "private"})
	a, b := ann.ID.String(), bob.ID.String()
	for query, want := range map[string]string{
		"":                                "plain pending closed shown mine",
		"status=open":                     "plain shown mine",
		"status=pending,closed":           "pending closed",
		"visibility=everyone":             "plain pending closed",
		"visibility=groups,private":       "shown mine",
		"responsible_staff_id=" + a:       "plain pending",
		"responsible_staff_id=" + b:       "closed shown",
		"responsible_staff_id=me," + b:    "closed shown mine",
		"client_id=" + maya.String():      "pending",
		"client_id=" + newID().String():   "",
		"q=zoning":                        "plain pending closed shown mine",
		"q=BOARD":                         "",
		"q=2026%2Fsh":                     "shown",
		"q=of%20pl%20zon":                 "plain",
		"q=secret":                        "",
		"q=%25":                           "",
		"external_id=x-plain,x-secret":    "plain",
		"status=open&visibility=private":  "mine",
		"status=open&q=mine&visibility=x": "!",
		"client_id=" + maya.String() + "," + omar.String(): "pending closed",
	} {
		if want == "!" {
			w.get(w.Admin, "/v1/matters?"+query).problem(400, "invalid_parameter")
			continue
		}
		w.listsNamed("/v1/matters", query, ids, want)
	}
}

// listsNamed fails the test unless a filtered list has just the rows of these names, however it is asked for.
func (w *world) listsNamed(path, query string, ids map[string]uuid.UUID, want string) {
	w.t.Helper()
	var expected []uuid.UUID
	for _, name := range strings.Fields(want) {
		expected = append(expected, ids[name])
	}
	w.lists(w.Admin, path+"?"+query, expected...)
	w.lists(w.Admin, path+"?limit=1&"+query, expected...)
	if total := *decode[page](w.get(w.Admin, path+"?include_total=true&"+query).must(200)).Total; total != len(expected) {
		w.t.Errorf("%s: got total %d, want %d", query, total, len(expected))
	}
}
