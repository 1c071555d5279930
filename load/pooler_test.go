package load

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"frostline/internal/pgtest"
	"frostline/postgres"
)

// A real PgBouncer in both modes: it is found, rows go by INSERT, the reason and what is lost are said, and the load is exact.
func TestPooler(t *testing.T) {
	bouncer, err := exec.LookPath("pgbouncer")
	if err != nil {
		bouncer = "/usr/sbin/pgbouncer"
		if _, err := os.Stat(bouncer); err != nil {
			t.Skip("pgbouncer is not installed")
		}
	}
	dir := parts(t, 3, 100)
	for mode, plan := range map[string]string{
		"transaction": "changes the server process between transactions: two loads of one target at once are not kept apart",
		"session":     "load into a staging table, then rename it",
	} {
		t.Run(mode, func(t *testing.T) {
			pg := pgtest.Start(t).Database(t)
			db, err := postgres.Open(t.Context(), postgres.Config{DSN: startBouncer(t, bouncer, mode, pg), Application: "frostline test"})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			l := &Loader{DB: db, Workers: 2}
			r := mustLoad(t, l, Request{Source: dir, Target: target("t")})
			if r.Method != Insert || !strings.HasSuffix(r.Reason, "is between: some refuse COPY; connect to the server itself for bulk work") || !strings.Contains(strings.Join(r.Plan, "; "), plan) {
				t.Errorf("method %s: %s; plan %q", r.Method, r.Reason, r.Plan)
			}
			sameRows(t, pg, "SELECT count(*), count(DISTINCT id), sum(id) FROM t", "300|300|45150")
			mustLoad(t, l, Request{Source: dir, Target: target("t"), Method: Copy}) // asked for: PgBouncer lets it through
			sameRows(t, pg, "SELECT count(*), count(DISTINCT id) FROM t", "600|300")
			nothingLeft(t, pg)
		})
	}
}

// startBouncer runs PgBouncer in front of a database and gives its DSN.
func startBouncer(t *testing.T, bouncer, mode string, pg *pgtest.DB) string {
	t.Helper()
	host, port, _ := strings.Cut(strings.Split(strings.TrimPrefix(pg.DSN, "postgres://postgres@"), "/")[0], ":")
	dir, err := os.MkdirTemp("", "bouncer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // pgbouncer runs as another user
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, listen, _ := net.SplitHostPort(free.Addr().String())
	free.Close()
	ini := fmt.Sprintf("[databases]\n%s = host=%s port=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %s\nunix_socket_dir =\nauth_type = trust\nauth_file = %s\npool_mode = %s\n"+
		"ignore_startup_parameters = IntervalStyle,TimeZone,extra_float_digits,bytea_output,lc_monetary,search_path,xmloption,row_security,statement_timeout,idle_in_transaction_session_timeout,jit\n",
		pg.Name, host, port, listen, filepath.Join(dir, "users"), mode)
	for name, text := range map[string]string{"ini": ini, "users": "\"postgres\" \"\"\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{filepath.Join(dir, "ini")}
	if os.Getuid() == 0 {
		args = append([]string{"-u", "nobody"}, args...)
	}
	cmd := exec.Command(bouncer, args...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() { cmd.Process.Kill(); cmd.Wait() }
	t.Cleanup(stop)
	dsn := "postgres://postgres@127.0.0.1:" + listen + "/" + pg.Name + "?sslmode=disable"
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if db, err := postgres.Open(t.Context(), postgres.Config{DSN: dsn, ConnectTimeout: time.Second}); err == nil {
			db.Close()
			return dsn
		} else if time.Now().After(deadline) {
			stop()
			t.Fatalf("pgbouncer: %v\n%s", err, log.String())
		}
	}
}
