package acceptance

import (
	"slices"
	"testing"

	"handover/api"
)

// The main path: summary, preview, change, items, report.
func TestMainPath(t *testing.T) {
	t.Parallel()
	s := start(t)
	w := s.organization(t)
	leaver, successor := w.member("member"), w.member("member")
	client := w.person("client", leaver)
	task := w.task(client, leaver)

	summary := decode[api.AssignmentSummary](s.call(t, w.Admin.Token, "POST", "/v1/assignment-summary", object{"selection": people(client)}).must(200))
	if summary.ActiveTasks.Count != 1 || summary.WithStaff.Count != 1 || !summary.TaskPolicyRequired {
		t.Fatalf("got summary %+v", summary)
	}
	wish := object{
		"selection":         object{"type": "saved", "selection_id": summary.SelectionID},
		"change":            change("replace", object{"staff_ids": idsOf(successor), "task_policy": "reassign_all"}),
		"expected_revision": summary.Revision, "dry_run": true,
	}
	preview := decode[api.Run](s.call(t, w.Admin.Token, "POST", "/v1/manage-assignments", wish).must(200))
	if preview.Status != "preview" || preview.Totals.TasksChanged != 1 {
		t.Fatalf("got preview %+v", preview)
	}
	wish["dry_run"] = false
	run := decode[api.Run](s.call(t, w.Admin.Token, "POST", "/v1/manage-assignments", wish).must(200))
	if preview.Totals != run.Totals || run.Status != "succeeded" || *pointer(run.Revision.Get()) != summary.Revision {
		t.Fatalf("got run %+v", run)
	}
	if !slices.Equal(w.staffOf(client), idsOf(successor)) || !slices.Equal(w.assigneesOf(task), idsOf(successor)) {
		t.Fatalf("got staff %v, assignees %v", w.staffOf(client), w.assigneesOf(task))
	}
	links, _ := run.Links.Get()
	items := decode[api.RunItemPage](s.call(t, w.Admin.Token, "GET", links.Items, nil).must(200))
	if len(items.Items) != 2 {
		t.Fatalf("got items %+v", items)
	}
	for _, report := range []string{links.ReportCSV, links.ReportXLSX, links.ReportJSON} {
		s.call(t, w.Admin.Token, "GET", report, nil).must(200)
	}
	queued := s.call(t, w.Admin.Token, "POST", "/v1/manage-assignments",
		object{"selection": people(client), "change": change("remove", object{"all_staff": true, "task_policy": "unassign"})}, header{"Prefer", "respond-async"}).must(202)
	eventually(t, "the asynchronous run succeeds", func() bool {
		return decode[api.Run](s.call(t, w.Admin.Token, "GET", queued.Header.Get("Location"), nil).must(200)).Status == "succeeded"
	})
	if len(w.staffOf(client)) != 0 || len(w.assigneesOf(task)) != 0 {
		t.Fatal("the asynchronous run changed nothing")
	}
}

func pointer[T any](value T, _ error) *T { return &value }
