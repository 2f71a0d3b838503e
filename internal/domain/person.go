package domain

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
)

// PersonKind tells clients from referrals.
type PersonKind string

// The kinds of people.
const (
	KindClient   PersonKind = "client"
	KindReferral PersonKind = "referral"
)

// PersonStatus of a person.
type PersonStatus string

// The statuses of people.
const (
	PersonActive   PersonStatus = "active"
	PersonInactive PersonStatus = "inactive"
)

// Person is somebody who is served.
type Person struct {
	ID              uuid.UUID
	ExternalID      *string
	Kind            PersonKind
	Status          PersonStatus
	FirstName       string
	LastName        string
	Email           *string
	Phone           *string
	Staff           []StaffRef // by id
	ActiveTaskCount int
	CreatedAt       time.Time
	UpdatedAt       time.Time
}

// Name is the name as people read it.
func (p Person) Name() string { return FullName(p.FirstName, p.LastName) }

// SearchWords are the lower-case words of a text, each once, in the order they come: what a search for a prefix of any
// word is matched with. An email gives its whole self and its parts.
func SearchWords(texts ...string) []string {
	seen := map[string]bool{}
	var words []string
	add := func(word string) {
		if word != "" && !seen[word] {
			seen[word] = true
			words = append(words, word)
		}
	}
	for _, text := range texts {
		for _, chunk := range strings.Fields(strings.ToLower(text)) {
			add(chunk)
			parts := strings.FieldsFunc(chunk, func(r rune) bool { return !unicode.In(r, unicode.Letter, unicode.Number, unicode.Mark) })
			for _, part := range parts {
				add(part)
			}
		}
	}
	return words
}

// SearchPrefixes are the prefixes that a search text asks for, all of which must match: one for each of its words, but for
// those that another one begins with.
func SearchPrefixes(q string) []string {
	var prefixes []string
	words := strings.Fields(strings.ToLower(q))
	for i, word := range words {
		implied := func(other string) bool { return strings.HasPrefix(other, word) }
		longer := func(other string) bool { return other != word && implied(other) }
		if !slices.ContainsFunc(words[:i], implied) && !slices.ContainsFunc(words[i:], longer) {
			prefixes = append(prefixes, word)
		}
	}
	return prefixes
}
