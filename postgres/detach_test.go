package postgres

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"frostline/internal/pgtest"
)

const detachSchema = `CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE leaf PARTITION OF p FOR VALUES FROM (0) TO (10);
	CREATE TABLE kept PARTITION OF p FOR VALUES FROM (10) TO (20); INSERT INTO p VALUES (1), (11)`

// reader opens a transaction that has read a table, and so holds ACCESS SHARE, until the returned function ends it.
func reader(t *testing.T, pg *pgtest.DB, sql string) func() {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		_, _ = conn.Exec(context.Background(), "ROLLBACK") // a server notices later that a connection is closed
		conn.Close(context.Background())
	})
	t.Cleanup(end)
	return end
}

func detachPlan(t *testing.T, db *DB, l Leaf) []Step {
	t.Helper()
	steps, err := db.DetachPlan(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

func attachedLeaves(t *testing.T, pg *pgtest.DB) string {
	return pg.One(t, "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relispartition AND relkind = 'r'")
}

func TestDetachConcurrently(t *testing.T) {
	db, pg := start(t, detachSchema)
	if db.Version() < 140000 {
		t.Skip("DETACH CONCURRENTLY came with 14")
	}
	leaf := leafNamed(t, db, "p", "leaf")
	steps := detachPlan(t, db, leaf)
	if len(steps) != 1 || steps[0].Tx || steps[0].SQL[0] != `ALTER TABLE "public"."p" DETACH PARTITION "public"."leaf" CONCURRENTLY` {
		t.Fatalf("plan %+v", steps)
	}
	// A reader makes its second transaction wait: lock_timeout, then FINALIZE, again and again until the reader has gone.
	db.LockTimeout, db.LockAttempts = 150*time.Millisecond, 8
	end := reader(t, pg, "SELECT * FROM p")
	time.AfterFunc(time.Second, end)
	run(t, db, steps)
	if got := attachedLeaves(t, pg); got != "kept" {
		t.Errorf("attached: %s", got)
	}
	if got := detachPlan(t, db, leaf); len(got) != 0 {
		t.Errorf("a second plan has %+v", got)
	}
}

func TestDetachInterrupted(t *testing.T) {
	db, pg := start(t, detachSchema)
	if db.Version() < 140000 {
		t.Skip("DETACH CONCURRENTLY came with 14")
	}
	leaf, kept := leafNamed(t, db, "p", "leaf"), leafNamed(t, db, "p", "kept")
	db.LockTimeout, db.LockAttempts = 100*time.Millisecond, 2
	end := reader(t, pg, "SELECT * FROM p")
	err := db.RunStep(t.Context(), detachPlan(t, db, leaf)[0])
	if !errors.Is(err, ErrLockTimeout) {
		t.Fatalf("error %v, want ErrLockTimeout", err)
	}
	mustContain(t, err, "detach public.leaf", "gave up after 2 attempts")

	pending := leafNamed(t, db, "p", "leaf") // still listed, so that a rerun finds it
	if !pending.Pending || pending.Bound != "FOR VALUES FROM (0) TO (10)" {
		t.Errorf("leaf %+v, want it pending", pending)
	}
	_, err = db.DetachPlan(t.Context(), kept)
	mustContain(t, err, "half detached: public.leaf", "FINALIZE")
	end()
	steps := detachPlan(t, db, leaf)
	if len(steps) != 1 || !strings.HasSuffix(steps[0].SQL[0], " FINALIZE") {
		t.Fatalf("plan %+v, want FINALIZE", steps)
	}
	run(t, db, steps)
	if got := attachedLeaves(t, pg); got != "kept" {
		t.Errorf("attached: %s", got)
	}
}

func TestDetachPlainRetries(t *testing.T) {
	db, pg := start(t, detachSchema, "CREATE TABLE rest PARTITION OF p DEFAULT")
	leaf := leafNamed(t, db, "p", "leaf")
	steps := detachPlan(t, db, leaf)
	if !steps[0].Tx || strings.Contains(steps[0].SQL[0], "CONCURRENTLY") {
		t.Fatalf("plan %+v, want a plain detach beside a DEFAULT partition", steps)
	}
	db.LockTimeout, db.LockAttempts = 50*time.Millisecond, 2
	end := reader(t, pg, "SELECT * FROM p")
	started := time.Now()
	if err := db.RunStep(t.Context(), steps[0]); !errors.Is(err, ErrLockTimeout) {
		t.Fatalf("error %v, want ErrLockTimeout", err)
	}
	if took := time.Since(started); took < 200*time.Millisecond || took > 20*time.Second {
		t.Errorf("two attempts of 50 ms and a pause of 100 ms took %v", took)
	}
	if got := attachedLeaves(t, pg); got != "kept leaf rest" {
		t.Errorf("attached: %s", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	db.LockAttempts = 100
	if err := db.RunStep(ctx, steps[0]); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the deadline", err)
	}
	db.LockAttempts = 10
	time.AfterFunc(300*time.Millisecond, end)
	run(t, db, steps)
	if got := attachedLeaves(t, pg); got != "kept rest" {
		t.Errorf("attached: %s", got)
	}
}

func TestDetachForeignKey(t *testing.T) {
	db, pg := start(t, detachSchema, `CREATE TABLE child (ref bigint CONSTRAINT "child's key" REFERENCES p (id)); INSERT INTO child VALUES (1), (NULL)`)
	if corruptingVersion(db.Version()) != "" {
		t.Skip("this minor version is refused")
	}
	leaf, kept := leafNamed(t, db, "p", "leaf"), leafNamed(t, db, "p", "kept")
	_, err := db.DetachPlan(t.Context(), leaf)
	if !errors.Is(err, ErrForeignKey) {
		t.Fatalf("error %v, want ErrForeignKey", err)
	}
	mustContain(t, err, `"child's key" of public.child`, "nothing was done")
	run(t, db, detachPlan(t, db, kept)) // nobody refers to its rows
	pg.Exec(t, "DELETE FROM child")
	run(t, db, detachPlan(t, db, leaf))
	if got := attachedLeaves(t, pg); got != pgtest.Null {
		t.Errorf("attached: %s", got)
	}
}

func TestCorruptingVersion(t *testing.T) {
	for version, want := range map[int]string{130016: "13.17", 130017: "", 150008: "15.9", 150018: "", 170000: "17.1", 180000: ""} {
		if got := corruptingVersion(version); got != want {
			t.Errorf("corruptingVersion(%d) = %q, want %q", version, got, want)
		}
	}
}

func TestLockedTable(t *testing.T) {
	db, pg := start(t, detachSchema, `CREATE TABLE alone AS SELECT generate_series(1, 10) AS id; CREATE TABLE used (id int PRIMARY KEY); CREATE TABLE user_of (id int REFERENCES used)`)
	db.LockTimeout, db.LockAttempts = 50*time.Millisecond, 2
	copied := func(query string, want int64, drop bool, fail error) func(func(string, io.Writer) (int64, error)) (bool, error) {
		return func(copyOut func(string, io.Writer) (int64, error)) (bool, error) {
			n, err := copyOut(query, io.Discard)
			if err != nil || n != want {
				t.Errorf("copied %d rows, %v; want %d", n, err, want)
			}
			return drop, fail
		}
	}
	alone := Name{"public", "alone"}
	exists := func() bool {
		t.Helper()
		ok, err := db.Exists(t.Context(), alone)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if err := db.LockedTable(t.Context(), Name{"public", "leaf"}, copied("", 0, true, nil)); err == nil || !strings.Contains(err.Error(), "still a partition") {
		t.Errorf("a partition: %v", err)
	}
	if err := db.LockedTable(t.Context(), alone, copied("SELECT * FROM public.alone", 10, true, errors.New("digests differ"))); err == nil || err.Error() != "digests differ" || !exists() {
		t.Errorf("fn fails: %v, table exists: %v", err, exists())
	}
	if err := db.LockedTable(t.Context(), alone, copied("SELECT * FROM public.alone", 10, false, nil)); err != nil || !exists() {
		t.Errorf("keep: %v, table exists: %v", err, exists())
	}
	end := reader(t, pg, "SELECT * FROM alone")
	if err := db.LockedTable(t.Context(), alone, copied("", 0, true, nil)); !errors.Is(err, ErrLockTimeout) || !exists() {
		t.Errorf("a reader: %v, table exists: %v", err, exists())
	}
	end()
	if err := db.LockedTable(t.Context(), alone, copied("SELECT * FROM public.alone", 10, true, nil)); err != nil || exists() {
		t.Errorf("drop: %v, table exists: %v", err, exists())
	}
	err := db.LockedTable(t.Context(), Name{"public", "used"}, copied("SELECT * FROM public.used", 0, true, nil))
	if !errors.Is(err, ErrForeignKey) {
		t.Errorf("a table that a foreign key refers to: %v", err)
	}
	if err := db.LockedTable(t.Context(), alone, copied("", 0, true, nil)); !errors.Is(err, ErrNoTable) {
		t.Errorf("no table: %v", err)
	}
}
