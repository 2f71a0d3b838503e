package domain

import "regexp"

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
