package domain_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"handover/internal/domain"
)

func TestSearchWords(t *testing.T) {
	for _, example := range []struct {
		what  string
		texts []string
		words string
	}{
		{"words in lower case", []string{"Anna MARIA", "Lopez"}, "anna|maria|lopez"},
		{"each once, in the order they come", []string{"Ann Lee", "lee ann"}, "ann|lee"},
		{"nothing of nothing", []string{"", "  \t\n"}, ""},
		{"an email, whole and in parts", []string{"Ann.Lee+jobs@example.org"}, "ann.lee+jobs@example.org|ann|lee|jobs|example|org"},
		{"a name with a hyphen, whole and in parts", []string{"Smith-Jones"}, "smith-jones|smith|jones"},
		{"a name with an apostrophe, whole and in parts", []string{"O'Brien"}, "o'brien|o|brien"},
		{"letters of every script", []string{"Łukasz Ngô 山田 Ümit"}, "łukasz|ngô|山田|ümit"},
		{"an accent that is a character of its own belongs to its letter", []string{"Jose\u0301 Zoe\u0308"}, "jose\u0301|zoe\u0308"},
		{"a vowel sign belongs to its word", []string{"हिन्दी"}, "हिन्दी"},
		{"numbers", []string{"Unit 7b"}, "unit|7b"},
		{"punctuation alone is a word of its own", []string{"Ann & Lee"}, "ann|&|lee"},
		{"words end at every kind of space", []string{"Ann\u00a0Lee\u2003Kim"}, "ann|lee|kim"},
	} {
		t.Run("C1 what is searched: "+example.what, func(t *testing.T) {
			equal(t, "words", strings.Join(domain.SearchWords(example.texts...), "|"), example.words)
		})
	}

	for _, example := range []struct{ query, text, found string }{
		{"ann", "Anna Lopez", "yes"},
		{"LOP an", "Anna Lopez", "yes"},
		{"nna", "Anna Lopez", "no"},
		{"anna smith", "Anna Lopez", "no"},
		{"brien", "Pat O'Brien", "yes"},
		{"o'br", "Pat O'Brien", "yes"},
		{"ann@ex", "ann@example.org", "yes"},
		{"", "Anna Lopez", "yes"},
	} {
		t.Run("A19 searching "+example.query+" in "+example.text+" finds it: "+example.found, func(t *testing.T) {
			equal(t, "found", found(example.query, example.text), example.found == "yes")
		})
	}

	t.Run("C1 every prefix of every word of a text finds it", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			text := rapid.String().Draw(t, "text")
			words := strings.Fields(text)
			if len(words) == 0 {
				return
			}
			word := []rune(rapid.SampledFrom(words).Draw(t, "word"))
			prefix := string(word[:rapid.IntRange(1, len(word)).Draw(t, "length")])
			if !found(prefix, text) {
				t.Fatalf("%q does not find %q among %q", prefix, text, domain.SearchWords(text))
			}
			seen := map[string]bool{}
			for _, word := range domain.SearchWords(text) {
				if word == "" || seen[word] {
					t.Fatalf("%q is empty or stands twice in %q", word, domain.SearchWords(text))
				}
				seen[word] = true
			}
		})
	})
}

// found is how a search is answered: every word of the query begins some word of the text.
func found(query, text string) bool {
	for _, prefix := range domain.SearchPrefixes(query) {
		hit := false
		for _, word := range domain.SearchWords(text) {
			hit = hit || strings.HasPrefix(word, prefix)
		}
		if !hit {
			return false
		}
	}
	return true
}

func TestNames(t *testing.T) {
	equal(t, "both", domain.Person{FirstName: "Ann", LastName: "Lee"}.Name(), "Ann Lee")
	equal(t, "last alone", domain.FullName("", "Lee"), "Lee")
	equal(t, "first alone", domain.FullName("Ann", ""), "Ann")
	ref := domain.Staff{ID: id("ann"), FirstName: "Ann", LastName: "Lee", Status: domain.StaffDeactivated}.Ref()
	equal(t, "reference", ref, domain.StaffRef{ID: id("ann"), Name: "Ann Lee", Status: domain.StaffDeactivated})
}
