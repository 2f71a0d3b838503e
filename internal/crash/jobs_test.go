package crash

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/internal/app"
	"handover/internal/worker"
)

// Two workers at one run, which happens when a job is taken for stuck: one does it, the other comes back later or finds it
// done.
func TestRunTwice(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	for range 15 {
		s.snapshot(t)
		queued := s.service.insist(t, s.moveEverybody(true))
		job := s.job(t, queued.run)
		errs := make(chan error)
		const workers = 3
		for range workers {
			go func() { errs <- s.app.CarryOutRun(t.Context(), job, completed) }()
		}
		for range workers {
			if err := <-errs; err != nil && !errors.Is(err, app.ErrRunTaken) {
				t.Fatal(err)
			}
		}
		s.finished(t, queued.run)
	}
}

// River takes a job for stuck while its run still works: the other worker leaves it alone, the run finishes, and so does
// the job.
func TestRescueOfWorkingRun(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	s.snapshot(t)
	s.work(t)
	obstacle, err := s.db.BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer obstacle.Rollback()
	if _, err := obstacle.ExecContext(t.Context(), `SELECT FROM people WHERE organization_id = $1 FOR UPDATE`, s.large.ID); err != nil {
		t.Fatal(err)
	}
	queued := s.service.insist(t, s.moveEverybody(true))
	eventually(t, finishesWithin, "the run works", func() bool { return s.status(t, queued.run) == "running" })
	if _, err := s.db.ExecContext(t.Context(), `UPDATE river.river_job SET state = 'available', scheduled_at = now() WHERE args ->> 'run_id' = $1::text`, queued.run); err != nil { // as its rescue ends
		t.Fatal(err)
	}
	eventually(t, finishesWithin, "another worker has looked and left it alone", func() bool {
		var looked bool
		err := s.db.GetContext(t.Context(), &looked, `SELECT (metadata ->> 'snoozes')::integer >= 1 FROM river.river_job WHERE args ->> 'run_id' = $1::text AND metadata ? 'snoozes'`, queued.run)
		return err == nil && looked
	})
	if err := obstacle.Rollback(); err != nil {
		t.Fatal(err)
	}
	s.finished(t, queued.run)
	eventually(t, finishesWithin, "the job is done", func() bool {
		var state string
		err := s.db.GetContext(t.Context(), &state, `SELECT state FROM river.river_job WHERE args ->> 'run_id' = $1::text`, queued.run)
		return err == nil && state == "completed"
	})
	s.check(t, true)
}

// What has expired is swept away however long that takes: it is not broken off, to begin anew for ever.
func TestLongSweep(t *testing.T) {
	t.Parallel()
	s := newSmall(t)
	if _, err := s.db.ExecContext(t.Context(), `UPDATE selections SET expires_at = now() - interval '1 day'`); err != nil {
		t.Fatal(err)
	}
	obstacle, err := s.db.BeginTxx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer obstacle.Rollback()
	if _, err := obstacle.ExecContext(t.Context(), `SELECT FROM selections FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	s.work(t)
	s.swept(t, "running")
	time.Sleep(13 * time.Second)
	if err := obstacle.Rollback(); err != nil {
		t.Fatal(err)
	}
	s.swept(t, "completed")
	var left, errs int
	if err := s.db.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM selection_people), coalesce(cardinality(errors), 0) FROM river.river_job WHERE kind = 'sweep'`).Scan(&left, &errs); err != nil {
		t.Fatal(err)
	}
	if left != 0 || errs != 0 {
		t.Errorf("%d people of expired selections are left, after %d attempts that failed", left, errs)
	}
}

// swept waits until the job that sweeps is in a state.
func (s *small) swept(t testing.TB, state string) {
	t.Helper()
	eventually(t, finishesWithin, "the sweep is "+state, func() bool {
		var is string
		err := s.db.GetContext(t.Context(), &is, `SELECT state FROM river.river_job WHERE kind = 'sweep'`)
		return err == nil && is == state
	})
}

// work starts a worker, which ends with the test.
func (s *small) work(t testing.TB) {
	t.Helper()
	background, err := worker.Start(t.Context(), s.db.DB, s.app, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := background.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// job is what a worker is given of a queued run.
func (c *caseload) job(t testing.TB, run uuid.UUID) (job app.RunJob) {
	t.Helper()
	var text []byte
	if err := c.db.GetContext(t.Context(), &text, `SELECT args FROM river.river_job WHERE args ->> 'run_id' = $1::text`, run); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &job); err != nil {
		t.Fatal(err)
	}
	return job
}

// completed stands for what marks a job as done.
func completed(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `SELECT 'the job is done'`)
	return err
}
