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

// A queryd that is started again answers from the cache of the one before: the data files need not be there.
func TestCacheOnDisk(t *testing.T) {
	clearEnv(t)
	server := s3test.Start(t)
	w := querytest.EventsIn(t, querytest.Open(t, server.Warehouse(t)))
	clearEnv(t)
	t.Setenv("AWS_REGION", s3test.Region)
	dir := t.TempDir()
	var metrics string
	ask := func() string {
		t.Helper()
		ready := filepath.Join(t.TempDir(), "ready")
		var stdout, stderr output
		ctx, cancel := context.WithCancel(context.Background())
		code := make(chan int, 1)
		go func() {
			code <- run(ctx, []string{"--listen", "127.0.0.1:0", "--warehouse", w.Store.Root(), "--ready-file", ready, "--cache-dir", dir, "--cache-bytes", "33554432"}, &stdout, &stderr)
		}()
		defer func() {
			cancel()
			if c := <-code; c != 0 {
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
		res, err := http.Get("http://" + v.Listening + "/api/v1/archives/query?columns=id,name&filter=id%3D4711&archivePath=" + w.Store.Root() + "/public/events")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := http.Get("http://" + v.Listening + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer shown.Body.Close()
		text, err := io.ReadAll(shown.Body)
		if err != nil {
			t.Fatal(err)
		}
		metrics = string(text)
		return string(body)
	}
	const want = `{"data":[{"id":4711,"name":"n4711"}],"totalMatched":1,`
	if body := ask(); !strings.HasPrefix(body, want) {
		t.Fatal(body)
	}
	for o, err := range w.Store.List(t.Context(), "public/events/") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(o.Key, ".parquet") || strings.HasSuffix(o.Key, ".avro") {
			if err := w.Store.Delete(t.Context(), o.Key); err != nil {
				t.Fatal(err)
			}
		}
	}
	if body := ask(); !strings.HasPrefix(body, want) {
		t.Error(body)
	}
	for _, line := range []string{`archive_query_cache_blocks{found="store"} 0`, `archive_query_cache_disk_errors 0`} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics have no line %s", line)
		}
	}
	if strings.Contains(metrics, `archive_query_cache_blocks{found="disk"} 0`+"\n") {
		t.Error("nothing was found on disk")
	}
}
