package httpapi

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
)

// ListTasks lists the tasks the caller sees (A2, D3, D4).
func (h *handlers) ListTasks(ctx context.Context, request api.ListTasksRequestObject) (api.ListTasksResponseObject, error) {
	caller, params := callerOf(ctx), request.Params
	after, err := afterOf(ctx, params.Cursor)
	if err != nil {
		return nil, err
	}
	filter := domain.TaskFilter{
		Statuses: allOf(params.Status, as[domain.TaskStatus, api.TaskStatus]), Active: params.Active,
		AssigneeIDs: allOf(params.AssigneeID, staffID(caller)), Unassigned: params.Unassigned,
		PersonIDs: valueOr(params.PersonID, nil), MatterIDs: valueOr(params.MatterID, nil), SelectionID: params.SelectionID,
		PersonHasStaff: params.PersonHasStaff, DueFrom: domainDate(params.DueFrom), DueTo: domainDate(params.DueTo), PastDue: params.PastDue,
		Query: valueOr(params.Q, ""), ExternalIDs: valueOr(params.ExternalID, nil),
	}
	tasks, err := h.app.Tasks(ctx, caller, filter, domain.Page{After: after, Limit: limitOf(params.Limit)}, valueOr(params.IncludeTotal, false))
	if err != nil {
		return nil, err
	}
	today, err := h.today(caller)
	if err != nil {
		return nil, err
	}
	return taskPage{tasks: tasks, next: nextPage(ctx, tasks, taskID), today: today}, nil
}

// today is the civil date in the caller's organization.
func (h *handlers) today(caller domain.Caller) (domain.Date, error) {
	today, err := caller.Today(h.options.Now())
	if err != nil {
		return domain.Date{}, fmt.Errorf("today in the organization: %w", err)
	}
	return today, nil
}

// GetTask reads one task.
func (h *handlers) GetTask(ctx context.Context, request api.GetTaskRequestObject) (api.GetTaskResponseObject, error) {
	task, err := h.app.Task(ctx, callerOf(ctx), request.TaskID)
	if err != nil {
		return nil, err
	}
	today, err := h.today(callerOf(ctx))
	if err != nil {
		return nil, err
	}
	return api.GetTask200JSONResponse{Body: taskOf(today)(task), Headers: api.GetTask200ResponseHeaders{ETag: etag(domain.Version(task.Fields()))}}, nil
}

// taskFields are the fields of a task as they were sent, the same for create, update and upsert.
type taskFields struct {
	title       *api.TaskTitle
	details     *api.TaskDetails
	status      *api.TaskStatus
	dueOn       nullable.Nullable[api.CivilDate]
	personID    nullable.Nullable[api.UUID]
	matterID    nullable.Nullable[api.UUID]
	externalID  nullable.Nullable[api.ExternalKey]
	assigneeIDs *api.AssigneeIDList
}

func (f taskFields) edit(caller domain.Caller) app.TaskEdit {
	edit := app.TaskEdit{Apply: func(task *domain.Task) {
		set(&task.Title, f.title)
		set(&task.Details, f.details)
		if f.status != nil {
			task.Status = domain.TaskStatus(*f.status)
		}
		if f.dueOn.IsSpecified() {
			task.DueOn = domainDate(pointerOf(f.dueOn))
		}
		setNullable(&task.PersonID, f.personID)
		setNullable(&task.MatterID, f.matterID)
		setNullable(&task.ExternalID, f.externalID)
	}}
	if f.assigneeIDs != nil {
		edit.AssigneeIDs = new(all[string, uuid.UUID](*f.assigneeIDs, staffID(caller)))
	}
	return edit
}

// CreateTask adds a task.
func (h *handlers) CreateTask(ctx context.Context, request api.CreateTaskRequestObject) (api.CreateTaskResponseObject, error) {
	caller, body := callerOf(ctx), request.Body
	fields := taskFields{&body.Title, body.Details, body.Status, body.DueOn, body.PersonID, body.MatterID, body.ExternalID, body.AssigneeIds}
	task, again, err := h.app.CreateTask(ctx, caller, fields.edit(caller), keyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	today, err := h.today(caller)
	if err != nil {
		return nil, err
	}
	return api.CreateTask201JSONResponse{Body: taskOf(today)(task), Headers: api.CreateTask201ResponseHeaders{
		Location: "/v1/tasks/" + task.ID.String(), ETag: etag(domain.Version(task.Fields())), IdempotencyReplayed: replayed(again),
	}}, nil
}

// UpdateTask changes a task that nobody has changed since it was read.
func (h *handlers) UpdateTask(ctx context.Context, request api.UpdateTaskRequestObject) (api.UpdateTaskResponseObject, error) {
	caller, body := callerOf(ctx), request.Body
	match, err := ifMatchOf(request.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	fields := taskFields{body.Title, body.Details, body.Status, body.DueOn, body.PersonID, body.MatterID, body.ExternalID, body.AssigneeIds}
	task, err := h.app.UpdateTask(ctx, caller, request.TaskID, match, fields.edit(caller))
	if err != nil {
		return nil, err
	}
	today, err := h.today(caller)
	if err != nil {
		return nil, err
	}
	return api.UpdateTask200JSONResponse{Body: taskOf(today)(task), Headers: api.UpdateTask200ResponseHeaders{ETag: etag(domain.Version(task.Fields()))}}, nil
}

// UpsertTaskByExternalID writes a task as another system knows it (D3).
func (h *handlers) UpsertTaskByExternalID(ctx context.Context, request api.UpsertTaskByExternalIDRequestObject) (api.UpsertTaskByExternalIDResponseObject, error) {
	caller, body := callerOf(ctx), request.Body
	fields := taskFields{title: &body.Title, details: body.Details, status: body.Status, dueOn: body.DueOn, personID: body.PersonID, matterID: body.MatterID, assigneeIDs: body.AssigneeIds}
	task, created, err := h.app.UpsertTask(ctx, caller, request.ExternalID, fields.edit(caller))
	if err != nil {
		return nil, err
	}
	today, err := h.today(caller)
	if err != nil {
		return nil, err
	}
	tag := etag(domain.Version(task.Fields()))
	if created {
		return api.UpsertTaskByExternalID201JSONResponse{Body: taskOf(today)(task), Headers: api.UpsertTaskByExternalID201ResponseHeaders{
			Location: "/v1/tasks/" + task.ID.String(), ETag: tag,
		}}, nil
	}
	return api.UpsertTaskByExternalID200JSONResponse{Body: taskOf(today)(task), Headers: api.UpsertTaskByExternalID200ResponseHeaders{ETag: tag}}, nil
}
