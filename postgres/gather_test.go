package postgres

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"runtime"
	"testing"
	"time"

	"frostline/internal/pgtest"
)

// arrivals notes when the first and the last bytes came.
type arrivals struct {
	n           int
	first, last time.Time
}

func (a *arrivals) Write(p []byte) (int, error) {
	a.last = time.Now()
	if a.n += len(p); a.n > 9000 && a.first.IsZero() {
		a.first = a.last
	}
	return len(p), nil
}

// Reads of a COPY gather, but not for long; and what follows on the connection does not wait.
func TestCopyOutGathers(t *testing.T) {
	pg := pgtest.Start(t).Database(t)
	dsn, err := url.Parse(pg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	safe := *dsn
	safe.Host = tlsProxy(t, dsn.Host)
	safe.RawQuery = "sslmode=require"
	for name, dsn := range map[string]*url.URL{"plain": dsn, "TLS": &safe} {
		t.Run(name, func(t *testing.T) {
			q := dsn.Query()
			q.Set("pool_max_conns", "1")
			dsn.RawQuery = q.Encode()
			db := open(t, dsn.String())
			var got arrivals // 20 rows of 9000 bytes, which fill the server's buffer, but not the mark
			n, err := db.CopyOut(t.Context(), "SELECT repeat('x', 9000) FROM generate_series(1, 20) i, pg_sleep(0.05 + 0 * i)", &got)
			if n != 20 || err != nil || got.n != 19+20*(2+4+9000)+2 {
				t.Fatalf("%d rows, %v, %d bytes", n, err, got.n)
			}
			if d := got.last.Sub(got.first); d < 200*time.Millisecond {
				t.Errorf("the rows came within %v, want them one by one over 950 ms", d)
			}
			var all bytes.Buffer
			if n, err := db.CopyOut(t.Context(), "SELECT repeat('y', 1000) FROM generate_series(1, 5000)", &all); n != 5000 || err != nil || bytes.Count(all.Bytes(), []byte("y")) != 5000000 {
				t.Errorf("%d rows, %v, %d bytes", n, err, all.Len())
			}
			rows, err := db.QueryText(t.Context(), "test", "SELECT 'here'")
			if err != nil || len(rows) != 1 || *rows[0][0] != "here" {
				t.Errorf("a query after a COPY: %v, %v", rows, err)
			}

			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			start := time.Now()
			if _, err := db.CopyOut(ctx, "SELECT pg_sleep(60)", io.Discard); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 20*time.Second {
				t.Errorf("a COPY that is cancelled: %v after %v", err, time.Since(start))
			}
		})
	}
}

// gatherPair is a connection that can gather, and its other end.
func gatherPair(t *testing.T) (*gatherConn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := gatherDial((&net.Dialer{}).DialContext)(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	there, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { there.Close() })
	return c.(*gatherConn), there
}

// The driver reads in the background while it writes, and leaves such a read to the next statement: a COPY that begins or ends meanwhile
// must not make it wait for many bytes.
func TestGatherBesideARead(t *testing.T) {
	for name, change := range map[string][2]func(*gatherConn){
		"begins": {func(*gatherConn) {}, func(g *gatherConn) { g.start() }},
		"ends":   {func(g *gatherConn) { g.start() }, (*gatherConn).stop},
	} {
		t.Run(name, func(t *testing.T) {
			g, there := gatherPair(t)
			change[0](g)
			for i, text := range []string{"short", "and one more"} {
				got := make(chan string, 1)
				go func() {
					b := make([]byte, 100)
					n, err := g.Read(b)
					if err != nil {
						t.Error(err)
					}
					got <- string(b[:n])
				}()
				for begun := false; !begun; time.Sleep(time.Millisecond) {
					g.mu.Lock()
					begun = g.reading
					g.mu.Unlock()
				}
				time.Sleep(5 * gatherFor) // until it has come to its wait
				if i == 0 {
					change[1](g)
				}
				if _, err := there.Write([]byte(text)); err != nil {
					t.Fatal(err)
				}
				select {
				case s := <-got:
					if s != text {
						t.Errorf("%q, want %q", s, text)
					}
				case <-time.After(20 * time.Second):
					t.Fatal("what has come is never read")
				}
			}
		})
	}
}

// A deadline that is set while a Read waits ends it.
func TestGatherDeadline(t *testing.T) {
	c, there := gatherPair(t)
	if !c.start() && runtime.GOOS == "linux" {
		t.Error("reads do not gather")
	}
	for _, wait := range []time.Duration{gatherFor / 4, gatherFor, 30 * gatherFor} {
		time.AfterFunc(wait, func() { _ = c.SetDeadline(time.Now()) })
		if n, err := c.Read(make([]byte, 10)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("deadline after %v: %d bytes, %v", wait, n, err)
		}
		if err := c.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := there.Write([]byte("short")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if n, err := c.Read(b); err != nil || string(b[:n]) != "short" {
		t.Errorf("%q, %v", b[:n], err)
	}
}
