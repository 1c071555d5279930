package rest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key = certificate(t, nil, &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// certificate is c signed by a, or by itself.
func certificate(t *testing.T, a *authority, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore = time.Now().Add(-time.Hour)
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	parent, by := c, key
	if a != nil {
		parent, by = a.cert, a.key
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return out, key
}

func pemFile(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// secured is a server with TLS and client certificates. It keeps its files in dir.
type secured struct {
	url, dir string
	ca       *authority
	certs    *rest.Certificates
}

func (s *secured) serverCert(t *testing.T, name string) {
	t.Helper()
	c, k := certificate(t, s.ca, &x509.Certificate{Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	pemFile(t, filepath.Join(s.dir, "key.pem"), "EC PRIVATE KEY", der)
	pemFile(t, filepath.Join(s.dir, "cert.pem"), "CERTIFICATE", c.Raw)
}

func secure(t *testing.T, require bool) *secured {
	t.Helper()
	w := querytest.Events(t)
	s := &secured{dir: t.TempDir(), ca: newAuthority(t, "authority")}
	s.serverCert(t, "first")
	ca := pemFile(t, filepath.Join(s.dir, "ca.pem"), "CERTIFICATE", s.ca.cert.Raw)
	file := filepath.Join(s.dir, "principals.yaml")
	text := `version: 1
principals:
  - {name: ada, certificates: ["dns:ada.example.com"], grants: [{tables: ["*.*"]}]}
  - {name: bob, certificates: ["cn:bob", "uri:spiffe://example.com/bob", "email:bob@example.com", "subject:CN=robert,O=Example"], grants: [{tables: ["*.*"]}]}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	access, err := rest.NewAccess(rest.AccessOptions{Principals: file})
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	s.certs, err = rest.NewCertificates(rest.CertificateOptions{Log: quiet, Cert: filepath.Join(s.dir, "cert.pem"), Key: filepath.Join(s.dir, "key.pem"), ClientCA: ca, Require: require})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(rest.New(query.New(w.Catalog, w.Store, query.Options{NeedRights: true}), rest.Options{Identify: access.Identify, Log: quiet}).Handler())
	srv.Listener = tls.NewListener(srv.Listener, s.certs.Config())
	srv.Config.ErrorLog = discard()
	srv.Start()
	t.Cleanup(srv.Close)
	s.url = strings.Replace(srv.URL, "http://", "https://", 1)
	return s
}

// get asks with a client certificate, nil for none, and up to a version of TLS.
func (s *secured) get(t *testing.T, client *tls.Certificate, version uint16) (int, string, *http.Response) {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(s.ca.cert)
	conf := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: version}
	if client != nil { // also one that the server does not ask for
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return client, nil }
	}
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}}
	res, err := c.Get(s.url + "/api/v1/archives/tables")
	if err != nil {
		return 0, err.Error(), nil
	}
	return res.StatusCode, text(t, res), res
}

func (a *authority) client(t *testing.T, c *x509.Certificate) *tls.Certificate {
	t.Helper()
	cert, key := certificate(t, a, c)
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

func TestClientCertificates(t *testing.T) {
	s := secure(t, false)
	other := newAuthority(t, "authority")
	spiffe, err := url.Parse("spiffe://example.com/bob")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		by     *authority
		c      *x509.Certificate
		status int // 0: no connection
	}{
		{"dns", s.ca, &x509.Certificate{DNSNames: []string{"x", "ada.example.com"}}, 200},
		{"cn", s.ca, &x509.Certificate{Subject: pkix.Name{CommonName: "bob"}}, 200},
		{"uri", s.ca, &x509.Certificate{URIs: []*url.URL{spiffe}}, 200},
		{"email", s.ca, &x509.Certificate{EmailAddresses: []string{"bob@example.com"}}, 200},
		{"subject", s.ca, &x509.Certificate{Subject: pkix.Name{CommonName: "robert", Organization: []string{"Example"}}}, 200},
		{"a name of another kind", s.ca, &x509.Certificate{Subject: pkix.Name{CommonName: "ada.example.com"}, DNSNames: []string{"bob"}}, 401},
		{"other case", s.ca, &x509.Certificate{Subject: pkix.Name{CommonName: "Bob"}}, 401},
		{"nobody", s.ca, &x509.Certificate{Subject: pkix.Name{CommonName: "mallory"}}, 401},
		{"other authority of the same name", other, &x509.Certificate{Subject: pkix.Name{CommonName: "bob"}}, 0},
		{"signed by itself", nil, &x509.Certificate{Subject: pkix.Name{CommonName: "bob"}}, 0},
		{"expired", s.ca, &x509.Certificate{Subject: pkix.Name{CommonName: "bob"}, NotAfter: time.Now().Add(-time.Minute)}, 0},
	} {
		if status, body, _ := s.get(t, tt.by.client(t, tt.c), tls.VersionTLS13); status != tt.status {
			t.Errorf("%s: %d %s", tt.name, status, body)
		}
	}
	status, body, res := s.get(t, nil, tls.VersionTLS12)
	if status != 401 || res.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
		t.Errorf("without: %d %s", status, body)
	}
	if status, body, _ := s.get(t, nil, tls.VersionTLS11); status != 0 || !strings.Contains(body, "protocol version") {
		t.Errorf("TLS 1.1: %d %s", status, body)
	}
	if status, body, _ := secure(t, true).get(t, nil, tls.VersionTLS13); status != 0 {
		t.Errorf("none where one is required: %d %s", status, body)
	}
}

// A new certificate is used by the next connection; a broken one leaves the old one.
func TestCertificateReloads(t *testing.T) {
	s := secure(t, false)
	go s.certs.Watch(t.Context(), 5*time.Millisecond)
	name := func() string {
		_, _, res := s.get(t, nil, tls.VersionTLS13)
		if res == nil {
			return ""
		}
		return res.TLS.PeerCertificates[0].Subject.CommonName
	}
	if got := name(); got != "first" {
		t.Fatal(got)
	}
	s.serverCert(t, "second")
	for start := time.Now(); name() != "second"; time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal(name())
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, "cert.pem"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.certs.Reload(); err == nil {
		t.Error("a broken certificate was taken")
	}
	if got := name(); got != "second" {
		t.Errorf("after a broken one: %q", got)
	}
	for _, o := range []rest.CertificateOptions{{Cert: "/nowhere", Key: "/nowhere"}, {Require: true}} {
		if _, err := rest.NewCertificates(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

func discard() *log.Logger { return log.New(io.Discard, "", 0) }
