package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"frostline/internal/s3test"
)

const mib = 1 << 20

// archive's memory does not grow with the rows: five times as many take the same.
func TestMemoryFlat(t *testing.T) {
	w := newWorld(t, "file://"+filepath.Join(t.TempDir(), "warehouse"))
	w.db.Exec(t, `CREATE TABLE flat (id bigint NOT NULL, part int NOT NULL, at timestamptz, amount numeric(12,2), state text, note text) PARTITION BY LIST (part);
		CREATE TABLE flat_1 PARTITION OF flat FOR VALUES IN (1);
		CREATE TABLE flat_2 PARTITION OF flat FOR VALUES IN (2);
		INSERT INTO flat SELECT i, CASE WHEN i <= 400000 THEN 1 ELSE 2 END, '2024-01-01'::timestamptz + i * interval '1 second', i / 7.0,
			(ARRAY['new','paid','sent'])[1 + i % 3], 'note ' || hashint8(i) FROM generate_series(1, 2400000) i`)
	var peak [2]int64
	for i, rows := range []float64{400_000, 2_000_000} {
		args := []string{"--table", "flat", "--partition-column", "part", "--partition-value", strconv.Itoa(i + 1), "--workers", "2", "-q"}
		peak[i] = w.peak("archive", args...)
		if got := w.run("archive", args...)["total_records"]; got != rows { // proven once more
			t.Errorf("partition %d has %v rows, want %v", i+1, got, rows)
		}
	}
	t.Logf("peak memory %d and %d MiB", peak[0]/mib, peak[1]/mib)
	if peak[1] > 256*mib {
		t.Errorf("2 000 000 rows took %d MiB, want at most 256", peak[1]/mib)
	}
	if peak[1] > peak[0]*3/2 {
		t.Errorf("400 000 rows took %d MiB, 2 000 000 rows %d: it grows with the rows", peak[0]/mib, peak[1]/mib)
	}
}

// A value of 100 MB is in memory once, while it is archived, read back, restored and proven. What it needs beside is what narrow
// rows need.
func TestMemoryWide(t *testing.T) {
	w := newWorld(t, "file://"+filepath.Join(t.TempDir(), "warehouse"))
	archiveWide(w, "noise", 256)
	if os.Getenv("FROSTLINE_LONG") == "" {
		return
	}
	archiveWide(w, "half", 256)
	w.db.Exec(t, `CREATE TABLE wide_long PARTITION OF wide FOR VALUES IN ('long')`, `ALTER TABLE wide_long ALTER data SET STORAGE EXTERNAL`,
		`INSERT INTO wide SELECT 1, 'long', string_agg(data, ''), NULL FROM wide_noise, generate_series(1, 2)`,
		`INSERT INTO wide SELECT 2, 'long', data || substr(data, 1, 100000000), NULL FROM wide_long`)
	archiveWide(w, "long", 256+400)
}

// To S3, parts of a file wait to be sent beside the value.
func TestMemoryWideS3(t *testing.T) {
	w := newWorld(t, s3test.Start(t).Warehouse(t))
	archiveWide(w, "half", 256)
	if os.Getenv("FROSTLINE_LONG") != "" {
		archiveWide(w, "noise", 256)
		archiveWide(w, "many", 256)
	}
}

// archiveWide archives a partition of two values of 100 MB, and restores it: noise, a bytea that repeats nothing within reach of a
// compressor, or half, a text of hex digits that becomes half of itself. Or of 300 values of 1 MB: many, which do not compress.
func archiveWide(w *world, kind string, most int64) {
	w.t.Helper()
	fill := map[string]string{
		"noise": `INSERT INTO wide SELECT i, 'noise', decode(repeat(hex, 40), 'hex'), NULL FROM block`,
		"half":  `INSERT INTO wide SELECT i, 'half', NULL, repeat(hex, 20) FROM block`,
		"many":  `INSERT INTO wide SELECT n, 'many', substr(decode(hex, 'hex'), 1 + n * 1317231 % 1500000, 1000000), NULL FROM block, generate_series(1, 150) n`,
	}
	w.db.Exec(w.t, `CREATE TABLE IF NOT EXISTS wide (id int NOT NULL, kind text NOT NULL, data bytea, note text) PARTITION BY LIST (kind);
		CREATE TABLE IF NOT EXISTS block AS SELECT i, string_agg(md5((i * 1000000 + n)::text), '') AS hex -- of 5 MB
			FROM generate_series(1, 2) i, generate_series(1, 156250) n GROUP BY i`)
	if sql := fill[kind]; sql != "" {
		w.db.Exec(w.t, `CREATE TABLE wide_`+kind+` PARTITION OF wide FOR VALUES IN ('`+kind+`');
			ALTER TABLE wide_`+kind+` ALTER data SET STORAGE EXTERNAL, ALTER note SET STORAGE EXTERNAL`, sql)
	}
	check := func(what string, peak int64) {
		w.t.Helper()
		w.t.Logf("%s, %s: peak memory %d MiB", kind, what, peak/mib)
		if peak > most*mib {
			w.t.Errorf("%s: %s took %d MiB, want at most %d", kind, what, peak/mib, most)
		}
	}
	check("archive", w.peak("archive", "--table", "wide", "--partition-column", "kind", "--partition-value", kind, "-q"))
	check("restore", w.peak("restore", "--source-path", w.warehouse+"/public/wide/kind="+kind, "--target-table", "back_"+kind, "--unlogged", "-q"))
	rows := w.db.One(w.t, `SELECT count(*) FROM wide_`+kind)
	if n := w.db.One(w.t, `SELECT count(*) FROM wide_`+kind+` a JOIN back_`+kind+` b ON (a.id, a.data, a.note) IS NOT DISTINCT FROM (b.id, b.data, b.note)`); n != rows {
		w.t.Errorf("%s: %s of %s rows came back", kind, n, rows)
	}
}

// peak runs a command and gives its peak resident bytes. It asks while the command runs: what wait tells of a child starts with
// the peak of this process.
func (w *world) peak(name string, args ...string) int64 {
	w.t.Helper()
	if runtime.GOOS != "linux" {
		w.t.Skip("reads /proc")
	}
	cmd := w.command(name, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	var peak int64
	for {
		select {
		case err := <-done:
			if err != nil || peak == 0 {
				w.t.Fatalf("%s: %v, %d bytes\n%s", name, err, peak, errs.String())
			}
			return peak
		case <-time.After(2 * time.Millisecond):
			if now := highWater(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)); now > 0 {
				peak = now
			}
		}
	}
}

// highWater is VmHWM in bytes, 0 when the process has ended.
func highWater(status string) int64 {
	text, _ := os.ReadFile(status)
	_, after, _ := bytes.Cut(text, []byte("VmHWM:"))
	number, _, _ := bytes.Cut(bytes.TrimLeft(after, " \t"), []byte(" "))
	kb, _ := strconv.ParseInt(string(number), 10, 64)
	return kb << 10
}
