package domain_test

import (
	"encoding/json"
	"testing"
	"time"
	_ "time/tzdata" // so that the zones are known wherever the tests run

	"pgregory.net/rapid"

	"handover/internal/domain"
)

func date(t *testing.T, text string) domain.Date {
	t.Helper()
	date, err := domain.ParseDate(text)
	if err != nil {
		t.Fatal(err)
	}
	return date
}

func TestToday(t *testing.T) {
	for _, example := range []struct{ what, zone, now, today string }{
		{"UTC", "UTC", "2024-05-01T00:00:00Z", "2024-05-01"},
		{"the last instant before midnight", "Europe/Berlin", "2024-04-30T21:59:59.999999999Z", "2024-04-30"},
		{"midnight itself is the new day", "Europe/Berlin", "2024-04-30T22:00:00Z", "2024-05-01"},
		{"far behind UTC it is still yesterday", "Pacific/Honolulu", "2024-05-01T09:59:59Z", "2024-04-30"},
		{"far ahead of UTC it is already tomorrow", "Pacific/Kiritimati", "2024-05-01T10:00:00Z", "2024-05-02"},
		{"a zone of half an hour", "Asia/Kolkata", "2024-04-30T18:30:00Z", "2024-05-01"},
		{"the instant's own offset does not matter", "America/New_York", "2024-05-01T12:00:00+14:00", "2024-04-30"},
		{"winter time, last instant of the day", "America/New_York", "2024-03-10T04:59:59Z", "2024-03-09"},
		{"summer time begins: the day is an hour short", "America/New_York", "2024-03-11T03:59:59Z", "2024-03-10"},
		{"summer time begun: midnight is an hour earlier", "America/New_York", "2024-03-11T04:00:00Z", "2024-03-11"},
		{"summer time ends: the day is an hour long", "America/New_York", "2024-11-04T04:59:59Z", "2024-11-03"},
		{"a day without a midnight begins at one", "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04"},
		{"a day without a midnight, just before", "America/Sao_Paulo", "2018-11-04T02:59:59Z", "2018-11-03"},
		{"a day that was left out, before", "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29"},
		{"a day that was left out, after", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"},
	} {
		t.Run("B2 today is the date in the organization's time zone: "+example.what, func(t *testing.T) {
			now, err := time.Parse(time.RFC3339Nano, example.now)
			if err != nil {
				t.Fatal(err)
			}
			today, err := domain.Organization{TimeZone: example.zone}.Today(now)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "today", today.String(), example.today)
			callers, err := domain.Caller{TimeZone: example.zone}.Today(now)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "today of a caller", callers, today)
		})
	}
	t.Run("B2 a time zone that there is not is an error", func(t *testing.T) {
		if today, err := (domain.Organization{TimeZone: "Mars/Olympus"}).Today(time.Now()); err == nil {
			t.Errorf("got %v", today)
		}
	})
}

func TestPastDue(t *testing.T) {
	today := date(t, "2024-03-01")
	for _, example := range []struct {
		rule   string
		due    string
		status domain.TaskStatus
		past   bool
	}{
		{"B2 due yesterday is past due", "2024-02-29", domain.TaskOpen, true},
		{"B2 due yesterday and in progress is past due", "2024-02-29", domain.TaskInProgress, true},
		{"B2 due today is not past due", "2024-03-01", domain.TaskOpen, false},
		{"B2 due tomorrow is not past due", "2024-03-02", domain.TaskOpen, false},
		{"B2 due last year in a later month is past due", "2023-12-31", domain.TaskOpen, true},
		{"B2 a task without a due date is never past due", "", domain.TaskOpen, false},
		{"B2 what is completed is not past due", "2020-01-01", domain.TaskCompleted, false},
		{"B2 what is cancelled is not past due", "2020-01-01", domain.TaskCancelled, false},
	} {
		t.Run(example.rule, func(t *testing.T) {
			task := domain.Task{Status: example.status}
			if example.due != "" {
				due := date(t, example.due)
				task.DueOn = &due
			}
			equal(t, "past due", task.PastDue(today), example.past)
		})
	}
	t.Run("B2 one instant is past due in one time zone and not in another", func(t *testing.T) {
		due := date(t, "2024-05-01")
		task := domain.Task{Status: domain.TaskOpen, DueOn: &due}
		now := time.Date(2024, 5, 1, 23, 0, 0, 0, time.UTC)
		for zone, past := range map[string]bool{"America/New_York": false, "UTC": false, "Europe/Berlin": true} {
			today, err := domain.Organization{TimeZone: zone}.Today(now)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, zone, task.PastDue(today), past)
		}
	})
}

func TestDate(t *testing.T) {
	t.Run("A5 days are counted by the calendar", func(t *testing.T) {
		for _, example := range []struct {
			from string
			days int
			to   string
		}{
			{"2024-02-28", 1, "2024-02-29"},
			{"2023-02-28", 1, "2023-03-01"},
			{"2024-12-31", 1, "2025-01-01"},
			{"2024-03-09", 2, "2024-03-11"},
			{"2024-03-10", 0, "2024-03-10"},
			{"2024-03-01", -1, "2024-02-29"},
			{"2024-01-01", 3650, "2033-12-29"},
		} {
			equal(t, "days after "+example.from, date(t, example.from).AddDays(example.days).String(), example.to)
		}
	})
	t.Run("what is no date is refused", func(t *testing.T) {
		for _, text := range []string{"", "2024-02-30", "2023-02-29", "2024-13-01", "2024-1-1", "24-01-01", "2024-01-01T00:00:00Z", " 2024-01-01", "2024/01/01", "0"} {
			if parsed, err := domain.ParseDate(text); err == nil {
				t.Errorf("%q became %v", text, parsed)
			}
			var read domain.Date
			if err := read.UnmarshalText([]byte(text)); err == nil || read != (domain.Date{}) {
				t.Errorf("%q was read as %v with error %v", text, read, err)
			}
		}
	})
	t.Run("a date is the same after writing and reading it, and ordered as it is written", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			drawn := func(label string) domain.Date {
				start := domain.Date{Year: 1, Month: time.January, Day: 1}
				return start.AddDays(rapid.IntRange(0, 3_600_000).Draw(t, label)) // until the year 9857
			}
			one, other := drawn("one"), drawn("other")
			encoded, err := json.Marshal(one)
			if err != nil {
				t.Fatal(err)
			}
			var read domain.Date
			if err := json.Unmarshal(encoded, &read); err != nil || read != one {
				t.Fatalf("%s was read as %v with error %v", encoded, read, err)
			}
			if one.Before(other) != (one.String() < other.String()) {
				t.Fatalf("%v before %v is %v", one, other, one.Before(other))
			}
		})
	})
}
