package e2e

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"frostline/internal/cli"
	"frostline/objstore"
)

const inspected = `
	CREATE TABLE tx (id int, at date) PARTITION BY RANGE (at);
	CREATE TABLE tx_01 PARTITION OF tx FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
	CREATE TABLE tx_02 PARTITION OF tx FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
	CREATE TABLE tx_03 PARTITION OF tx FOR VALUES FROM ('2024-03-01') TO ('2024-04-01');
	INSERT INTO tx SELECT i, '2024-01-01'::date + i % 90 FROM generate_series(1, 900) i`

// withoutServer is the world for commands that need no server: nothing says where one is.
func (w *world) withoutServer() *world {
	off := *w
	off.env = append(append([]string(nil), w.env...), "DATABASE_URL=", "PGHOST=", "AURORA_HOST=")
	return &off
}

func (w *world) archiveMonth(month string, more ...string) map[string]any {
	w.t.Helper()
	return w.run("archive", append([]string{"--table", "tx", "--partition-column", "at", "--partition-value", month}, more...)...)
}

// damage flips a byte of every data file of a partition.
func (w *world) damage(partition string) (location string) {
	w.t.Helper()
	store, err := objstore.Open(w.t.Context(), w.warehouse, objstore.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	for o, err := range store.List(w.t.Context(), "public/tx/"+partition+"/data/") {
		if err != nil {
			w.t.Fatal(err)
		}
		data, err := store.ReadRanges(w.t.Context(), o.Key, []objstore.Range{{Len: o.Size}})
		if err != nil {
			w.t.Fatal(err)
		}
		broken := []byte(string(data[0]))
		broken[o.Size/2] ^= 1
		if _, err := store.Put(w.t.Context(), o.Key, strings.NewReader(string(broken))); err != nil {
			w.t.Fatal(err)
		}
		location = objstore.Location(store, o.Key)
	}
	return location
}

func TestInspectWithoutAServer(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.db.Exec(t, inspected)
		first := w.archiveMonth("2024-01")
		w.archiveMonth("2024-02")
		w = w.withoutServer()

		list := w.run("archive", "list", "--quiet")
		parts := list["tables"].([]any)[0].(map[string]any)["partitions"].([]any)
		if len(parts) != 2 || parts[0].(map[string]any)["digest"] != first["digest"] || list["total_records"] != 600.0 {
			t.Errorf("list: %v", list)
		}
		show := w.run("archive", "show", "--table", "tx", "--partition", "at=2024-01")
		if show["digest"] != first["digest"] || show["run_id"] != first["run_id"] {
			t.Errorf("show: %v", show)
		}
		text, _, code := w.exec("archive", "show", "--table", "tx", "--partition", "at=2024-01", "--text")
		if code != 0 || !strings.Contains(text, "at=2024-01") || strings.HasPrefix(text, "{") {
			t.Errorf("show --text: %d\n%s", code, text)
		}
		if gc := w.run("archive", "gc"); gc["status"] != "planned" || gc["total_files"] != 0.0 {
			t.Errorf("gc: %v", gc)
		}
		verify := w.run("archive", "verify", "--quiet")
		if verify["proven_partitions"] != 2.0 || verify["status"] != "success" {
			t.Errorf("verify: %v", verify)
		}
		if sample := w.run("archive", "verify", "--sample", "50%", "--quiet"); sample["total_partitions"] != 1.0 || sample["seed"] == nil {
			t.Errorf("verify --sample: %v", sample)
		}

		damaged := w.damage("at=2024-02")
		stdout, stderr, code := w.exec("archive", "verify", "--quiet")
		if code != cli.Damaged || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "damaged") && !strings.Contains(stderr, "corrupt") {
			t.Errorf("verify of a damaged file: %d, %s", code, stderr)
		}
		var res struct {
			Status  string
			Proven  int `json:"proven_partitions"`
			Damaged []struct{ Object string }
		}
		if err := json.Unmarshal([]byte(stdout), &res); err != nil {
			t.Fatalf("%v: %s", err, stdout)
		}
		if res.Status != "damaged" || res.Proven != 1 || len(res.Damaged) != 1 || res.Damaged[0].Object != damaged {
			t.Errorf("verify of a damaged file: %s, want %s", stdout, damaged)
		}
		for _, c := range []struct {
			args []string
			code int
			says string
		}{
			{[]string{"verify", "--sample", "120%"}, cli.Usage, "120%"},
			{[]string{"verify", "--table", "ty"}, cli.NotFound, "public.ty"},
			{[]string{"verify", "--table", "tx", "--partition", "at=2024-05"}, cli.NotFound, "at=2024-01, at=2024-02"},
			{[]string{"list", "--partition", "at=2024-01"}, cli.Usage, "without its table"},
			{[]string{"show", "--table", "tx"}, cli.Usage, "--partition"},
			{[]string{"gc", "--min-age", "5m", "--delete"}, cli.Usage, "1h0m0s"},
			{[]string{"gc", "--dry-run", "--delete"}, cli.Usage, "--dry-run"},
			{[]string{"estimate", "--table", "tx"}, cli.Usage, "AURORA_HOST"},
		} {
			stdout, stderr, code := w.exec("archive", append(c.args, "--quiet")...)
			if code != c.code || !strings.Contains(stderr, c.says) || stdout != "" || strings.Count(stderr, "\n") != 1 {
				t.Errorf("%v: code %d, want %d and %q\nstdout %s\nstderr %s", c.args, code, c.code, c.says, stdout, stderr)
			}
		}
	})
}

func TestEstimateAuditAndMetrics(t *testing.T) {
	w := newWorld(t, "file://"+filepath.Join(t.TempDir(), "w"))
	w.db.Exec(t, inspected)
	estimate := w.run("archive", "estimate", "--table", "tx", "--price-db", "1", "--price-s3", "0", "--quiet")
	if len(estimate["partitions"].([]any)) != 3 || estimate["cost"].(map[string]any)["month_before"] != estimate["source_bytes"].(float64)/(1<<30) {
		t.Errorf("estimate: %v", estimate)
	}
	prom := filepath.Join(t.TempDir(), "a.prom")
	args := []string{"--table", "tx", "--partition-column", "at", "--partition-value"}
	_, stderr, code := w.exec("archive", append(args, "2024-01", "--quiet", "--emf", "--metrics-file", prom, "--audit-table", "audit.it")...)
	if code != 0 {
		t.Fatalf("%d %s", code, stderr)
	}
	told := func(stderr string) (table string, success, rows float64) {
		t.Helper()
		for line := range strings.Lines(stderr) {
			var emf struct {
				Table             string
				DataExportSuccess float64
				Rows              float64
			}
			if strings.HasPrefix(line, "{") {
				if err := json.Unmarshal([]byte(line), &emf); err != nil {
					t.Fatal(err)
				}
				return emf.Table, emf.DataExportSuccess, emf.Rows
			}
		}
		t.Fatalf("no EMF line in %q", stderr)
		return "", 0, 0
	}
	if table, success, rows := told(stderr); table != "public.tx" || success != 1 || rows != 310 {
		t.Errorf("EMF: %s", stderr)
	}
	data, err := os.ReadFile(prom)
	if err != nil || !strings.Contains(string(data), `data_export_rows{partition="at=2024-01",table="public.tx"} 310`) {
		t.Errorf("%v\n%s", err, data)
	}
	// The schema of the audit table is not there: a warning, and the run is archived. Once it is, there is a row.
	w.db.Exec(t, `CREATE SCHEMA audit`)
	w.archiveMonth("2024-02", "--audit-table", "audit.it")
	if got := w.db.One(t, `SELECT string_agg(partition || ' ' || outcome, ', ') FROM audit.it`); got != "at=2024-02 success" {
		t.Errorf("audit rows: %s", got)
	}
	lines, err := filepath.Glob(strings.TrimPrefix(w.warehouse, "file://") + "/_audit/*/*.json")
	if err != nil || len(lines) != 2 {
		t.Errorf("audit lines %v, %v", lines, err)
	}

	// A run that fails, and one that does not even reach the server, are failures; the exit codes are theirs.
	_, stderr, code = w.exec("archive", append(args, "2030-01", "--quiet", "--emf")...)
	if _, success, _ := told(stderr); code != cli.NotFound || success != 0 {
		t.Errorf("%d %s", code, stderr)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := l.Addr().String()
	l.Close()
	w.env = append(w.env, "DATABASE_URL=postgres://u:topsecret@"+free+"/d")
	_, stderr, code = w.exec("archive", append(args, "2024-03", "--quiet", "--emf", "--metrics-file", prom)...)
	if table, success, _ := told(stderr); code != cli.NoServer || success != 0 || table != "public.tx" {
		t.Errorf("%d %s", code, stderr)
	}
	data, err = os.ReadFile(prom)
	if err != nil || !strings.Contains(string(data), `data_export_failure{partition="at=2024-03",table="public.tx"} 1`) || strings.Contains(string(data), "last_success") {
		t.Errorf("%v\n%s", err, data)
	}
	if strings.Contains(stderr+string(data), "topsecret") {
		t.Error("the password is shown")
	}
	// Metrics that cannot be told change nothing of the run.
	w.env = append(w.env, "DATABASE_URL="+w.db.DSN)
	w.archiveMonth("2024-03", "--metrics-push", "http://"+free, "--metrics-file", "/nowhere/a.prom")
}
