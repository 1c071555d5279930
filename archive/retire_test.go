package archive_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"frostline/archive"
	"frostline/internal/progress"
	"frostline/objstore/faultstore"
	"frostline/postgres"
	"frostline/restore"
)

// hooks is a progress.Reporter that acts when a step begins, and when its first rows have passed.
type hooks struct {
	progress.Reporter
	mu     sync.Mutex
	begin  map[string]func()
	passed map[string]func()
	step   string
}

func (h *hooks) Begin(step string, rows int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.step = step; h.begin[step] != nil {
		h.begin[step]()
	}
}

func (h *hooks) Add(int64, int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if do := h.passed[h.step]; do != nil {
		h.passed[h.step] = nil
		do()
	}
}

func (h *hooks) End() {}

// moments are when something changes the partition while archive --retire drop is at work on it.
var moments = map[string]func(b *bench, change func()){
	"while copying": func(b *bench, change func()) {
		b.store.Add(faultstore.Rule{Op: faultstore.Put, Match: faultstore.Suffix(".parquet"), Nth: 1, Kind: faultstore.Slow, Do: func(string) { change() }})
	},
	"while reading back": func(b *bench, change func()) {
		b.store.Add(faultstore.Rule{Op: faultstore.ReadRanges, Match: faultstore.Suffix(".parquet"), Nth: 1, Kind: faultstore.Slow, Do: func(string) { change() }})
	},
	"at the commit": func(b *bench, change func()) {
		b.store.Add(faultstore.Rule{Op: faultstore.Create, Match: faultstore.Suffix("v2.metadata.json"), Nth: 1, Kind: faultstore.Slow, Do: func(string) { change() }})
	},
	"after the detach": func(b *bench, change func()) {
		b.a.Progress = &hooks{begin: map[string]func(){"retire": change}}
	},
}

// Whatever changes after the snapshot, at whatever moment, keeps the partition with that change in it.
func TestRetireKeepsEveryLateChange(t *testing.T) {
	const attached, detached = "tx", "tx_2024_01"
	for _, change := range []struct {
		name string
		sql  string // %s is the table, or the partition once it is detached
		see  string // of tx_2024_01, afterwards
		want string
		says string
	}{
		{"insert", `INSERT INTO %s (id, at, note) OVERRIDING SYSTEM VALUE VALUES (5000, '2024-01-20', 'late')`, `SELECT count(*) FILTER (WHERE note = 'late') || ' of ' || count(*) FROM tx_2024_01`, "1 of 1001", "source has 1001 rows, archive has 1000"},
		{"update", `UPDATE %s SET note = 'late' WHERE id = 7`, `SELECT note FROM tx_2024_01 WHERE id = 7`, "late", "digests differ"},
		{"delete", `DELETE FROM %s WHERE id = 7`, `SELECT count(*) FROM tx_2024_01`, "999", "source has 999 rows, archive has 1000"},
		{"delete and insert", `DELETE FROM %[1]s WHERE id = 7; INSERT INTO %[1]s (id, at, note) OVERRIDING SYSTEM VALUE VALUES (7, '2024-01-20', 'late')`, `SELECT note FROM tx_2024_01 WHERE id = 7`, "late", "digests differ"},
		{"truncate", `TRUNCATE %s`, `SELECT count(*) FROM tx_2024_01`, "0", "source has 0 rows"},
		{"a column more", `ALTER TABLE %[1]s ADD COLUMN "Ex tra" text; UPDATE %[1]s SET "Ex tra" = 'late' WHERE id = 7`, `SELECT "Ex tra" FROM tx_2024_01 WHERE id = 7`, "late", `column "Ex tra"`},
		{"another type", `ALTER TABLE %s ALTER COLUMN note TYPE varchar(4) USING left(note, 4)`, `SELECT count(*) FROM tx_2024_01`, "1000", ""},
	} {
		for moment, at := range moments {
			t.Run(change.name+" "+moment, func(t *testing.T) {
				t.Parallel()
				b := newBench(t, monthly)
				target := attached
				if moment == "after the detach" {
					target = detached
				}
				at(b, func() { b.sql.Exec(t, fmt.Sprintf(change.sql, target)) })
				req := request("tx", "at", "2024-01")
				req.Retire = archive.Drop
				_, err := b.a.Run(t.Context(), req)
				if change.name == "another type" { // which of its ends is met depends on the values: 'n999' fits, 'n1000' does not
					if err == nil || !strings.Contains(err.Error(), "was kept") {
						t.Errorf("error %v", err)
					}
				} else if !errors.Is(err, archive.ErrProof) || !strings.Contains(err.Error(), change.says) || !strings.Contains(err.Error(), "was kept, detached") {
					t.Errorf("error %v, want ErrProof and %q", err, change.says)
				}
				equal(t, "the partition", b.sql.One(t, change.see), change.want)
				equal(t, "table", b.rows("tx"), "at=2024-01 1000/1000")
			})
		}
	}
}

// A change that leaves equal rows behind is no difference, and one before the snapshot is in the archive.
func TestRetireDropsWhatIsEqual(t *testing.T) {
	b := newBench(t, monthly)
	b.store.Add(faultstore.Rule{Op: faultstore.Probe, Nth: 1, Kind: faultstore.Slow, Do: func(string) {
		b.sql.Exec(t, `INSERT INTO tx (at, note) VALUES ('2024-01-20', 'in time')`)
	}})
	moments["at the commit"](b, func() {
		b.sql.Exec(t, `DELETE FROM tx WHERE id < 100`)
		b.sql.Exec(t, `VACUUM tx_2024_01`)
		b.sql.Exec(t, `INSERT INTO tx (id, at, note, amount) OVERRIDING SYSTEM VALUE SELECT i, '2024-01-01'::timestamptz + i * interval '1 minute', 'n' || i, i FROM generate_series(99, 1, -1) i`)
	})
	req := request("tx", "at", "2024-01")
	req.Retire = archive.Drop
	equal(t, "retired", b.run(req).Retired, "dropped")
	equal(t, "table", b.rows("tx"), "at=2024-01 1001/1001")
}

// A write that comes while the last digest is taken waits for it and then finds no table: it is never acknowledged and lost.
func TestRetireLocksOutTheLastWrite(t *testing.T) {
	b := newBench(t, monthly)
	done, beside := make(chan error, 1), b.beside()
	b.a.Progress = &hooks{passed: map[string]func(){"retire": func() {
		began := make(chan struct{})
		go func() {
			close(began)
			done <- beside.Exec(context.Background(), "write", `INSERT INTO public.tx_2024_01 (id, at, note) OVERRIDING SYSTEM VALUE VALUES (5000, '2024-01-20', 'late')`)
		}()
		<-began
		waitUntil(t, func() bool {
			return b.sql.One(t, `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT%'`) == "1"
		})
	}}}
	req := request("tx", "at", "2024-01")
	req.Retire = archive.Drop
	equal(t, "retired", b.run(req).Retired, "dropped")
	if err := <-done; err == nil {
		t.Error("the late write was acknowledged, and its table dropped")
	}
}

// A table that took the partition's name is not the partition.
func TestRetireOfAnotherTableOfThatName(t *testing.T) {
	b := newBench(t, monthly)
	b.a.Progress = &hooks{begin: map[string]func(){"retire": func() {
		b.sql.Exec(t, `ALTER TABLE tx_2024_01 RENAME TO moved; CREATE TABLE tx_2024_01 AS SELECT id, at, note, amount, twice FROM moved`)
	}}}
	req := request("tx", "at", "2024-01")
	req.Retire = archive.Drop
	b.fail(req, archive.ErrProof, "another table has its name", "moved")
	equal(t, "tables", b.sql.One(t, `SELECT (SELECT count(*) FROM moved) || ' ' || (SELECT count(*) FROM tx_2024_01)`), "1000 1000")
}

func waitUntil(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("it did not happen within twenty seconds")
			return
		}
	}
}

// A DETACH CONCURRENTLY whose server process is killed between its two transactions leaves the partition half detached, with
// all its rows. The rerun proves it, finishes the detach and drops.
func TestRetireAfterAnInterruptedDetach(t *testing.T) {
	b := newBench(t, monthly)
	if b.a.DB.Version() < 140000 {
		t.Skip("DETACH CONCURRENTLY came with 14")
	}
	end := b.hold("public.tx")
	killed := b.killDetach()
	req := request("tx", "at", "2024-01")
	req.Retire = archive.Drop
	b.fail(req, postgres.ErrUnreachable, "the partition is archived and proven, and was not dropped")
	<-killed
	equal(t, "half detached", b.sql.One(t, `SELECT inhrelid::regclass FROM pg_inherits WHERE inhdetachpending`), "tx_2024_01")
	equal(t, "rows", b.sql.One(t, `SELECT count(*) FROM tx_2024_01`), "1000")
	equal(t, "table", b.rows("tx"), "at=2024-01 1000/1000")

	plan := req
	plan.DryRun = true
	equal(t, "what is left", b.run(plan).Plan.Retire[0], `ALTER TABLE "public"."tx" DETACH PARTITION "public"."tx_2024_01" FINALIZE`)
	end()
	equal(t, "retired", b.run(req).Retired, "dropped")
	equal(t, "table", b.rows("tx"), "at=2024-01 1000/1000")
}

// beside is another client of the database.
func (b *bench) beside() *postgres.DB {
	b.t.Helper()
	db, err := postgres.Open(b.t.Context(), postgres.Config{DSN: b.sql.DSN, Application: "beside"})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(db.Close)
	return db
}

// hold is a long reader: a transaction that keeps ACCESS SHARE on a table until the returned function ends it.
func (b *bench) hold(table string) (end func()) {
	b.t.Helper()
	db := b.beside()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		db.Exec(ctx, "hold", "BEGIN; LOCK TABLE "+table+" IN ACCESS SHARE MODE; SELECT pg_sleep(600)")
	}()
	end = func() { cancel(); <-done }
	b.t.Cleanup(end)
	waitUntil(b.t, func() bool {
		return b.sql.One(b.t, `SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.query LIKE '%pg_sleep(600)' AND relation = '`+table+`'::regclass`) == "t"
	})
	return end
}

// While a long reader keeps the lock that a retirement needs from it, other readers wait behind it for the lock timeout at
// most, again and again, and the retirement ends well once the long reader has gone.
func TestReadersNeverWaitLongerThanTheLockTimeout(t *testing.T) {
	const lockTimeout, held, slack = 300 * time.Millisecond, 3 * time.Second, 1500 * time.Millisecond
	for _, c := range []struct {
		name, sql, long, read string
		queues                bool // a reader does wait
	}{
		{"concurrently", "", "public.tx", "SELECT count(*) FROM public.tx", false},
		{"plain", "CREATE TABLE tx_rest PARTITION OF tx DEFAULT", "public.tx", "SELECT count(*) FROM public.tx", true},
		{"the partition itself", "", "public.tx_2024_01", "SELECT count(*) FROM public.tx", false},
		{"a foreign key's table", "CREATE TABLE ref (id numeric PRIMARY KEY); INSERT INTO ref SELECT generate_series(1, 1000); ALTER TABLE tx ADD FOREIGN KEY (amount) REFERENCES ref", "public.ref",
			"SELECT count(*) FROM public.ref", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, monthly)
			if c.sql != "" {
				b.sql.Exec(t, c.sql)
			}
			b.a.DB.LockTimeout, b.a.DB.LockAttempts = lockTimeout, 30
			readers := b.beside()
			end := b.hold(c.long)
			time.AfterFunc(held, end)

			ctx, stop := context.WithCancel(t.Context())
			var longest time.Duration
			var reads int
			done := make(chan struct{})
			go func() {
				defer close(done)
				for ctx.Err() == nil {
					began := time.Now()
					if _, err := readers.QueryText(context.Background(), "read", c.read); err != nil {
						t.Errorf("a reader: %v", err)
						return
					}
					longest = max(longest, time.Since(began))
					reads++
					time.Sleep(2 * time.Millisecond)
				}
			}()
			req := request("tx", "at", "2024-01")
			req.Retire = archive.Drop
			began := time.Now()
			equal(t, "retired", b.run(req).Retired, "dropped")
			if took := time.Since(began); took < held-time.Second {
				t.Errorf("it took %v and did not wait for the long reader", took)
			}
			stop()
			<-done
			t.Logf("%d reads, the longest %v", reads, longest.Round(time.Millisecond))
			if longest > lockTimeout+slack {
				t.Errorf("a reader waited %v, the lock timeout is %v", longest, lockTimeout)
			}
			if c.queues && longest < lockTimeout/2 {
				t.Errorf("no reader waited (%v): the test shows nothing", longest)
			}
		})
	}
}

// writer writes through the parent table, one row after the other, and remembers what the server acknowledged.
type writer struct {
	db    *postgres.DB
	k     int
	acked map[int]int // row id to its last acknowledged value
	first chan struct{}
	rand  *rand.Rand
}

// write inserts a row or changes one, until ctx ends or the partition is gone.
func (w *writer) write(ctx context.Context) {
	for n := 1; ctx.Err() == nil; n++ {
		id, sql := n, fmt.Sprintf("INSERT INTO public.tx VALUES (%d, %d, %d) RETURNING 1", w.k, n, n)
		if n%3 == 0 {
			id = n - 1
			sql = fmt.Sprintf("UPDATE public.tx SET v = %d WHERE k = %d AND id = %d RETURNING 1", n, w.k, id)
		}
		if rows, err := w.db.QueryText(context.Background(), "write", sql); err == nil && len(rows) == 1 {
			if len(w.acked) == 0 {
				close(w.first)
			}
			w.acked[id] = n
		}
		time.Sleep(time.Duration(w.rand.IntN(3)) * time.Millisecond)
	}
}

// A writer races archive --retire drop, over and over. Wherever each run ends, every acknowledged write is in the table, in
// the partition that was kept, or in the archive of the one that was dropped.
func TestRetireRacesAWriter(t *testing.T) {
	const rounds = 20
	b := newBench(t, `CREATE TABLE tx (k int, id int, v int, PRIMARY KEY (k, id)) PARTITION BY LIST (k); CREATE TABLE tx_0 PARTITION OF tx FOR VALUES IN (0)`)
	b.a.DB.LockTimeout = 500 * time.Millisecond
	restorer := &restore.Restorer{DB: b.a.DB, Store: b.store, Catalog: b.a.Catalog}
	began := time.Now()
	b.run(request("tx", "k", "0"))
	usual := 2 * time.Since(began)
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("FROSTLINE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("FROSTLINE_SEED: %v", err)
		}
	}
	t.Logf("FROSTLINE_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	ends := map[string]int{}
	for k := 1; k <= rounds; k++ {
		leaf := fmt.Sprintf("tx_%d", k)
		b.sql.Exec(t, fmt.Sprintf(`CREATE TABLE %s PARTITION OF tx FOR VALUES IN (%d)`, leaf, k))
		w := &writer{db: b.beside(), k: k, acked: map[int]int{}, first: make(chan struct{}), rand: rand.New(rand.NewPCG(seed, uint64(k)))}
		ctx, stop := context.WithCancel(t.Context())
		wrote := make(chan struct{})
		go func() { defer close(wrote); w.write(ctx) }()
		select {
		case <-w.first:
		case <-time.After(20 * time.Second):
			t.Fatal("nothing is written")
		}
		switch k {
		case 1: // the writer ends before the run
			stop()
			<-wrote
		case 2: // and here after it
		default: // at some moment
			time.AfterFunc(time.Duration(random.Int64N(int64(usual))), stop)
			time.Sleep(time.Duration(random.Int64N(int64(usual) / 2)))
		}
		req := request("tx", "k", fmt.Sprint(k))
		req.Retire = archive.Drop
		res, err := b.a.Run(t.Context(), req)
		stop()
		<-wrote

		table := leaf
		if err == nil {
			ends[res.Retired]++
			equal(t, leaf, b.sql.One(t, `SELECT coalesce(to_regclass('`+leaf+`')::text, 'none')`), "none")
			table = "back_" + leaf
			if _, err := restorer.Run(t.Context(), restore.Request{SourcePath: res.Location, Target: postgres.Name{Schema: "public", Table: table}}); err != nil {
				t.Fatal(err)
			}
		} else if errors.Is(err, archive.ErrProof) {
			ends["kept"]++
		} else {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, row := range b.sql.Query(t, "SELECT id, v FROM "+table) {
			got[row[0]] = row[1]
		}
		for id, v := range w.acked {
			if got[fmt.Sprint(id)] != fmt.Sprint(v) {
				t.Errorf("%s (%v): row %d was acknowledged with %d, and %s has %q", leaf, err, id, v, table, got[fmt.Sprint(id)])
			}
		}
		w.db.Close()
	}
	t.Logf("%v", ends)
	if ends["dropped"] == 0 || ends["kept"] == 0 {
		t.Errorf("ends %v: both should have been seen", ends)
	}
}
