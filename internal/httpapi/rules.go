package httpapi

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"

	"handover/internal/domain"
)

// kind is what a JSON value has to be.
type kind int

const (
	kindAny kind = iota
	kindString
	kindInteger
	kindNumber
	kindBoolean
	kindArray
	kindObject
	kindUnion // one of several objects, which a field tells apart
)

// rule is a schema of the contract, made ready to check values with. It knows the keywords that requests use; a test
// holds it against the contract.
type rule struct {
	kind     kind
	nullable bool
	expected string // what the value is, in the contract's words

	enum      []string
	minLength int // in characters
	maxLength int // none: -1
	pattern   *regexp.Regexp
	format    string

	min, max *float64

	items    *rule
	minItems int
	maxItems int // none: -1

	fields    map[string]*rule
	required  []string
	open      bool // takes fields that it does not know
	minFields int

	tag      string // the field that tells the branches of a union apart
	branches map[string]*rule
	choices  []string // the names of the branches
}

// fault is what is wrong with a value.
type fault struct {
	code   domain.Code
	detail string
}

// rules keeps what was compiled, so that a schema that is used twice, or within itself, is compiled once.
type rules map[*openapi3.Schema]*rule

func (r rules) compile(ref *openapi3.SchemaRef) (*rule, error) {
	schema := ref.Value
	if known, ok := r[schema]; ok {
		return known, nil
	}
	compiled := &rule{
		nullable: schema.Nullable, expected: expectation(schema.Description, schema.Example), format: schema.Format,
		minLength: int(schema.MinLength), maxLength: limit(schema.MaxLength), min: schema.Min, max: schema.Max,
		minItems: int(schema.MinItems), maxItems: limit(schema.MaxItems), minFields: int(schema.MinProps),
		required: schema.Required, fields: map[string]*rule{}, branches: map[string]*rule{},
	}
	r[schema] = compiled
	switch {
	case len(schema.AllOf) == 1:
		return compiled, r.wrap(compiled, schema.AllOf[0])
	case len(schema.AllOf) > 1:
		return nil, fmt.Errorf("%s: allOf takes one schema", ref.Ref)
	case len(schema.OneOf) > 0:
		return compiled, r.union(compiled, schema)
	}
	return compiled, r.fill(compiled, schema)
}

// limit is an upper bound, -1 where there is none.
func limit(bound *uint64) int {
	if bound == nil {
		return -1
	}
	return int(*bound)
}

// wrap makes outer what inner is. The contract wraps a reference where something stands beside it, such as nullable.
func (r rules) wrap(outer *rule, ref *openapi3.SchemaRef) error {
	inner, err := r.compile(ref)
	if err != nil {
		return err
	}
	nullable := outer.nullable || inner.nullable
	*outer = *inner
	outer.nullable = nullable
	return nil
}

func (r rules) union(compiled *rule, schema *openapi3.Schema) error {
	if schema.Discriminator == nil {
		return fmt.Errorf("oneOf without a discriminator")
	}
	compiled.kind, compiled.tag = kindUnion, schema.Discriminator.PropertyName
	for name, mapped := range schema.Discriminator.Mapping {
		at := slices.IndexFunc(schema.OneOf, func(branch *openapi3.SchemaRef) bool { return branch.Ref == mapped.Ref })
		if at < 0 {
			return fmt.Errorf("discriminator: %s is no branch", mapped.Ref)
		}
		branch, err := r.compile(schema.OneOf[at])
		if err != nil {
			return err
		}
		compiled.branches[name] = branch
		compiled.choices = append(compiled.choices, name)
	}
	slices.Sort(compiled.choices)
	return nil
}

func (r rules) fill(compiled *rule, schema *openapi3.Schema) (err error) {
	for _, value := range schema.Enum {
		if value == nil {
			continue // nullable tells of it
		}
		compiled.enum = append(compiled.enum, fmt.Sprint(value))
	}
	if schema.Pattern != "" {
		if compiled.pattern, err = regexp.Compile(schema.Pattern); err != nil {
			return err
		}
	}
	switch {
	case schema.Type.Is(openapi3.TypeString):
		compiled.kind = kindString
	case schema.Type.Is(openapi3.TypeInteger):
		compiled.kind = kindInteger
	case schema.Type.Is(openapi3.TypeNumber):
		compiled.kind = kindNumber
	case schema.Type.Is(openapi3.TypeBoolean):
		compiled.kind = kindBoolean
	case schema.Type.Is(openapi3.TypeArray):
		compiled.kind = kindArray
		compiled.items, err = r.compile(schema.Items)
		return err
	case schema.Type.Is(openapi3.TypeObject):
		compiled.kind = kindObject
		compiled.open = schema.AdditionalProperties.Has == nil || *schema.AdditionalProperties.Has
		for name, property := range schema.Properties {
			if compiled.fields[name], err = r.compile(property); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// expectation is the contract's own words for a value, for when it has the wrong form.
func expectation(description string, example any) string {
	text := strings.Join(strings.Fields(description), " ")
	if example != nil && text != "" {
		text += fmt.Sprintf(" For example: %v", example)
	}
	return text
}

// checkText tells what is wrong with a string. Of several faults the first is enough.
func (r *rule) checkText(text string) *fault {
	if len(r.enum) > 0 && !slices.Contains(r.enum, text) {
		return oneOf(r.enum)
	}
	switch length := utf8.RuneCountInString(text); {
	case length < r.minLength && r.minLength == 1:
		return &fault{domain.CodeTooShort, "Must not be empty."}
	case length < r.minLength:
		return &fault{domain.CodeTooShort, fmt.Sprintf("Must have at least %d characters.", r.minLength)}
	case r.maxLength >= 0 && length > r.maxLength:
		return &fault{domain.CodeTooLong, fmt.Sprintf("Must have at most %d characters.", r.maxLength)}
	}
	if r.pattern != nil && !r.pattern.MatchString(text) || !wellFormed(r.format, text) {
		return r.wrongFormat()
	}
	return nil
}

func (r *rule) wrongFormat() *fault {
	switch {
	case r.format == "uuid":
		return &fault{domain.CodeWrongFormat, "Must be a UUID."}
	case r.format == "date":
		return &fault{domain.CodeWrongFormat, "Must be a day of the calendar, as YYYY-MM-DD."}
	case r.format == "date-time":
		return &fault{domain.CodeWrongFormat, "Must be a moment as in RFC 3339, such as 2026-03-31T09:30:00Z."}
	case r.pattern != nil && r.pattern.String() == `\S`:
		return &fault{domain.CodeWrongFormat, "Must not be blank."}
	case r.expected != "":
		return &fault{domain.CodeWrongFormat, "Does not have the right form. Expected: " + r.expected}
	}
	return &fault{domain.CodeWrongFormat, "Does not have the right form."}
}

// lastYear is the last that RFC 3339 can write.
const lastYear = 9999

// wellFormed checks what a pattern cannot: that a day is one of the calendar.
func wellFormed(format, text string) bool {
	switch format {
	case "uuid":
		return new(uuid.UUID).UnmarshalText([]byte(text)) == nil
	case "date":
		_, err := time.Parse(time.DateOnly, text)
		return err == nil
	case "date-time":
		var instant time.Time
		return domain.IsInstant(text) && instant.UnmarshalText([]byte(text)) == nil && instant.UTC().Year() <= lastYear // which 9999-12-31T23:00:00-01:00 is not
	default:
		return true
	}
}

// checkNumber tells what is wrong with the size of a number.
func (r *rule) checkNumber(number float64) *fault {
	switch {
	case r.min != nil && number < *r.min:
		return &fault{domain.CodeTooSmall, fmt.Sprintf("Must be at least %v.", *r.min)}
	case r.max != nil && number > *r.max:
		return &fault{domain.CodeTooLarge, fmt.Sprintf("Must be at most %v.", *r.max)}
	}
	return nil
}

// checkCount tells whether a list has too few entries. That it has too many shows while it is read.
func (r *rule) checkCount(count int) *fault {
	if count >= r.minItems {
		return nil
	}
	return &fault{domain.CodeTooFew, fmt.Sprintf("Must have at least %s.", counted(r.minItems, "entry", "entries"))}
}

func (r *rule) tooMany() *fault {
	return &fault{domain.CodeTooMany, fmt.Sprintf("Must have at most %s.", counted(r.maxItems, "entry", "entries"))}
}

func counted(number int, one, several string) string {
	if number == 1 {
		return "one " + one
	}
	return fmt.Sprintf("%d %s", number, several)
}

func oneOf(choices []string) *fault {
	if len(choices) == 1 {
		return &fault{domain.CodeNotOneOf, fmt.Sprintf("Must be %s.", choices[0])}
	}
	return &fault{domain.CodeNotOneOf, fmt.Sprintf("Must be one of %s.", strings.Join(choices, ", "))}
}

// wrongType tells which type a value has to have.
func (r *rule) wrongType() *fault {
	var wanted string
	switch r.kind {
	case kindString:
		wanted = "a string"
	case kindInteger:
		wanted = "a whole number"
	case kindNumber:
		wanted = "a number"
	case kindBoolean:
		wanted = "true or false"
	case kindArray:
		wanted = "a list"
	case kindObject, kindUnion:
		wanted = "an object"
	case kindAny:
		wanted = "a value"
	}
	return &fault{domain.CodeWrongType, "Must be " + wanted + "."}
}
