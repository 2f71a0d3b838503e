package httpapi

import (
	"context"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"

	"handover/internal/app"
	"handover/internal/domain"
)

// nextPage is the cursor that continues a list after its last item; null where that was the last page.
func nextPage[T any](ctx context.Context, listing app.Listing[T], id func(T) uuid.UUID) nullable.Nullable[string] {
	if !listing.More {
		return nullable.NewNullNullable[string]()
	}
	return cursorTo(ctx, id(listing.Items[len(listing.Items)-1]), true)
}

func personID(person domain.Person) uuid.UUID     { return person.ID }
func taskID(task domain.Task) uuid.UUID           { return task.ID }
func memberID(staff domain.Staff) uuid.UUID       { return staff.ID }
func runID(run domain.Run) uuid.UUID              { return run.ID }
func tokenID(token app.APIToken) uuid.UUID        { return token.ID }
func auditEventID(event app.AuditEvent) uuid.UUID { return event.ID }
