package rest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/time/rate"

	"frostline/query"
)

// tokenBytes bounds a token before anything of it is decoded.
const tokenBytes = 8 << 10

// tokenAlgorithms are those whose keys are public: no "none", and no HMAC, for which a public key would be taken as the secret.
var tokenAlgorithms = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}

// issuer verifies the tokens of one issuer. Its keys are fetched when they are needed, and again for a key id that is new.
type issuer struct {
	issuerFile
	client *http.Client
	now    func() time.Time

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
	tried    time.Time // when discovery failed last
}

func newIssuer(f issuerFile) *issuer {
	// Tokens with invented key ids make the keys be fetched anew: that is bounded.
	return &issuer{issuerFile: f, now: time.Now, client: &http.Client{
		Timeout:       10 * time.Second,
		Transport:     &sparing{limit: rate.NewLimiter(rate.Every(5*time.Second), 6)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// sparing fetches small answers, and not often.
type sparing struct{ limit *rate.Limiter }

func (s *sparing) RoundTrip(r *http.Request) (*http.Response, error) {
	if !s.limit.Allow() {
		return nil, errors.New("the keys of the issuer were fetched often enough for now")
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, 1<<20), res.Body}
	}
	return res, err
}

// ready is the verifier, which needs one answer of the issuer.
func (i *issuer) ready() (*oidc.IDTokenVerifier, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.verifier != nil {
		return i.verifier, nil
	}
	unreachable := &query.Error{Code: query.Unreachable, Reason: "issuer_unreachable", Msg: "the issuer of the token cannot be reached", Hint: "try again"}
	if time.Since(i.tried) < 2*time.Second {
		return nil, unreachable
	}
	p, err := oidc.NewProvider(oidc.ClientContext(context.Background(), i.client), i.Issuer)
	if err != nil {
		i.tried = time.Now()
		unreachable.Err = err
		return nil, unreachable
	}
	i.verifier = p.Verifier(&oidc.Config{ClientID: i.Audience, SupportedSigningAlgs: tokenAlgorithms, SkipExpiryCheck: true}) // check has a skew
	return i.verifier, nil
}

// verify gives the claims of a token that the issuer has signed, for us, and that is valid now.
func (i *issuer) verify(ctx context.Context, token string) (subject string, claims map[string]any, err error) {
	v, err := i.ready()
	if err != nil {
		return "", nil, err
	}
	t, err := v.Verify(oidc.ClientContext(ctx, i.client), token)
	if err != nil {
		return "", nil, refusedToken("its signature, issuer or audience is wrong", err)
	}
	var times struct {
		Expires   *float64 `json:"exp"`
		NotBefore *float64 `json:"nbf"`
		Issued    *float64 `json:"iat"`
	}
	if err := t.Claims(&times); err != nil {
		return "", nil, refusedToken("its times are not numbers", err)
	}
	now, skew := float64(i.now().UnixNano())/1e9, i.Skew.Seconds()
	switch {
	case times.Expires == nil:
		return "", nil, refusedToken("it has no expiry", nil)
	case now >= *times.Expires+skew:
		return "", nil, refusedToken("it has expired", nil)
	case times.NotBefore != nil && now < *times.NotBefore-skew, times.Issued != nil && now < *times.Issued-skew:
		return "", nil, refusedToken("it is not valid yet", nil)
	case t.Subject == "" || len(t.Subject) > 255:
		return "", nil, refusedToken("it has no subject", nil)
	}
	if err := t.Claims(&claims); err != nil {
		return "", nil, refusedToken("its claims are not understood", err)
	}
	return t.Subject, claims, nil
}

func refusedToken(why string, cause error) error {
	return &query.Error{Code: unauthenticated, Reason: "bad_token", Msg: "the token was refused: " + why, Err: cause, Hint: "get a new token"}
}

// claimedIssuer is what an unverified token says of its issuer.
func claimedIssuer(token string) (string, error) {
	parts := strings.Split(token, ".")
	if len(token) > tokenBytes || len(parts) != 3 {
		return "", refusedToken("it is not a signed token", nil)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", refusedToken("it is not a signed token", nil)
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if err := json.Unmarshal(raw, &claims); err != nil {
		return "", refusedToken("it is not a signed token", nil)
	}
	return claims.Issuer, nil
}

// has reports whether claims have the value that is wanted: as it is, or in a list.
func has(claims map[string]any, name, want string) bool {
	is := func(v any) bool {
		switch v := v.(type) {
		case string:
			return v == want
		case bool:
			return fmt.Sprint(v) == want
		}
		return false
	}
	v := claims[name]
	if list, ok := v.([]any); ok {
		for _, item := range list {
			if is(item) {
				return true
			}
		}
		return false
	}
	return is(v)
}
