package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"frostline/iceberg"
	"frostline/objstore"
)

const killRows = 60000

// archive is killed with SIGKILL at twenty random moments of a run. Whatever the moment, the Iceberg table then shows the partition
// wholly or not at all, and running again succeeds and ends with all of it.
func TestKill(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.db.Exec(t, fmt.Sprintf(`
			CREATE TABLE k (id bigint, at timestamptz NOT NULL, note text, amount numeric(12,2)) PARTITION BY RANGE (at);
			CREATE TABLE k_01 PARTITION OF k FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
			CREATE TABLE k_02 PARTITION OF k FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
			INSERT INTO k SELECT i, '2024-01-01'::timestamptz + i * interval '10 seconds', 'note ' || md5(i::text), i / 7.0 FROM generate_series(1, %d) i`, killRows))
		args := []string{"--table", "k", "--partition-column", "at", "--partition-value", "2024-01"}

		// Another partition is there already: a kill must not harm it.
		start := time.Now()
		w.run("archive", "--table", "k", "--partition-column", "at", "--partition-value", "2024-02")
		whole := time.Since(start)
		start = time.Now()
		w.run("archive", args...)
		whole = max(whole, time.Since(start))

		t.Logf("a whole run takes %v", whole)
		random := w.random()
		outcomes := map[string]int{}
		for i := range 20 {
			w := w.fresh(i)
			w.run("archive", "--table", "k", "--partition-column", "at", "--partition-value", "2024-02")
			// One moment in each twentieth of a run, and some behind its end.
			after := time.Duration((float64(i) + random.Float64()) / 20 * 1.2 * float64(whole))
			w.killed(after, "archive", args...)
			outcome := w.visible("at=2024-01")
			outcomes[outcome]++
			if outcome == "torn" {
				t.Fatalf("killed after %v: the partition is there in part", after)
			}
			w.unlocked()
			res := w.run("archive", args...)
			want := map[string]string{"whole": "unchanged", "nothing": "archived"}[outcome]
			// The S3 server goes on with the last request of the process that is gone, which may be the commit.
			late := outcome == "nothing" && res["action"] == "unchanged" && strings.HasPrefix(w.warehouse, "s3:")
			if late {
				outcomes["whole, a moment later"]++
			} else if res["action"] != want {
				t.Errorf("killed after %v, the table shows %s, the rerun says %v, want %s", after, outcome, res["action"], want)
			}
			if got := w.visible("at=2024-01"); got != "whole" {
				t.Errorf("killed after %v: after the rerun the table shows %s", after, got)
			}
			if got := w.visible("at=2024-02"); got != "empty" {
				t.Errorf("killed after %v: the other partition shows %s", after, got)
			}
		}
		t.Logf("after the kill: %v", outcomes)
	})
}

// fresh is the same database with a warehouse of its own.
func (w *world) fresh(i int) *world {
	c := *w
	c.warehouse = fmt.Sprintf("%s/kill-%02d", w.warehouse, i)
	c.env = append(append([]string(nil), w.env...), "ARCHIVE_WAREHOUSE="+c.warehouse)
	return &c
}

// visible reads the table as any reader would: the current snapshot's files, opened by their bytes.
func (w *world) visible(partition string) string { return w.visibleOf("k", partition) }

func (w *world) visibleOf(name, partition string) string {
	w.t.Helper()
	ctx := w.t.Context()
	store, err := objstore.Open(ctx, w.warehouse, objstore.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	catalog := iceberg.NewCatalog(store)
	table, err := catalog.Load(ctx, iceberg.TableKey("public", name))
	if errors.Is(err, iceberg.ErrNoTable) {
		return "nothing"
	}
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = table.Partition(partition)
	listed := err == nil
	parts, err := catalog.Plan(ctx, table, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	var rows int64
	for _, p := range parts {
		for _, f := range p.Files {
			if !strings.Contains(f.Location, "/"+partition+"/") {
				continue
			}
			rows += f.Rows
			key, err := objstore.Key(store, f.Location)
			if err != nil {
				w.t.Fatal(err)
			}
			if o, err := store.Stat(ctx, key); err != nil || o.Size != f.Bytes {
				w.t.Errorf("%s: %d bytes planned, the store has %d: %v", f.Location, f.Bytes, o.Size, err)
			}
		}
	}
	switch {
	case rows == killRows && listed:
		return "whole"
	case rows == 0 && listed:
		return "empty"
	case rows == 0:
		return "nothing"
	}
	return "torn"
}

// The metrics and health endpoints of a running queryd.
func TestQuerydIsReady(t *testing.T) {
	w := newWorld(t, "file://"+t.TempDir())
	url := w.serve()
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		resp, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}
