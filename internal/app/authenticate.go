package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"math/big"
	"strings"

	"handover/internal/domain"
)

// The text of an API token: a prefix that scanners for leaked secrets can find, 256 random bits, and a checksum that
// tells a mistyped token from an unknown one without asking the database.
const (
	tokenPrefix       = "hnd_"
	tokenSecretLength = 43 // base 62
	tokenCheckLength  = 6
	base62            = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// NewTokenText makes the text of a new API token.
func NewTokenText() string { return newSecretText(tokenPrefix) }

// newSecretText makes the text of a new token of a kind.
func newSecretText(prefix string) string {
	text := prefix + randomText()
	return text + tokenCheck(text)
}

// randomText is 256 random bits.
func randomText() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	return inBase62(new(big.Int).SetBytes(secret[:]), tokenSecretLength)
}

func tokenCheck(text string) string {
	return inBase62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(text)))), tokenCheckLength)
}

func inBase62(number *big.Int, length int) string {
	digits := make([]byte, length)
	base, digit := big.NewInt(int64(len(base62))), new(big.Int)
	for i := length - 1; i >= 0; i-- {
		number.DivMod(number, base, digit)
		digits[i] = base62[digit.Int64()]
	}
	return string(digits)
}

func wellFormedToken(text, prefix string) bool {
	if !strings.HasPrefix(text, prefix) || len(text) != len(prefix)+tokenSecretLength+tokenCheckLength {
		return false
	}
	at := len(text) - tokenCheckLength
	return tokenCheck(text[:at]) == text[at:]
}

// TokenHash is what is kept of a token.
func TokenHash(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// Authenticate finds who a credential stands for: a staff member's API token, a client's session, or what an issuer of OpenID Connect
// says of staff. Unknown, expired and revoked ones and those of deactivated staff and inactive clients get one and the same refusal.
// requestID is that of the request which they came with.
func (a *App) Authenticate(ctx context.Context, token, requestID string) (domain.Caller, error) {
	refusal := domain.Refuse(domain.CodeUnauthenticated, "The token is not valid. Send a valid one as Authorization: Bearer.")
	switch {
	case isIssuersToken(token):
		return a.authenticateIdentity(ctx, token, requestID, refusal)
	case wellFormedToken(token, sessionPrefix):
		return a.authenticateClient(ctx, token, refusal)
	case !wellFormedToken(token, tokenPrefix):
		return domain.Caller{}, refusal
	}
	credential, found, err := a.store.CredentialByHash(ctx, TokenHash(token))
	if err != nil {
		return domain.Caller{}, err
	}
	now := a.now()
	if !found || credential.RevokedAt != nil || credential.Status != domain.StaffActive ||
		credential.ExpiresAt != nil && !credential.ExpiresAt.After(now) {
		return domain.Caller{}, refusal
	}
	caller := credential.Caller()
	if credential.LastUsedAt == nil || now.Sub(*credential.LastUsedAt) > tokenUseNoted {
		a.uses.note(caller, credential.LastUsedAt == nil)
	}
	return caller, nil
}
