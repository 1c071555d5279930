package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"frostline/predicate"
	"frostline/query"
)

// accessFile is the file of principals.
type accessFile struct {
	Version    int             `yaml:"version"` // 1
	OIDC       []issuerFile    `yaml:"oidc"`
	Principals []principalFile `yaml:"principals"`
}

// issuerFile is an issuer of tokens that is trusted.
type issuerFile struct {
	Issuer   string        `yaml:"issuer"`
	Audience string        `yaml:"audience"`
	Skew     time.Duration `yaml:"skew"` // of the clocks; default 1m
}

// principalFile is one who may ask, and what he may.
type principalFile struct {
	Name         string      `yaml:"name"`
	Tokens       []tokenFile `yaml:"tokens"`
	Certificates []string    `yaml:"certificates"`
	Grants       []grantFile `yaml:"grants"`
	Limits       limitsFile  `yaml:"limits"`
	Metrics      bool        `yaml:"metrics"`
}

// tokenFile says which tokens are a principal's: of that issuer, with all of these claims.
type tokenFile struct {
	Issuer string            `yaml:"issuer"`
	Claims map[string]string `yaml:"claims"`
}

type grantFile struct {
	Tables  []string `yaml:"tables"`
	Columns []string `yaml:"columns"`
	Denied  []string `yaml:"denied"`
	Rows    string   `yaml:"rows"`
}

type limitsFile struct {
	Rate      float64       `yaml:"rate"`     // requests a second; 0 is no bound
	Burst     int           `yaml:"burst"`    // of them at once; default 2 × rate, 1 at least
	Requests  int           `yaml:"requests"` // that are being answered at once; 0 is no bound
	Timeout   time.Duration `yaml:"timeout"`
	ScanBytes int64         `yaml:"scanBytes"`
	ScanRows  int64         `yaml:"scanRows"`
	Long      int           `yaml:"long"` // long queries that wait or run; 0 is no bound
}

// principal is one of the file, ready for use.
type principal struct {
	principalFile
	rights      *query.Rights
	fingerprint string // of the rights
	allowance   *allowance
}

var principalName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

// readAccess reads the file of principals.
func readAccess(name string) (*accessFile, []*principal, error) {
	data, err := readTrusted(name)
	if err != nil {
		return nil, nil, err
	}
	f := &accessFile{}
	if err := readYAML(data, f); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	list, err := f.principals()
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, list, nil
}

// readTrusted reads a file that not everybody may write.
func readTrusted(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o002 != 0 {
		return nil, fmt.Errorf("%s can be written by everybody; chmod o-w it", name)
	}
	return os.ReadFile(name)
}

func (f *accessFile) principals() ([]*principal, error) {
	if f.Version != 1 {
		return nil, fmt.Errorf("version is %d; this program reads version: 1", f.Version)
	}
	var issuers []string
	for i := range f.OIDC {
		o := &f.OIDC[i]
		if err := o.check(); err != nil {
			return nil, err
		}
		if slices.Contains(issuers, o.Issuer) {
			return nil, fmt.Errorf("issuer %s stands twice", o.Issuer)
		}
		issuers = append(issuers, o.Issuer)
	}
	var list []*principal
	names, certificates := map[string]bool{}, map[string]string{}
	for _, pf := range f.Principals {
		if !principalName.MatchString(pf.Name) {
			return nil, fmt.Errorf("name %q of a principal: 1 to 64 of letters, digits, . _ @ - are possible", pf.Name)
		}
		if names[pf.Name] {
			return nil, fmt.Errorf("principal %s stands twice", pf.Name)
		}
		names[pf.Name] = true
		p, err := pf.principal(issuers)
		if err != nil {
			return nil, fmt.Errorf("principal %s: %w", pf.Name, err)
		}
		for _, c := range pf.Certificates {
			if other := certificates[c]; other != "" {
				return nil, fmt.Errorf("certificate %q is that of %s and of %s", c, other, pf.Name)
			}
			certificates[c] = pf.Name
		}
		list = append(list, p)
	}
	if len(list) == 0 {
		return nil, errors.New("there are no principals: nobody could ask anything")
	}
	return list, nil
}

func (o *issuerFile) check() error {
	u, err := url.Parse(o.Issuer)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopbackName(u.Hostname())) {
		return fmt.Errorf("issuer %q is not an https URL", o.Issuer)
	}
	if o.Audience == "" {
		return fmt.Errorf("issuer %s: audience is missing: without it tokens made for others would be taken", o.Issuer)
	}
	if o.Skew == 0 {
		o.Skew = time.Minute
	}
	if o.Skew < 0 || o.Skew > 10*time.Minute {
		return fmt.Errorf("issuer %s: skew must be from 0s to 10m", o.Issuer)
	}
	return nil
}

func (f principalFile) principal(issuers []string) (*principal, error) {
	p := &principal{principalFile: f}
	for _, t := range f.Tokens {
		if !slices.Contains(issuers, t.Issuer) {
			return nil, fmt.Errorf("issuer %q is none of those under oidc", t.Issuer)
		}
		if len(t.Claims) == 0 {
			return nil, fmt.Errorf("tokens of %s: claims are missing: without them everybody whom the issuer knows would be %s", t.Issuer, f.Name)
		}
	}
	for _, c := range f.Certificates {
		kind, value, _ := strings.Cut(c, ":")
		if !slices.Contains([]string{"cn", "subject", "dns", "email", "uri"}, kind) || value == "" {
			return nil, fmt.Errorf("certificate %q: write cn:…, subject:…, dns:…, email:… or uri:…", c)
		}
	}
	l := f.Limits
	if l.Rate < 0 || l.Burst < 0 || l.Requests < 0 || l.Timeout < 0 || l.ScanBytes < 0 || l.ScanRows < 0 || l.Long < 0 {
		return nil, errors.New("limits must not be below 0")
	}
	p.rights = &query.Rights{Timeout: l.Timeout, MaxScanBytes: l.ScanBytes, MaxScanRows: l.ScanRows}
	for i, g := range f.Grants {
		one, err := g.grant()
		if err != nil {
			return nil, fmt.Errorf("grant %d: %w", i+1, err)
		}
		p.rights.Grants = append(p.rights.Grants, one)
	}
	text, err := json.Marshal(f.Grants)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	p.fingerprint = hex.EncodeToString(sum[:16])
	p.allowance = newAllowance(l)
	return p, nil
}

func (f grantFile) grant() (g query.Grant, err error) {
	if len(f.Tables) == 0 {
		return g, errors.New("tables are missing; *.* is all of them")
	}
	for _, text := range f.Tables {
		schema, table, ok := splitPattern(text)
		if !ok {
			return g, fmt.Errorf("table %q: write schema.table; * and ? are wildcards, and a name with a dot stands in double quotes", text)
		}
		g.Tables = append(g.Tables, query.TablePattern{Schema: schema, Table: table})
	}
	globs := func(what string, names []string) ([]query.Glob, error) {
		if names == nil {
			return nil, nil
		}
		out := []query.Glob{}
		for _, n := range names {
			if n == "" {
				return nil, fmt.Errorf("%s has an empty name", what)
			}
			out = append(out, query.Glob(n))
		}
		return out, nil
	}
	if g.Columns, err = globs("columns", f.Columns); err != nil {
		return g, err
	}
	if g.Denied, err = globs("denied", f.Denied); err != nil {
		return g, err
	}
	if f.Rows == "" {
		return g, nil
	}
	if g.Rows, err = predicate.Parse(f.Rows); err != nil {
		return g, fmt.Errorf("rows: %w", err)
	}
	if g.Rows == nil {
		return g, errors.New("rows is white space; leave it out where all rows may be seen")
	}
	return g, nil
}

// splitPattern takes schema.table apart; a part with a dot stands in double quotes.
func splitPattern(text string) (schema, table query.Glob, ok bool) {
	var first, rest string
	if quoted, after, closed := strings.Cut(strings.TrimPrefix(text, `"`), `"`); strings.HasPrefix(text, `"`) {
		first, rest = quoted, after
		if !closed || !strings.HasPrefix(rest, ".") {
			return "", "", false
		}
		rest = rest[1:]
	} else if first, rest, ok = strings.Cut(text, "."); !ok {
		return "", "", false
	}
	if inner, ok := strings.CutPrefix(rest, `"`); ok {
		if rest, ok = strings.CutSuffix(inner, `"`); !ok {
			return "", "", false
		}
	} else if strings.Contains(rest, ".") {
		return "", "", false
	}
	if first == "" || rest == "" || strings.Contains(first+rest, `"`) {
		return "", "", false
	}
	return query.Glob(first), query.Glob(rest), true
}
