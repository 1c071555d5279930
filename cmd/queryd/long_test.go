package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"frostline/internal/s3test"
	"frostline/query/querytest"
)

// A long query's result lies in the warehouse on S3 and is there after a restart; so are page tokens with a key file.
func TestLongQueryOnS3(t *testing.T) {
	clearEnv(t)
	server := s3test.Start(t)
	w := querytest.EventsIn(t, querytest.Open(t, server.Warehouse(t)))
	clearEnv(t)
	t.Setenv("AWS_REGION", s3test.Region)
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("0123456789abcdef0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	serve := func(use func(url string)) {
		t.Helper()
		ready := filepath.Join(t.TempDir(), "ready")
		var stdout, stderr output
		ctx, cancel := context.WithCancel(context.Background())
		code := make(chan int, 1)
		go func() {
			code <- run(ctx, []string{"--listen", "127.0.0.1:0", "--warehouse", w.Store.Root(), "--ready-file", ready, "--page-keys", keys}, &stdout, &stderr)
		}()
		defer func() {
			cancel()
			if c := <-code; c != 0 || strings.Contains(stderr.String(), "WARN") {
				t.Errorf("exit code %d: %s", c, stderr.String())
			}
		}()
		var v struct{ Listening string }
		for start := time.Now(); v.Listening == ""; time.Sleep(5 * time.Millisecond) {
			if time.Since(start) > 20*time.Second {
				t.Fatalf("not ready: %s", stderr.String())
			}
			if line, err := os.ReadFile(ready); err == nil {
				if err := json.Unmarshal(line, &v); err != nil {
					t.Fatal(err)
				}
			}
		}
		use("http://" + v.Listening + "/api/v1/archives/queries")
	}
	ask := func(method, url, body string) string {
		t.Helper()
		req, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	var q struct{ ID, State, NextPageToken string }
	read := func(body string) {
		t.Helper()
		if err := json.Unmarshal([]byte(body), &q); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
	}
	serve(func(url string) {
		read(ask("POST", url, `{"archivePath":"public/events","columns":["id"]}`))
		for start := time.Now(); q.State != "SUCCEEDED"; time.Sleep(5 * time.Millisecond) {
			if time.Since(start) > 20*time.Second || q.State == "FAILED" {
				t.Fatalf("%+v", q)
			}
			read(ask("GET", url+"/"+q.ID, ""))
		}
		read(ask("GET", url+"/"+q.ID+"/results?limit=10", ""))
	})
	serve(func(url string) {
		if got := ask("GET", url+"/"+q.ID+"/results?limit=2&pageToken="+q.NextPageToken, ""); !strings.HasPrefix(got, `{"data":[{"id":10},{"id":11}],"totalRows":6000,`) {
			t.Errorf("after the restart: %s", got)
		}
		if got := ask("GET", url+"/"+q.ID+"/download", ""); strings.Count(got, "\n") != 6000 {
			t.Errorf("download: %d lines", strings.Count(got, "\n"))
		}
		if got := ask("DELETE", url+"/"+q.ID, ""); got != "" {
			t.Errorf("delete: %s", got)
		}
	})
	for o := range w.Store.List(t.Context(), "_queries/") {
		t.Errorf("left behind: %s", o.Key)
	}
}

func TestLongFlags(t *testing.T) {
	clearEnv(t)
	dir := t.TempDir()
	short, empty := filepath.Join(dir, "short"), filepath.Join(dir, "empty")
	for file, text := range map[string]string{short: "too short\n", empty: "\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		args []string
		text string
	}{
		{"no time", []string{"--long-timeout", "0s"}, "--long-timeout"},
		{"results nowhere", []string{"--long-results", "ftp://x"}, "--long-results"},
		{"short key", []string{"--page-keys", short}, "openssl rand -hex 32"},
		{"no key", []string{"--page-keys", empty}, "openssl rand -hex 32"},
		{"no key file", []string{"--page-keys", filepath.Join(dir, "none")}, "page keys"},
		{"negative queue", []string{"--queue=-1"}, "--queue"},
	} {
		var stdout, stderr output
		code := run(context.Background(), append(tt.args, "--warehouse", "file://"+dir, "--listen", "127.0.0.1:0"), &stdout, &stderr)
		if code != 2 || !strings.Contains(stderr.String(), tt.text) || strings.Contains(stderr.String(), "too short\n") {
			t.Errorf("%s: exit code %d: %s", tt.name, code, stderr.String())
		}
	}
}
