package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"handover/internal/domain"
)

func TestPasswordStrength(t *testing.T) {
	t.Parallel()
	known := []string{"Chloé", "Martin", "chloe.m77@mail.example", "Lakeshore Employment"}
	for _, test := range []struct {
		password, advice string // empty: strong enough
	}{
		{"short", adviceTooShort},
		{"kv9#Lq2!xZ7", adviceTooShort},
		{"kv9#Lq2!xZ7p", ""},
		{strings.Repeat("kv9#Lq2!xZ7p-tide", 8)[:128], ""},
		{strings.Repeat("kv9#Lq2!xZ7p-tide", 8)[:129], adviceTooLong},
		{"password1234", adviceCommon},
		{"P4$$w0rdP4$$w0rd", adviceRepeats},
		{"aaaaaaaaaaaaaaaa", adviceRepeats},
		{"密码密码密码密码密码密码", adviceRepeats},
		{"парольпароль", adviceRepeats},
		{"abcdefghijklmnop", adviceSequences},
		{"qwertyuiop[]", adviceSequences},
		{"Chloé Martin 1991", adviceKnown},
		{"CHLOE MARTIN 1991", adviceKnown},
		{"nitram eolhc 12", adviceKnown},
		{"m4rt1n m4rt1n 9", adviceRepeats},
		{"m4rt1n+l4k3sh0r3", adviceKnown},
		{"LakeshoreEmployment1", adviceKnown},
		{"lakeshore-employment-2026", adviceKnown},
		{"chloe.m77@mail.example", adviceKnown},
		{"martin-tidal-lantern-orchard", ""},
		{"tidal-lantern\a-orchard-47", adviceCharacters},
		{"ひつじ雲と夜明けの灯台へ", ""},
		{"Fünf große Möwen, 7 Häfen", ""},
	} {
		err := checkPassword(test.password, known...)
		if test.advice == "" {
			if err != nil {
				t.Errorf("%q: %v", test.password, err)
			}
			continue
		}
		var refusal *domain.Error
		if !errors.As(err, &refusal) || refusal.Code != domain.CodePasswordWeak {
			t.Errorf("%q: got %v", test.password, err)
			continue
		}
		if feedback, _ := refusal.Params["feedback"].([]string); !slices.Contains(feedback, test.advice) {
			t.Errorf("%q: got %v, want %q", test.password, feedback, test.advice)
		}
	}
}

// The longest passwords are judged in no more time than hashing them takes, whatever they are made of.
func TestLongPasswordsAreJudgedSoon(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"p4$$w0rd", "@4813", "密码灯台夜", "aB1$", "qwerty1990", "l0v3"} {
		password := string([]rune(strings.Repeat(unit, longestPassword))[:longestPassword-1]) + "!"
		began := time.Now()
		adviceOn(password, []string{strings.Repeat("Chloé ", 40), "Martin"})
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%q took %s", unit, took)
		}
	}
}

const noSecret = "0123456789abcdef0123456789abcdef"

func TestStoredHashes(t *testing.T) {
	t.Parallel()
	p := newPasswords([]byte(noSecret))
	if p.now != newPasswords([]byte(noSecret)).now || p.now == newPasswords([]byte("another")).now {
		t.Error("the salt is not that of an installation")
	}
	stored := p.now.written(p.hash("tidal-lantern", p.now))
	if !strings.HasPrefix(stored, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hashed as %s", stored)
	}
	read, hash, err := readHash(stored)
	if err != nil || read != p.now || len(hash) != hashLength {
		t.Fatalf("got %v %x: %v", read, hash, err)
	}
	for _, wrong := range []string{
		"", "$", "tidal-lantern", strings.Replace(stored, "argon2id", "argon2i", 1), strings.Replace(stored, "v=19", "v=18", 1),
		strings.Replace(stored, "m=19456", "m=99999999", 1), strings.Replace(stored, "t=2", "t=0", 1), strings.Replace(stored, "t=2", "t=99", 1),
		strings.Replace(stored, "p=1", "p=0", 1), strings.Replace(stored, "m=19456,t=2,p=1", "m=x", 1), stored[:len(stored)-3], stored + "$", stored[:40] + "!" + stored[41:],
	} {
		if _, _, err := readHash(wrong); err == nil {
			t.Errorf("%q was read", wrong)
		}
	}
}

// What is kept of a password tells nothing without the key of the installation, and belongs to one account.
func TestSealedHashes(t *testing.T) {
	t.Parallel()
	p := newPasswords([]byte(noSecret))
	ann, bob := newID(), newID()
	hash := p.hash("tidal-lantern", p.now)
	keep := func(account uuid.UUID) keptPassword {
		text, err := p.keep(account, hash)
		if err != nil {
			t.Fatal(err)
		}
		return keptPassword{account, text}
	}
	first, second := keep(ann), keep(bob)
	if first.text[:40] == second.text[:40] || strings.Contains(first.text, p.now.written(hash)) || first.text == keep(ann).text {
		t.Errorf("equal passwords show: %s %s", first.text, second.text)
	}
	if opened := p.open(first); !bytes.Equal(opened.hash, hash) || opened.with != p.now || !opened.sealedNow {
		t.Errorf("got %+v", opened)
	}
	for what, kept := range map[string]keptPassword{
		"that of another account": {bob, first.text}, "another text": {ann, first.text[:len(first.text)-2]}, "no base64": {ann, sealedHash + "!"},
	} {
		if opened := p.open(kept); opened.hash != nil || !opened.sealed {
			t.Errorf("%s is opened", what)
		}
	}
	// Another key opens it where it is told the one before, and then seals it anew without another computation.
	moved := newPasswords([]byte("another"), []byte(noSecret))
	if look := newPasswords([]byte("another")).look("tidal-lantern", []keptPassword{first}); look.fits != nil || !look.unopened {
		t.Errorf("got %+v", look)
	}
	look := moved.look("tidal-lantern", []keptPassword{first})
	if !slices.Equal(look.fits, []int{0}) || look.unopened {
		t.Errorf("got %+v", look)
	}
	renewed, err := look.renewed(first)
	if opened := newPasswords([]byte("another")).open(keptPassword{ann, renewed}); err != nil || opened.with != moved.now {
		t.Errorf("got %+v: %v", opened, err)
	}
}

// However many accounts an address has, however they came to it, and whatever is wrong: looking at a password costs one computation.
// Of hashes that were kept with recipes of their own, one for each of these at most, until their owners sign in.
func TestLookingAtAPassword(t *testing.T) {
	t.Parallel()
	p := newPasswords([]byte(noSecret))
	kept := func(password string) keptPassword {
		account := newID()
		text, err := p.keep(account, p.hash(password, p.now))
		if err != nil {
			t.Fatal(err)
		}
		return keptPassword{account, text}
	}
	earlier := func(password, salt string) keptPassword {
		with := recipe{hashMemory, hashRounds, hashThreads, salt}
		return keptPassword{newID(), with.written(p.hash(password, with))}
	}
	old := earlier("tidal-lantern", "that of an address")
	var others []keptPassword
	for place := range mostRecipes + 1 {
		others = append(others, earlier("tidal-lantern", fmt.Sprintf("%d@mail.example", place)))
	}
	one, two, again := kept("tidal-lantern"), kept("orchard-wren"), kept("tidal-lantern")
	for _, test := range []struct {
		name, password string
		stored         []keptPassword
		fits           []int
		computed       int64
	}{
		{"no account", "tidal-lantern", nil, nil, 1},
		{"the right one", "tidal-lantern", []keptPassword{one}, []int{0}, 1},
		{"a wrong one", "tidal-lanterns", []keptPassword{one}, nil, 1},
		{"an empty one", "", []keptPassword{one}, nil, 1},
		{"what cannot be one", "tidal\x00lantern", []keptPassword{one}, nil, 1},
		{"one of several accounts", "orchard-wren", []keptPassword{one, two}, []int{1}, 1},
		{"several accounts with one password", "tidal-lantern", []keptPassword{one, two, again}, []int{0, 2}, 1},
		{"a hash that cannot be read", "tidal-lantern", []keptPassword{{newID(), "x"}}, nil, 1},
		{"a hash that cannot be opened", "tidal-lantern", []keptPassword{{newID(), one.text}}, nil, 1},
		{"one of earlier", "tidal-lantern", []keptPassword{old}, []int{0}, 1},
		{"one of earlier, and a wrong password", "tidal", []keptPassword{old}, nil, 1},
		{"one of earlier beside one of today", "tidal-lantern", []keptPassword{one, old}, []int{0, 1}, 2},
		{"many of earlier that have become one", "orchard-wren", append(slices.Clone(others), two), []int{mostRecipes + 1}, mostRecipes},
	} {
		before := p.hashed.Load()
		look := p.look(test.password, test.stored)
		if !slices.Equal(look.fits, test.fits) || look.all == (len(test.stored) > mostRecipes) || p.hashed.Load()-before != test.computed {
			t.Errorf("%s: got %v after %d computations", test.name, look.fits, p.hashed.Load()-before)
		}
	}
	if renewed, err := p.look("tidal-lantern", []keptPassword{one}).renewed(one); renewed != "" || err != nil {
		t.Error("what is right is made again")
	}
	if renewed, err := p.look("tidal-lantern", []keptPassword{old}).renewed(old); p.open(keptPassword{old.account, renewed}).with != p.now || err != nil {
		t.Error("a hash of earlier is not made again")
	}
}

// Passwords are looked at a few at a time, so that their memory is bounded, and nobody waits without end.
func TestPasswordsInTurn(t *testing.T) {
	t.Parallel()
	p := newPasswords([]byte(noSecret))
	var now, most, turnedAway atomic.Int64
	release := make(chan struct{})
	var waiting sync.WaitGroup
	for range mostPasswordsWaiting + 50 {
		waiting.Go(func() {
			err := p.inTurn(context.Background(), func() error {
				count := now.Add(1)
				for known := most.Load(); count > known && !most.CompareAndSwap(known, count); known = most.Load() {
				}
				<-release
				now.Add(-1)
				return nil
			})
			var refusal *domain.Error
			if errors.As(err, &refusal) && refusal.Code == domain.CodeTooBusy && refusal.RetryAfter > 0 {
				turnedAway.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	for turnedAway.Load() < 50 {
		runtime.Gosched()
	}
	gone, cancel := context.WithCancel(context.Background())
	p.waiting.Add(-1) // room for one more
	cancel()
	if err := p.inTurn(gone, func() error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	p.waiting.Add(1)
	close(release)
	waiting.Wait()
	if bound := int64(min(runtime.GOMAXPROCS(0), mostPasswordsAtOnce)); most.Load() > bound || turnedAway.Load() != 50 || p.waiting.Load() != 0 {
		t.Errorf("%d at once of %d, %d turned away, %d left", most.Load(), bound, turnedAway.Load(), p.waiting.Load())
	}
}
