package rest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Certificates are the server's certificate and the authorities of its clients' ones, read from files in PEM and read anew when
// these change. Many goroutines may use it.
type Certificates struct {
	opt   CertificateOptions
	state atomic.Pointer[tls.Config]

	mu    sync.Mutex // one reload at a time
	first []stamp    // of the files when they were read first
}

// CertificateOptions say where Certificates are read.
type CertificateOptions struct {
	Cert, Key string       // files; the certificate with its chain
	ClientCA  string       // file of the authorities of client certificates; "" asks for none
	Require   bool         // connections without a client certificate are refused
	Log       *slog.Logger // reloads; default slog.Default()
}

// NewCertificates reads the files.
func NewCertificates(o CertificateOptions) (*Certificates, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Require && o.ClientCA == "" {
		return nil, errors.New("client certificates are required, and no authority for them is given")
	}
	c := &Certificates{opt: o}
	c.first = c.look()
	return c, c.Reload()
}

// Reload reads the files anew. On an error all stays as it was. Connections that are open stay so.
func (c *Certificates) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	cert, err := tls.LoadX509KeyPair(c.opt.Cert, c.opt.Key)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}
	if c.opt.ClientCA != "" {
		data, err := os.ReadFile(c.opt.ClientCA)
		if err != nil {
			return fmt.Errorf("authorities of clients: %w", err)
		}
		conf.ClientCAs = x509.NewCertPool()
		if !conf.ClientCAs.AppendCertsFromPEM(data) {
			return fmt.Errorf("authorities of clients: %s has no certificate", c.opt.ClientCA)
		}
		conf.ClientAuth = tls.VerifyClientCertIfGiven
		if c.opt.Require {
			conf.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	c.state.Store(conf)
	return nil
}

func (c *Certificates) look() []stamp {
	var out []stamp
	for _, name := range []string{c.opt.Cert, c.opt.Key, c.opt.ClientCA} {
		if info, err := os.Stat(name); err == nil {
			out = append(out, stamp{info.ModTime(), info.Size()})
		}
	}
	return out
}

// Watch reloads when a file has changed, until ctx ends.
func (c *Certificates) Watch(ctx context.Context, every time.Duration) {
	watch(ctx, every, c.first, c.look, func() (string, error) { return "certificates", c.Reload() }, c.opt.Log)
}

// Config is for a listener: TLS 1.2 and later, HTTP/1.1. Tickets of an earlier session are not taken, so that every connection is
// checked against the authorities of now.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			conf := c.state.Load().Clone()
			conf.SessionTicketsDisabled = true
			return conf, nil
		}}
}

// watch calls reload when what look sees is no longer what was seen, until ctx ends.
func watch(ctx context.Context, every time.Duration, seen []stamp, look func() []stamp, reload func() (string, error), log *slog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := look()
		if slices.Equal(now, seen) {
			continue
		}
		seen = now
		if what, err := reload(); err != nil {
			log.Error(what+" not reloaded; what was in force stays so", "error", err)
		} else {
			log.Info(what + " reloaded")
		}
	}
}
