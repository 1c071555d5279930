package load

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"frostline/internal/pgtest"
	"frostline/internal/s3test"
	"frostline/objstore"
	"frostline/postgres"
)

// parts writes files of rows to a new folder; file n has ids n*100+1 and up.
func parts(t *testing.T, files, rows int) string {
	t.Helper()
	dir := t.TempDir()
	for f := range files {
		var b strings.Builder
		for i := range rows {
			fmt.Fprintf(&b, `%s{"id": %d, "name": "n%d"}`, map[bool]string{true: "[", false: ","}[i == 0], f*100+i+1, f*100+i+1)
		}
		write(t, filepath.Join(dir, fmt.Sprintf("part-%d.parquet", f)), idName, b.String()+"]")
	}
	return dir
}

// Constraints of the table reject rows one by one, in the order of the files; without a dead-letter file nothing is loaded.
func TestRejectedByTheTable(t *testing.T) {
	l, pg := start(t, `CREATE TABLE ref (id bigint PRIMARY KEY); INSERT INTO ref SELECT g FROM generate_series(1, 300) g WHERE g <> 7;
		CREATE TABLE t (id bigint PRIMARY KEY REFERENCES ref DEFERRABLE INITIALLY DEFERRED, name text CHECK (name <> 'n102'));
		INSERT INTO t VALUES (3, 'old');
		CREATE FUNCTION no_ten() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.id IN (SELECT 110) THEN RAISE 'no ten'; END IF; RETURN NEW; END$$;
		CREATE TRIGGER no_ten BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION no_ten()`)
	dir := parts(t, 2, 20)
	for _, method := range []string{Copy, Insert} {
		_, err := l.Run(t.Context(), Request{Source: dir, Target: target("t"), Method: method})
		failsWith(t, err, ErrRejected, "part-0.parquet, row 3", "duplicate key", "nothing was loaded")
	}
	sameRows(t, pg, "SELECT * FROM t", "3|old")
	nothingLeft(t, pg)

	dead := filepath.Join(t.TempDir(), "dead.jsonl")
	_, err := l.Run(t.Context(), Request{Source: dir, Target: target("t"), DeadLetter: dead, MaxRejected: 3})
	failsWith(t, err, ErrRejected, "part-1.parquet, row 10", "one more than the 3")
	if _, err := os.Stat(dead); err == nil {
		t.Error("a load that failed wrote a dead-letter file")
	}

	r := mustLoad(t, l, Request{Source: dir, Target: target("t"), DeadLetter: dead, MaxRejected: 4})
	if r.Records != 36 || r.Rejected != 4 || r.Skipped != 0 {
		t.Errorf("%d records, %d rejected, %d skipped; want 36, 4, 0", r.Records, r.Rejected, r.Skipped)
	}
	var got []string
	for _, d := range deadLetters(t, dead) {
		got = append(got, fmt.Sprintf("%s %d %s %s", d.File, d.Row, d.State, d.Data))
	}
	want := []string{
		`part-0.parquet 3 23505 {"id":"3","name":"n3"}`, `part-0.parquet 7 23503 {"id":"7","name":"n7"}`,
		`part-1.parquet 2 23514 {"id":"102","name":"n102"}`, `part-1.parquet 10 P0001 {"id":"110","name":"n110"}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("dead letters\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := deadLetters(t, dead)[0].Reason; got != `duplicate key value violates unique constraint "t_pkey"; Key (id)=(3) already exists (SQLSTATE 23505)` {
		t.Errorf("reason %q", got)
	}
	sameRows(t, pg, "SELECT count(*), sum(id), min(name) FROM t", "37|2201|n1")
	nothingLeft(t, pg)
}

func TestOnConflict(t *testing.T) {
	l, pg := start(t)
	dir := parts(t, 2, 3)
	write(t, filepath.Join(dir, "part-2.parquet"), idName, `[{"id": 1, "name": "again"}]`)
	for _, c := range []struct {
		how     string
		skipped int64
		want    []string
	}{
		{"skip", 2, []string{"1|n1", "2|old", "3|n3", "101|n101", "102|n102", "103|n103"}},
		{"update", 0, []string{"1|again", "2|n2", "3|n3", "101|n101", "102|n102", "103|n103"}},
	} {
		t.Run(c.how, func(t *testing.T) {
			pg.Exec(t, `DROP TABLE IF EXISTS t; CREATE TABLE t (name text, id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY); INSERT INTO t OVERRIDING SYSTEM VALUE VALUES ('old', 2)`)
			r := mustLoad(t, l, Request{Source: dir, Target: target("t"), OnConflict: c.how})
			if r.Skipped != c.skipped || r.Rejected != 0 {
				t.Errorf("%d skipped, %d rejected, want %d and 0", r.Skipped, r.Rejected, c.skipped)
			}
			sameRows(t, pg, "SELECT id, name FROM t ORDER BY id", c.want...)
		})
	}
	pg.Exec(t, "CREATE TABLE nokey (id bigint, name text)")
	_, err := l.Run(t.Context(), Request{Source: dir, Target: target("nokey"), OnConflict: "update"})
	failsWith(t, err, ErrMismatch, "needs a primary key")
	sameRows(t, pg, "SELECT * FROM nokey")
}

// Indexes, keys and triggers that go off the load path come back as they were; those with more to them never go.
func TestRebuildIndexes(t *testing.T) {
	l, pg := start(t, `CREATE TABLE ref (id bigint PRIMARY KEY); INSERT INTO ref SELECT generate_series(1, 300);
		CREATE TABLE log (what text);
		CREATE TABLE t (id bigint PRIMARY KEY CONSTRAINT "to ref" REFERENCES ref ON DELETE CASCADE, name text);
		CREATE INDEX "by ""name""" ON t (lower(name)) INCLUDE (id) WITH (fillfactor = 70) WHERE id > 0;
		CREATE INDEX noted ON t (name); COMMENT ON INDEX noted IS 'mine';
		CREATE FUNCTION logged() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO log VALUES (NEW.name); RETURN NULL; END$$;
		CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION logged(); ALTER TABLE t ENABLE ALWAYS TRIGGER a;
		CREATE TRIGGER b AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION logged(); ALTER TABLE t DISABLE TRIGGER b`)
	shape := func() string {
		return pgtest.Table(pg.Query(t, `SELECT pg_get_indexdef(indexrelid), obj_description(indexrelid) FROM pg_index WHERE indrelid = 't'::regclass
			UNION ALL SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass
			UNION ALL SELECT tgname, tgenabled::text FROM pg_trigger WHERE tgrelid = 't'::regclass AND NOT tgisinternal ORDER BY 1`))
	}
	before := shape()
	r := mustLoad(t, l, Request{Source: parts(t, 2, 3), Target: target("t"), RebuildIndexes: true, SkipTriggers: true})
	if want := "1 index and 1 foreign key are dropped and made again in the same transaction: the table is locked for readers too"; !slices.Contains(r.Plan, want) {
		t.Errorf("plan %q does not say %q", r.Plan, want)
	}
	if after := shape(); after != before {
		t.Errorf("before\n%safter\n%s", before, after)
	}
	sameRows(t, pg, "SELECT count(*), (SELECT count(*) FROM log) FROM t", "6|0")

	// A foreign key that cannot come back takes the whole load with it.
	pg.Exec(t, "TRUNCATE t; DELETE FROM ref WHERE id = 102")
	_, err := l.Run(t.Context(), Request{Source: parts(t, 2, 3), Target: target("t"), RebuildIndexes: true})
	failsWith(t, err, ErrRejected, `violates foreign key constraint "to ref"`, "nothing was loaded")
	if after := shape(); after != before {
		t.Errorf("before\n%safter a failed load\n%s", before, after)
	}
	sameRows(t, pg, "SELECT * FROM t")

	// By default all of it is at work.
	pg.Exec(t, "INSERT INTO ref VALUES (102)")
	mustLoad(t, l, Request{Source: parts(t, 1, 3), Target: target("t")})
	sameRows(t, pg, "SELECT what FROM log ORDER BY what", "n1", "n2", "n3")
	nothingLeft(t, pg)
}

// hook calls fn when rows have been sent.
type hook struct{ fn func() }

func (hook) Begin(string, int64) {}
func (h hook) Add(rows, _ int64) { h.fn() }
func (hook) End()                {}

// A load that ends in the middle goes on after the files that are done, unless the files are others now.
func TestResume(t *testing.T) {
	for _, kind := range []string{"new", "existing"} {
		t.Run(kind, func(t *testing.T) {
			l, pg := start(t)
			if kind == "existing" {
				pg.Exec(t, "CREATE TABLE t (id bigint, name text)")
			}
			dir := parts(t, 3, 10)
			l.Workers = 1
			interrupt := func() {
				t.Helper()
				ctx, cancel := context.WithCancel(t.Context())
				var n atomic.Int64
				l.Progress = hook{func() {
					if n.Add(1) == 2 {
						cancel()
					}
				}}
				if _, err := l.Run(ctx, Request{Source: dir, Target: target("t"), Method: Copy}); err == nil {
					t.Fatal("the load was not interrupted")
				}
				if kind == "new" {
					sameRows(t, pg, "SELECT to_regclass('t')", pgtest.Null)
				} else {
					sameRows(t, pg, "SELECT * FROM t")
				}
				l.Progress = nil
			}
			interrupt()
			r := mustLoad(t, l, Request{Source: dir, Target: target("t")})
			if r.Resumed != 1 || r.Records != 30 {
				t.Errorf("%d files resumed, %d records; want 1 and 30", r.Resumed, r.Records)
			}
			sameRows(t, pg, "SELECT count(*), count(DISTINCT id) FROM t", "30|30")
			nothingLeft(t, pg)

			pg.Exec(t, "DROP TABLE t")
			if kind == "existing" {
				pg.Exec(t, "CREATE TABLE t (id bigint, name text)")
			}
			interrupt()
			write(t, filepath.Join(dir, "part-0.parquet"), idName, `[{"id": 1, "name": "another file now"}]`)
			if r = mustLoad(t, l, Request{Source: dir, Target: target("t")}); r.Resumed != 0 || r.Records != 21 {
				t.Errorf("%d files resumed, %d records; want 0 and 21", r.Resumed, r.Records)
			}
			sameRows(t, pg, "SELECT count(*), min(name) FROM t", "21|another file now")
			nothingLeft(t, pg)
		})
	}
}

// moments calls fn at the second batch of rows, and before the end.
type moments struct {
	hook
	finish func()
}

func (m moments) Begin(step string, _ int64) {
	if step == "finish" {
		m.finish()
	}
}

// A crash of the server empties the unlogged tables of a load that is at work. Such a load does not end well, and the same command
// loads everything. Neither does one whose tables somebody has dropped.
func TestEmptiedMeanwhile(t *testing.T) {
	for _, c := range []struct{ name, do, want string }{
		{"between two files", "DELETE FROM %s; DELETE FROM %s", "has 2 of 3 files"},
		{"before the end", "TRUNCATE %s, %s", "has 0 of 3 files"},
		{"dropped", "DROP TABLE %s, %s", "are gone"},
	} {
		for _, kind := range []string{"new", "existing"} {
			t.Run(c.name+", "+kind, func(t *testing.T) {
				l, pg := start(t)
				if kind == "existing" {
					pg.Exec(t, "CREATE TABLE t (id bigint, name text)")
				}
				other := &pgtest.DB{DSN: pg.DSN, Name: pg.Name, Server: pg.Server}
				crash := func() {
					names := other.Query(t, `SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relname LIKE 'frostline%'`)
					other.Exec(t, fmt.Sprintf(c.do, names[0][0], names[1][0]))
				}
				l.Workers = 1
				batches := 0
				l.Progress = moments{hook{func() {
					if batches++; batches == 2 && strings.HasPrefix(c.do, "DELETE") {
						crash()
					}
				}}, func() {
					if !strings.HasPrefix(c.do, "DELETE") {
						crash()
					}
				}}
				req := Request{Source: parts(t, 3, 10), Target: target("t"), Unlogged: true, Method: Copy}
				_, err := l.Run(t.Context(), req)
				failsWith(t, err, ErrProof, c.want, "the target is as it was")
				l.Progress = nil
				if r := mustLoad(t, l, req); r.Resumed != 0 || r.Records != 30 {
					t.Errorf("%d files resumed, %d records; want 0 and 30", r.Resumed, r.Records)
				}
				sameRows(t, pg, "SELECT count(*), count(DISTINCT id) FROM t", "30|30")
				nothingLeft(t, pg)
			})
		}
	}
}

// A connection that is cut is made again, and nothing is there twice.
func TestRetry(t *testing.T) {
	l, pg := start(t)
	var cuts atomic.Int64
	l.Progress = hook{func() {
		if cuts.Add(1) <= 2 {
			_ = pg.Try(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'frostline test' AND state = 'idle in transaction'`)
		}
	}}
	r := mustLoad(t, l, Request{Source: parts(t, 4, 10), Target: target("t"), Method: Copy})
	if r.Retries < 1 {
		t.Errorf("%d retries, want some", r.Retries)
	}
	sameRows(t, pg, "SELECT count(*), count(DISTINCT id) FROM t", "40|40")
	nothingLeft(t, pg)

	release, ok, err := l.DB.TryLock(t.Context(), "frostline load public.t")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	defer release()
	_, err = l.Run(t.Context(), Request{Source: parts(t, 1, 1), Target: target("t")})
	failsWith(t, err, ErrBusy)
}

// From S3: a prefix, and one object.
func TestS3(t *testing.T) {
	l, pg := start(t)
	warehouse := s3test.Start(t).Warehouse(t)
	store, err := objstore.Open(t.Context(), warehouse, objstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := parts(t, 2, 3)
	for _, name := range []string{"part-0.parquet", "part-1.parquet"} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := store.Put(t.Context(), "unload/x=1/"+name, f); err != nil {
			t.Fatal(err)
		}
	}
	mustLoad(t, l, Request{Source: warehouse + "/unload/", Target: target("t")})
	sameRows(t, pg, "SELECT id, name, x FROM t ORDER BY id", "1|n1|1", "2|n2|1", "3|n3|1", "101|n101|1", "102|n102|1", "103|n103|1")
	mustLoad(t, l, Request{Source: warehouse + "/unload/x=1/part-1.parquet", Target: postgres.Name{Schema: "new schema", Table: `it's "new"`}})
	sameRows(t, pg, `SELECT count(*) FROM "new schema"."it's ""new"""`, "3")
}
