package acceptance

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// drawing draws what requests are made of: mostly what the contract asks for, and here and there what it does not.
type drawing struct {
	*rand.Rand
	bad  float64             // how likely a single value is drawn to be wrong
	next int                 // how many values are drawn until just one is wrong; negative: none
	pool map[string][]string // values that there are, by what they are
}

func (d *drawing) chance(p float64) bool { return d.Float64() < p }

// isBad tells whether the value that is drawn now is to be wrong.
func (d *drawing) isBad() bool {
	if d.next >= 0 {
		d.next--
		return d.next < 0
	}
	return d.chance(d.bad)
}

func oneFrom[T any](d *drawing, from []T) T { return from[d.IntN(len(from))] }

// hostileTexts are strings that programs have stumbled over. Where they are sent as JSON some are no strings at all.
var hostileTexts = []string{
	"", " ", "\t", "\r\n", "a\r\nX-Injected: yes", "null", "NaN", "undefined", "true", "0", "-1", "1e400", "me", "ME", "%", "%%", "50%", "_", "\\", "'", `"`, "`",
	"'; DROP TABLE people; --", "$1", "%s%n", "{{7*7}}", "${jndi:ldap://x}", "<script>alert(1)</script>", "=1+1", "@SUM(A1)", "../../etc/passwd", "..", ".", "/", "a/b", "a,b", ",", ",,",
	"ü", "u\u0308", "ß", "İ", "ı", "ſ", "\u212a", "ﷺ", "\u202e", "\u200b", "\u00a0", "\u2028", "\ufeff", "\ufffd", "\ufffe", "\uffff", "\U0010ffff", "🦄", "👩\u200d👩\u200d👧", "\x01", "\x1f", "\x7f",
	"\u0085", "٣", "１", "Ａ", "\x00", "a\x00b", "\xff", "\xc3\x28", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80", strings.Repeat("e\u0301", 200), strings.Repeat("a", 5000), strings.Repeat("a b ", 60),
}

// hostileForms are those that a certain form is asked for.
var hostileForms = map[string][]string{
	"date": {
		"0000-01-01", "0999-12-31", "1000-01-01", "9999-12-31", "10000-01-01", "2025-02-30", "2025-02-29", "2024-02-29", "-0001-01-01", "2025-1-1", "20250101", "2025-01-01T00:00:00Z",
		"infinity", "-infinity", "epoch", "now", "today",
	},
	"date-time": {
		"9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59.9999999-15:59", "1000-01-01T00:00:00+23:59", "2030-01-01T00:00:00+16:00",
		"2030-01-01T00:00:00-23:59", "0000-01-01T00:00:00Z", "2025-02-30T00:00:00Z", "2016-12-31T23:59:60Z", "2025-01-01", "2025-01-01 00:00:00Z", "2030-01-01T00:00:00.123456789123456789Z", "infinity",
	},
	"uuid": {
		"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "{00000000-0000-0000-0000-000000000000}",
		"urn:uuid:00000000-0000-0000-0000-000000000000", "00000000000000000000000000000000", "me",
	},
}

// hostile is a string for where a form is asked for.
func (d *drawing) hostile(schema *openapi3.Schema) string {
	if schema.Type.Is("array") {
		schema = schema.Items.Value
	}
	form := schema.Format
	if strings.Contains(schema.Pattern, "{12}") {
		form = "uuid"
	}
	if forms := hostileForms[form]; len(forms) > 0 && d.chance(0.6) {
		return oneFrom(d, forms)
	}
	return oneFrom(d, hostileTexts)
}

// hostileJSON are values that are wrong nearly everywhere, and texts that are no values.
var hostileJSON = []string{
	"null", "true", "false", "0", "-1", "-0", "-0.0", "1.0", "1e2", "0.5", "1e400", "-1e400", "1e-400", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "2147483648",
	"12345678901234567890123456789012345678901234567890", "{}", "[]", "[null]", "[[]]", `[{}]`, `{"":null}`, `{"type":"people"}`, `{"type":null}`, `{"type":["people"]}`, `""`, `"x"`, `[""]`, `["me","me"]`,
	`"\u0000"`, `"a\u0000b"`, `"\ud800"`, `"\udc00\ud800"`, `"\ud83d\ude00"`, `"\u0001"`, `"\uffff"`, `"\/"`, `"\x"`, `"\u12"`, "\"\n\"", "nul", "NaN", "Infinity", "01", "+1", ".5", "1.", "0x10", "'x'", "/**/1",
	strings.Repeat("[", 100) + strings.Repeat("]", 100), strings.Repeat("[", 20000), strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100),
	strings.Repeat(`{"selection":`, 70) + "1" + strings.Repeat("}", 70), "[" + strings.Repeat("0,", 50000) + "0]", "[" + strings.Repeat(`"me",`, 3000) + `"me"]`, `"` + strings.Repeat("a", 100000) + `"`,
}

// text is a text for a place that has a schema: in a path, a query or a header.
func (d *drawing) text(schema *openapi3.Schema, name string) string {
	if d.isBad() {
		return d.hostile(schema)
	}
	var value string
	if json.Unmarshal([]byte(d.valid(schema, name)), &value) == nil {
		return value
	}
	plain := d.valid(schema, name)
	if schema.Type.Is("array") {
		var values []string
		if json.Unmarshal([]byte(plain), &values) == nil {
			return strings.Join(values, ",")
		}
	}
	return plain
}

// escaped writes a text into a path or a query: as it should be, or as somebody might.
func (d *drawing) escaped(text string, escape func(string) string) string {
	if !d.chance(d.bad) {
		return escape(text)
	}
	switch d.IntN(5) {
	case 0:
		return escape(escape(text))
	case 1:
		return strings.ToLower(escape(text))
	case 2: // everything
		var every strings.Builder
		for _, char := range []byte(text) {
			fmt.Fprintf(&every, "%%%02X", char)
		}
		return every.String()
	case 3:
		return escape(text) + oneFrom(d, []string{"%", "%2", "%zz", "%00", "%ff", "%c0%af", "%25", "+", ";", "%2F", "%0d%0a"})
	}
	return url.PathEscape(strings.ReplaceAll(text, "-", "%2D"))
}

// json is the text of a JSON value of a schema.
func (d *drawing) json(ref *openapi3.SchemaRef, name string, depth int) string {
	schema := ref.Value
	if depth > 0 && d.isBad() || d.chance(d.bad/4) {
		return d.wrong(schema, name)
	}
	if schema.Nullable && d.chance(0.1) {
		return "null"
	}
	switch {
	case len(schema.AllOf) == 1:
		return d.json(schema.AllOf[0], name, depth)
	case schema.Discriminator != nil:
		return d.json(oneFrom(d, schema.OneOf), name, depth)
	case schema.Type.Is("object"):
		return d.object(schema, depth)
	case schema.Type.Is("array"):
		count := int(schema.MinItems) + d.IntN(3)
		elements := make([]string, count)
		for i := range elements {
			elements[i] = d.json(schema.Items, name, depth+1)
		}
		return "[" + strings.Join(elements, ",") + "]"
	}
	return d.valid(schema, name)
}

func (d *drawing) object(schema *openapi3.Schema, depth int) string {
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		required := slices.Contains(schema.Required, name)
		if !required && !d.chance(0.4) || required && d.chance(d.bad/2) {
			continue
		}
		written := strconv.Quote(name)
		if d.chance(d.bad / 4) {
			written = oneFrom(d, []string{strconv.Quote(strings.ToUpper(name)), strconv.Quote(name + " "), `"\u00` + fmt.Sprintf("%02x", name[0]) + name[1:] + `"`, `"no_such"`, `""`, name})
		}
		fields = append(fields, written+":"+d.json(schema.Properties[name], name, depth+1))
	}
	d.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	if len(fields) > 0 && d.chance(d.bad/2) {
		fields = append(fields, oneFrom(d, fields)) // twice
	}
	if d.chance(d.bad / 4) {
		fields = append(fields, `"no_such":`+oneFrom(d, hostileJSON))
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// wrong is a value that the schema does not take, or just about does.
func (d *drawing) wrong(schema *openapi3.Schema, name string) string {
	quoted := func(text string) string {
		if d.chance(0.5) {
			text, _ := json.Marshal(text)
			return string(text)
		}
		return `"` + strings.NewReplacer("\\", "\\\\", `"`, `\"`).Replace(text) + `"` // with its control characters and broken bytes
	}
	switch d.IntN(4) {
	case 0:
		return oneFrom(d, hostileJSON)
	case 1:
		if schema.MaxLength != nil {
			unit := oneFrom(d, []string{"a", "ä", "🦄", " ", "a b "})
			return quoted(strings.Repeat(unit, int(*schema.MaxLength)/len([]rune(unit))+d.IntN(3)))
		}
		if schema.MaxItems != nil && schema.Items != nil {
			element := d.json(schema.Items, name, 0)
			return "[" + strings.Repeat(element+",", int(*schema.MaxItems)-1+d.IntN(3)) + element + "]"
		}
		if schema.Max != nil {
			return fmt.Sprint(int(*schema.Max) + d.IntN(3) - 1)
		}
	case 2:
		return quoted(d.hostile(schema))
	}
	if schema.Type.Is("string") {
		return quoted(d.hostile(schema))
	}
	return oneFrom(d, hostileJSON)
}

// valid is the text of a value that the schema takes: where its name tells what it stands for, of something that exists.
func (d *drawing) valid(schema *openapi3.Schema, name string) string {
	if len(schema.AllOf) == 1 {
		return d.valid(schema.AllOf[0].Value, name)
	}
	if schema.Type.Is("array") {
		elements := make([]string, 1+d.IntN(2))
		for i := range elements {
			elements[i] = d.valid(schema.Items.Value, name)
		}
		return "[" + strings.Join(elements, ",") + "]"
	}
	if values := d.pool[poolOf(name)]; len(values) > 0 && schema.Type.Is("string") && d.chance(0.95) {
		return strconv.Quote(oneFrom(d, values))
	}
	switch {
	case len(schema.Enum) > 0:
		if value := oneFrom(d, schema.Enum); value != nil {
			return strconv.Quote(fmt.Sprint(value))
		}
		return "null"
	case schema.Type.Is("boolean"):
		return strconv.FormatBool(d.IntN(2) == 0)
	case schema.Type.Is("integer"):
		low, high := 0, 1000
		if schema.Min != nil {
			low = int(*schema.Min)
		}
		if schema.Max != nil {
			high = int(*schema.Max)
		}
		return strconv.Itoa(low + d.IntN(high-low+1))
	case schema.Format == "date":
		return fmt.Sprintf(`"%04d-%02d-%02d"`, 1000+d.IntN(9000), 1+d.IntN(12), 1+d.IntN(28))
	case schema.Format == "date-time":
		return fmt.Sprintf(`"%04d-%02d-%02dT%02d:%02d:%02d%s"`, 1000+d.IntN(9000), 1+d.IntN(12), 1+d.IntN(28), d.IntN(24), d.IntN(60), d.IntN(60), oneFrom(d, []string{"Z", ".5Z", "+05:45", "-11:00"}))
	case schema.Format == "uuid" || strings.Contains(schema.Pattern, "{12}"):
		return strconv.Quote(newID().String())
	case strings.Contains(schema.Pattern, "@"):
		return fmt.Sprintf(`"%s%d@example.org"`, oneFrom(d, []string{"ada", "ü", "a+b", "ß.İ"}), d.IntN(1000))
	}
	text, _ := json.Marshal(oneFrom(d, []string{"Ada", "Byron", "Grace Hopper", "ü", "🦄 unicorn", "50%", "O'Neill", "a_b", "=1+1", "staff.created", "x"}))
	return string(text)
}

// poolOf tells what a field of this name stands for.
func poolOf(name string) string {
	switch name {
	case "person_ids", "person_id":
		return "person"
	case "staff_ids", "staff_id", "assignee_ids", "assignee_id", "requested_by", "from_staff_id", "to_staff_ids", "responsible_staff_id", "owner_staff_id",
		"attendee_staff_ids", "attendee_staff_id", "member_ids", "member_id":
		return "staff"
	case "subject_id", "client_id":
		return "person"
	case "staff_group_id", "group_ids":
		return "group"
	case "calendar_event_id":
		return "event"
	case "notification_ids":
		return "notification"
	}
	return strings.TrimSuffix(name, "_id")
}
