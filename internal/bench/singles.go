package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// The load of W3 and W4.
const (
	clients        = 16
	loadDuration   = 2 * time.Second
	singlesAtLeast = 0.6
)

// addition is one staff member for one person.
type addition struct{ person, staff string }

// measureSingles is W3: one person, one staff member added, by 16 clients at once.
func measureSingles(ctx context.Context, b *bench) error {
	pool, err := openPool(b.database.url)
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }() // nothing is under way
	additions, err := prepareAdditions(ctx, b)
	if err != nil {
		return err
	}
	who, err := b.id(ctx, kindStaff, staffAsking)
	if err != nil {
		return err
	}
	single, err := prepareSingle(ctx, pool, b.world.organization, who)
	if err != nil {
		return err
	}
	var at atomic.Int64
	next := func() addition { return additions[int(at.Add(1))%len(additions)] }
	taken, err := inTurns(ctx, b.rounds,
		side{"service", func(ctx context.Context) (time.Duration, error) {
			return load(ctx, b.service.address, clients, loadDuration, func() []byte { return additionRequest(b.service.token, next()) })
		}},
		side{"floor", func(ctx context.Context) (time.Duration, error) {
			return loadDatabase(ctx, func(ctx context.Context) error { return single.add(ctx, next()) })
		}},
	)
	if err != nil {
		return err
	}
	if int(at.Load()) > len(additions) {
		return errors.New("there were too few people: additions were made twice, which is less work")
	}
	b.addThroughputs("W3", fmt.Sprintf("one person, one staff member added, %d clients", clients), "the transaction in SQL", taken[0], taken[1], singlesAtLeast)
	return nil
}

func additionRequest(token string, wanted addition) []byte {
	text, err := request(http.MethodPost, "/v1/manage-assignments", token, map[string]any{
		"selection": map[string]any{"type": "people", "person_ids": []string{wanted.person}},
		"change":    map[string]any{"type": "add", "staff_ids": []string{wanted.staff}, "task_policy": "keep"},
	})
	if err != nil {
		return nil // strings can always be encoded
	}
	return text
}

// additionsTable keeps what is added, so that it can be taken back before the next time.
const additionsTable = `CREATE TABLE IF NOT EXISTS bench.additions (person_id uuid, staff_id uuid)`

// prepareAdditions lists people with ordinary staff, each with staff that they do not have, in no order that would let clients
// meet.
func prepareAdditions(ctx context.Context, b *bench) ([]addition, error) {
	for _, statement := range []string{
		additionsTable,
		`DELETE FROM assignments a USING bench.additions d WHERE a.person_id = d.person_id AND a.staff_id = d.staff_id`,
		`TRUNCATE bench.additions`,
		fmt.Sprintf(`INSERT INTO bench.additions
			SELECT a.person_id, a.staff_id FROM (
				SELECT bench.id(1, 2, p) AS person_id, bench.id(1, 1, bench.ordinary(p * 31 + k * 45)) AS staff_id, k, p * 7919 %% %[1]d AS turn
				FROM generate_series(1, 4) k, generate_series(2, %[1]d, 2) p WHERE p %% 10 IN (4, 6, 8)
			) a
			WHERE NOT EXISTS (SELECT FROM assignments had WHERE had.organization_id = '%[2]s' AND had.person_id = a.person_id AND had.staff_id = a.staff_id)
			ORDER BY a.k, a.turn`, b.world.people, b.world.organization),
	} {
		if _, err := b.database.owner.ExecContext(ctx, statement); err != nil {
			return nil, fmt.Errorf("prepare additions: %w", err)
		}
	}
	if err := b.database.tidy(ctx, "assignments", "people", "tasks", "notification_counters"); err != nil {
		return nil, err
	}
	rows, err := b.database.owner.QueryContext(ctx, `SELECT person_id, staff_id FROM bench.additions`)
	if err != nil {
		return nil, fmt.Errorf("list people: %w", err)
	}
	defer func() { _ = rows.Close() }() // read to the end
	var additions []addition
	for rows.Next() {
		var found addition
		if err := rows.Scan(&found.person, &found.staff); err != nil {
			return nil, fmt.Errorf("list people: %w", err)
		}
		additions = append(additions, found)
	}
	return additions, rows.Err()
}

// single is the transaction of W3 by hand.
type single struct {
	pool              *sql.DB
	organization, who string
	steps             []*sql.Stmt
}

var singleSteps = []string{
	takeRole,
	`SELECT kind FROM people WHERE organization_id = $1 AND id = $2 FOR NO KEY UPDATE`,
	`SELECT id FROM tasks WHERE organization_id = $1 AND person_id = $2 AND status IN ('open', 'in_progress') ORDER BY id FOR NO KEY UPDATE`,
	`SELECT status FROM staff WHERE organization_id = $1 AND id = $2 FOR SHARE`,
	`INSERT INTO assignments (organization_id, person_id, staff_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
	`INSERT INTO runs (organization_id, id, kind, status, requested_by_staff_id, requested_at, started_at, finished_at, request, totals)
		VALUES ($1, $2, 'manage_assignments', 'succeeded', $3, now(), now(), clock_timestamp(), '{}', '{}')`,
	`INSERT INTO run_progress (organization_id, run_id, done, total) VALUES ($1, $2, 1, 1)`,
	`INSERT INTO run_items (organization_id, run_id, position, kind, item_id, outcome, before_staff_ids, after_staff_ids)
		SELECT $1, $2, 1, 'person', $3, 'changed', array_agg(staff_id) FILTER (WHERE staff_id <> $4), array_agg(staff_id)
		FROM assignments WHERE organization_id = $1 AND person_id = $3`,
	`INSERT INTO audit_events (organization_id, id, occurred_at, staff_id, action, subject_kind, subject_id, run_id, request_id, before, after)
		SELECT $1, bench.id_now(), now(), $5, 'manage_assignments', 'person', $3, $2, 'bench',
			jsonb_build_object('staff_ids', to_jsonb(array_agg(staff_id) FILTER (WHERE staff_id <> $4))), jsonb_build_object('staff_ids', to_jsonb(array_agg(staff_id)))
		FROM assignments WHERE organization_id = $1 AND person_id = $3`,
	`WITH counted AS (
			INSERT INTO notification_counters (organization_id, staff_id, last_number) VALUES ($1, $3, 1)
			ON CONFLICT (organization_id, staff_id) DO UPDATE SET last_number = notification_counters.last_number + 1 RETURNING last_number)
		INSERT INTO notifications (organization_id, id, staff_id, number, kind, run_id, actor_staff_id, created_at, people_count, email_status, email_at)
		SELECT $1, $4, $3, last_number, 'work_received', $2, $5, now(), 1, 'pending', now() FROM counted`,
	`INSERT INTO notification_items (organization_id, notification_id, position, kind, item_id) VALUES ($1, $2, 1, 'person', $3)`,
	mailJobByHand + ` VALUES (jsonb_build_object('organization_id', $1::uuid, 'notification_id', $2::uuid), 'mail', 1000, 'mail', 'available')`,
}

// mailJobByHand leaves a mail to the worker.
const mailJobByHand = `INSERT INTO river.river_job (args, kind, max_attempts, queue, state)`

func prepareSingle(ctx context.Context, pool *sql.DB, organization, who string) (*single, error) {
	if _, err := pool.ExecContext(ctx, idNow); err != nil {
		return nil, fmt.Errorf("make a function for ids: %w", err)
	}
	made := &single{pool: pool, organization: organization, who: who}
	for _, text := range singleSteps {
		statement, err := pool.PrepareContext(ctx, text)
		if err != nil {
			return nil, fmt.Errorf("prepare: %w", err)
		}
		made.steps = append(made.steps, statement)
	}
	return made, nil
}

func (s *single) add(ctx context.Context, wanted addition) error {
	tx, err := s.pool.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	run, notification := newID(), newID()
	for i, arguments := range [][]any{
		{s.organization},
		{s.organization, wanted.person},
		{s.organization, wanted.person},
		{s.organization, wanted.staff},
		{s.organization, wanted.person, wanted.staff},
		{s.organization, run, s.who},
		{s.organization, run},
		{s.organization, run, wanted.person, wanted.staff},
		{s.organization, run, wanted.person, wanted.staff, s.who},
		{s.organization, run, wanted.staff, notification, s.who},
		{s.organization, notification, wanted.person},
		{s.organization, notification},
	} {
		if _, err := tx.StmtContext(ctx, s.steps[i]).ExecContext(ctx, arguments...); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return tx.Commit()
}

// loadDatabase lets as many clients as load does work at once, straight on the database.
func loadDatabase(ctx context.Context, once func(context.Context) error) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var done atomic.Int64
	failures := make(chan error, clients)
	var working sync.WaitGroup
	began := time.Now()
	for range clients {
		working.Go(func() {
			for ctx.Err() == nil && time.Since(began) < loadDuration {
				if err := once(ctx); err != nil {
					failures <- err
					cancel()
					return
				}
				done.Add(1)
			}
		})
	}
	working.Wait()
	took := time.Since(began)
	select {
	case err := <-failures:
		return 0, err
	default:
		return took / time.Duration(max(1, done.Load())), nil
	}
}
