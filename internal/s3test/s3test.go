// Package s3test gives tests a real S3 server: versitygw over a temporary folder, in a process of its own on
// a free port of 127.0.0.1.
//
// The server is peers/cmd/s3server, built once into the checkout's .cache folder by whichever test binary
// comes first. A test binary shares one server ([Start]); each test takes a bucket of its own. The server
// ends, and its folder goes, when the test binary ends, however it ends.
package s3test

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Region is the region that the server wants requests signed for.
const Region = "eu-west-1"

// Server is a running S3 server.
type Server struct {
	Endpoint  string // "http://127.0.0.1:port"
	AccessKey string
	SecretKey string

	dir   string
	cmd   *exec.Cmd
	stdin io.Closer
	stop  sync.Once
}

var shared struct {
	sync.Once
	server *Server
	err    error
}

// Start returns the server of this test binary and starts it at first. The test fails where it cannot.
func Start(tb testing.TB) *Server {
	tb.Helper()
	shared.Do(func() { shared.server, shared.err = start() })
	if shared.err != nil {
		tb.Fatalf("start the S3 server: %v", shared.err)
	}
	return shared.server
}

// StartOwn starts a server that only tb uses, and may stop. more are further flags of peers/cmd/s3server.
func StartOwn(tb testing.TB, more ...string) *Server {
	tb.Helper()
	s, err := start(more...)
	if err != nil {
		tb.Fatalf("start an S3 server: %v", err)
	}
	tb.Cleanup(s.Stop)
	return s
}

// Stop ends the server and returns once its port is closed and its folder is gone.
func (s *Server) Stop() {
	s.stop.Do(func() {
		s.stdin.Close()
		done := make(chan struct{})
		go func() { s.cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			s.cmd.Process.Kill()
			<-done
			os.RemoveAll(s.dir)
		}
	})
}

// Bucket makes an empty bucket and returns its name. It is removed when tb ends.
func (s *Server) Bucket(tb testing.TB) string {
	tb.Helper()
	name := "t-" + strings.ToLower(rand.Text())
	dir := filepath.Join(s.dir, name) // in the posix backend a bucket is a directory
	if err := os.Mkdir(dir, 0o755); err != nil {
		tb.Fatalf("make a bucket: %v", err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return name
}

// Env returns the environment variables, as "NAME=value", with which any AWS client reaches the server and
// nothing else: no configuration file, profile or metadata service is looked at.
func (s *Server) Env() []string {
	return []string{
		"AWS_ENDPOINT_URL_S3=" + s.Endpoint,
		"AWS_ACCESS_KEY_ID=" + s.AccessKey,
		"AWS_SECRET_ACCESS_KEY=" + s.SecretKey,
		"AWS_SESSION_TOKEN=",
		"AWS_REGION=" + Region,
		"AWS_PROFILE=",
		"AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// Setenv sets the variables of Env for tb. As with [testing.T.Setenv], tb must not be parallel.
func (s *Server) Setenv(tb testing.TB) {
	tb.Helper()
	for _, kv := range s.Env() {
		name, value, _ := strings.Cut(kv, "=")
		tb.Setenv(name, value)
	}
}

// Warehouse makes a bucket, sets the environment as Setenv does, and returns "s3://bucket/prefix" of an empty
// warehouse.
func (s *Server) Warehouse(tb testing.TB) string {
	tb.Helper()
	s.Setenv(tb)
	return "s3://" + s.Bucket(tb) + "/warehouse"
}

// start builds the server where needed and runs it, on another port where the first was taken meanwhile.
func start(more ...string) (*Server, error) {
	bin, err := binary()
	if err != nil {
		return nil, err
	}
	var last error
	for range 5 {
		s, err := run(bin, more...)
		if err == nil {
			return s, nil
		}
		last = err
	}
	return nil, last
}

// run starts bin and waits until it is ready.
func run(bin string, more ...string) (*Server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "s3test-")
	if err != nil {
		return nil, err
	}
	s := &Server{Endpoint: "http://" + address, AccessKey: "access" + rand.Text()[:8], SecretKey: rand.Text(), dir: dir}
	args := append([]string{"-dir", dir, "-listen", address, "-region", Region, "-until-eof", "-remove"}, more...)
	s.cmd = exec.Command(bin, args...)
	s.cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey)
	var said strings.Builder
	s.cmd.Stderr = &said
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	s.stdin = stdin
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	if err := awaitReady(stdout); err != nil {
		s.Stop()
		os.RemoveAll(dir)
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(said.String()))
	}
	return s, nil
}

// awaitReady returns nil once r gives the line that says the server answers.
func awaitReady(r io.Reader) error {
	ready := make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "ready ") {
				ready <- nil
				_, _ = io.Copy(io.Discard, r)
				return
			}
		}
		ready <- errors.New("the server ended before it was ready")
	}()
	select {
	case err := <-ready:
		return err
	case <-time.After(30 * time.Second):
		return errors.New("the server was not ready in 30 s")
	}
}

// freeAddress returns an address of 127.0.0.1 that nobody listened on a moment ago.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
