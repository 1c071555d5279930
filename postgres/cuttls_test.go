package postgres

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"net/url"
	"testing"

	"frostline/internal/pgtest"
)

// A long row comes in pieces also over TLS.
func TestCopyOutLongRowsTLS(t *testing.T) {
	pg := pgtest.Start(t).Database(t)
	pg.Exec(t, `CREATE TABLE t AS SELECT i AS id, repeat('ab', 1000000) AS v FROM generate_series(1, 3) i`)
	dsn, err := url.Parse(pg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	address := dsn.Host
	dsn.Host = tlsProxy(t, address)
	dsn.RawQuery = "sslmode=require"
	db := open(t, dsn.String())
	for range 2 {
		var got longest
		n, err := db.CopyOut(t.Context(), "SELECT id, v FROM public.t", &got)
		if n != 3 || err != nil || got.n > 65536 || bytes.Count(got.Bytes(), []byte("ab")) != 3000000 || got.Len() != 19+3*(2+8+4+2000000)+2 {
			t.Fatalf("%d rows, %v, %d bytes in pieces of up to %d", n, err, got.Len(), got.n)
		}
	}
}

// tlsProxy answers a client's SSLRequest (manual page "Message Flow", SSL Session Encryption) and passes on what it encrypts.
func tlsProxy(t *testing.T, server string) (address string) {
	t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate
	web.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				if _, err := io.ReadFull(client, make([]byte, 8)); err != nil {
					return
				}
				if _, err := client.Write([]byte("S")); err != nil {
					return
				}
				safe := tls.Server(client, &tls.Config{Certificates: web.TLS.Certificates})
				back, err := net.Dial("tcp", server)
				if err != nil {
					return
				}
				defer back.Close()
				go func() {
					_, _ = io.Copy(back, safe)
					back.Close()
				}()
				_, _ = io.Copy(safe, back)
			}()
		}
	}()
	return l.Addr().String()
}
