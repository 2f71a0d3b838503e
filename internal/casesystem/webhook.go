package casesystem

import (
	"errors"
	"net/http"
	"strings"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Signatures knows the webhooks of the case system from those of others, as Standard Webhooks has it.
type Signatures struct {
	secrets []*standardwebhooks.Webhook
}

const (
	secretPrefix = "whsec_"
	// minSecret is the length of 24 bytes in base64.
	minSecret = 32
)

// NewSignatures takes secrets, separated by blanks: while one takes the place of another there are two.
func NewSignatures(secrets string) (*Signatures, error) {
	s := &Signatures{}
	for _, secret := range strings.Fields(secrets) {
		webhook, err := standardwebhooks.NewWebhook(secret)
		if err != nil || !strings.HasPrefix(secret, secretPrefix) || len(secret) < len(secretPrefix)+minSecret {
			return nil, errors.New("HANDOVER_CASE_SYSTEM_WEBHOOK_SECRET is not as Standard Webhooks has it: whsec_ and at least 24 bytes in base64")
		}
		s.secrets = append(s.secrets, webhook)
	}
	return s, nil
}

var errSignature = errors.New("no secret makes this signature, or it is too old")

// Check tells whether a message was signed with one of the secrets, not more than five minutes ago. The headers are webhook-id,
// webhook-timestamp and webhook-signature.
func (s *Signatures) Check(id, timestamp, signature string, body []byte) error {
	headers := http.Header{}
	headers.Set(standardwebhooks.HeaderWebhookID, id)
	headers.Set(standardwebhooks.HeaderWebhookTimestamp, timestamp)
	headers.Set(standardwebhooks.HeaderWebhookSignature, signature)
	for _, secret := range s.secrets {
		if secret.Verify(body, headers) == nil {
			return nil
		}
	}
	return errSignature
}
