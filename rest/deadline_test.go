package rest_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

// A connection whose body does not come to its end is answered and closed, whatever the answer is, and whoever asks.
func TestUnfinishedBodies(t *testing.T) {
	g := guard(t, "version: 1\nprincipals:\n  - name: ada\n    grants: [{tables: [\"*.*\"]}]\n", rest.Options{ReadTimeout: 200 * time.Millisecond})
	open := serve(t, querytest.Events(t), query.Options{}, rest.Options{ReadTimeout: 200 * time.Millisecond})
	const length, chunks = "Content-Length: 1000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
	for _, tt := range []struct {
		name, first, rest string
		server            *httptest.Server
		want              int
	}{
		{"a query", "POST " + q, length, open.Server, 400},
		{"a query in chunks", "POST " + q, chunks, open.Server, 400},
		{"nobody", "POST " + q, length, g.Server, 401},
		{"nobody, in chunks", "POST " + q, chunks, g.Server, 401},
		{"no such route", "POST /nowhere", length, open.Server, 404},
		{"a wrong method", "PUT " + q, chunks, open.Server, 405},
		{"another site", "POST " + q, "Origin: https://example.com\r\n" + length, open.Server, 403},
		{"compressed", "POST " + q, "Content-Encoding: gzip\r\n" + length, open.Server, 415},
		{"a body for GET", "GET /healthz", length, g.Server, 200},
	} {
		conn, err := net.Dial("tcp", tt.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, tt.first+" HTTP/1.1\r\nHost: localhost\r\n"+tt.rest); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if body := text(t, res); res.StatusCode != tt.want {
			t.Errorf("%s: %d %s", tt.name, res.StatusCode, body)
		}
		if _, err := in.ReadByte(); err != io.EOF {
			t.Errorf("%s: the connection afterwards: %v", tt.name, err)
		}
	}
}

// A connection whose answers are not taken is closed, also where nobody has to say who he is.
func TestAnswersNotTaken(t *testing.T) {
	w := querytest.Events(t)
	s := httptest.NewUnstartedServer(rest.New(query.New(w.Catalog, w.Store, query.Options{}),
		rest.Options{WriteTimeout: 200 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}).Handler())
	closed := make(chan struct{}, 1)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	s.Start()
	defer s.Close()
	for _, path := range []string{"/openapi.json", "/metrics", "/docs", "/page/main.js"} {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		go func() { // until the server closes the connection
			request := strings.Repeat("GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n", 100)
			for {
				if _, err := io.WriteString(conn, request); err != nil {
					return
				}
			}
		}()
		select {
		case <-closed:
		case <-time.After(30 * time.Second):
			t.Errorf("%s: the connection stays", path)
			conn.Close()
			<-closed
		}
	}
}

// A connection is used on after pauses that are longer than a body or a write may take.
func TestConnectionsAreKept(t *testing.T) {
	a := serve(t, querytest.Events(t), query.Options{}, rest.Options{ReadTimeout: time.Second, WriteTimeout: time.Second})
	conn, err := net.Dial("tcp", a.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	body := `{"archivePath":"public/events","columns":["id"],"limit":1}`
	for i, request := range []string{
		fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", q, len(body), body),
		fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n%s", q, len(body), body),
		"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		if i > 0 {
			time.Sleep(1100 * time.Millisecond)
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(in, nil)
		if err == nil && res.StatusCode == http.StatusContinue {
			res, err = http.ReadResponse(in, nil)
		}
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		if answer := text(t, res); res.StatusCode != 200 {
			t.Errorf("request %d: %d %s", i, res.StatusCode, answer)
		}
	}
}
