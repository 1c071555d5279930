package pgtest

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"frostline/internal/pgserver"
)

// PgBouncer runs a PgBouncer in front of the database until the test ends, and gives the database's DSN through it. The mode is
// "transaction" or "session". Without the program the test ends by [Missing].
func (db *DB) PgBouncer(tb testing.TB, mode string) string {
	tb.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			Missing(tb, "pgbouncer")
		}
	}
	dir, err := os.MkdirTemp("", "bouncer")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // root's PgBouncer runs as another user
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "users"), []byte("\"postgres\" \"\"\n"), 0o644); err != nil {
		tb.Fatal(err)
	}
	var said string
	for range 5 { // another process may take the free port first
		dsn, log := db.bouncer(tb, program, dir, mode)
		if dsn != "" {
			return dsn
		}
		if said = log; !strings.Contains(log, "nowhere to listen on") {
			break
		}
	}
	tb.Fatalf("pgtest: %s\n%s", program, said)
	return ""
}

// bouncer is one try: the DSN, or what the program said before it ended or took too long.
func (db *DB) bouncer(tb testing.TB, program, dir, mode string) (dsn, log string) {
	tb.Helper()
	port, err := pgserver.FreePort()
	if err != nil {
		tb.Fatal(err)
	}
	ini := filepath.Join(dir, "ini")
	text := fmt.Sprintf("[databases]\n%s = host=127.0.0.1 port=%d\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\n"+
		"auth_type = trust\nauth_file = %s\npool_mode = %s\nignore_startup_parameters = IntervalStyle,TimeZone,extra_float_digits,bytea_output,"+
		"lc_monetary,search_path,xmloption,row_security,statement_timeout,idle_in_transaction_session_timeout,jit\n",
		db.Name, db.Server.Port, port, filepath.Join(dir, "users"), mode)
	if err := os.WriteFile(ini, []byte(text), 0o644); err != nil {
		tb.Fatal(err)
	}
	args := []string{ini}
	if os.Getuid() == 0 {
		args = []string{"-u", "nobody", ini}
	}
	cmd := exec.Command(program, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() { _ = cmd.Process.Kill(); <-ended }

	u, _ := url.Parse(db.DSN)
	u.Host = fmt.Sprintf("127.0.0.1:%d", port)
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		select {
		case <-ended:
			return "", out.String()
		case <-time.After(20 * time.Millisecond):
		}
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		conn, err := pgconn.Connect(ctx, u.String())
		cancel()
		if err == nil {
			_ = conn.Close(context.Background())
			tb.Cleanup(stop)
			return u.String(), ""
		}
	}
	stop()
	return "", out.String()
}
