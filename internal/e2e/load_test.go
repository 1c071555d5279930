package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// unload makes a folder of plain Parquet of a table, by archiving it.
func (w *world) unload(table string, rows int) string {
	w.t.Helper()
	w.db.Exec(w.t, fmt.Sprintf(`CREATE TABLE %s (id int, month text NOT NULL, note text, amount numeric(12,2), at timestamptz);
		INSERT INTO %[1]s SELECT g, 'm' || g * 4 / %d, md5(g::text) || md5((-g)::text), g / 7.0, '2024-01-01'::timestamptz + g * interval '1 s' FROM generate_series(0, %[2]d - 1) g`, table, rows))
	location := ""
	for part := range 4 {
		res := w.run("archive", "--table", table, "--partition-column", "month", "--partition-value", fmt.Sprintf("m%d", part))
		location = res["location"].(string)
	}
	return strings.TrimSuffix(location, "/month=m3")
}

// restore load by its command: the mapping and the choice of the method on stderr, one JSON object, exit codes, dead letters.
func TestLoadCommand(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		folder := w.unload("src", 400)
		stdout, stderr, code := w.exec("restore", "load", folder, "--target-table", "dst", "--dry-run")
		for _, says := range []string{"public.dst (new table): 400 rows in 4 files", "→ id         integer", "method: copy: 400 rows over a direct connection",
			"plan: load into a staging table, then rename it"} {
			if code != 0 || !strings.Contains(stderr, says) {
				t.Errorf("dry run: exit code %d, does not say %q:\n%s", code, says, stderr)
			}
		}
		if !strings.Contains(stdout, `"status":"planned"`) || w.db.One(t, "SELECT count(*) FROM pg_class WHERE relname = 'dst'") != "0" {
			t.Errorf("dry run: %s", stdout)
		}
		res := w.run("restore", "load", folder, "--target-table", "dst")
		if res["status"] != "success" || res["created"] != true || res["total_records"] != 400.0 || res["method"] != "copy" || res["rows_per_second"].(float64) <= 0 || res["bytes_per_second"].(float64) <= 0 || res["total_bytes"].(float64) <= 0 || res["retries"] != 0.0 {
			t.Errorf("result %v", res)
		}
		if got := w.db.One(t, `SELECT count(*) || ' ' || sum(d.id) FROM dst d JOIN src s ON (s.id, s.month, s.note, s.amount, s.at) = (d.id, d.month, d.note, d.amount, d.at)`); got != "400 79800" {
			t.Errorf("the loaded table has %s, want 400 79800", got)
		}

		w.db.Exec(t, `CREATE TABLE picky (id int CHECK (id % 100 <> 7), month text, note text, amount numeric(12,2), at timestamptz)`)
		_, stderr, code = w.exec("restore", "load", folder, "--target-table", "picky", "--ignore-extra", "-q")
		if code != 8 || !strings.Contains(stderr, "row 8: row rejected") || strings.Count(strings.TrimSpace(stderr), "\n") > 0 {
			t.Errorf("a rejected row: exit code %d: %s", code, stderr)
		}
		dead := filepath.Join(t.TempDir(), "dead letters.jsonl")
		if res = w.run("restore", "load", folder, "--target-table", "picky", "--ignore-extra", "--dead-letter", dead); res["total_records"] != 396.0 || res["total_rejected"] != 4.0 {
			t.Errorf("with a dead-letter file: %v", res)
		}
		text, err := os.ReadFile(dead)
		if err != nil {
			t.Fatal(err)
		}
		var rows []float64
		for line := range strings.Lines(string(text)) {
			var r map[string]any
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(r["file"].(string), ".parquet") || !strings.Contains(r["reason"].(string), "picky_id_check") || r["sqlstate"] != "23514" || !strings.HasPrefix(r["file"].(string), "month="+r["data"].(map[string]any)["month"].(string)+"/") {
				t.Errorf("dead letter %v", r)
			}
			rows = append(rows, r["row"].(float64))
		}
		if fmt.Sprint(rows) != "[8 8 8 8]" {
			t.Errorf("rejected rows %v, want the eighth of each file", rows)
		}

		damaged := filepath.Join(t.TempDir(), "damaged.parquet")
		if err := os.WriteFile(damaged, []byte("PAR1 and no more PAR1"), 0o644); err != nil {
			t.Fatal(err)
		}
		w.db.Exec(t, `CREATE TABLE other (id bytea)`)
		for _, c := range []struct {
			name string
			args []string
			code int
			says string
		}{
			{"nothing there", []string{t.TempDir(), "--target-table", "x"}, 3, "no Parquet file"},
			{"damaged", []string{damaged, "--target-table", "x"}, 12, "damaged.parquet"},
			{"does not fit", []string{folder, "--target-table", "other"}, 8, "int32 does not go into bytea"},
			{"there already", []string{folder, "--target-table", "dst", "--create"}, 8, "--create"},
			{"a wrong method", []string{folder, "--target-table", "x", "--method", "telepathy"}, 2, "--method"},
			{"a flag with a typo", []string{folder, "--target-tabel", "x"}, 2, "--target-table"},
			{"an empty name", []string{folder, "--target-table", ""}, 2, "empty"},
		} {
			if _, stderr, code := w.exec("restore", append([]string{"load", "-q"}, c.args...)...); code != c.code || !strings.Contains(stderr, c.says) || strings.Count(strings.TrimSpace(stderr), "\n") > 0 {
				t.Errorf("%s: exit code %d, want %d; %s", c.name, code, c.code, stderr)
			}
		}
		if left := w.db.One(t, `SELECT count(*) FROM pg_class WHERE relname LIKE 'frostline%'`); left != "0" {
			t.Errorf("%s relations of the load are left", left)
		}
	})
}

// restore load is killed with SIGKILL at random moments. The target shows nothing of it, or all; the same command goes on from the
// files that are done, and ends exact with nothing left behind.
func TestKillLoad(t *testing.T) {
	w := newWorld(t, "file://"+t.TempDir())
	const rows = 40000
	folder := w.unload("src", rows)
	const sum = `SELECT count(*) || ' ' || sum(hashtextextended((id, month, note, amount, at)::text, 0)) FROM %s x`
	want := w.db.One(t, fmt.Sprintf(sum, "src"))
	random := w.random()
	for _, mode := range []struct {
		name, begin, empty string
		args               []string
	}{
		{"new", `DROP TABLE IF EXISTS dst`, `SELECT CASE WHEN to_regclass('dst') IS NULL THEN 'nothing' ELSE 'all' END`, nil},
		{"existing", `DROP TABLE IF EXISTS dst; CREATE TABLE dst (LIKE src); CREATE INDEX ON dst (id)`, `SELECT CASE count(*) WHEN 0 THEN 'nothing' WHEN ` + fmt.Sprint(rows) + ` THEN 'all' ELSE count(*)::text END FROM dst`, []string{"--rebuild-indexes", "--ignore-extra"}},
	} {
		args := append([]string{"load", folder, "--target-table", "dst", "--workers", "1", "-q"}, mode.args...)
		w.db.Exec(t, mode.begin)
		start := time.Now()
		w.run("restore", args...)
		whole := time.Since(start)
		ends, resumed := map[string]int{}, 0
		const kills = 4
		for i := range kills {
			w.db.Exec(t, mode.begin)
			after := time.Duration((float64(i) + random.Float64()) / kills * float64(whole))
			w.killed(after, "restore", args...)
			// The server may still be at the last statement of the process that is gone.
			for deadline := time.Now().Add(10 * time.Second); w.db.One(t, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'frostline%'`) != "0"; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the killed load's sessions stay")
				}
			}
			seen := w.db.One(t, mode.empty)
			ends[seen]++
			if seen != "nothing" && seen != "all" {
				t.Errorf("%s, killed after %v: the target shows %s rows", mode.name, after, seen)
			}
			if seen != "all" {
				if res := w.run("restore", args...); res["resumed_files"] != nil {
					resumed++
				}
			}
			if now := w.db.One(t, fmt.Sprintf(sum, "dst")); now != want {
				t.Errorf("%s, killed after %v: the table has rows and sum %s, want %s", mode.name, after, now, want)
			}
			if left := w.db.One(t, `SELECT coalesce(string_agg(relname, ' '), 'none') FROM pg_class WHERE relname LIKE 'frostline%'`); left != "none" {
				t.Errorf("%s, killed after %v: left %s", mode.name, after, left)
			}
			if mode.name == "existing" {
				if n := w.db.One(t, `SELECT count(*) FROM pg_index WHERE indrelid = 'dst'::regclass AND indisvalid`); n != "1" {
					t.Errorf("%s, killed after %v: %s indexes", mode.name, after, n)
				}
			}
		}
		t.Logf("%s: a whole run takes %v; seen after the kills %v; %d reruns found loaded files", mode.name, whole, ends, resumed)
	}
}
