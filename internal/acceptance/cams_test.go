package acceptance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"handover/api"
	"handover/internal/casesim"
)

func TestC3CommonAssessments(t *testing.T) {
	t.Parallel()
	cases := simulate(t)
	s := start(t, following(t, cases, never))

	s.rule(t, "C3 a client begins from a submitted Common Assessment, whose name, email, phone and address are copied", func(t *testing.T, w *world) {
		seen := decode[api.CommonAssessment](w.get(w.Admin, "/v1/common-assessments/ca-000001").must(200))
		if seen.Number != "CA-000001" || seen.Status != "submitted" || !seen.Submitted || seen.RegisteredInCams || seen.LastName != "Delgado" {
			t.Errorf("got the preview %+v", seen)
		}
		added := w.fromAssessment(" ca-000001")
		client := decode[api.Client](added.must(201))
		if added.Header.Get("Location") != "/v1/clients/"+client.ID.String() || added.Header.Get("ETag") == "" {
			t.Errorf("got headers %v", added.Header)
		}
		if client.Name != "Rosa Delgado" || client.Email.MustGet() != "rosa.delgado@mail.example" || client.Phone.MustGet() != "+14165550161" ||
			client.Sections.Address.City.MustGet() != "Toronto" || client.AssessmentNumber.MustGet() != "CA-000001" || !client.Cams.IsNull() {
			t.Errorf("got %s", added.Body)
		}
		if found := namesOf(decode[api.ClientMatches](w.get(w.Admin, "/v1/client-matches?last_name=delgado").must(200)).Items); found != "Rosa Delgado" {
			t.Errorf("found %q by name", found)
		}
	})

	s.rule(t, "C3 later changes to the assessment never arrive", func(t *testing.T, w *world) {
		client := decode[api.Client](w.fromAssessment("CA-000006").must(201))
		assessment := casesim.AssessmentOf(6)
		assessment.Person.LastName, assessment.Status = "Changed", "withdrawn"
		cases.admin("PUT", "/assessments/CA-000006", assessment, nil)
		w.pull()
		if now := w.clientNow(client.ID); now.LastName == "Changed" || now.UpdatedAt != client.UpdatedAt {
			t.Errorf("got %+v", now)
		}
	})

	s.rule(t, "C3 an assessment that is in progress, withdrawn, unknown, or of somebody who is registered in CaMS is refused with its own error", func(t *testing.T, w *world) {
		before := w.written()
		for number, want := range map[string]struct {
			status int
			code   string
		}{
			"CA-000002": {422, "assessment_not_submitted"},
			"CA-000003": {409, "registered_in_cams"},
			"CA-000004": {422, "assessment_not_submitted"},
			"CA-999999": {422, "assessment_not_found"},
			"nonsense":  {422, "assessment_not_found"},
			"../admin":  {422, "assessment_not_found"},
			"CL-000001": {422, "assessment_not_found"},
		} {
			problem := w.fromAssessment(number, object{"send_invitation": true}).problem(want.status, want.code)
			if len(problem.Errors) != 1 || problem.Errors[0].Pointer != "/assessment_number" {
				t.Errorf("%s: got errors %+v", number, problem.Errors)
			}
		}
		if after := w.written(); after != before {
			t.Errorf("refusals wrote something: %s, and then %s", before, after)
		}
		for _, number := range []string{"CA-999999", "nonsense", "CA-000001%2F..%2F..%2Fadmin"} {
			w.get(w.Admin, "/v1/common-assessments/"+number).problem(404, "not_found")
		}
	})

	s.rule(t, "C3 where the assessment has no email one is given, or nobody is invited", func(t *testing.T, w *world) {
		before := w.written()
		w.fromAssessment("CA-000005", object{"send_invitation": true}).problem(422, "no_email")
		if after := w.written(); after != before {
			t.Errorf("the refusal wrote something: %s, and then %s", before, after)
		}
		given := decode[api.Client](w.fromAssessment("CA-000005", object{"send_invitation": true, "email": "given@mail.example"}).must(201))
		if given.Email.MustGet() != "given@mail.example" || given.Invitation.MustGet().SentTo != "given@mail.example" {
			t.Errorf("got %+v", given)
		}
		none := decode[api.Client](w.fromAssessment("CA-000010").must(201))
		if !none.Email.IsNull() || !none.Invitation.IsNull() {
			t.Errorf("got %+v", none)
		}
		own := decode[api.Client](w.fromAssessment("CA-000001", object{"email": "given@mail.example"}).must(201))
		if own.Email.MustGet() != "rosa.delgado@mail.example" {
			t.Errorf("the email of the assessment was replaced: %+v", own)
		}
	})

	s.rule(t, "C3 an assessment makes one client, also when it is asked for ten times at once", func(t *testing.T, w *world) {
		statuses := make(chan int, 10)
		for range cap(statuses) {
			go func() { statuses <- w.fromAssessment("CA-000011", object{"confirm_duplicate": true}).Status }()
		}
		got := map[int]int{}
		for range cap(statuses) {
			got[<-statuses]++
		}
		if got[201] != 1 || got[409] != 9 {
			t.Errorf("got statuses %v", got)
		}
		problem := w.fromAssessment("CA-000011", object{"confirm_duplicate": true}).problem(409, "duplicate_person")
		if problem.Matches == nil || len(*problem.Matches) != 1 {
			t.Errorf("got matches %+v", problem.Matches)
		}
		other := s.organization(t)
		other.fromAssessment("CA-000011").must(201)
	})

	s.rule(t, "C3 a request that is repeated with its key asks the case system nothing, and makes nobody twice", func(t *testing.T, w *world) {
		key := header{"Idempotency-Key", "from an assessment"}
		body := object{"source": "common_assessment", "assessment_number": "CA-000016", "send_invitation": false}
		first := w.as(w.Admin, "POST", "/v1/clients", body, key).must(201)
		counted := w.written()
		again := w.as(w.Admin, "POST", "/v1/clients", body, key).must(201)
		if again.Header.Get("Idempotency-Replayed") != "true" || decode[api.Client](again).ID != decode[api.Client](first).ID || w.written() != counted {
			t.Errorf("got %v %s, then %v %s", first.Header, first.Body, again.Header, again.Body)
		}
		body["assessment_number"] = "CA-000021"
		w.as(w.Admin, "POST", "/v1/clients", body, key).problem(422, "idempotency_key_reused")
	})

	s.rule(t, "C3 who may not manage clients sees no assessment and makes no client", func(t *testing.T, w *world) {
		other := w.member("member", "referrals", "staff", "tasks")
		w.get(other, "/v1/common-assessments/CA-000001").problem(403, "permission_denied")
		w.as(other, "POST", "/v1/clients", object{"source": "common_assessment", "assessment_number": "CA-000001"}).problem(403, "permission_denied")
		w.get(w.member("member", "clients"), "/v1/common-assessments/CA-000001").must(200)
	})
}

// isRecord fails the test unless the client has what CaMS has.
func isRecord(t testing.TB, client api.Client, record casesim.Client) {
	t.Helper()
	person := record.Person
	text := func(value *string) string {
		if value == nil {
			return "(none)"
		}
		return *value
	}
	var address casesim.Address
	if person.Address != nil {
		address = *person.Address
	}
	born := "(none)"
	if date, err := client.Sections.Identity.DateOfBirth.Get(); err == nil {
		born = date.String()
	}
	shown := func(value interface{ Get() (string, error) }) string {
		got, err := value.Get()
		if err != nil {
			return "(none)"
		}
		return got
	}
	got := []string{
		client.FirstName, client.LastName, born, shown(client.Phone), shown(client.Sections.Address.Line1), shown(client.Sections.Address.City),
		shown(client.Sections.Address.Region), shown(client.Sections.Address.PostalCode), shown(client.Sections.Address.Country),
	}
	want := []string{
		person.FirstName, person.LastName, text(person.DateOfBirth), text(person.Phone), text(address.Line1), text(address.City), text(address.Region),
		text(address.PostalCode), text(address.Country),
	}
	if !slices.Equal(got, want) {
		t.Errorf("the client has %v, CaMS %v", got, want)
	}
}

func TestC4Linking(t *testing.T) {
	t.Parallel()
	cases := simulate(t)
	s := start(t, following(t, cases, never))

	s.rule(t, "C4 a new client can be linked from the beginning", func(t *testing.T, w *world) {
		seen := decode[api.CamsClient](w.get(w.Admin, "/v1/cams-clients/cl-000001").must(200))
		if seen.Reference != "CL-000001" || seen.LastName != "Petrov" || seen.DateOfBirth.MustGet().String() != "1991-08-14" {
			t.Errorf("got the preview %+v", seen)
		}
		client := decode[api.Client](w.fromCaMS("cl-000001 ").must(201))
		isRecord(t, client, casesim.ClientOf(1))
		link := linkState(t, client)
		if link.Reference != "CL-000001" || link.LastSuccessAt.IsNull() || !link.LastError.IsNull() || link.LagSeconds.IsNull() {
			t.Errorf("got the link %+v", link)
		}
		audited := w.count(`SELECT count(*) FROM audit_events WHERE organization_id = $1 AND subject_id = $2 AND action IN ('client_created', 'cams_linked')`, w.ID, client.ID)
		if audited != 2 {
			t.Errorf("%d audit rows tell of it", audited)
		}
	})

	s.rule(t, "C4 a client who is here takes on what CaMS has, also one who began from an assessment; an email that CaMS does not know stays", func(t *testing.T, w *world) {
		client := decode[api.Client](w.fromAssessment("CA-000001").must(201))
		w.section(client.ID, "employment", object{"status": "student"}).must(200)
		answered := w.linking(client.ID, "CL-000010") // who has no email
		linked := decode[api.Client](answered.must(200))
		isRecord(t, linked, casesim.ClientOf(10))
		if linked.Email.MustGet() != "rosa.delgado@mail.example" || linked.AssessmentNumber.MustGet() != "CA-000001" || linked.Sections.Employment.Status.MustGet() != "student" {
			t.Errorf("got %s", answered.Body)
		}
		if etag := w.get(w.Admin, "/v1/clients/"+client.ID.String()).Header.Get("ETag"); etag != answered.Header.Get("ETag") {
			t.Errorf("got the ETag %s, then %s", answered.Header.Get("ETag"), etag)
		}
		if found := decode[api.PersonPage](w.get(w.Admin, "/v1/people?q="+strings.ToLower(linked.LastName)).must(200)).Items; len(found) != 1 {
			t.Errorf("found %d by the new name", len(found))
		}
	})

	s.rule(t, "C4 while linked the fields of CaMS are refused in edits, each by its name; others are edited as ever", func(t *testing.T, w *world) {
		client := decode[api.Client](w.fromCaMS("CL-000003").must(201))
		before := w.written()
		for section, fields := range map[string]object{
			"identity": {"first_name": "Other", "last_name": "Other", "date_of_birth": "2001-02-03"},
			"contact":  {"email": "other@mail.example", "phone": "+14165550999"},
			"address":  {"line1": "1 Other Street", "line2": "2", "city": "Other", "region": "TX", "postal_code": "90210", "country": "US"},
		} {
			problem := w.section(client.ID, section, fields).problem(422, "managed_by_cams")
			var named []string
			for _, field := range problem.Errors {
				if field.Code != "managed_by_cams" {
					t.Errorf("%s: got %+v", section, field)
				}
				named = append(named, strings.TrimPrefix(field.Pointer, "/"))
			}
			for name := range fields {
				if !slices.Contains(named, name) {
					t.Errorf("%s: %s is not named, only %v", section, name, named)
				}
			}
		}
		if after := w.written(); after != before {
			t.Errorf("refusals wrote something: %s, and then %s", before, after)
		}
		w.section(client.ID, "identity", object{"preferred_name": "Chi", "pronouns": "they/them"}).must(200)
		w.section(client.ID, "contact", object{"preferred_channel": "text"}).must(200)
		cases.changes("CL-000003", object{"last_name": "Renamed"})
		w.pull()
		now := w.clientNow(client.ID)
		if now.LastName != "Renamed" || now.Sections.Identity.PreferredName.MustGet() != "Chi" || now.Sections.Contact.PreferredChannel.MustGet() != "text" {
			t.Errorf("got %+v", now)
		}
	})

	s.rule(t, "C4 unlinking keeps the last values, which can be edited then and are not followed any more", func(t *testing.T, w *world) {
		client := decode[api.Client](w.fromCaMS("CL-000004").must(201))
		w.as(w.Admin, "DELETE", "/v1/clients/"+client.ID.String()+"/cams-link", nil).problem(428, "precondition_required")
		w.as(w.Admin, "DELETE", "/v1/clients/"+client.ID.String()+"/cams-link", nil, header{"If-Match", `"stale"`}).problem(412, "precondition_failed")
		w.unlinking(client.ID).must(204)
		w.unlinking(client.ID).must(204)
		kept := w.clientNow(client.ID)
		isRecord(t, kept, casesim.ClientOf(4))
		if !kept.Cams.IsNull() {
			t.Errorf("got the link %+v", kept.Cams)
		}
		cases.changes("CL-000004", object{"last_name": "Unseen"})
		w.pull()
		w.section(client.ID, "identity", object{"first_name": "Edited"}).must(200)
		if now := w.clientNow(client.ID); now.FirstName != "Edited" || now.LastName != kept.LastName {
			t.Errorf("got %s", now.Name)
		}
		w.syncing(client.ID).problem(409, "not_linked")
		again := decode[api.Client](w.linking(client.ID, "CL-000004").must(200))
		if again.LastName != "Unseen" || again.FirstName == "Edited" {
			t.Errorf("got %s when linked again", again.Name)
		}
		if audited := w.count(`SELECT count(*) FROM audit_events WHERE organization_id = $1 AND subject_id = $2 AND action IN ('cams_linked', 'cams_unlinked')`, w.ID, client.ID); audited != 3 {
			t.Errorf("%d audit rows tell of linking and unlinking", audited)
		}
	})

	s.rule(t, "C4 a reference is linked once in an organization, also when ten ask at once; other organizations have it too", func(t *testing.T, w *world) {
		statuses := make(chan int, 10)
		for range cap(statuses) {
			client := w.person("client")
			go func() { statuses <- w.linking(client, "CL-000005").Status }()
		}
		got := map[int]int{}
		for range cap(statuses) {
			got[<-statuses]++
		}
		if got[200] != 1 || got[409] != 9 {
			t.Errorf("got statuses %v", got)
		}
		problem := w.linking(w.person("client"), "cl-000005").problem(409, "cams_reference_taken")
		if problem.Params["client_id"] == nil {
			t.Errorf("got params %v", problem.Params)
		}
		w.fromCaMS("CL-000005").problem(409, "cams_reference_taken")
		s.organization(t).fromCaMS("CL-000005").must(201)
	})

	s.rule(t, "C4 a client can be linked to another reference, which replaces the link", func(t *testing.T, w *world) {
		client := decode[api.Client](w.fromCaMS("CL-000006").must(201))
		moved := decode[api.Client](w.linking(client.ID, "CL-000007").must(200))
		isRecord(t, moved, casesim.ClientOf(7))
		same := decode[api.Client](w.linking(client.ID, "CL-000007").must(200))
		if linkState(t, same).LinkedAt != linkState(t, moved).LinkedAt {
			t.Error("linking to the same reference made another link")
		}
		w.linking(w.person("client"), "CL-000006").must(200)
	})

	s.rule(t, "C4 the reference of a case, and one that CaMS does not know, are refused", func(t *testing.T, w *world) {
		client := w.person("client")
		before := w.written()
		for reference, code := range map[string]string{
			"CASE-000123": "case_reference_given", "case-9": "case_reference_given", "CL-999999": "cams_client_not_found", "12345": "cams_client_not_found",
			"CL-000001/../../admin": "cams_client_not_found", "CA-000001": "cams_client_not_found",
		} {
			for _, refused := range []answer{w.linking(client, reference), w.fromCaMS(reference)} {
				if problem := refused.problem(422, code); len(problem.Errors) != 1 || problem.Errors[0].Pointer != "/cams_reference" {
					t.Errorf("%s: got errors %+v", reference, problem.Errors)
				}
			}
		}
		if after := w.written(); after != before {
			t.Errorf("refusals wrote something: %s, and then %s", before, after)
		}
		w.get(w.Admin, "/v1/cams-clients/CASE-000123").problem(422, "case_reference_given")
		w.get(w.Admin, "/v1/cams-clients/CL-999999").problem(404, "not_found")
	})

	s.rule(t, "C4 linking needs the version that was read; a referral is no client", func(t *testing.T, w *world) {
		client := w.added("Lena", "Ortiz", newAddress())
		path, body := "/v1/clients/"+client.ID.String()+"/cams-link", object{"cams_reference": "CL-000008"}
		read := w.get(w.Admin, "/v1/clients/"+client.ID.String())
		w.as(w.Admin, "PUT", path, body).problem(428, "precondition_required")
		w.section(client.ID, "notes", object{"notes": "She prefers mornings."}).must(200)
		w.as(w.Admin, "PUT", path, body, header{"If-Match", read.Header.Get("ETag")}).problem(412, "precondition_failed")
		w.as(w.Admin, "PUT", path, body, header{"If-Match", w.get(w.Admin, "/v1/clients/"+client.ID.String()).Header.Get("ETag")}).must(200)
		w.linking(w.person("referral"), "CL-000009").problem(404, "not_found")
		w.linking(newID(), "CL-000009").problem(404, "not_found")
		w.linking(s.organization(t).person("client"), "CL-000009").problem(404, "not_found")
		other := w.member("member", "referrals", "staff", "tasks")
		w.as(other, "PUT", path, body, header{"If-Match", "*"}).problem(403, "permission_denied")
		w.as(other, "DELETE", path, nil, header{"If-Match", "*"}).problem(403, "permission_denied")
		w.as(other, "POST", "/v1/clients/"+client.ID.String()+"/cams-sync", nil).problem(403, "permission_denied")
		w.get(other, "/v1/cams-clients/CL-000009").problem(403, "permission_denied")
	})

	s.rule(t, "C4 no case system is configured: said so, and linked clients can be unlinked all the same", func(t *testing.T, _ *world) {
		w := start(t, func(o *serviceOptions) { o.cases, o.signed = nil, nil }).organization(t)
		client := w.linkedClient()
		for _, refused := range []answer{
			w.fromCaMS("CL-000001"), w.fromAssessment("CA-000001"), w.linking(w.person("client"), "CL-000001"), w.syncing(client),
			w.get(w.Admin, "/v1/cams-clients/CL-000001"), w.get(w.Admin, "/v1/common-assessments/CA-000001"), w.tells(changedMessage(t, "msg_1", "CL-000001", time.Now())),
		} {
			if problem := refused.problem(503, "case_system_unavailable"); !strings.Contains(problem.Detail, "configured") {
				t.Errorf("got %q", problem.Detail)
			}
		}
		w.unlinking(client).must(204)
	})
}

func TestC4StayingCurrent(t *testing.T) {
	t.Parallel()
	cases := simulate(t)
	s := start(t, following(t, cases, never))

	s.rule(t, "C4 a change in CaMS arrives with the next pull, once, and the trail tells of it", func(t *testing.T, w *world) {
		client := decode[api.Client](w.fromCaMS("CL-000011").must(201))
		w.pull()
		changed := cases.changes("CL-000011", object{"last_name": "Quill", "phone": nil, "address": nil, "email": "quill@mail.example"})
		w.pull()
		w.pull()
		now := w.clientNow(client.ID)
		isRecord(t, now, changed)
		if now.Email.MustGet() != "quill@mail.example" {
			t.Errorf("got the email %v", now.Email)
		}
		for name, want := range map[string]int{"quill": 1, strings.ToLower(client.LastName): 0} {
			if found := decode[api.PersonPage](w.get(w.Admin, "/v1/people?q="+name).must(200)).Items; len(found) != want {
				t.Errorf("found %d by the name %s", len(found), name)
			}
		}
		events := decode[api.AuditEventPage](w.get(w.Admin, "/v1/audit-events?action=cams_synced&subject_id="+client.ID.String()).must(200)).Items
		if len(events) != 1 || !events[0].Staff.IsNull() {
			t.Fatalf("the trail tells %+v", events)
		}
		text, err := json.Marshal(events[0].After.MustGet())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), `"last_name":"Quill"`) || strings.Contains(string(text), "first_name") {
			t.Errorf("the trail tells %s", text)
		}
		cases.changes("CL-000011", object{"email": nil})
		w.pull()
		if now := w.clientNow(client.ID); now.Email.MustGet() != "quill@mail.example" {
			t.Errorf("the email went with that of CaMS: %v", now.Email)
		}
	})

	s.rule(t, "C4 the account of a client follows the email that CaMS has", func(t *testing.T, w *world) {
		client := decode[api.Client](w.fromCaMS("CL-000012").must(201))
		w.addAccount("person_id", client.ID, client.Email.MustGet())
		cases.changes("CL-000012", object{"email": "Moved@Mail.Example"})
		w.pull()
		if count := w.count(`SELECT count(*) FROM accounts WHERE organization_id = $1 AND person_id = $2 AND email_normalized = 'moved@mail.example'`, w.ID, client.ID); count != 1 {
			t.Error("the account has another email")
		}
	})

	s.rule(t, "C4 an older version is passed over, whichever way it comes", func(t *testing.T, w *world) {
		client := decode[api.Client](w.fromCaMS("CL-000013").must(201))
		newer := cases.changes("CL-000013", object{"last_name": "Newer"})
		w.pull()
		cases.changes("CL-000013", object{"last_name": "Older", "version": newer.Version - 1})
		w.pull()
		w.syncing(client.ID).must(200)
		cases.changes("CL-000013", object{"last_name": "Same", "version": newer.Version})
		w.pull()
		if now := w.clientNow(client.ID); now.LastName != "Newer" {
			t.Errorf("got %s", now.LastName)
		}
	})

	s.rule(t, "C4 a message of CaMS brings a change at once; coming again, or late, it does no harm", func(t *testing.T, w *world) {
		client := decode[api.Client](w.fromCaMS("CL-000014").must(201))
		cases.changes("CL-000014", object{"last_name": "Told"})
		message := changedMessage(t, "msg_14", "CL-000014", time.Now())
		for range 3 {
			w.tells(message).must(202)
		}
		eventually(t, "the change is here", func() bool { return w.clientNow(client.ID).LastName == "Told" })
		w.tells(message).must(202)
		w.quiet()
		if events := w.count(`SELECT count(*) FROM audit_events WHERE organization_id = $1 AND subject_id = $2 AND action = 'cams_synced'`, w.ID, client.ID); events != 1 {
			t.Errorf("%d audit rows tell of one change", events)
		}
		for name, refused := range map[string]casesim.Message{
			"too old":        changedMessage(t, "msg_15", "CL-000014", time.Now().Add(-6*time.Minute)),
			"too new":        changedMessage(t, "msg_15", "CL-000014", time.Now().Add(6*time.Minute)),
			"another body":   {Header: message.Header, Body: []byte(strings.Replace(string(message.Body), "CL-000014", "CL-000015", 1))},
			"spaces added":   {Header: message.Header, Body: append([]byte(" "), message.Body...)},
			"no headers":     {Body: message.Body},
			"another secret": anotherSecret(t),
		} {
			if got := w.tells(refused); got.Status != 401 {
				t.Errorf("%s: got %d %s", name, got.Status, got.Body)
			}
		}
		w.tells(changedMessage(t, "msg_16", "CL-999999", time.Now())).must(202)
	})

	s.rule(t, "C4 of messages in any number the last change is here in the end, without a pull", func(t *testing.T, w *world) {
		client := decode[api.Client](w.fromCaMS("CL-000016").must(201))
		var sent sync.WaitGroup
		for n := range 40 {
			cases.changes("CL-000016", object{"last_name": fmt.Sprintf("Name-%d", n)})
			sent.Go(func() { w.tells(changedMessage(t, fmt.Sprintf("msg_many_%d", n), "CL-000016", time.Now())).must(202) })
		}
		sent.Wait()
		eventually(t, "the last change is here", func() bool { return w.clientNow(client.ID).LastName == "Name-39" })
		w.quiet()
		if jobs := w.count(`SELECT count(*) FROM river.river_job WHERE kind = 'cams_sync' AND args ->> 'organization_id' = $1::text AND args ->> 'reference' = 'CL-000016'`, w.ID); jobs > 40 {
			t.Errorf("%d jobs for 40 messages", jobs)
		}
	})

	s.rule(t, "C4 one client is brought up to date on demand; CaMS not knowing them any more is told and noted", func(t *testing.T, w *world) {
		client := decode[api.Client](w.fromCaMS("CL-000017").must(201))
		w.quiet()
		cases.changes("CL-000017", object{"first_name": "Asked"})
		key := header{"Idempotency-Key", "sync"}
		if synced := decode[api.Client](w.syncing(client.ID, key).must(200)); synced.FirstName != "Asked" {
			t.Errorf("got %s", synced.FirstName)
		}
		if again := w.syncing(client.ID, key).must(200); again.Header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("got headers %v", again.Header)
		}
		cases.admin("DELETE", "/clients/CL-000017", nil, nil)
		w.syncing(client.ID).problem(422, "cams_client_not_found")
		w.pull() // finds everything well, but for this one
		now := w.clientNow(client.ID)
		if link := linkState(t, now); now.FirstName != "Asked" || link.LastError.MustGet() != "cams_client_not_found" {
			t.Errorf("got the link %+v", link)
		}
		w.exec(`UPDATE cams_cursors SET failed_at = now(), last_error = 'case_system_unavailable' WHERE organization_id = $1`, w.ID)
		if link := linkState(t, w.clientNow(client.ID)); link.LastError.MustGet() != "case_system_unavailable" {
			t.Errorf("got the link %+v while pulls fail", link)
		}
		w.pull()
		if link := linkState(t, w.clientNow(client.ID)); link.LastError.MustGet() != "cams_client_not_found" {
			t.Errorf("got the link %+v when pulls are well again", link)
		}
	})

	s.rule(t, "C4 where CaMS forgets the cursor its changes are read from the beginning", func(t *testing.T, w *world) {
		client := decode[api.Client](w.fromCaMS("CL-000018").must(201))
		w.pull()
		cases.changes("CL-000018", object{"last_name": "Remembered"})
		w.exec(`UPDATE cams_cursors SET cursor = 'of another life.7' WHERE organization_id = $1`, w.ID)
		w.pull()
		if now := w.clientNow(client.ID); now.LastName != "Remembered" {
			t.Errorf("got %s", now.LastName)
		}
	})

	s.rule(t, "C4 a record with values that do not fit holds none of the others up, and its client stays as they are", func(t *testing.T, w *world) {
		bad, good := decode[api.Client](w.fromCaMS("CL-000019").must(201)), decode[api.Client](w.fromCaMS("CL-000020").must(201))
		w.quiet()
		cases.changes("CL-000019", object{"phone": "ask his sister", "last_name": "Unfit"})
		cases.changes("CL-000020", object{"last_name": "Fit"})
		w.pull()
		if now := w.clientNow(good.ID); now.LastName != "Fit" || !linkState(t, now).LastError.IsNull() {
			t.Errorf("got %s, %+v", now.LastName, now.Cams)
		}
		w.pull()
		if now := w.clientNow(bad.ID); now.LastName != bad.LastName || linkState(t, now).LastError.MustGet() != "invalid_value" {
			t.Errorf("got %s, %+v", now.LastName, now.Cams)
		}
		cases.changes("CL-000019", object{"phone": "+14165550119"})
		w.pull()
		if now := w.clientNow(bad.ID); now.LastName != "Unfit" || !linkState(t, now).LastError.IsNull() {
			t.Errorf("got %s, %+v", now.LastName, now.Cams)
		}
	})
}

func anotherSecret(t testing.TB) casesim.Message {
	t.Helper()
	message, err := casesim.NewMessage("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "msg_17", "CL-000014", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return message
}

// quiet waits until no sync is left to do for the organization.
func (w *world) quiet() {
	w.t.Helper()
	eventually(w.t, "every sync is done", func() bool {
		return w.count(`SELECT count(*) FROM river.river_job WHERE kind = 'cams_sync' AND args ->> 'organization_id' = $1::text AND state NOT IN ('completed', 'discarded', 'cancelled')`, w.ID) == 0
	})
}
