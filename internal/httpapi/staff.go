package httpapi

import (
	"context"
	"slices"
	"time"

	"handover/api"
	"handover/internal/domain"
)

// ListStaff lists the organization's staff.
func (h *handlers) ListStaff(ctx context.Context, request api.ListStaffRequestObject) (api.ListStaffResponseObject, error) {
	params := request.Params
	after, err := afterOf(ctx, params.Cursor)
	if err != nil {
		return nil, err
	}
	filter := domain.StaffFilter{
		Statuses: allOf(params.Status, as[domain.StaffStatus, api.StaffStatus]), Roles: allOf(params.Role, as[domain.Role, api.StaffRole]),
		Permissions: allOf(params.Permission, as[domain.Permission, api.Permission]), Query: valueOr(params.Q, ""), ExternalIDs: valueOr(params.ExternalID, nil),
	}
	staff, err := h.app.StaffList(ctx, callerOf(ctx), filter, domain.Page{After: after, Limit: limitOf(params.Limit)}, valueOr(params.IncludeTotal, false))
	if err != nil {
		return nil, err
	}
	return api.ListStaff200JSONResponse{Items: all(staff.Items, h.staffOf), Total: staff.Total, NextCursor: nextPage(ctx, staff, memberID)}, nil
}

// GetStaff reads one staff member.
func (h *handlers) GetStaff(ctx context.Context, request api.GetStaffRequestObject) (api.GetStaffResponseObject, error) {
	caller := callerOf(ctx)
	staff, err := h.app.StaffMember(ctx, caller, staffID(caller)(request.StaffID))
	if err != nil {
		return nil, err
	}
	return api.GetStaff200JSONResponse{Body: h.staffOf(staff), Headers: api.GetStaff200ResponseHeaders{ETag: etag(domain.Version(staff.Fields()))}}, nil
}

// permissionSet is permissions as they are kept: in one order, each once.
func permissionSet(sent api.PermissionList) []domain.Permission {
	permissions := all(sent, as[domain.Permission, api.Permission])
	slices.Sort(permissions)
	return slices.Compact(permissions)
}

// CreateStaff adds a staff member.
func (h *handlers) CreateStaff(ctx context.Context, request api.CreateStaffRequestObject) (api.CreateStaffResponseObject, error) {
	body := request.Body
	staff, again, err := h.app.CreateStaff(ctx, callerOf(ctx), domain.Staff{
		FirstName: body.FirstName, LastName: body.LastName, Email: body.Email, Role: domain.Role(body.Role),
		Permissions: permissionSet(body.Permissions), ExternalID: pointerOf(body.ExternalID),
	}, valueOr(body.SendInvitation, false), keyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.CreateStaff201JSONResponse{Body: h.staffOf(staff), Headers: api.CreateStaff201ResponseHeaders{
		Location: "/v1/staff/" + staff.ID.String(), ETag: etag(domain.Version(staff.Fields())), IdempotencyReplayed: replayed(again),
	}}, nil
}

// UpdateStaff changes a staff member whom nobody has changed since they were read.
func (h *handlers) UpdateStaff(ctx context.Context, request api.UpdateStaffRequestObject) (api.UpdateStaffResponseObject, error) {
	caller, body := callerOf(ctx), request.Body
	match, err := ifMatchOf(request.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	staff, err := h.app.UpdateStaff(ctx, caller, staffID(caller)(request.StaffID), match, func(staff *domain.Staff) {
		set(&staff.FirstName, body.FirstName)
		set(&staff.LastName, body.LastName)
		set(&staff.Email, body.Email)
		if body.Role != nil {
			staff.Role = domain.Role(*body.Role)
		}
		if body.Permissions != nil {
			staff.Permissions = permissionSet(*body.Permissions)
		}
		setNullable(&staff.ExternalID, body.ExternalID)
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateStaff200JSONResponse{Body: h.staffOf(staff), Headers: api.UpdateStaff200ResponseHeaders{ETag: etag(domain.Version(staff.Fields()))}}, nil
}

// UpsertStaffByExternalID writes a staff member as another system knows them (D3).
func (h *handlers) UpsertStaffByExternalID(ctx context.Context, request api.UpsertStaffByExternalIDRequestObject) (api.UpsertStaffByExternalIDResponseObject, error) {
	body := request.Body
	staff, created, err := h.app.UpsertStaff(ctx, callerOf(ctx), request.ExternalID, func(staff *domain.Staff) {
		staff.FirstName, staff.LastName, staff.Email, staff.Role = body.FirstName, body.LastName, body.Email, domain.Role(body.Role)
		staff.Permissions = permissionSet(body.Permissions)
		if body.Status != nil {
			staff.Status = domain.StaffStatus(*body.Status)
		}
	})
	if err != nil {
		return nil, err
	}
	tag := etag(domain.Version(staff.Fields()))
	if created {
		return api.UpsertStaffByExternalID201JSONResponse{Body: h.staffOf(staff), Headers: api.UpsertStaffByExternalID201ResponseHeaders{
			Location: "/v1/staff/" + staff.ID.String(), ETag: tag,
		}}, nil
	}
	return api.UpsertStaffByExternalID200JSONResponse{Body: h.staffOf(staff), Headers: api.UpsertStaffByExternalID200ResponseHeaders{ETag: tag}}, nil
}

// DeactivateStaff ends a staff member's access, and tells what they still hold (D5).
func (h *handlers) DeactivateStaff(ctx context.Context, request api.DeactivateStaffRequestObject) (api.DeactivateStaffResponseObject, error) {
	caller := callerOf(ctx)
	done, again, err := h.app.DeactivateStaff(ctx, caller, staffID(caller)(request.StaffID), valueOr(request.Params.RequireEmpty, false), keyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.DeactivateStaff200JSONResponse{
		Body:    api.StaffDeactivation{Staff: h.staffOf(done.Staff), Workload: workloadOf(done.Workload)},
		Headers: api.DeactivateStaff200ResponseHeaders{ETag: etag(domain.Version(done.Staff.Fields())), IdempotencyReplayed: replayed(again)},
	}, nil
}

// ReactivateStaff gives a deactivated staff member access again.
func (h *handlers) ReactivateStaff(ctx context.Context, request api.ReactivateStaffRequestObject) (api.ReactivateStaffResponseObject, error) {
	caller := callerOf(ctx)
	staff, again, err := h.app.ReactivateStaff(ctx, caller, staffID(caller)(request.StaffID), keyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.ReactivateStaff200JSONResponse{Body: h.staffOf(staff), Headers: api.ReactivateStaff200ResponseHeaders{
		ETag: etag(domain.Version(staff.Fields())), IdempotencyReplayed: replayed(again),
	}}, nil
}

// GetStaffWorkload counts what a staff member holds.
func (h *handlers) GetStaffWorkload(ctx context.Context, request api.GetStaffWorkloadRequestObject) (api.GetStaffWorkloadResponseObject, error) {
	caller := callerOf(ctx)
	workload, err := h.app.StaffWorkload(ctx, caller, staffID(caller)(request.StaffID))
	if err != nil {
		return nil, err
	}
	return api.GetStaffWorkload200JSONResponse(workloadOf(workload)), nil
}

func workloadOf(workload domain.Workload) api.Workload {
	id := workload.Staff.ID.String()
	return api.Workload{
		Staff: staffRefOf(workload.Staff), People: peopleCounts(domain.SelectionKinds{Clients: workload.Clients, Referrals: workload.Referrals}),
		ActiveTasks: workload.ActiveTasks, PastDueTasks: workload.PastDueTasks, Matters: workload.Matters, Events: workload.Events,
		Links: api.WorkloadLinks{
			People: "/v1/people?staff_id=" + id, ActiveTasks: "/v1/tasks?assignee_id=" + id + "&active=true",
			PastDueTasks: "/v1/tasks?assignee_id=" + id + "&past_due=true", Matters: "/v1/matters?responsible_staff_id=" + id + "&status=open,pending",
			Events:   "/v1/calendar-events?owner_staff_id=" + id + "&starts_from=" + workload.At.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano),
			HandOver: "/v1/reassign-work", HandOverPeople: "/v1/manage-assignments",
		},
	}
}

// ListStaffIdentities tells what issuers of OpenID Connect call a staff member.
func (h *handlers) ListStaffIdentities(ctx context.Context, request api.ListStaffIdentitiesRequestObject) (api.ListStaffIdentitiesResponseObject, error) {
	caller := callerOf(ctx)
	identities, err := h.app.StaffIdentities(ctx, caller, staffID(caller)(request.StaffID))
	if err != nil {
		return nil, err
	}
	return api.ListStaffIdentities200JSONResponse(identitiesOf(identities)), nil
}

// UnbindStaffIdentities forgets what issuers call a staff member.
func (h *handlers) UnbindStaffIdentities(ctx context.Context, request api.UnbindStaffIdentitiesRequestObject) (api.UnbindStaffIdentitiesResponseObject, error) {
	caller := callerOf(ctx)
	left, again, err := h.app.UnbindStaffIdentities(ctx, caller, staffID(caller)(request.StaffID), keyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.UnbindStaffIdentities200JSONResponse{Body: identitiesOf(left), Headers: api.UnbindStaffIdentities200ResponseHeaders{IdempotencyReplayed: replayed(again)}}, nil
}

func identitiesOf(identities domain.StaffIdentities) api.StaffIdentities {
	return api.StaffIdentities{EmailTrusted: identities.EmailTrusted, Items: all(identities.Bound, func(identity domain.BoundIdentity) api.StaffIdentity {
		return api.StaffIdentity{ID: identity.ID, Issuer: identity.Issuer, Subject: identity.Subject, Email: identity.Email, BoundAt: identity.BoundAt}
	})}
}
