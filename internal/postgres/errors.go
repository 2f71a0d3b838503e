package postgres

import (
	"errors"
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
	"staff_external_id_key":  externalIDTaken,
	"people_external_id_key": externalIDTaken,
	"tasks_external_id_key":  externalIDTaken,
}

func externalIDTaken() *domain.Error {
	return domain.Refuse(domain.CodeExternalIDTaken, "This external id is taken already. Use the upsert by external id to change what has it.").
		At("/external_id", domain.CodeExternalIDTaken, "Taken already.")
}

// translate turns what the database refuses into refusals that the caller understands.
func translate(err error) error {
	var refused *pq.Error
	if !errors.As(err, &refused) {
		return err
	}
	if refusal, found := refusalOf[refused.Constraint]; found {
		return refusal()
	}
	switch refused.Code {
	case "55P03", "40P01", "40001":
		busy := domain.Refuse(domain.CodeTooBusy, "Another change holds what this one needs. Nothing was changed; try again shortly.")
		busy.RetryAfter = 2 * time.Second
		return busy
	}
	return err
}

func endedInFavourOfAnother(err error) bool {
	var refused *pq.Error
	if !errors.As(err, &refused) {
		return false
	}
	return refused.Code == "40P01" || refused.Code == "40001"
}
