package rest

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"frostline/query"
)

// unauthenticated is the code of a request whose sender is not known.
const unauthenticated query.Code = "unauthenticated"

// Access knows who may ask and what: principals of a file in YAML, who come with an API key, a token of an OpenID issuer, or
// a client certificate. Its Identify is for Options. docs/security.md describes the files.
//
// Many goroutines may use it. A file that cannot be read leaves what was read before in force.
type Access struct {
	opt   AccessOptions
	state atomic.Pointer[access]

	mu    sync.Mutex // one reload at a time
	first []stamp    // of the files when they were read first
}

// AccessOptions say where an Access reads.
type AccessOptions struct {
	Principals string       // file of principals
	Keys       string       // file of API keys; "" is none
	Log        *slog.Logger // reloads; default slog.Default()
}

// access is what is in force.
type access struct {
	principals []*principal
	byName     map[string]*principal
	keys       keyring
	issuers    map[string]*issuer
}

// stamp is how a file looked when it was read.
type stamp struct {
	at   time.Time
	size int64
}

// NewAccess reads the files.
func NewAccess(o AccessOptions) (*Access, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	a := &Access{opt: o}
	a.first = a.look()
	return a, a.Reload()
}

// Reload reads the files anew. On an error all stays as it was.
func (a *Access) Reload() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, list, err := readAccess(a.opt.Principals)
	if err != nil {
		return fmt.Errorf("principals: %w", err)
	}
	next := &access{principals: list, byName: map[string]*principal{}, issuers: map[string]*issuer{}}
	before := a.state.Load()
	for _, p := range list {
		next.byName[p.Name] = p
		if before == nil {
			continue
		}
		if old := before.byName[p.Name]; old != nil && old.allowance.limits == p.allowance.limits {
			p.allowance = old.allowance
		}
	}
	for _, o := range f.OIDC {
		next.issuers[o.Issuer] = newIssuer(o)
		if before == nil {
			continue
		}
		if old := before.issuers[o.Issuer]; old != nil && reflect.DeepEqual(old.issuerFile, o) {
			next.issuers[o.Issuer] = old
		}
	}
	if a.opt.Keys != "" {
		keys, err := Keys(a.opt.Keys)
		if err != nil {
			return fmt.Errorf("keys: %w", err)
		}
		next.keys = newKeyring(keys)
	}
	a.state.Store(next)
	return nil
}

// look is how the files look now.
func (a *Access) look() []stamp {
	out := make([]stamp, 2)
	for i, name := range []string{a.opt.Principals, a.opt.Keys} {
		if info, err := os.Stat(name); err == nil {
			out[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return out
}

// Watch reloads when a file has changed, until ctx ends.
func (a *Access) Watch(ctx context.Context, every time.Duration) {
	watch(ctx, every, a.first, a.look, func() (string, error) { return "access", a.Reload() }, a.opt.Log)
}

// Identify finds out who sends r: by the Authorization header where there is one, else by the client certificate.
func (a *Access) Identify(r *http.Request) (Caller, error) {
	s := a.state.Load()
	headers := r.Header.Values("Authorization")
	switch {
	case len(headers) > 1:
		return Caller{}, &query.Error{Code: unauthenticated, Msg: "there is more than one Authorization header"}
	case len(headers) == 0 && r.TLS != nil && len(r.TLS.VerifiedChains) > 0:
		return s.byCertificate(r.TLS.VerifiedChains[0][0], time.Now())
	case len(headers) == 0:
		return Caller{}, &query.Error{Code: unauthenticated, Msg: "this server wants to know who asks", Hint: "send Authorization: Bearer with an API key or a token"}
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return Caller{}, &query.Error{Code: unauthenticated, Msg: "the Authorization header is not understood", Hint: "send Authorization: Bearer with an API key or a token"}
	}
	if strings.HasPrefix(token, keyPrefix) {
		return s.byKey(token, time.Now())
	}
	return s.byToken(r.Context(), token)
}

func (s *access) byKey(text string, now time.Time) (Caller, error) {
	k, ok := s.keys.find(text, now)
	p := s.byName[k.Principal]
	if !ok || p == nil {
		return Caller{}, &query.Error{Code: unauthenticated, Reason: "bad_key", Msg: "the API key is not valid", Hint: "it is wrong, revoked or expired; ask for a new one"}
	}
	return p.caller(p.Name, "key "+k.ID), nil
}

func (s *access) byCertificate(c *x509.Certificate, now time.Time) (Caller, error) {
	names := []string{"cn:" + c.Subject.CommonName, "subject:" + c.Subject.String()}
	for _, n := range c.DNSNames {
		names = append(names, "dns:"+n)
	}
	for _, n := range c.EmailAddresses {
		names = append(names, "email:"+n)
	}
	for _, u := range c.URIs {
		names = append(names, "uri:"+u.String())
	}
	for _, p := range s.principals {
		for _, want := range p.Certificates {
			if slices.Contains(names, want) && now.Before(c.NotAfter) { // a connection may be older than the certificate
				return p.caller(p.Name, "certificate "+want), nil
			}
		}
	}
	return Caller{}, &query.Error{Code: unauthenticated, Reason: "unknown_certificate", Msg: "the client certificate is not that of a principal"}
}

func (s *access) byToken(ctx context.Context, token string) (Caller, error) {
	from, err := claimedIssuer(token)
	if err != nil {
		return Caller{}, err
	}
	i := s.issuers[from]
	if i == nil {
		return Caller{}, refusedToken("its issuer is not trusted", nil)
	}
	subject, claims, err := i.verify(ctx, token)
	if err != nil {
		return Caller{}, err
	}
	for _, p := range s.principals {
		for _, t := range p.Tokens {
			all := t.Issuer == i.Issuer
			for name, want := range t.Claims {
				all = all && has(claims, name, want)
			}
			if all {
				return p.caller(p.Name+"/"+i.Issuer+"#"+subject, "token"), nil // names of principals have no /
			}
		}
	}
	return Caller{}, &query.Error{Code: query.Forbidden, Reason: "unknown_principal", Msg: "the token is valid, and not that of somebody who may ask here"}
}

// caller is the caller id, who is p.
func (p *principal) caller(id, by string) Caller {
	return Caller{ID: id, Principal: p.Name, By: by, Rights: p.rights, fingerprint: p.fingerprint, allowance: p.allowance, metrics: p.Metrics}
}
