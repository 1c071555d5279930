package rest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"frostline/objstore/faultstore"
	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

// A request's id is the caller's where that is one plain word; it stands in the answer, in the problem and in the log, whose lines
// stay one line each.
func TestRequestIDs(t *testing.T) {
	a := serve(t, querytest.Events(t), query.Options{}, rest.Options{})
	long := strings.Repeat("x", 129)
	for _, tt := range []struct {
		given string
		taken bool
	}{
		{"", false}, {"a1B2-_.:/+=@", true}, {long[:128], true}, {long, false}, {"two words", false}, {"\x1b[31mred", false}, {`"quoted"`, false}, {"ü", false},
		{"a\tb", false},
	} {
		// http.Client refuses some of these headers: they are sent as they are.
		conn, err := net.Dial("tcp", a.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("GET /api/v1/archives/no%0Asuch HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: " + tt.given + "\r\nConnection: close\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == 400 { // net/http refuses control characters itself
			conn.Close()
			if tt.taken {
				t.Errorf("%q: refused", tt.given)
			}
			continue
		}
		body := text(t, res)
		conn.Close()
		id := res.Header.Get("X-Request-Id")
		if (id == tt.given) != tt.taken || id == "" {
			t.Errorf("%q: %q", tt.given, id)
		}
		if res.StatusCode != 404 || member(t, body, "requestId") != id {
			t.Errorf("%d %s", res.StatusCode, body)
		}
		for start := time.Now(); !strings.Contains(a.log.String(), `"request_id":"`+id+`"`); time.Sleep(time.Millisecond) {
			if time.Since(start) > 5*time.Second {
				t.Fatalf("the log has no %q: %s", id, a.log.String())
			}
		}
	}
	for line := range strings.Lines(a.log.String()) {
		var v struct{ Msg, Path string }
		if err := json.Unmarshal([]byte(line), &v); err != nil || v.Msg != "request" || v.Path != "/api/v1/archives/no%0Asuch" {
			t.Errorf("%v %+v in %s", err, v, line)
		}
	}
	_, shown, _ := a.do(t, "GET", "/metrics", "")
	for _, want := range []string{`archive_http_problems{code="not_found"}`, `archive_http_requests{method="GET",route="none",status="404"}`} {
		if !strings.Contains(shown, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
}

// A long query that ends within the grace of a shutdown has succeeded, and none is accepted meanwhile.
func TestLongQueryDrains(t *testing.T) {
	w := querytest.Events(t)
	reading := make(chan string, 100)
	slow := faultstore.Wrap(w.Store, faultstore.Rule{Op: faultstore.ReadRanges, Kind: faultstore.Slow, Nth: 1, Delay: 500 * time.Millisecond, Do: func(key string) { reading <- key }})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := rest.New(query.New(w.Catalog, slow, query.Options{}), rest.Options{Log: slog.New(slog.DiscardHandler), Grace: 20 * time.Second, DrainWait: 2 * time.Second,
		Long: rest.LongOptions{Folder: results(w)}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	a := &api{log: &logged{}}
	a.Server = newClient("http://" + l.Addr().String())
	id := a.submit(t, allOf+`}`)
	<-reading
	cancel()
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		status, body, _ := a.do(t, "POST", queries, allOf+`}`)
		if status == 503 {
			if member(t, body, "code") != "draining" {
				t.Errorf("%s", body)
			}
			break
		}
		if time.Since(begin) > 5*time.Second {
			t.Fatalf("%d %s", status, body)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r, err := results(w).Get(t.Context(), id+"/state.json")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var state struct{ Query struct{ State string } }
	if err := json.NewDecoder(r).Decode(&state); err != nil || state.Query.State != "SUCCEEDED" {
		t.Errorf("%v %+v", err, state)
	}
}
