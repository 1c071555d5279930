package restore_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"frostline/archive"
	"frostline/internal/pgtest"
	"frostline/postgres"
	"frostline/restore"
)

func TestAttach(t *testing.T) {
	b := newBench(t, monthly)
	path := b.archive("tx", "at", "2024-01", archive.Drop)
	b.equal("rows", `SELECT count(*) FROM tx`, "0")
	dry := b.run(restore.Request{SourcePath: path, Attach: true, DryRun: true})
	if dry.Status != "planned" || len(dry.SQL) == 0 {
		t.Errorf("dry run %+v", dry)
	}
	b.equal("the dry run made nothing", `SELECT COALESCE(to_regclass('tx_2024_01_restored')::text, 'none')`, "none")
	res := b.run(restore.Request{SourcePath: path, Attach: true})
	if res.Action != "attached" || res.Target != "public.tx_2024_01" {
		t.Errorf("result %+v", res)
	}
	b.equal("differences", fmt.Sprintf(differs, "tx"), "0")
	b.equal("indexes of the parent that it has", `SELECT count(*) FROM pg_inherits h JOIN pg_index i ON i.indexrelid = h.inhrelid WHERE i.indrelid = 'tx_2024_01'::regclass`, "3")
	if again := b.run(restore.Request{SourcePath: path, Attach: true}); again.Action != "unchanged" {
		t.Errorf("again: %+v", again)
	}
	b.sql.Exec(t, `INSERT INTO tx (at, note, amount) VALUES ('2024-01-31', 'new', 1)`) // the identity is past the restored ids
	b.fail(restore.Request{SourcePath: path, Attach: true}, restore.ErrProof, "20001 rows", "nothing was done")
}

// A run that was killed between an index and its constraint has left the index: it becomes the constraint's, and no other is built.
func TestAttachTakesAnIndexThatIsReady(t *testing.T) {
	b := newBench(t, monthly)
	path := b.archive("tx", "at", "2024-01", archive.Drop)
	b.run(restore.Request{SourcePath: path, Target: postgres.Name{Schema: "public", Table: "tx_2024_01_restored"}})
	b.sql.Exec(t, `CREATE UNIQUE INDEX tx_2024_01_pkey ON tx_2024_01_restored (id, at)`)
	b.run(restore.Request{SourcePath: path, Attach: true})
	b.equal("indexes", `SELECT count(*) FROM pg_index WHERE indrelid = 'tx_2024_01'::regclass`, "3")
	b.equal("primary key", `SELECT conname FROM pg_constraint WHERE conrelid = 'tx_2024_01'::regclass AND contype = 'p'`, "tx_2024_01_pkey")
}

// A detached table of the same name stands in the way, and is not touched.
func TestAttachRefusesWhatIsInTheWay(t *testing.T) {
	b := newBench(t, monthly)
	path := b.archive("tx", "at", "2024-01", archive.Detach)
	b.fail(restore.Request{SourcePath: path, Attach: true}, restore.ErrExists, `"tx_2024_01"`, "nothing was done")
	b.equal("rows", `SELECT count(*) FROM tx_2024_01`, "20000")
}

// What is in the way is detached and renamed when told to, with all its rows, and in the transaction of the attach.
func TestReplaceExisting(t *testing.T) {
	for _, c := range []struct {
		name, inTheWay string // made after the partition was archived and dropped
		refused        string
		kept           string // rows of what was replaced
	}{
		{"a detached table of the name", `CREATE TABLE tx_2024_01 AS SELECT 1 AS other`, "is not attached", "1"},
		{"a partition of the name that differs", `CREATE TABLE tx_2024_01 PARTITION OF tx FOR VALUES FROM ('2024-01-01') TO ('2024-02-01'); INSERT INTO tx (at, note, amount) VALUES ('2024-01-05', 'new', 5), ('2024-01-06', 'new', 6)`, "it is attached, and has changed", "2"},
		{"a partition of the bounds, under another name", `CREATE TABLE "new ""one" PARTITION OF tx FOR VALUES FROM ('2024-01-01') TO ('2024-02-01'); INSERT INTO tx (at, note, amount) VALUES ('2024-01-05', 'new', 5)`, "same bounds", "1"},
		{"both", `CREATE TABLE tx_2024_01 (); CREATE TABLE january PARTITION OF tx FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')`, "nothing was done", "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, monthly)
			path := b.archive("tx", "at", "2024-01", archive.Drop)
			b.sql.Exec(t, c.inTheWay)
			if _, err := b.r.Run(t.Context(), restore.Request{SourcePath: path, Attach: true}); err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Fatalf("without --replace-existing: %v, want %q", err, c.refused)
			}
			b.equal("nothing was staged", `SELECT count(*) FROM pg_class WHERE relname LIKE '%restored%'`, "0")
			res := b.run(restore.Request{SourcePath: path, Attach: true, Replace: true})
			if res.Action != "attached" || len(res.Replaced) == 0 {
				t.Fatalf("result %+v", res)
			}
			b.equal("differences", fmt.Sprintf(differs, "tx"), "0")
			schema, table, _ := strings.Cut(res.Replaced[0], ".")
			if !strings.Contains(table, "_old_20") {
				t.Errorf("replaced %q", res.Replaced)
			}
			b.equal("rows kept", "SELECT count(*) FROM "+postgres.Name{Schema: schema, Table: table}.String(), c.kept)
			b.equal("partitions", `SELECT count(*) FROM pg_inherits WHERE inhparent = 'tx'::regclass`, "2")
			if again := b.run(restore.Request{SourcePath: path, Attach: true, Replace: true}); again.Action != "unchanged" || again.Replaced != nil {
				t.Errorf("again: %+v", again)
			}
		})
	}
}

// What only looks like the partition is not touched, also when told to replace.
func TestReplaceRefuses(t *testing.T) {
	b := newBench(t, monthly, `CREATE TABLE other (LIKE tx INCLUDING GENERATED) PARTITION BY RANGE (at)`)
	path := b.archive("tx", "at", "2024-01", archive.Drop)
	for _, c := range []struct{ sql, says string }{
		{`CREATE TABLE tx_2024_01 PARTITION OF other DEFAULT`, `a partition of "public"."other"`},
		{`CREATE TABLE tx_2024_01 PARTITION OF tx FOR VALUES FROM ('2023-01-01') TO ('2023-02-01')`, "FROM ('2023-01-01 00:00:00+00')"},
	} {
		b.sql.Exec(t, c.sql)
		b.fail(restore.Request{SourcePath: path, Attach: true, Replace: true}, restore.ErrExists, c.says, "nothing was done")
		b.sql.Exec(t, `DROP TABLE tx_2024_01`)
	}
	// A foreign key holds the partition that would be replaced.
	b.sql.Exec(t, `CREATE TABLE january PARTITION OF tx FOR VALUES FROM ('2024-01-01') TO ('2024-02-01'); INSERT INTO tx (id, at, note, amount) VALUES (1, '2024-01-05', 'x', 5);
		CREATE TABLE refers (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES tx); INSERT INTO refers VALUES (1, '2024-01-05')`)
	b.fail(restore.Request{SourcePath: path, Attach: true, Replace: true}, postgres.ErrForeignKey, "refers")
	b.equal("rows", `SELECT count(*) FROM january`, "1")
}

// Readers and writers of the parent work on while a partition is restored and attached: none waits longer than one lock timeout,
// although a long query keeps the attach from its locks for much longer.
func TestLocksAreShort(t *testing.T) {
	b := newBench(t, monthly, `CREATE TABLE owner (id int PRIMARY KEY); INSERT INTO owner VALUES (1); ALTER TABLE tx ADD owner int DEFAULT 1 REFERENCES owner;
		CREATE TABLE tx_rest PARTITION OF tx DEFAULT; INSERT INTO tx (at, note, amount) VALUES ('2020-01-01', 'old', 1)`)
	path := b.archive("tx", "at", "2024-01", archive.Drop)
	const (
		timeout = 150 * time.Millisecond
		held    = 2500 * time.Millisecond
		slack   = 1000 * time.Millisecond // of a busy machine
	)
	b.r.DB.LockTimeout = timeout
	traffic, err := postgres.Open(t.Context(), postgres.Config{DSN: b.sql.DSN, Application: "traffic"})
	if err != nil {
		t.Fatal(err)
	}
	defer traffic.Close()
	ctx, stop := context.WithCancel(t.Context())
	var (
		group   sync.WaitGroup
		mu      sync.Mutex
		longest = map[string]time.Duration{}
		done    = map[string]int{}
	)
	for name, query := range map[string]string{
		"reader":                  `SELECT count(*) FROM public.tx WHERE at >= '2024-02-01'`,
		"reader of all":           `SELECT count(*) FROM public.tx`,
		"writer":                  `INSERT INTO public.tx (at, note, amount) VALUES ('2024-02-02', gen_random_uuid()::text, 2)`,
		"writer of the default":   `INSERT INTO public.tx (at, note, amount) VALUES ('2021-02-02', gen_random_uuid()::text, 2)`,
		"writer of the other end": `UPDATE public.owner SET id = id`,
	} {
		group.Go(func() {
			for ctx.Err() == nil {
				start := time.Now()
				_, err := traffic.QueryText(ctx, name, query)
				mu.Lock()
				if err == nil {
					longest[name] = max(longest[name], time.Since(start))
					done[name]++
				} else if ctx.Err() == nil {
					t.Errorf("%s: %v", name, err)
				}
				mu.Unlock()
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	// The foreign key has to wait for the one, the attach for the other.
	for after, sql := range map[time.Duration]string{held / 3: `LOCK TABLE owner IN ROW EXCLUSIVE MODE`, held: `SELECT count(*) FROM tx`} {
		holder := &pgtest.DB{DSN: b.sql.DSN}
		holder.Exec(t, "BEGIN; "+sql)
		group.Go(func() {
			time.Sleep(after)
			if err := holder.Try(`COMMIT`); err != nil {
				t.Error(err)
			}
		})
	}
	start := time.Now()
	res := b.run(restore.Request{SourcePath: path, Attach: true})
	took := time.Since(start)
	stop()
	group.Wait()
	if took < held {
		t.Errorf("the restore took %v, less than the %v for which a query held the parent: it waited for nothing, and so this test shows nothing", took, held)
	}
	for name, d := range longest {
		if d > timeout+slack {
			t.Errorf("%s waited for %v, at most %v is allowed", name, d, timeout+slack)
		}
		if done[name] < 10 {
			t.Errorf("%s ran only %d times", name, done[name])
		}
	}
	t.Logf("restore and attach of %d rows took %v; longest waits %v", res.Records, took.Round(time.Millisecond), longest)
	b.equal("rows restored", `SELECT count(*) FROM tx_2024_01`, "20000")
}
