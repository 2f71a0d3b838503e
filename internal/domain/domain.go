// Package domain holds the policies of Handover: pure functions from facts and a wish to a plan. It knows no SQL, no
// HTTP, no clock and no randomness; what it needs of these comes in as arguments. The rule identifiers in comments
// (A4, B10, …) are those of the product's rules.
package domain

import (
	"time"

	"github.com/google/uuid"
)

// OrganizationID names the tenant. It is a type of its own so that it can never be mistaken for another id.
type OrganizationID uuid.UUID

// String is the hyphenated form.
func (id OrganizationID) String() string { return uuid.UUID(id).String() }

// Organization is a tenant: nothing is ever visible or reachable across organizations.
type Organization struct {
	ID       OrganizationID
	Name     string
	TimeZone string // an IANA name
}

// Today is the civil date of an instant in the organization's time zone.
func (o Organization) Today(now time.Time) (Date, error) {
	zone, err := time.LoadLocation(o.TimeZone)
	if err != nil {
		return Date{}, err
	}
	return DateOf(now.In(zone)), nil
}

// Date is a civil date, without a time and without a zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf is the civil date that t shows in its own location.
func DateOf(t time.Time) Date {
	year, month, day := t.Date()
	return Date{Year: year, Month: month, Day: day}
}

// ParseDate reads YYYY-MM-DD.
func ParseDate(text string) (Date, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return Date{}, err
	}
	return DateOf(t), nil
}

// AddDays is the date n days later.
func (d Date) AddDays(n int) Date { return DateOf(d.Midnight().AddDate(0, 0, n)) }

// Before tells whether d is an earlier date than other.
func (d Date) Before(other Date) bool { return d.Midnight().Before(other.Midnight()) }

// Midnight is the first instant of the date in UTC.
func (d Date) Midnight() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

// String is YYYY-MM-DD.
func (d Date) String() string { return d.Midnight().Format(time.DateOnly) }

// MarshalText is YYYY-MM-DD.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads YYYY-MM-DD.
func (d *Date) UnmarshalText(text []byte) error {
	parsed, err := ParseDate(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
