package archive_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"frostline/archive"
	"frostline/iceberg"
	"frostline/internal/pgtest"
	"frostline/objstore"
	"frostline/objstore/faultstore"
	"frostline/postgres"
)

// bench is one database with an archiver over a file warehouse behind the fault wrapper.
type bench struct {
	t     *testing.T
	sql   *pgtest.DB
	store *faultstore.Store
	a     *archive.Archiver
}

func newBench(t *testing.T, sql ...string) *bench {
	t.Helper()
	db := pgtest.Start(t).Database(t)
	db.Exec(t, sql...)
	pg, err := postgres.Open(t.Context(), postgres.Config{DSN: db.DSN, Application: "archive test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pg.Close)
	store, err := objstore.Open(t.Context(), "file://"+t.TempDir(), objstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	faulty := faultstore.Wrap(store)
	return &bench{t, db, faulty, &archive.Archiver{DB: pg, Store: faulty, Catalog: iceberg.NewCatalog(faulty), Version: "test"}}
}

func request(table, column, value string) archive.Request {
	return archive.Request{Table: postgres.Name{Schema: "public", Table: table}, Column: column, Value: value}
}

func (b *bench) run(req archive.Request) archive.Result {
	b.t.Helper()
	res, err := b.a.Run(b.t.Context(), req)
	if err != nil {
		b.t.Fatalf("%+v: %v", req, err)
	}
	return res
}

func (b *bench) fail(req archive.Request, want error, says ...string) {
	b.t.Helper()
	_, err := b.a.Run(b.t.Context(), req)
	if !errors.Is(err, want) {
		b.t.Fatalf("%+v: error %v, want %v", req, err, want)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			b.t.Errorf("%q does not say %q", err, s)
		}
	}
}

// rows is what the current snapshot holds of each archived partition: "name=rows" of the entry and of its files.
func (b *bench) rows(table string) string {
	b.t.Helper()
	c := iceberg.NewCatalog(b.store)
	t, err := c.Load(b.t.Context(), iceberg.TableKey("public", table))
	if errors.Is(err, iceberg.ErrNoTable) {
		return ""
	}
	if err != nil {
		b.t.Fatal(err)
	}
	files := map[string]int64{}
	plan, err := c.Plan(b.t.Context(), t, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range plan {
		for _, f := range p.Files {
			files[p.Name] += f.Rows
		}
	}
	var out []string
	for _, p := range t.Partitions() {
		out = append(out, fmt.Sprintf("%s %d/%d", p.Name, p.Rows, files[p.Name]))
		delete(files, p.Name)
	}
	for name, n := range files {
		out = append(out, fmt.Sprintf("%s unlisted/%d", name, n))
	}
	return strings.Join(out, ", ")
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

const monthly = `
	CREATE TABLE tx (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL, note text, amount numeric(12,2), twice numeric GENERATED ALWAYS AS (amount * 2) STORED,
		PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
	CREATE TABLE tx_2024_01 PARTITION OF tx FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
	CREATE TABLE tx_2024_02 PARTITION OF tx FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
	INSERT INTO tx (at, note, amount) SELECT '2024-01-01'::timestamptz + i * interval '1 minute', 'n' || i, i FROM generate_series(1, 1000) i`

func TestARerunIsAProvenNoOp(t *testing.T) {
	b := newBench(t, monthly)
	first := b.run(request("tx", "at", "2024-01"))
	equal(t, "action", first.Action, "archived")
	equal(t, "records", first.Records, int64(1000))
	equal(t, "partition", first.Partition, "at=2024-01")
	again := b.run(request("tx", "at", "2024-01"))
	equal(t, "action", again.Action, "unchanged")
	equal(t, "digest", again.Digest, first.Digest)
	equal(t, "snapshot", again.SnapshotID, first.SnapshotID)
	// Another spelling of the same leaf is the same archive.
	other := b.run(request("tx", "at", "2024-01-15"))
	equal(t, "action", other.Action, "unchanged")
	equal(t, "partition", other.Partition, "at=2024-01")
	equal(t, "table", b.rows("tx"), "at=2024-01 1000/1000")
}

func TestAChangedSourceNeedsReplace(t *testing.T) {
	b := newBench(t, monthly)
	b.run(request("tx", "at", "2024-01"))
	b.sql.Exec(t, `INSERT INTO tx (at, note) VALUES ('2024-01-20', 'late')`)
	b.fail(request("tx", "at", "2024-01"), archive.ErrDiffers, "source has 1001 rows", "the archive has 1000", "--replace")
	equal(t, "table", b.rows("tx"), "at=2024-01 1000/1000")
	req := request("tx", "at", "2024-01")
	req.Replace = true
	equal(t, "action", b.run(req).Action, "replaced")
	equal(t, "table", b.rows("tx"), "at=2024-01 1001/1001")
	// A value changed in place has the same count and another digest.
	b.sql.Exec(t, `UPDATE tx SET note = 'other' WHERE id = 7`)
	b.fail(request("tx", "at", "2024-01"), archive.ErrDiffers, "source has 1001 rows", "the archive has 1001")
}

func TestEmptyPartition(t *testing.T) {
	b := newBench(t, monthly)
	res := b.run(request("tx", "at", "2024-02"))
	equal(t, "files", res.Files, 0)
	equal(t, "action", b.run(request("tx", "at", "2024-02")).Action, "unchanged")
	b.run(request("tx", "at", "2024-01"))
	equal(t, "table", b.rows("tx"), "at=2024-01 1000/1000, at=2024-02 0/0")
}

func TestDryRunChangesNothing(t *testing.T) {
	b := newBench(t, monthly)
	req := request("tx", "at", "2024-01")
	req.DryRun, req.Retire = true, archive.Drop
	res := b.run(req)
	equal(t, "status", res.Status, "planned")
	equal(t, "partitioning", res.Plan.Partition, "month(at)")
	for _, want := range []string{"DETACH PARTITION", "LOCK TABLE", "DROP TABLE"} {
		equal(t, want, strings.Contains(strings.Join(res.Plan.Retire, "\n"), want), true)
	}
	equal(t, "puts", b.store.Count(faultstore.Put), 0)
	equal(t, "probes", b.store.Count(faultstore.Probe), 0)
	equal(t, "table", b.rows("tx"), "")
	equal(t, "partitions", b.sql.One(t, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'tx'::regclass`), "2")
}

func TestSources(t *testing.T) {
	b := newBench(t, `
		CREATE TABLE l (id int, kind text) PARTITION BY LIST (kind);
		CREATE TABLE l_ab PARTITION OF l FOR VALUES IN ('a', 'b'); CREATE TABLE l_c PARTITION OF l FOR VALUES IN ('c', NULL); CREATE TABLE l_rest PARTITION OF l DEFAULT;
		INSERT INTO l SELECT i, (ARRAY['a','b','c',NULL,'z'])[1 + i % 5] FROM generate_series(1, 500) i;
		CREATE TABLE h (id int, v text) PARTITION BY HASH (id);
		CREATE TABLE h_0 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE h_1 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 1);
		INSERT INTO h SELECT i, 'v' FROM generate_series(1, 100) i;
		CREATE TABLE m (id int, at date, region text) PARTITION BY RANGE (at);
		CREATE TABLE m_24 PARTITION OF m FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (region);
		CREATE TABLE m_24_eu PARTITION OF m_24 FOR VALUES IN ('eu'); CREATE TABLE m_24_us PARTITION OF m_24 FOR VALUES IN ('us');
		CREATE TABLE m_25 (region text, at date, id int); ALTER TABLE m ATTACH PARTITION m_25 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
		INSERT INTO m SELECT i, '2024-06-01'::date + i, (ARRAY['eu','us'])[1 + i % 2] FROM generate_series(1, 300) i;
		CREATE TABLE n (id int, v int) PARTITION BY RANGE (id);
		CREATE TABLE n_1 PARTITION OF n FOR VALUES FROM (0) TO (1000); CREATE TABLE n_2 PARTITION OF n FOR VALUES FROM (1000) TO (2000);
		INSERT INTO n SELECT i, i FROM generate_series(0, 1999) i;
		CREATE TABLE "Pl ain" (id int, "Day" date, at timestamp); INSERT INTO "Pl ain" SELECT i, '2024-01-01'::date + i % 3, '2024-01-01'::timestamp + i * interval '1 hour' FROM generate_series(1, 90) i`)
	for _, c := range []struct {
		table, column, value string
		rows                 int64
		want                 string
	}{
		{"l", "kind", "b", 200, "kind=b 200/200"},
		{"l", "kind", "c", 200, "kind=b 200/200, kind=c 200/200"},
		{"l", "kind", "DEFAULT", 100, "kind=DEFAULT 100/100, kind=b 200/200, kind=c 200/200"},
		{"h", "id", "7", 57, ""},
		{"m", "at", "2025", 87, "at=2025 87/87"},
		{"m", "at", "m_24_eu", 106, "at=2025 87/87, at=m_24_eu 106/106"},
		{"n", "id", "1500", 1000, "id=1500 1000/1000"},
		{"Pl ain", "Day", "2024-01-02", 30, "Day=2024-01-02 30/30"},
		{"Pl ain", "at", "2024-01-03", 24, ""},
	} {
		res, err := b.a.Run(t.Context(), request(c.table, c.column, c.value))
		if err != nil {
			t.Errorf("%s %s=%s: %v", c.table, c.column, c.value, err)
			continue
		}
		if c.want != "" {
			equal(t, c.table+" "+c.column+"="+c.value, res.Records, c.rows)
			equal(t, c.table, b.rows(c.table), c.want)
		}
		equal(t, "rerun of "+c.table+" "+c.value, b.run(request(c.table, c.column, c.value)).Action, "unchanged")
	}
	equal(t, "h", b.rows("h"), fmt.Sprintf("id=7 %[1]s/%[1]s", b.sql.One(t, `SELECT count(*) FROM h WHERE tableoid = (SELECT tableoid FROM h WHERE id = 7)`)))
}

// Local-time bounds straddle UTC months: each month's rows go to files of their own.
func TestRowsAreSplitByTheTransform(t *testing.T) {
	b := newBench(t, `
		CREATE TABLE tx (at timestamptz NOT NULL, n int) PARTITION BY RANGE (at);
		CREATE TABLE tx_01 PARTITION OF tx FOR VALUES FROM ('2024-01-01 00:00+02') TO ('2024-02-01 00:00+02');
		INSERT INTO tx SELECT '2024-01-01 00:00+02'::timestamptz + i * interval '10 minutes', i FROM generate_series(0, 4463) i`)
	res := b.run(request("tx", "at", "2024-01-15"))
	equal(t, "files", res.Files, 2)
	equal(t, "table", b.rows("tx"), "at=2024-01-15 4464/4464")
}

func TestFilesAreCutBySize(t *testing.T) {
	b := newBench(t, monthly, `INSERT INTO tx (at, note) SELECT '2024-01-20', md5(i::text) || md5((-i)::text) FROM generate_series(1, 60000) i`)
	b.a.FileBytes = 400 << 10
	res := b.run(request("tx", "at", "2024-01"))
	if res.Files < 3 {
		t.Errorf("%d files of %d bytes in all", res.Files, res.Bytes)
	}
	equal(t, "table", b.rows("tx"), "at=2024-01 61000/61000")
}

// A file that the store damages after it was uploaded is noticed before the commit.
func TestDamageIsSeenBeforeTheCommit(t *testing.T) {
	b := newBench(t, monthly)
	b.store.Add(faultstore.Rule{Op: faultstore.ReadRanges, Match: faultstore.Suffix(".parquet"), Nth: 1, Kind: faultstore.Slow, Do: func(key string) {
		r, _, err := b.store.Get(t.Context(), key)
		if err != nil {
			t.Error(err)
			return
		}
		data, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Error(err)
			return
		}
		data[len(data)/3] ^= 0x55
		if _, err := b.store.Put(t.Context(), key, strings.NewReader(string(data))); err != nil {
			t.Error(err)
		}
	}})
	if _, err := b.a.Run(t.Context(), request("tx", "at", "2024-01")); err == nil || !strings.Contains(err.Error(), "nothing was committed") {
		t.Fatalf("error %v", err)
	}
	equal(t, "table", b.rows("tx"), "")
	b.store.Reset()
	equal(t, "action", b.run(request("tx", "at", "2024-01")).Action, "archived")
}

// Every call to the store fails once, or loses its answer once. The table then shows the partition wholly or not at
// all, and a rerun ends with all of it.
func TestEveryFaultOfTheStore(t *testing.T) {
	b := newBench(t, monthly)
	counting := faultstore.Wrap(b.store)
	b.a.Store, b.a.Catalog = counting, iceberg.NewCatalog(counting)
	b.run(request("tx", "at", "2024-01"))
	for _, op := range []faultstore.Op{faultstore.Put, faultstore.Create, faultstore.Get, faultstore.ReadRanges, faultstore.Stat, faultstore.Probe} {
		for _, kind := range []faultstore.Kind{faultstore.Fail, faultstore.Lose, faultstore.Truncate} {
			for nth := 1; nth <= counting.Count(op); nth++ {
				base, err := objstore.Open(t.Context(), "file://"+t.TempDir(), objstore.Options{})
				if err != nil {
					t.Fatal(err)
				}
				b.store = faultstore.Wrap(base, faultstore.Rule{Op: op, Nth: nth, Kind: kind})
				b.a.Store, b.a.Catalog = b.store, iceberg.NewCatalog(b.store)
				_, err = b.a.Run(t.Context(), request("tx", "at", "2024-01"))
				b.store.Reset()
				shown := b.rows("tx")
				name := fmt.Sprintf("%s %d, kind %d", op, nth, kind)
				if shown != "" && shown != "at=2024-01 1000/1000" {
					t.Errorf("%s: the table shows %q (error %v)", name, shown, err)
				}
				if err == nil && shown == "" {
					t.Errorf("%s: success, and nothing is there", name)
				}
				b.a.Catalog = iceberg.NewCatalog(b.store)
				if _, err := b.a.Run(t.Context(), request("tx", "at", "2024-01")); err != nil {
					t.Errorf("%s: rerun: %v", name, err)
				}
				equal(t, name+": after the rerun", b.rows("tx"), "at=2024-01 1000/1000")
			}
		}
	}
}

func TestTwoRunsOnOnePartition(t *testing.T) {
	b := newBench(t, monthly)
	var second error
	b.store.Add(faultstore.Rule{Op: faultstore.Put, Match: faultstore.Suffix(".parquet"), Nth: 1, Kind: faultstore.Slow, Do: func(string) {
		other := *b.a
		_, second = other.Run(t.Context(), request("tx", "at", "2024-01"))
	}})
	b.run(request("tx", "at", "2024-01"))
	if !errors.Is(second, archive.ErrBusy) {
		t.Errorf("the second run says %v", second)
	}
	equal(t, "table", b.rows("tx"), "at=2024-01 1000/1000")
}

func TestRetire(t *testing.T) {
	for _, c := range []struct {
		mode          archive.Retire
		retired, left string
	}{{archive.Detach, "detached", "1000"}, {archive.Drop, "dropped", "<NULL>"}} {
		t.Run(string(c.mode), func(t *testing.T) {
			b := newBench(t, monthly)
			req := request("tx", "at", "2024-01")
			req.Retire = c.mode
			equal(t, "retired", b.run(req).Retired, c.retired)
			equal(t, "rows in the table", b.sql.One(t, `SELECT count(*) FROM tx`), "0")
			equal(t, "the leaf", b.sql.One(t, `SELECT (xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM ' || to_regclass('tx_2024_01'), false, true, '')))[1]::text`), c.left)
			// A second run has nothing left to do, or finishes what the first was told to leave.
			req.Retire = archive.Drop
			want := map[archive.Retire]string{archive.Detach: "dropped", archive.Drop: "already retired"}[c.mode]
			equal(t, "retired again", b.run(req).Retired, want)
			equal(t, "the leaf", b.sql.One(t, `SELECT COALESCE(to_regclass('tx_2024_01')::text, 'none')`), "none")
			// With its source gone there is nothing to replace the archive with: it is proven.
			req.Retire, req.Replace = archive.Keep, true
			equal(t, "replaced", b.run(req).Action, "unchanged")
			equal(t, "table", b.rows("tx"), "at=2024-01 1000/1000")
		})
	}
}

// A row written after the snapshot keeps the partition: detached, with all its rows, and the error says how to take it back.
func TestRetireStopsAtALateWrite(t *testing.T) {
	b := newBench(t, monthly)
	b.store.Add(faultstore.Rule{Op: faultstore.Create, Match: faultstore.Suffix("v2.metadata.json"), Nth: 1, Kind: faultstore.Slow, Do: func(string) {
		b.sql.Exec(t, `UPDATE tx SET note = 'late' WHERE id = 500`)
	}})
	req := request("tx", "at", "2024-01")
	req.Retire = archive.Drop
	b.fail(req, archive.ErrProof, "was kept, detached", "ATTACH PARTITION", "digests differ")
	equal(t, "the leaf", b.sql.One(t, `SELECT count(*) FROM tx_2024_01`), "1000")
	// What the error says to do works.
	b.sql.Exec(t, `ALTER TABLE tx ATTACH PARTITION tx_2024_01 FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2024-02-01 00:00:00+00')`)
	req.Replace = true
	equal(t, "retired", b.run(req).Retired, "dropped")
	equal(t, "table", b.rows("tx"), "at=2024-01 1000/1000")
}

func TestRecord(t *testing.T) {
	b := newBench(t, monthly)
	res := b.run(request("tx", "at", "2024-01"))
	for _, name := range []string{"schema_snapshot.json", "schema_snapshot-" + res.RunID + ".json"} {
		r, _, err := b.store.Get(t.Context(), "public/tx/at=2024-01/"+name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			`"source_table"`, `"schema": "public"`, `"table": "tx"`, `"primary_key_columns"`, `"arrow_schema"`, `"archived_at"`, `"is_nullable": "NO"`,
			`"character_maximum_length": null`, `"numeric_precision": 12`, `"numeric_scale": 2`, `"column_name": "twice"`, `"sha256"`, res.Digest,
			fmt.Sprintf(`"iceberg_snapshot_id": %d`, res.SnapshotID), "FOR VALUES FROM ('2024-01-01 00:00:00+00')", `"source_lsn": "0/`,
		} {
			if !strings.Contains(string(data), want) {
				t.Errorf("%s has no %s", name, want)
			}
		}
	}
}
