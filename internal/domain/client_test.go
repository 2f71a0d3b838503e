package domain_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"handover/internal/domain"
)

// someFormats know one number and one language, so that it shows who was asked what.
var someFormats = domain.Formats{
	Phone: func(text, country string) (string, bool) {
		if text == "bad" {
			return "", false
		}
		return "+" + country + text, true
	},
	Language: func(tag string) (string, bool) { return strings.ToLower(tag), tag != "xx" },
}

var someDay = domain.Date{Year: 2026, Month: time.March, Day: 31}

// edited is a client after an edit of a section, or what was wrong with it.
func edited(t *testing.T, client domain.Client, section domain.SectionName, patch string) (domain.Client, *domain.Error) {
	t.Helper()
	after, err := client.EditSection(section, []byte(patch))
	equal(t, "cannot be read", err, nil)
	after, err = domain.TidySection(client, after, section, someDay, "CA", someFormats)
	if err == nil {
		err = domain.CheckSectionOwners(client, after, section)
	}
	var refused *domain.Error
	if err != nil {
		equal(t, "is a refusal", errors.As(err, &refused), true)
	}
	return after, refused
}

func asJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	equal(t, "cannot be written", err, nil)
	return string(text)
}

func TestEditingSections(t *testing.T) {
	maya := domain.Client{Person: domain.Person{
		FirstName: "Maya", LastName: "Petrov", Email: new("maya@mail.example"), Phone: new("as imported, 1"),
	}}
	maya.Sections.Employment.PastOccupations = domain.Texts{"Baker"}
	for name, given := range map[string]struct {
		section domain.SectionName
		patch   string
		want    string // the section, or what was wrong and where
	}{
		"what is not sent stays": {
			"identity", `{"preferred_name": "May"}`,
			`{"first_name":"Maya","last_name":"Petrov","preferred_name":"May","pronouns":null,"date_of_birth":null}`,
		},
		"null takes away":                     {"contact", `{"email": null}`, `{"email":null,"phone":"as imported, 1","preferred_channel":null}`},
		"a list is replaced":                  {"employment", `{"past_occupations": ["Cook", "Cook"]}`, `{"status":null,"current_occupation":null,"past_occupations":["Cook","Cook"],"target_occupations":[],"highest_education":null}`},
		"notes":                               {"notes", `{"notes": "Calls back."}`, `{"notes":"Calls back."}`},
		"who sent them":                       {"referral", `{"source": "Court", "reasons": ["Work"]}`, `{"source":"Court","reference_number":null,"reasons":["Work"],"service_needs":[],"transport":null}`},
		"a name is not blank":                 {"identity", `{"first_name": " ", "last_name": ""}`, "/first_name invalid_value, /last_name invalid_value"},
		"today's child":                       {"identity", `{"date_of_birth": "2026-03-31"}`, `{"first_name":"Maya","last_name":"Petrov","preferred_name":null,"pronouns":null,"date_of_birth":"2026-03-31"}`},
		"tomorrow's child":                    {"identity", `{"date_of_birth": "2026-04-01"}`, "/date_of_birth invalid_value"},
		"the oldest":                          {"identity", `{"date_of_birth": "1900-01-01"}`, `{"first_name":"Maya","last_name":"Petrov","preferred_name":null,"pronouns":null,"date_of_birth":"1900-01-01"}`},
		"older than anybody":                  {"identity", `{"date_of_birth": "1899-12-31"}`, "/date_of_birth invalid_value"},
		"a number is dialled from here":       {"contact", `{"phone": "416"}`, `{"email":"maya@mail.example","phone":"+CA416","preferred_channel":null}`},
		"a number that is none":               {"contact", `{"phone": "bad"}`, "/phone invalid_value"},
		"what stays is not judged":            {"contact", `{"phone": "as imported, 1", "preferred_channel": "text"}`, `{"email":"maya@mail.example","phone":"as imported, 1","preferred_channel":"text"}`},
		"a language has one form":             {"communication", `{"preferred_language": "FR-CA"}`, `{"preferred_language":"fr-ca","preferences":null}`},
		"a language that is none":             {"communication", `{"preferred_language": "xx"}`, "/preferred_language invalid_value"},
		"a postal code has one form":          {"address", `{"country": "CA", "postal_code": "m5v2t6"}`, `{"line1":null,"line2":null,"city":null,"region":null,"postal_code":"M5V 2T6","country":"CA"}`},
		"a postal code of another country":    {"address", `{"country": "DE", "postal_code": "M5V 2T6"}`, "/postal_code invalid_value"},
		"a postal code of a country unknown":  {"address", `{"postal_code": "M5V-2T6"}`, `{"line1":null,"line2":null,"city":null,"region":null,"postal_code":"M5V-2T6","country":null}`},
		"a country that is none":              {"address", `{"country": "XX", "postal_code": "1"}`, "/country invalid_value"},
		"a postal code that is one character": {"address", `{"country": "FR", "postal_code": "1"}`, "/postal_code invalid_value"},
	} {
		t.Run("C5 "+string(given.section)+": "+name, func(t *testing.T) {
			before := asJSON(t, maya)
			after, refused := edited(t, maya, given.section, given.patch)
			if refused != nil {
				equal(t, "refused", pointers(refused), given.want)
			} else {
				equal(t, "section", asJSON(t, after.Section(given.section)), given.want)
			}
			equal(t, "what it was", asJSON(t, maya), before)
		})
	}

	t.Run("C5 a number is dialled in the country of the address", func(t *testing.T) {
		abroad, _ := edited(t, maya, domain.SectionAddress, `{"country": "DE"}`)
		after, _ := edited(t, abroad, domain.SectionContact, `{"phone": "030"}`)
		equal(t, "phone", *after.Phone, "+DE030")
	})

	t.Run("C5 a postal code has to fit a country that comes later", func(t *testing.T) {
		coded, _ := edited(t, maya, domain.SectionAddress, `{"postal_code": "12345"}`)
		_, refused := edited(t, coded, domain.SectionAddress, `{"country": "CA"}`)
		equal(t, "refused", pointers(refused), "/postal_code invalid_value")
		after, _ := edited(t, coded, domain.SectionAddress, `{"country": "DE"}`)
		equal(t, "postal code", *after.Sections.Address.PostalCode, "12345")
		after, _ = edited(t, after, domain.SectionAddress, `{"country": null, "postal_code": null}`)
		equal(t, "section", asJSON(t, after.Sections.Address), asJSON(t, domain.Address{}))
	})

	t.Run("C5 fields of another section are named", func(t *testing.T) {
		equal(t, "own fields", domain.CheckSectionFields(domain.SectionContact, []byte(`{"email": null, "phone": null, "preferred_channel": null}`)), nil)
		var refused *domain.Error
		equal(t, "is a refusal", errors.As(domain.CheckSectionFields(domain.SectionContact, []byte(`{"phone": null, "notes": "x", "city": "x"}`)), &refused), true)
		equal(t, "code", refused.Code, domain.CodeUnknownField)
		equal(t, "at", pointers(refused), "/city unknown_field, /notes unknown_field")
	})
}

func TestPostalCodes(t *testing.T) {
	for _, given := range []struct{ country, text, want string }{
		{"CA", "M5V 2T6", "M5V 2T6"},
		{"CA", " k1a0b1 ", "K1A 0B1"},
		{"CA", "D5V 2T6", ""},
		{"CA", "M5V 2O6", ""},
		{"CA", "M5V", ""},
		{"US", "10001", "10001"},
		{"US", "10001-2345", "10001-2345"},
		{"US", "1000", ""},
		{"US", "10001-", ""},
		{"GB", "sw1a1aa", "SW1A 1AA"},
		{"GB", "M1 1AE", "M1 1AE"},
		{"GB", "B33 8TH", "B33 8TH"},
		{"GB", "CR2 6XH", "CR2 6XH"},
		{"GB", "DN55 1PT", "DN55 1PT"},
		{"GB", "W1A 0AX", "W1A 0AX"},
		{"GB", "EC1A 1BB", "EC1A 1BB"},
		{"GB", "GIR 0AA", "GIR 0AA"},
		{"GB", "SW1A", ""},
		{"GB", "Q1 1AA", ""},
		{"DE", "10115", "10115"},
		{"DE", "D-10115", ""},
		{"DE", "1011", ""},
		{"FR", "75001", "75001"},
		{"", "75 001", "75 001"},
		{"IE", "D02 X285", "D02 X285"},
		{"FR", "1", ""},
		{"FR", "1234567890123", ""},
	} {
		code, ok := domain.TidyPostalCode(given.text, given.country)
		if ok != (given.want != "") || ok && code != given.want {
			t.Errorf("%s %q: got %q, %v; want %q", given.country, given.text, code, ok, given.want)
		}
	}
	t.Run("C5 a postal code stays as it was tidied", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			country := rapid.SampledFrom([]string{"CA", "US", "GB", "DE", "FR", ""}).Draw(t, "country")
			text := rapid.StringMatching(`[A-Za-z0-9 -]{1,13}|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]|[0-9]{5}(-[0-9]{4})?`).Draw(t, "text")
			code, ok := domain.TidyPostalCode(text, country)
			if !ok {
				return
			}
			again, ok := domain.TidyPostalCode(code, country)
			if !ok || again != code {
				t.Fatalf("%q, then %q, %v", code, again, ok)
			}
		})
	})
}

func TestCountries(t *testing.T) {
	known := 0
	for first := 'A'; first <= 'Z'; first++ {
		for second := 'A'; second <= 'Z'; second++ {
			if domain.KnownCountry(string(first) + string(second)) {
				known++
			}
		}
	}
	equal(t, "countries of ISO 3166-1", known, 249)
	for _, odd := range []string{"", " ", "  ", "A", "A ", " A", "ca", "CAN", "UK", "AD ", "XX"} {
		equal(t, fmt.Sprintf("%q is one", odd), domain.KnownCountry(odd), false)
	}
}

// drawClient gives a client of any fields.
func drawClient(t *rapid.T) domain.Client {
	text := func(name string) *string { return rapid.Ptr(rapid.String(), true).Draw(t, name) }
	list := func(name string) domain.Texts { return rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, name) }
	client := domain.Client{Person: domain.Person{
		FirstName: rapid.String().Draw(t, "first"), LastName: rapid.String().Draw(t, "last"), Email: text("email"), Phone: text("phone"),
	}}
	client.Sections = domain.Sections{
		Identity:      domain.Identity{PreferredName: text("preferred"), Pronouns: text("pronouns"), DateOfBirth: rapid.Ptr(rapid.Just(someDay), true).Draw(t, "born")},
		Address:       domain.Address{Line1: text("line1"), Line2: text("line2"), City: text("city"), Region: text("region"), PostalCode: text("code"), Country: text("country")},
		Employment:    domain.Employment{CurrentOccupation: text("now"), PastOccupations: list("past"), TargetOccupations: list("target")},
		Communication: domain.Communication{PreferredLanguage: text("language"), Preferences: text("preferences")},
		Referral:      domain.ReferredBy{Source: text("source"), ReferenceNumber: text("number"), Reasons: list("reasons"), ServiceNeeds: list("needs"), Transport: text("transport")},
		Notes:         domain.Notes{Notes: text("notes")},
	}
	if rapid.Bool().Draw(t, "linked") {
		client.CaMS = &domain.CaMSState{Reference: "CL-000001"}
	}
	return client
}

func TestSectionProperties(t *testing.T) {
	t.Run("C5 an edit changes the version of its section and of the client, and of nothing else", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			client, other := drawClient(t), drawClient(t)
			section := rapid.SampledFrom(domain.SectionNames()).Draw(t, "section")
			patch, err := json.Marshal(other.Section(section))
			if err != nil {
				t.Fatal(err)
			}
			after, err := client.EditSection(section, patch)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range domain.SectionNames() {
				was, is := domain.Version(client.SectionVersion(name)), domain.Version(after.SectionVersion(name))
				if name != section && was != is {
					t.Fatalf("the version of %s changed", name)
				}
			}
			same := string(must(json.Marshal(client.Section(section)))) == string(patch)
			if (domain.Version(client.SectionVersion(section)) == domain.Version(after.SectionVersion(section))) != same {
				t.Fatalf("the same: %v; version of the section", same)
			}
			if (domain.Version(client.Fields()) == domain.Version(after.Fields())) != same {
				t.Fatalf("the same: %v; version of the client", same)
			}
			if domain.Version(after.Section(section)) != domain.Version(other.Section(section)) {
				t.Fatal("a whole section that was sent is not what is there")
			}
		})
	})

	t.Run("C5 what was read may be sent back", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			client := drawClient(t)
			section := rapid.SampledFrom(domain.SectionNames()).Draw(t, "section")
			after, err := client.EditSection(section, must(json.Marshal(client.Section(section))))
			if err != nil {
				t.Fatal(err)
			}
			if after, err = domain.TidySection(client, after, section, someDay, "CA", someFormats); err != nil {
				t.Fatal(err)
			}
			if err := domain.CheckSectionOwners(client, after, section); err != nil {
				t.Fatal(err)
			}
			if _, changed := domain.SectionDifference(client, after, section); len(changed) > 0 {
				t.Fatalf("changed %v", changed)
			}
		})
	})

	t.Run("C4 of a linked client exactly the fields that CaMS owns cannot be changed, and each is named", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			client, other := drawClient(t), drawClient(t)
			section := rapid.SampledFrom(domain.SectionNames()).Draw(t, "section")
			after, err := client.EditSection(section, must(json.Marshal(other.Section(section))))
			if err != nil {
				t.Fatal(err)
			}
			_, changed := domain.SectionDifference(client, after, section)
			var want []string
			for _, field := range domain.CaMSOwned(section) {
				if _, found := changed[field]; found && client.CaMS != nil {
					want = append(want, "/"+field)
				}
			}
			var got []string
			var refused *domain.Error
			if errors.As(domain.CheckSectionOwners(client, after, section), &refused) {
				for _, field := range refused.Fields {
					got = append(got, field.Pointer)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("refused %v, want %v", got, want)
			}
		})
	})
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestOlderWaysRespectOwners(t *testing.T) {
	maya := domain.Person{Kind: domain.KindClient, Status: domain.PersonActive, FirstName: "Maya", LastName: "Petrov", Email: new("maya@mail.example")}
	for name, given := range map[string]struct {
		edit func(*domain.Person)
		at   string
	}{
		"the same":             {func(p *domain.Person) { p.Email = new("maya@mail.example") }, ""},
		"status is not CaMS's": {func(p *domain.Person) { p.Status = domain.PersonInactive }, ""},
		"names":                {func(p *domain.Person) { p.FirstName, p.LastName = "Mia", "Lang" }, "/first_name managed_by_cams, /last_name managed_by_cams"},
		"an email taken away":  {func(p *domain.Person) { p.Email = nil }, "/email managed_by_cams"},
		"a phone":              {func(p *domain.Person) { p.Phone = new("1") }, "/phone managed_by_cams"},
		"no client any more":   {func(p *domain.Person) { p.Kind = domain.KindReferral }, "/kind managed_by_cams"},
	} {
		t.Run("C4 older ways to write: "+name, func(t *testing.T) {
			after := maya
			given.edit(&after)
			err := domain.CheckPersonOwners(maya, after)
			if given.at == "" {
				equal(t, "refusal", err, nil)
				return
			}
			var refused *domain.Error
			equal(t, "is a refusal", errors.As(err, &refused), true)
			equal(t, "at", pointers(refused), given.at)
		})
	}
}

func TestDuplicates(t *testing.T) {
	clients := domain.Caller{StaffID: id("ann"), Permissions: []domain.Permission{domain.PermissionClients}}
	maya := domain.Person{ID: id("maya"), Kind: domain.KindClient, FirstName: "Maya", LastName: "Petrov"}
	hidden := domain.Person{ID: id("ahmed"), Kind: domain.KindReferral, FirstName: "Ahmed", LastName: "Rahimi"}
	t.Run("C2 nobody has the email", func(t *testing.T) { equal(t, "refusal", domain.CheckDuplicates(clients, nil), nil) })
	t.Run("C2 those are named whom the caller sees", func(t *testing.T) {
		var refused *domain.Error
		equal(t, "is a refusal", errors.As(domain.CheckDuplicates(clients, []domain.Person{maya, hidden}), &refused), true)
		equal(t, "matches", asJSON(t, refused.Matches), asJSON(t, []domain.PersonRef{{ID: maya.ID, Name: "Maya Petrov", Kind: domain.KindClient}}))
		equal(t, "ids", asJSON(t, refused.Params["person_ids"]), asJSON(t, []uuid.UUID{maya.ID}))
		equal(t, "is a refusal", errors.As(domain.CheckDuplicates(clients, []domain.Person{hidden}), &refused), true)
		equal(t, "matches", asJSON(t, refused.Matches), "[]")
	})
}

func TestBecomingAClient(t *testing.T) {
	referral, client := domain.Person{Kind: domain.KindReferral}, domain.Person{Kind: domain.KindClient}
	both := domain.Caller{Permissions: []domain.Permission{domain.PermissionClients, domain.PermissionReferrals}}
	for name, given := range map[string]struct {
		caller domain.Caller
		person domain.Person
		code   domain.Code
	}{
		"both permissions":    {both, referral, ""},
		"an administrator":    {domain.Caller{Role: domain.RoleAdministrator}, referral, ""},
		"a client already":    {both, client, domain.CodeAlreadyClient},
		"clients alone":       {domain.Caller{Permissions: []domain.Permission{domain.PermissionClients}}, referral, domain.CodePermissionDenied},
		"referrals alone":     {domain.Caller{Permissions: []domain.Permission{domain.PermissionReferrals}}, client, domain.CodePermissionDenied},
		"staff sees them all": {domain.Caller{Permissions: []domain.Permission{domain.PermissionStaff}}, referral, domain.CodePermissionDenied},
	} {
		t.Run("C becoming a client: "+name, func(t *testing.T) {
			err := domain.CheckBecomesClient(given.caller, given.person)
			var refused *domain.Error
			if errors.As(err, &refused) {
				equal(t, "code", refused.Code, given.code)
				return
			}
			equal(t, "code", given.code, "")
		})
	}
}
