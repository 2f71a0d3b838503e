package domain_test

import (
	"strings"
	"testing"

	"handover/internal/domain"
)

func TestIsEmail(t *testing.T) {
	for _, address := range []string{
		"a@b", "maya.petrov@mail.example", "a+b_c-@x-y.example", "-a-@example.org", "o'neil@example.org", "zo\u00eb@b\u00fcro.example", "ada@127.0.0.1", "\U0001F99C@x--y.example",
	} {
		if !domain.IsEmail(address) {
			t.Errorf("%q is refused", address)
		}
	}
	for _, address := range []string{
		"", "@", "a@", "@b", "a", "a@b@c", "a..b@example.org", ".a@example.org", "a.@example.org", "a@example..org", "a@.example.org", "a@example.org.",
		"a@-example.org", "a@example-.org", "a@example.-org", "a@example.org-", "a@-", "a@.", "a b@example.org", "a@exa mple.org", "a\u00a0b@example.org",
		"a\nb@example.org", "a@example.org\n", "a\r@example.org", "a\x00@example.org", "a\x7f@example.org", "a\u0085@example.org", "a\u009b@example.org",
		"a\u2028@example.org", "a@example\u2029.org", "a\u202eb@example.org", "Ann <a@example.org>", `"a b"@example.org`, "a,b@example.org", "a@[127.0.0.1]", `a\b@example.org`,
	} {
		if domain.IsEmail(address) {
			t.Errorf("%q is taken", address)
		}
	}
	domain.IsEmail(strings.Repeat("a-", 200) + "@" + strings.Repeat("a-", 200)) // in no time
}

func TestSameEmail(t *testing.T) {
	for one, other := range map[string]string{"Ada@Example.org": "ada@example.ORG", "a@b": "a@b", "zo\u00eb@example.org": "ZO\u00eb@example.org"} {
		if !domain.SameEmail(one, other) {
			t.Errorf("%q is told from %q", one, other)
		}
	}
	for one, other := range map[string]string{
		"kim@example.org": "\u212aim@example.org", "sam@example.org": "\u017fam@example.org", "zo\u00eb@example.org": "ZO\u00cb@example.org",
		"a@b": "a@c", "a@b.": "a@b", " a@b": "a@b",
	} {
		if domain.SameEmail(one, other) {
			t.Errorf("%q is taken for %q", one, other)
		}
	}
}
