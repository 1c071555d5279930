package archive_test

import (
	"encoding/json"
	"errors"
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

// A run that drops is interrupted between the detach and the drop: the table is no partition any more, and the next run finishes it. A
// table that was restored under the old name is left alone.
func TestAnInterruptedDropIsFinished(t *testing.T) {
	b := newBench(t, months)
	req := older("tx", "3 months", "2024-03-01T00:00:00Z")
	req.Retire = archive.Detach
	got, _ := b.older(req, 1)
	equal(t, "detached", got, "success, archived at=tx_old detached, archived at=2023-11 detached")
	b.sql.Exec(t, `CREATE TABLE restored AS TABLE tx_old; DROP TABLE tx_old; ALTER TABLE restored RENAME TO tx_old`)
	req.Retire = archive.Drop
	got, _ = b.older(req, 1)
	equal(t, "dropped", got, "success, unchanged at=2023-11 dropped")
	equal(t, "tables", b.sql.One(t, `SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relname IN ('tx_old', 'tx_2023_11')`), "tx_old")
	got, _ = b.older(req, 1)
	equal(t, "again", got, "success")
}

func TestOlderOfSubpartitions(t *testing.T) {
	b := newBench(t, `
		CREATE TABLE m (day date, region text, n int) PARTITION BY RANGE (day);
		CREATE TABLE m_23 PARTITION OF m FOR VALUES FROM ('2023-01-01') TO ('2024-01-01') PARTITION BY LIST (region);
		CREATE TABLE m_23_eu PARTITION OF m_23 FOR VALUES IN ('eu'); CREATE TABLE m_23_us PARTITION OF m_23 FOR VALUES IN ('us');
		CREATE TABLE m_24 PARTITION OF m FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
		INSERT INTO m SELECT '2023-01-01'::date + i, (ARRAY['eu','us'])[1 + i % 2], i FROM generate_series(0, 699) i`)
	got, batch := b.older(older("m", "1 day", "2024-06-01T00:00:00Z"), 1)
	equal(t, "by name", got, "success, archived day=m_23_eu, archived day=m_23_us")
	equal(t, "leaf", batch.Results[0].Leaf, `"public"."m_23_eu"`)
	// One that was archived under another name is known again.
	b = newBench(t, months)
	b.run(request("tx", "at", "tx_2023_11"))
	got, _ = b.older(older("tx", "3 months", "2024-03-01T00:00:00Z"), 1)
	equal(t, "known", got, "success, archived at=tx_old, skipped at=tx_2023_11")
}

const keys = `
	CREATE TABLE two (at timestamp, id int) PARTITION BY RANGE (at, id);
	CREATE TABLE two_a PARTITION OF two FOR VALUES FROM ('2024-01-01', MINVALUE) TO ('2024-02-01', MINVALUE);
	CREATE TABLE two_b PARTITION OF two FOR VALUES FROM ('2024-02-01', MINVALUE) TO ('2024-02-10', 50);
	CREATE TABLE two_c PARTITION OF two FOR VALUES FROM ('2024-02-10', 50) TO ('2024-03-01', MINVALUE);
	INSERT INTO two SELECT '2024-01-01'::timestamp + i * interval '1 day', i FROM generate_series(0, 59) i;
	CREATE TABLE e (at timestamptz, name text) PARTITION BY RANGE (date_trunc('month', at AT TIME ZONE 'UTC'), lower(name));
	CREATE TABLE e_a PARTITION OF e FOR VALUES FROM ('2024-01-01', MINVALUE) TO ('2024-01-01', 'm');
	CREATE TABLE e_b PARTITION OF e FOR VALUES FROM ('2024-01-01', 'm') TO ('2024-02-01', MINVALUE);
	INSERT INTO e SELECT '2024-01-01+00'::timestamptz + i * interval '1 hour', chr(65 + i % 26) FROM generate_series(0, 519) i;
	CREATE TABLE x (at timestamp, n int) PARTITION BY RANGE (date_trunc('month', at));
	CREATE TABLE x_01 PARTITION OF x FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
	CREATE TABLE x_02 PARTITION OF x FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
	INSERT INTO x SELECT '2024-01-01'::timestamp + i * interval '1 day', i FROM generate_series(0, 59) i;
	CREATE TABLE z (code text) PARTITION BY RANGE (code);
	CREATE TABLE z_1 PARTITION OF z FOR VALUES FROM ('a, b') TO ('it''s');
	INSERT INTO z VALUES ('b'), ('c')`

func TestNamedByBounds(t *testing.T) {
	b := newBench(t, months, keys)
	for _, c := range []struct {
		table, column, value, partition string
		rows                            int64
	}{
		{"tx", "at", "[2024-01-01,2024-02-01)", "at=2024-01", 31},
		{"tx", "at", "[ '2024-02-01 00:00:00+00' , 2024-03-01 )", "at=2024-02", 29},
		{"tx", "at", "[MINVALUE,2023-11-01)", "at=tx_old", 17},
		{"tx", "at", "FOR VALUES FROM ('2023-12-01') TO ('2024-01-01')", "at=2023-12", 31},
		{"two", "at", "[(2024-01-01,MINVALUE),(2024-02-01,MINVALUE))", "at=2024-01-01,MINVALUE", 31},
		{"two", "at", "FOR VALUES FROM ('2024-02-10 00:00:00', 50) TO ('2024-03-01 00:00:00', MINVALUE)", "at=2024-02-10 00:00:00,50", 19},
		{"e", "at", "[(2024-01-01,'m'),(2024-02-01 00:00,MINVALUE))", "at=2024-01-01,m", 280},
		{"x", "at", "[2024-02-01,2024-03-01)", "at=2024-02", 29},
		{"z", "code", "['a, b','it''s')", "code=a, b", 2},
		// By their names, too.
		{"two", "at", "two_b", "at=two_b", 10},
		{"e", "at", "e_a", "at=e_a", 240},
		{"x", "at", "x_01", "at=x_01", 31},
	} {
		res, err := b.a.Run(t.Context(), request(c.table, c.column, c.value))
		if err != nil {
			t.Errorf("%s %s: %v", c.table, c.value, err)
			continue
		}
		equal(t, c.table+" "+c.value, res.Partition, c.partition)
		equal(t, c.table+" "+c.value, res.Records, c.rows)
		equal(t, "rerun of "+c.table+" "+c.value, b.run(request(c.table, c.column, c.value)).Action, "unchanged")
	}
	b.fail(request("tx", "at", "[2024-01-01,2024-02-02)"), postgres.ErrNoPartition, "tx_2024_01 FOR VALUES")
	b.fail(request("tx", "at", "[2024-01-01)"), postgres.ErrBadValue, "[from,to)")
	b.fail(request("tx", "at", "[soon,2024-02-01)"), postgres.ErrBadValue, "soon")
	// A partition that is retired already is still known by its bounds.
	req := request("tx", "at", "[2024-01-01,2024-02-01)")
	req.Retire = archive.Drop
	equal(t, "dropped", b.run(req).Retired, "dropped")
	equal(t, "again", b.run(req).Retired, "already retired")
}

// The age of a key of several columns counts by its first; that of an expression cannot be told.
func TestOlderOfOtherKeys(t *testing.T) {
	b := newBench(t, keys)
	// two_b has rows of 2024-02-10 with an id below 50: it is old one microsecond later.
	got, _ := b.older(older("two", "1 day", "2024-02-11T00:00:00Z"), 1)
	equal(t, "at its first value", got, "success, archived at=2024-01")
	got, _ = b.older(older("two", "1 day", "2024-02-11T00:00:00.000001Z"), 1)
	equal(t, "behind it", got, "success, archived at=2024-02-01, skipped at=2024-01")
	for _, table := range []string{"x", "z"} {
		_, err := b.a.Older(t.Context(), older(table, "1 day", "2024-02-11T00:00:00Z"), 1)
		if !errors.Is(err, postgres.ErrNoColumn) || !strings.Contains(err.Error(), "name its partitions by value, name or bounds") {
			t.Errorf("%s: %v", table, err)
		}
	}
	for age, want := range map[string]string{"-1 day": "the age is negative", "soon": "invalid input syntax for type interval", " ": "is needed"} {
		_, err := b.a.Older(t.Context(), older("two", age, "2024-02-11T00:00:00Z"), 1)
		if !errors.Is(err, postgres.ErrBadValue) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", age, err)
		}
	}
}
