package casesystem

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/oapi-codegen/nullable"

	"handover/internal/domain"
)

// The answers as they are on the wire. A pointer that is nil after reading, and what is not specified, was missing.
type (
	wireAssessment struct {
		Number           *string     `json:"number"`
		Status           *string     `json:"status"`
		RegisteredInCaMS *bool       `json:"registered_in_cams"`
		Person           *wirePerson `json:"person"`
	}
	wireRecord struct {
		Reference *string     `json:"reference"`
		Version   *int64      `json:"version"`
		Person    *wirePerson `json:"person"`
	}
	wireChanges struct {
		Items []wireRecord `json:"items"`
		Next  *string      `json:"next_cursor"`
		More  *bool        `json:"more"`
	}
	wirePerson struct {
		FirstName   *string                        `json:"first_name"`
		LastName    *string                        `json:"last_name"`
		Email       nullable.Nullable[string]      `json:"email"`
		Phone       nullable.Nullable[string]      `json:"phone"`
		DateOfBirth nullable.Nullable[string]      `json:"date_of_birth"`
		Address     nullable.Nullable[wireAddress] `json:"address"`
	}
	wireAddress struct {
		Line1      nullable.Nullable[string] `json:"line1"`
		Line2      nullable.Nullable[string] `json:"line2"`
		City       nullable.Nullable[string] `json:"city"`
		Region     nullable.Nullable[string] `json:"region"`
		PostalCode nullable.Nullable[string] `json:"postal_code"`
		Country    nullable.Nullable[string] `json:"country"`
	}
)

// errUnfit tells that an answer has the right form, and a value that the contract does not have.
var errUnfit = errors.New("a value does not fit")

func decode[T any](text []byte) (answer T, err error) {
	if !utf8.Valid(text) {
		return answer, errors.New("it is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&answer); err != nil {
		return answer, fmt.Errorf("it is not the JSON that it should be: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return answer, errors.New("there is more than one value")
	}
	return answer, nil
}

func readAssessment(text []byte) (domain.Assessment, error) {
	wire, err := decode[wireAssessment](text)
	if err != nil {
		return domain.Assessment{}, err
	}
	if wire.Number == nil || wire.Status == nil || wire.RegisteredInCaMS == nil {
		return domain.Assessment{}, errMissing
	}
	if number, known := domain.ReadAssessmentNumber(*wire.Number); !known || number != *wire.Number {
		return domain.Assessment{}, errors.New("a number is not that of an assessment")
	}
	status := domain.AssessmentStatus(*wire.Status)
	switch status {
	case domain.AssessmentInProgress, domain.AssessmentSubmitted, domain.AssessmentWithdrawn:
	default:
		return domain.Assessment{}, fmt.Errorf("%w: status", errUnfit)
	}
	if err := wire.Person.complete(false); err != nil {
		return domain.Assessment{}, err
	}
	person, err := wire.Person.read()
	return domain.Assessment{Number: *wire.Number, Status: status, RegisteredInCaMS: *wire.RegisteredInCaMS, Person: person}, err
}

func readRecord(text []byte) (domain.CaMSRecord, error) {
	wire, err := decode[wireRecord](text)
	if err != nil {
		return domain.CaMSRecord{}, err
	}
	return wire.read()
}

// read is a record; errUnfit where only its values are at fault, with the reference all the same.
func (w wireRecord) read() (domain.CaMSRecord, error) {
	if w.Reference == nil || w.Version == nil || *w.Version < 1 {
		return domain.CaMSRecord{}, errMissing
	}
	if reference, known, err := domain.ReadCaMSReference(*w.Reference, ""); !known || err != nil || reference != *w.Reference {
		return domain.CaMSRecord{}, errors.New("a reference is not that of a client")
	}
	if err := w.Person.complete(true); err != nil {
		return domain.CaMSRecord{}, err
	}
	person, err := w.Person.read()
	return domain.CaMSRecord{Reference: *w.Reference, Version: *w.Version, Person: person}, err
}

// readChanges reads a page of changes. A page that has not the right form is not used at all: it may be another program that
// answers. A single record whose values do not fit holds none of the others up.
func readChanges(text []byte) (domain.CaMSChanges, error) {
	wire, err := decode[wireChanges](text)
	switch {
	case err != nil:
		return domain.CaMSChanges{}, err
	case wire.Items == nil || wire.Next == nil || *wire.Next == "" || wire.More == nil:
		return domain.CaMSChanges{}, errMissing
	case len(*wire.Next) > maxCursor || !printable(*wire.Next):
		return domain.CaMSChanges{}, errors.New("the cursor is none")
	}
	changes := domain.CaMSChanges{Records: make([]domain.CaMSRecord, 0, len(wire.Items)), Next: *wire.Next, More: *wire.More}
	for _, item := range wire.Items {
		record, err := item.read()
		switch {
		case errors.Is(err, errUnfit):
			changes.Unfit = append(changes.Unfit, record.Reference)
		case err != nil:
			return domain.CaMSChanges{}, err
		default:
			changes.Records = append(changes.Records, record)
		}
	}
	return changes, nil
}

const (
	maxCursor = 500
	maxEmail  = 254
	maxName   = 200
	maxLine   = 200
)

var errMissing = errors.New("a field is missing")

// complete tells whether all fields are there.
func (w *wirePerson) complete(born bool) error {
	switch {
	case w == nil, w.FirstName == nil, w.LastName == nil, !w.Email.IsSpecified(), !w.Phone.IsSpecified(), !w.Address.IsSpecified(),
		born && !w.DateOfBirth.IsSpecified():
		return errMissing
	case w.Address.IsNull():
		return nil
	}
	address := w.Address.MustGet()
	for _, field := range []nullable.Nullable[string]{address.Line1, address.Line2, address.City, address.Region, address.PostalCode, address.Country} {
		if !field.IsSpecified() {
			return errMissing
		}
	}
	return nil
}

var (
	phoneShape   = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	countryShape = regexp.MustCompile(`^[A-Z]{2}$`)
)

// values reads values that may be null, and remembers the first that does not fit.
type values struct{ err error }

func (v *values) refuse(name string) {
	if v.err == nil {
		v.err = fmt.Errorf("%w: %s", errUnfit, name)
	}
}

// text is nil for null and for nothing but blanks.
func (v *values) text(name string, field nullable.Nullable[string], fits func(string) bool) *string {
	if field.IsNull() || !field.IsSpecified() {
		return nil
	}
	text := strings.TrimSpace(field.MustGet())
	switch {
	case text == "":
		return nil
	case !printable(text) || !fits(text):
		v.refuse(name)
		return nil
	}
	return &text
}

func (v *values) name(name, text string) string {
	text = strings.TrimSpace(text)
	if text == "" || !upTo(maxName)(text) || !printable(text) {
		v.refuse(name)
	}
	return text
}

func upTo(length int) func(string) bool {
	return func(text string) bool { return utf8.RuneCountInString(text) <= length }
}

// printable tells that there are no control characters, which no field of a person has and the database cannot all keep.
func printable(text string) bool { return strings.IndexFunc(text, unicode.IsControl) < 0 }

// emailOf is an address that can be written to. What is none counts as if there were none: nobody is held up for it.
func emailOf(field nullable.Nullable[string]) *string {
	if field.IsNull() || !field.IsSpecified() {
		return nil
	}
	text := strings.TrimSpace(field.MustGet())
	if len(text) > maxEmail || !domain.IsEmail(text) {
		return nil
	}
	return &text
}

// read is the person of an answer that is complete.
func (w *wirePerson) read() (domain.CasePerson, error) {
	var v values
	person := domain.CasePerson{
		FirstName: v.name("first_name", *w.FirstName), LastName: v.name("last_name", *w.LastName),
		Email: emailOf(w.Email),
		Phone: v.text("phone", w.Phone, phoneShape.MatchString),
	}
	if born := v.text("date_of_birth", w.DateOfBirth, func(string) bool { return true }); born != nil {
		date, err := domain.ParseDate(*born)
		if err != nil || date.Year < 1 {
			v.refuse("date_of_birth")
		}
		person.DateOfBirth = &date
	}
	if !w.Address.IsNull() {
		address := w.Address.MustGet()
		person.Address = domain.Address{
			Line1: v.text("line1", address.Line1, upTo(maxLine)), Line2: v.text("line2", address.Line2, upTo(maxLine)),
			City: v.text("city", address.City, upTo(maxLine)), Region: v.text("region", address.Region, upTo(maxLine)),
			PostalCode: v.text("postal_code", address.PostalCode, func(text string) bool { return len(text) >= 2 && upTo(12)(text) }),
			Country:    v.text("country", address.Country, countryShape.MatchString),
		}
	}
	return person, v.err
}
