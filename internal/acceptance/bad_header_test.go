package acceptance

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

func takesHeader(op operation, name string) bool {
	for _, parameter := range op.Parameters {
		if parameter.In == "header" && parameter.Name == name {
			return true
		}
	}
	return false
}

func TestBadPreconditions(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	a := s.furnished(t, "Aldermoor")
	task, email := taskOfNobody(a.world, a.Admin), true
	unlinked, linked := a.person("client"), a.linkedClient()
	// What is written, how it is read, and a request that changes something each time.
	resources := map[string]struct {
		read    string
		request func() ask
		status  int
	}{
		"updateStaff": {"getStaff", func() ask { return staffRow(a)[0].sending(object{"first_name": newID().String()}) }, 200},
		"updateTask":  {"getTask", func() ask { return inPath("task_id", task.String()).sending(object{"title": newID().String()}) }, 200},
		"replaceIntakeTemplate": {"getIntakeTemplate", func() ask {
			return withBody(object{"tasks": []object{{"title": newID().String(), "days_until_due": 1}}})
		}, 200},
		"revokeApiToken": {"getApiToken", func() ask { return inPath("token_id", a.tokenID.String()) }, 204},
		"updateMatter": {"getMatter", func() ask {
			return inPath("matter_id", a.matterID.String()).sending(object{"description": newID().String()})
		}, 200},
		"updateCalendarEvent": {"getCalendarEvent", func() ask {
			return inPath("calendar_event_id", a.eventID.String()).sending(object{"title": newID().String()})
		}, 200},
		"updateStaffGroup": {"getStaffGroup", func() ask {
			return inPath("staff_group_id", a.groupID.String()).sending(object{"name": newID().String()})
		}, 200},
		"updateClientSection": {"getClientSection", func() ask { return editing(a.clientID, "notes", object{"notes": newID().String()}) }, 200},
		"linkCams": {"getClient", func() ask {
			return inPath("client_id", unlinked.String()).sending(object{"cams_reference": newReference()})
		}, 200},
		"unlinkCams": {"getClient", func() ask { return inPath("client_id", linked.String()) }, 204},
		"replaceNotificationSettings": {"getNotificationSettings", func() ask {
			email = !email
			return withBody(object{"email": email})
		}, 200},
	}
	for _, operationID := range operationIDs() {
		op := operations()[operationID]
		if operationID == "deleteSession" {
			continue // it ends what the next request would come with; see the sessions
		}
		if !takesHeader(op, "If-Match") {
			if op.Method == "PATCH" || op.Method == "DELETE" {
				t.Errorf("%s takes no If-Match", operationID)
			}
			continue
		}
		resource, known := resources[operationID]
		if !known {
			t.Errorf("the operation %s has no row", operationID)
			continue
		}
		t.Run(operationID, func(t *testing.T) {
			request := resource.request()
			current := func() string {
				return s.ask(t, a.Admin.Token, resource.read, ask{path: request.path}).must(200).Header.Get("ETag")
			}
			tag := current()
			if len(tag) < 4 || tag[0] != '"' || tag[len(tag)-1] != '"' {
				t.Fatalf("got the ETag %s", tag)
			}
			before := a.tables()
			a.bad(t, op, request, 428, "precondition_required", "header:If-Match")
			for _, match := range []string{
				`"AAAAAAAAAAAAAAAA"`, `""`, "W/" + tag, tag + `, "AAAAAAAAAAAAAAAA"`, `"AAAAAAAAAAAAAAAA", ` + tag, tag + ", " + tag, tag + ", *", "*, " + tag, "**", `"*"`,
				strings.Trim(tag, `"`), tag[:len(tag)-1], tag[1:], strings.ToUpper(tag), `'` + strings.Trim(tag, `"`) + `'`, tag + "x", `" ` + tag[1:], "null", "\u00e9",
			} {
				if match == tag {
					continue // one in four thousand has no small letter to begin with
				}
				if got := s.ask(t, a.Admin.Token, operationID, request.with("If-Match", match)); got.Status != 412 {
					t.Errorf("If-Match: %s is answered %d: %.200s", match, got.Status, got.Body)
				} else {
					got.problem(412, "precondition_failed")
				}
			}
			a.bad(t, op, request.with("If-Match", strings.Repeat("x", 1001)), 400, "invalid_parameter", "header:If-Match")
			a.unchanged(before)
			s.ask(t, a.Admin.Token, operationID, request.with("If-Match", tag)).must(resource.status)
			if current() == tag {
				t.Fatal("the change left the ETag as it was")
			}
			before = a.tables()
			a.bad(t, op, request.with("If-Match", tag), 412, "precondition_failed", "")
			a.unchanged(before)
			s.ask(t, a.Admin.Token, operationID, resource.request().with("If-Match", "*")).must(resource.status)
		})
	}

	t.Run("the ETag of what was created is that of what is read", func(t *testing.T) {
		for operationID, c := range map[string]struct {
			read, parameter string
			body            object
		}{
			"createStaff":    {"getStaff", "staff_id", newMember("member", "tasks", "clients")},
			"createTask":     {"getTask", "task_id", object{"title": "Call", "due_on": "2030-01-31", "assignee_ids": []uuid.UUID{a.spare.ID, a.staff.ID}}},
			"createReferral": {"getPerson", "person_id", object{"first_name": "Ada", "last_name": "Byron"}},
			"createMatter":   {"getMatter", "matter_id", object{"number": "2030-1", "responsible_staff_id": a.spare.ID, "visibility": "groups", "group_ids": []uuid.UUID{a.groupID}}},
			"createCalendarEvent": {"getCalendarEvent", "calendar_event_id", with(with(eventFor(a.spare.ID), "starts_at", "2030-01-31T10:00:00.123456789+02:00"),
				"attendee_staff_ids", []uuid.UUID{a.spare.ID, a.staff.ID})},
			"createClient":     {"getClient", "client_id", newClient(object{"phone": "(416) 555-0161", "external_id": "crm-1"})},
			"createStaffGroup": {"getStaffGroup", "staff_group_id", object{"name": "Team", "member_ids": []uuid.UUID{a.spare.ID, a.staff.ID}}},
			"createApiToken":   {"getApiToken", "token_id", object{"name": "Export", "scopes": []string{"read", "admin"}, "expires_at": "2040-01-31T10:00:00.123456789+02:00"}},
		} {
			created := s.ask(t, a.Admin.Token, operationID, withBody(c.body)).must(201)
			id := decode[struct{ ID string }](created).ID
			read := s.ask(t, a.Admin.Token, c.read, inPath(c.parameter, id)).must(200)
			if created.Header.Get("ETag") != read.Header.Get("ETag") {
				t.Errorf("%s: created as %s, read as %s", operationID, created.Header.Get("ETag"), read.Header.Get("ETag"))
			}
		}
	})
}

func TestBadIdempotencyKeys(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	for _, operationID := range operationIDs() {
		op := operations()[operationID]
		if !takesHeader(op, "Idempotency-Key") {
			if op.Method == "POST" && !op.public() {
				t.Errorf("%s takes no Idempotency-Key", operationID)
			}
			continue
		}
		t.Run(operationID, func(t *testing.T) {
			t.Parallel()
			a := s.furnished(t, "Aldermoor")
			request := a.lastingRequestOf(operationID)
			before := a.tables()
			for _, key := range []string{"", strings.Repeat("k", 256), "ü", "a\tb", "\u00a0", "a\u0080b"} {
				a.bad(t, op, request.with("Idempotency-Key", key), 400, "invalid_parameter", "header:Idempotency-Key")
			}
			a.unchanged(before)

			key := strings.Repeat("~", 254) + "!"
			first := s.ask(t, a.Admin.Token, operationID, request.with("Idempotency-Key", key))
			if first.Status >= 300 || first.Header.Get("Idempotency-Replayed") != "" {
				t.Fatalf("got %d: %s", first.Status, first.Body)
			}
			after := a.tables()
			again := s.ask(t, a.Admin.Token, operationID, request.with("Idempotency-Key", key)).must(first.Status)
			if again.Header.Get("Idempotency-Replayed") != "true" || string(again.Body) != string(first.Body) {
				t.Errorf("asked again, got %v\n%s\nafter\n%s", again.Header, again.Body, first.Body)
			}
			for _, name := range []string{"ETag", "Location"} {
				if first.Header.Get(name) != again.Header.Get(name) {
					t.Errorf("asked again, got %s %q after %q", name, again.Header.Get(name), first.Header.Get(name))
				}
			}
			other := request
			switch {
			case op.Body != nil:
				other.body = otherBody(other.body.(object))
				a.bad(t, op, other.with("Idempotency-Key", key), 422, "idempotency_key_reused", "")
			case operationID == "deactivateStaff":
				other.query = url.Values{"require_empty": {"false"}}
				a.bad(t, op, other.with("Idempotency-Key", key), 422, "idempotency_key_reused", "")
			}
			a.unchanged(after)
			a.keyInUse(t, op, request)
		})
	}
}

// lastingRequestOf is a request that is no preview.
func (a *tenant) lastingRequestOf(operationID string) ask {
	request := a.requestOf(operationID)
	if body, isObject := request.body.(object); isObject {
		request.body = with(body, "dry_run", nil)
		delete(request.body.(object), "dry_run")
	}
	return request
}

// otherBody is a body that asks for something else.
func otherBody(body object) object {
	for _, name := range []string{"first_name", "title", "name", "number"} {
		if _, found := body[name]; found {
			return with(body, name, "Other")
		}
	}
	switch {
	case body["selection"] != nil:
		return with(body, "selection", people(newID()))
	case body["notification_ids"] != nil:
		return object{"all": true}
	case body["overlap_seconds"] != nil:
		return object{"overlap_seconds": 61}
	case body["send_invitation"] != nil:
		return object{"send_invitation": true}
	}
	return with(body, "reason", "Another one")
}

// keyInUse holds the answer while another request with the key is at work.
func (a *tenant) keyInUse(t *testing.T, op operation, request ask) {
	t.Helper()
	tx, err := a.service.DB.SQL.BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	// Whoever is at work with the key holds its advisory lock: every lock that the first request takes is found by asking
	// under a new key with all of the operation's path.
	path, _, _ := strings.Cut(request.target(op), "?")
	if _, err := tx.ExecContext(t.Context(), `SELECT pg_advisory_xact_lock(hashtextextended(concat_ws('/', $1::text, $2::text, $3::text, $4::text), 7061))`,
		a.ID.String(), a.Admin.ID.String(), op.OperationID+" "+path, "at work"); err != nil {
		t.Fatal(err)
	}
	before := a.tables()
	got := a.service.ask(t, a.Admin.Token, op.OperationID, request.with("Idempotency-Key", "at work"))
	got.problem(409, "idempotency_key_in_use")
	if got.Header.Get("Retry-After") == "" {
		t.Error("a key in use does not tell when to ask again")
	}
	if op.OperationID == "syncCams" {
		a.unchanged(before, "cams_links") // when the record was read last; what came of it is taken over, key or not
	} else {
		a.unchanged(before)
	}
}

func TestRefusedRequestsAndPreviewsLeaveTheKeyFree(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	a := s.furnished(t, "Aldermoor")
	person := a.person("client")
	key := idempotencyKey("once")
	ask := func(fields object) answer {
		return a.service.call(t, a.Admin.Token, "POST", "/v1/manage-assignments", wishOf(people(person), fields), key)
	}
	ask(change("assign", object{"staff_ids": []uuid.UUID{newID()}})).problem(422, "staff_not_found")
	s.call(t, a.Admin.Token, "POST", "/v1/manage-assignments", with(wishOf(people(person), change("assign", object{"staff_ids": idsOf(a.spare)})), "dry_run", true), key).must(200)
	if run := decode[api.Run](ask(change("assign", object{"staff_ids": idsOf(a.spare)})).must(200)); run.Status != "succeeded" {
		t.Errorf("got %+v", run)
	}
}

func idempotencyKey(key string) header { return header{"Idempotency-Key", key} }

func wishOf(selection, changed object) object {
	return object{"selection": selection, "change": changed}
}

func TestBadCursors(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	a := s.furnished(t, "Aldermoor")
	cursors := map[string]string{}
	for _, operationID := range operationIDs() {
		op := operations()[operationID]
		if !slices.Contains(queryNames(op), "cursor") {
			continue
		}
		cursors[operationID] = (place{operation: operationID, kind: placeOfCursor}).of(a)
	}
	if len(cursors) < 11 {
		t.Errorf("found only the lists %v", cursors)
	}
	for operationID, cursor := range cursors {
		t.Run(operationID, func(t *testing.T) {
			t.Parallel()
			op, request := operations()[operationID], a.requestOf(operationID)
			refused := func(what, query string) {
				t.Helper()
				pointsTo(t, what, a.raw(t, op, request, query).problem(400, "invalid_cursor"), "query:cursor")
			}
			a.raw(t, op, request, "cursor="+cursor).must(200)
			a.raw(t, op, request, "limit=3&include_total=true&cursor="+cursor).must(200)
			for length := 1; length < len(cursor); length++ {
				refused("cut", "cursor="+cursor[:length])
				refused("cut at its head", "cursor="+cursor[length:])
			}
			for i := range len(cursor) {
				for bit := range 8 {
					flipped := []byte(cursor)
					flipped[i] ^= 1 << bit
					got := a.raw(t, op, request, "cursor="+url.QueryEscape(string(flipped)))
					if got.Status != 400 {
						t.Errorf("bit %d of character %d: got %d", bit, i, got.Status)
					}
				}
			}
			for _, cursor := range []string{cursor + "=", cursor + "A", "A" + cursor, cursor + cursor, cursor + "%20", "%20" + cursor, "%0A" + cursor, cursor + "%0A", newID().String(), "0", strings.Repeat("A", 44), strings.Repeat("A", 2000)} {
				refused(cursor, "cursor="+cursor)
			}
			a.raw(t, op, request, "cursor="+strings.Repeat("A", 2001)).problem(400, "invalid_parameter")
			a.raw(t, op, request, "cursor=").problem(400, "invalid_parameter")
			refused("with another filter", filterOf(op)+"&cursor="+cursor)
			for other, foreign := range cursors {
				if other != operationID {
					refused("of "+other, "cursor="+foreign)
				}
			}
		})
	}

	t.Run("a cursor of one run is none of another", func(t *testing.T) {
		var other uuid.UUID
		for _, id := range a.ids(`SELECT id FROM runs WHERE organization_id = $1`, a.ID) {
			if id != a.runID {
				other = id
			}
		}
		a.bad(t, operations()["listRunItems"], ask{path: map[string]string{"run_id": other.String()}, query: url.Values{"cursor": {cursors["listRunItems"]}}}, 400, "invalid_cursor", "query:cursor")
	})

	t.Run("a cursor of a colleague grants nothing", func(t *testing.T) {
		for _, operationID := range []string{"listPeople", "listTasks", "listRuns", "listApiTokens"} {
			got := s.ask(t, a.spare.Token, operationID, inQuery("cursor", cursors[operationID])).must(200)
			own := s.ask(t, a.spare.Token, operationID, ask{}).must(200)
			shown := decode[page](own).Items
			for _, item := range decode[page](got).Items {
				if !slices.ContainsFunc(shown, func(seen json.RawMessage) bool { return string(seen) == string(item) }) {
					t.Errorf("%s: a colleague's cursor shows %s", operationID, item)
				}
			}
		}
	})
}

// filterOf is a query that narrows a list.
func filterOf(op operation) string {
	for _, parameter := range op.Parameters {
		if parameter.In == "query" && parameter.Schema.Value.Type.Is("array") && len(parameter.Schema.Value.Items.Value.Enum) > 0 {
			return fmt.Sprintf("%s=%v", parameter.Name, parameter.Schema.Value.Items.Value.Enum[0])
		}
	}
	for _, parameter := range op.Parameters {
		if parameter.In == "query" && parameter.Schema.Value.Type.Is("array") && strings.HasPrefix(parameter.Schema.Value.Items.Value.Pattern, "^(me|") {
			return parameter.Name + "=me"
		}
	}
	return "q=a"
}
