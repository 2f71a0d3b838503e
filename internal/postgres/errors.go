package postgres

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/lib/pq"

	"handover/internal/domain"
)

// refusalOf is what a violated constraint means to who asked. A constraint that is not here can only be violated by a
// fault of the service.
var refusalOf = map[string]func() *domain.Error{
	"staff_email_key": func() *domain.Error {
		return domain.Refuse(domain.CodeEmailTaken, "Another staff member has this email address already.").
			At("/email", domain.CodeEmailTaken, "Taken by another staff member.")
	},
	"staff_external_id_key":           externalIDTaken,
	"people_external_id_key":          externalIDTaken,
	"tasks_external_id_key":           externalIDTaken,
	"matters_external_id_key":         externalIDTaken,
	"calendar_events_external_id_key": externalIDTaken,
	"cams_links_reference_key": func() *domain.Error {
		return domain.Refuse(domain.CodeCaMSReferenceTaken, "Another client is linked to this reference already.").
			At("/cams_reference", domain.CodeCaMSReferenceTaken, "Linked already.")
	},
	"client_assessments_number_key": func() *domain.Error {
		return domain.Refuse(domain.CodeDuplicatePerson, "A client was made from this assessment already. Work with that one.").
			At("/assessment_number", domain.CodeDuplicatePerson, "A client was made from it already.")
	},
	"staff_groups_name_key": func() *domain.Error {
		return domain.Refuse(domain.CodeGroupNameTaken, "Another staff group has this name already.").
			At("/name", domain.CodeGroupNameTaken, "Taken by another group.")
	},
}

func externalIDTaken() *domain.Error {
	return domain.Refuse(domain.CodeExternalIDTaken, "This external id is taken already. Use the upsert by external id to change what has it.").
		At("/external_id", domain.CodeExternalIDTaken, "Taken already.")
}

// translate turns what the database refuses into refusals that the caller understands. What passes keeps its cause, for
// the logs.
func translate(err error) error {
	var known *domain.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if isLost(err) {
		return passing(err, domain.CodeUnavailable, "The database cannot be reached just now. Nothing was changed; try again shortly.")
	}
	var refused *pq.Error
	if !errors.As(err, &refused) {
		return err
	}
	if refusal, found := refusalOf[refused.Constraint]; found {
		return refusal()
	}
	switch refused.Code {
	case "55P03", "40P01", "40001":
		return passing(err, domain.CodeTooBusy, "Another change holds what this one needs. Nothing was changed; try again shortly.")
	}
	return err
}

// translateCommit does the same for an error of COMMIT: where its answer was lost, the change may have been made.
func translateCommit(err error) error {
	if isLost(err) {
		return passing(err, domain.CodeUnavailable, "The database was lost at the last moment, and whether the change was made is not known. "+
			"Repeat the request with its Idempotency-Key to learn it; without one, look before you repeat it.")
	}
	return err
}

// passing is a refusal of what may succeed soon.
func passing(cause error, code domain.Code, detail string) error {
	refusal := domain.Refuse(code, "%s", detail)
	refusal.RetryAfter = 2 * time.Second
	return fmt.Errorf("%w (%w)", refusal, cause)
}

// isLost tells that the connection broke, or could not be made: the database was stopped, restarted, or cannot be reached.
func isLost(err error) bool {
	var network *net.OpError
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network) {
		return true
	}
	var refused *pq.Error
	if !errors.As(err, &refused) {
		return false
	}
	switch refused.Code {
	case "57P01", "57P02", "57P03", "53300", "25P03", "25P04": // stopped, crashed, starting, too many connections; ended because it was idle or took too long
		return true
	}
	return refused.Code.Class() == "08" // connection exceptions
}

func endedInFavourOfAnother(err error) bool {
	var refused *pq.Error
	if !errors.As(err, &refused) {
		return false
	}
	return refused.Code == "40P01" || refused.Code == "40001"
}
