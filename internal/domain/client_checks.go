package domain

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Formats are the checks that need more knowledge of the world than the domain has. Each gives the form that a value is
// kept in; ok is false for what is none.
type Formats struct {
	// Phone reads a number as it is dialled in a country (ISO 3166-1 alpha-2; empty: only international numbers can be
	// read) and gives it as E.164 has it.
	Phone func(text, country string) (e164 string, ok bool)
	// Language reads a tag of BCP 47.
	Language func(tag string) (canonical string, ok bool)
}

// earliestBirth is the first year that somebody who is served can have been born in.
const earliestBirth = 1900

// TidySection judges what an edit made of a section and gives its values the form they are kept in. What stays as it was
// is not judged: it may be from before there were rules, or from another system. home is the country of the organization,
// empty where that is not known.
func TidySection(before, after Client, section SectionName, today Date, home string, formats Formats) (Client, error) {
	wrong := &misfits{}
	switch section {
	case SectionIdentity:
		checkName(wrong, "/first_name", before.FirstName, after.FirstName)
		checkName(wrong, "/last_name", before.LastName, after.LastName)
		if !same(before.Sections.Identity.DateOfBirth, after.Sections.Identity.DateOfBirth) {
			checkBirth(wrong, after.Sections.Identity.DateOfBirth, today)
		}
	case SectionContact:
		if after.Phone != nil && !same(before.Phone, after.Phone) {
			after.Phone = tidyPhone(wrong, *after.Phone, orElse(after.Sections.Address.Country, home), formats)
		}
	case SectionAddress:
		after.Sections.Address = tidyAddress(wrong, before.Sections.Address, after.Sections.Address)
	case SectionCommunication:
		language := after.Sections.Communication.PreferredLanguage
		if language != nil && !same(before.Sections.Communication.PreferredLanguage, language) {
			canonical, ok := formats.Language(*language)
			if !ok {
				wrong.add("/preferred_language", "Is no language tag (BCP 47), such as en, fr-CA or zh-Hant.")
			}
			after.Sections.Communication.PreferredLanguage = &canonical
		}
	case SectionEmployment, SectionReferral, SectionNotes:
	}
	if len(*wrong) > 0 {
		refusal := Refuse(CodeInvalidValue, "Some of the values cannot be kept. Each stands in errors.")
		refusal.Fields = *wrong
		return before, refusal
	}
	return after, nil
}

// misfits are values that cannot be kept.
type misfits []FieldError

func (m *misfits) add(pointer, detail string) {
	*m = append(*m, FieldError{Pointer: pointer, Code: CodeInvalidValue, Detail: detail})
}

func orElse(value *string, otherwise string) string {
	if value == nil {
		return otherwise
	}
	return *value
}

func checkName(wrong *misfits, pointer, before, after string) {
	if after != before && strings.TrimSpace(after) == "" {
		wrong.add(pointer, "Everybody has a name.")
	}
}

func checkBirth(wrong *misfits, born *Date, today Date) {
	switch {
	case born == nil:
	case today.Before(*born):
		wrong.add("/date_of_birth", "Is in the future.")
	case born.Year < earliestBirth:
		wrong.add("/date_of_birth", fmt.Sprintf("Is before %d.", earliestBirth))
	}
}

func tidyPhone(wrong *misfits, text, country string, formats Formats) *string {
	e164, ok := formats.Phone(text, country)
	if !ok {
		detail := "Is no telephone number of " + country + "; write one of another country with + and its country code. Extensions cannot be kept."
		if country == "" {
			detail = "Is no telephone number with + and its country code, such as +14165550123. Extensions cannot be kept."
		}
		wrong.add("/phone", detail)
	}
	return &e164
}

func tidyAddress(wrong *misfits, before, after Address) Address {
	if after.Country != nil && !same(before.Country, after.Country) {
		country := strings.ToUpper(*after.Country)
		if !KnownCountry(country) {
			wrong.add("/country", "Is no country's code of two letters (ISO 3166-1), such as CA.")
			return after
		}
		after.Country = &country
	}
	if after.PostalCode == nil || same(before.PostalCode, after.PostalCode) && same(before.Country, after.Country) {
		return after
	}
	country := orElse(after.Country, "")
	code, ok := TidyPostalCode(*after.PostalCode, country)
	if !ok {
		wrong.add("/postal_code", "Is no postal code"+postalCodes[country].example())
	}
	after.PostalCode = &code
	return after
}

// postalForm is how the postal codes of a country look, in upper case and without the space.
type postalForm struct {
	pattern *regexp.Regexp
	space   int // where the space belongs, counted from the end; 0: there is none
	shown   string
}

func (f postalForm) example() string {
	if f.shown == "" {
		return ": it takes 2 to 12 characters."
	}
	return " of that country, such as " + f.shown + "."
}

var postalCodes = map[string]postalForm{
	"CA": {regexp.MustCompile(`^[ABCEGHJ-NPRSTVXY][0-9][ABCEGHJ-NPRSTV-Z][0-9][ABCEGHJ-NPRSTV-Z][0-9]$`), 3, "M5V 2T6"},
	"US": {regexp.MustCompile(`^[0-9]{5}(-[0-9]{4})?$`), 0, "10001 or 10001-2345"},
	"GB": {regexp.MustCompile(`^(GIR0AA|[A-PR-UWYZ]([0-9]{1,2}|[A-HK-Y][0-9]([0-9]|[ABEHMNPRV-Y])?|[0-9][A-HJKPS-UW])[0-9][ABD-HJLNP-UW-Z]{2})$`), 3, "SW1A 1AA"},
	"DE": {regexp.MustCompile(`^[0-9]{5}$`), 0, "10115"},
}

const (
	minPostalCode = 2
	maxPostalCode = 12
)

// TidyPostalCode judges a postal code by the rules of its country and gives it the form it is written in. Of a country
// whose rules are not known here, or of none, only its length is judged.
func TidyPostalCode(text, country string) (tidied string, ok bool) {
	text = strings.TrimSpace(text)
	form, known := postalCodes[country]
	if !known {
		length := utf8.RuneCountInString(text)
		return text, minPostalCode <= length && length <= maxPostalCode
	}
	code := strings.ToUpper(text)
	if form.space > 0 {
		code = strings.ReplaceAll(code, " ", "")
	}
	if !form.pattern.MatchString(code) {
		return text, false
	}
	if form.space > 0 {
		code = code[:len(code)-form.space] + " " + code[len(code)-form.space:]
	}
	return code, true
}

// countries are the codes of ISO 3166-1 alpha-2, each followed by a space.
const countries = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ " +
	"CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR " +
	"GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP " +
	"KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ " +
	"NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW " +
	"SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ " +
	"UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW "

// KnownCountry tells whether a text is the code of a country.
func KnownCountry(code string) bool {
	return len(code) == 2 && !strings.Contains(code, " ") && strings.Contains(countries, code+" ")
}
