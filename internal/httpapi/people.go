package httpapi

import (
	"context"

	"handover/api"
	"handover/internal/domain"
)

// ListPeople lists the people the caller sees (A2, A19).
func (h *handlers) ListPeople(ctx context.Context, request api.ListPeopleRequestObject) (api.ListPeopleResponseObject, error) {
	caller, params := callerOf(ctx), request.Params
	after, err := afterOf(ctx, params.Cursor)
	if err != nil {
		return nil, err
	}
	filter := domain.PersonFilter{
		Kinds: allOf(params.Kind, as[domain.PersonKind, api.PersonKind]), Statuses: allOf(params.Status, as[domain.PersonStatus, api.PersonStatus]),
		StaffIDs: allOf(params.StaffID, staffID(caller)), HasStaff: params.HasStaff, HasActiveTasks: params.HasActiveTasks,
		SelectionID: params.SelectionID, Query: valueOr(params.Q, ""), ExternalIDs: valueOr(params.ExternalID, nil),
	}
	people, err := h.app.People(ctx, caller, filter, domain.Page{After: after, Limit: limitOf(params.Limit)}, valueOr(params.IncludeTotal, false))
	if err != nil {
		return nil, err
	}
	page := api.ListPeople200JSONResponse{Items: all(people.Items, personOf), Total: people.Total, NextCursor: nextPage(ctx, people, personID)}
	return page, nil
}

// GetPerson reads one person.
func (h *handlers) GetPerson(ctx context.Context, request api.GetPersonRequestObject) (api.GetPersonResponseObject, error) {
	person, err := h.app.Person(ctx, callerOf(ctx), request.PersonID)
	if err != nil {
		return nil, err
	}
	return api.GetPerson200JSONResponse{
		Body: personOf(person), Headers: api.GetPerson200ResponseHeaders{ETag: etag(domain.Version(person.Fields()))},
	}, nil
}

// CreateReferral adds a person who was referred in.
func (h *handlers) CreateReferral(ctx context.Context, request api.CreateReferralRequestObject) (api.CreateReferralResponseObject, error) {
	body := request.Body
	person, again, err := h.app.CreateReferral(ctx, callerOf(ctx), domain.Person{
		FirstName: body.FirstName, LastName: body.LastName, Email: pointerOf(body.Email), Phone: pointerOf(body.Phone), ExternalID: pointerOf(body.ExternalID),
	}, keyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.CreateReferral201JSONResponse{Body: personOf(person), Headers: api.CreateReferral201ResponseHeaders{
		Location: "/v1/people/" + person.ID.String(), ETag: etag(domain.Version(person.Fields())), IdempotencyReplayed: replayed(again),
	}}, nil
}

// UpsertPersonByExternalID writes a person as another system knows them (D3).
func (h *handlers) UpsertPersonByExternalID(ctx context.Context, request api.UpsertPersonByExternalIDRequestObject) (api.UpsertPersonByExternalIDResponseObject, error) {
	body := request.Body
	person, created, err := h.app.UpsertPerson(ctx, callerOf(ctx), request.ExternalID, func(person *domain.Person) {
		person.Kind, person.FirstName, person.LastName = domain.PersonKind(body.Kind), body.FirstName, body.LastName
		if body.Status != nil {
			person.Status = domain.PersonStatus(*body.Status)
		}
		setNullable(&person.Email, body.Email)
		setNullable(&person.Phone, body.Phone)
	})
	if err != nil {
		return nil, err
	}
	tag := etag(domain.Version(person.Fields()))
	if created {
		return api.UpsertPersonByExternalID201JSONResponse{Body: personOf(person), Headers: api.UpsertPersonByExternalID201ResponseHeaders{
			Location: "/v1/people/" + person.ID.String(), ETag: tag,
		}}, nil
	}
	return api.UpsertPersonByExternalID200JSONResponse{Body: personOf(person), Headers: api.UpsertPersonByExternalID200ResponseHeaders{ETag: tag}}, nil
}
