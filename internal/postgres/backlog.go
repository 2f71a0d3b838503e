package postgres

import (
	"context"
	"fmt"
)

// QueuedJobs are the unfinished jobs of one queue and kind that are in one state. Ages are in seconds; negative ones lie ahead.
type QueuedJobs struct {
	Queue   string  `db:"queue"`
	Kind    string  `db:"kind"`
	State   string  `db:"state"` // as River names it
	Run     string  `db:"run"`   // the status of the runs; empty: they are no runs
	Later   bool    `db:"later"` // runs whose time has not come
	Jobs    int     `db:"jobs"`
	Made    float64 `db:"made"`    // since the oldest was made
	Due     float64 `db:"due"`     // since the oldest was due
	Working float64 `db:"working"` // since the longest was last taken up
}

// Backlog tells what is queued, of all organizations together, as the role of the connection, to which the tables belong. Jobs that
// have ended are not looked at, and of runs those alone that have a job: one that was cancelled keeps its job until it is due.
func (s *Store) Backlog(ctx context.Context) ([]QueuedJobs, error) {
	var found []QueuedJobs
	err := s.DB.SelectContext(ctx, &found, `
		SELECT j.queue, j.kind, j.state::text AS state, coalesce(r.status, '') AS run,
		       CASE WHEN j.kind = 'run' AND j.state = 'scheduled' THEN coalesce((j.args ->> 'not_before')::timestamptz > now(), false) ELSE false END AS later,
		       count(*) AS jobs,
		       extract(epoch FROM now() - min(j.created_at))::float8 AS made,
		       extract(epoch FROM now() - min(j.scheduled_at))::float8 AS due,
		       coalesce(extract(epoch FROM now() - min(j.attempted_at)), 0)::float8 AS working
		FROM river.river_job j
		LEFT JOIN LATERAL (
			SELECT r.status FROM runs r
			WHERE j.kind = 'run' AND r.organization_id = (j.args ->> 'organization_id')::uuid AND r.id = (j.args ->> 'run_id')::uuid
			LIMIT 1
		) r ON true
		WHERE j.state IN ('available', 'pending', 'retryable', 'running', 'scheduled')
		GROUP BY 1, 2, 3, 4, 5`)
	if err != nil {
		return nil, fmt.Errorf("look what is queued: %w", err)
	}
	return found, nil
}
