package acceptance

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/oapi-codegen/nullable"

	"handover/api/client"
)

// client is a program built on the generated client, for a staff member.
func (w *world) client(m member) *client.ClientWithResponses {
	w.t.Helper()
	made, err := client.NewClientWithResponses(w.service.URL, client.WithRequestEditorFn(func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Bearer "+m.Token)
		return nil
	}))
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// What an office manager does when a lawyer leaves, as a program built on the generated client does it: matters and events
// are entered, the handover is previewed, done by a worker and followed, the successor is told, and it is undone.
func TestGeneratedClientReassignsWork(t *testing.T) {
	t.Parallel()
	s := start(t)
	w := s.organization(t)
	leaver, successor := w.member("member"), w.member("member")
	office, ctx := w.client(w.Admin), t.Context()

	group, err := office.CreateStaffGroupWithResponse(ctx, nil, client.StaffGroupCreate{Name: "Team", MemberIds: new([]string{"me", successor.ID.String()})})
	if err != nil || group.JSON201 == nil {
		t.Fatalf("group: %v %s", err, group.Body)
	}
	matter, err := office.CreateMatterWithResponse(ctx, nil, client.MatterCreate{
		Number: "2030-7", ResponsibleStaffID: leaver.ID.String(), Visibility: new(client.MatterVisibilityGroups), GroupIds: new([]client.UUID{group.JSON201.ID}),
	})
	if err != nil || matter.JSON201 == nil {
		t.Fatalf("matter: %v %s", err, matter.Body)
	}
	starts := time.Now().Add(48 * time.Hour)
	event, err := office.CreateCalendarEventWithResponse(ctx, nil, client.CalendarEventCreate{
		Title: "Hearing", StartsAt: starts, EndsAt: starts.Add(time.Hour), OwnerStaffID: leaver.ID.String(), MatterID: nullable.NewNullableWithValue(matter.JSON201.ID),
	})
	if err != nil || event.JSON201 == nil {
		t.Fatalf("event: %v %s", err, event.Body)
	}

	wish := client.ReassignWorkRequest{
		FromStaffID: leaver.ID.String(), DryRun: new(true),
		Matters: nullable.NewNullableWithValue(client.MatterHandover{ToStaffIds: []string{successor.ID.String()}}),
		Events:  nullable.NewNullableWithValue(client.EventHandover{ToStaffIds: []string{successor.ID.String()}}),
	}
	preview, err := office.ReassignWorkWithResponse(ctx, nil, wish)
	if err != nil || preview.JSON200 == nil || preview.JSON200.Totals.MattersMoved != 1 || preview.JSON200.Totals.EventsMoved != 1 {
		t.Fatalf("preview: %v %s", err, preview.Body)
	}
	wish.DryRun, wish.ExpectedRevision = nil, preview.JSON200.Revision
	done, err := office.ReassignWorkWithResponse(ctx, &client.ReassignWorkParams{Prefer: new("respond-async, wait=60"), IdempotencyKey: new("leaver")}, wish)
	if err != nil || done.JSON200 == nil || done.JSON200.Totals != preview.JSON200.Totals {
		t.Fatalf("run: %v %s", err, done.Body)
	}
	run := done.JSON200.ID.MustGet()
	items, err := office.ListRunItemsWithResponse(ctx, run, &client.ListRunItemsParams{Kind: new([]client.RunItemKind{client.RunItemKindMatter})})
	if err != nil || items.JSON200 == nil || len(items.JSON200.Items) != 1 || items.JSON200.Items[0].After.StaffIds[0] != successor.ID {
		t.Fatalf("items: %v %s", err, items.Body)
	}
	mine, err := w.client(successor).ListMattersWithResponse(ctx, &client.ListMattersParams{ResponsibleStaffID: new([]string{"me"})})
	if err != nil || mine.JSON200 == nil || len(mine.JSON200.Items) != 1 || mine.JSON200.Items[0].ID != matter.JSON201.ID {
		t.Fatalf("the successor's matters: %v %s", err, mine.Body)
	}
	told, err := w.client(successor).ListNotificationsWithResponse(ctx, &client.ListNotificationsParams{Unread: new(true)})
	if err != nil || told.JSON200 == nil || told.JSON200.UnreadCount != 1 || told.JSON200.Items[0].RunID.MustGet() != run || told.JSON200.Items[0].Work.Matters != 1 {
		t.Fatalf("the successor's notifications: %v %s", err, told.Body)
	}
	marked, err := w.client(successor).MarkNotificationsReadWithResponse(ctx, nil, client.NotificationsMarkRead{All: new(true)})
	if err != nil || marked.JSON200 == nil || *marked.JSON200 != (client.NotificationsMarked{Marked: 1}) {
		t.Fatalf("marked: %v %s", err, marked.Body)
	}

	undone, err := office.UndoRunWithResponse(ctx, run, nil, client.RunUndoRequest{Reason: nullable.NewNullableWithValue("She stays")})
	if err != nil || undone.JSON200 == nil || undone.JSON200.Reverts.MustGet() != run || undone.JSON200.Totals.MattersMoved != 1 {
		t.Fatalf("undo: %v %s", err, undone.Body)
	}
	back, err := office.GetMatterWithResponse(ctx, matter.JSON201.ID, nil)
	if err != nil || back.JSON200 == nil || back.JSON200.ResponsibleStaff.ID != leaver.ID {
		t.Fatalf("the matter: %v %s", err, back.Body)
	}
	again, err := office.UndoRunWithResponse(ctx, run, nil, client.RunUndoRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if problem := again.ApplicationProblemJSONDefault; problem == nil || problem.Code != "already_undone" {
		t.Fatalf("undone again: got %d %s", again.StatusCode(), again.Body)
	}
}
