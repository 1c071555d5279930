package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"frostline/internal/pgtest"
	"frostline/internal/s3test"
)

// proxy stands between archive and the S3 server, and lets a fault happen at the first request that a step makes.
type proxy struct {
	*httptest.Server
	mu    sync.Mutex
	step  func(*http.Request) bool
	fault func(http.ResponseWriter, *http.Request) (handled bool)
	hit   atomic.Bool
	again bool // the fault stays, for every later request
}

func newProxy(t *testing.T, to string) *proxy {
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	forward.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) }
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		strike := p.step != nil && (p.step(r) && !p.hit.Load() || p.again && p.hit.Load())
		if strike {
			p.hit.Store(true)
		}
		fault := p.fault
		p.mu.Unlock()
		if strike && fault(w, r) {
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// lose forwards the request and drops the answer.
func (p *proxy) lose(to string) func(http.ResponseWriter, *http.Request) bool {
	return func(_ http.ResponseWriter, r *http.Request) bool {
		target, _ := url.Parse(to)
		forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
		forward.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}
}

// answer gives an S3 error.
func s3error(status int, code string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>injected</Message></Error>", code)
		return true
	}
}

// The steps of a run, by the request that each begins with.
var steps = []struct {
	name  string
	match func(*http.Request) bool
}{
	{"plan", func(r *http.Request) bool {
		return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "_probe")
	}},
	{"copy and write", func(r *http.Request) bool {
		return r.Method != http.MethodGet && strings.HasSuffix(r.URL.Path, ".parquet")
	}},
	{"read back", func(r *http.Request) bool {
		return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, ".parquet")
	}},
	{"record", func(r *http.Request) bool {
		return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/schema_snapshot-")
	}},
	{"commit", func(r *http.Request) bool {
		return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/v2.metadata.json")
	}},
	{"publish", func(r *http.Request) bool {
		return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/schema_snapshot.json")
	}},
}

// Every fault at every step of a run. Whatever happens, the table shows the partition wholly or not at all, nothing is dropped from
// PostgreSQL, and running again ends with all of it. The table of outcomes is docs/operations/faults.md; FROSTLINE_REWRITE=1 writes it.
func TestFaults(t *testing.T) {
	server := s3test.Start(t)
	w := newWorld(t, server.Warehouse(t))
	w.db.Exec(t, fmt.Sprintf(`
		CREATE TABLE k (id bigint, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
		CREATE TABLE k_01 PARTITION OF k FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
		INSERT INTO k SELECT i, '2024-01-01'::timestamptz + i * interval '10 seconds', md5(i::text) || md5((-i)::text) FROM generate_series(1, %d) i`, killRows))
	// The test server commits asynchronously, and a crash would take the last of it back.
	w.db.Exec(t, `ALTER DATABASE `+w.db.Name+` SET synchronous_commit = on`)
	p := newProxy(t, server.Endpoint)

	var running *exec.Cmd
	backends := func(signal string) func(http.ResponseWriter, *http.Request) bool {
		return func(http.ResponseWriter, *http.Request) bool {
			admin := &pgtest.DB{DSN: w.db.DSN, Name: w.db.Name, Server: w.db.Server}
			for _, r := range admin.Query(t, `SELECT pid FROM pg_stat_activity WHERE application_name = 'frostline archive' AND datname = current_database()`) {
				pid, _ := strconv.Atoi(r[0])
				if signal == "KILL" {
					crash(w, pid)
					break
				}
				admin.Query(t, `SELECT pg_terminate_backend($1::int)`, r[0])
			}
			return false
		}
	}
	faults := []struct {
		name  string
		act   func(http.ResponseWriter, *http.Request) bool
		stays bool
	}{
		{"kill -9 of archive", func(http.ResponseWriter, *http.Request) bool {
			running.Process.Kill()
			panic(http.ErrAbortHandler)
		}, false},
		{"connections to PostgreSQL cut", backends("TERM"), false},
		{"PostgreSQL crashes and restarts", backends("KILL"), false},
		{"S3 answers 503 once", s3error(503, "SlowDown"), false},
		{"S3 answers after 2 s", func(http.ResponseWriter, *http.Request) bool { time.Sleep(2 * time.Second); return false }, false},
		{"S3's answer is lost", p.lose(server.Endpoint), false},
		{"S3 credentials expire", s3error(400, "ExpiredToken"), true},
	}
	var table strings.Builder
	table.WriteString("| fault | step | exit code | the table then shows | running again |\n|---|---|---|---|---|\n")
	seen := map[string]bool{}
	for _, f := range faults {
		for i, s := range steps {
			run := w.fresh(len(seen)*100 + i)
			seen[f.name] = true
			run.env = append(run.env, "AWS_ENDPOINT_URL_S3="+p.URL)
			p.mu.Lock()
			p.step, p.fault, p.again = s.match, f.act, f.stays
			p.hit.Store(false)
			running = run.command("archive", "--table", "k", "--partition-column", "at", "--partition-value", "2024-01", "--quiet")
			var stderr bytes.Buffer
			running.Stderr = &stderr
			err := running.Start()
			p.mu.Unlock() // the proxy sees the process only now
			if err == nil {
				err = running.Wait()
			}
			p.mu.Lock()
			p.step = nil
			p.mu.Unlock()
			name := f.name + " at " + s.name
			if !p.hit.Load() {
				t.Errorf("%s: the step was never reached: %v %s", name, err, stderr.String())
			}
			code := running.ProcessState.ExitCode()
			shown := run.visible("at=2024-01")
			if shown == "torn" {
				t.Errorf("%s: the partition is there in part", name)
			}
			if code == 0 && shown != "whole" {
				t.Errorf("%s: success, and the table shows %s", name, shown)
			}
			if line := lastLines(stderr.String()); code != 0 && code != -1 && (len(line) != 1 || len(line[0]) < 20) {
				t.Errorf("%s: stderr %q", name, stderr.String())
			}
			db := &pgtest.DB{DSN: w.db.DSN, Name: w.db.Name, Server: w.db.Server}
			waitForServer(t, db)
			if n := db.One(t, `SELECT count(*) FROM k`); n != fmt.Sprint(killRows) {
				t.Errorf("%s: PostgreSQL has %s rows", name, n)
			}
			again := run.run("archive", "--table", "k", "--partition-column", "at", "--partition-value", "2024-01", "--quiet")
			if got := run.visible("at=2024-01"); got != "whole" {
				t.Errorf("%s: after running again the table shows %s", name, got)
			}
			if want := map[string]string{"whole": "unchanged", "nothing": "archived"}[shown]; again["action"] != want {
				t.Errorf("%s: the table showed %s, running again says %v", name, shown, again["action"])
			}
			ended := fmt.Sprint(code)
			if code == -1 {
				ended = "killed"
			}
			fmt.Fprintf(&table, "| %s | %s | %s | %s | %s |\n", f.name, s.name, ended, shown, again["action"])
		}
	}
	retireFaults(t, w, &table)
	t.Log("\n" + table.String())
	if os.Getenv("FROSTLINE_REWRITE") != "" {
		writeFaults(t, table.String())
	}
}

// retireFaults lets faults happen while a proven partition is retired. An event trigger holds each ALTER TABLE and DROP TABLE of archive
// long enough to be caught in it; the last digest is caught under its lock.
func retireFaults(t *testing.T, w *world, table *strings.Builder) {
	retiring := []struct{ name, caught string }{
		{"retire: detach", `query LIKE 'ALTER TABLE%DETACH%'`},
		{"retire: last digest", `query LIKE 'COPY%' AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.mode = 'AccessExclusiveLock' AND l.granted AND l.relation = to_regclass('r_01'))`},
		{"retire: drop", `query LIKE 'DROP TABLE%'`},
	}
	faults := []struct {
		name string
		act  func(archive *os.Process, backend int)
	}{
		{"kill -9 of archive", func(archive *os.Process, _ int) { archive.Kill() }},
		{"connections to PostgreSQL cut", func(_ *os.Process, backend int) { syscall.Kill(backend, syscall.SIGTERM) }},
		{"PostgreSQL crashes and restarts", func(_ *os.Process, backend int) { crash(w, backend) }},
	}
	fresh := func() *pgtest.DB { return &pgtest.DB{DSN: w.db.DSN, Name: w.db.Name, Server: w.db.Server} }
	fresh().Exec(t, `CREATE FUNCTION hold() RETURNS event_trigger LANGUAGE plpgsql AS
		$$ BEGIN IF current_setting('application_name') = 'frostline archive' THEN PERFORM pg_sleep(0.3); END IF; END $$;
		CREATE EVENT TRIGGER hold ON ddl_command_start WHEN TAG IN ('ALTER TABLE', 'DROP TABLE') EXECUTE FUNCTION hold()`)
	n := 0
	for _, f := range faults {
		for _, s := range retiring {
			name := f.name + " at " + s.name
			db := fresh()
			waitForServer(t, db)
			db.Exec(t, `DROP TABLE IF EXISTS r, r_01; CREATE TABLE r (LIKE k) PARTITION BY RANGE (at);
				CREATE TABLE r_01 PARTITION OF r FOR VALUES FROM ('2024-01-01') TO ('2024-02-01'); INSERT INTO r SELECT * FROM k`)
			n++
			run := w.fresh(90000 + n)
			args := []string{"--table", "r", "--partition-column", "at", "--partition-value", "2024-01", "--retire", "drop", "--quiet"}
			cmd := run.command("archive", args...)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			struck := strike(t, fresh(), s.caught, ended, func(backend int) { f.act(cmd.Process, backend) })
			if !struck {
				t.Errorf("%s: the step was never caught: %s", name, stderr.String())
			}
			db = fresh()
			waitForServer(t, db)
			shown := run.visibleOf("r", "at=2024-01")
			rows := db.One(t, `SELECT (SELECT count(*) FROM r) + CASE WHEN to_regclass('r_01') IS NULL OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass('r_01')) THEN 0
				ELSE (xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM ' || to_regclass('r_01'), false, true, '')))[1]::text::int END`)
			if shown != "whole" || rows != fmt.Sprint(killRows) { // each fault comes before the drop commits
				t.Errorf("%s: the archive shows %s, PostgreSQL has %s rows", name, shown, rows)
			}
			again := run.run("archive", args...)
			if retired := again["retired"]; retired != "dropped" && retired != "already retired" {
				t.Errorf("%s: running again: %v", name, again)
			}
			if left := db.One(t, `SELECT COALESCE(to_regclass('r_01')::text, 'none')`); left != "none" || run.visibleOf("r", "at=2024-01") != "whole" {
				t.Errorf("%s: after running again %s is left", name, left)
			}
			code := fmt.Sprint(cmd.ProcessState.ExitCode())
			if code == "-1" {
				code = "killed"
			}
			fmt.Fprintf(table, "| %s | %s | %s | %s, and %s rows in PostgreSQL | %s, %s |\n", f.name, s.name, code, shown, rows, again["action"], again["retired"])
		}
	}
}

// strike waits until a backend of archive is caught in a step, and acts. It returns after archive has ended.
func strike(t *testing.T, db *pgtest.DB, caught string, ended chan error, act func(backend int)) bool {
	t.Helper()
	struck := false
	for {
		select {
		case <-ended:
			return struck
		default:
		}
		if struck {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		rows := db.Query(t, `SELECT pid FROM pg_stat_activity a WHERE application_name = 'frostline archive' AND datname = current_database() AND state = 'active' AND `+caught)
		if len(rows) > 0 {
			pid, err := strconv.Atoi(rows[0][0])
			if err != nil {
				t.Fatal(err)
			}
			struck = true
			act(pid)
			db = &pgtest.DB{DSN: db.DSN, Name: db.Name, Server: db.Server}
		}
	}
}

// lastLines is stderr without the log's warnings.
func lastLines(stderr string) (lines []string) {
	for _, l := range strings.Split(strings.TrimSuffix(stderr, "\n"), "\n") {
		if !strings.Contains(l, "level=WARN") {
			lines = append(lines, l)
		}
	}
	return lines
}

func writeFaults(t *testing.T, table string) {
	text := "# Faults of an archive run\n\nWritten by `FROSTLINE_REWRITE=1 go test -run TestFaults ./internal/e2e`, which makes each fault happen to the real commands at the first\n" +
		"request of each step, with a real PostgreSQL and a real S3 server. After every fault the table shows the partition\nwholly or not at all, PostgreSQL still has every row, and running again ends well.\n\n" + table
	if err := os.MkdirAll("../../docs/operations", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("../../docs/operations/faults.md", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// crash kills a backend, upon which the server ends all sessions and recovers. It returns once that has begun.
func crash(w *world, backend int) {
	probe := &pgtest.DB{DSN: w.db.DSN, Name: w.db.Name, Server: w.db.Server}
	for err := probe.Try("SELECT 1"); err != nil; err = probe.Try("SELECT 1") {
		time.Sleep(5 * time.Millisecond)
	}
	syscall.Kill(backend, syscall.SIGKILL)
	for probe.Try("SELECT 1") == nil {
		time.Sleep(5 * time.Millisecond)
	}
}

// waitForServer waits until a server that crashed has recovered.
func waitForServer(t *testing.T, db *pgtest.DB) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if err = db.Try("SELECT 1"); err == nil {
			return
		}
	}
	t.Fatalf("the server did not come back: %v", err)
}

// Two archivers on two partitions of one table at the same moment: both are there afterwards. On one partition: one does the work,
// the other finds it done or is told that it is being done.
func TestTwoArchivers(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		w.db.Exec(t, `
			CREATE TABLE k (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at);
			CREATE TABLE k_01 PARTITION OF k FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
			CREATE TABLE k_02 PARTITION OF k FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
			INSERT INTO k SELECT i, '2024-01-01'::timestamptz + i * interval '40 seconds' FROM generate_series(1, 100000) i`)
		for _, values := range [][2]string{{"2024-01", "2024-02"}, {"2024-01", "2024-01"}} {
			w := w.fresh(len(values[0] + values[1]))
			w.warehouse += values[1]
			w.env = append(w.env, "ARCHIVE_WAREHOUSE="+w.warehouse)
			var wg sync.WaitGroup
			codes := make([]int, 2)
			said := make([]string, 2)
			for i, v := range values {
				wg.Go(func() {
					cmd := w.command("archive", "--table", "k", "--partition-column", "at", "--partition-value", v, "--quiet")
					out, _ := cmd.CombinedOutput()
					codes[i], said[i] = cmd.ProcessState.ExitCode(), string(out)
				})
			}
			wg.Wait()
			for i, c := range codes {
				if c != 0 && (values[0] != values[1] || c != 8) {
					t.Errorf("%v: exit code %d: %s", values, c, said[i])
				}
			}
			if codes[0] != 0 && codes[1] != 0 {
				t.Errorf("%v: neither ended well: %s %s", values, said[0], said[1])
			}
			for _, v := range values {
				if res := w.run("archive", "--table", "k", "--partition-column", "at", "--partition-value", v, "--quiet"); res["action"] != "unchanged" {
					t.Errorf("%s afterwards: %v", v, res["action"])
				}
			}
		}
	})
}

// A file that cannot grow any further (a full disk, a quota) ends the run with the table as it was.
func TestDiskFull(t *testing.T) {
	w := newWorld(t, "file://"+t.TempDir())
	w.db.Exec(t, fmt.Sprintf(`
		CREATE TABLE k (id bigint, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
		CREATE TABLE k_01 PARTITION OF k FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
		INSERT INTO k SELECT i, '2024-01-01'::timestamptz + i * interval '10 seconds', md5(i::text) || md5((-i)::text) FROM generate_series(1, %d) i`, killRows))
	args := []string{"--table", "k", "--partition-column", "at", "--partition-value", "2024-01", "--quiet"}
	full := w.command("sh")
	full.Path, full.Args = "/bin/sh", append([]string{"sh", "-c", `ulimit -f 1000; exec "$0" "$@"`, bin + "/archive"}, args...)
	out, err := full.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "file too large") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("error %v, output %q", err, out)
	}
	if got := w.visible("at=2024-01"); got != "nothing" {
		t.Errorf("the table shows %s", got)
	}
	if res := w.run("archive", args...); res["action"] != "archived" {
		t.Errorf("afterwards: %v", res["action"])
	}
}
