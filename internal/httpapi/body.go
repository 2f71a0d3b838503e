package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"handover/internal/domain"
)

const (
	maxDepth     = 64  // of lists and objects within each other
	maxFaults    = 100 // that one answer tells of
	maxNameShown = 100 // bytes of the name of a field, in a pointer
)

// checkBody holds a body against the rule of its operation and answers with the body as it is to be read: the same,
// but for whole numbers written as 1.0 or 1e2, which the reader of Go does not take for whole.
//
// It goes over the text once, guided by the rule, and builds nothing: what is refused costs as little as it deserves.
// encoding/json would let pass what the contract refuses: it takes the last of two fields of one name, takes letter case
// lightly, and replaces broken characters.
func checkBody(body []byte, rule *rule) ([]byte, error) {
	if !utf8.Valid(body) {
		return nil, malformed("The body is not valid UTF-8.")
	}
	if err := json.Unmarshal(body, new(syntaxOnly)); err != nil {
		return nil, malformed("%s", syntaxProblem(body, err))
	}
	reader := &bodyReader{text: body}
	reader.value(rule, 0)
	switch {
	case reader.broken != nil:
		return nil, reader.broken
	case len(reader.faults) > 0:
		return nil, reader.refusal()
	}
	return reader.rewritten(), nil
}

// syntaxOnly takes any JSON text, so that nothing but its grammar is checked.
type syntaxOnly struct{}

func (*syntaxOnly) UnmarshalJSON([]byte) error { return nil }

func malformed(format string, args ...any) *domain.Error {
	return domain.Refuse(domain.CodeMalformedBody, format, args...)
}

func syntaxProblem(body []byte, err error) string {
	var syntax *json.SyntaxError
	if len(bytes.TrimSpace(body)) == 0 {
		return "The body is empty. This operation needs one, as JSON."
	}
	if !errors.As(err, &syntax) {
		return "The body is not one JSON value."
	}
	before := body[:min(int(syntax.Offset), len(body))]
	line, column := bytes.Count(before, []byte{'\n'})+1, len(before)-bytes.LastIndexByte(before, '\n')-1
	if int(syntax.Offset) >= len(body) && strings.Contains(syntax.Error(), "unexpected end") {
		return fmt.Sprintf("The body is not one JSON value: it ends too early, at line %d, column %d.", line, column)
	}
	return fmt.Sprintf("The body is not one JSON value: line %d, column %d is not as JSON has it.", line, column)
}

// bodyReader goes over a text that is known to be JSON.
type bodyReader struct {
	text    []byte
	at      int
	pointer []byte // to where it is (RFC 6901)
	faults  []domain.FieldError
	broken  *domain.Error // what makes everything else unimportant
	whole   []rewrite
}

// rewrite is a number that is to be written otherwise.
type rewrite struct {
	from, to int
	text     string
}

func (b *bodyReader) done() bool { return b.broken != nil || len(b.faults) >= maxFaults }

func (b *bodyReader) fault(found *fault) {
	if found != nil && !b.done() {
		b.faults = append(b.faults, domain.FieldError{Pointer: string(b.pointer), Code: found.code, Detail: found.detail})
	}
}

// within goes one step down the pointer.
func (b *bodyReader) within(step string, work func()) {
	length := len(b.pointer)
	b.pointer = append(append(b.pointer, '/'), pointerStep(step)...)
	work()
	b.pointer = b.pointer[:length]
}

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

func pointerStep(step string) string {
	return escapePointer.Replace(shown(step))
}

// value reads a value and holds it against its rule.
func (b *bodyReader) value(rule *rule, depth int) {
	if b.done() {
		return
	}
	b.space()
	switch char := b.text[b.at]; {
	case rule.kind == kindAny:
		b.skip()
	case char == '{' && (rule.kind == kindObject || rule.kind == kindUnion):
		b.deeper(depth, func() { b.object(rule, depth+1) })
	case char == '[' && rule.kind == kindArray:
		b.deeper(depth, func() { b.array(rule, depth+1) })
	case char == '"' && rule.kind == kindString:
		if text, ok := b.string(); ok {
			b.fault(rule.checkText(text))
		}
	case (char == '-' || char >= '0' && char <= '9') && (rule.kind == kindInteger || rule.kind == kindNumber):
		b.number(rule)
	case (char == 't' || char == 'f') && rule.kind == kindBoolean:
		b.skip()
	case char == 'n' && rule.nullable:
		b.skip()
	case char == 'n':
		b.fault(&fault{domain.CodeNullNotAllowed, "Must not be null."})
		b.skip()
	default:
		b.fault(rule.wrongType())
		b.skip()
	}
}

func (b *bodyReader) deeper(depth int, work func()) {
	if depth >= maxDepth {
		b.refuse("The body is nested more than %d levels deep.", maxDepth)
		return
	}
	work()
}

func (b *bodyReader) refuse(format string, args ...any) {
	b.broken = malformed(format, args...).At(string(b.pointer), domain.CodeMalformedBody, fmt.Sprintf(format, args...))
}

func (b *bodyReader) array(rule *rule, depth int) {
	b.at++ // [
	count := 0
	for b.space(); !b.done() && b.text[b.at] != ']'; b.space() {
		if b.text[b.at] == ',' {
			b.at++
		}
		if rule.maxItems >= 0 && count == rule.maxItems {
			b.fault(rule.tooMany())
			b.toEnd()
			return
		}
		b.within(strconv.Itoa(count), func() { b.value(rule.items, depth) })
		count++
	}
	b.at++
	b.fault(rule.checkCount(count))
}

func (b *bodyReader) object(rule *rule, depth int) {
	if rule.kind == kindUnion {
		if rule = b.branch(rule); rule == nil {
			b.skip()
			return
		}
	}
	b.at++ // {
	var seen []string
	count := 0
	for b.space(); !b.done() && b.text[b.at] != '}'; b.space() {
		if b.text[b.at] == ',' {
			b.at++
			b.space()
		}
		name, ok := b.string()
		b.space()
		b.at++ // :
		if !ok {
			b.skip()
			continue
		}
		count++
		b.within(name, func() { b.field(rule, name, &seen, depth) })
	}
	b.at++
	if count < rule.minFields {
		b.fault(&fault{domain.CodeTooFew, fmt.Sprintf("Must have at least %s.", counted(rule.minFields, "field", "fields"))})
	}
	for _, name := range rule.required {
		if !slices.Contains(seen, name) {
			b.within(name, func() { b.fault(&fault{domain.CodeRequired, "Is required."}) })
		}
	}
}

func (b *bodyReader) field(rule *rule, name string, seen *[]string, depth int) {
	known := rule.fields[name]
	switch {
	case known == nil && rule.open:
	case known == nil:
		b.fault(&fault{domain.CodeUnknownField, "This field is not known here."})
	case slices.Contains(*seen, name):
		b.fault(&fault{domain.CodeDuplicateField, "This field stands twice."})
	default:
		*seen = append(*seen, name)
		b.value(known, depth)
		return
	}
	b.skip()
}

// branch finds the rule of an object by the field that tells the branches of a union apart.
func (b *bodyReader) branch(union *rule) (chosen *rule) {
	ahead := &bodyReader{text: b.text, at: b.at + 1}
	for ahead.space(); ahead.text[ahead.at] != '}'; ahead.space() {
		if ahead.text[ahead.at] == ',' {
			ahead.at++
			ahead.space()
		}
		name, _ := ahead.string()
		ahead.space()
		ahead.at++ // :
		ahead.space()
		if name != union.tag {
			ahead.skip()
			continue
		}
		b.within(union.tag, func() {
			if ahead.text[ahead.at] != '"' {
				b.fault(union.tagType(ahead.text[ahead.at]))
				return
			}
			value, _ := ahead.string()
			if chosen = union.branches[value]; chosen == nil {
				b.fault(oneOf(union.choices))
			}
		})
		return chosen
	}
	b.within(union.tag, func() { b.fault(&fault{domain.CodeRequired, "Is required. " + oneOf(union.choices).detail}) })
	return nil
}

func (r *rule) tagType(char byte) *fault {
	if char == 'n' {
		return &fault{domain.CodeNullNotAllowed, "Must not be null."}
	}
	return (&rule{kind: kindString}).wrongType()
}

func (b *bodyReader) number(rule *rule) {
	from := b.at
	b.skip()
	text := string(b.text[from:b.at])
	number, err := strconv.ParseFloat(text, 64)
	if rule.kind == kindInteger && strings.ContainsAny(text, ".eE") && err == nil {
		if number != math.Trunc(number) {
			b.fault(rule.wrongType())
			return
		}
		if math.Abs(number) < 1<<53 {
			b.whole = append(b.whole, rewrite{from, b.at, strconv.FormatFloat(number, 'f', 0, 64)})
		}
	}
	found := rule.checkNumber(number)
	if found == nil && err != nil {
		found = &fault{domain.CodeTooLarge, "Is beyond what a number can be."}
	}
	b.fault(found)
}

// rewritten is the text with the whole numbers written as such.
func (b *bodyReader) rewritten() []byte {
	if len(b.whole) == 0 {
		return b.text
	}
	var text []byte
	at := 0
	for _, number := range b.whole {
		text = append(append(text, b.text[at:number.from]...), number.text...)
		at = number.to
	}
	return append(text, b.text[at:]...)
}

// refusal is the problem of all faults. What is told first decides its code: an unknown field, one that stands twice,
// any other.
func (b *bodyReader) refusal() *domain.Error {
	code := domain.CodeInvalidRequest
	for _, first := range []domain.Code{domain.CodeDuplicateField, domain.CodeUnknownField} {
		if slices.ContainsFunc(b.faults, func(found domain.FieldError) bool { return found.Code == first }) {
			code = first
		}
	}
	slices.SortStableFunc(b.faults, func(x, y domain.FieldError) int {
		return strings.Compare(rank(x.Code, code), rank(y.Code, code))
	})
	refusal := domain.Refuse(code, "%s", told(code, b.faults))
	if code != domain.CodeInvalidRequest {
		refusal = refusal.With("field", strings.TrimPrefix(b.faults[0].Pointer, "/"))
	}
	refusal.Fields = b.faults
	return refusal
}

func rank(code, first domain.Code) string {
	if code == first {
		return "0"
	}
	return "1"
}

func told(code domain.Code, faults []domain.FieldError) string {
	pointer := faults[0].Pointer
	switch {
	case code == domain.CodeUnknownField:
		return fmt.Sprintf("The field %s is not known here. Remove it, or correct its name.", pointer)
	case code == domain.CodeDuplicateField:
		return fmt.Sprintf("The field %s stands twice. Send it once.", pointer)
	case len(faults) > 1:
		return fmt.Sprintf("%d places of the body are not as this operation takes them. Each stands in errors.", len(faults))
	case pointer == "":
		return "The body is not as this operation takes it. " + faults[0].Detail
	}
	return fmt.Sprintf("The field %s is not as this operation takes it. %s", pointer, faults[0].Detail)
}
