package load

import (
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/archive"
	"frostline/iceberg"
	"frostline/internal/pgtest"
	"frostline/postgres"
)

// Every run leaves a row, and archive's runs leave theirs in the same table, whoever makes it.
func TestAudit(t *testing.T) {
	for _, first := range []string{"load", "archive"} {
		t.Run(first+" first", func(t *testing.T) {
			l, pg := start(t, `CREATE TABLE s (id int, month text); INSERT INTO s VALUES (1, 'm'); CREATE TABLE t (id bigint CHECK (id < 3), name text)`)
			audit := postgres.Name{Schema: "ops", Table: `the "audit"`}
			pg.Exec(t, "CREATE SCHEMA ops")
			l.AuditTable, l.Version = audit, "v1"
			store := openStore(t, "file://"+t.TempDir())
			a := &archive.Archiver{DB: l.DB, Store: store, Catalog: iceberg.NewCatalog(store), AuditTable: audit}
			run := func(value string) {
				t.Helper()
				if _, err := a.Run(t.Context(), archive.Request{Table: target("s"), Column: "month", Value: value}); err != nil {
					t.Fatal(err)
				}
			}
			if first == "archive" {
				run("m")
			}
			dir := t.TempDir()
			write(t, filepath.Join(dir, "a.parquet"), idName, `[{"id": 1, "name": "x"}, {"id": 2, "name": "y"}]`)
			mustLoad(t, l, Request{Source: dir, Target: target("t"), DryRun: true})
			mustLoad(t, l, Request{Source: dir, Target: target("t")})
			write(t, filepath.Join(dir, "b.parquet"), idName, `[{"id": 3, "name": "the password"}]`)
			_, err := l.Run(t.Context(), Request{Source: dir, Target: target("t")})
			failsWith(t, err, ErrRejected)
			write(t, filepath.Join(dir, "b.parquet"), fieldsOf(field("x", arrow.PrimitiveTypes.Int64)), `[{"x": 3}]`)
			_, err = l.Run(t.Context(), Request{Source: dir, Target: target("t")})
			failsWith(t, err, ErrMismatch)
			_, err = l.Run(t.Context(), Request{Source: t.TempDir(), Target: target("t")})
			failsWith(t, err, ErrNoSource)
			if first == "load" {
				run("m")
			}
			sameRows(t, pg, `SELECT outcome, action, error_code, source_table, total_records, total_files, tool_version, db_user, ended_at >= started_at, location LIKE 'file:///%' OR location LIKE '/%'
				FROM ops."the ""audit""" WHERE run_id LIKE 'load-%' ORDER BY started_at`,
				"success|loaded|"+pgtest.Null+"|t|2|1|v1|postgres|t|t", "failure|"+pgtest.Null+"|rejected|t|0|0|v1|postgres|t|t",
				"failure|"+pgtest.Null+"|differs|t|0|0|v1|postgres|t|t", "failure|"+pgtest.Null+"|not_found|t|0|0|v1|postgres|t|t")
			sameRows(t, pg, `SELECT count(*) FROM ops."the ""audit""" WHERE run_id NOT LIKE 'load-%' AND outcome = 'success'`, "1")
		})
	}
}
