package httpapi

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"handover/api"
	"handover/internal/domain"
)

func TestWhatIsToGoToWhom(t *testing.T) {
	caller := domain.Caller{StaffID: uuid.MustParse("01900000-0000-7000-8000-000000000101")}
	leaver, ann := uuid.MustParse("01900000-0000-7000-8000-000000000108"), uuid.MustParse("01900000-0000-7000-8000-000000000102")
	for name, test := range map[string]struct {
		body string
		want domain.WorkWish
	}{
		"every part with all it has": {
			`{"from_staff_id": "01900000-0000-7000-8000-000000000108",
				"matters": {"to_staff_ids": ["01900000-0000-7000-8000-000000000102", "me"], "distribution": "round_robin"},
				"tasks": {"to_staff_ids": ["me"], "distribution": "each", "include_past_due": true},
				"events": {"to_staff_ids": ["me"], "distribution": "least_loaded"},
				"people": {"to_staff_ids": ["me"], "kinds": ["referral"], "tasks": "keep"}}`,
			domain.WorkWish{
				From:    leaver,
				Matters: &domain.WorkPart{To: []uuid.UUID{ann, caller.StaffID}, Distribution: domain.DistributeRoundRobin},
				Tasks:   &domain.WorkPart{To: []uuid.UUID{caller.StaffID}, Distribution: domain.DistributeEach, IncludePastDue: true},
				Events:  &domain.WorkPart{To: []uuid.UUID{caller.StaffID}, Distribution: domain.DistributeLeastLoaded},
				People:  &domain.WorkPart{To: []uuid.UUID{caller.StaffID}, Kinds: []domain.PersonKind{domain.KindReferral}, KeepTasks: true},
			},
		},
		"what is left out has its default": {
			`{"from_staff_id": "me", "tasks": {"to_staff_ids": ["01900000-0000-7000-8000-000000000102"]}, "people": {"to_staff_ids": ["01900000-0000-7000-8000-000000000102"]}}`,
			domain.WorkWish{From: caller.StaffID, Tasks: &domain.WorkPart{To: []uuid.UUID{ann}}, People: &domain.WorkPart{To: []uuid.UUID{ann}}},
		},
		"a part that is null is left out": {
			`{"from_staff_id": "me", "matters": null, "tasks": null, "events": null, "people": {"to_staff_ids": ["01900000-0000-7000-8000-000000000102"], "tasks": "reassign"}}`,
			domain.WorkWish{From: caller.StaffID, People: &domain.WorkPart{To: []uuid.UUID{ann}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var body api.ReassignWorkRequest
			require.NoError(t, json.Unmarshal([]byte(test.body), &body))
			assert.Equal(t, test.want, wishOf(caller, body))
		})
	}
}

func TestUndoOfARun(t *testing.T) {
	now := time.Date(2026, 3, 2, 15, 4, 5, 0, time.UTC)
	h := &handlers{options: Options{Now: func() time.Time { return now }}}
	until, undo := now.Add(time.Hour), uuid.MustParse("01900000-0000-7000-8000-000000100002")
	run := domain.Run{ID: uuid.MustParse("01900000-0000-7000-8000-000000100001"), Kind: domain.RunReassignWork, Status: domain.RunSucceeded, UndoUntil: &until}
	with := func(change func(*domain.Run)) api.RunUndo {
		changed := run
		change(&changed)
		return h.runOf(changed).Undo.MustGet()
	}
	never, nobody := nullable.NewNullNullable[time.Time](), nullable.NewNullNullable[api.UUID]()

	assert.Equal(t, api.RunUndo{Available: true, Until: nullable.NewNullableWithValue(until), UndoneBy: nobody}, with(func(*domain.Run) {}))
	assert.Equal(t, api.RunUndo{Until: nullable.NewNullableWithValue(until), UndoneBy: nullable.NewNullableWithValue(undo)},
		with(func(run *domain.Run) { run.RevertedBy = &undo }), "once")
	assert.Equal(t, api.RunUndo{Until: nullable.NewNullableWithValue(now.Add(-time.Second)), UndoneBy: nobody},
		with(func(run *domain.Run) { run.UndoUntil = new(now.Add(-time.Second)) }), "not for ever")
	assert.Equal(t, api.RunUndo{Until: never, UndoneBy: nobody}, with(func(run *domain.Run) { run.Kind, run.UndoUntil = domain.RunUndo, nil }), "no undo")
	for _, status := range []domain.RunStatus{domain.RunScheduled, domain.RunQueued, domain.RunRunning, domain.RunFailed, domain.RunCancelled} {
		assert.False(t, with(func(run *domain.Run) { run.Status, run.UndoUntil = status, nil }).Available, status)
	}
	run.Status = domain.RunPreview
	assert.True(t, h.runOf(run).Undo.IsNull(), "a preview has nothing to undo")
}

func TestTotalsAreTold(t *testing.T) {
	totals := domain.Totals{
		PeopleChanged: 1, PeopleUnchanged: 2, AssignmentsAdded: 3, AssignmentsRemoved: 4, TasksChanged: 5, TasksUnassigned: 6, TasksCreated: 7, TasksCancelled: 8,
		MattersMoved: 9, EventsMoved: 10, WithheldPrivate: 11,
		LeftAlone: domain.LeftAlone{PastDue: 12, AttendeeOnly: 13, NoMatter: 14, ClosedMatter: 15, ChangedSince: 16, NoLongerActive: 17},
	}
	kept, err := json.Marshal(totals)
	require.NoError(t, err)
	shown, err := json.Marshal(totalsOf(totals))
	require.NoError(t, err)
	assert.JSONEq(t, string(kept), string(shown))
}
