package app

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn"
	"github.com/trustelem/zxcvbn/match"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"handover/internal/domain"
)

const (
	shortestPassword = 12 // characters
	longestPassword  = 128
	// fewestCharacters is how many different ones a password has at least.
	fewestCharacters = 5
	// strongEnough is the score of zxcvbn that a password needs: safe against guessing when its hash is stolen and slow.
	strongEnough = 3
	// shortestKnownWord is how long a word about somebody is that counts as known.
	shortestKnownWord = 3
)

// What makes a password weak, and what to do.
const (
	adviceTooShort   = "Use at least 12 characters."
	adviceTooLong    = "Use at most 128 characters."
	adviceCharacters = "Leave out control characters."
	adviceRepeats    = "Avoid repeated characters and words."
	adviceKnown      = "Leave out your name, your email address and the name of the organization."
	adviceCommon     = "Avoid common words and passwords, also with other letters in their place."
	adviceSequences  = "Avoid sequences such as abcd, 6543 and qwerty."
	adviceDates      = "Avoid dates and years."
	adviceMore       = "Add a few words that have nothing to do with each other."
)

// checkPassword refuses a password that is easily guessed: of the wrong length, or weak even to who knows the words about whoever sets
// it. The refusal tells why, and never the password.
func checkPassword(password string, known ...string) error {
	advice := adviceOn(password, known)
	if len(advice) == 0 {
		return nil
	}
	return domain.Refuse(domain.CodePasswordWeak, "The password is not strong enough. %s", strings.Join(advice, " ")).
		With("feedback", advice).At("/password", domain.CodePasswordWeak, advice[0])
}

func adviceOn(password string, known []string) []string {
	text, err := prepared(password)
	switch length := utf8.RuneCountInString(text); {
	case err != nil:
		return []string{adviceCharacters}
	case length < shortestPassword:
		return []string{adviceTooShort}
	case length > longestPassword:
		return []string{adviceTooLong}
	}
	if repeats(text) {
		return []string{adviceRepeats}
	}
	// Guessed are letters without their accents as well.
	plain, words := unaccented(text), knownWords(known)
	whole := zxcvbn.PasswordStrength(plain, words)
	score := whole.Score
	rest, cut := withoutKnown(words, whole.Sequence)
	if cut {
		// What everybody knows of somebody makes nothing harder to guess.
		score = min(score, zxcvbn.PasswordStrength(rest, words).Score)
	}
	if score >= strongEnough {
		return nil
	}
	return adviceFor(whole.Sequence, cut)
}

// repeats tells of a password that says the same few characters, or the same short word, over and over. zxcvbn sees that in
// ASCII alone.
func repeats(password string) bool {
	chars, different := []rune(password), map[rune]bool{}
	for _, char := range chars {
		different[char] = true
	}
	if len(different) < fewestCharacters {
		return true
	}
	for period := 1; period < min(shortestPassword, len(chars)/2+1); period++ {
		if slices.Equal(chars[period:], chars[:len(chars)-period]) {
			return true
		}
	}
	return false
}

// unaccented is a text without the marks on its letters.
func unaccented(text string) string {
	plain, _, err := transform.String(transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn)), norm.NFC), text)
	if err != nil {
		return text
	}
	return plain
}

// knownWords are the words about somebody: each by itself, and their texts without what is between the words.
func knownWords(texts []string) []string {
	var words []string
	texts = slices.Clone(texts)
	for i, text := range texts {
		texts[i] = unaccented(text)
	}
	for _, word := range domain.SearchWords(texts...) {
		if utf8.RuneCountInString(word) >= shortestKnownWord {
			words = append(words, word)
		}
	}
	for _, text := range texts {
		if joined := strings.Join(domain.SearchWords(text), ""); len(joined) > shortestKnownWord {
			words = append(words, joined)
		}
	}
	return words
}

// withoutKnown is the password of a sequence without the words about whoever sets it; cut tells that there were any. Those that are spelt
// with other characters are found by zxcvbn, those of other scripts, and written backwards, by their letters.
func withoutKnown(words []string, sequence []*match.Match) (rest string, cut bool) {
	var kept strings.Builder
	for _, part := range sequence {
		if part.DictionaryName == ownWords {
			cut = true
			continue
		}
		kept.WriteString(part.Token)
	}
	rest = kept.String()
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
	for _, word := range words {
		for _, form := range []string{word, backwards(word)} {
			if lower := strings.ToLower(rest); strings.Contains(lower, form) {
				rest, cut = strings.ReplaceAll(lower, form, ""), true
			}
		}
	}
	return rest, cut
}

func backwards(word string) string {
	chars := []rune(word)
	slices.Reverse(chars)
	return string(chars)
}

// ownWords is what zxcvbn calls the words that it was given.
const ownWords = "user_inputs"

// adviceFor tells what made a password easy to guess, each thing once; known: that there are words about whoever sets it.
func adviceFor(sequence []*match.Match, known bool) []string {
	var advice []string
	told := map[string]bool{}
	if known {
		told[adviceKnown], advice = true, append(advice, adviceKnown)
	}
	for _, part := range sequence {
		text := ""
		switch part.Pattern {
		case "dictionary":
			text = adviceCommon
			if part.DictionaryName == ownWords {
				text = adviceKnown
			}
		case "repeat":
			text = adviceRepeats
		case "sequence", "spatial":
			text = adviceSequences
		case "date", "regex":
			text = adviceDates
		}
		if text != "" && !told[text] {
			told[text] = true
			advice = append(advice, text)
		}
	}
	return append(advice, adviceMore)
}
