package restore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"frostline/archive"
	"frostline/iceberg"
	"frostline/objstore/faultstore"
	"frostline/postgres"
	"frostline/restore"
)

// Three months of ten rows each, all archived and dropped.
const quarter = `
	CREATE TABLE q (id bigint, at date NOT NULL) PARTITION BY RANGE (at);
	CREATE TABLE q_1 PARTITION OF q FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
	CREATE TABLE q_2 PARTITION OF q FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
	CREATE TABLE q_3 PARTITION OF q FOR VALUES FROM ('2024-03-01') TO ('2024-04-01');
	INSERT INTO q SELECT m * 10 + i, make_date(2024, m, i) FROM generate_series(1, 3) m, generate_series(1, 10) i`

func TestMany(t *testing.T) {
	b := newBench(t, quarter)
	var path string
	for _, m := range []string{"2024-01", "2024-02", "2024-03"} {
		path = b.archive("q", "at", m, archive.Drop)
	}
	table := path[:strings.LastIndex(path, "/")]
	many := func(m restore.ManyRequest) restore.Batch {
		t.Helper()
		m.SourcePath = table
		res, err := b.r.Many(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	got := func(res restore.Batch) string {
		s := res.Status
		for _, r := range res.Results {
			s += fmt.Sprintf(" %s:%d", r.Target, r.Records)
		}
		for _, f := range res.Failed {
			s += " !" + f.Partition
		}
		return s
	}
	for _, c := range []struct {
		name string
		req  restore.ManyRequest
		want string
	}{
		{"a range to staging tables", restore.ManyRequest{From: "2024-01", To: "2024-02"}, "success public.q_2024_01_restored:10 public.q_2024_02_restored:10"},
		{"open at its end, with a prefix", restore.ManyRequest{Request: restore.Request{Target: postgres.Name{Table: "s"}}, From: "2024-03"}, "success public.s_2024_03:10"},
		{"a year covers its months", restore.ManyRequest{Request: restore.Request{DryRun: true, Attach: true}, From: "2023", To: "2024"}, "success public.q_1_restored:10 public.q_2_restored:10 public.q_3_restored:10"},
		{"a list, by value and by name", restore.ManyRequest{Request: restore.Request{Attach: true}, Partitions: []string{"at=2024-03", "2024-01"}}, "success public.q_1:10 public.q_3:10"},
	} {
		if s := got(many(c.req)); s != c.want {
			t.Errorf("%s: %s, want %s", c.name, s, c.want)
		}
	}
	b.equal("rows attached", `SELECT count(*) FROM q`, "20")

	for _, c := range []struct {
		name, path string
		req        restore.ManyRequest
		want       error
		says       string
	}{
		{"none in the range", table, restore.ManyRequest{From: "2025-01"}, iceberg.ErrNoPartition, "at=2024-01, at=2024-02, at=2024-03"},
		{"one of the list is missing", table, restore.ManyRequest{Partitions: []string{"2024-02", "2023-01", "x"}}, iceberg.ErrNoPartition, "2023-01, x"},
		{"upside down", table, restore.ManyRequest{From: "2024-03", To: "2024-01"}, restore.ErrBadInput, "before it begins"},
		{"range and list", table, restore.ManyRequest{From: "2024-03", Partitions: []string{"2024-01"}}, restore.ErrBadInput, "both"},
		{"the path of one partition", path, restore.ManyRequest{From: "2024-03"}, restore.ErrBadInput, "names one partition"},
	} {
		c.req.SourcePath = c.path
		if _, err := b.r.Many(t.Context(), c.req); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "nothing was restored") {
			t.Errorf("%s: %v", c.name, err)
		}
	}

	// One that fails does not stop the others.
	b.store.Reset()
	b.store.Add(faultstore.Rule{Op: faultstore.ReadRanges, Match: func(key string) bool { return strings.Contains(key, "2024-01/data") }, Kind: faultstore.Fail})
	res := many(restore.ManyRequest{Request: restore.Request{Target: postgres.Name{Table: "again"}}, From: "2024-01", To: "2024-02"})
	if s := got(res); s != "partial public.again_2024_02:10 !at=2024-01" || !errors.Is(res.Failures()[0], faultstore.ErrInjected) {
		t.Errorf("%s, %v", s, res.Failed)
	}
}

// A partition that was archived anew is still there as an older snapshot had it.
func TestSnapshot(t *testing.T) {
	b := newBench(t, quarter)
	path := b.archive("q", "at", "2024-01", archive.Keep)
	first := b.run(restore.Request{SourcePath: path, Target: target("s1")})
	table := func() *iceberg.Table {
		tab, err := b.r.Catalog.Load(t.Context(), "public/q")
		if err != nil {
			t.Fatal(err)
		}
		return tab
	}
	one := table().SnapshotID()
	b.archive("q", "at", "2024-02", archive.Keep)
	two := table().SnapshotID()
	b.sql.Exec(t, `DELETE FROM q WHERE id > 15 AND id < 20; UPDATE q SET id = 99 WHERE id = 11`)
	if _, err := b.a.Run(t.Context(), archive.Request{Table: target("q"), Column: "at", Value: "2024-01", Replace: true}); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		snapshot int64
		want     string
	}{{one, "10 155"}, {two, "10 155"}, {table().SnapshotID(), "6 173"}, {0, "6 173"}} {
		name := fmt.Sprintf("past_%d", i)
		res := b.run(restore.Request{SourcePath: path, Target: target(name), Snapshot: c.snapshot})
		if i < 2 && res.Digest != first.Digest {
			t.Errorf("snapshot %d: digest %s, it had %s", c.snapshot, res.Digest, first.Digest)
		}
		b.equal(name, `SELECT count(*) || ' ' || sum(id) FROM `+name, c.want)
	}
	february := strings.Replace(path, "2024-01", "2024-02", 1)
	b.fail(restore.Request{SourcePath: february, Target: target("x"), Snapshot: one}, iceberg.ErrNoPartition, "at that time")
	b.fail(restore.Request{SourcePath: path, Target: target("x"), Snapshot: 5}, iceberg.ErrNoSnapshot, "the table has", "at=2024-02")
}

func TestTablespace(t *testing.T) {
	b := newBench(t, quarter)
	if b.sql.Server.Major < 15 {
		t.Skip("needs allow_in_place_tablespaces")
	}
	space := `a "space" of ` + b.sql.Name
	quoted := postgres.Quote(space)
	b.sql.Exec(t, `SET allow_in_place_tablespaces = on`, `CREATE TABLESPACE `+quoted+` LOCATION ''`)
	b.sql.Exec(t, `ALTER TABLE q_2 SET TABLESPACE `+quoted)
	path := b.archive("q", "at", "2024-01", archive.Keep)
	b.run(restore.Request{SourcePath: path, Target: target("s"), Tablespace: space})
	path = b.archive("q", "at", "2024-02", archive.Drop)
	b.run(restore.Request{SourcePath: path, Attach: true})
	b.equal("tables there", `SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE spcname = '`+strings.ReplaceAll(space, "'", "''")+`'`, "q_2 s")
	b.sql.Exec(t, `DROP TABLE s, q_2`, `DROP TABLESPACE `+quoted)
}

// Several at once: together they have two workers; each makes the type that all need, and is attached; one that fails does not stop
// the others, and the results are in the order of the values.
func TestManyAtOnce(t *testing.T) {
	b := newBench(t, strings.Replace(`CREATE TYPE public.mood AS ENUM ('glad', 'sad');`+quarter, "at date NOT NULL", "at date NOT NULL, m public.mood DEFAULT 'glad'", 1)+`;
		ALTER TABLE q ADD PRIMARY KEY (id, at)`)
	var path string
	for _, m := range []string{"2024-01", "2024-02", "2024-03"} {
		path = b.archive("q", "at", m, archive.Drop)
	}
	table := path[:strings.LastIndex(path, "/")]
	b.r.Workers = 2
	many := func(m restore.ManyRequest) (got string) {
		t.Helper()
		m.SourcePath, m.Jobs = table, 3
		res, err := b.r.Many(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		got = res.Status
		for _, r := range res.Results {
			got += fmt.Sprintf(" %s:%s:%d", r.Target, r.Action, r.Records)
		}
		for _, f := range res.Failed {
			got += " !" + f.Partition
		}
		return got
	}
	if got, want := many(restore.ManyRequest{Request: restore.Request{Attach: true}, From: "2024-01"}), "success public.q_1:attached:10 public.q_2:attached:10 public.q_3:attached:10"; got != want {
		t.Errorf("attached: %s, want %s", got, want)
	}
	b.equal("rows attached", `SELECT count(*) || ' ' || sum(id) || ' ' || count(DISTINCT tableoid) FROM q`, "30 765 3")

	b.sql.Exec(t, `DROP TABLE q`, `DROP TYPE public.mood`)
	b.store.Reset()
	b.store.Add(faultstore.Rule{Op: faultstore.ReadRanges, Match: func(key string) bool { return strings.Contains(key, "2024-02/data") }, Kind: faultstore.Fail})
	if got, want := many(restore.ManyRequest{Request: restore.Request{Target: postgres.Name{Table: "s"}}, From: "2024-01"}), "partial public.s_2024_01:restored:10 public.s_2024_03:restored:10 !at=2024-02"; got != want {
		t.Errorf("to staging tables: %s, want %s", got, want)
	}
	b.equal("the type", `SELECT count(*) FROM pg_type WHERE typname = 'mood'`, "1")
	for _, jobs := range []int{-1, 13} {
		if _, err := b.r.Many(t.Context(), restore.ManyRequest{Request: restore.Request{SourcePath: table}, From: "2024-01", Jobs: jobs}); !errors.Is(err, restore.ErrBadInput) {
			t.Errorf("%d jobs: %v, want ErrBadInput", jobs, err)
		}
	}
}
