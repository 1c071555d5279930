package restore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"frostline/archive"
	"frostline/postgres"
	"frostline/restore"
)

// The partition exists again, with other rows: what is archived is copied into it, and conflicts are dealt with as told.
func TestMigrate(t *testing.T) {
	for _, c := range []struct {
		name     string
		live     string // rows that the new partition has
		conflict restore.OnConflict
		refused  string
		want     restore.Migrated
		rows     string // in the partition: all, those of the archive as they were, and the sum of the amounts of ids 1 to 10
	}{
		{"no conflict", "(90001, '2024-01-05', 'new', 5)", restore.Refuse, "", restore.Migrated{Inserted: 20000, Batches: 6, Proof: "digest"}, "20001 20000 55"},
		{"refused", "(5, '2024-01-01 00:00:05+00', 'changed', 500)", restore.Refuse, "1 of its rows have the primary key of an archived row, such as 5, 2024-01-01 00:00:05+00", restore.Migrated{}, "1 0 500"},
		{"skipped", "(5, '2024-01-01 00:00:05+00', 'changed', 500), (90001, '2024-01-05', 'new', 5)", restore.Skip, "", restore.Migrated{Inserted: 19999, Skipped: 1, Batches: 6, Proof: "counts"}, "20001 19999 550"},
		{"none to skip", "(90001, '2024-01-05', 'new', 5)", restore.Skip, "", restore.Migrated{Inserted: 20000, Batches: 6, Proof: "digest"}, "20001 20000 55"},
		{"overwritten", "(5, '2024-01-01 00:00:05+00', 'changed', 500), (6, '2024-01-01 00:00:06+00', 'too', 600), (90001, '2024-01-05', 'new', 5)", restore.Overwrite, "", restore.Migrated{Inserted: 19998, Overwritten: 2, Batches: 6, Proof: "digest"}, "20001 20000 55"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, monthly)
			b.r.MoveRows = 4000
			path := b.archive("tx", "at", "2024-01", archive.Drop)
			b.sql.Exec(t, `CREATE TABLE january PARTITION OF tx FOR VALUES FROM ('2024-01-01') TO ('2024-02-01'); INSERT INTO tx (id, at, note, amount) VALUES `+c.live)
			req := restore.Request{SourcePath: path, Migrate: true, OnConflict: c.conflict}
			if c.refused != "" {
				b.fail(req, restore.ErrExists, c.refused, "nothing was copied")
			} else {
				res := b.run(req)
				if res.Migrated == nil || *res.Migrated != c.want || res.Action != "migrated" || res.Target != "public.tx" {
					t.Errorf("result %+v, %+v", res, res.Migrated)
				}
				if again := b.run(restore.Request{SourcePath: path, Migrate: true, OnConflict: c.conflict}); c.want.Proof == "digest" && c.conflict == restore.Refuse && again.Action != "unchanged" {
					t.Errorf("again: %+v", again)
				}
				b.equal("tables left behind", `SELECT count(*) FROM pg_class WHERE relkind = 'r' AND (relname LIKE '%restored%' OR relname LIKE 'frostline%')`, "0")
				b.sql.Exec(t, `INSERT INTO tx (at, note, amount) VALUES ('2024-02-05', 'the identity is past the copied rows', 1)`)
			}
			b.equal("rows", `SELECT count(*) || ' ' || (SELECT count(*) FROM (SELECT * FROM january INTERSECT SELECT * FROM original) x) || ' ' || sum(amount) FILTER (WHERE id <= 10)::int FROM january`, c.rows)
		})
	}
}

// A copy that breaks off goes on behind its last batch and ends exact; where the live table changes what it is given it is not proven.
func TestMigrateResumes(t *testing.T) {
	b := newBench(t, monthly, `CREATE TABLE live (LIKE tx INCLUDING GENERATED, since timestamptz DEFAULT now());
		CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.id = 9000 THEN RAISE ''stopped''; END IF; RETURN NEW; END';
		CREATE TRIGGER stop BEFORE INSERT ON live FOR EACH ROW EXECUTE FUNCTION public.stop()`)
	b.r.MoveRows = 3000
	path := b.archive("tx", "at", "2024-01", archive.Keep)
	req := restore.Request{SourcePath: path, Migrate: true, Into: target("live")}
	if _, err := b.r.Run(t.Context(), req); err == nil {
		t.Fatal("it did not stop")
	}
	some := b.sql.One(t, `SELECT count(*) FROM live`)
	if some == "0" || some == "20000" {
		t.Fatalf("%s rows are copied, want some", some)
	}
	b.sql.Exec(t, `DROP TRIGGER stop ON live`)
	// Another selection must not go on where this one was.
	other := req
	other.Into = target("original")
	b.fail(other, restore.ErrMismatch, `column "twice" is not generated`)
	res := b.run(req)
	if res.Migrated.Resumed == 0 || res.Migrated.Inserted != 20000 || res.Migrated.Proof != "digest" {
		t.Errorf("result %+v", res.Migrated)
	}
	b.equal("differences", `SELECT count(*) FROM (SELECT id, at, note, amount, twice FROM live EXCEPT ALL SELECT * FROM original) x`, "0")
	b.equal("rows", `SELECT count(*) FROM live`, "20000")
	if again := b.run(req); again.Action != "unchanged" || again.Migrated.Inserted != 0 {
		t.Errorf("again: %+v", again)
	}
	// Without a key, rows of the selection that are there already cannot be told from the archive's.
	b.sql.Exec(t, `UPDATE live SET note = 'x' WHERE id = 5`)
	b.fail(req, restore.ErrExists, "20000 rows of the selection", "nothing was copied")
	req.OnConflict = restore.Skip
	b.fail(req, restore.ErrBadInput, "no primary key")

	b.sql.Exec(t, `TRUNCATE live; CREATE FUNCTION bend() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.id = 77 THEN NEW.amount := 1; END IF; RETURN NEW; END';
		CREATE TRIGGER bend BEFORE INSERT ON live FOR EACH ROW EXECUTE FUNCTION public.bend()`)
	req.OnConflict = restore.Refuse
	b.fail(req, restore.ErrProof, "not there as they were", "is kept")
}

// A trigger of the live table that swallows rows is found by the counts.
func TestMigrateCounts(t *testing.T) {
	b := newBench(t, monthly, `CREATE TABLE live (LIKE tx INCLUDING ALL);
		CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.id = 77 THEN RETURN NULL; END IF; RETURN NEW; END';
		CREATE TRIGGER swallow BEFORE INSERT ON live FOR EACH ROW EXECUTE FUNCTION public.swallow()`)
	path := b.archive("tx", "at", "2024-01", archive.Keep)
	b.fail(restore.Request{SourcePath: path, Migrate: true, Into: target("live")}, restore.ErrProof, "of 20000 rows it took 19999")
}

// Keys are compared with the operators of their own types, and a table of its key alone is overwritten too.
func TestMigrateKeys(t *testing.T) {
	b := newBench(t, `CREATE EXTENSION citext; CREATE TABLE c (name citext, "o'n" int, PRIMARY KEY (name, "o'n")) PARTITION BY HASH (name);
		CREATE TABLE c0 PARTITION OF c FOR VALUES WITH (MODULUS 1, REMAINDER 0);
		INSERT INTO c SELECT 'Name ' || i, i FROM generate_series(1, 100) i`)
	path := b.archive("c", "name", "c0", archive.Drop)
	b.sql.Exec(t, `CREATE TABLE plain (LIKE c INCLUDING ALL); INSERT INTO plain VALUES ('NAME 5', 5)`)
	req := restore.Request{SourcePath: path, Migrate: true, Into: target("plain")}
	b.fail(req, restore.ErrExists, "such as NAME 5, 5")
	req.OnConflict = restore.Overwrite
	if res := b.run(req); res.Migrated.Overwritten != 1 || res.Migrated.Inserted != 99 || res.Migrated.Proof != "digest" {
		t.Errorf("%+v", res.Migrated)
	}
	b.equal("rows", `SELECT count(*) || ' ' || string_agg(name, ' ') FILTER (WHERE "o'n" = 5) FROM plain`, "100 Name 5")
	// An identity that is always generated cannot be assigned, and need not be: it is the key.
	b.sql.Exec(t, `CREATE TABLE ids (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY); INSERT INTO ids SELECT FROM generate_series(1, 3); CREATE TABLE live (LIKE ids INCLUDING ALL); INSERT INTO live DEFAULT VALUES`)
	export, err := archive.ExportRequest(target("ids"), archive.Full, "", time.Time{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	all, err := b.a.Run(t.Context(), export)
	if err != nil {
		t.Fatal(err)
	}
	if res := b.run(restore.Request{SourcePath: all.Location, Migrate: true, Into: target("live"), OnConflict: restore.Overwrite}); res.Migrated.Overwritten != 1 || res.Migrated.Proof != "digest" {
		t.Errorf("%+v", res.Migrated)
	}
}

func TestMigrateRefuses(t *testing.T) {
	b := newBench(t, monthly, `CREATE TABLE other (id int, at timestamptz, note text, amount numeric(12,2))`)
	path := b.archive("tx", "at", "2024-01", archive.Keep)
	for _, c := range []struct {
		req  restore.Request
		want error
		says string
	}{
		{restore.Request{Migrate: true, Into: target("other")}, restore.ErrMismatch, `column "id" is integer, archived was bigint; column "twice" is missing`},
		{restore.Request{Migrate: true, Into: target("none")}, postgres.ErrNoTable, "nothing was done"},
		{restore.Request{Migrate: true, Into: target("s"), Target: target("s")}, postgres.ErrNoTable, "nothing was done"},
		{restore.Request{Migrate: true, Attach: true}, restore.ErrBadInput, "either"},
		{restore.Request{Target: target("s"), OnConflict: restore.Skip}, restore.ErrBadInput, "--to migrate"},
		{restore.Request{Target: target("s"), Replace: true}, restore.ErrBadInput, "--attach"},
	} {
		c.req.SourcePath = path
		if _, err := b.r.Run(t.Context(), c.req); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.req, err)
		} else if s := fmt.Sprint(err); !strings.Contains(s, c.says) {
			t.Errorf("%q does not say %q", s, c.says)
		}
	}
	b.equal("staging tables made", `SELECT count(*) FROM pg_class WHERE relname LIKE '%restored%'`, "0")
}
