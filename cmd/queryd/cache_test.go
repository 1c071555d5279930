package main

import (
	"strings"
	"testing"

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
		s := start(t, w.Store.Root(), "--cache-dir", dir, "--cache-bytes", "33554432")
		defer s.stop(t)
		_, body, _ := s.ask(t, "GET", "/api/v1/archives/query?columns=id,name&filter=id%3D4711&archivePath="+w.Store.Root()+"/public/events", "", nil)
		_, metrics, _ = s.ask(t, "GET", "/metrics", "", nil)
		return body
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
