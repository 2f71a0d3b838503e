package httpapi

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
)

func TestTaskPage(t *testing.T) {
	t.Run("A page of tasks is written as the contract's types are", rapid.MakeCheck(func(t *rapid.T) {
		page := taskPage{
			tasks: app.Listing[domain.Task]{
				Items: rapid.SliceOfN(rapid.Custom(drawTask), 0, 5).Draw(t, "tasks"),
				Total: rapid.Ptr(rapid.IntRange(0, 1_000_000), true).Draw(t, "total"),
			},
			next:  orNull(rapid.Ptr(rapid.Just("AQGMwlH0Mg-_"), true).Draw(t, "next")),
			today: domain.Date{Year: 2026, Month: time.March, Day: 9},
		}
		var want bytes.Buffer
		if err := json.NewEncoder(&want).Encode(api.TaskPage{Items: all(page.tasks.Items, taskOf(page.today)), NextCursor: page.next, Total: page.tasks.Total}); err != nil {
			t.Fatal(err)
		}
		if got := page.appendJSON(nil); !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("got  %s\nwant %s", got, want.Bytes())
		}
	}))
}

func drawTask(t *rapid.T) domain.Task {
	id := rapid.Custom(func(t *rapid.T) uuid.UUID {
		return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	})
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~é€😀\t\n<>&"\\]{0,20}`))
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMicro(rapid.Int64Range(0, 4_000_000_000_000_000).Draw(t, "instant")).UTC()
	})
	date := rapid.Custom(func(t *rapid.T) domain.Date { return domain.DateOf(instant.Draw(t, "date")) })
	return domain.Task{
		ID: id.Draw(t, "task"), ExternalID: rapid.Ptr(text, true).Draw(t, "external id"), Title: text.Draw(t, "title"), Details: text.Draw(t, "details"),
		Status: rapid.SampledFrom([]domain.TaskStatus{domain.TaskOpen, domain.TaskCompleted}).Draw(t, "status"), DueOn: rapid.Ptr(date, true).Draw(t, "due"),
		PersonID: rapid.Ptr(id, true).Draw(t, "person"), MatterID: rapid.Ptr(id, true).Draw(t, "matter"),
		CreatedAt: instant.Draw(t, "created"), UpdatedAt: instant.Draw(t, "updated"),
		Assignees: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) domain.StaffRef {
			return domain.StaffRef{ID: id.Draw(t, "staff"), Name: text.Draw(t, "name"), Status: domain.StaffActive}
		}), 0, 3).Draw(t, "assignees"),
	}
}
