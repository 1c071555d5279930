package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"frostline/internal/cli"
	"frostline/rest"
)

// who are the flags of who may ask. docs/security.md describes the files.
type who struct {
	Principals    string   `help:"File of who may ask, and what (YAML). Without it whoever reaches the server may ask everything." type:"path" placeholder:"FILE" env:"QUERYD_PRINCIPALS"`
	Keys          string   `help:"File of API keys, as queryd keys makes it." type:"path" placeholder:"FILE" env:"QUERYD_KEYS"`
	NoAuth        bool     `help:"Serve an address that is not loopback without --principals: whoever reaches it can read the whole archive." env:"QUERYD_NO_AUTH"`
	TLSCert       string   `help:"Certificate of the server with its chain (PEM)." type:"path" placeholder:"FILE" name:"tls-cert" env:"QUERYD_TLS_CERT"`
	TLSKey        string   `help:"Its key (PEM)." type:"path" placeholder:"FILE" name:"tls-key" env:"QUERYD_TLS_KEY"`
	TLSClientCA   string   `help:"Authorities of client certificates (PEM)." type:"path" placeholder:"FILE" name:"tls-client-ca" env:"QUERYD_TLS_CLIENT_CA"`
	RequireClient bool     `help:"Refuse connections without a client certificate." name:"tls-require-client"`
	Audit         string   `help:"File that gets a line for every request; - is stdout." placeholder:"FILE" env:"QUERYD_AUDIT"`
	AllowOrigin   []string `help:"Origin of pages that browsers may let ask, such as https://wiki.example.com; may be repeated." placeholder:"URL"`
	Host          []string `help:"Name of this host beside localhost, for a server on loopback without --principals; may be repeated." placeholder:"NAME"`
}

// guard is what the flags make.
type guard struct {
	access *rest.Access
	certs  *rest.Certificates
	audit  *rest.AuditLog
}

// check refuses flags that leave the archive open by oversight, before anything is opened.
func (w who) check(listen string) error {
	switch {
	case w.Keys != "" && w.Principals == "":
		return fmt.Errorf("%w: --keys needs --principals: it says what the owners of keys may see", cli.ErrUsage)
	case (w.TLSCert == "") != (w.TLSKey == ""):
		return fmt.Errorf("%w: --tls-cert and --tls-key belong together", cli.ErrUsage)
	case w.TLSCert == "" && (w.TLSClientCA != "" || w.RequireClient):
		return fmt.Errorf("%w: client certificates need --tls-cert and --tls-key", cli.ErrUsage)
	case w.NoAuth && w.Principals != "":
		return fmt.Errorf("%w: --no-auth and --principals exclude each other", cli.ErrUsage)
	}
	for _, o := range w.AllowOrigin {
		u, err := url.Parse(o)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || o != u.Scheme+"://"+u.Host {
			return fmt.Errorf("%w: --allow-origin %q is not an origin such as https://wiki.example.com; every origin is not possible", cli.ErrUsage, o)
		}
	}
	// net.Listen says what is wrong with an address.
	if host, _, err := net.SplitHostPort(listen); err == nil && w.Principals == "" && !w.NoAuth && !isLoopback(host) {
		return fmt.Errorf("%w: --listen %s is not a loopback address and there is no authentication: whoever reaches it could read the archive; give --principals, "+
			"listen on 127.0.0.1, or say --no-auth", cli.ErrUsage, listen)
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// open reads the files and gives o what they make.
func (w who) open(o *rest.Options) (g guard, err error) {
	o.Origins, o.Hosts = w.AllowOrigin, w.Host
	if w.Principals != "" {
		if g.access, err = rest.NewAccess(rest.AccessOptions{Principals: w.Principals, Keys: w.Keys, Log: o.Log}); err != nil {
			return g, fmt.Errorf("%w: %w", cli.ErrUsage, err)
		}
		o.Identify = g.access.Identify
	}
	if w.TLSCert != "" {
		if g.certs, err = rest.NewCertificates(rest.CertificateOptions{Cert: w.TLSCert, Key: w.TLSKey, ClientCA: w.TLSClientCA, Require: w.RequireClient, Log: o.Log}); err != nil {
			return g, fmt.Errorf("%w: %w", cli.ErrUsage, err)
		}
	}
	if w.Audit != "" {
		if g.audit, err = rest.OpenAuditLog(w.Audit); err != nil {
			return g, fmt.Errorf("%w: %w", cli.ErrUsage, err)
		}
		o.Audit = g.audit
	}
	return g, nil
}

// lookEvery is how often the files are looked at for changes.
const lookEvery = 2 * time.Second

// watch reloads the files when they change and on SIGHUP, until ctx ends. reloads are what else SIGHUP does.
func (g guard) watch(ctx context.Context, log *slog.Logger, reloads ...func() error) {
	if g.access != nil {
		go g.access.Watch(ctx, lookEvery)
		reloads = append(reloads, g.access.Reload)
	}
	if g.certs != nil {
		go g.certs.Watch(ctx, lookEvery)
		reloads = append(reloads, g.certs.Reload)
	}
	if g.audit != nil {
		reloads = append(reloads, g.audit.Reopen)
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		defer signal.Stop(hup)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
			}
			for _, reload := range reloads {
				if err := reload(); err != nil {
					log.Error("not reloaded; what was in force stays so", "error", err)
				}
			}
			log.Info("reloaded on SIGHUP")
		}
	}()
}

// listener is l with TLS where there is a certificate.
func (g guard) listener(l net.Listener) net.Listener {
	if g.certs == nil {
		return l
	}
	return tls.NewListener(l, g.certs.Config())
}
