package acceptance

import "github.com/google/uuid"

const clientsToo = "ac...."

// clientRoleRows are the rows of clients, of the case systems, and of how clients and staff get in (C).
var clientRoleRows = []roleRow{
	{operation: "createClient", to: "by hand (C2)", scope: "clients", may: clientsToo, status: 201, ask: func(*world, member) ask { return withBody(newClient(object{})) }},
	{operation: "createClient", to: "without an invitation (C6)", scope: "clients", may: clientsToo, status: 201, ask: func(*world, member) ask {
		return withBody(newClient(object{"send_invitation": false}))
	}},
	{operation: "createClient", to: "from a Common Assessment (C3)", scope: "clients", may: clientsToo, status: 201, ask: func(*world, member) ask {
		return withBody(object{"source": "common_assessment", "assessment_number": newAssessment()})
	}},
	{operation: "createClient", to: "from CaMS (C4)", scope: "clients", may: clientsToo, status: 201, ask: func(*world, member) ask {
		return withBody(object{"source": "cams", "cams_reference": newReference()})
	}},
	{operation: "becomeClient", scope: "clients", may: adminOnly, status: 200, ask: ofReferral(object{})},
	{operation: "becomeClient", to: "without an invitation", scope: "clients", may: adminOnly, status: 200, ask: ofReferral(object{"send_invitation": false})},
	{operation: "becomeClient", to: "a referral of one's own", scope: "clients", may: adminOnly, status: 200, ask: func(w *world, caller member) ask {
		return inPath("person_id", w.reachable("referral", caller).String()).sending(object{})
	}},

	{operation: "getClient", scope: "read", may: clientsToo, status: 200, ask: ofClient((*world).plainClient)},
	{operation: "getClient", to: "linked to CaMS", scope: "read", may: clientsToo, status: 200, ask: ofClient((*world).linkedClient)},
	{operation: "getClient", to: "assigned to oneself", scope: "read", may: clientsToo, status: 200, ask: func(w *world, caller member) ask {
		return inPath("client_id", w.person("client", caller).String())
	}},
	{operation: "getClient", to: "a referral", scope: "read", may: nobody, refused: 404, ask: func(w *world, _ member) ask {
		return inPath("client_id", w.person("referral").String())
	}},
	{operation: "getClientSection", scope: "read", may: clientsToo, status: 200, ask: func(w *world, _ member) ask {
		return editing(w.person("client"), "employment", nil).sending(nil)
	}},
	{operation: "updateClientSection", scope: "clients", may: clientsToo, status: 200, ask: func(w *world, _ member) ask {
		return editing(w.person("client"), "identity", object{"preferred_name": "Rosie"}).with("If-Match", "*")
	}},
	{operation: "updateClientSection", to: "of a client assigned to oneself", scope: "clients", may: clientsToo, status: 200, ask: func(w *world, caller member) ask {
		return editing(w.person("client", caller), "notes", object{"notes": "Works nights."}).with("If-Match", "*")
	}},
	{operation: "updateClientSection", to: "of a client linked to CaMS, not its own (C4)", scope: "clients", may: clientsToo, status: 200, ask: func(w *world, _ member) ask {
		return editing(w.linkedClient(), "contact", object{"preferred_channel": "text"}).with("If-Match", "*")
	}},
	{operation: "listClientMatches", scope: "read", may: everybody, status: 200, ask: func(*world, member) ask { return inQuery("last_name", "Delgado") }},

	{operation: "getCommonAssessment", scope: "clients", may: clientsToo, status: 200, ask: func(*world, member) ask { return inPath("number", newAssessment()) }},
	{operation: "getCamsClient", scope: "clients", may: clientsToo, status: 200, ask: func(*world, member) ask { return inPath("reference", newReference()) }},
	{operation: "linkCams", scope: "clients", may: clientsToo, status: 200, ask: func(w *world, _ member) ask {
		return inPath("client_id", w.person("client").String()).sending(object{"cams_reference": newReference()}).with("If-Match", "*")
	}},
	{operation: "linkCams", to: "another record", scope: "clients", may: clientsToo, status: 200, ask: func(w *world, _ member) ask {
		return inPath("client_id", w.linkedClient().String()).sending(object{"cams_reference": newReference()}).with("If-Match", "*")
	}},
	{operation: "unlinkCams", scope: "clients", may: clientsToo, status: 204, ask: func(w *world, caller member) ask {
		return ofClient((*world).linkedClient)(w, caller).with("If-Match", "*")
	}},
	{operation: "syncCams", scope: "clients", may: clientsToo, status: 200, ask: ofClient((*world).linkedClient)},
	{operation: "receiveCamsWebhook", may: everybody, status: 202, ask: func(w *world, _ member) ask {
		w.linkedClient()
		return withBody(camsMessage(newReference())).with("webhook-id", newID().String(), "webhook-timestamp", "1772463845", "webhook-signature", goodSignature)
	}},

	{operation: "resendClientInvite", scope: "clients", may: clientsToo, status: 200, ask: func(w *world, _ member) ask {
		return inPath("client_id", w.reachable("client").String())
	}},
	{operation: "resendStaffInvite", to: "member", scope: "admin", may: staffToo, status: 200, ask: func(w *world, _ member) ask {
		return inPath("staff_id", w.tokenless("member").ID.String())
	}},
	{operation: "resendStaffInvite", to: "member who has API tokens", scope: "admin", may: adminOnly, status: 200, ask: ofMember("member")},
	{operation: "resendStaffInvite", to: "administrator", scope: "admin", may: adminOnly, status: 200, ask: ofMember("administrator")},
	{operation: "createStaff", to: "member who is invited (C7)", scope: "admin", may: staffToo, status: 201, ask: func(*world, member) ask {
		return withBody(with(newMember("member"), "send_invitation", true))
	}},
	{operation: "getInvitation", may: everybody, status: 200, ask: func(w *world, _ member) ask {
		return inPath("token", w.openInvitation(w.reachable("client")))
	}},
	{operation: "acceptInvitation", may: everybody, status: 200, ask: func(w *world, _ member) ask {
		return inPath("token", w.openInvitation(w.reachable("client"))).sending(object{"password": clientPassword})
	}},
	{operation: "createSession", may: everybody, status: 201, ask: func(w *world, _ member) ask {
		return withBody(object{"email": emailOf(w.clientWithAccount()), "password": clientPassword})
	}},
	{operation: "getMyProfile", may: nobody, status: 200, ask: plainly},
	{operation: "deleteSession", may: everybody, status: 204, ask: func(*world, member) ask { return ask{}.with("If-Match", "*") }},
}

// newClient is a client by hand, with more fields.
func newClient(more object) object {
	body := object{"source": "manual", "first_name": "Rosa", "last_name": "Delgado", "email": newID().String() + "@mail.example"}
	for name, value := range more {
		body[name] = value
	}
	return body
}

func camsMessage(reference string) object {
	return object{"type": "client.changed", "timestamp": "2026-03-02T15:04:05Z", "data": object{"reference": reference}}
}

func (w *world) plainClient() uuid.UUID { return w.person("client") }

func ofClient(client func(*world) uuid.UUID) func(*world, member) ask {
	return func(w *world, _ member) ask { return inPath("client_id", client(w).String()) }
}

func ofReferral(body object) func(*world, member) ask {
	return func(w *world, _ member) ask {
		return inPath("person_id", w.reachable("referral").String()).sending(body)
	}
}
