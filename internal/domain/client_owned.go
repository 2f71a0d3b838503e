package domain

import (
	"bytes"
	"encoding/json"
	"strings"
)

// CaMSOwned names the fields of a section that follow CaMS while a client is linked, and cannot be edited here (C4).
func CaMSOwned(section SectionName) []string {
	switch section {
	case SectionIdentity:
		return []string{"first_name", "last_name", "date_of_birth"}
	case SectionContact:
		return []string{"email", "phone"}
	case SectionAddress:
		return []string{"line1", "line2", "city", "region", "postal_code", "country"}
	case SectionEmployment, SectionCommunication, SectionReferral, SectionNotes:
	}
	return []string{}
}

// ManagedByCaMS names the fields of a section that cannot be edited here now.
func (c Client) ManagedByCaMS(section SectionName) []string {
	if c.CaMS == nil {
		return []string{}
	}
	return CaMSOwned(section)
}

// CheckSectionOwners refuses to change fields that CaMS owns, naming each. What stays as it is may be sent along.
func CheckSectionOwners(before, after Client, section SectionName) error {
	changed := changedFields(before.Section(section), after.Section(section))
	var refused []string
	for _, field := range before.ManagedByCaMS(section) {
		if changed[field] {
			refused = append(refused, field)
		}
	}
	return managedByCaMS(refused)
}

// CheckPersonOwners is the same for the older ways to write a person who is linked. That they are a client stays so too:
// nobody else can be linked.
func CheckPersonOwners(before, after Person) error {
	var changed []string
	for _, field := range []struct {
		name string
		same bool
	}{
		{"kind", before.Kind == after.Kind},
		{"first_name", before.FirstName == after.FirstName},
		{"last_name", before.LastName == after.LastName},
		{"email", same(before.Email, after.Email)},
		{"phone", same(before.Phone, after.Phone)},
	} {
		if !field.same {
			changed = append(changed, field.name)
		}
	}
	return managedByCaMS(changed)
}

func managedByCaMS(fields []string) error {
	if len(fields) == 0 {
		return nil
	}
	refusal := Refuse(CodeManagedByCaMS, "This client is linked to CaMS, and CaMS decides what stands in %s. Change it there, or unlink the client.", strings.Join(fields, ", ")).
		With("fields", fields)
	for _, field := range fields {
		refusal = refusal.At("/"+field, CodeManagedByCaMS, "Follows CaMS while the client is linked.")
	}
	return refusal
}

// SectionDifference is what an edit changed of a section, by field, before and after: what the audit trail tells (D1).
func SectionDifference(before, after Client, section SectionName) (was, is map[string]json.RawMessage) {
	was, is = map[string]json.RawMessage{}, map[string]json.RawMessage{}
	old, now := jsonFields(before.Section(section)), jsonFields(after.Section(section))
	for name, changed := range changedFields(before.Section(section), after.Section(section)) {
		if changed {
			was[name], is[name] = old[name], now[name]
		}
	}
	return was, is
}

// changedFields names the fields, as JSON has them, in which two values of one type differ.
func changedFields(before, after any) map[string]bool {
	was, is := jsonFields(before), jsonFields(after)
	changed := map[string]bool{}
	for name := range is {
		changed[name] = !bytes.Equal(was[name], is[name])
	}
	return changed
}

func jsonFields(value any) map[string]json.RawMessage {
	encoded, err := json.Marshal(value)
	fields := map[string]json.RawMessage{}
	if err == nil {
		err = json.Unmarshal(encoded, &fields)
	}
	if err != nil {
		panic("a section that is no object: " + err.Error())
	}
	return fields
}

func same[T comparable](x, y *T) bool {
	if x == nil || y == nil {
		return x == y
	}
	return *x == *y
}
