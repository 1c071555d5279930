package archive_test

import (
	"fmt"
	"testing"
	"time"

	"frostline/archive"
	"frostline/iceberg"
	"frostline/postgres"
)

// fourDays is a table of four daily partitions without a DEFAULT, so that they are detached CONCURRENTLY.
func fourDays(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, `CREATE TABLE d (day date NOT NULL, n int) PARTITION BY RANGE (day)`)
	for i := range 4 {
		b.sql.Exec(t, fmt.Sprintf(`CREATE TABLE d_%d PARTITION OF d FOR VALUES FROM ('2024-01-0%[1]d') TO ('2024-01-0%d')`, i+1, i+2))
	}
	b.sql.Exec(t, `INSERT INTO d SELECT '2024-01-01'::date + i % 4, i FROM generate_series(1, 400) i`)
	if b.a.DB.Version() < 140000 {
		t.Skip("DETACH CONCURRENTLY came with 14")
	}
	return b
}

const allDays = "day=2024-01-01 100/100, day=2024-01-02 100/100, day=2024-01-03 100/100, day=2024-01-04 100/100"

func dropDays() archive.OlderRequest {
	req := older("d", "1 day", "2024-03-01T00:00:00Z")
	req.Retire = archive.Drop
	return req
}

// A worker that dies in the middle of a detach leaves its partition half detached, and no other of the table can be detached until that is
// finished. The next run does both, whatever the order.
func TestAHalfDetachedPartitionBlocksNobody(t *testing.T) {
	b := fourDays(t)
	end := b.hold("public.d")
	killed := b.killDetach()
	req := request("d", "day", "2024-01-03")
	req.Retire = archive.Drop
	b.fail(req, postgres.ErrUnreachable, "was not dropped")
	<-killed
	equal(t, "half detached", b.sql.One(t, `SELECT inhrelid::regclass FROM pg_inherits WHERE inhdetachpending`), "d_3")
	end()
	got, _ := b.older(dropDays(), 1)
	equal(t, "the next run", got, "success, unchanged day=2024-01-03 dropped, archived day=2024-01-04 dropped, unchanged day=2024-01-01 dropped, unchanged day=2024-01-02 dropped")
	equal(t, "table", b.rows("d"), allDays)
	equal(t, "partitions left", b.sql.One(t, `SELECT count(*) FROM pg_class WHERE relname LIKE 'd\__'`), "0")
}

// killDetach ends the server process of a DETACH CONCURRENTLY once that is between its two transactions, and then closes what it returns. The
// process is looked for in a query of its own: a condition that kills could be evaluated before the others.
func (b *bench) killDetach() (killed chan struct{}) {
	killed = make(chan struct{})
	go func() {
		defer close(killed)
		waitUntil(b.t, func() bool {
			return b.sql.One(b.t, `SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity a JOIN pg_inherits ON inhdetachpending
				WHERE datname = current_database() AND query LIKE 'ALTER TABLE % DETACH PARTITION %' AND wait_event_type = 'Lock' OFFSET 0) AS detaching`) == "1"
		})
	}()
	return killed
}

// Two workers meet while a long reader keeps every detach of the table waiting: they take turns.
func TestDetachesTakeTurns(t *testing.T) {
	b := fourDays(t)
	end := b.hold("public.d")
	done := make(chan string)
	for range 2 {
		worker := *b.a
		worker.DB, worker.Catalog = b.beside(), iceberg.NewCatalog(b.store)
		go func() {
			batch, err := worker.Older(t.Context(), dropDays(), 2)
			if err != nil {
				t.Error(err)
			}
			for _, f := range batch.Failed {
				t.Error(f.Error)
			}
			done <- batch.Status
		}()
	}
	time.Sleep(1500 * time.Millisecond)
	end()
	for range 2 {
		equal(t, "status", <-done, "success")
	}
	equal(t, "table", b.rows("d"), allDays)
	equal(t, "partitions left", b.sql.One(t, `SELECT count(*) FROM pg_class WHERE relname LIKE 'd\__'`), "0")
}
