package httpapi

import (
	"context"
	"encoding/json"
	"fmt"

	"handover/api"
	"handover/internal/app"
	"handover/internal/domain"
)

// CreateClient adds a client from one of three sources (C2 to C4).
func (h *handlers) CreateClient(ctx context.Context, request api.CreateClientRequestObject) (api.CreateClientResponseObject, error) {
	source, err := request.Body.ValueByDiscriminator()
	if err != nil {
		return nil, fmt.Errorf("read client: %w", err)
	}
	client, again, err := h.createClient(ctx, source, keyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.CreateClient201JSONResponse{Body: h.clientAnswer(client, again), Headers: api.CreateClient201ResponseHeaders{
		Location: "/v1/clients/" + client.ID.String(), ETag: clientTag(client), IdempotencyReplayed: replayed(again),
	}}, nil
}

func (h *handlers) createClient(ctx context.Context, source any, key *app.Key) (client domain.Client, again bool, err error) {
	switch source := source.(type) {
	case api.ManualClientCreate:
		person := domain.Person{
			FirstName: source.FirstName, LastName: source.LastName, Email: &source.Email, Phone: pointerOf(source.Phone), ExternalID: pointerOf(source.ExternalID),
		}
		return h.app.CreateClient(ctx, callerOf(ctx), domain.Client{Person: person}, newClientOptions(source.SendInvitation, source.ConfirmDuplicate), key)
	case api.AssessmentClientCreate:
		return h.createFromAssessment(ctx, source, key)
	case api.CamsClientCreate:
		return h.createFromCaMS(ctx, source, key)
	}
	return domain.Client{}, false, fmt.Errorf("unknown source %T", source)
}

// newClientOptions are what is decided with a new client, as it was sent. Clients are invited unless that is declined (C6).
func newClientOptions(invite *api.SendInvitation, confirm *api.ConfirmDuplicate) app.NewClientOptions {
	return app.NewClientOptions{Invite: valueOr(invite, true), ConfirmDuplicate: valueOr(confirm, false)}
}

// GetClient reads one client.
func (h *handlers) GetClient(ctx context.Context, request api.GetClientRequestObject) (api.GetClientResponseObject, error) {
	client, err := h.app.Client(ctx, callerOf(ctx), request.ClientID)
	if err != nil {
		return nil, err
	}
	return api.GetClient200JSONResponse{Body: h.clientOf(client), Headers: api.GetClient200ResponseHeaders{ETag: clientTag(client)}}, nil
}

// GetClientSection reads one section of a client (C5).
func (h *handlers) GetClientSection(ctx context.Context, request api.GetClientSectionRequestObject) (api.GetClientSectionResponseObject, error) {
	client, err := h.app.Client(ctx, callerOf(ctx), request.ClientID)
	if err != nil {
		return nil, err
	}
	name := domain.SectionName(request.Section)
	section, err := sectionOf(client, name)
	if err != nil {
		return nil, fmt.Errorf("show section: %w", err)
	}
	return api.GetClientSection200JSONResponse{Body: section, Headers: api.GetClientSection200ResponseHeaders{ETag: sectionTag(client, name)}}, nil
}

// UpdateClientSection changes fields of one section of a client (C5).
func (h *handlers) UpdateClientSection(ctx context.Context, request api.UpdateClientSectionRequestObject) (api.UpdateClientSectionResponseObject, error) {
	name := domain.SectionName(request.Section)
	patch, err := sectionPatch(rawBody(ctx))
	if err != nil {
		return nil, err
	}
	if err := domain.CheckSectionFields(name, patch); err != nil {
		return nil, err
	}
	match, err := ifMatchOf(request.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	client, err := h.app.UpdateClientSection(ctx, callerOf(ctx), request.ClientID, app.SectionEdit{
		Section: name, IfMatch: match, Patch: patch, ConfirmDuplicate: valueOr(request.Body.ConfirmDuplicate, false),
	})
	if err != nil {
		return nil, err
	}
	return api.UpdateClientSection200JSONResponse{
		Body: h.clientOf(client), Headers: api.UpdateClientSection200ResponseHeaders{ETag: sectionTag(client, name)},
	}, nil
}

// sectionPatch is what a body changes of a section: all of it but what is decided with the change.
func sectionPatch(body []byte) ([]byte, error) {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, fmt.Errorf("read section: %w", err)
	}
	if _, decides := fields["confirm_duplicate"]; !decides {
		return body, nil
	}
	delete(fields, "confirm_duplicate")
	patch, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("encode section: %w", err)
	}
	return patch, nil
}

// BecomeClient turns a referral into a client.
func (h *handlers) BecomeClient(ctx context.Context, request api.BecomeClientRequestObject) (api.BecomeClientResponseObject, error) {
	client, again, err := h.app.BecomeClient(ctx, callerOf(ctx), request.PersonID, app.BecomeClientRequest{
		Email: request.Body.Email, Invite: valueOr(request.Body.SendInvitation, true), ConfirmDuplicate: valueOr(request.Body.ConfirmDuplicate, false),
	}, keyOf(ctx, request.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return api.BecomeClient200JSONResponse{Body: h.clientAnswer(client, again), Headers: api.BecomeClient200ResponseHeaders{
		ETag: clientTag(client), IdempotencyReplayed: replayed(again),
	}}, nil
}

// ListClientMatches looks whether a person is already here (C1).
func (h *handlers) ListClientMatches(ctx context.Context, request api.ListClientMatchesRequestObject) (api.ListClientMatchesResponseObject, error) {
	people, err := h.app.ClientMatches(ctx, callerOf(ctx), valueOr(request.Params.FirstName, ""), request.Params.LastName)
	if err != nil {
		return nil, err
	}
	return api.ListClientMatches200JSONResponse{Items: all(people, personOf)}, nil
}
