package httpapi

import (
	"context"

	"handover/api"
	"handover/internal/domain"
)

// GetIntakeTemplate reads the organization's intake tasks (A5).
func (h *handlers) GetIntakeTemplate(ctx context.Context, _ api.GetIntakeTemplateRequestObject) (api.GetIntakeTemplateResponseObject, error) {
	tasks, err := h.app.IntakeTemplate(ctx, callerOf(ctx))
	if err != nil {
		return nil, err
	}
	return api.GetIntakeTemplate200JSONResponse{
		Body: api.IntakeTemplate{Tasks: all(tasks, intakeTaskOf)}, Headers: api.GetIntakeTemplate200ResponseHeaders{ETag: etag(domain.Version(tasks))},
	}, nil
}

func intakeTaskOf(task domain.IntakeTask) api.IntakeTemplateTask {
	return api.IntakeTemplateTask{Title: task.Title, Details: task.Details, DaysUntilDue: task.DaysUntilDue}
}

// ReplaceIntakeTemplate writes the organization's intake tasks.
func (h *handlers) ReplaceIntakeTemplate(ctx context.Context, request api.ReplaceIntakeTemplateRequestObject) (api.ReplaceIntakeTemplateResponseObject, error) {
	match, err := ifMatchOf(request.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	tasks := all(request.Body.Tasks, func(task api.IntakeTemplateReplaceTask) domain.IntakeTask {
		return domain.IntakeTask{Title: task.Title, Details: valueOr(task.Details, ""), DaysUntilDue: task.DaysUntilDue}
	})
	if err := h.app.ReplaceIntakeTemplate(ctx, callerOf(ctx), match, tasks); err != nil {
		return nil, err
	}
	return api.ReplaceIntakeTemplate200JSONResponse{
		Body: api.IntakeTemplate{Tasks: all(tasks, intakeTaskOf)}, Headers: api.ReplaceIntakeTemplate200ResponseHeaders{ETag: etag(domain.Version(tasks))},
	}, nil
}
