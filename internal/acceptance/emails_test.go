package acceptance

import (
	"testing"
)

func TestEmails(t *testing.T) {
	t.Parallel()
	s := start(t, withoutWorker)
	whatever := header{"If-Match", "*"}
	named := object{"first_name": "Maya", "last_name": "Petrov"}
	employed := extended(named, object{"role": "member", "permissions": []string{}})

	s.rule(t, "an email that cannot be written to is refused wherever one is sent", func(t *testing.T, w *world) {
		colleague := w.member("member")
		referral := w.person("referral")
		for _, asked := range []struct {
			method, path string
			body         object
		}{
			{"POST", "/v1/staff", employed},
			{"PATCH", "/v1/staff/" + colleague.ID.String(), object{}},
			{"PUT", "/v1/staff/by-external-id/hr-1", employed},
			{"POST", "/v1/referrals", named},
			{"PUT", "/v1/people/by-external-id/crm-1", extended(named, object{"kind": "client"})},
		} {
			for _, address := range []string{
				"a..b@example.org", ".a@example.org", "a.@example.org", "a@example..org", "a@.example.org", "a@example.org.", "a@-example.org", "a@example-.org",
				"a@example.org-", "a\u0085b@example.org", "a\u2028b@example.org", "a@example\u2029.org", "a\nb@example.org", "a\u202eb@example.org",
			} {
				problem := w.as(w.Admin, asked.method, asked.path, extended(asked.body, object{"email": address}), whatever).problem(400, "invalid_request")
				if len(problem.Errors) != 1 || problem.Errors[0].Code != "wrong_format" || problem.Errors[0].Pointer != "/email" {
					t.Errorf("%s %s %q: got %+v", asked.method, asked.path, address, problem.Errors)
				}
			}
		}
		w.get(w.Admin, "/v1/people/"+referral.String()).must(200)
	})

	s.rule(t, "what was there before it was refused is read, searched and edited all the same", func(t *testing.T, w *world) {
		colleague, referral := w.member("member"), w.person("referral")
		w.exec(`UPDATE staff SET email = 'a..b@example..org' WHERE organization_id = $1 AND id = $2`, w.ID, colleague.ID)
		w.exec(`UPDATE people SET email = '.a@-example.org', external_id = 'crm-1' WHERE organization_id = $1 AND id = $2`, w.ID, referral)
		w.get(w.Admin, "/v1/staff/"+colleague.ID.String()).must(200)
		w.get(w.Admin, "/v1/staff").must(200)
		w.get(w.Admin, "/v1/people/"+referral.String()).must(200)
		w.get(w.Admin, "/v1/people?q=petrov").must(200)
		w.as(w.Admin, "PATCH", "/v1/staff/"+colleague.ID.String(), object{"last_name": "Lee"}, whatever).must(200)
		got := decode[struct{ Email string }](w.as(w.Admin, "PUT", "/v1/people/by-external-id/crm-1", extended(named, object{"kind": "referral"})).must(200))
		if got.Email != ".a@-example.org" {
			t.Errorf("the email became %q", got.Email)
		}
	})
}
