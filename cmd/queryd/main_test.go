package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"frostline/query/querytest"
)

// output is written by the server while the test reads it.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// clearEnv takes the variables of the environment away that queryd reads.
func clearEnv(t *testing.T) {
	t.Helper()
	for _, name := range []string{"ARCHIVE_WAREHOUSE", "ARCHIVE_S3_BUCKET", "ARCHIVE_S3_PREFIX", "AWS_REGION", "QUERYD_LISTEN"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
}

func TestServes(t *testing.T) {
	clearEnv(t)
	w := querytest.Events(t)
	for _, tt := range []struct {
		listen  string
		more    []string
		warning bool
	}{{"127.0.0.1:0", nil, false}, {":0", []string{"--no-auth"}, true}} {
		t.Run(tt.listen, func(t *testing.T) {
			ready := filepath.Join(t.TempDir(), "ready")
			var stdout, stderr output
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			code := make(chan int, 1)
			go func() {
				code <- run(ctx, append([]string{"--listen", tt.listen, "--warehouse", w.Store.Root(), "--ready-file", ready}, tt.more...), &stdout, &stderr)
			}()
			var line []byte
			for start := time.Now(); len(line) == 0; time.Sleep(5 * time.Millisecond) {
				if time.Since(start) > 20*time.Second {
					t.Fatalf("not ready: %s", stderr.String())
				}
				line, _ = os.ReadFile(ready)
			}
			if string(line) != stdout.String() {
				t.Errorf("ready file %q, stdout %q", line, stdout.String())
			}
			var v struct{ Listening string }
			if err := json.Unmarshal(line, &v); err != nil {
				t.Fatal(err)
			}
			_, port, _ := strings.Cut(strings.TrimPrefix(v.Listening, "[::]"), ":")
			res, err := http.Get("http://127.0.0.1:" + port + "/api/v1/archives/query?columns=id&filter=id%3D4711&archivePath=" + w.Store.Root() + "/public/events")
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || !strings.HasPrefix(string(body), `{"data":[{"id":4711}],"totalMatched":1,`) {
				t.Errorf("%v %s", err, body)
			}
			cancel()
			if c := <-code; c != 0 {
				t.Errorf("exit code %d: %s", c, stderr.String())
			}
			if strings.Contains(stderr.String(), "WARNING") != tt.warning {
				t.Errorf("stderr: %s", stderr.String())
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	clearEnv(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
	dir := "file://" + t.TempDir()
	for _, tt := range []struct {
		name string
		args []string
		code int
		text string // in the one line on stderr
	}{
		{"help", []string{"--help"}, 0, ""},
		{"no warehouse", nil, 2, "ARCHIVE_S3_BUCKET"},
		{"wrong flag", []string{"--warehuose", dir}, 2, `--warehouse`},
		{"wrong duration", []string{"--warehouse", dir, "--timeout", "soon"}, 2, "timeout"},
		{"no time", []string{"--warehouse", dir, "--timeout", "0s"}, 2, "above 0"},
		{"wrong address", []string{"--warehouse", dir, "--listen", "nowhere:x", "--no-auth"}, 2, "nowhere:x"},
		{"open to all", []string{"--warehouse", dir, "--listen", ":0"}, 2, "--no-auth"},
		{"open to the network", []string{"--warehouse", dir, "--listen", "192.0.2.1:80"}, 2, "no authentication"},
		{"keys alone", []string{"--warehouse", dir, "--keys", "k"}, 2, "--principals"},
		{"no file of principals", []string{"--warehouse", dir, "--principals", "/nowhere/p.yaml"}, 2, "/nowhere/p.yaml"},
		{"certificate without key", []string{"--warehouse", dir, "--tls-cert", "c"}, 2, "--tls-key"},
		{"every origin", []string{"--warehouse", dir, "--allow-origin", "*"}, 2, "--allow-origin"},
		{"key for nobody", []string{"keys", "add", "--keys", "k"}, 2, "needs a name"},
		{"no such key", []string{"keys", "revoke", "--keys", "/nowhere/k", "x"}, 2, "/nowhere/k"},
		{"store is down", []string{"--bucket", "b"}, 5, "s3://b/aurora-archives"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr output
			if code := run(context.Background(), tt.args, &stdout, &stderr); code != tt.code {
				t.Errorf("exit code %d, want %d: %s", code, tt.code, stderr.String())
			}
			if tt.text != "" && (!strings.Contains(stderr.String(), tt.text) || strings.Count(stderr.String(), "\n") != 1) {
				t.Errorf("stderr: %s", stderr.String())
			}
		})
	}
}
