// Package formats knows the forms of telephone numbers, languages and time zones: what it takes a library or a table of
// the world to judge.
package formats

import (
	_ "embed"
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/language"
)

// maxPhone is the longest text that is looked at, in bytes. Numbers have at most 15 digits.
const maxPhone = 50

// Phone reads a telephone number as it is dialled in a country (ISO 3166-1 alpha-2; empty: it has to begin with + and a
// country code) and gives it as E.164 has it. ok is false for what is none, and for one with an extension: E.164 has no
// place for it, and without it somebody else may answer.
func Phone(text, country string) (e164 string, ok bool) {
	if len(text) > maxPhone {
		return "", false
	}
	number, err := phonenumbers.Parse(text, country)
	if err != nil || number.GetExtension() != "" || !phonenumbers.IsValidNumber(number) {
		return "", false
	}
	return phonenumbers.Format(number, phonenumbers.E164), true
}

// Language reads a language tag of BCP 47 and gives its canonical form: fr-CA for FR-ca, he for iw.
func Language(tag string) (canonical string, ok bool) {
	parsed, err := language.Parse(tag)
	if err != nil || parsed == language.Und {
		return "", false
	}
	return parsed.String(), true
}

//go:embed zones.txt
var zones string

var countryOfZone = sync.OnceValue(func() map[string]string {
	countries := map[string]string{}
	for line := range strings.Lines(zones) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] != "#" {
			for _, zone := range fields[1:] {
				countries[zone] = fields[0]
			}
		}
	}
	return countries
})

// CountryOfZone is the country that an IANA time zone is of; empty where that is not known, as of UTC.
func CountryOfZone(zone string) string { return countryOfZone()[zone] }
