package httpapi

import (
	"net/http"
	"strconv"

	"github.com/oapi-codegen/nullable"

	"handover/internal/app"
	"handover/internal/domain"
)

// taskPage is a page of the list of tasks, which is asked for more often than all else. It is written as api.TaskPage is,
// to the byte, without making one: that would take longer than everything else about the list.
type taskPage struct {
	tasks app.Listing[domain.Task]
	next  nullable.Nullable[string]
	today domain.Date
}

// VisitListTasksResponse writes the page.
func (p taskPage) VisitListTasksResponse(w http.ResponseWriter) error {
	const usualSize = 512
	text := p.appendJSON(make([]byte, 0, usualSize*(len(p.tasks.Items)+1)))
	w.Header().Set("Content-Type", mediaTypeJSON)
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(text)
	return err
}

func (p taskPage) appendJSON(text []byte) []byte {
	text = append(text, `{"items":[`...)
	for i := range p.tasks.Items {
		if i > 0 {
			text = append(text, ',')
		}
		text = p.appendTask(text, &p.tasks.Items[i])
	}
	text = append(text, `],"next_cursor":`...)
	text = appendOrNull(text, pointerOf(p.next), appendText)
	if p.tasks.Total != nil {
		text = append(text, `,"total":`...)
		text = strconv.AppendInt(text, int64(*p.tasks.Total), 10)
	}
	return append(text, '}', '\n')
}

func (p taskPage) appendTask(text []byte, task *domain.Task) []byte {
	text = append(text, `{"assignees":[`...)
	for i, ref := range task.Assignees {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendStaffRef(text, ref)
	}
	text = append(text, `],"created_at":`...)
	text = appendInstant(text, task.CreatedAt)
	text = append(text, `,"details":`...)
	text = appendText(text, task.Details)
	text = append(text, `,"due_on":`...)
	text = appendOrNull(text, task.DueOn, appendDate)
	text = append(text, `,"external_id":`...)
	text = appendOrNull(text, task.ExternalID, appendText)
	text = append(text, `,"id":`...)
	text = appendID(text, task.ID)
	text = append(text, `,"matter_id":`...)
	text = appendOrNull(text, task.MatterID, appendID)
	text = append(text, `,"past_due":`...)
	text = strconv.AppendBool(text, task.PastDue(p.today))
	text = append(text, `,"person_id":`...)
	text = appendOrNull(text, task.PersonID, appendID)
	text = append(text, `,"status":`...)
	text = appendText(text, string(task.Status))
	text = append(text, `,"title":`...)
	text = appendText(text, task.Title)
	text = append(text, `,"updated_at":`...)
	text = appendInstant(text, task.UpdatedAt)
	return append(text, '}')
}

func appendStaffRef(text []byte, ref domain.StaffRef) []byte {
	text = append(text, `{"id":`...)
	text = appendID(text, ref.ID)
	text = append(text, `,"name":`...)
	text = appendText(text, ref.Name)
	text = append(text, `,"status":`...)
	text = appendText(text, string(ref.Status))
	return append(text, '}')
}
