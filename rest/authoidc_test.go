package rest_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"frostline/rest"
)

// issuer is a small OpenID issuer: a discovery document, and keys that tests change.
type issuer struct {
	*httptest.Server
	mu      sync.Mutex
	keys    jose.JSONWebKeySet
	fetched int
	down    bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.down {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "authorization_endpoint": i.URL + "/a",
			"token_endpoint": i.URL + "/t", "id_token_signing_alg_values_supported": []string{"RS256", "none", "HS256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.fetched++
		_ = json.NewEncoder(w).Encode(i.keys)
	})
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

// publish makes keys those of the issuer.
func (i *issuer) publish(keys ...jose.JSONWebKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys.Keys = nil
	for _, k := range keys {
		i.keys.Keys = append(i.keys.Keys, k.Public())
	}
}

func rsaKey(t *testing.T, id string) jose.JSONWebKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: k, KeyID: id, Algorithm: "RS256", Use: "sig"}
}

func sign(t *testing.T, k jose.JSONWebKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Algorithm), Key: k}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	s, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// unsigned is a token of a header and claims with a signature as given.
func unsigned(t *testing.T, header, claims map[string]any, mac func(signed []byte) []byte) string {
	t.Helper()
	var parts []string
	for _, v := range []any{header, claims} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, base64.RawURLEncoding.EncodeToString(text))
	}
	signed := strings.Join(parts, ".")
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac([]byte(signed)))
}

// tokens is a server that trusts i: analysts may see everything, and tom, whom a claim names, nothing.
func tokensOf(t *testing.T, i *issuer) *guarded {
	t.Helper()
	return guard(t, fmt.Sprintf(`version: 1
oidc:
  - {issuer: %q, audience: queryd, skew: 30s}
principals:
  - name: tom
    tokens: [{issuer: %q, claims: {sub: tom, verified: "true"}}]
  - name: analysts
    tokens: [{issuer: %q, claims: {groups: analysts}}]
    grants: [{tables: ["*.*"]}]
`, i.URL, i.URL, i.URL), rest.Options{})
}

func TestTokens(t *testing.T) {
	i := newIssuer(t)
	key, other := rsaKey(t, "one"), rsaKey(t, "one")
	i.publish(key)
	g := tokensOf(t, i)
	now := time.Now().Unix()
	with := func(change ...any) map[string]any {
		c := map[string]any{"iss": i.URL, "aud": "queryd", "sub": "ann", "groups": []string{"staff", "analysts"}, "exp": now + 600, "iat": now}
		for n := 0; n+1 < len(change); n += 2 {
			c[change[n].(string)] = change[n+1]
			if change[n+1] == nil {
				delete(c, change[n].(string))
			}
		}
		return c
	}
	public, err := x509.MarshalPKIXPublicKey(key.Key.(*rsa.PrivateKey).Public())
	if err != nil {
		t.Fatal(err)
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	hs256 := func(signed []byte) []byte {
		m := hmac.New(sha256.New, secret)
		m.Write(signed)
		return m.Sum(nil)
	}
	none := func([]byte) []byte { return nil }
	good := sign(t, key, with())
	parts := strings.Split(good, ".")
	forged := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(must(base64.RawURLEncoding.DecodeString(parts[1]))), "ann", "eve", 1)))
	embedded := other
	embedded.KeyID = ""
	own, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: embedded}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	claims, _ := json.Marshal(with())
	jws, err := own.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, token string
		status      int
		code        string
	}{
		{"good", good, 200, ""},
		{"several audiences", sign(t, key, with("aud", []string{"x", "queryd"})), 200, ""},
		{"expired within the skew", sign(t, key, with("exp", now-10)), 200, ""},
		{"a clock that is ahead within the skew", sign(t, key, with("iat", now+20, "nbf", now+20)), 200, ""},
		{"a group as a text", sign(t, key, with("groups", "analysts")), 200, ""},
		{"other principal", sign(t, key, with("sub", "tom", "verified", true)), 404, "not_found"},
		{"claims of one half", sign(t, key, with("sub", "tom", "groups", nil)), 403, "unknown_principal"},
		{"nobody here", sign(t, key, with("groups", []string{"analysts2"})), 403, "unknown_principal"},
		{"a group that is no text", sign(t, key, with("groups", map[string]any{"analysts": true})), 403, "unknown_principal"},
		{"expired", sign(t, key, with("exp", now-31)), 401, "bad_token"},
		{"without expiry", sign(t, key, with("exp", nil)), 401, "bad_token"},
		{"expiry as a text", sign(t, key, with("exp", "never")), 401, "bad_token"},
		{"not yet", sign(t, key, with("nbf", now+300)), 401, "bad_token"},
		{"issued in the future", sign(t, key, with("iat", now+300)), 401, "bad_token"},
		{"wrong audience", sign(t, key, with("aud", "other")), 401, "bad_token"},
		{"no audience", sign(t, key, with("aud", nil)), 401, "bad_token"},
		{"wrong issuer", sign(t, key, with("iss", "https://evil.example.com")), 401, "bad_token"},
		{"issuer with a slash", sign(t, key, with("iss", i.URL+"/")), 401, "bad_token"},
		{"no subject", sign(t, key, with("sub", nil)), 401, "bad_token"},
		{"other key of the same id", sign(t, other, with()), 401, "bad_token"},
		{"key inside the token", jwk, 401, "bad_token"},
		{"alg none", unsigned(t, map[string]any{"alg": "none"}, with(), none), 401, "bad_token"},
		{"alg None", unsigned(t, map[string]any{"alg": "nOnE", "kid": "one"}, with(), none), 401, "bad_token"},
		{"HMAC with the public key", unsigned(t, map[string]any{"alg": "HS256", "kid": "one"}, with(), hs256), 401, "bad_token"},
		{"kid that is a path", unsigned(t, map[string]any{"alg": "RS256", "kid": "../../../dev/null"}, with(), none), 401, "bad_token"},
		{"jku elsewhere", unsigned(t, map[string]any{"alg": "RS256", "kid": "two", "jku": "http://127.0.0.1:1/keys"}, with(), hs256), 401, "bad_token"},
		{"crit", unsigned(t, map[string]any{"alg": "RS256", "crit": []string{"x"}, "x": 1}, with(), none), 401, "bad_token"},
		{"changed claims", parts[0] + "." + forged + "." + parts[2], 401, "bad_token"},
		{"cut signature", good[:len(good)-8], 401, "bad_token"},
		{"no signature", parts[0] + "." + parts[1] + ".", 401, "bad_token"},
		{"too long", sign(t, key, with("pad", strings.Repeat("x", 9000))), 401, "bad_token"},
		{"five parts", "a.b.c.d.e", 401, "bad_token"},
		{"rubbish", "\u00e9..", 401, "bad_token"},
	} {
		status, body, _ := g.as(t, tt.token, "GET", "/api/v1/archives/metadata?archivePath=public/events", "")
		if status != tt.status || tt.code != "" && member(t, body, "code") != tt.code || strings.Contains(body, tt.token) {
			t.Errorf("%s: %d %s", tt.name, status, body)
		}
	}
	if text := g.log.String(); strings.Contains(text, parts[2]) {
		t.Error("the log has a token")
	}

	// Two people of one principal are two callers.
	page := func(sub, token string) (int, string) {
		status, body, _ := g.as(t, sign(t, key, with("sub", sub)), "POST", "/api/v1/archives/query", fmt.Sprintf(events+`,"columns":["id"],"limit":1,"pageToken":%q}`, token))
		return status, body
	}
	_, body := page("ann", "")
	next := member(t, body, "nextPageToken")
	if status, body := page("ben", next); status != 400 || member(t, body, "code") != "foreign_page_token" {
		t.Errorf("ben with ann's page: %d %s", status, body)
	}
	if status, body := page("ann", next); status != 200 || rows(t, body) != `[{"id":1}]` {
		t.Errorf("ann: %d %s", status, body)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// Keys are fetched again for a new id, not often, and old ones end with the issuer's list.
func TestTokenKeysRotate(t *testing.T) {
	i := newIssuer(t)
	one, two := rsaKey(t, "one"), rsaKey(t, "two")
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	three := jose.JSONWebKey{Key: ec, KeyID: "three", Algorithm: "ES256", Use: "sig"}
	i.publish(one)
	g := tokensOf(t, i)
	begun := time.Now()
	ask := func(k jose.JSONWebKey) int {
		claims := map[string]any{"iss": i.URL, "aud": "queryd", "sub": "ann", "groups": "analysts", "exp": time.Now().Unix() + 600}
		status, _, _ := g.as(t, sign(t, k, claims), "GET", "/api/v1/archives/tables", "")
		return status
	}
	if got := []int{ask(one), ask(two)}; got[0] != 200 || got[1] != 401 {
		t.Errorf("before: %v", got)
	}
	i.publish(one, two, three)
	if got := []int{ask(two), ask(one), ask(three)}; got[0] != 200 || got[1] != 200 || got[2] != 200 {
		t.Errorf("both: %v", got)
	}
	i.publish(two)
	for n := range 40 { // invented ids
		if s := ask(jose.JSONWebKey{Key: one.Key, KeyID: fmt.Sprint("x", n), Algorithm: "RS256"}); s != 401 {
			t.Fatalf("%d", s)
		}
	}
	if s := ask(one); s != 401 {
		t.Errorf("a key that is gone: %d", s)
	}
	if s := ask(two); s != 200 {
		t.Errorf("two: %d", s)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.fetched > 8+int(time.Since(begun)/(5*time.Second)) {
		t.Errorf("40 invented ids made the keys be fetched %d times", i.fetched)
	}
}

// An issuer that is down is told as such, and is asked again.
func TestIssuerDown(t *testing.T) {
	i := newIssuer(t)
	key := rsaKey(t, "one")
	i.publish(key)
	i.mu.Lock()
	i.down = true
	i.mu.Unlock()
	g := tokensOf(t, i)
	token := sign(t, key, map[string]any{"iss": i.URL, "aud": "queryd", "sub": "ann", "groups": "analysts", "exp": time.Now().Unix() + 600})
	status, body, h := g.as(t, token, "GET", "/api/v1/archives/tables", "")
	if status != 503 || member(t, body, "code") != "issuer_unreachable" || h.Get("Retry-After") == "" || bytes.Contains([]byte(body), []byte(i.URL)) {
		t.Errorf("%d %s", status, body)
	}
	i.mu.Lock()
	i.down = false
	i.mu.Unlock()
	for start := time.Now(); status != 200; time.Sleep(100 * time.Millisecond) {
		if status, body, _ = g.as(t, token, "GET", "/api/v1/archives/tables", ""); time.Since(start) > 10*time.Second {
			t.Fatalf("%d %s", status, body)
		}
	}
}
