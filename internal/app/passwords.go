package app

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/secure/precis"

	"handover/internal/domain"
)

// recipe is what the hash of a password is made with (argon2id).
type recipe struct {
	memory  uint32 // KiB
	rounds  uint32
	threads uint8
	salt    string // bytes
}

const (
	// What OWASP asks of argon2id at least: 19 MiB and two passes. More memory would be held for everybody who signs in at once.
	hashMemory  = 19 << 10
	hashRounds  = 2
	hashThreads = 1
	saltLength  = 16
	hashLength  = 32
	// Beyond these no hash of this service was made.
	mostHashMemory = 256 << 10
	mostHashRounds = 32

	// mostPasswordsAtOnce bounds the memory that signing in takes, whoever asks.
	mostPasswordsAtOnce = 4
	// mostPasswordsWaiting is how many wait for their turn; more are turned away.
	mostPasswordsWaiting = 256
)

// passwords hashes and judges passwords, a few at a time.
type passwords struct {
	turns   chan struct{}
	waiting atomic.Int64
	hashed  atomic.Int64
	saltKey []byte
}

func newPasswords(secret []byte) *passwords {
	return &passwords{turns: make(chan struct{}, min(runtime.GOMAXPROCS(0), mostPasswordsAtOnce)), saltKey: derivedKey(secret, "salts of passwords")}
}

// derivedKey is a key for one purpose.
func derivedKey(secret []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, purpose, sha256.Size)
	if err != nil {
		panic("a key of 32 bytes: " + err.Error()) // fails for more than 255 times the length of a hash only
	}
	return key
}

// PasswordHashes is how many hashes of passwords were computed since the start: what a sign-in costs, and the measure of whether two
// of them take the same time.
func (a *App) PasswordHashes() int64 { return a.passwords.hashed.Load() }

// inTurn runs work when it is its turn.
func (p *passwords) inTurn(ctx context.Context, work func() error) error {
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > mostPasswordsWaiting {
		refusal := domain.Refuse(domain.CodeTooBusy, "Too many people are signing in just now. Try again shortly.")
		refusal.RetryAfter = 2 * time.Second
		return refusal
	}
	select {
	case p.turns <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait to look at a password: %w", ctx.Err())
	}
	defer func() { <-p.turns }()
	return work()
}

// prepared is a password as it is hashed (RFC 8265): the same text gives the same, whatever keyboard it comes from. Not every text
// can be one.
func prepared(password string) (string, error) { return precis.OpaqueString.String(password) }

// recipeFor is what the passwords of an address are hashed with now. Its salt is a function of the address and a key of the
// installation: unknown to others, and the same for all accounts of one address, so that looking at a password costs one
// computation whether the address has no account, one, or several.
func (p *passwords) recipeFor(email string) recipe {
	mac := hmac.New(sha256.New, p.saltKey)
	mac.Write([]byte(strings.ToLower(email))) // never fails
	return recipe{hashMemory, hashRounds, hashThreads, string(mac.Sum(nil)[:saltLength])}
}

// hash computes the hash of a prepared password.
func (p *passwords) hash(password string, with recipe) []byte {
	p.hashed.Add(1)
	return argon2.IDKey([]byte(password), []byte(with.salt), with.rounds, with.memory, with.threads, hashLength)
}

// kept is a hash as it is stored: in the PHC string format.
func (r recipe) kept(hash []byte) string {
	text := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, r.memory, r.rounds, r.threads,
		text.EncodeToString([]byte(r.salt)), text.EncodeToString(hash))
}

var errNoHash = errors.New("no hash of a password as this service makes them")

// readHash reads a stored hash.
func readHash(stored string) (with recipe, hash []byte, err error) {
	parts := strings.Split(stored, "$")
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

// mostRecipes is how many computations looking at one password costs at most.
const mostRecipes = 8

// fitting tells which of the stored hashes of an address are of a password, by their places. As much is computed for an address
// without any. Only where addresses have changed can there be hashes of several recipes: those of the address's own come first, so
// that no number of others keeps somebody out. all is false where there are so many that some were not looked at.
func (p *passwords) fitting(password, email string, stored []string) (fits []int, all bool) {
	password, unfit := preparedOrNot(password)
	own := p.recipeFor(email)
	computed := map[recipe][]byte{}
	compute := func(with recipe) []byte {
		hash, known := computed[with]
		switch {
		case known:
		case len(computed) < mostRecipes:
			hash = p.hash(password, with)
			computed[with] = hash
		default:
			all = false
		}
		return hash
	}
	all = true
	for _, isOwn := range []bool{true, false} {
		for place, text := range stored {
			with, wanted, err := readHash(text)
			if err == nil && (with == own) == isOwn && subtle.ConstantTimeCompare(compute(with), wanted) == 1 && !unfit {
				fits = append(fits, place)
			}
		}
	}
	if len(computed) == 0 {
		compute(own)
	}
	slices.Sort(fits)
	return fits, all
}

// preparedOrNot gives something to compute with for a text that is no password too.
func preparedOrNot(password string) (text string, unfit bool) {
	text, err := prepared(password)
	return text, err != nil
}

// renewed is another hash of a password that fits a stored one, where that was made by another recipe than is used now; empty where
// it was not.
func (p *passwords) renewed(password, email, stored string) string {
	now := p.recipeFor(email)
	if with, _, err := readHash(stored); err == nil && with == now {
		return ""
	}
	text, unfit := preparedOrNot(password)
	if unfit {
		return ""
	}
	return now.kept(p.hash(text, now))
}
