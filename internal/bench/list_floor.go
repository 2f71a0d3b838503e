package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// bareList is W4 by hand: Echo, one prepared query, encoding/json.
type bareList struct {
	server       *http.Server
	address      string
	pool         *sql.DB
	organization string
	role, query  *sql.Stmt
}

// bareListQuery uses the index of a staff member's tasks, and leaves out what is private to somebody else, as every list must.
const bareListQuery = `
	SELECT t.id, t.external_id, t.title, t.details, t.status, t.due_on, t.person_id, t.matter_id, t.created_at, t.updated_at,
		(SELECT json_agg(json_build_object('id', s.id, 'name', s.first_name || ' ' || s.last_name, 'status', s.status) ORDER BY s.id)
		 FROM task_assignees a JOIN staff s ON s.organization_id = a.organization_id AND s.id = a.staff_id
		 WHERE a.organization_id = $1 AND a.task_id = t.id)
	FROM (
		SELECT t.id, t.external_id, t.title, t.details, t.status, t.due_on, t.person_id, t.matter_id, t.created_at, t.updated_at
		FROM task_assignees h JOIN tasks t ON t.organization_id = h.organization_id AND t.id = h.task_id
		LEFT JOIN matters m ON m.organization_id = t.organization_id AND m.id = t.matter_id
		WHERE h.organization_id = $1 AND h.staff_id = $2 AND (m.id IS NULL OR m.visibility = 'everyone')
		ORDER BY h.task_id LIMIT 50
	) t ORDER BY t.id`

type bareTask struct {
	ID         string          `json:"id"`
	ExternalID *string         `json:"external_id"`
	Title      string          `json:"title"`
	Details    string          `json:"details"`
	Status     string          `json:"status"`
	DueOn      *time.Time      `json:"due_on"`
	PersonID   *string         `json:"person_id"`
	MatterID   *string         `json:"matter_id"`
	CreatedAt  time.Time       `json:"created_at"`
	UpdatedAt  time.Time       `json:"updated_at"`
	Assignees  json.RawMessage `json:"assignees"`
}

func startBareList(ctx context.Context, pool *sql.DB, organization string) (*bareList, error) {
	list := &bareList{pool: pool, organization: organization}
	var err error
	if list.role, err = pool.PrepareContext(ctx, takeRole); err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	if list.query, err = pool.PrepareContext(ctx, bareListQuery); err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	e := echo.New()
	e.GET("/tasks", list.answer)
	list.server, list.address, err = serve(ctx, e)
	return list, err
}

func (l *bareList) answer(c echo.Context) error {
	tasks, err := l.read(c.Request().Context(), c.QueryParam("assignee_id"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"items": tasks})
}

func (l *bareList) read(ctx context.Context, staff string) (tasks []bareTask, err error) {
	tx, err := l.pool.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	if _, err := tx.StmtContext(ctx, l.role).ExecContext(ctx, l.organization); err != nil {
		return nil, fmt.Errorf("take the role: %w", err)
	}
	rows, err := tx.StmtContext(ctx, l.query).QueryContext(ctx, l.organization, staff)
	if err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	defer func() { _ = rows.Close() }() // read to the end
	tasks = make([]bareTask, 0, pageSize)
	for rows.Next() {
		var t bareTask
		if err := rows.Scan(&t.ID, &t.ExternalID, &t.Title, &t.Details, &t.Status, &t.DueOn, &t.PersonID, &t.MatterID, &t.CreatedAt, &t.UpdatedAt, &t.Assignees); err != nil {
			return nil, fmt.Errorf("read a task: %w", err)
		}
		tasks = append(tasks, t)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	return tasks, tx.Commit()
}
