package formats_test

import (
	"strings"
	"testing"
	"time"

	"handover/internal/domain"
	"handover/internal/formats"
)

func TestPhonesAreKeptAsE164(t *testing.T) {
	for _, given := range []struct{ text, country, want string }{
		{"(416) 555-0123", "CA", "+14165550123"},
		{"+1 416 555 0123", "", "+14165550123"},
		{"00 1 416 555 0123", "DE", "+14165550123"},
		{"030 901820", "DE", "+4930901820"},
		{"020 7946 0018", "GB", "+442079460018"},
		{" tel:+49-30-901820 ", "", "+4930901820"},
		{"+39 06 6982 4051", "CA", "+390669824051"}, // whose leading zero is part of it
		{"416 555 0123", "", ""},
		{"416 555 0123", "XX", ""},
		{"911", "CA", ""},
		{"555 0123", "CA", ""},
		{"+1 416 555 0123 ext. 5", "CA", ""},
		{"+999 416 555 0123", "CA", ""},
		{"call me", "CA", ""},
		{"", "CA", ""},
		{"+" + strings.Repeat("4", 1000), "CA", ""},
	} {
		got, ok := formats.Phone(given.text, given.country)
		if got != given.want || ok != (given.want != "") {
			t.Errorf("%q in %q: got %q, %v; want %q", given.text, given.country, got, ok, given.want)
		}
	}
}

func TestPhonesStayAsTheyAreKept(t *testing.T) {
	for _, text := range []string{"+14165550123", "+4930901820", "+442079460018", "+390669824051", "+33142685300"} {
		for _, country := range []string{"", "CA", "DE", "IT"} {
			if got, ok := formats.Phone(text, country); got != text || !ok {
				t.Errorf("%s in %q is now %q", text, country, got)
			}
		}
	}
}

func TestLanguagesAreTagsOfBCP47(t *testing.T) {
	for tag, want := range map[string]string{
		"en": "en", "FR-ca": "fr-CA", "zh-hant": "zh-Hant", "iw": "he", "de-1996": "de-1996", "sr-Latn-RS": "sr-Latn-RS", "ase": "ase",
		"": "", "english": "", "xx": "", "en-": "", "en_": "", "und": "", "e": "", "en-ZZZ": "", "fr CA": "",
	} {
		got, ok := formats.Language(tag)
		if got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v; want %q", tag, got, ok, want)
		}
	}
}

func TestTimeZonesTellTheirCountry(t *testing.T) {
	for zone, want := range map[string]string{
		"America/Toronto": "CA", "Canada/Eastern": "CA", "US/Pacific": "US", "Europe/Berlin": "DE", "Europe/London": "GB", "Asia/Calcutta": "IN",
		"Iceland": "IS", "UTC": "", "Etc/GMT+5": "", "Mars/Olympus": "", "#": "", "CA": "",
	} {
		if got := formats.CountryOfZone(zone); got != want {
			t.Errorf("%s: got %q, want %q", zone, got, want)
		}
		if want == "" {
			continue
		}
		if _, err := time.LoadLocation(zone); err != nil {
			t.Errorf("%s is no time zone: %v", zone, err)
		}
		if !domain.KnownCountry(want) {
			t.Errorf("%s is no country", want)
		}
	}
}
