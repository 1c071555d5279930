package archive_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"frostline/archive"
	"frostline/objstore/faultstore"
	"frostline/postgres"
)

const tables = `SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relispartition AND relkind = 'r'`

// What blocks archiving is refused by a real run before anything is written, and shown by a plan.
func TestPreflightBlocksArchiving(t *testing.T) {
	b := newBench(t, monthly, `ALTER TABLE tx_2024_01 SET UNLOGGED`)
	b.fail(request("tx", "at", "2024-01"), archive.ErrBlocked, `"public"."tx" at=2024-01`, "unlogged (public.tx_2024_01)", "SET LOGGED", "nothing was archived")
	req := request("tx", "at", "2024-01")
	req.DryRun = true
	res := b.run(req)
	equal(t, "blocked", errors.Is(res.Err(), archive.ErrBlocked), true)
	equal(t, "finding", res.Findings[0].Code, "unlogged")
	equal(t, "puts", b.store.Count(faultstore.Put), 0)
	b.sql.Exec(t, `ALTER TABLE tx_2024_01 SET LOGGED; ANALYZE tx`)
	res = b.run(req)
	equal(t, "blocked", res.Err(), nil)
	equal(t, "rows", res.Plan.Rows, int64(1000))
	if res.Plan.Bytes < 8192 || res.Plan.Estimate != res.Plan.Bytes/4 {
		t.Errorf("%d bytes, %d estimated", res.Plan.Bytes, res.Plan.Estimate)
	}
	equal(t, "action", b.run(request("tx", "at", "2024-01")).Action, "archived")
}

// What blocks retiring refuses the whole run, before the copy; without --retire it archives. Warnings are logged.
func TestPreflightBlocksRetiring(t *testing.T) {
	b := newBench(t, monthly, `CREATE VIEW january AS SELECT * FROM tx_2024_01; CREATE TABLE child (id bigint, at timestamptz, CONSTRAINT "to tx" FOREIGN KEY (id, at) REFERENCES tx);
		INSERT INTO child SELECT id, at FROM tx WHERE id = 1; CREATE TABLE tx_rest PARTITION OF tx DEFAULT`)
	var log bytes.Buffer
	b.a.Log = slog.New(slog.NewTextHandler(&log, nil))
	req := request("tx", "at", "2024-01")
	req.Retire = archive.Drop
	b.fail(req, archive.ErrBlocked, "view public.january depends", "nothing was archived or retired", "without --retire")
	b.sql.Exec(t, `DROP VIEW january`)
	b.fail(req, archive.ErrBlocked, `"to tx"`)
	b.fail(req, postgres.ErrForeignKey)
	req.DryRun = true
	res := b.run(req)
	equal(t, "SQL of a blocked plan", len(res.Plan.Retire), 0)
	equal(t, "the plan is blocked", errors.Is(res.Err(), postgres.ErrForeignKey), true)
	req.DryRun = false
	equal(t, "table", b.rows("tx"), "")
	equal(t, "partitions", b.sql.One(t, tables), "tx_2024_01 tx_2024_02 tx_rest")
	equal(t, "log of a blocked run", log.String(), "")

	equal(t, "action", b.run(request("tx", "at", "2024-01")).Action, "archived")
	equal(t, "log without --retire", strings.Contains(log.String(), "default-partition"), false)
	b.sql.Exec(t, `DELETE FROM child`)
	equal(t, "retired", b.run(req).Retired, "dropped")
	for _, code := range []string{"default-partition", "inbound-foreign-key"} {
		if !strings.Contains(log.String(), "level=WARN msg=preflight partition=\"\\\"public\\\".\\\"tx\\\" at=2024-01\" code="+code) {
			t.Errorf("the log has no %s:\n%s", code, log.String())
		}
	}
	equal(t, "partitions", b.sql.One(t, tables), "tx_2024_02 tx_rest")
	equal(t, "a rerun has nothing to look at", b.run(req).Retired, "already retired")
}

// A detached table that an earlier run has left is looked at too.
func TestPreflightOfADetachedTable(t *testing.T) {
	b := newBench(t, monthly)
	req := request("tx", "at", "2024-01")
	req.Retire = archive.Detach
	b.run(req)
	b.sql.Exec(t, `CREATE VIEW january AS SELECT * FROM tx_2024_01`)
	req.Retire = archive.Drop
	b.fail(req, archive.ErrBlocked, "january")
	b.sql.Exec(t, `DROP VIEW january`)
	equal(t, "retired", b.run(req).Retired, "dropped")
}
