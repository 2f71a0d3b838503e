package httpapi

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"handover/internal/app"
	"handover/internal/domain"
)

// positionHeader tells how far the database had come when something was answered, and how far it must have come for what is read.
const positionHeader = "Handover-Position"

// positionSeal seals and opens positions. How far the database has come tells how much all organizations write, and is nobody's to read;
// and nobody but the service makes a position, which others would wait for. It is one block of AES: the position and as many bytes of zero, by which
// it is known again.
type positionSeal struct{ block cipher.Block }

// newPositionSeal takes a key of 32 bytes, the same for every process that positions may come back to; nil: one for this process.
func newPositionSeal(key []byte) *positionSeal {
	block, err := aes.NewCipher(keyFor(orNewKey(key), "positions"))
	if err != nil {
		panic("a key of 32 bytes: " + err.Error()) // fails for other lengths only
	}
	return &positionSeal{block}
}

func (s *positionSeal) seal(position domain.Position) string {
	text := make([]byte, aes.BlockSize)
	binary.BigEndian.PutUint64(text, uint64(position))
	s.block.Encrypt(text, text)
	return base64.RawURLEncoding.EncodeToString(text)
}

// open reads a position; ok tells whether it is one.
func (s *positionSeal) open(text string) (position domain.Position, ok bool) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(sealed) != aes.BlockSize {
		return 0, false
	}
	s.block.Decrypt(sealed, sealed)
	return domain.Position(binary.BigEndian.Uint64(sealed)), binary.BigEndian.Uint64(sealed[8:]) == 0
}

// checkPosition refuses a position that was not answered by this service as it is.
func (s *server) checkPosition(text string, faults *parameterFaults) {
	pointer := "header:" + positionHeader
	told := slices.ContainsFunc(faults.faults, func(known domain.FieldError) bool { return known.Pointer == pointer })
	if _, ok := s.positions.open(text); text != "" && !ok && !told {
		faults.add(pointer, &fault{domain.CodeWrongFormat, "Is no position that was answered here. Leave it out to read the newest."})
	}
}

// reach lets the request read as far into the past as it says, and tells with its answer how far it has seen. Signing in comes before,
// and so is always asked of the primary.
func (s *server) reach(c echo.Context, operation *operation) {
	request := c.Request()
	how := &app.Reach{}
	if operation.takesPosition() {
		if after, sent := s.positions.open(request.Header.Get(positionHeader)); sent { // it has been checked
			how.After = &after
		}
	}
	c.SetRequest(request.WithContext(app.WithReach(request.Context(), how)))
	c.Response().Before(func() {
		if seen := how.Seen(); seen > 0 {
			c.Response().Header().Set(positionHeader, s.positions.seal(seen))
		}
	})
}

func (o *operation) takesPosition() bool {
	for _, header := range o.headers {
		if header.name == positionHeader {
			return true
		}
	}
	return false
}

// tellsPosition tells whether the answers of an operation say how far the database had come.
func tellsPosition(described *openapi3.Operation) bool {
	for _, response := range described.Responses.Map() {
		if response.Value.Headers[positionHeader] != nil {
			return true
		}
	}
	return false
}
