package httpapi

import (
	"context"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
)

// ReassignWork hands the work of one staff member over to others (B1 to B12).
func (h *handlers) ReassignWork(ctx context.Context, request api.ReassignWorkRequestObject) (api.ReassignWorkResponseObject, error) {
	caller, body, wanted := callerOf(ctx), request.Body, preferenceOf(request.Params.Prefer)
	run, again, err := h.app.ReassignWork(ctx, caller, app.ReassignRequest{
		Wish: wishOf(caller, *body), RunAt: kept(pointerOf(body.RunAt)), ReturnAt: kept(pointerOf(body.ReturnAt)),
		ExpectedRevision: pointerOf(body.ExpectedRevision), DryRun: valueOr(body.DryRun, false), Async: wanted.async(),
		Reason: pointerOf(body.Reason), Body: rawBody(ctx), Key: keyOf(ctx, request.Params.IdempotencyKey),
	})
	if err != nil {
		return nil, err
	}
	run, applied, err := h.awaited(ctx, run, wanted)
	if err != nil {
		return nil, err
	}
	if !run.Status.Finished() {
		return api.ReassignWork202JSONResponse{Body: h.runAnswer(run, again), Headers: api.ReassignWork202ResponseHeaders{
			Location: runLocation(run), PreferenceApplied: applied, IdempotencyReplayed: replayed(again),
		}}, nil
	}
	return api.ReassignWork200JSONResponse{Body: h.runAnswer(run, again), Headers: api.ReassignWork200ResponseHeaders{
		PreferenceApplied: applied, IdempotencyReplayed: replayed(again),
	}}, nil
}

// wishOf reads what is to go to whom (B6, B9, B10). A part that is null is one that was left out.
func wishOf(caller domain.Caller, body api.ReassignWorkRequest) domain.WorkWish {
	staff := staffID(caller)
	return domain.WorkWish{
		From: staff(body.FromStaffID),
		Matters: partOf(body.Matters, func(part api.MatterHandover) domain.WorkPart {
			return domain.WorkPart{To: all[string, uuid.UUID](part.ToStaffIds, staff), Distribution: distributionOf(part.Distribution)}
		}),
		Tasks: partOf(body.Tasks, func(part api.TaskHandover) domain.WorkPart {
			return domain.WorkPart{
				To: all[string, uuid.UUID](part.ToStaffIds, staff), Distribution: distributionOf(part.Distribution),
				IncludePastDue: valueOr(part.IncludePastDue, false),
			}
		}),
		Events: partOf(body.Events, func(part api.EventHandover) domain.WorkPart {
			return domain.WorkPart{To: all[string, uuid.UUID](part.ToStaffIds, staff), Distribution: distributionOf(part.Distribution)}
		}),
		People: partOf(body.People, func(part api.PeopleHandover) domain.WorkPart {
			return domain.WorkPart{
				To: all[string, uuid.UUID](part.ToStaffIds, staff), Distribution: distributionOf(part.Distribution),
				Kinds: allOf(part.Kinds, as[domain.PersonKind, api.PersonKind]), KeepTasks: valueOr(part.Tasks, "") == api.HandoverTaskPolicyKeep,
			}
		}),
	}
}

func partOf[T any](sent nullable.Nullable[T], read func(T) domain.WorkPart) *domain.WorkPart {
	part := pointerOf(sent)
	if part == nil {
		return nil
	}
	return new(read(*part))
}

func distributionOf(sent *api.WorkDistribution) domain.Distribution {
	return domain.Distribution(valueOr(sent, ""))
}
