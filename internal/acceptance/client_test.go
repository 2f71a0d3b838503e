package acceptance

import (
	"context"
	"encoding/csv"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/oapi-codegen/nullable"

	"handover/api/client"
)

// The README's walk as a program built on the generated client takes it: a leaver's list, summary, preview, change,
// report, with a refusal read on the way.
func TestGeneratedClient(t *testing.T) {
	t.Parallel()
	s := start(t)
	w := s.organization(t)
	leaver, successor := w.member("member"), w.member("member")
	person := w.person("client", leaver)
	task := w.task(person, leaver)
	ctx := t.Context()
	handover, err := client.NewClientWithResponses(s.URL, client.WithRequestEditorFn(func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Bearer "+w.Admin.Token)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}

	var selection client.Selection
	if err := selection.FromFilterSelection(client.FilterSelection{Filter: client.PersonFilter{StaffID: new([]string{leaver.ID.String()})}}); err != nil {
		t.Fatal(err)
	}
	summarized, err := handover.GetAssignmentSummaryWithResponse(ctx, nil, client.GetAssignmentSummaryJSONRequestBody{Selection: selection})
	if err != nil || summarized.JSON200 == nil {
		t.Fatalf("summary: %v %s", err, summarized.Body)
	}
	summary := *summarized.JSON200
	if err := selection.FromSavedSelection(client.SavedSelection{SelectionID: summary.SelectionID}); err != nil {
		t.Fatal(err)
	}

	var change client.AssignmentChange
	if err := change.FromReplaceChange(client.ReplaceChange{StaffIds: []string{successor.ID.String()}}); err != nil {
		t.Fatal(err)
	}
	wish := client.ManageAssignmentsJSONRequestBody{Selection: selection, Change: change, ExpectedRevision: nullable.NewNullableWithValue(summary.Revision)}
	refused, err := handover.ManageAssignmentsWithResponse(ctx, nil, wish)
	if err != nil {
		t.Fatal(err)
	}
	if problem := refused.ApplicationProblemJSONDefault; problem == nil || problem.Code != "task_policy_required" {
		t.Fatalf("without a task policy: got %d %s", refused.StatusCode(), refused.Body)
	}

	if err := change.FromReplaceChange(client.ReplaceChange{
		StaffIds: []string{successor.ID.String()}, TaskPolicy: new(client.TaskPolicyReassignAll),
	}); err != nil {
		t.Fatal(err)
	}
	wish.Change, wish.DryRun = change, new(true)
	preview, err := handover.ManageAssignmentsWithResponse(ctx, nil, wish)
	if err != nil || preview.JSON200 == nil || preview.JSON200.Totals.TasksChanged != 1 {
		t.Fatalf("preview: %v %s", err, preview.Body)
	}
	wish.DryRun = nil
	params := &client.ManageAssignmentsParams{IdempotencyKey: new("walk")}
	changed, err := handover.ManageAssignmentsWithResponse(ctx, params, wish)
	if err != nil || changed.JSON200 == nil || changed.JSON200.Totals != preview.JSON200.Totals {
		t.Fatalf("change: %v %s", err, changed.Body)
	}
	if !slices.Equal(w.assigneesOf(task), idsOf(successor)) {
		t.Fatalf("the task is held by %v", w.assigneesOf(task))
	}
	repeated, err := handover.ManageAssignmentsWithResponse(ctx, params, wish)
	if err != nil || repeated.JSON200 == nil || repeated.JSON200.ID.MustGet() != changed.JSON200.ID.MustGet() {
		t.Fatalf("repeated: %v %s", err, repeated.Body)
	}
	report, err := handover.GetRunReportCSVWithResponse(ctx, changed.JSON200.ID.MustGet(), nil)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(report.Body))).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("report: %v %s", err, report.Body)
	}
}
