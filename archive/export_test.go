package archive_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"frostline/archive"
	"frostline/iceberg"
	"frostline/postgres"
)

func export(t *testing.T, table string, mode archive.Export, column, date string) archive.Request {
	t.Helper()
	var day time.Time
	var err error
	if date != "" {
		if day, err = time.Parse(time.DateOnly, date); err != nil {
			t.Fatal(err)
		}
	}
	req, err := archive.ExportRequest(postgres.Name{Schema: "public", Table: table}, mode, column, day, time.Date(2025, 12, 23, 0, 30, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

const events = `
	CREATE TABLE ev (id int, at timestamptz, local timestamp, day date, note text);
	INSERT INTO ev SELECT i, '2025-12-22 00:00+00'::timestamptz + i * interval '1 hour', '2025-12-22'::timestamp + i * interval '1 hour',
		'2025-12-22'::date + i / 24, 'n' FROM generate_series(-24, 47) i`

func TestIncrementalExport(t *testing.T) {
	b := newBench(t, events)
	res := b.run(export(t, "ev", archive.Incremental, "at", "")) // yesterday
	equal(t, "action", res.Action, "archived")
	equal(t, "partition", res.Partition, "at=2025-12-22")
	equal(t, "records", res.Records, int64(24))
	equal(t, "location", strings.HasSuffix(res.Location, "/public/ev/at=2025-12-22"), true)

	equal(t, "rerun", b.run(export(t, "ev", archive.Incremental, "at", "2025-12-22")).Action, "unchanged")
	b.sql.Exec(t, `INSERT INTO ev (id, at) VALUES (100, '2025-12-22 23:59:59.999999+00'), (101, '2025-12-23 00:00+00')`)
	res = b.run(export(t, "ev", archive.Incremental, "at", "2025-12-22"))
	equal(t, "rerun with a late row", res.Action, "replaced")
	equal(t, "table", b.rows("ev"), "at=2025-12-22 25/25")
	b.run(export(t, "ev", archive.Incremental, "at", "2025-12-21"))
	equal(t, "two days", b.rows("ev"), "at=2025-12-21 24/24, at=2025-12-22 25/25")

	// A column that is added is a difference too, and the day is replaced with it.
	b.sql.Exec(t, `ALTER TABLE ev ADD COLUMN more int`)
	equal(t, "with another column", b.run(export(t, "ev", archive.Incremental, "at", "2025-12-21")).Action, "replaced")
	equal(t, "again", b.run(export(t, "ev", archive.Incremental, "at", "2025-12-21")).Action, "unchanged")
}

func TestExportOfOtherColumns(t *testing.T) {
	b := newBench(t, events)
	equal(t, "timestamp", b.run(export(t, "ev", archive.Incremental, "local", "2025-12-23")).Records, int64(24))
	equal(t, "date", b.run(export(t, "ev", archive.Incremental, "day", "2025-12-23")).Records, int64(24))
	b.fail(export(t, "ev", archive.Incremental, "note", ""), postgres.ErrBadValue, "has type text")
	b.fail(export(t, "ev", archive.Incremental, "att", ""), postgres.ErrNoColumn, "nearest: at")
	req := export(t, "ev", archive.Incremental, "at", "")
	req.Retire = archive.Drop
	b.fail(req, archive.ErrNotRetire, "deletes no rows")
}

// A day without rows is a success that writes nothing at all, and never takes away what an earlier export wrote.
func TestEmptyDay(t *testing.T) {
	b := newBench(t, events)
	res := b.run(export(t, "ev", archive.Incremental, "at", "2020-01-01"))
	equal(t, "status", res.Status+" "+res.Action, "success empty")
	equal(t, "warning", res.Warning, "no rows for at=2020-01-01; nothing was written")
	equal(t, "table", b.rows("ev"), "")
	for o, err := range b.store.List(t.Context(), "public/") {
		t.Errorf("written: %s, %v", o.Key, err)
	}
	b.run(export(t, "ev", archive.Incremental, "at", ""))
	b.sql.Exec(t, `DELETE FROM ev WHERE at < '2025-12-23'`)
	res = b.run(export(t, "ev", archive.Incremental, "at", ""))
	equal(t, "action", res.Action, "empty")
	equal(t, "warning", res.Warning, "no rows for at=2025-12-22; nothing was written, and the 24 rows of an earlier export stay")
	equal(t, "table", b.rows("ev"), "at=2025-12-22 24/24")
	b.sql.Exec(t, `TRUNCATE ev`)
	equal(t, "full", b.run(export(t, "ev", archive.Full, "", "")).Action, "empty")
}

func TestFullExport(t *testing.T) {
	b := newBench(t, events)
	res := b.run(export(t, "ev", archive.Full, "", "")) // today
	equal(t, "partition", res.Partition, "export_date=2025-12-23")
	equal(t, "records", res.Records, int64(72))
	equal(t, "rerun", b.run(export(t, "ev", archive.Full, "", "")).Action, "unchanged")
	b.sql.Exec(t, `DELETE FROM ev WHERE id > 40`)
	equal(t, "changed", b.run(export(t, "ev", archive.Full, "", "")).Action, "replaced")
	equal(t, "another day", b.run(export(t, "ev", archive.Full, "", "2025-12-24")).Action, "archived")
	equal(t, "table", b.rows("ev"), "export_date=2025-12-23 65/65, export_date=2025-12-24 65/65")
}

// A partitioned table is exported through its root; what is archived as a partition is not exported a second time.
func TestExportOfAPartitionedTable(t *testing.T) {
	b := newBench(t, months)
	res := b.run(export(t, "tx", archive.Incremental, "at", "2023-12-05"))
	equal(t, "records", res.Records, int64(1))
	equal(t, "full", b.run(export(t, "tx", archive.Full, "", "")).Records, int64(300))
	equal(t, "rerun", b.run(export(t, "tx", archive.Full, "", "")).Action, "unchanged")
	b.run(request("tx", "at", "2024-01"))
	b.fail(export(t, "tx", archive.Incremental, "at", "2024-01-05"), iceberg.ErrPartitionExists, "archived as at=2024-01", "there twice")
}

// The same archive path names other rows: an export never replaces them.
func TestExportReplacesOnlyExports(t *testing.T) {
	b := newBench(t, events)
	b.run(request("ev", "at", "2025-12-22")) // the rows of that instant
	b.fail(export(t, "ev", archive.Incremental, "at", "2025-12-22"), iceberg.ErrPartitionExists, "which an export must not replace")
	equal(t, "table", b.rows("ev"), "at=2025-12-22 1/1")
}

func TestExportRequests(t *testing.T) {
	table, now := postgres.Name{Schema: "public", Table: "t"}, time.Date(2024, 3, 1, 12, 0, 0, 0, time.FixedZone("", -14*3600))
	for _, c := range []struct {
		mode         archive.Export
		column, want string
	}{
		{archive.Incremental, "at", "at=2024-03-01"}, // it is March 2 in UTC
		{archive.Full, "", "export_date=2024-03-02"},
		{archive.Incremental, "", "--partition-column is missing"},
		{archive.Full, "at", "a full export has none"},
		{"daily", "", "neither incremental nor full"},
	} {
		r, err := archive.ExportRequest(table, c.mode, c.column, time.Time{}, now)
		got := r.Column + "=" + r.Value
		if err != nil {
			if got = err.Error(); !errors.Is(err, archive.ErrBadInput) {
				t.Errorf("%s: %v is not ErrBadInput", c.mode, err)
			}
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s of %q: %q, want %q", c.mode, c.column, got, c.want)
		}
	}
}
