package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"frostline/iceberg"
	"frostline/internal/cli"
	"frostline/internal/s3test"
	"frostline/objstore"
)

// batch is what archive prints for the partitions of one table.
type batch struct {
	Status  string `json:"status"`
	Table   string `json:"table"`
	Results []struct {
		Partition string `json:"partition"`
		Action    string `json:"action"`
		Retired   string `json:"retired"`
		Warning   string `json:"warning"`
		Records   int64  `json:"total_records"`
	} `json:"results"`
	Skipped []map[string]string `json:"skipped"`
	Failed  []map[string]string `json:"failed"`
}

// policy writes a policy file and gives its path.
func (w *world) policy(yaml string) string {
	path := filepath.Join(w.t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// days makes a table of daily partitions of January 2024.
func (w *world) days(n, rows int) {
	w.db.Exec(w.t, `CREATE TABLE d (at timestamptz NOT NULL, id bigint, note text) PARTITION BY RANGE (at)`)
	for i := range n {
		w.db.Exec(w.t, fmt.Sprintf(`CREATE TABLE d_%02d PARTITION OF d FOR VALUES FROM ('2024-01-%02[1]d') TO ('2024-01-%02d')`, i+1, i+2))
	}
	w.db.Exec(w.t, fmt.Sprintf(`INSERT INTO d SELECT '2024-01-01'::timestamptz + (i %% %d) * interval '1 day', i, md5(i::text) FROM generate_series(0, %d) i`, n, n*rows-1))
}

// archived are the rows of each partition of d in the current snapshot.
func (w *world) archived() map[string]int64 {
	w.t.Helper()
	store, err := objstore.Open(w.t.Context(), w.warehouse, objstore.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	c := iceberg.NewCatalog(store)
	rows := map[string]int64{}
	t, err := c.Load(w.t.Context(), iceberg.TableKey("public", "d"))
	if err != nil {
		return rows
	}
	plan, err := c.Plan(w.t.Context(), t, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range plan {
		for _, f := range p.Files {
			rows[p.Name] += f.Rows
		}
	}
	return rows
}

func (w *world) wantDays(n, rows int) {
	w.t.Helper()
	got := w.archived()
	for i := range n {
		if name := fmt.Sprintf("at=2024-01-%02d", i+1); got[name] != int64(rows) {
			w.t.Errorf("%s has %d rows in the archive, want %d", name, got[name], rows)
		}
	}
	if len(got) != n {
		w.t.Errorf("%d partitions are archived, want %d: %v", len(got), n, got)
	}
	if left := w.db.One(w.t, `SELECT count(*) FROM pg_class WHERE relname LIKE 'd\___' AND relkind = 'r'`); left != "0" {
		w.t.Errorf("%s partitions are left in PostgreSQL", left)
	}
}

const dropDays = "tables:\n  - table: public.d\n    older_than: 90 days\n    retire: drop\n"

// Two processes run one policy: both end well, and each partition is archived by one of them, once.
func TestWorkersShareAPolicy(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		const n, rows = 8, 500
		w.days(n, rows)
		path := w.policy(dropDays)
		var out [2]bytes.Buffer
		var cmds [2]*exec.Cmd
		for i := range cmds {
			cmds[i] = w.command("archive", "run", "--quiet", "--policy", path)
			cmds[i].Stdout, cmds[i].Stderr = &out[i], os.Stderr
			if err := cmds[i].Start(); err != nil {
				t.Fatal(err)
			}
		}
		times := map[string]int{}
		for i, cmd := range cmds {
			if err := cmd.Wait(); err != nil {
				t.Errorf("worker %d: %v", i, err)
			}
			var res struct{ Tables []batch }
			if err := json.Unmarshal(out[i].Bytes(), &res); err != nil {
				t.Fatalf("worker %d: %v in %s", i, err, out[i].String())
			}
			t.Logf("worker %d archived %d, skipped %d", i, len(res.Tables[0].Results), len(res.Tables[0].Skipped))
			for _, r := range res.Tables[0].Results {
				times[r.Partition+" "+r.Action+" "+r.Retired]++
			}
		}
		for i := range n {
			if k := fmt.Sprintf("at=2024-01-%02d archived dropped", i+1); times[k] != 1 {
				t.Errorf("%s: %d times; all: %v", k, times[k], times)
			}
		}
		w.wantDays(n, rows)
	})
}

// One of two workers is killed with SIGKILL while it is at work on a partition. The other ends well, and after a rerun every
// partition is archived once and dropped.
func TestAKilledWorkerBlocksNobody(t *testing.T) {
	const n, rows = 5, 2000
	for try := range 5 {
		w := newWorld(t, "file://"+t.TempDir())
		w.days(n, rows)
		path := w.policy(dropDays)
		victim := w.command("archive", "run", "--quiet", "--policy", path)
		other := w.command("archive", "run", "--quiet", "--policy", path)
		var errs bytes.Buffer
		other.Stderr = &errs
		if err := victim.Start(); err != nil {
			t.Fatal(err)
		}
		const locks = `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
		for deadline := time.Now().Add(20 * time.Second); w.db.One(t, locks) == "0"; time.Sleep(2 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the worker took no lock")
			}
		}
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(try) * 120 * time.Millisecond)
		victim.Process.Kill()
		victim.Wait()
		killed := len(w.archived())
		if err := other.Wait(); err != nil {
			t.Errorf("the other worker: %v\n%s", err, errs.String())
		}
		ended := len(w.archived())
		var res struct {
			Status string
			Tables []batch
		}
		stdout, stderr, code := w.exec("archive", "run", "--quiet", "--policy", path)
		if err := json.Unmarshal([]byte(stdout), &res); err != nil || code != cli.OK || res.Status != "success" {
			t.Fatalf("the rerun: %v, exit code %d\n%s%s", err, code, stdout, stderr)
		}
		t.Logf("archived %d when the worker was killed, %d when the other ended; %d runs of the rerun", killed, ended, len(res.Tables[0].Results))
		w.wantDays(n, rows)
	}
}

func TestOlderThanOnTheCommandLine(t *testing.T) {
	w := newWorld(t, "file://"+t.TempDir())
	w.days(5, 100)
	w.db.Exec(t, `CREATE TABLE d_open PARTITION OF d FOR VALUES FROM ('2024-01-06') TO (MAXVALUE)`)
	var res batch
	stdout, stderr, code := w.exec("archive", "--table", "d", "--older-than", "30 days", "--jobs", "4", "--quiet")
	if err := json.Unmarshal([]byte(stdout), &res); err != nil || code != cli.OK {
		t.Fatalf("%v, exit code %d: %s%s", err, code, stdout, stderr)
	}
	if res.Status != "success" || res.Table != "public.d" || len(res.Results) != 5 {
		t.Errorf("result %s", stdout)
	}
	// One that differs is a failure of its own, with its exit code; the result is printed.
	w.db.Exec(t, `UPDATE d SET note = 'late' WHERE at = '2024-01-03'`)
	stdout, stderr, code = w.exec("archive", "--table", "d", "--older-than", "30 days", "--retire", "drop", "--quiet")
	res = batch{}
	if err := json.Unmarshal([]byte(stdout), &res); err != nil || code != cli.Conflict || !strings.Contains(stderr, "--replace") {
		t.Fatalf("%v, exit code %d: %s%s", err, code, stdout, stderr)
	}
	if res.Status != "partial" || len(res.Results) != 4 || len(res.Failed) != 1 || res.Failed[0]["partition"] != "at=2024-01-03" {
		t.Errorf("result %s", stdout)
	}
	if stdout, _, code = w.exec("archive", "--table", "d", "--older-than", "30 days", "--retire", "drop", "--replace", "--quiet"); code != cli.OK {
		t.Errorf("exit code %d: %s", code, stdout)
	}
	w.db.Exec(t, `DROP TABLE d_open`)
	w.wantDays(5, 100)
}

func TestExportsOnTheCommandLine(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.db.Exec(t, `CREATE TABLE ev (id int, at timestamptz); INSERT INTO ev SELECT i, '2025-12-22'::timestamptz + i * interval '1 hour' FROM generate_series(0, 47) i`)
		yesterday := w.run("archive", "--table", "ev", "--mode", "incremental", "--partition-column", "at")
		if yesterday["action"] != "empty" || yesterday["total_records"] != 0.0 {
			t.Errorf("yesterday: %v", yesterday)
		}
		for _, want := range []string{"archived", "unchanged"} {
			res := w.run("archive", "--table", "ev", "--partition-column", "at", "--date", "2025-12-22")
			if res["action"] != want || res["partition"] != "at=2025-12-22" || res["total_records"] != 24.0 {
				t.Errorf("%s: %v", want, res)
			}
		}
		res := w.run("archive", "--table", "ev", "--mode", "full", "--date", "2025-12-24")
		if res["partition"] != "export_date=2025-12-24" || res["total_records"] != 48.0 {
			t.Errorf("full: %v", res)
		}
		// What was exported is restored.
		location := res["location"].(string)
		restored := w.run("restore", "--source-path", location, "--target-table", "ev_back")
		if restored["total_records"] != 48.0 {
			t.Errorf("restored: %v", restored)
		}
		same := w.db.One(t, `SELECT (SELECT count(*) FROM ev_back) || ' ' || (SELECT count(*) FROM (TABLE ev EXCEPT TABLE ev_back) x)`)
		if same != "48 0" {
			t.Errorf("rows, and those that differ: %s", same)
		}
	})
}

// An export of a partitioned table is restored as a table of its own.
func TestAnExportOfAPartitionedTableIsRestored(t *testing.T) {
	w := newWorld(t, "file://"+t.TempDir())
	w.days(3, 50)
	res := w.run("archive", "--table", "d", "--partition-column", "at", "--date", "2024-01-02")
	w.run("restore", "--source-path", res["location"].(string), "--target-table", "d_back")
	if same := w.db.One(t, `SELECT (SELECT count(*) FROM d_back) || ' ' || (SELECT count(*) FROM (TABLE d_02 EXCEPT TABLE d_back) x)`); same != "50 0" {
		t.Errorf("rows, and those that differ: %s", same)
	}
}

func TestPolicyMistakes(t *testing.T) {
	w := newWorld(t, "file://"+t.TempDir())
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"misspelt key", []string{"run", "--policy", w.policy("tables:\n  - table: public.d\n    older_then: 1y\n")}, cli.Usage, "line 3: the entry of a table has no key \"older_then\"; did you mean older_than?"},
		{"no file", []string{"run", "--policy", "/nowhere/policy.yaml"}, cli.Usage, "no such file"},
		{"no such table", []string{"run", "--policy", w.policy(dropDays)}, cli.NotFound, "no such table: public.d"},
		{"both", []string{"--table", "d", "--older-than", "1y", "--partition-value", "2024"}, cli.Usage, "--partition-value names one partition"},
		{"jobs", []string{"--table", "d", "--partition-column", "at", "--partition-value", "2024", "--jobs", "3"}, cli.Usage, "--jobs is for --older-than"},
		{"a date", []string{"--table", "d", "--mode", "full", "--date", "22.12.2025"}, cli.Usage, "is not a day such as 2025-12-22"},
		{"no value", []string{"--table", "d", "--partition-column", "at"}, cli.Usage, "--partition-column and --partition-value are both needed"},
	} {
		stdout, stderr, code := w.exec("archive", c.args...)
		if code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit code %d, want %d; %s%s", c.name, code, c.code, stdout, stderr)
		}
	}
}

// Storage settings of a policy on S3, for tables with hostile names, with the warehouse from the file.
func TestPolicyOnS3(t *testing.T) {
	w := newWorld(t, s3test.Start(t).Warehouse(t))
	w.db.Exec(t, `CREATE SCHEMA "My ""S"""; CREATE TABLE "My ""S"""."a.b é" ("the day" date, "x y" text) PARTITION BY RANGE ("the day");
		CREATE TABLE "My ""S"""."p 1" PARTITION OF "My ""S"""."a.b é" FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
		INSERT INTO "My ""S"""."a.b é" SELECT '2024-01-01'::date + i, 'v' || i FROM generate_series(0, 365) i;
		CREATE TABLE "My ""S"""."plain" (at timestamp, n int); INSERT INTO "My ""S"""."plain" VALUES ('2025-12-22 10:00', 1)`)
	path := w.policy(fmt.Sprintf(`
warehouse: %s
defaults: {encryption: SSE-S3, storage_class: STANDARD_IA, sort_by: [], file_size: 16 MiB}
tables:
  - table: '"My ""S"""."a.b é"'
    older_than: 1 year
    retire: detach
    sort_by: ["x y"]
    bloom: ["x y"]
  - table: '"My ""S""".*'
    mode: incremental
    column: at
`, w.warehouse))
	for i, v := range w.env { // the file says where
		if strings.HasPrefix(v, "ARCHIVE_WAREHOUSE=") {
			w.env[i] = "ARCHIVE_WAREHOUSE="
		}
	}
	// What was detached is a table of its own in the second run, and has no column at.
	for _, want := range []string{
		`My "S".a.b é: archived the day=2024 366 detached; My "S".plain: archived at=2025-12-22 1 ;`,
		`My "S".a.b é:; My "S".p 1: skipped; My "S".plain: unchanged at=2025-12-22 1 ;`,
	} {
		var res struct{ Tables []batch }
		stdout, stderr, code := w.exec("archive", "run", "--quiet", "--policy", path, "--date", "2025-12-22")
		if err := json.Unmarshal([]byte(stdout), &res); err != nil || code != cli.OK {
			t.Fatalf("%v, exit code %d: %s%s", err, code, stdout, stderr)
		}
		var got []string
		for _, b := range res.Tables {
			line := b.Table + ":"
			for _, r := range b.Results {
				line += fmt.Sprintf(" %s %s %d %s", r.Action, r.Partition, r.Records, r.Retired)
			}
			line += strings.Repeat(" skipped", len(b.Skipped))
			got = append(got, line+";")
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s\nwant\n%s", strings.Join(got, " "), want)
		}
	}
}
