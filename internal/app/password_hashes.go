package app

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/crypto/argon2"
)

// recipe is what the hash of a password is made with (argon2id).
type recipe struct {
	memory  uint32 // KiB
	rounds  uint32
	threads uint8
	salt    string // bytes
}

// Beyond these no hash of this service was made.
const (
	mostHashMemory = 256 << 10
	mostHashRounds = 32
)

// keptPassword is the password of an account as it is stored: its hash, sealed for this account with a key of the installation, so
// that equal passwords do not show, and the database alone is nothing to guess at. Earlier the hash stood there as it is.
type keptPassword struct {
	account uuid.UUID
	text    string
}

// sealedHash begins what is sealed. Otherwise it is the hash itself, in the PHC string format.
const sealedHash = "$sealed$"

// keep gives a hash by the recipe of now the form in which it is stored.
func (p *passwords) keep(account uuid.UUID, hash []byte) (string, error) {
	sealed, err := sealBeside(p.sealKeys[0], []byte(p.now.written(hash)), account[:])
	if err != nil {
		return "", fmt.Errorf("seal the hash of a password: %w", err)
	}
	return sealedHash + base64.RawStdEncoding.EncodeToString(sealed), nil
}

// openedPassword is what is stored of a password.
type openedPassword struct {
	with      recipe
	hash      []byte // nil: it cannot be read
	sealed    bool
	sealedNow bool // with the key of now
}

// open reads what is stored of a password.
func (p *passwords) open(kept keptPassword) (opened openedPassword) {
	text, sealed := strings.CutPrefix(kept.text, sealedHash)
	if !sealed {
		opened.with, opened.hash, _ = readHash(kept.text)
		return opened
	}
	opened.sealed = true
	closed, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return opened
	}
	if written, with, err := openWithAny(p.sealKeys, closed, kept.account[:]); err == nil {
		opened.with, opened.hash, _ = readHash(string(written))
		opened.sealedNow = with == 0
	}
	return opened
}

// written is a hash in the PHC string format.
func (r recipe) written(hash []byte) string {
	text := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, r.memory, r.rounds, r.threads,
		text.EncodeToString([]byte(r.salt)), text.EncodeToString(hash))
}

var errNoHash = errors.New("no hash of a password as this service makes them")

// readHash reads a hash in the PHC string format.
func readHash(written string) (with recipe, hash []byte, err error) {
	parts := strings.Split(written, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return recipe{}, nil, errNoHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &with.memory, &with.rounds, &with.threads); err != nil {
		return recipe{}, nil, errNoHash
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return recipe{}, nil, errNoHash
	}
	with.salt = string(salt)
	if hash, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(hash) != hashLength ||
		with.memory > mostHashMemory || with.rounds == 0 || with.rounds > mostHashRounds || with.threads == 0 {
		return recipe{}, nil, errNoHash
	}
	return with, hash, nil
}
