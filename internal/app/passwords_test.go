package app

import (
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

func TestStoredHashes(t *testing.T) {
	t.Parallel()
	p := newPasswords([]byte("0123456789abcdef0123456789abcdef"))
	with := p.recipeFor("Ann@mail.example")
	if with != p.recipeFor("ann@MAIL.example") || with == p.recipeFor("bob@mail.example") || with == newPasswords([]byte("another")).recipeFor("ann@mail.example") {
		t.Error("a salt is not that of an address and an installation")
	}
	stored := with.kept(p.hash("tidal-lantern", with))
	read, hash, err := readHash(stored)
	if err != nil || read != with || len(hash) != hashLength {
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

// However many accounts an address has, and whatever is wrong, looking at a password costs one computation.
func TestLookingAtAPassword(t *testing.T) {
	t.Parallel()
	p := newPasswords([]byte("0123456789abcdef0123456789abcdef"))
	const email = "ann@mail.example"
	kept := func(password string) string {
		with := p.recipeFor(email)
		return with.kept(p.hash(password, with))
	}
	elsewhere := newPasswords([]byte("another")) // whose salts are others, as those of an address that has changed
	moved := elsewhere.recipeFor(email).kept(elsewhere.hash("tidal-lantern", elsewhere.recipeFor(email)))
	var others []string
	for place := range mostRecipes + 1 {
		address := fmt.Sprintf("%d@mail.example", place)
		others = append(others, p.recipeFor(address).kept(p.hash("tidal-lantern", p.recipeFor(address))))
	}
	one, two := kept("tidal-lantern"), kept("orchard-wren")
	for _, test := range []struct {
		name, password string
		stored         []string
		fits           []int
		computed       int64
	}{
		{"no account", "tidal-lantern", nil, nil, 1},
		{"the right one", "tidal-lantern", []string{one}, []int{0}, 1},
		{"a wrong one", "tidal-lanterns", []string{one}, nil, 1},
		{"an empty one", "", []string{one}, nil, 1},
		{"what cannot be one", "tidal\x00lantern", []string{one}, nil, 1},
		{"one of several accounts", "orchard-wren", []string{one, two}, []int{1}, 1},
		{"several accounts with one password", "tidal-lantern", []string{one, two, one}, []int{0, 2}, 1},
		{"a hash that cannot be read", "tidal-lantern", []string{"x"}, nil, 1},
		{"an address that has changed", "tidal-lantern", []string{moved}, []int{0}, 1},
		{"addresses that have become one", "tidal-lantern", []string{one, moved}, []int{0, 1}, 2},
		{"many that have become one", "orchard-wren", append(slices.Clone(others), two), []int{mostRecipes + 1}, mostRecipes},
	} {
		before := p.hashed.Load()
		fits, all := p.fitting(test.password, email, test.stored)
		if !slices.Equal(fits, test.fits) || all == (len(test.stored) > mostRecipes) || p.hashed.Load()-before != test.computed {
			t.Errorf("%s: got %v after %d computations", test.name, fits, p.hashed.Load()-before)
		}
	}
	if p.renewed("tidal-lantern", email, one) != "" {
		t.Error("what is right is made again")
	}
	if p.renewed("tidal-lantern", email, moved) != one {
		t.Error("a hash of another address is not made again")
	}
}

// Passwords are looked at a few at a time, so that their memory is bounded, and nobody waits without end.
func TestPasswordsInTurn(t *testing.T) {
	t.Parallel()
	p := newPasswords([]byte("0123456789abcdef0123456789abcdef"))
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
