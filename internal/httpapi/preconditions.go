package httpapi

import (
	"regexp"
	"strings"

	"handover/api"
	"handover/internal/domain"
)

// etag is a version as a strong entity tag.
func etag(version string) string { return `"` + version + `"` }

var (
	entityTag  = `(?:W/)?"[\x21\x23-\x7e\x80-\x{10FFFF}]*"`
	entityTags = regexp.MustCompile(`^` + entityTag + `(?:[ \t]*,[ \t]*` + entityTag + `)*$`)
	strongTag  = regexp.MustCompile(`^"([^"]*)"$`)
)

// ifMatchOf is the version that a write is meant for, * for any. Weak tags and lists of several match no version: what
// they name is not one state that the caller has read.
func ifMatchOf(header *api.IfMatch) (string, error) {
	if header == nil || strings.TrimSpace(*header) == "" {
		return "", domain.Refuse(domain.CodePreconditionRequired, "Send the ETag of the resource as If-Match, or * for any.").
			At("header:If-Match", domain.CodeRequired, "This header is required.")
	}
	value := strings.TrimSpace(*header)
	if value == "*" {
		return value, nil
	}
	if !entityTags.MatchString(value) {
		const detail = `An ETag stands in double quotes, as it was read: "5d2c9a7be31f40c8".`
		return "", domain.Refuse(domain.CodePreconditionFailed, "If-Match holds no ETag. %s", detail).
			At("header:If-Match", domain.CodeWrongFormat, detail)
	}
	if single := strongTag.FindStringSubmatch(value); len(single) == 2 && single[1] != "*" { // in quotes it stands for itself
		return single[1], nil
	}
	return value, nil // has quotes in it, as no version has
}
