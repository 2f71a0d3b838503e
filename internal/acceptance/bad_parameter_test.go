package acceptance

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/api"
)

// requestOf is a request of any operation that would succeed.
func (a *tenant) requestOf(operationID string) ask {
	if rows := rowsOf(operationID); rows != nil {
		return rows(a)[0]
	}
	return roleRequest(operationID)(a.world, a.Admin)
}

// raw asks with a query as it is written.
func (a *tenant) raw(t *testing.T, op operation, request ask, query string) answer {
	t.Helper()
	target := request.target(op)
	if query != "" {
		separator := "?"
		if strings.Contains(target, "?") {
			separator = "&"
		}
		target += separator + query
	}
	return a.service.call(t, a.Admin.Token, op.Method, target, request.body, request.headers...)
}

// pointsTo holds the first place of a problem.
func pointsTo(t *testing.T, what string, problem api.Problem, pointer string) {
	t.Helper()
	if len(problem.Errors) == 0 || problem.Errors[0].Pointer != pointer {
		t.Errorf("%s: got errors at %+v, want %s", what, problem.Errors, pointer)
	}
}

func TestBadParameters(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	a := s.furnished(t, "Aldermoor")

	t.Run("an unknown parameter is refused by every operation", func(t *testing.T) {
		for _, operationID := range operationIDs() {
			op, request := operations()[operationID], a.requestOf(operationID)
			before := a.tables()
			for query, name := range map[string]string{
				"no_such=1": "no_such", "no_such": "no_such", "=1": "", "Limit=1": "Limit", "limit%20=1": "limit ", "organization_id=" + a.ID.String(): "organization_id", "%00=1": "\x00",
			} {
				problem := a.raw(t, op, request, query).problem(400, "unknown_parameter")
				pointsTo(t, operationID+"?"+query, problem, "query:"+name)
			}
			a.unchanged(before)
		}
	})

	t.Run("a parameter that stands twice is refused", func(t *testing.T) {
		for operationID, query := range map[string]string{
			"listPeople": "kind=client&kind=referral", "listTasks": "limit=1&limit=1", "listStaff": "q=a&q=b", "listRuns": "status=queued&status=queued",
			"listAuditEvents": "action=a&action=a", "exportAuditEvents": "run_id=a&run_id=a", "listApiTokens": "staff_id=me&staff_id=me", "listRunItems": "kind=task&kind=task",
			"listMatters": "status=open&status=open", "listCalendarEvents": "starts_to=2030-01-01T00:00:00Z&starts_to=2030-01-01T00:00:00Z",
			"listStaffGroups": "member_id=me&member_id=me", "listNotifications": "unread=true&unread=true",
		} {
			name, _, _ := strings.Cut(query, "=")
			pointsTo(t, query, a.raw(t, operations()[operationID], a.requestOf(operationID), query).problem(400, "invalid_parameter"), "query:"+name)
		}
	})

	t.Run("a limit out of range is refused by every list, and the bounds are taken", func(t *testing.T) {
		lists := 0
		for _, operationID := range operationIDs() {
			op, request := operations()[operationID], a.requestOf(operationID)
			if !slices.Contains(queryNames(op), "limit") {
				continue
			}
			lists++
			for _, limit := range []string{
				"0", "-1", "201", "1000000000", "ten", "1.5", "1e2", "", "%2B5", "+5", "05", "%205", "5%20", "0x5", "99999999999999999999", "-99999999999999999999", "null", "1,2", "%D9%A5",
			} {
				problem := a.raw(t, op, request, "limit="+limit).problem(400, "invalid_parameter")
				pointsTo(t, operationID+"?limit="+limit, problem, "query:limit")
			}
			a.raw(t, op, request, "limit").problem(400, "invalid_parameter")
			for _, limit := range []string{"1", "200"} {
				a.raw(t, op, request, "limit="+limit).must(200)
			}
		}
		if lists < 11 {
			t.Errorf("found only %d lists", lists)
		}
	})

	t.Run("a value that is none of its parameter's is refused, in every query", func(t *testing.T) {
		for _, operationID := range operationIDs() {
			op, request := operations()[operationID], a.requestOf(operationID)
			before := a.tables()
			for _, parameter := range op.Parameters {
				if parameter.In != "query" {
					continue
				}
				bad := []string{"", "%00", "%ff", "%zz", "%"}
				switch schema := parameter.Schema.Value; {
				case schema.Type.Is("boolean"):
					bad = append(bad, "yes", "1", "TRUE", "true,false", "null")
				case schema.Format == "date" || schema.Format == "date-time":
					bad = append(bad, "2025-02-30", "0000-01-01", "2025-13-01", "2025-1-1", "today", "20250101", "2025-02-30T00:00:00Z", "10000-01-01", "-2025-01-01", "2025-01-01T25:00:00Z")
				case schema.Type.Is("array") && len(schema.Items.Value.Enum) > 0:
					bad = append(bad, "no_such", ",", "active,", "%20")
				}
				for _, value := range bad {
					got := a.raw(t, op, request, parameter.Name+"="+value)
					code := "invalid_parameter"
					if parameter.Name == "cursor" && value != "" {
						continue // see the cursors
					}
					pointsTo(t, operationID+"?"+parameter.Name+"="+value, got.problem(400, code), "query:"+parameter.Name)
				}
			}
			a.unchanged(before)
		}
	})

	t.Run("a malformed UUID is pointed to, in each place that takes one", func(t *testing.T) {
		id := newID().String()
		malformed := []string{
			"x", "0", "null", "-", id[:35], id + "0", strings.ReplaceAll(id, "-", ""), "{" + id + "}", "urn:uuid:" + id, id + "\n", " " + id, id + " ", "g" + id[1:],
			id[:14] + "X" + id[15:], "ME", "me ", "' OR '1'='1", "%00", "../me", strings.Repeat("a", 300), "٠" + id[1:], id + "\x00",
		}
		tried := 0
		for _, p := range idPlaces() {
			if p.kind != placeOfID {
				continue
			}
			bases := []ask{a.requestOf(p.operation)}
			if rows := foreignRows[p.operation]; rows != nil {
				bases = rows(a)
			}
			before := a.tables()
			for _, base := range bases {
				for _, value := range malformed {
					for _, request := range p.put(base, value) {
						tried++
						a.malformedAt(t, p, request, value)
					}
				}
			}
			a.unchanged(before)
		}
		if tried < 1500 {
			t.Errorf("tried only %d", tried)
		}
	})

	t.Run("a path that does not exist is not found, whatever stands in it", func(t *testing.T) {
		for _, path := range []string{
			"/v1", "/v1/", "/v1/people/", "/v1/people//", "/v1/nothing", "/v1/people/" + a.clientID.String() + "/", "/v1/people/" + a.clientID.String() + "/nothing",
			"/v1/people/by-external-id/", "/v1/people/by-external-id/a/b", "/V1/people", "/v1/People", "/v1/runs/" + a.runID.String() + "/report.pdf",
			"/v1//people", "/v1/./people", "/v1/people/..", "/v1/people/%2e%2e/staff", "/%2e%2e/%2e%2e/etc/passwd", "/docs/../../etc/passwd", "/docs/%2e%2e%2fopenapi.yaml",
		} {
			for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
				got := s.call(t, a.Admin.Token, method, path, nil)
				if got.Status != 404 && got.Status != 405 && (got.Status != 400 || !strings.HasPrefix(path, "/v1/people/")) {
					t.Errorf("%s %s: got %d: %.200s", method, path, got.Status, got.Body)
				}
				if got.Status != 400 {
					got.problem(got.Status, map[int]string{404: "not_found", 405: "method_not_allowed"}[got.Status])
				}
			}
		}
	})

	t.Run("an external id is whatever it is, however it is written", func(t *testing.T) {
		for i, external := range []string{
			"50%", "50%25", "%41", "a/b", "ü", "u\u0308", "..", ".", "a,b", "a b", "a+b", "a;b=c", "a?b", "a#b", "'quoted'", `"double"`, "\\", "{external_id}", "%", "🦄",
			"by-external-id", "a&b=c", "|", strings.Repeat("ä", 200), "\t", "~", "null", "0", "\u202e", "a\u00a0b",
		} {
			if strings.TrimSpace(external) == "" {
				continue
			}
			request := inPath("external_id", external).sending(object{"kind": "client", "first_name": "Ada", "last_name": fmt.Sprint("Number ", i)})
			for _, status := range []int{201, 200} {
				person := decode[api.Person](s.ask(t, a.Admin.Token, "upsertPersonByExternalId", request).must(status))
				if got, _ := person.ExternalID.Get(); got != external {
					t.Errorf("%q became %q", external, got)
				}
			}
			found := decode[api.PersonPage](s.call(t, a.Admin.Token, "GET", "/v1/people?external_id="+url.QueryEscape(external), nil).must(200))
			if len(found.Items) != 1 || found.Items[0].LastName != fmt.Sprint("Number ", i) {
				t.Errorf("%q is not found: %+v", external, found.Items)
			}
		}
		for _, path := range []string{"%", "%zz", "%C3%28", "%00", "a%00b", "%20", "%ff", strings.Repeat("a", 201), "%ED%A0%80"} {
			target := "/v1/people/by-external-id/" + path
			request := newRequest(t, s.URL, a.Admin.Token, "PUT", "/v1/people", object{"kind": "client", "first_name": "Ada", "last_name": "Byron"}, nil)
			if got := s.onTheWire(t, request, target); got != 400 {
				t.Errorf("%s: got %d", target, got)
			}
		}
	})
}

// malformedAt holds the answer to a request that has a malformed id.
func (a *tenant) malformedAt(t *testing.T, p place, request ask, value string) {
	t.Helper()
	got := a.service.ask(t, a.Admin.Token, p.operation, request)
	if p.in == "path" && strings.Contains(value, "/") && got.Status == 404 {
		return // another path
	}
	if got.Status != 400 {
		t.Errorf("%s: %q is answered %d: %.300s", p, value, got.Status, got.Body)
		return
	}
	problem := decode[api.Problem](got)
	want, code := p.in+":"+p.name, "invalid_parameter"
	if p.in == "body" {
		want, code = plainPointer(p.name), "invalid_request"
	}
	if problem.Code != code || len(problem.Errors) == 0 || !strings.HasPrefix(problem.Errors[0].Pointer, want) {
		t.Errorf("%s: %q: got %s at %+v, want %s at %s", p, value, problem.Code, problem.Errors, code, want)
	}
}

// plainPointer is the pointer of a place up to its list, without the branches of unions.
func plainPointer(name string) string {
	for {
		before, rest, found := strings.Cut(name, "[")
		if !found {
			break
		}
		_, after, _ := strings.Cut(rest, "]")
		name = before + after
	}
	return strings.TrimSuffix(name, "*")
}

func queryNames(op operation) []string {
	var names []string
	for _, parameter := range op.Parameters {
		if parameter.In == "query" {
			names = append(names, parameter.Name)
		}
	}
	return names
}

func TestExtremeInstants(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	a := s.furnished(t, "Aldermoor")
	for instant, status := range map[string]int{
		"2030-01-01T00:00:00Z": 201, "2030-01-01T00:00:00.123456789+02:00": 201, "2030-01-01T00:00:00+23:59": 201, "2030-01-01T00:00:00-16:00": 201,
		"9999-12-31T23:59:59.999999999Z": 201, "9999-12-31T23:59:59+12:00": 201, "9999-12-31T23:59:59-12:00": 400, "9999-12-31T23:59:59-00:01": 400,
		"1000-01-01T00:00:00+23:00": 422, "1969-12-31T23:59:59Z": 422, "0000-01-01T00:00:00Z": 400, "0001-01-01T00:00:00Z": 400, "10000-01-01T00:00:00Z": 400,
		"2030-02-30T00:00:00Z": 400, "2030-01-01T24:00:00Z": 400, "2030-06-30T23:59:60Z": 400, "2030-01-01": 400, "2030-01-01T00:00:00": 400,
		"infinity": 400, "now": 400, "2030-W01-1": 400,
		"2030-01-01T00:00:00,5Z": 400, "2030-01-01T0:00:00Z": 400, "2030-01-01T00:00:00+24:00": 400, "2030-01-01T00:00:00-24:00": 400, "2030-01-01T00:00:00+00:60": 400,
		"2030-01-01T00:00:00.Z": 400, "2030-01-01T00:00:00+0000": 400, "2030-01-01T00:00:00Z\n": 400,
	} {
		got := s.ask(t, a.Admin.Token, "createApiToken", withBody(object{"name": "Export", "expires_at": instant}))
		if got.Status != status {
			t.Errorf("%s: got %d, want %d: %s", instant, got.Status, status, got.Body)
		}
		if got.Status == 201 {
			created := decode[struct {
				ID        string    `json:"id"`
				ExpiresAt time.Time `json:"expires_at"`
			}](got)
			read := decode[struct {
				ExpiresAt time.Time `json:"expires_at"`
			}](s.ask(t, a.Admin.Token, "getApiToken", inPath("token_id", created.ID)).must(200))
			if wanted, err := time.Parse(time.RFC3339, instant); err != nil || wanted.Sub(read.ExpiresAt).Abs() >= time.Microsecond || !created.ExpiresAt.Equal(read.ExpiresAt) || read.ExpiresAt.Location() != time.UTC {
				t.Errorf("%s: created as %v, read as %v (%v)", instant, created.ExpiresAt, read.ExpiresAt, err)
			}
		}
		s.ask(t, a.Admin.Token, "listApiTokens", ask{}).must(200)
		want := 200
		if status == 400 {
			want = 400
		}
		s.ask(t, a.Admin.Token, "listAuditEvents", inQuery("from", instant)).must(want)
		s.ask(t, a.Admin.Token, "listAuditEvents", inQuery("to", instant)).must(want)
	}
	for date, status := range map[string]int{
		"9999-12-31": 201, "1000-01-01": 201, "2024-02-29": 201, "2025-02-29": 400, "2025-02-30": 400, "0000-01-01": 400, "0999-12-31": 400, "10000-01-01": 400, "2025-00-10": 400,
		"2025-1-1": 400, "20250101": 400, "2025-01-01T00:00:00Z": 400, "infinity": 400, "today": 400, "epoch": 400,
	} {
		created := s.ask(t, a.Admin.Token, "createTask", withBody(object{"title": "Call", "due_on": date})).must(status)
		if status == 201 {
			if read := decode[struct {
				DueOn string `json:"due_on"`
			}](created); read.DueOn != date {
				t.Errorf("%s became %s", date, read.DueOn)
			}
		}
		want := 200
		if status == 400 {
			want = 400
		}
		s.ask(t, a.Admin.Token, "listTasks", inQuery("due_from", date, "due_to", date)).must(want)
	}
	s.ask(t, a.Admin.Token, "listTasks", inQuery("past_due", "true")).must(200)
}

// A search of as many words as there is room for finds what it should, and keeps nobody waiting.
func TestSearchesOfManyWords(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	a := s.furnished(t, "Aldermoor")
	a.exec(`INSERT INTO people (organization_id, id, kind, status, first_name, last_name, created_at, updated_at)
		SELECT $1, gen_random_uuid(), 'client', 'active', 'Crowd', n::text, now(), now() FROM generate_series(1, 2000) AS n`, a.ID)
	// Letters that no hexadecimal number of a made-up address has: nobody else is found by them.
	a.exec(`INSERT INTO person_words SELECT organization_id, letter || other, id FROM people, unnest(string_to_array('g h i j k l', ' ')) AS letter, unnest(string_to_array('u v w x y', ' ')) AS other
		WHERE organization_id = $1 AND first_name = 'Crowd'`, a.ID)
	a.exec(`ANALYZE`)
	var words []string
	for _, letter := range "ghijkl" {
		for _, other := range "uvwxyz" {
			words = append(words, string(letter)+string(other))
		}
	}
	name := strings.Join(words, " ")
	person := decode[api.Person](s.ask(t, a.Admin.Token, "upsertPersonByExternalId", inPath("external_id", "many").sending(object{"kind": "client", "first_name": name, "last_name": "Byron"})).must(201))
	a.exec(`UPDATE tasks SET title = $2 WHERE organization_id = $1 AND id = $3`, a.ID, name, a.taskID)
	a.exec(`UPDATE staff SET first_name = $2 WHERE organization_id = $1 AND id = $3`, a.ID, name, a.staff.ID)
	found := map[string]uuid.UUID{"listPeople": person.ID, "listTasks": a.taskID, "listStaff": a.staff.ID}
	everybody := strings.Join(slices.DeleteFunc(slices.Clone(words), func(word string) bool { return word[1] == 'z' }), " ")
	crowd := func(query string) time.Duration {
		began := time.Now()
		if total := *decode[page](s.ask(t, a.Admin.Token, "listPeople", inQuery("q", query, "include_total", "true")).must(200)).Total; total != 2001 {
			t.Errorf("%q: found %d", query, total)
		}
		return time.Since(began)
	}
	few := max(crowd("g h i j k"), crowd("g h i j k"), crowd("g h i j k"))
	for _, query := range []string{everybody, strings.TrimSpace(strings.Repeat("g h i j k ", 20))} {
		if took := crowd(query); took > 5*few+time.Second/2 {
			t.Errorf("%q took %s, five words %s", query, took, few)
		}
	}
	for query, hits := range map[string]int{
		name: 1, name + " gz": 1, strings.ToUpper(name): 1, "g h i j k l " + name: 1, name + " nobody": 0, "nobody " + name: 0, strings.Repeat("gz ", 60): 1, strings.Join(words[20:], " "): 1,
	} {
		for operationID, id := range found {
			got := decode[struct {
				Items []struct {
					ID uuid.UUID `json:"id"`
				} `json:"items"`
				Total int `json:"total"`
			}](s.ask(t, a.Admin.Token, operationID, inQuery("q", query, "include_total", "true")).must(200))
			if len(got.Items) != hits || got.Total != hits || hits == 1 && got.Items[0].ID != id {
				t.Errorf("%s: %q: got %+v, want %d", operationID, query, got, hits)
			}
		}
	}
}
