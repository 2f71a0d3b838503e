package testmail

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
)

// Parsed is a mail as its reader's program takes it.
type Parsed struct {
	Header  mail.Header
	Subject string
	To      mail.Address
	From    mail.Address
	ID      string // Message-ID
	Plain   string
	HTML    string
}

// Parse reads a mail that is multipart/alternative, plain text and HTML, and nothing else.
func Parse(text []byte) (Parsed, error) {
	message, err := mail.ReadMessage(strings.NewReader(string(text)))
	if err != nil {
		return Parsed{}, err
	}
	parsed := Parsed{Header: message.Header, ID: message.Header.Get("Message-ID")}
	decoder := &mime.WordDecoder{}
	if parsed.Subject, err = decoder.DecodeHeader(message.Header.Get("Subject")); err != nil {
		return parsed, err
	}
	for name, into := range map[string]*mail.Address{"To": &parsed.To, "From": &parsed.From} {
		addresses, err := message.Header.AddressList(name)
		if err != nil || len(addresses) != 1 {
			return parsed, fmt.Errorf("%s is not one address: %q: %w", name, message.Header.Get(name), err)
		}
		*into = *addresses[0]
	}
	if _, err := message.Header.Date(); err != nil {
		return parsed, err
	}
	kind, parameters, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		return parsed, fmt.Errorf("the mail is %q: %w", message.Header.Get("Content-Type"), err)
	}
	parts := multipart.NewReader(message.Body, parameters["boundary"])
	for _, wanted := range []struct {
		kind string
		into *string
	}{{"text/plain", &parsed.Plain}, {"text/html", &parsed.HTML}} {
		part, err := parts.NextRawPart()
		if err != nil {
			return parsed, fmt.Errorf("%s: %w", wanted.kind, err)
		}
		if kind, parameters, err := mime.ParseMediaType(part.Header.Get("Content-Type")); err != nil || kind != wanted.kind || !strings.EqualFold(parameters["charset"], "utf-8") {
			return parsed, fmt.Errorf("a part is %q, not %s", part.Header.Get("Content-Type"), wanted.kind)
		}
		if part.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			return parsed, fmt.Errorf("a part is encoded as %q", part.Header.Get("Content-Transfer-Encoding"))
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			return parsed, err
		}
		*wanted.into = strings.ReplaceAll(string(body), "\r\n", "\n")
	}
	if _, err := parts.NextRawPart(); !errors.Is(err, io.EOF) {
		return parsed, fmt.Errorf("there is a part too many: %w", err)
	}
	return parsed, nil
}
