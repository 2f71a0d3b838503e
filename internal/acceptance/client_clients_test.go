package acceptance

import (
	"strings"
	"testing"

	"github.com/oapi-codegen/nullable"

	"handover/api/client"
)

// The README's third walk as a program built on the generated client takes it: a client is added from an assessment, linked to CaMS,
// edited, invited again, and gets into the portal; refusals are read on the way.
func TestGeneratedClientTakesAClientIn(t *testing.T) {
	t.Parallel()
	s := start(t)
	w := s.organization(t)
	office, page, ctx := w.client(w.Admin), w.client(member{}), t.Context()
	number, reference := newAssessment(), newReference()

	preview, err := office.GetCommonAssessmentWithResponse(ctx, number)
	if err != nil || preview.JSON200 == nil || !preview.JSON200.Submitted || preview.JSON200.RegisteredInCams {
		t.Fatalf("preview: %v %s", err, preview.Body)
	}
	var source client.ClientCreate
	if err := source.FromAssessmentClientCreate(client.AssessmentClientCreate{AssessmentNumber: number}); err != nil {
		t.Fatal(err)
	}
	added, err := office.CreateClientWithResponse(ctx, &client.CreateClientParams{IdempotencyKey: new("rosa")}, source)
	if err != nil || added.JSON201 == nil || added.JSON201.Name != "Rosa Delgado "+number || added.JSON201.Invitation.MustGet().Status != "pending" {
		t.Fatalf("added: %v %s", err, added.Body)
	}
	if again, err := office.CreateClientWithResponse(ctx, &client.CreateClientParams{IdempotencyKey: new("rosa")}, source); err != nil || string(again.Body) != string(added.Body) {
		t.Fatalf("added again: %v %s", err, again.Body)
	}
	id := added.JSON201.ID
	matches, err := office.ListClientMatchesWithResponse(ctx, &client.ListClientMatchesParams{LastName: "delgado", FirstName: new("rosa")})
	if err != nil || matches.JSON200 == nil || len(matches.JSON200.Items) != 1 || matches.JSON200.Items[0].ID != id {
		t.Fatalf("matches: %v %s", err, matches.Body)
	}
	var manual client.ClientCreate
	if err := manual.FromManualClientCreate(client.ManualClientCreate{FirstName: "Rosa", LastName: "Delgado", Email: added.JSON201.Email.MustGet()}); err != nil {
		t.Fatal(err)
	}
	duplicate, err := office.CreateClientWithResponse(ctx, nil, manual)
	if err != nil {
		t.Fatal(err)
	}
	if problem := duplicate.ApplicationProblemJSONDefault; problem == nil || problem.Code != "duplicate_person" || (*problem.Matches)[0].ID != id {
		t.Fatalf("duplicate: got %d %s", duplicate.StatusCode(), duplicate.Body)
	}

	linked, err := office.LinkCamsWithResponse(ctx, id, &client.LinkCamsParams{IfMatch: new(added.HTTPResponse.Header.Get("ETag"))}, client.CamsLinkReplace{CamsReference: reference})
	if err != nil || linked.JSON200 == nil || linked.JSON200.Cams.MustGet().Reference != reference {
		t.Fatalf("linked: %v %s", err, linked.Body)
	}
	owned, err := office.UpdateClientSectionWithResponse(ctx, id, client.ClientSectionNameContact, &client.UpdateClientSectionParams{IfMatch: new("*")},
		client.ClientSectionUpdate{Phone: nullable.NewNullNullable[string]()})
	if err != nil {
		t.Fatal(err)
	}
	if problem := owned.ApplicationProblemJSONDefault; problem == nil || problem.Code != "managed_by_cams" || problem.Errors[0].Pointer != "/phone" {
		t.Fatalf("owned by CaMS: got %d %s", owned.StatusCode(), owned.Body)
	}
	edited, err := office.UpdateClientSectionWithResponse(ctx, id, client.ClientSectionNameEmployment,
		&client.UpdateClientSectionParams{IfMatch: &linked.JSON200.SectionEtags.Employment},
		client.ClientSectionUpdate{Status: nullable.NewNullableWithValue(client.EmploymentStatusUnemployed), TargetOccupations: new([]string{"Head cook"})})
	if err != nil || edited.JSON200 == nil || edited.JSON200.Sections.Employment.Status.MustGet() != "unemployed" {
		t.Fatalf("edited: %v %s", err, edited.Body)
	}
	section, err := office.GetClientSectionWithResponse(ctx, id, client.ClientSectionNameContact, nil)
	if err != nil || section.JSON200 == nil || len(section.JSON200.ManagedByCams) != 2 || section.HTTPResponse.Header.Get("ETag") != edited.JSON200.SectionEtags.Contact {
		t.Fatalf("section: %v %s", err, section.Body)
	}

	sent, err := office.ResendClientInviteWithResponse(ctx, id, nil)
	if err != nil || sent.JSON200 == nil || sent.JSON200.TimesSent != 2 {
		t.Fatalf("sent: %v %s", err, sent.Body)
	}
	token := sent.JSON200.InviteURL[strings.LastIndexByte(sent.JSON200.InviteURL, '/')+1:]
	opened, err := page.GetInvitationWithResponse(ctx, token)
	if err != nil || opened.JSON200 == nil || opened.JSON200.Email != sent.JSON200.SentTo || opened.JSON200.Organization != "Harbour" {
		t.Fatalf("opened: %v %s", err, opened.Body)
	}
	weak, err := page.AcceptInvitationWithResponse(ctx, token, client.InvitationAccept{Password: "rosa.delgado"})
	if err != nil {
		t.Fatal(err)
	}
	if problem := weak.ApplicationProblemJSONDefault; problem == nil || problem.Code != "password_weak" || problem.Params["feedback"] == nil {
		t.Fatalf("weak: got %d %s", weak.StatusCode(), weak.Body)
	}
	accepted, err := page.AcceptInvitationWithResponse(ctx, token, client.InvitationAccept{Password: clientPassword})
	if err != nil || accepted.JSON200 == nil || accepted.JSON200.Account.Kind != "client" {
		t.Fatalf("accepted: %v %s", err, accepted.Body)
	}
	late, err := office.ResendClientInviteWithResponse(ctx, id, nil)
	if err != nil {
		t.Fatal(err)
	}
	if problem := late.ApplicationProblemJSONDefault; problem == nil || problem.Code != "already_activated" {
		t.Fatalf("sent once more: got %d %s", late.StatusCode(), late.Body)
	}

	session, err := page.CreateSessionWithResponse(ctx, client.SessionCreate{Email: strings.ToUpper(sent.JSON200.SentTo), Password: clientPassword})
	if err != nil || session.JSON201 == nil || session.JSON201.Kind != "client" {
		t.Fatalf("session: %v %s", err, session.Body)
	}
	portal := w.client(member{Token: session.JSON201.Token})
	profile, err := portal.GetMyProfileWithResponse(ctx)
	if err != nil || profile.JSON200 == nil || profile.JSON200.ID != id || profile.JSON200.Employment.TargetOccupations[0] != "Head cook" {
		t.Fatalf("profile: %v %s", err, profile.Body)
	}
	people, err := portal.ListPeopleWithResponse(ctx, nil)
	if err != nil || people.StatusCode() != 403 {
		t.Fatalf("people: %v %s", err, people.Body)
	}
	ended, err := portal.DeleteSessionWithResponse(ctx, &client.DeleteSessionParams{IfMatch: new(session.HTTPResponse.Header.Get("ETag"))})
	if err != nil || ended.StatusCode() != 204 {
		t.Fatalf("ended: %v %s", err, ended.Body)
	}
	if gone, err := portal.GetMyProfileWithResponse(ctx); err != nil || gone.StatusCode() != 401 {
		t.Fatalf("the profile after the end: %v %s", err, gone.Body)
	}
}
