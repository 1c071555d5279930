package archive_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"frostline/archive"
	"frostline/iceberg"
	"frostline/internal/pgtest"
	"frostline/objstore"
	"frostline/objstore/faultstore"
	"frostline/postgres"
)

// audits are the audit lines in the warehouse, in the order of their ends.
func (b *bench) audits() (lines []archive.Audit) {
	b.t.Helper()
	for _, key := range b.keys("_audit/") {
		var au archive.Audit
		if err := json.Unmarshal(b.read(key), &au); err != nil {
			b.t.Fatalf("%s: %v", key, err)
		}
		equal(b.t, "key", key, "_audit/"+au.Ended.Format("2006-01-02")+"/"+au.RunID+".json")
		i := len(lines)
		for i > 0 && lines[i-1].Ended.After(au.Ended) {
			i--
		}
		lines = append(lines[:i], append([]archive.Audit{au}, lines[i:]...)...)
	}
	return lines
}

func TestEveryRunLeavesAnAuditLine(t *testing.T) {
	b := newBench(t, monthly)
	begin := time.Now()
	var heard []string
	b.a.Ended = func(au archive.Audit) { heard = append(heard, au.RunID) }
	req := request("tx", "at", "2024-01")
	dry := req
	dry.DryRun = true
	b.run(dry)
	equal(t, "lines after a dry run", len(b.audits()), 0)

	first := b.run(req)
	b.run(req)
	b.fail(request("tx", "at", "2030-01"), postgres.ErrNoPartition)
	b.fail(request("nosuch", "at", "x"), postgres.ErrNoTable)
	b.sql.Exec(t, `UPDATE tx SET note = 'other' WHERE id = 7`)
	b.fail(req, archive.ErrDiffers)
	req.Replace, req.Retire = true, archive.Drop
	last := b.run(req)

	lines := b.audits()
	var got, ids []string
	for _, au := range lines {
		got = append(got, strings.TrimRight(strings.Join([]string{au.Table, au.Partition, au.Outcome, au.Action, au.ErrorCode, fmt.Sprint(au.Records), au.Retired}, " "), " "))
		ids = append(ids, au.RunID)
	}
	equal(t, "lines", strings.Join(got, "\n"), strings.Join([]string{
		"tx at=2024-01 success archived  1000",
		"tx at=2024-01 success unchanged  1000",
		"tx at=2030-01 failure  not_found 0",
		"nosuch at=x failure  not_found 0",
		"tx at=2024-01 failure  differs 0",
		"tx at=2024-01 success replaced  1000 dropped",
	}, "\n"))
	equal(t, "heard", strings.Join(heard, " "), strings.Join(ids, " "))
	host, _ := os.Hostname()
	au := lines[0]
	equal(t, "run", au.RunID, first.RunID)
	equal(t, "run of the replacement", lines[5].RunID, last.RunID)
	equal(t, "digest", au.Digest, first.Digest)
	equal(t, "bytes", au.Bytes, first.Bytes)
	equal(t, "files", au.Files, first.Files)
	equal(t, "location", au.Location, first.Location)
	equal(t, "host", au.Host, host)
	equal(t, "database user", au.DBUser, b.sql.One(t, "SELECT session_user"))
	equal(t, "tool", au.Tool, "test")
	equal(t, "retire asked", lines[5].Retire, "drop")
	equal(t, "the error", strings.Contains(lines[2].Error, "2030-01"), true)
	if au.OSUser == "" || au.PID != os.Getpid() || au.Seconds <= 0 || au.Ended.Before(au.Started) || au.Started.Before(begin) || au.Ended.After(time.Now()) {
		t.Errorf("%+v", au)
	}
}

// The audit line of a failed run names the run whose files it has left.
func TestTheAuditLineNamesTheLeftovers(t *testing.T) {
	b := newBench(t, monthly)
	b.killed(request("tx", "at", "2024-01"))
	lines := b.audits()
	equal(t, "lines", len(lines), 1)
	equal(t, "outcome", lines[0].Outcome, "failure")
	equal(t, "run", b.gc(archive.GCRequest{Now: later(25 * time.Hour)}).Leftovers[0].RunID, lines[0].RunID)
}

// Without its audit line a run is what it is, and says that the line is missing.
func TestAFailedAuditIsAWarning(t *testing.T) {
	for _, c := range []struct {
		name string
		rule faultstore.Rule
		warn bool
		left int
	}{
		{"refused", faultstore.Rule{Op: faultstore.Create, Match: faultstore.Prefix("_audit/"), Kind: faultstore.Fail}, true, 0},
		{"the answer is lost and says that it exists", faultstore.Rule{Op: faultstore.Create, Match: faultstore.Prefix("_audit/"), Kind: faultstore.Lose, Err: objstore.ErrExist}, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, monthly)
			var log strings.Builder
			b.a.Log = slog.New(slog.NewTextHandler(&log, nil))
			b.store.Add(c.rule)
			equal(t, "action", b.run(request("tx", "at", "2024-01")).Action, "archived")
			equal(t, "warned", strings.Contains(log.String(), "audit line could not be written"), c.warn)
			b.store.Reset()
			equal(t, "lines", len(b.audits()), c.left)
		})
	}
	t.Run("the table cannot be written", func(t *testing.T) {
		b := newBench(t, monthly, `CREATE TABLE other (id int)`)
		var log strings.Builder
		b.a.Log = slog.New(slog.NewTextHandler(&log, nil))
		b.a.AuditTable = postgres.Name{Schema: "public", Table: "other"}
		b.run(request("tx", "at", "2024-01"))
		equal(t, "warned", strings.Contains(log.String(), "audit row could not be written"), true)
		equal(t, "lines", len(b.audits()), 1)
	})
}

// An interrupted run leaves its line all the same.
func TestTheAuditLineOfAnInterruptedRun(t *testing.T) {
	b := newBench(t, monthly)
	ctx, cancel := context.WithCancel(t.Context())
	b.store.Add(faultstore.Rule{Op: faultstore.Put, Match: faultstore.Suffix(".parquet"), Nth: 1, Kind: faultstore.Slow, Do: func(string) { cancel() }})
	if _, err := b.a.Run(ctx, request("tx", "at", "2024-01")); err == nil {
		t.Fatal("it was not interrupted")
	}
	b.store.Reset()
	lines := b.audits()
	equal(t, "lines", len(lines), 1)
	equal(t, "code", lines[0].ErrorCode, "interrupted")
}

func TestAuditTable(t *testing.T) {
	b := newBench(t, monthly, `CREATE SCHEMA "Au.dit"`)
	b.a.AuditTable = postgres.Name{Schema: "Au.dit", Table: `li"ne s`}
	var runs sync.WaitGroup
	for _, value := range []string{"2024-01", "2024-02"} { // both make the table
		runs.Go(func() {
			one := *b.a
			one.Catalog = iceberg.NewCatalog(b.store)
			if _, err := one.Run(t.Context(), request("tx", "at", value)); err != nil {
				t.Error(err)
			}
		})
	}
	runs.Wait()
	b.fail(request("tx", "at", "it's\x00 \xff"), postgres.ErrBadValue)
	equal(t, "rows", pgtest.Table(b.sql.Query(t, `SELECT partition, outcome, action, error_code, total_records, ended_at >= started_at, seconds > 0, db_user = session_user
		FROM "Au.dit"."li""ne s" WHERE outcome = 'success' ORDER BY partition`)), pgtest.Table([][]string{
		{"at=2024-01", "success", "archived", "<NULL>", "1000", "t", "t", "t"}, {"at=2024-02", "success", "archived", "<NULL>", "0", "t", "t", "t"},
	}))
	equal(t, "failures", b.sql.One(t, `SELECT count(*) FROM "Au.dit"."li""ne s" WHERE outcome = 'failure' AND error <> ''`), "1")
}

// A role that may insert, and neither create nor read, is enough once the table is there.
func TestAuditTableNeedsInsertOnly(t *testing.T) {
	pg := pgtest.Start(t)
	role := pg.Role(t, "clerk", "NOSUPERUSER")
	b := newBench(t, monthly)
	b.a.AuditTable = postgres.Name{Schema: "aud", Table: "it"}
	b.sql.Exec(t, `CREATE SCHEMA aud`)
	b.run(request("tx", "at", "2024-02"))
	b.sql.Exec(t, fmt.Sprintf(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO %[1]q; GRANT USAGE ON SCHEMA aud TO %[1]q; GRANT INSERT ON aud.it TO %[1]q`, role))
	db, err := postgres.Open(t.Context(), postgres.Config{DSN: b.sql.DSNAs(role, "topsecret")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b.a.DB = db
	b.run(request("tx", "at", "2024-01"))
	equal(t, "users", pgtest.Table(b.sql.Query(t, `SELECT db_user FROM aud.it WHERE partition = 'at=2024-01'`)), pgtest.Table([][]string{{role}}))
	for _, key := range b.keys("_audit/") {
		if strings.Contains(string(b.read(key)), "topsecret") {
			t.Errorf("%s has the password", key)
		}
	}
}

func TestErrorCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{errors.New("x"), "internal"},
		{fmt.Errorf("a: %w", archive.ErrProof), "unproven"},
		{fmt.Errorf("a: %w: %w", objstore.ErrUnreachable, iceberg.ErrUnknownOutcome), "unknown_outcome"},
		{fmt.Errorf("a: %w", postgres.ErrLockTimeout), "lock_timeout"},
		{fmt.Errorf("a: %w", objstore.ErrNotExist), "damaged"},
	} {
		equal(t, fmt.Sprint(c.err), archive.ErrorCode(c.err), c.want)
	}
}
