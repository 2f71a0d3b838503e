package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"handover/internal/app"
	"handover/internal/embedded"
)

// accessFlags say how people come in who have a password.
type accessFlags struct {
	InvitationURL string   `help:"The link in invitations, with {token} for the token; a page of yours, or else that of the service." env:"HANDOVER_INVITATION_URL" placeholder:"URL"`
	SecretKey     string   `help:"32 bytes in base64 that seal the hashes of passwords, what lies in the queue, and the cursors of lists; the same for every process. When it is not set, it is made at the first start and kept in .handover/secret.key." env:"HANDOVER_SECRET_KEY" placeholder:"KEY"`
	PreviousKeys  []string `name:"previous-secret-keys" help:"Secret keys that it was before, with commas between: what was sealed with them can be opened still." env:"HANDOVER_PREVIOUS_SECRET_KEYS" placeholder:"KEY"`
}

// secretPath is where the secret key is when it is not configured.
var secretPath = filepath.Join(embedded.DefaultDir, "secret.key")

// secretLength is the length of the secret key, in bytes.
const secretLength = 32

// access is how people come in. address is where the service is reached.
func (f accessFlags) access(address string) (app.Access, error) {
	link := f.InvitationURL
	if link == "" {
		link = strings.TrimRight(address, "/") + app.DefaultInvitationPath
	}
	secret, err := f.secret()
	if err != nil {
		return app.Access{}, err
	}
	access := app.Access{InvitationLink: link, Secret: secret}
	for _, text := range f.PreviousKeys {
		previous, err := secretIn(text)
		if err != nil {
			return app.Access{}, errors.New("one of the previous secret keys (HANDOVER_PREVIOUS_SECRET_KEYS) is not 32 bytes in base64")
		}
		access.PreviousSecrets = append(access.PreviousSecrets, previous)
	}
	return access, access.Check()
}

// secret reads the secret key. It is in none of the errors.
func (f accessFlags) secret() ([]byte, error) {
	text := f.SecretKey
	if text == "" {
		var err error
		if text, err = keptSecret(secretPath); err != nil {
			return nil, fmt.Errorf("keep a secret key in %s (HANDOVER_SECRET_KEY gives one): %w", secretPath, err)
		}
	}
	secret, err := secretIn(text)
	if err != nil {
		return nil, errors.New("the secret key (HANDOVER_SECRET_KEY, or .handover/secret.key) is not 32 bytes in base64, such as 'openssl rand -base64 32' prints")
	}
	return secret, nil
}

var errNoSecret = errors.New("no secret key")

func secretIn(text string) ([]byte, error) {
	secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(secret) != secretLength {
		return nil, errNoSecret
	}
	return secret, nil
}

// keptSecret reads a secret key from a file, and makes it where it is missing. Of several processes that do so at once, one makes it.
func keptSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return string(text), err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	var secret [secretLength]byte
	_, _ = rand.Read(secret[:])                                           // never fails
	unfinished, err := os.CreateTemp(filepath.Dir(path), ".secret-key-*") // for its owner alone
	if err != nil {
		return "", err
	}
	_, err = unfinished.WriteString(base64.StdEncoding.EncodeToString(secret[:]) + "\n")
	if err = errors.Join(err, unfinished.Sync(), unfinished.Close()); err == nil {
		err = os.Link(unfinished.Name(), path) // whole, and only where nobody else was first
	}
	if err := errors.Join(ifNotExists(err), os.Remove(unfinished.Name())); err != nil {
		return "", err
	}
	text, err = os.ReadFile(path)
	return string(text), err
}

// ifNotExists is an error that tells of anything but that something is there already.
func ifNotExists(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
