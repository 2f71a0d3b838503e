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

// refusesAsk asks as the administrator and fails the test unless the request is refused like this, with nothing changed.
func (w *world) refusesAsk(t *testing.T, what, operationID string, request ask, want refusal) api.Problem {
	t.Helper()
	before := w.tables()
	got := w.service.ask(t, w.Admin.Token, operationID, request)
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

func TestBadNewClients(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	held := w.reachable("client")
	w.externalID("people", held)
	linked := w.linkedClient()
	var reference string
	if err := s.DB.SQL.GetContext(t.Context(), &reference, `SELECT reference FROM cams_links WHERE person_id = $1`, linked); err != nil {
		t.Fatal(err)
	}
	invalid := func(pointers ...string) refusal { return refusal{400, "invalid_request", pointers} }
	unknown := func(pointers ...string) refusal { return refusal{400, "unknown_field", pointers} }
	without := func(name string) object {
		body := newClient(object{})
		delete(body, name)
		return body
	}
	assessed := func(number any) object { return object{"source": "common_assessment", "assessment_number": number} }
	fromCaMS := func(reference any) object { return object{"source": "cams", "cams_reference": reference} }
	for what, c := range map[string]struct {
		body object
		want refusal
	}{
		"no source":                            {without("source"), invalid("/source")},
		"null for the source":                  {newClient(object{"source": nil}), invalid("/source")},
		"a source that there is not":           {newClient(object{"source": "spreadsheet"}), invalid("/source")},
		"a source in capitals":                 {newClient(object{"source": "MANUAL"}), invalid("/source")},
		"no names and no email":                {object{"source": "manual"}, invalid("/first_name", "/last_name", "/email")},
		"no email":                             {without("email"), invalid("/email")},
		"null for the email":                   {newClient(object{"email": nil}), invalid("/email")},
		"an empty email":                       {newClient(object{"email": ""}), invalid("/email")},
		"an email with a name":                 {newClient(object{"email": "Rosa <rosa@mail.example>"}), invalid("/email")},
		"two emails":                           {newClient(object{"email": "rosa@mail.example,ros@mail.example"}), invalid("/email")},
		"an email with a line break":           {newClient(object{"email": "rosa@mail.example\nBcc: x@mail.example"}), invalid("/email")},
		"a blank name":                         {newClient(object{"last_name": " "}), invalid("/last_name")},
		"a long name":                          {newClient(object{"last_name": strings.Repeat("ä", 201)}), invalid("/last_name")},
		"a phone number that is none":          {newClient(object{"phone": "call me"}), refusal{422, "invalid_value", []string{"/phone"}}},
		"yes for an invitation":                {newClient(object{"send_invitation": "yes"}), invalid("/send_invitation")},
		"null for an invitation":               {newClient(object{"send_invitation": nil}), invalid("/send_invitation")},
		"a kind":                               {newClient(object{"kind": "client"}), unknown("/kind")},
		"a section":                            {newClient(object{"address": object{"city": "Toronto"}}), unknown("/address")},
		"an assessment for one by hand":        {newClient(object{"assessment_number": newAssessment()}), unknown("/assessment_number")},
		"a name for an assessment":             {with(assessed(newAssessment()), "first_name", "Rosa"), unknown("/first_name")},
		"a CaMS reference for an assessment":   {with(assessed(newAssessment()), "cams_reference", newReference()), unknown("/cams_reference")},
		"an external id for CaMS":              {with(fromCaMS(newReference()), "external_id", "crm-1"), unknown("/external_id")},
		"no number":                            {object{"source": "common_assessment"}, invalid("/assessment_number")},
		"a number that is a number":            {assessed(1), invalid("/assessment_number")},
		"a blank number":                       {assessed(" "), invalid("/assessment_number")},
		"a long number":                        {assessed(strings.Repeat("1", 51)), invalid("/assessment_number")},
		"no reference":                         {object{"source": "cams"}, invalid("/cams_reference")},
		"null for the reference":               {fromCaMS(nil), invalid("/cams_reference")},
		"an assessment in progress (C3)":       {assessed(assessmentInProgress), refusal{422, "assessment_not_submitted", []string{"/assessment_number"}}},
		"an unknown assessment (C3)":           {assessed(assessmentUnknown), refusal{422, "assessment_not_found", []string{"/assessment_number"}}},
		"what is no number of assessments":     {assessed("CL-000001"), refusal{422, "assessment_not_found", []string{"/assessment_number"}}},
		"somebody registered in CaMS (C3)":     {assessed(assessmentInCaMS), refusal{409, "registered_in_cams", []string{"/assessment_number"}}},
		"the reference of a case (C4)":         {fromCaMS(referenceOfCase), refusal{422, "case_reference_given", []string{"/cams_reference"}}},
		"the reference of a case, small":       {fromCaMS(" case-000001 "), refusal{422, "case_reference_given", []string{"/cams_reference"}}},
		"an unknown reference (C4)":            {fromCaMS(referenceUnknown), refusal{422, "cams_client_not_found", []string{"/cams_reference"}}},
		"what is no reference":                 {fromCaMS("../admin"), refusal{422, "cams_client_not_found", []string{"/cams_reference"}}},
		"a reference that is linked (C4)":      {fromCaMS(reference), refusal{409, "cams_reference_taken", []string{"/cams_reference"}}},
		"a linked reference, small":            {fromCaMS(strings.ToLower(reference)), refusal{409, "cams_reference_taken", []string{"/cams_reference"}}},
		"an external id that is taken":         {newClient(object{"external_id": "ext-" + held.String()}), refusal{409, "external_id_taken", []string{"/external_id"}}},
		"an email that somebody has (C1)":      {newClient(object{"email": emailOf(held)}), refusal{409, "duplicate_person", []string{"/email"}}},
		"an email of somebody, in capitals":    {newClient(object{"email": strings.ToUpper(emailOf(held))}), refusal{409, "duplicate_person", []string{"/email"}}},
		"an email of somebody, not confirmed":  {newClient(object{"email": emailOf(held), "confirm_duplicate": false}), refusal{409, "duplicate_person", []string{"/email"}}},
		"a duplicate that is confirmed as yes": {newClient(object{"email": emailOf(held), "confirm_duplicate": "yes"}), invalid("/confirm_duplicate")},
	} {
		problem := w.refusesAsk(t, what, "createClient", withBody(c.body), c.want)
		if problem.Code == "duplicate_person" {
			if problem.Matches == nil || len(*problem.Matches) != 1 || (*problem.Matches)[0].ID != held || (*problem.Matches)[0].Kind != "client" {
				t.Errorf("%s: got the matches %+v", what, problem.Matches)
			}
		} else if problem.Matches != nil {
			t.Errorf("%s: got matches %+v", what, *problem.Matches)
		}
	}
	s.ask(t, w.Admin.Token, "createClient", withBody(newClient(object{"email": emailOf(held), "confirm_duplicate": true}))).must(201)
}

func TestBadSections(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	client := w.reachable("client")
	many := make([]string, 51)
	for i := range many {
		many[i] = "Baker"
	}
	long := strings.Repeat("x", 201)
	for section, fields := range map[string]map[string][]any{
		"identity": {
			"first_name": {nil, "", " ", long, 1, []any{}}, "last_name": {nil, "", long}, "preferred_name": {"", long, 1}, "pronouns": {" ", long, true},
			"date_of_birth": {"", "yesterday", "1991-02-30", "1991-8-14", "14/08/1991", "1991-08-14T00:00:00Z", 19910814},
		},
		"contact":       {"email": {"", "rosa", "rosa@", "a b@mail.example", 1}, "phone": {"", " ", strings.Repeat("1", 51), 14165550161}, "preferred_channel": {"", "pigeon", "Email", 1, "<nil>", "null"}},
		"address":       {"line1": {"", long}, "line2": {" "}, "city": {long, 1}, "region": {""}, "postal_code": {"", "1", "1234567890123", "M5V;2T6", 12345}, "country": {"", "C", "CAN", "ca", "Canada", 1}},
		"employment":    {"status": {"", "busy", "<nil>", 1}, "current_occupation": {"", long}, "past_occupations": {nil, "Baker", many, []any{nil}, []any{""}, []any{long}, []any{1}}, "target_occupations": {nil, object{}}, "highest_education": {"phd", "None", "<nil>"}},
		"communication": {"preferred_language": {"", "f", "french language", "fr_CA", strings.Repeat("a", 36), 1}, "preferences": {"", strings.Repeat("x", 20001)}},
		"referral":      {"source": {"", long, 1}, "reference_number": {long}, "reasons": {nil, "Laid off", many}, "service_needs": {nil, []any{" "}}, "transport": {"", 1}},
		"notes":         {"notes": {"", " \n", strings.Repeat("x", 20001), []any{"a"}}},
	} {
		for field, values := range fields {
			for _, value := range values {
				pointer := "/" + field
				if list, isList := value.([]any); isList && len(list) == 1 && strings.HasSuffix(field, "s") && field != "notes" && field != "pronouns" {
					pointer += "/0"
				}
				w.refusesAsk(t, section+" with a bad "+field, "updateClientSection", editing(client, section, object{field: value}).with("If-Match", "*"),
					refusal{400, "invalid_request", []string{pointer}})
			}
		}
	}
	for what, c := range map[string]struct {
		section string
		body    object
		want    refusal
	}{
		"nothing":                          {"identity", object{}, refusal{400, "invalid_request", []string{""}}},
		"a birth to come":                  {"identity", object{"date_of_birth": time.Now().AddDate(0, 0, 2).Format(time.DateOnly)}, refusal{422, "invalid_value", []string{"/date_of_birth"}}},
		"a birth long ago":                 {"identity", object{"date_of_birth": "1899-12-31"}, refusal{422, "invalid_value", []string{"/date_of_birth"}}},
		"a phone number of nowhere":        {"contact", object{"phone": "+999 12"}, refusal{422, "invalid_value", []string{"/phone"}}},
		"a country that there is not":      {"address", object{"country": "ZZ"}, refusal{422, "invalid_value", []string{"/country"}}},
		"a postal code of another country": {"address", object{"country": "CA", "postal_code": "12345"}, refusal{422, "invalid_value", []string{"/postal_code"}}},
		"a language that there is not":     {"communication", object{"preferred_language": "zz-ZZ"}, refusal{422, "invalid_value", []string{"/preferred_language"}}},
		"several bad values":               {"identity", object{"date_of_birth": "1899-12-31", "first_name": "Ada", "last_name": "Byron"}, refusal{422, "invalid_value", []string{"/date_of_birth"}}},
		"a field of another section":       {"notes", object{"notes": "Works nights.", "phone": "+1 416 555 0142"}, refusal{400, "unknown_field", []string{"/phone"}}},
		"the section within the body":      {"notes", object{"section": "notes", "notes": "Works nights."}, refusal{400, "unknown_field", []string{"/section"}}},
		"fields within the body":           {"notes", object{"fields": object{"notes": "Works nights."}}, refusal{400, "unknown_field", []string{"/fields"}}},
	} {
		w.refusesAsk(t, what, "updateClientSection", editing(client, c.section, c.body).with("If-Match", "*"), c.want)
	}
	for _, section := range []string{"Identity", "name", "identity%20", "sections", "..", "0"} {
		for _, operationID := range []string{"getClientSection", "updateClientSection"} {
			request := editing(client, section, object{"notes": "Works nights."}).with("If-Match", "*")
			if operationID == "getClientSection" {
				request = request.sending(nil)
			}
			w.refusesAsk(t, "the section "+section, operationID, request, refusal{400, "invalid_parameter", []string{"path:section"}})
		}
	}
	// What is taken away, and what the bounds are.
	for section, fields := range map[string]object{
		"identity":      {"preferred_name": nil, "pronouns": nil, "date_of_birth": nil, "first_name": strings.Repeat("ä", 200)},
		"contact":       {"email": nil, "phone": nil, "preferred_channel": nil},
		"address":       {"line1": nil, "line2": nil, "city": nil, "region": nil, "postal_code": nil, "country": nil},
		"employment":    {"status": nil, "current_occupation": nil, "past_occupations": many[:50], "target_occupations": []string{}, "highest_education": nil},
		"communication": {"preferred_language": nil, "preferences": strings.Repeat("x", 20000)},
		"referral":      {"source": nil, "reference_number": nil, "reasons": []string{}, "service_needs": []string{}, "transport": nil},
		"notes":         {"notes": nil},
	} {
		s.ask(t, w.Admin.Token, "updateClientSection", editing(client, section, fields).with("If-Match", "*")).must(200)
	}
}

func TestBadLinks(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w, other := s.organization(t), s.organization(t)
	linked, free, referral := w.linkedClient(), w.person("client"), w.person("referral")
	var reference string
	if err := s.DB.SQL.GetContext(t.Context(), &reference, `SELECT reference FROM cams_links WHERE person_id = $1`, linked); err != nil {
		t.Fatal(err)
	}
	link := func(client uuid.UUID, reference any) ask {
		return inPath("client_id", client.String()).sending(object{"cams_reference": reference}).with("If-Match", "*")
	}
	at := []string{"/cams_reference"}
	for what, c := range map[string]struct {
		request ask
		want    refusal
	}{
		"a reference that is linked":        {link(free, reference), refusal{409, "cams_reference_taken", at}},
		"a reference of a case":             {link(free, referenceOfCase), refusal{422, "case_reference_given", at}},
		"an unknown reference":              {link(free, referenceUnknown), refusal{422, "cams_client_not_found", at}},
		"what is no reference":              {link(free, "Rosa Delgado"), refusal{422, "cams_client_not_found", at}},
		"a reference with a query in it":    {link(free, "CL-000001?x=1"), refusal{422, "cams_client_not_found", at}},
		"a number":                          {link(free, 1), refusal{400, "invalid_request", at}},
		"null":                              {link(free, nil), refusal{400, "invalid_request", at}},
		"another name of the field":         {link(free, "").sending(object{"reference": newReference()}), refusal{400, "unknown_field", []string{"/reference", "/cams_reference"}}},
		"a referral":                        {link(referral, newReference()), refusal{404, "not_found", nil}},
		"nobody":                            {link(newID(), newReference()), refusal{404, "not_found", nil}},
		"a client of another organization":  {link(other.person("client"), newReference()), refusal{404, "not_found", nil}},
		"a stale ETag before the reference": {link(free, referenceOfCase).with("If-Match", `"AAAAAAAAAAAAAAAA"`), refusal{412, "precondition_failed", nil}},
	} {
		w.refusesAsk(t, what, "linkCams", c.request, c.want)
	}
	for what, c := range map[string]struct {
		operationID string
		client      uuid.UUID
		want        refusal
	}{
		"syncing who is not linked":   {"syncCams", free, refusal{409, "not_linked", nil}},
		"syncing a referral":          {"syncCams", referral, refusal{404, "not_found", nil}},
		"unlinking a referral":        {"unlinkCams", referral, refusal{404, "not_found", nil}},
		"inviting who has no email":   {"resendClientInvite", free, refusal{422, "no_email", nil}},
		"inviting a referral":         {"resendClientInvite", referral, refusal{404, "not_found", nil}},
		"inviting who has a password": {"resendClientInvite", w.clientWithAccount(), refusal{409, "already_activated", nil}},
	} {
		request := inPath("client_id", c.client.String())
		if c.operationID == "unlinkCams" {
			request = request.with("If-Match", "*")
		}
		w.refusesAsk(t, what, c.operationID, request, c.want)
	}
	before := w.tables()
	s.ask(t, w.Admin.Token, "unlinkCams", inPath("client_id", free.String()).with("If-Match", "*")).must(204)
	w.unchanged(before)

	for what, c := range map[string]struct {
		person uuid.UUID
		body   object
		want   refusal
	}{
		"a client":                        {free, object{"send_invitation": false}, refusal{409, "already_client", nil}},
		"nobody":                          {newID(), object{}, refusal{404, "not_found", nil}},
		"one of another organization":     {other.person("referral"), object{}, refusal{404, "not_found", nil}},
		"one without an email":            {referral, object{}, refusal{422, "no_email", nil}},
		"one with an email that is none":  {referral, object{"email": "rosa"}, refusal{400, "invalid_request", []string{"/email"}}},
		"one with null for an email":      {referral, object{"email": nil}, refusal{400, "invalid_request", []string{"/email"}}},
		"one with a name":                 {referral, object{"first_name": "Rosa"}, refusal{400, "unknown_field", []string{"/first_name"}}},
		"one with a reason":               {referral, object{"reason": "Signed up"}, refusal{400, "unknown_field", []string{"/reason"}}},
		"one invited with something else": {referral, object{"send_invitation": 1}, refusal{400, "invalid_request", []string{"/send_invitation"}}},
	} {
		w.refusesAsk(t, "of "+what+" a client", "becomeClient", inPath("person_id", c.person.String()).sending(c.body), c.want)
	}
}

func TestBadMessagesOfCaMS(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	w.linkedClient()
	signed := func(body any) ask {
		return withBody(body).with("webhook-id", newID().String(), "webhook-timestamp", "1772463845", "webhook-signature", goodSignature)
	}
	good := camsMessage(newReference())
	for what, request := range map[string]ask{
		"no headers":          withBody(good),
		"another signature":   signed(good).with("webhook-signature", "v1,bad"),
		"an API token alone":  withBody(good).with("Authorization", "Bearer "+w.Admin.Token),
		"an empty signature":  signed(good).with("webhook-signature", ""),
		"one of another kind": signed(object{"type": "client.deleted", "data": object{}}).with("webhook-signature", "v1,bad"),
	} {
		w.refusesAsk(t, what, "receiveCamsWebhook", request, refusal{401, "unauthenticated", nil})
	}
	for what, c := range map[string]struct {
		body any
		want refusal
	}{
		"no body":           {"", refusal{400, "malformed_body", nil}},
		"half a body":       {`{"type":`, refusal{400, "malformed_body", nil}},
		"no object":         {`[]`, refusal{400, "invalid_request", []string{""}}},
		"no type":           {object{"data": object{}}, refusal{400, "invalid_request", []string{"/type"}}},
		"no data":           {object{"type": "client.changed"}, refusal{400, "invalid_request", []string{"/data"}}},
		"a list for data":   {object{"type": "client.changed", "data": []any{}}, refusal{400, "invalid_request", []string{"/data"}}},
		"a reference of 1":  {camsMessage("")["data"], refusal{400, "invalid_request", []string{"/type", "/data"}}},
		"a long type":       {object{"type": strings.Repeat("x", 201), "data": object{}}, refusal{400, "invalid_request", []string{"/type"}}},
		"a number for type": {object{"type": 1, "data": object{}}, refusal{400, "invalid_request", []string{"/type"}}},
	} {
		w.refusesAsk(t, what, "receiveCamsWebhook", signed(c.body), c.want)
	}
	before := w.tables()
	for what, body := range map[string]any{
		"of an unknown type": object{"type": "client.deleted", "data": object{"reference": newReference()}}, "of nobody's reference": good,
		"of what is no reference": camsMessage("../admin"), "of no reference": object{"type": "client.changed", "data": object{}},
		"with more than is known": with(with(good, "attempt", 3), "data", object{"reference": newReference(), "region": "ON"}),
	} {
		if got := s.ask(t, "", "receiveCamsWebhook", signed(body)); got.Status != 202 {
			t.Errorf("a message %s: got %d: %s", what, got.Status, got.Body)
		}
	}
	w.unchanged(before)
}

// A request with everything wrong at once is mended step by step, in the order in which errors are told.
func TestWhichErrorOfClientsFirst(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)

	s.rule(t, "which error first, of a section: form, credential, existence, permission, precondition, meaning, owner", func(t *testing.T, w *world) {
		nobody, client := w.member("member"), w.linkedClient()
		body, token := object{"first_name": "Ada", "date_of_birth": "1899-12-31", "phone": "1"}, ""
		request := func(id uuid.UUID) ask { return editing(id, "identity", body).with("If-Match", `"AAAAAAAAAAAAAAAA"`) }
		s.ask(t, token, "updateClientSection", request(newID())).problem(400, "unknown_field")
		delete(body, "phone")
		s.ask(t, token, "updateClientSection", request(newID())).problem(401, "unauthenticated")
		token = nobody.Token
		s.ask(t, token, "updateClientSection", request(newID())).problem(404, "not_found")
		s.ask(t, token, "updateClientSection", request(client)).problem(403, "permission_denied")
		token = w.Admin.Token
		s.ask(t, token, "updateClientSection", request(client)).problem(412, "precondition_failed")
		unconditional := editing(client, "identity", body).with("If-Match", "*")
		s.ask(t, token, "updateClientSection", unconditional).problem(422, "invalid_value")
		body["date_of_birth"] = "1991-08-14"
		problem := s.ask(t, token, "updateClientSection", unconditional).problem(422, "managed_by_cams")
		var named []string
		for _, place := range problem.Errors {
			named = append(named, place.Pointer)
		}
		if slices.Sort(named); !slices.Equal(named, []string{"/date_of_birth", "/first_name"}) {
			t.Errorf("got errors at %q", named)
		}
		maps.DeleteFunc(body, func(string, any) bool { return true })
		body["preferred_name"] = "Rosie"
		s.ask(t, token, "updateClientSection", unconditional).must(200)
	})

	s.rule(t, "which error first, of a new client: form, credential, permission, then what the case system and the organization say", func(t *testing.T, w *world) {
		referrals, held := w.member("member", "referrals"), w.linkedClient()
		var reference string
		if err := s.DB.SQL.GetContext(t.Context(), &reference, `SELECT reference FROM cams_links WHERE person_id = $1`, held); err != nil {
			t.Fatal(err)
		}
		w.exec(`UPDATE people SET email = $2 WHERE id = $1`, held, strings.ToLower(reference)+"@mail.example")
		body, token := object{"source": "cams", "cams_reference": referenceOfCase, "surprise": 1}, ""
		step := func(status int, code string, mend func()) {
			t.Helper()
			s.ask(t, token, "createClient", withBody(body)).problem(status, code)
			mend()
		}
		step(400, "unknown_field", func() { delete(body, "surprise") })
		step(401, "unauthenticated", func() { token = referrals.Token })
		step(403, "permission_denied", func() { token = w.Admin.Token })
		step(422, "case_reference_given", func() { body["cams_reference"] = referenceUnknown })
		step(422, "cams_client_not_found", func() { body["cams_reference"] = reference })
		step(409, "cams_reference_taken", func() { w.exec(`DELETE FROM cams_links WHERE person_id = $1`, held) })
		step(409, "duplicate_person", func() { body["confirm_duplicate"] = true })
		s.ask(t, token, "createClient", withBody(body)).must(201)
	})
}

// Whatever stands where a token of an invitation would, the answer is the same.
func TestTokensOfInvitationsHaveNoForm(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	w := s.organization(t)
	good := w.openInvitation(w.reachable("client"))
	answers := map[string]bool{}
	for _, token := range []string{
		"x", "0", newID().String(), good[:len(good)-1], good + "0", strings.ToUpper(good), strings.TrimPrefix(good, "hni_"), w.Admin.Token, strings.Repeat("a", 3000), "hni_", "%", "ü", "a b",
	} {
		for _, request := range []struct {
			operationID string
			ask         ask
		}{{"getInvitation", inPath("token", token)}, {"acceptInvitation", inPath("token", token).sending(object{"password": clientPassword})}} {
			problem := s.ask(t, "", request.operationID, request.ask).problem(404, "invitation_invalid")
			answers[problem.Detail] = true
			if !strings.HasPrefix(problem.Instance, "/v1/invitations/{token}") {
				t.Errorf("the instance %s tells the token", problem.Instance)
			}
		}
	}
	if len(answers) != 1 {
		t.Errorf("got several answers: %v", answers)
	}
	s.ask(t, "", "getInvitation", inPath("token", good)).must(200)
}
