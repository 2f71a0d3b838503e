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
	Later   bool    `db:"later"` // runs whose time has not come
	Jobs    int     `db:"jobs"`
	Made    float64 `db:"made"`    // since the oldest was made
	Due     float64 `db:"due"`     // since the oldest was due
	Working float64 `db:"working"` // since the longest was last taken up
}

// Backlog tells what is queued, of all organizations together. River's table stands outside row-level security; what has ended
// is not looked at.
func (s *Store) Backlog(ctx context.Context) ([]QueuedJobs, error) {
	var found []QueuedJobs
	err := s.DB.SelectContext(ctx, &found, `
		SELECT j.queue, j.kind, j.state::text AS state,
		       CASE WHEN j.kind = 'run' AND j.state = 'scheduled' THEN coalesce((j.args ->> 'not_before')::timestamptz > now(), false) ELSE false END AS later,
		       count(*) AS jobs,
		       extract(epoch FROM now() - min(j.created_at))::float8 AS made,
		       extract(epoch FROM now() - min(j.scheduled_at))::float8 AS due,
		       coalesce(extract(epoch FROM now() - min(j.attempted_at)), 0)::float8 AS working
		FROM river.river_job j
		WHERE j.state IN ('available', 'pending', 'retryable', 'running', 'scheduled')
		GROUP BY 1, 2, 3, 4`)
	if err != nil {
		return nil, fmt.Errorf("look what is queued: %w", err)
	}
	return found, nil
}
