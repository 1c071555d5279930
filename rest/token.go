package rest

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"sync/atomic"

	"frostline/query"
)

// page is where a page begins.
type page struct {
	query.Position
	Matched *int64 `json:"m,omitempty"` // of the whole query, where the first page has counted
}

// tokens signs and opens page tokens: base64url of HMAC-SHA256 (32 bytes) over what follows, the hash of what the token is
// bound to (16 bytes), and the page as JSON. A token is readable but cannot be made or changed without a key, and is of no
// use for another request or another caller.
type tokens struct {
	keys *atomic.Pointer[[][]byte] // the first one signs, all of them open
}

// newTokens takes a random key where there is none: tokens then end with the process.
func newTokens(keys [][]byte) tokens {
	if len(keys) == 0 {
		key := make([]byte, 32)
		_, _ = rand.Read(key) // it never fails
		keys = [][]byte{key}
	}
	t := tokens{new(atomic.Pointer[[][]byte])}
	t.keys.Store(&keys)
	return t
}

// SetPageKeys puts other keys in the place of Options.PageKeys; there is at least one.
func (s *Server) SetPageKeys(keys [][]byte) { s.tokens.keys.Store(&keys) }

const boundBytes = 16

// hash is what a token holds of text.
func hash(text []byte) []byte {
	sum := sha256.Sum256(text)
	return sum[:boundBytes]
}

func (t tokens) mac(key, signed []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(signed)
	return m.Sum(nil)
}

// sign is the token of v, which is JSON, bound to the hash bound.
func (t tokens) sign(v any, bound []byte) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	signed := append(bytes.Clone(bound), text...)
	return base64.RawURLEncoding.EncodeToString(append(t.mac((*t.keys.Load())[0], signed), signed...)), nil
}

// verify reads a token that sign has made into v.
func (t tokens) verify(token string, bound []byte, v any) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < sha256.Size+boundBytes {
		return errForged
	}
	sum, signed := raw[:sha256.Size], raw[sha256.Size:]
	known := false
	for _, key := range *t.keys.Load() {
		known = known || hmac.Equal(sum, t.mac(key, signed))
	}
	if !known {
		return errForged
	}
	if !bytes.Equal(signed[:boundBytes], bound) {
		return errForeign
	}
	if err := json.Unmarshal(signed[boundBytes:], v); err != nil {
		return errForged
	}
	return nil
}

// open reads the token of a query's page.
func (t tokens) open(token string, bound []byte) (*page, error) {
	p := &page{}
	if err := t.verify(token, bound, p); err != nil {
		return nil, err
	}
	return p, nil
}

var (
	errForged = bad("bad_page_token", "pageToken", "begin again without pageToken; where the server has no key file, its tokens end when it is restarted",
		"pageToken was not made by this server")
	errForeign = bad("foreign_page_token", "pageToken", "send the same request as for the page before, with this token; only limit and count may differ",
		"pageToken belongs to another request")
)
