package httpapi

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"handover/api"
	"handover/internal/domain"
)

// argument is a query parameter as it was sent, its list taken apart.
type argument struct {
	name   string
	values []string
}

// parameterFaults collects what is wrong outside the body.
type parameterFaults struct {
	unknown []domain.FieldError // parameters that the operation does not have, which is told first
	faults  []domain.FieldError
}

func (p *parameterFaults) add(pointer string, found *fault) {
	if found != nil && len(p.faults) < maxFaults {
		p.faults = append(p.faults, domain.FieldError{Pointer: pointer, Code: found.code, Detail: found.detail})
	}
}

func (p *parameterFaults) addUnknown(name string) {
	if len(p.unknown) < maxFaults {
		p.unknown = append(p.unknown, domain.FieldError{
			Pointer: "query:" + shown(name), Code: domain.CodeUnknownParameter, Detail: "This operation has no such parameter.",
		})
	}
}

// shown is a name that a caller made up, cut to what an answer can hold.
func shown(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	if len(name) > maxNameShown {
		name = strings.ToValidUTF8(name[:maxNameShown], "") + "…"
	}
	return name
}

func (p *parameterFaults) refusal() error {
	faults := slices.Concat(p.unknown, p.faults)
	if len(faults) == 0 {
		return nil
	}
	_, name, _ := strings.Cut(faults[0].Pointer, ":")
	refusal := domain.Refuse(domain.CodeInvalidParameter, "The parameter %s is not as this operation takes it. %s", name, faults[0].Detail)
	if len(p.unknown) > 0 {
		refusal = domain.Refuse(domain.CodeUnknownParameter, "This operation has no parameter %s. Remove it, or correct its name.", name)
	}
	refusal.Fields = faults[:min(len(faults), maxFaults)]
	return refusal.With("parameter", name)
}

// checkText tells what is wrong with the text of one value that stands outside the body.
func checkText(rule *rule, text string) *fault {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return &fault{domain.CodeWrongFormat, "Must be UTF-8, without NUL characters."}
	}
	switch rule.kind {
	case kindString, kindAny:
		return rule.checkText(text)
	case kindBoolean:
		if text != "true" && text != "false" {
			return rule.wrongType()
		}
	case kindInteger:
		number, err := strconv.ParseInt(text, 10, 64)
		if err != nil || strconv.FormatInt(number, 10) != text {
			return rule.wrongType()
		}
		return rule.checkNumber(float64(number))
	case kindNumber:
		number, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return rule.wrongType()
		}
		return rule.checkNumber(number)
	case kindArray, kindObject, kindUnion:
		return rule.wrongType()
	}
	return nil
}

// checkPath checks the parameters of the path. A value that is empty, or holds a slash, is that of another path, which
// does not exist: Echo gives the last parameter of a route all that is left.
func checkPath(c echo.Context, operation *operation, faults *parameterFaults) error {
	values := c.ParamValues()
	for i, name := range c.ParamNames() {
		value := values[i]
		if value == "" || strings.Contains(value, "/") {
			return echo.ErrNotFound
		}
		p := operation.path[name]
		if c.Request().URL.RawPath != "" {
			unescaped, err := url.PathUnescape(value)
			if err != nil {
				faults.add(p.pointer, &fault{domain.CodeWrongFormat, "Is not percent-encoded rightly."})
				continue
			}
			value = unescaped
		}
		faults.add(p.pointer, checkText(p.rule, value))
	}
	return nil
}

// checkQuery checks the query and takes it apart.
func checkQuery(query string, operation *operation, faults *parameterFaults) []argument {
	var arguments []argument
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		key, text, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(key)
		p := operation.query[name]
		switch {
		case err != nil || p == nil:
			faults.addUnknown(name)
		case isGiven(arguments, name):
			faults.add(p.pointer, repeated(p.rule))
		default:
			given := argument{name: name}
			if given.values, err = checkValues(p, text, faults); err != nil || strings.Contains(text, ";") {
				faults.add(p.pointer, &fault{domain.CodeWrongFormat, "Is not percent-encoded rightly."})
			}
			arguments = append(arguments, given)
		}
	}
	for _, p := range operation.query {
		if p.required && !isGiven(arguments, p.name) {
			faults.add(p.pointer, &fault{domain.CodeRequired, "This parameter is required."})
		}
	}
	return arguments
}

func isGiven(arguments []argument, name string) bool {
	for _, given := range arguments {
		if given.name == name {
			return true
		}
	}
	return false
}

func repeated(rule *rule) *fault {
	if rule.kind == kindArray {
		return &fault{domain.CodeTooMany, "Is given more than once. Give it once, with commas between the values."}
	}
	return &fault{domain.CodeTooMany, "Is given more than once. Give it once."}
}

// checkValues takes a parameter apart and checks each value. Commas separate the values of a list before they are
// unescaped, so that %2C is a comma within one.
func checkValues(p *parameter, text string, faults *parameterFaults) ([]string, error) {
	rule := p.rule
	if rule.kind != kindArray {
		value, err := url.QueryUnescape(text)
		if err == nil {
			faults.add(p.pointer, checkText(rule, value))
		}
		return []string{value}, err
	}
	count := strings.Count(text, ",") + 1
	if rule.maxItems >= 0 && count > rule.maxItems {
		faults.add(p.pointer, rule.tooMany())
		return nil, nil
	}
	values := make([]string, 0, count)
	for part := range strings.SplitSeq(text, ",") {
		value, err := url.QueryUnescape(part)
		if err != nil {
			return nil, err
		}
		if found := checkText(rule.items, value); found != nil {
			faults.add(p.pointer, found)
			return nil, nil
		}
		values = append(values, value)
	}
	faults.add(p.pointer, rule.checkCount(count))
	return values, nil
}

// checkHeaders checks the headers that the operation takes.
func checkHeaders(headers http.Header, operation *operation, faults *parameterFaults) {
	for _, p := range operation.headers {
		key := http.CanonicalHeaderKey(p.name)
		values := headers[key]
		if len(values) > 1 && isList(p.name) {
			values = []string{strings.Join(values, ", ")}
			headers[key] = values
		}
		switch {
		case len(values) > 1:
			faults.add(p.pointer, repeated(p.rule))
		case len(values) == 1:
			faults.add(p.pointer, checkText(p.rule, values[0]))
		case p.required:
			faults.add(p.pointer, &fault{domain.CodeRequired, "This header is required."})
		}
	}
}

// isList tells of a header whose value is a list, so that several lines of it are one (RFC 9110 section 5.3).
func isList(name string) bool {
	return strings.EqualFold(name, "Prefer") || strings.EqualFold(name, "If-Match")
}

// keepCommas gives a list its values with the commas that stand within them: the generated code splits what is
// unescaped already, and so would take such a value for two.
func keepCommas(next api.StrictHandlerFunc, _ string) api.StrictHandlerFunc {
	return func(c echo.Context, request any) (any, error) {
		for _, given := range exchangeOf(c.Request().Context()).arguments {
			if strings.Contains(strings.Join(given.values, ""), ",") {
				request = withList(request, given)
			}
		}
		return next(c, request)
	}
}

// withList is the request with the list as it was sent.
func withList(request any, given argument) any {
	changed := reflect.New(reflect.TypeOf(request)).Elem()
	changed.Set(reflect.ValueOf(request))
	params := changed.FieldByName("Params")
	for i := range params.NumField() {
		name, _, _ := strings.Cut(params.Type().Field(i).Tag.Get("form"), ",")
		list := params.Field(i)
		if name != given.name || list.Kind() != reflect.Pointer || list.Type().Elem().Kind() != reflect.Slice {
			continue
		}
		values := reflect.MakeSlice(list.Type().Elem(), len(given.values), len(given.values))
		for at, value := range given.values {
			values.Index(at).SetString(value)
		}
		list.Set(reflect.New(list.Type().Elem()))
		list.Elem().Set(values)
	}
	return changed.Interface()
}
