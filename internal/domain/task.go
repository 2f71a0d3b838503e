package domain

import (
	"time"

	"github.com/google/uuid"
)

// TaskStatus of a task.
type TaskStatus string

// The statuses of tasks.
const (
	TaskOpen       TaskStatus = "open"
	TaskInProgress TaskStatus = "in_progress"
	TaskCompleted  TaskStatus = "completed"
	TaskCancelled  TaskStatus = "cancelled"
)

// Active tells whether a task of this status is active: open or in progress.
func (s TaskStatus) Active() bool { return s == TaskOpen || s == TaskInProgress }

// Task belongs to a person, to a matter, or to neither.
type Task struct {
	ID         uuid.UUID
	ExternalID *string
	Title      string
	Details    string
	Status     TaskStatus
	DueOn      *Date
	PersonID   *uuid.UUID
	MatterID   *uuid.UUID
	Assignees  []StaffRef // by id
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// PastDue tells whether the task is active and its due date is before today in the organization's time zone. A task
// without a due date is never past due (B2).
func (t Task) PastDue(today Date) bool {
	return t.Status.Active() && t.DueOn != nil && t.DueOn.Before(today)
}

// IntakeTask is one task of the organization's intake template (A5).
type IntakeTask struct {
	Title        string `json:"title"`
	Details      string `json:"details"`
	DaysUntilDue int    `json:"days_until_due"`
}
