package app

import (
	"strings"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn"
	"github.com/trustelem/zxcvbn/match"

	"handover/internal/domain"
)

const (
	shortestPassword = 12 // characters
	longestPassword  = 128
	// fewestCharacters is how many different ones a password has: two words of any script repeated are no password.
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
	different := map[rune]bool{}
	for _, char := range text {
		different[char] = true
	}
	if len(different) < fewestCharacters {
		return []string{adviceRepeats}
	}
	words := knownWords(known)
	whole := zxcvbn.PasswordStrength(text, words)
	rest, cut := withoutKnown(text, whole.Sequence)
	score := whole.Score
	if cut {
		// What everybody knows of somebody makes nothing harder to guess.
		score = min(score, zxcvbn.PasswordStrength(rest, words).Score)
	}
	if score >= strongEnough {
		return nil
	}
	return adviceFor(whole.Sequence)
}

// knownWords are the words about somebody: each by itself, and their texts without what is between the words.
func knownWords(texts []string) []string {
	var words []string
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

// withoutKnown is a password without the words about whoever sets it; cut tells that there were any.
func withoutKnown(password string, sequence []*match.Match) (rest string, cut bool) {
	var kept strings.Builder
	for _, part := range sequence {
		if part.DictionaryName == ownWords {
			cut = true
			continue
		}
		kept.WriteString(part.Token)
	}
	if !cut {
		return password, false
	}
	return kept.String(), true
}

// ownWords is what zxcvbn calls the words that it was given.
const ownWords = "user_inputs"

// adviceFor tells what made a password easy to guess, each thing once.
func adviceFor(sequence []*match.Match) []string {
	var advice []string
	told := map[string]bool{}
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
