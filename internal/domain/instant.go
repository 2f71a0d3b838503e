package domain

import "regexp"

var instantForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// IsInstant tells whether an instant is written as RFC 3339 has it. What Go reads as one is more: a comma before the fraction,
// one digit for the hour, offsets of a day.
func IsInstant(text string) bool { return instantForm.MatchString(text) }
