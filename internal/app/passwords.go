package app

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/secure/precis"

	"handover/internal/domain"
)

const (
	// What OWASP asks of argon2id at least: 19 MiB and two passes. More memory would be held for everybody who signs in at once.
	hashMemory  = 19 << 10
	hashRounds  = 2
	hashThreads = 1
	saltLength  = 16
	hashLength  = 32

	// mostPasswordsAtOnce bounds the memory that signing in takes, whoever asks.
	mostPasswordsAtOnce = 4
	// mostPasswordsWaiting is how many wait for their turn; more are turned away.
	mostPasswordsWaiting = 256
)

// passwords hashes and judges passwords, a few at a time.
type passwords struct {
	turns    chan struct{}
	waiting  atomic.Int64
	hashed   atomic.Int64
	now      recipe   // of every hash that is made
	sealKeys [][]byte // of the hashes that are kept: the first seals, each may open
}

// newPasswords takes the secret of the installation, and those that it had before.
func newPasswords(secret []byte, previous ...[]byte) *passwords {
	return &passwords{
		turns:    make(chan struct{}, min(runtime.GOMAXPROCS(0), mostPasswordsAtOnce)),
		now:      recipe{hashMemory, hashRounds, hashThreads, string(derivedKey(secret, "salt of passwords")[:saltLength])},
		sealKeys: derivedKeys("hashes of passwords", secret, previous),
	}
}

// derivedKeys are the keys for one purpose that come from the secrets of the installation, that of now first.
func derivedKeys(purpose string, secret []byte, previous [][]byte) [][]byte {
	keys := [][]byte{derivedKey(secret, purpose)}
	for _, old := range previous {
		keys = append(keys, derivedKey(old, purpose))
	}
	return keys
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

// hash computes the hash of a prepared password.
func (p *passwords) hash(password string, with recipe) []byte {
	p.hashed.Add(1)
	return argon2.IDKey([]byte(password), []byte(with.salt), with.rounds, with.memory, with.threads, hashLength)
}

// mostRecipes is how many computations looking at one password costs at most, where hashes were kept before all had one recipe.
const mostRecipes = 8

// passwordLook is a look at a password, beside those that are kept of the accounts of an address.
type passwordLook struct {
	fits     []int // places of the accounts whose password it is
	all      bool  // each of them was looked at
	unopened bool  // some are sealed with a key that this process does not have

	passwords *passwords
	text      string // the password, prepared
	computed  map[recipe][]byte
}

// look tells which of the passwords that are kept a password is. As much is computed for an address that has none, or several: one
// hash. Only those kept before all had one recipe can make it more, until whoever has them signs in; of these what is made as
// today comes first, so that no number of others keeps somebody out.
func (p *passwords) look(password string, kept []keptPassword) passwordLook {
	text, err := prepared(password)
	if err != nil {
		text = password // something to compute with for what is no password too
	}
	look := passwordLook{all: true, passwords: p, text: text, computed: map[recipe][]byte{}}
	opened := make([]openedPassword, len(kept))
	for place, one := range kept {
		opened[place] = p.open(one)
		look.unopened = look.unopened || opened[place].sealed && opened[place].hash == nil
	}
	for _, asToday := range []bool{true, false} {
		for place, one := range opened {
			if one.hash == nil || (one.with == p.now) != asToday {
				continue
			}
			computed, ok := look.compute(one.with)
			look.all = look.all && ok
			if ok && subtle.ConstantTimeCompare(computed, one.hash) == 1 && err == nil {
				look.fits = append(look.fits, place)
			}
		}
	}
	if len(look.computed) == 0 {
		look.compute(p.now)
	}
	slices.Sort(look.fits)
	return look
}

// compute is the password's hash by a recipe; ok is false where there are too many of them.
func (l passwordLook) compute(with recipe) (hash []byte, ok bool) {
	hash, known := l.computed[with]
	if !known && len(l.computed) < mostRecipes {
		hash = l.passwords.hash(l.text, with)
		l.computed[with] = hash
		known = true
	}
	return hash, known
}

// renewed is what is to be kept of the password for an account in place of what there is; empty where that is as it would be kept
// today.
func (l passwordLook) renewed(kept keptPassword) (string, error) {
	if opened := l.passwords.open(kept); opened.sealedNow && opened.with == l.passwords.now {
		return "", nil
	}
	hash, known := l.computed[l.passwords.now]
	if !known {
		hash = l.passwords.hash(l.text, l.passwords.now)
	}
	return l.passwords.keep(kept.account, hash)
}
