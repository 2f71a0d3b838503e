package httpapi

import (
	"encoding/base64"
	"testing"

	"pgregory.net/rapid"

	"handover/internal/domain"
)

func TestPositionSeal(t *testing.T) {
	t.Parallel()
	seal := newPositionSeal(nil)

	t.Run("a position is opened as it was sealed, by the same key alone", func(t *testing.T) {
		t.Parallel()
		other := newPositionSeal(nil)
		rapid.Check(t, func(t *rapid.T) {
			position := domain.Position(rapid.Uint64().Draw(t, "position"))
			text := seal.seal(position)
			if opened, ok := seal.open(text); !ok || opened != position {
				t.Fatalf("%d is sealed as %s and opened as %d, %t", position, text, opened, ok)
			}
			if _, ok := other.open(text); ok {
				t.Fatalf("%s is opened by another key", text)
			}
		})
	})

	t.Run("what was changed on its way, or is made up, is none", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			text, _ := base64.RawURLEncoding.DecodeString(seal.seal(domain.Position(rapid.Uint64().Draw(t, "position"))))
			text[rapid.IntRange(0, len(text)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
			if _, ok := seal.open(base64.RawURLEncoding.EncodeToString(text)); ok {
				t.Fatal("it is taken for a position")
			}
		})
		for _, text := range []string{"", "0/16B3748", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA==", seal.seal(7) + "A", seal.seal(7)[1:]} {
			if _, ok := seal.open(text); ok {
				t.Errorf("%q is taken for a position", text)
			}
		}
	})
}
