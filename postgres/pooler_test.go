package postgres

import (
	"fmt"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"frostline/internal/pgtest"
)

func TestPoolerName(t *testing.T) {
	for _, tt := range []struct {
		host string
		port uint16
		want string
	}{
		{"ep-cool-1234-pooler.eu-central-1.aws.neon.tech", 5432, "a pooled Neon endpoint"},
		{"ep-cool-1234.eu-central-1.aws.neon.tech", 5432, ""},
		{"app.proxy-c0abc1.eu-west-1.rds.amazonaws.com", 5432, "an RDS Proxy"},
		{"main.cluster-c0abc1.eu-west-1.rds.amazonaws.com", 5432, ""},
		{"127.0.0.1", 6432, "PgBouncer"},
		{"my-pooler.example.com", 5432, "a pooled Neon endpoint"},
		{"db", 5432, ""},
	} {
		if got := poolerName(tt.host, tt.port); got != tt.want {
			t.Errorf("%s:%d is %q, want %q", tt.host, tt.port, got, tt.want)
		}
	}
}

// A real PgBouncer, where one is installed, in both of its modes.
func TestPreflightPgBouncer(t *testing.T) {
	bouncer, err := osexec.LookPath("pgbouncer")
	if err != nil {
		if bouncer = "/usr/sbin/pgbouncer"; !exists(bouncer) {
			t.Skip("pgbouncer is not installed")
		}
	}
	for mode, want := range map[string]string{
		"transaction": "error archive pooler-loses-session",
		"session":     "warning archive pooler",
	} {
		t.Run(mode, func(t *testing.T) {
			pg := pgtest.Start(t).Database(t)
			pg.Exec(t, preflightSchema)
			addr := startBouncer(t, bouncer, mode, pg)
			db := open(t, "postgres://postgres@"+addr+"/"+pg.Name+"?sslmode=disable")
			if _, got := found(t, db, "public.leaf", PreflightOptions{}); got != want+" "+addr {
				t.Errorf("found %s", got)
			}
		})
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// startBouncer runs PgBouncer in front of a database and gives its address.
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
	listen := freePort(t)
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
	var log strings.Builder
	cmd := osexec.Command(bouncer, args...)
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	addr := "127.0.0.1:" + listen
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if db, err := Open(t.Context(), Config{DSN: "postgres://postgres@" + addr + "/" + pg.Name + "?sslmode=disable", ConnectTimeout: time.Second}); err == nil {
			db.Close()
			return addr
		} else if time.Now().After(deadline) {
			cmd.Process.Kill()
			cmd.Wait()
			t.Fatalf("pgbouncer: %v\n%s", err, log.String())
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
