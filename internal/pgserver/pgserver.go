// Package pgserver runs a private, throw-away PostgreSQL server from the binaries of this machine: for the tests
// (through internal/pgtest) and for the demo.
//
// A server lives in a temporary folder of its own, listens on a free port of 127.0.0.1 and on a socket in that
// folder, trusts every local user, and does not sync to disk. [Server.Stop] stops it and removes the folder. A small
// shell process does the same when this process ends without Stop, killed or not, so nothing is left behind.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Options of Start. The zero value works.
type Options struct {
	BinDir   string            // folder of postgres and initdb; "" is Find's
	Settings map[string]string // postgresql.conf settings over the defaults

	StandbyOf *Server // be a physical replica of that server instead of a new one; needs pg_basebackup
}

// Server is a running server. Its superuser is "postgres", without a password.
type Server struct {
	Dir    string // everything: data, socket, log
	BinDir string
	Port   int

	cmd     *exec.Cmd
	exited  chan struct{}
	watcher *exec.Cmd
	pipe    io.WriteCloser
}

var defaults = map[string]string{
	"listen_addresses":     "127.0.0.1",
	"fsync":                "off",
	"synchronous_commit":   "off",
	"full_page_writes":     "off",
	"max_connections":      "100",
	"shared_buffers":       "64MB",
	"wal_level":            "logical",
	"max_wal_senders":      "2",
	"max_wal_size":         "1GB",
	"log_min_messages":     "warning",
	"log_timezone":         "UTC",
	"timezone":             "UTC",
	"dynamic_library_path": "$libdir",
}

// Start makes a database cluster (locale C, UTF-8) and starts a server on it. As root it runs as the user postgres.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.BinDir == "" {
		dir, err := Find()
		if err != nil {
			return nil, err
		}
		o.BinDir = dir
	}
	owner, err := serverUser()
	if err != nil {
		return nil, err
	}
	dir, err := tempDir()
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	s := &Server{Dir: dir, BinDir: o.BinDir}
	if err := s.start(ctx, owner, o); err != nil {
		return nil, errors.Join(fmt.Errorf("start PostgreSQL of %s: %w", o.BinDir, err), s.Stop())
	}
	return s, nil
}

// tempDir is short, since a socket's path has at most 107 bytes.
func tempDir() (string, error) {
	if info, err := os.Stat("/tmp"); err == nil && info.IsDir() {
		return os.MkdirTemp("/tmp", "fpg")
	}
	return os.MkdirTemp("", "fpg")
}

func (s *Server) start(ctx context.Context, owner *account, o Options) error {
	if err := owner.own(s.Dir); err != nil {
		return err
	}
	if err := s.watch(); err != nil {
		return err
	}
	data := filepath.Join(s.Dir, "data")
	tool := "initdb"
	args := []string{"-D", data, "-U", "postgres", "-A", "trust", "--locale=C", "--encoding=UTF8", "--no-sync"}
	if o.StandbyOf != nil {
		tool = "pg_basebackup"
		args = []string{"-D", data, "-U", "postgres", "-h", "127.0.0.1", "-p", strconv.Itoa(o.StandbyOf.Port), "-R", "-c", "fast", "--no-sync"}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.BinDir, tool), args...)
	cmd.Dir = s.Dir
	cmd.SysProcAttr = owner.attr()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", tool, err, tail(out))
	}
	conf := map[string]string{}
	for k, v := range defaults {
		conf[k] = v
	}
	for k, v := range o.Settings {
		conf[k] = v
	}
	conf["unix_socket_directories"] = s.Dir
	var err error
	for range 5 { // another process may take the free port first
		if err = s.launch(ctx, owner, data, conf); err == nil || !strings.Contains(err.Error(), "already in use") {
			return err
		}
	}
	return err
}

// launch starts postgres on a free port and waits until it is ready.
func (s *Server) launch(ctx context.Context, owner *account, data string, conf map[string]string) error {
	port, err := FreePort()
	if err != nil {
		return err
	}
	s.Port = port
	args := []string{"-D", data, "-p", strconv.Itoa(port)}
	for k, v := range conf {
		args = append(args, "-c", k+"="+v)
	}
	log, err := os.Create(filepath.Join(s.Dir, "server.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(s.BinDir, "postgres"), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = s.Dir, log, log, owner.attr()
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() { cmd.Wait(); close(exited) }()
	s.cmd, s.exited = cmd, exited
	if err := os.WriteFile(filepath.Join(s.Dir, "pid"), fmt.Appendf(nil, "%d\n", cmd.Process.Pid), 0o600); err != nil {
		return err
	}

	deadline := time.After(60 * time.Second)
	for {
		// Line 8 of postmaster.pid is the status that pg_ctl waits for.
		if b, err := os.ReadFile(filepath.Join(data, "postmaster.pid")); err == nil {
			if lines := strings.Split(string(b), "\n"); len(lines) >= 8 && strings.TrimSpace(lines[7]) == "ready" {
				return nil
			}
		}
		select {
		case <-exited:
			b, _ := os.ReadFile(log.Name())
			return fmt.Errorf("the server ended at once: %s", tail(b))
		case <-deadline:
			return errors.New("the server was not ready after 60 s")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// watch starts the shell that cleans up when our end of its pipe closes before Stop said "done".
func (s *Server) watch() error {
	const script = `read word
[ "$word" = done ] && exit 0
pid=$(cat "$1/pid" 2>/dev/null)
if [ -n "$pid" ] && kill -QUIT "$pid" 2>/dev/null; then
	i=0
	while kill -0 "$pid" 2>/dev/null && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done
fi
rm -rf "$1"`
	cmd := exec.Command("/bin/sh", "-c", script, "sh", s.Dir)
	cmd.SysProcAttr = ownGroup()
	cmd.Dir = "/"
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.watcher, s.pipe = cmd, pipe
	return nil
}

// Stop ends the server's sessions, stops it and removes its folder. A second call does nothing.
func (s *Server) Stop() error {
	if s.cmd != nil {
		s.cmd.Process.Signal(os.Interrupt) // fast shutdown
		select {
		case <-s.exited:
		case <-time.After(30 * time.Second):
			s.cmd.Process.Kill()
			<-s.exited
		}
		s.cmd = nil
	}
	err := os.RemoveAll(s.Dir)
	if s.watcher != nil {
		_, _ = io.WriteString(s.pipe, "done\n") // without a watcher there is nobody to tell
		s.pipe.Close()
		s.watcher.Wait()
		s.watcher = nil
	}
	if err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	return nil
}

// DSN is the URL of a database on this server for the superuser.
func (s *Server) DSN(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)),
		Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// FreePort is a TCP port of 127.0.0.1 that nobody listens on at this moment.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func tail(b []byte) string {
	s := strings.TrimSpace(string(b))
	if len(s) > 2000 {
		s = "…" + s[len(s)-2000:]
	}
	return s
}
