package main

import (
	"context"
	"encoding/json"
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
	serve := func(use func(ask func(method, path, body string) string)) {
		t.Helper()
		s := start(t, w.Store.Root(), "--page-keys", keys)
		use(func(method, path, body string) string {
			t.Helper()
			_, answer, _ := s.ask(t, method, "/api/v1/archives/queries"+path, body, nil)
			return answer
		})
		s.stop(t)
		if strings.Contains(s.stderr.String(), "WARN") {
			t.Error(s.stderr.String())
		}
	}
	var q struct{ ID, State, NextPageToken string }
	read := func(body string) {
		t.Helper()
		if err := json.Unmarshal([]byte(body), &q); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
	}
	serve(func(ask func(method, path, body string) string) {
		read(ask("POST", "", `{"archivePath":"public/events","columns":["id"]}`))
		for start := time.Now(); q.State != "SUCCEEDED"; time.Sleep(5 * time.Millisecond) {
			if time.Since(start) > 20*time.Second || q.State == "FAILED" {
				t.Fatalf("%+v", q)
			}
			read(ask("GET", "/"+q.ID, ""))
		}
		read(ask("GET", "/"+q.ID+"/results?limit=10", ""))
	})
	serve(func(ask func(method, path, body string) string) {
		if got := ask("GET", "/"+q.ID+"/results?limit=2&pageToken="+q.NextPageToken, ""); !strings.HasPrefix(got, `{"data":[{"id":10},{"id":11}],"totalRows":6000,`) {
			t.Errorf("after the restart: %s", got)
		}
		if got := ask("GET", "/"+q.ID+"/download", ""); strings.Count(got, "\n") != 6000 {
			t.Errorf("download: %d lines", strings.Count(got, "\n"))
		}
		if got := ask("DELETE", "/"+q.ID, ""); got != "" {
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
