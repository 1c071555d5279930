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

// A value that does not compress is held some ten times over, in PostgreSQL's message, the batch, the page and the read-back. The
// number of such values does not matter.
func TestMemoryWide(t *testing.T) {
	w := newWorld(t, "file://"+filepath.Join(t.TempDir(), "warehouse"))
	w.db.Exec(t, `CREATE TABLE wide (id int NOT NULL, part int NOT NULL, data bytea) PARTITION BY LIST (part);
		CREATE TABLE wide_1 PARTITION OF wide FOR VALUES IN (1);
		ALTER TABLE wide_1 ALTER data SET STORAGE EXTERNAL;
		INSERT INTO wide SELECT i, 1, decode(repeat(block, 32), 'hex') FROM generate_series(1, 5) i,
			LATERAL (SELECT string_agg(md5((i * 1000000 + n)::text), '') AS block FROM generate_series(1, 196608) n) b`)
	peak := w.peak("archive", "--table", "wide", "--partition-column", "part", "--partition-value", "1", "-q")
	t.Logf("peak memory %d MiB", peak/mib)
	if peak > 1200*mib {
		t.Errorf("5 values of 96 MiB took %d MiB, want at most 1200", peak/mib)
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
