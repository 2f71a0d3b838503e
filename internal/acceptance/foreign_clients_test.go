package acceptance

// clientForeignRows are the rows of clients, of the case systems and of invitations.
var clientForeignRows = map[string]func(a *tenant) []ask{
	"createClient": func(*tenant) []ask {
		return []ask{
			withBody(newClient(object{"send_invitation": false})),
			withBody(object{"source": "common_assessment", "assessment_number": newAssessment(), "email": newID().String() + "@mail.example", "confirm_duplicate": false}),
			withBody(object{"source": "cams", "cams_reference": newReference(), "email": newID().String() + "@mail.example", "confirm_duplicate": false}),
		}
	},
	"becomeClient": func(a *tenant) []ask {
		return []ask{inPath("person_id", a.reachable("referral").String()).sending(object{"send_invitation": false})}
	},
	"getClient": func(a *tenant) []ask { return []ask{inPath("client_id", a.clientID.String())} },
	"getClientSection": func(a *tenant) []ask {
		return []ask{editing(a.clientID, "identity", nil).sending(nil)}
	},
	"updateClientSection": func(a *tenant) []ask {
		return []ask{editing(a.reachable("client"), "contact", object{"preferred_channel": "phone"}).with("If-Match", "*")}
	},
	"linkCams": func(a *tenant) []ask {
		return []ask{inPath("client_id", a.person("client").String()).sending(object{"cams_reference": newReference()}).with("If-Match", "*")}
	},
	"unlinkCams": func(a *tenant) []ask {
		return []ask{inPath("client_id", a.linkedClient().String()).with("If-Match", "*")}
	},
	"syncCams": func(a *tenant) []ask { return []ask{inPath("client_id", a.linkedClient().String())} },
	"resendClientInvite": func(a *tenant) []ask {
		return []ask{inPath("client_id", a.reachable("client").String())}
	},
	"resendStaffInvite": func(a *tenant) []ask { return []ask{inPath("staff_id", a.member("member").ID.String())} },
}

// openRows are requests of the operations that need no credential, and so belong to no organization: what they take is a secret, or
// what anybody may try. They would succeed.
var openRows = map[string]func(a *tenant) []ask{
	"getInvitation": func(a *tenant) []ask { return []ask{inPath("token", a.openInvitation(a.reachable("client")))} },
	"acceptInvitation": func(a *tenant) []ask {
		return []ask{inPath("token", a.openInvitation(a.reachable("client"))).sending(object{"password": clientPassword})}
	},
	"createSession": func(a *tenant) []ask {
		return []ask{withBody(object{"email": emailOf(a.clientWithAccount()), "password": clientPassword, "organization_id": a.ID})}
	},
	"receiveCamsWebhook": func(*tenant) []ask {
		return []ask{withBody(camsMessage(newReference())).with("webhook-id", newID().String(), "webhook-timestamp", "1772463845", "webhook-signature", goodSignature)}
	},
}

// rowsOf are requests of an operation that takes ids or a body; nil: it takes neither.
func rowsOf(operationID string) func(a *tenant) []ask {
	if rows := foreignRows[operationID]; rows != nil {
		return rows
	}
	return openRows[operationID]
}

// clients gives the tenant what only clients have: sections, a link, invitations, an account and its session, a record of an
// assessment.
func (a *tenant) clients() {
	a.t.Helper()
	a.linkedID, a.accountID = a.linkedClient(), a.clientWithAccount()
	a.clientSession(a.accountID)
	a.invitation = a.openInvitation(a.reachable("client"))
	a.exec(`INSERT INTO client_profiles (organization_id, person_id, notes, updated_at) SELECT $1, id, jsonb_build_object('notes', $2::text), now() FROM people WHERE organization_id = $1 AND kind = 'client'`,
		a.ID, a.mark)
	a.exec(`INSERT INTO client_assessments (organization_id, person_id, number, copied_at) VALUES ($1, $2, $3, now())`, a.ID, a.linkedID, newAssessment())
}

// clientIDs are the ids of what only clients have, by what they are.
func (a *tenant) clientIDs() map[string]string {
	first := func(query string) string { return a.ids(query, a.ID)[0].String() }
	return map[string]string{
		"a linked client": a.linkedID.String(), "a client with an account": a.accountID.String(),
		"an account": first(`SELECT id FROM accounts WHERE organization_id = $1`), "a session": first(`SELECT id FROM client_sessions WHERE organization_id = $1`),
		"an invitation": first(`SELECT id FROM invitations WHERE organization_id = $1`),
	}
}

// caseKeys are the numbers and references of case systems that the tenant's clients have.
func (a *tenant) caseKeys() map[string]string {
	a.t.Helper()
	var reference, number string
	for query, into := range map[string]*string{`SELECT reference FROM cams_links WHERE organization_id = $1 LIMIT 1`: &reference, `SELECT number FROM client_assessments WHERE organization_id = $1 LIMIT 1`: &number} {
		if err := a.service.DB.SQL.GetContext(a.t.Context(), into, query, a.ID); err != nil {
			a.t.Fatal(err)
		}
	}
	return map[string]string{"CL": reference, "CA": number}
}
