package restore_test

import (
	"testing"

	"frostline/archive"
	"frostline/restore"
)

// --no-create looks at the table before anything is loaded, and says all that is wrong with it at once.
func TestNoCreate(t *testing.T) {
	b := newBench(t, monthly, `
		CREATE TABLE wrong (id bigint NOT NULL, note varchar(9), amount numeric(12,2) NOT NULL, twice numeric, extra int);
		CREATE TABLE whole (LIKE tx INCLUDING GENERATED) PARTITION BY RANGE (at);
		CREATE VIEW seen AS SELECT * FROM tx;
		CREATE TABLE s (note text COLLATE "C", amount numeric(12,2), at timestamptz NOT NULL, id bigint NOT NULL, twice numeric GENERATED ALWAYS AS (amount * 2) STORED)`)
	path := b.archive("tx", "at", "2024-01", archive.Keep)
	b.fail(restore.Request{SourcePath: path, Target: target("nope"), NoCreate: true}, restore.ErrMismatch, "no such table")
	b.fail(restore.Request{SourcePath: path, Target: target("wrong"), NoCreate: true}, restore.ErrMismatch,
		`column "at" is missing`, `column "note" is character varying(9), archived was text`, `column "amount" is NOT NULL, archived was not`,
		`column "twice" is not generated, archived was generated as (`, `column "extra" is not in the archive`, "nothing was loaded")
	b.fail(restore.Request{SourcePath: path, Target: target("whole"), NoCreate: true}, restore.ErrMismatch, "partitioned table")
	b.fail(restore.Request{SourcePath: path, Target: target("s"), NoCreate: true}, restore.ErrMismatch, `column "note" has the collation`, `"C"`)
	b.equal("checkpoints made", `SELECT count(*) FROM pg_class WHERE relname LIKE 'frostline_load_%'`, "0")
	b.equal("rows", `SELECT count(*) FROM wrong`, "0")
	b.sql.Exec(t, `ALTER TABLE s ALTER note TYPE text COLLATE "default", ALTER at DROP NOT NULL`)
	b.fail(restore.Request{SourcePath: path, Target: target("s"), NoCreate: true}, restore.ErrMismatch, `column "at" may be NULL, archived was NOT NULL`)
	b.sql.Exec(t, `ALTER TABLE s ALTER at SET NOT NULL`)
	b.run(restore.Request{SourcePath: path, Target: target("s"), NoCreate: true})
	b.equal("rows", `SELECT count(*) FROM (SELECT id, at, note, amount, twice FROM s INTERSECT SELECT * FROM original) x`, "20000")
	for _, req := range []restore.Request{{Unlogged: true}, {Tablespace: "fast"}} {
		req.SourcePath, req.Target, req.NoCreate = path, target("s"), true
		b.fail(req, restore.ErrBadInput, "--no-create")
	}
}
