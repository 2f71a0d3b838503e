package domain

import "time"

// InvitationStatus of an invitation.
type InvitationStatus string

// The statuses of an invitation. One that has been accepted stays so, whatever its expiry.
const (
	InvitationPending  InvitationStatus = "pending"
	InvitationAccepted InvitationStatus = "accepted"
	InvitationExpired  InvitationStatus = "expired"
)

// InvitationState is how far the invitation of a client or a staff member is (C6, C7).
type InvitationState struct {
	Status    InvitationStatus
	SentTo    string // the address that the last one went to
	SentAt    time.Time
	ExpiresAt time.Time
	TimesSent int
}
