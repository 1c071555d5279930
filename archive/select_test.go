package archive_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"frostline/archive"
	"frostline/postgres"
)

func older(table, age, now string) archive.OlderRequest {
	at, err := time.Parse(time.RFC3339, now)
	if err != nil {
		panic(err)
	}
	return archive.OlderRequest{Table: postgres.Name{Schema: "public", Table: table}, OlderThan: age, Now: at}
}

// older runs a request and says what became of it: "action partition" of the results in their order, skipped and failed ones.
func (b *bench) older(req archive.OlderRequest, jobs int) (string, archive.Batch) {
	b.t.Helper()
	batch, err := b.a.Older(b.t.Context(), req, jobs)
	if err != nil {
		b.t.Fatalf("%+v: %v", req, err)
	}
	return told(batch), batch
}

func told(batch archive.Batch) string {
	out := []string{batch.Status}
	for _, r := range batch.Results {
		out = append(out, strings.TrimSpace(r.Action+" "+r.Partition+" "+r.Retired))
	}
	for _, s := range batch.Skipped {
		out = append(out, "skipped "+s.Partition)
	}
	for _, f := range batch.Failed {
		out = append(out, "failed "+f.Partition)
	}
	return strings.Join(out, ", ")
}

const months = `
	CREATE TABLE tx (at timestamptz NOT NULL, n int) PARTITION BY RANGE (at);
	CREATE TABLE tx_old PARTITION OF tx FOR VALUES FROM (MINVALUE) TO ('2023-11-01');
	CREATE TABLE tx_2023_11 PARTITION OF tx FOR VALUES FROM ('2023-11-01') TO ('2023-12-01');
	CREATE TABLE tx_2023_12 PARTITION OF tx FOR VALUES FROM ('2023-12-01') TO ('2024-01-01');
	CREATE TABLE tx_2024_01 PARTITION OF tx FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
	CREATE TABLE tx_2024_02 PARTITION OF tx FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
	CREATE TABLE tx_open PARTITION OF tx FOR VALUES FROM ('2024-03-01') TO (MAXVALUE);
	CREATE TABLE tx_rest PARTITION OF tx DEFAULT;
	INSERT INTO tx SELECT '2023-10-15'::timestamptz + i * interval '1 day', i FROM generate_series(0, 299) i`

func TestOlder(t *testing.T) {
	b := newBench(t, months)
	got, _ := b.older(older("tx", "2 months", "2024-02-29T23:59:59Z"), 1)
	equal(t, "before the end of December is two months old", got, "success, archived at=tx_old, archived at=2023-11")
	got, _ = b.older(older("tx", "2 months", "2024-03-01T00:00:00Z"), 4)
	equal(t, "at its end", got, "success, archived at=2023-12, skipped at=tx_old, skipped at=2023-11")
	equal(t, "table", b.rows("tx"), "at=2023-11 30/30, at=2023-12 31/31, at=tx_old 17/17")

	req := older("tx", "60d", "2024-03-01T00:00:00Z")
	req.Verify = true
	got, _ = b.older(req, 1)
	equal(t, "verified", got, "success, unchanged at=tx_old, unchanged at=2023-11, unchanged at=2023-12")

	b.sql.Exec(t, `INSERT INTO tx VALUES ('2023-11-11', -1)`)
	got, batch := b.older(req, 1)
	equal(t, "one changed", got, "partial, unchanged at=tx_old, unchanged at=2023-12, failed at=2023-11")
	equal(t, "its error", strings.Contains(batch.Failed[0].Error, "source has 31 rows") && batch.Failed[0].Leaf == `"public"."tx_2023_11"`, true)
	equal(t, "its kind", len(batch.Failures()) == 1 && batch.Failures()[0] != nil, true)
	req.Replace = true
	got, _ = b.older(req, 1)
	equal(t, "replaced where it differs", got, "success, unchanged at=tx_old, replaced at=2023-11, unchanged at=2023-12")

	// A retirement proves what is archived; the second run finds nothing to do.
	req = older("tx", "2 months", "2024-03-01T00:00:00Z")
	req.Retire = archive.Drop
	got, _ = b.older(req, 1)
	equal(t, "retired", got, "success, unchanged at=tx_old dropped, unchanged at=2023-11 dropped, unchanged at=2023-12 dropped")
	got, batch = b.older(req, 1)
	equal(t, "nothing left", got, "success")
	data, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "JSON", string(data), `{"status":"success","table":"public.tx","results":[],"failed":[]}`)
	equal(t, "partitions", b.sql.One(t, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'tx'::regclass`), "4")
}

func TestOlderJobs(t *testing.T) {
	b := newBench(t, `CREATE TABLE d (day date NOT NULL, n int) PARTITION BY RANGE (day)`)
	for i := range 9 {
		b.sql.Exec(t, fmt.Sprintf(`CREATE TABLE d_%d PARTITION OF d FOR VALUES FROM ('2024-01-0%d') TO ('2024-01-%02d')`, i+1, i+1, i+2))
	}
	b.sql.Exec(t, `INSERT INTO d SELECT '2024-01-01'::date + i % 9, i FROM generate_series(1, 900) i`)
	got, batch := b.older(older("d", "1 day", "2024-01-10T00:00:00Z"), 4)
	equal(t, "status", batch.Status, "success")
	equal(t, "results", len(batch.Results), 8)
	equal(t, "has the first", strings.Contains(got, "archived day=2024-01-01"), true)
	var want []string
	for i := range 8 {
		want = append(want, fmt.Sprintf("day=2024-01-0%d 100/100", i+1))
	}
	equal(t, "table", b.rows("d"), strings.Join(want, ", "))
	_, err := b.a.Older(t.Context(), older("d", "1 day", "2024-01-10T00:00:00Z"), 13)
	equal(t, "too many jobs", err != nil && strings.Contains(err.Error(), "1 to 12"), true)
}
