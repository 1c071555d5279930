package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// liteRows checks that a file is sound, and gives its rows and the sum of their ids.
func liteRows(t *testing.T, path, table string) (rows, sum int64) {
	t.Helper()
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, q := range []string{"PRAGMA integrity_check", `SELECT count(*), coalesce(sum(id), 0) FROM "` + table + `"`} {
		err := sqlitex.ExecuteTransient(conn, q, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			if s.ColumnCount() == 1 && s.ColumnText(0) != "ok" {
				t.Errorf("%s: %s", path, s.ColumnText(0))
			}
			rows, sum = s.ColumnInt64(0), s.ColumnInt64(s.ColumnCount()-1)
			return nil
		}})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return rows, sum
}

// restore sqlite by its command: results, what it prints, exit codes.
func TestSQLiteCommand(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.db.Exec(t, `CREATE TABLE s (id int PRIMARY KEY, month text NOT NULL, note text); INSERT INTO s SELECT g, '2024-01', 'n' || g FROM generate_series(1, 2500) g`)
		path := w.run("archive", "--table", "s", "--partition-column", "month", "--partition-value", "2024-01")["location"].(string)
		out := t.TempDir()
		args := []string{"sqlite", "--source-path", path, "--to", out, "--rows-per-file", "1000"}
		stdout, stderr, code := w.exec("restore", append(args, "--dry-run")...)
		if code != 0 || !strings.Contains(stdout, `"status":"planned"`) || !strings.Contains(stderr, "2500 rows in 3 files") || !strings.Contains(stderr, "→ id     INTEGER") {
			t.Errorf("dry run: exit code %d\n%s\n%s", code, stdout, stderr)
		}
		if left, _ := os.ReadDir(out); len(left) > 0 {
			t.Errorf("a dry run wrote %v", left)
		}
		res := w.run("restore", args...)
		if res["status"] != "success" || res["action"] != "written" || res["total_records"] != 2500.0 || res["source"] != path || res["rows_per_second"].(float64) <= 0 {
			t.Errorf("result %v", res)
		}
		var rows, sum int64
		for k := range 3 {
			n, s := liteRows(t, filepath.Join(out, fmt.Sprintf("s-month=2024-01-%04d-of-0003.sqlite", k+1)), "s")
			rows, sum = rows+n, sum+s
		}
		if rows != 2500 || sum != 3126250 {
			t.Errorf("%d rows with the sum %d, want 2500 and 3126250", rows, sum)
		}
		if res := w.run("restore", args...); res["action"] != "unchanged" {
			t.Errorf("rerun %v, want unchanged", res)
		}
		for _, c := range []struct {
			name string
			args []string
			code int
			says string
		}{
			{"other files there", []string{"--source-path", path, "--to", out, "--rows-per-file", "10"}, 8, "--overwrite"},
			{"no partition", []string{"--source-path", strings.Replace(path, "2024-01", "2030-01", 1), "--to", out}, 3, "not archived"},
			{"nothing there", []string{"--source-path", t.TempDir(), "--to", out}, 3, "no Parquet file"},
			{"no rows a file", []string{"--source-path", path, "--to", out, "--rows-per-file", "0"}, 2, "want 1 or more"},
			{"a reserved name", []string{"--source-path", path, "--to", out, "--table", "sqlite_x"}, 2, "--table"},
			{"no target", []string{"--source-path", path}, 2, "--to"},
		} {
			if _, stderr, code := w.exec("restore", append([]string{"sqlite", "-q"}, c.args...)...); code != c.code || !strings.Contains(stderr, c.says) || strings.Count(strings.TrimSpace(stderr), "\n") > 0 {
				t.Errorf("%s: exit code %d, want %d; %s", c.name, code, c.code, stderr)
			}
		}
	})
}

// restore sqlite is killed at random moments: what stands under a final name is a whole file, and the rerun makes all of them.
func TestKillSQLite(t *testing.T) {
	w := newWorld(t, "file://"+t.TempDir())
	const rows = 60000
	w.db.Exec(t, fmt.Sprintf(`CREATE TABLE s (id int PRIMARY KEY, month text NOT NULL, note text); INSERT INTO s SELECT g, 'm', md5(g::text) FROM generate_series(1, %d) g`, rows))
	path := w.run("archive", "--table", "s", "--partition-column", "month", "--partition-value", "m")["location"].(string)
	tmp := t.TempDir()
	w.env = append(w.env, "TMPDIR="+tmp)
	random := w.random()
	args := func(out string) []string {
		return []string{"sqlite", "--source-path", path, "--to", out, "--rows-per-file", "10000"}
	}
	start := time.Now()
	w.run("restore", args(t.TempDir())...)
	whole := time.Since(start)
	const kills = 6
	seen := 0
	for i := range kills {
		out := t.TempDir()
		after := time.Duration((float64(i) + random.Float64()) / kills * float64(whole))
		w.killed(after, "restore", args(out)...)
		files, _ := filepath.Glob(out + "/*.sqlite")
		for _, f := range files {
			seen++
			if n, _ := liteRows(t, f, "s"); n != 10000 {
				t.Errorf("killed after %v: %s has %d rows", after, f, n)
			}
		}
		w.run("restore", args(out)...)
		var n, sum int64
		files, _ = filepath.Glob(out + "/*.sqlite")
		for _, f := range files {
			a, b := liteRows(t, f, "s")
			n, sum = n+a, sum+b
		}
		if n != rows || sum != rows*(rows+1)/2 || len(files) != 6 {
			t.Errorf("killed after %v: after the rerun %d files, %d rows with the sum %d", after, len(files), n, sum)
		}
	}
	t.Logf("a whole run takes %v; %d files stood after the kills", whole, seen)
}

// A full disk ends the run with what to do, and leaves no file.
func TestSQLiteDiskFull(t *testing.T) {
	w := newWorld(t, "file://"+t.TempDir())
	w.db.Exec(t, `CREATE TABLE s (id int, month text NOT NULL, note text); INSERT INTO s SELECT g, 'm', md5(g::text) FROM generate_series(1, 30000) g`)
	path := w.run("archive", "--table", "s", "--partition-column", "month", "--partition-value", "m")["location"].(string)
	out, tmp := t.TempDir(), t.TempDir()
	w.env = append(w.env, "TMPDIR="+tmp)
	full := w.command("restore", "sqlite", "-q", "--source-path", path, "--to", out)
	full.Path, full.Args = "/bin/sh", append([]string{"sh", "-c", `ulimit -f 1000; exec "$0" "$@"`}, full.Args...)
	full.Args[3] = filepath.Join(bin, "restore")
	text, err := full.CombinedOutput()
	if err == nil || !strings.Contains(string(text), "free room there, or set TMPDIR") {
		t.Errorf("a full disk: %v\n%s", err, text)
	}
	for _, dir := range []string{out, tmp} {
		if left, _ := filepath.Glob(dir + "/*.sqlite"); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	if res := w.run("restore", "sqlite", "--source-path", path, "--to", out); res["total_records"] != 30000.0 {
		t.Errorf("after that: %v", res)
	}
}

// The memory of restore sqlite and restore load does not grow with the rows. Half a minute: with FROSTLINE_LONG only.
func TestLoadMemoryFlat(t *testing.T) {
	if os.Getenv("FROSTLINE_LONG") == "" {
		t.Skip("FROSTLINE_LONG is not set")
	}
	w := newWorld(t, "file://"+filepath.Join(t.TempDir(), "warehouse"))
	w.db.Exec(t, `CREATE TABLE flat (id bigint PRIMARY KEY, part int NOT NULL, at timestamptz, amount numeric(12,2), state text, note text);
		INSERT INTO flat SELECT i, CASE WHEN i <= 400000 THEN 1 ELSE 2 END, '2024-01-01'::timestamptz + i * interval '1 second', i / 7.0,
			(ARRAY['new','paid','sent'])[1 + i % 3], 'note ' || hashint8(i) FROM generate_series(1, 2400000) i`)
	var lite, load [2]int64
	for i := range 2 {
		path := w.run("archive", "--table", "flat", "--partition-column", "part", "--partition-value", fmt.Sprint(i+1), "-q")["location"].(string)
		lite[i] = w.peak("restore", "sqlite", "-q", "--source-path", path, "--to", t.TempDir())
		load[i] = w.peak("restore", "load", "-q", path+"/data", "--target-table", fmt.Sprintf("copy_%d", i+1))
	}
	t.Logf("peak memory of sqlite %d and %d MiB, of load %d and %d MiB", lite[0]/mib, lite[1]/mib, load[0]/mib, load[1]/mib)
	for name, peak := range map[string][2]int64{"sqlite": lite, "load": load} {
		if peak[1] > 320*mib || peak[1] > peak[0]*2 {
			t.Errorf("%s: 400 000 rows took %d MiB, 2 000 000 rows %d", name, peak[0]/mib, peak[1]/mib)
		}
	}
}
