package restore_test

import (
	"fmt"
	"testing"
	"time"

	"frostline/archive"
	"frostline/internal/pgtest"
	"frostline/objstore/faultstore"
	"frostline/restore"
)

// The server goes on with the last statement of a run that was killed. A rerun waits for it and takes up what it has done.
func TestTheKilledRunsStatementEndsLater(t *testing.T) {
	const migrated = `CREATE TABLE live (LIKE tx INCLUDING ALL); CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.id = 9000 THEN RAISE ''stopped''; END IF; RETURN NEW; END';
		CREATE TRIGGER stop BEFORE INSERT ON live FOR EACH ROW EXECUTE FUNCTION public.stop()`
	for _, c := range []struct {
		name   string
		first  restore.Request // leaves what the killed run has left
		stops  bool
		before string
		last   string // what the server is still at
		rerun  restore.Request
		want   string
		table  string
	}{
		{"an index", restore.Request{Target: target("tx_2024_01_restored")}, false, `SELECT`, `CREATE UNIQUE INDEX tx_2024_01_pkey ON tx_2024_01_restored (id, at)`,
			restore.Request{Attach: true}, "attached", "tx"},
		{"the attach", restore.Request{Target: target("tx_2024_01_restored")}, false, `SELECT`,
			`ALTER TABLE tx_2024_01_restored ADD CONSTRAINT tx_amount_check CHECK (amount > 0); ALTER TABLE tx_2024_01_restored RENAME TO tx_2024_01; ALTER TABLE tx ATTACH PARTITION tx_2024_01 FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')`,
			restore.Request{Attach: true}, "unchanged", "tx"},
		{"a batch of a migration", restore.Request{Migrate: true, Into: target("live")}, true, `DROP TRIGGER stop ON live`,
			`DO $$ DECLARE m record; progress text := (SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relname LIKE 'frostline\_move\_%'); BEGIN
				EXECUTE 'SELECT max(to_page) AS page, max(to_page - from_page) AS step FROM ' || progress INTO m;
				INSERT INTO live (id, at, note, amount) OVERRIDING SYSTEM VALUE SELECT id, at, note, amount FROM tx_2024_01_restored WHERE ctid >= format('(%s,0)', m.page)::tid AND ctid < format('(%s,0)', m.page + m.step)::tid;
				EXECUTE format('INSERT INTO %1$s SELECT %2$s, %2$s + %3$s, (SELECT count(*) FROM tx_2024_01_restored WHERE ctid >= ''(%2$s,0)'' AND ctid < ''(%4$s,0)''),
					(SELECT count(*) FROM tx_2024_01_restored WHERE ctid >= ''(%2$s,0)'' AND ctid < ''(%4$s,0)''), 0, max(run_id), max(into_table::oid)::regclass FROM %1$s', progress, m.page, m.step, m.page + m.step); END $$`,
			restore.Request{Migrate: true, Into: target("live")}, "migrated", "live"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, monthly, migrated)
			b.r.MoveRows = 3000
			path := b.archive("tx", "at", "2024-01", archive.Drop)
			c.first.SourcePath, c.rerun.SourcePath = path, path
			if _, err := b.r.Run(t.Context(), c.first); (err != nil) != c.stops {
				t.Fatalf("first run: %v", err)
			}
			b.sql.Exec(t, c.before)
			server := &pgtest.DB{DSN: b.sql.DSN}
			server.Exec(t, "BEGIN; "+c.last)
			type outcome struct {
				res restore.Result
				err error
			}
			ended := make(chan outcome, 1)
			go func() {
				res, err := b.r.Run(t.Context(), c.rerun)
				ended <- outcome{res, err}
			}()
			waits := `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
			for deadline := time.Now().Add(20 * time.Second); b.sql.One(t, waits) == "0" && len(ended) == 0; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the rerun neither waits nor ends")
				}
			}
			server.Exec(t, "COMMIT")
			got := <-ended
			if got.err != nil || got.res.Action != c.want {
				t.Errorf("the rerun: %q, %v; want %s", got.res.Action, got.err, c.want)
			}
			b.equal("differences", fmt.Sprintf(differs, c.table), "0")
			b.equal("tables left", `SELECT count(*) FROM pg_class WHERE relkind = 'r' AND (relname LIKE 'frostline%' OR relname LIKE '%restored')`, "0")
		})
	}
}

// A crash of the server empties an unlogged staging table, and not its checkpoints, which are logged. The rerun loads all of it again.
func TestUnloggedStagingIsEmptiedByACrash(t *testing.T) {
	b := newBench(t, monthly)
	path := b.archive("tx", "at", "2024-01", archive.Keep)
	req := restore.Request{SourcePath: path, Target: target("s"), Unlogged: true}
	b.store.Reset()
	b.store.Add(faultstore.Rule{Op: faultstore.ReadRanges, Match: faultstore.Suffix(".parquet"), Nth: 12, Kind: faultstore.Fail})
	b.fail(req, faultstore.ErrInjected, "run again to go on")
	b.store.Reset()
	b.sql.Exec(t, `TRUNCATE s`)
	if res := b.run(req); res.Resumed != 0 || res.Records != 20000 {
		t.Errorf("%d units resumed, %d records; want 0 and 20000", res.Resumed, res.Records)
	}
	b.equal("differences", fmt.Sprintf(differs, "s"), "0")
}
