package domain

import (
	"regexp"
	"strings"
)

// EmailPattern is that of the contract: an address that can be written to. Its parts have no dots but between others, those
// of the host no hyphens but within; nothing in it has to be in quotes, breaks a line or steers a terminal.
const (
	EmailPattern = `^` + emailAtom + `(\.` + emailAtom + `)*@` + emailLabel + `(\.` + emailLabel + `)*$`

	emailAtom    = `[^` + emailOutside + `.]+`
	emailLabel   = `[^` + emailOutside + `.-]([^` + emailOutside + `.]*[^` + emailOutside + `.-])?`
	emailOutside = `\s@<>()\[\],;:\\"\x00-\x1f\x7f-\xa0` + "\u2028-\u202f"
)

var emailAddress = regexp.MustCompile(EmailPattern) //nolint:gocritic // the pattern of the contract, as it is

// IsEmail tells whether an address can be written to.
func IsEmail(address string) bool { return emailAddress.MatchString(address) }

// SameEmail tells whether two addresses are one, but for the case of their plain letters. Other letters have to be the same: some
// of them become plain ones when their case is changed, and would make the address of somebody else.
func SameEmail(one, other string) bool { return foldedPlainly(one) == foldedPlainly(other) }

func foldedPlainly(text string) string {
	return strings.Map(func(char rune) rune {
		if char >= 'A' && char <= 'Z' {
			return char - 'A' + 'a'
		}
		return char
	}, text)
}
