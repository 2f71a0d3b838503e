package postgres

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"handover/internal/domain"
)

// staffRefs reads the JSON array that staffRefsOf builds.
type staffRefs []domain.StaffRef

// staffRefsOf is a sub-select that gives the staff on the seats of a table as a JSON array, by id.
func staffRefsOf(table, column, subject string) string {
	return `coalesce((SELECT json_agg(json_build_array(s.id, s.first_name, s.last_name, s.status) ORDER BY s.id)
		FROM ` + table + ` seat JOIN staff s ON s.organization_id = seat.organization_id AND s.id = seat.staff_id
		WHERE seat.organization_id = $1 AND seat.` + column + ` = ` + subject + `), '[]')`
}

// Scan reads the array. It stands in every row of the lists, so it is read as it is written there: lists of four strings.
// Only where a name has an escaped character is it read as any JSON.
func (r *staffRefs) Scan(source any) error {
	text, ok := source.([]byte)
	if !ok {
		return fmt.Errorf("read staff: unexpected %T", source)
	}
	if bytes.IndexByte(text, '\\') >= 0 {
		return r.scanEscaped(text)
	}
	const parts = 4
	refs := make(staffRefs, 0, bytes.Count(text, []byte{'"'})/(2*parts))
	for rest := text; ; {
		var seat [parts][]byte
		for i := range seat {
			from := bytes.IndexByte(rest, '"')
			if from < 0 {
				*r = refs
				return nil
			}
			rest = rest[from+1:]
			to := bytes.IndexByte(rest, '"')
			if to < 0 {
				return errors.New("read staff: a string does not end")
			}
			seat[i], rest = rest[:to], rest[to+1:]
		}
		ref, err := staffRef(seat)
		if err != nil {
			return err
		}
		refs = append(refs, ref)
	}
}

func (r *staffRefs) scanEscaped(text []byte) error {
	var texts [][4]string
	if err := json.Unmarshal(text, &texts); err != nil {
		return fmt.Errorf("read staff: %w", err)
	}
	refs := make(staffRefs, len(texts))
	for i, text := range texts {
		var err error
		if refs[i], err = staffRef([4][]byte{[]byte(text[0]), []byte(text[1]), []byte(text[2]), []byte(text[3])}); err != nil {
			return err
		}
	}
	*r = refs
	return nil
}

func staffRef(seat [4][]byte) (domain.StaffRef, error) {
	id, err := uuid.ParseBytes(seat[0])
	if err != nil {
		return domain.StaffRef{}, fmt.Errorf("read staff: %w", err)
	}
	return domain.StaffRef{ID: id, Name: domain.FullName(string(seat[1]), string(seat[2])), Status: domain.StaffStatus(seat[3])}, nil
}
