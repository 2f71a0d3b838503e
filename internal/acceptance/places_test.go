package acceptance

import (
	"cmp"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// place is where in a request an id can stand, or something else that belongs to one organization alone.
type place struct {
	operation string
	in        string // path, query, header or body
	name      string // of the parameter; in a body a pointer such as /selection[people]/person_ids/*
	kind      placeKind
}

func (p place) String() string { return p.operation + " " + p.in + ":" + p.name }

type placeKind string

const (
	placeOfID          placeKind = "id"
	placeOfExternalKey placeKind = "external key"
	placeOfEmail       placeKind = "email"
	placeOfCaseKey     placeKind = "key of a case system"
	placeOfRevision    placeKind = "revision"
	placeOfCursor      placeKind = "cursor"
	placeOfKey         placeKind = "Idempotency-Key"
	placeOfTag         placeKind = "ETag"
)

// idPlaces are all places of the contract, found in its parameters and in the schemas of its bodies.
func idPlaces() []place {
	var places []place
	for id, op := range operations() {
		// Who asks without a credential is in no organization yet; who signs out ends what the next request would come with.
		if op.public() || id == "deleteSession" {
			continue
		}
		for _, parameter := range op.Parameters {
			p := place{operation: id, in: parameter.In, name: parameter.Name}
			switch {
			case parameter.Name == "cursor":
				p.kind = placeOfCursor
			case parameter.Name == "Idempotency-Key":
				p.kind = placeOfKey
			case parameter.Name == "If-Match":
				p.kind = placeOfTag
			case parameter.In == "path" && parameter.Name == "external_id":
				p.kind = placeOfExternalKey
			default:
				// Of a list in a query the values stand in one text.
				for _, found := range placesWithin(parameter.Schema, "/"+parameter.Name) {
					p.kind = found.kind
				}
			}
			if p.kind != "" {
				places = append(places, p)
			}
		}
		if op.Body == nil {
			continue
		}
		for _, found := range placesWithin(op.Body, "") {
			found.operation, found.in = id, "body"
			places = append(places, found)
		}
	}
	slices.SortFunc(places, func(x, y place) int { return cmp.Compare(x.String(), y.String()) })
	return places
}

var idName = regexp.MustCompile(`(^|_)ids?$`)

// placesWithin finds the places in a schema: by its form, or by the name of the field.
func placesWithin(ref *openapi3.SchemaRef, pointer string) []place {
	schema := ref.Value
	switch {
	case len(schema.AllOf) == 1:
		return placesWithin(schema.AllOf[0], pointer)
	case schema.Discriminator != nil:
		var places []place
		for name, branch := range schema.Discriminator.Mapping {
			for _, among := range schema.OneOf {
				if among.Ref == branch.Ref {
					places = append(places, placesWithin(among, pointer+"["+name+"]")...)
				}
			}
		}
		return places
	case schema.Type.Is("object"):
		var places []place
		for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
			places = append(places, placesWithin(schema.Properties[name], pointer+"/"+name)...)
		}
		return places
	case schema.Type.Is("array"):
		return placesWithin(schema.Items, pointer+"/*")
	}
	name := strings.TrimSuffix(pointer, "/*")
	name = name[strings.LastIndexByte(name, '/')+1:]
	kind := placeKind("")
	switch {
	case name == "external_id":
		kind = placeOfExternalKey
	case name == "email" && schema.Type.Is("string"):
		kind = placeOfEmail
	case name == "expected_revision":
		kind = placeOfRevision
	case name == "assessment_number" || name == "cams_reference":
		kind = placeOfCaseKey
	case schema.Format == "uuid" || strings.Contains(schema.Pattern, "{12}") || idName.MatchString(name):
		kind = placeOfID
	}
	if kind == "" {
		return nil
	}
	return []place{{name: pointer, kind: kind}}
}

// put gives the requests that have the value at the place, made from one that has it not: in a list the value alone, and
// beside those that stand there. There are none where the request has another branch of a union.
func (p place) put(base ask, value string) []ask {
	switch p.in {
	case "path":
		changed := base
		changed.path = maps.Clone(base.path)
		changed.path[p.name] = value
		return []ask{changed}
	case "query":
		changed := base
		changed.query = maps.Clone(base.query)
		if changed.query == nil {
			changed.query = map[string][]string{}
		}
		changed.query.Set(p.name, value)
		return []ask{changed}
	case "header":
		changed := base
		changed.headers = slices.DeleteFunc(slices.Clone(base.headers), func(h header) bool { return h.name == p.name })
		return []ask{changed.with(p.name, value)}
	}
	bodies := putAt(plainJSON(base.body), p.name, value)
	if strings.Contains(p.name, "/filter/") {
		bodies = bodies[:min(len(bodies), 1)] // beside others it would be one of several that will do
	}
	var requests []ask
	for _, body := range bodies {
		requests = append(requests, base.sending(body))
	}
	return requests
}

// plainJSON is a body as maps, lists and values.
func plainJSON(body any) any {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		panic(err)
	}
	return plain
}

// putAt gives the forms of a JSON value with another value at the end of a pointer.
func putAt(into any, pointer, value string) []any {
	if pointer == "" {
		return []any{value}
	}
	if branch, rest, found := strings.Cut(strings.TrimPrefix(pointer, "["), "]"); found && pointer[0] == '[' {
		if fields, _ := into.(map[string]any); fields["type"] != branch && fields["source"] != branch {
			return nil
		}
		return putAt(into, rest, value)
	}
	end := strings.IndexAny(pointer[1:], "/[") + 1
	if end == 0 {
		end = len(pointer)
	}
	step, rest := pointer[1:end], pointer[end:]
	var forms []any
	if step == "*" {
		list, _ := into.([]any)
		for _, form := range putAt(nil, rest, value) {
			forms = append(forms, []any{form})
			if len(list) > 0 {
				forms = append(forms, append(slices.Clone(list), form), append([]any{form}, list...))
			}
		}
		return forms
	}
	fields, isObject := into.(map[string]any)
	if !isObject {
		return nil
	}
	for _, form := range putAt(fields[step], rest, value) {
		changed := maps.Clone(fields)
		changed[step] = form
		forms = append(forms, changed)
	}
	return forms
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	found := map[string]placeKind{}
	for _, p := range idPlaces() {
		found[p.String()] = p.kind
	}
	for name, kind := range map[string]placeKind{
		"getPerson path:person_id":                                         placeOfID,
		"getStaff path:staff_id":                                           placeOfID,
		"listPeople query:staff_id":                                        placeOfID,
		"listPeople query:external_id":                                     placeOfExternalKey,
		"listTasks query:cursor":                                           placeOfCursor,
		"updateTask header:If-Match":                                       placeOfTag,
		"createTask header:Idempotency-Key":                                placeOfKey,
		"createTask body:/assignee_ids/*":                                  placeOfID,
		"createTask body:/external_id":                                     placeOfExternalKey,
		"createStaff body:/email":                                          placeOfEmail,
		"manageAssignments body:/selection[people]/person_ids/*":           placeOfID,
		"manageAssignments body:/selection[filter]/filter/staff_id/*":      placeOfID,
		"manageAssignments body:/selection[saved]/selection_id":            placeOfID,
		"manageAssignments body:/change[remove]/staff_ids/*":               placeOfID,
		"manageAssignments body:/expected_revision":                        placeOfRevision,
		"upsertTaskByExternalId path:external_id":                          placeOfExternalKey,
		"reassignWork body:/from_staff_id":                                 placeOfID,
		"reassignWork body:/tasks/to_staff_ids/*":                          placeOfID,
		"reassignWork body:/expected_revision":                             placeOfRevision,
		"undoRun path:run_id":                                              placeOfID,
		"getClient path:client_id":                                         placeOfID,
		"updateClientSection header:If-Match":                              placeOfTag,
		"updateClientSection body:/email":                                  placeOfEmail,
		"createClient body:[manual]/email":                                 placeOfEmail,
		"createClient body:[common_assessment]/assessment_number":          placeOfCaseKey,
		"linkCams body:/cams_reference":                                    placeOfCaseKey,
		"createMatter body:/group_ids/*":                                   placeOfID,
		"listCalendarEvents query:attendee_staff_id":                       placeOfID,
		"markNotificationsRead body:/notification_ids/*":                   placeOfID,
		"getAssignmentSummary body:/selection[filter]/filter/selection_id": placeOfID,
	} {
		if found[name] != kind {
			t.Errorf("%s: got %q, want %q", name, found[name], kind)
		}
	}
}
