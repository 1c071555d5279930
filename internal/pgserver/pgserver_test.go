package pgserver

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be the process that dies.
func TestMain(m *testing.M) {
	if os.Getenv("PGSERVER_TEST_CHILD") != "" {
		s, err := Start(context.Background(), Options{})
		if err != nil {
			println("error " + err.Error())
			os.Exit(1)
		}
		os.Stdout.WriteString(s.Dir + "\n")
		select {}
	}
	os.Exit(m.Run())
}

func installed(t *testing.T) {
	t.Helper()
	if _, err := Find(); errors.Is(err, ErrNotInstalled) && os.Getenv("FROSTLINE_REQUIRE_PG") == "" {
		t.Skip(err)
	}
}

func TestStartStop(t *testing.T) {
	installed(t)
	s, err := Start(t.Context(), Options{Settings: map[string]string{"max_connections": "7"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := "postgres://postgres@127.0.0.1:" + strconv.Itoa(s.Port) + "/db%20x?sslmode=disable"; s.DSN("db x") != want {
		t.Errorf("DSN %s, want %s", s.DSN("db x"), want)
	}
	conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.Port))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(s.Dir); !os.IsNotExist(err) {
		t.Errorf("%s is left behind: %v", s.Dir, err)
	}
	if _, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.Port)); err == nil {
		t.Error("the server still listens")
	}
}

func TestKilledProcessLeavesNothing(t *testing.T) {
	installed(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PGSERVER_TEST_CHILD=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dir, err := bufio.NewReader(out).ReadString('\n')
	dir = strings.TrimSpace(dir)
	pid, readErr := os.ReadFile(filepath.Join(dir, "pid"))
	cmd.Process.Kill()
	cmd.Wait()
	if err != nil || readErr != nil || dir == "" {
		t.Fatal(err, readErr)
	}
	for range 200 {
		_, errDir := os.Stat(dir)
		_, errProc := os.Stat("/proc/" + strings.TrimSpace(string(pid)))
		if os.IsNotExist(errDir) && os.IsNotExist(errProc) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("20 s after the kill, %s or process %s is still there", dir, pid)
}

func TestStartErrors(t *testing.T) {
	installed(t)
	s, err := Start(t.Context(), Options{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("server %v, error %v; want the setting's name", s, err)
	}
	t.Setenv(BinEnv, t.TempDir())
	if _, err := Find(); err == nil || !strings.Contains(err.Error(), "holds no postgres and initdb") {
		t.Errorf("an empty %s: %v", BinEnv, err)
	}
}

func TestVersionIn(t *testing.T) {
	for path, want := range map[string]int{"/usr/lib/postgresql/16/bin": 16, "/opt/homebrew/opt/postgresql@17/bin": 17, "/usr/bin": 0} {
		if got := versionIn(path); got != want {
			t.Errorf("versionIn(%s) = %d, want %d", path, got, want)
		}
	}
}
