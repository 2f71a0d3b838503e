package casesim

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Message is a webhook as it is sent.
type Message struct {
	Header http.Header
	Body   []byte
}

// NewMessage tells that a client has changed, signed as Standard Webhooks has it.
func NewMessage(secret, id, reference string, at time.Time) (Message, error) {
	body, err := json.Marshal(map[string]any{"type": "client.changed", "timestamp": at.UTC().Format(time.RFC3339), "data": map[string]string{"reference": reference}})
	if err != nil {
		return Message{}, err
	}
	signer, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return Message{}, err
	}
	signature, err := signer.Sign(id, at, body)
	if err != nil {
		return Message{}, err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	header.Set(standardwebhooks.HeaderWebhookID, id)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return Message{Header: header, Body: body}, nil
}

func (s *Simulator) tell(reference string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.tellLocked(reference)
}

func (s *Simulator) tellLocked(reference string) {
	if s.webhook.URL == "" {
		return
	}
	to := s.webhook
	s.sending.Go(func() { s.send(to, reference) })
}

const (
	sendingPatience = 5 * time.Second
	sendingAttempts = 5
)

// send sends a message until it is taken, a few times. That it is lost is the receiver's to make up for, with a pull.
func (s *Simulator) send(to Webhook, reference string) {
	message, err := NewMessage(to.Secret, "msg_"+rand.Text(), reference, s.now())
	if err != nil {
		return
	}
	for attempt := range sendingAttempts {
		if sent(s.alive, to.URL, message) {
			return
		}
		select {
		case <-s.alive.Done():
			return
		case <-time.After(time.Second << attempt):
		}
	}
}

func sent(ctx context.Context, url string, message Message) bool {
	ctx, cancel := context.WithTimeout(ctx, sendingPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(message.Body))
	if err != nil {
		return false
	}
	request.Header = message.Header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close() // its status says all
	return response.StatusCode < http.StatusMultipleChoices
}
