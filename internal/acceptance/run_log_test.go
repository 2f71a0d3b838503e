package acceptance

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"

	"handover/api"
)

// What a worker did stands in the log in one line a run, and nothing in it that somebody wrote or is called.
func TestRunsInTheLog(t *testing.T) {
	t.Parallel()
	s, log := startRecorded(t)
	w := s.organization(t)
	lea, ann := w.member("member"), w.member("member")
	w.matter("everyone", lea)
	const secret = "canary, her illness"
	done := w.finished(w.reassign(handOver(lea, allTo(ann), object{"reason": secret}), async).must(202))
	again := []answer{w.undo(w.Admin, done, object{"reason": secret}, async).must(202), w.undo(w.Admin, done, object{"reason": secret}, async)}
	undone := w.finished(again[0])
	ended := map[uuid.UUID]string{done.ID.MustGet(): "reassign_work succeeded", undone.ID.MustGet(): "undo " + string(undone.Status) + codeOf(undone)}
	if again[1].Status == 202 {
		late := w.finished(again[1])
		ended[late.ID.MustGet()] = "undo " + string(late.Status) + codeOf(late)
	}

	later := decode[api.Run](w.reassign(handOver(lea, allTo(ann), object{"reason": secret, "run_at": soon(shortly)})).must(202))
	w.deactivate(ann)
	later = w.endOf(later)
	ended[later.ID.MustGet()] = "reassign_work failed staff_not_active"

	for id, want := range ended {
		var lines []string
		eventually(t, "the end of the run is logged", func() bool {
			lines = nil
			for line := range strings.Lines(log.String()) {
				if strings.Contains(line, `"msg":"run"`) && strings.Contains(line, id.String()) {
					lines = append(lines, line)
				}
			}
			return len(lines) > 0
		})
		var got struct {
			Kind, Status, Code string
			OrganizationID     uuid.UUID `json:"organization_id"`
			Duration           *float64  `json:"duration_ms"`
		}
		if err := json.Unmarshal([]byte(lines[0]), &got); err != nil {
			t.Fatal(err)
		}
		if len(lines) != 1 || strings.TrimSpace(got.Kind+" "+got.Status+" "+got.Code) != want || got.OrganizationID != w.ID || got.Duration == nil || *got.Duration < 0 {
			t.Errorf("got %q, want %s", lines, want)
		}
	}
	if strings.Contains(log.String(), "canary") {
		t.Error("a reason is in the log")
	}
}

// codeOf is the code of the problem of a run that failed, after a space.
func codeOf(run api.Run) string {
	if failure, err := run.Error.Get(); err == nil {
		return " " + string(failure.Code)
	}
	return ""
}
