// Package e2e tests the commands as users run them: built binaries, a real PostgreSQL server, a real S3 server.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"frostline/internal/pgtest"
	"frostline/internal/s3test"
)

// bin is the folder of the built commands.
var bin string

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "frostline-e2e-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-o", dir+"/", "frostline/cmd/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		os.Stderr.Write(out)
		return 1
	}
	bin = dir
	return m.Run()
}

// sources opens the project's folders: the go command keeps the result of a test until what it is made of has changed, or what it has
// opened, and the commands are no part of this one.
var sources = sync.OnceValue(func() error {
	const root = "../.."
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "bin") {
			return fs.SkipDir
		}
		return err
	})
})

// world is one database and one warehouse.
type world struct {
	t         *testing.T
	db        *pgtest.DB
	warehouse string
	env       []string
}

// onBoth runs a test on a file warehouse and on S3.
func onBoth(t *testing.T, test func(t *testing.T, w *world)) {
	t.Run("file", func(t *testing.T) { test(t, newWorld(t, "file://"+filepath.Join(t.TempDir(), "ware house"))) })
	t.Run("s3", func(t *testing.T) { test(t, newWorld(t, s3test.Start(t).Warehouse(t))) })
}

func newWorld(t *testing.T, warehouse string) *world {
	if err := sources(); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: pgtest.Start(t).Database(t), warehouse: warehouse}
	w.env = append(os.Environ(), "ARCHIVE_WAREHOUSE="+warehouse, "DATABASE_URL="+w.db.DSN)
	return w
}

// command is one of ours, ready to start.
func (w *world) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(bin, name), args...)
	cmd.Env = w.env
	return cmd
}

// killed starts a command and kills it after that time, when it may have ended already.
func (w *world) killed(after time.Duration, name string, args ...string) {
	w.t.Helper()
	cmd := w.command(name, args...)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(after)
	_ = cmd.Process.Kill()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
}

// run gives the JSON object that a command prints.
func (w *world) run(name string, args ...string) map[string]any {
	w.t.Helper()
	stdout, stderr, code := w.exec(name, args...)
	if code != 0 {
		w.t.Fatalf("%s %s\nexit code %d\n%s", name, strings.Join(args, " "), code, stderr)
	}
	var res map[string]any
	if err := json.Unmarshal([]byte(stdout), &res); err != nil {
		w.t.Fatalf("%s %s: stdout %q is not one JSON object: %v", name, strings.Join(args, " "), stdout, err)
	}
	return res
}

func (w *world) exec(name string, args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	cmd := w.command(name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// random draws the moments of kills; FROSTLINE_SEED repeats them.
func (w *world) random() *rand.Rand {
	w.t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("FROSTLINE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			w.t.Fatalf("FROSTLINE_SEED: %v", err)
		}
	}
	w.t.Logf("FROSTLINE_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// unlocked waits until the server has seen that a killed command is gone and holds none of its locks. It may still be at the
// command's last statement.
func (w *world) unlocked() {
	w.t.Helper()
	const held = `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
	for deadline := time.Now().Add(20 * time.Second); w.db.One(w.t, held) != "0"; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatal("the lock of a killed command stays")
		}
	}
}

// serve starts queryd and gives its URL.
func (w *world) serve() string {
	w.t.Helper()
	cmd := w.command("queryd", "--listen", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			w.t.Errorf("queryd ended with %v\n%s", err, errs.String())
		}
	})
	var ready struct{ Listening string }
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		w.t.Fatalf("queryd: %v\n%s", err, errs.String())
	}
	return "http://" + ready.Listening
}

type answer struct {
	Data         []map[string]any  `json:"data"`
	TotalMatched int64             `json:"totalMatched"`
	Schema       map[string]string `json:"schema"`
}

// ask posts a query; numbers keep their digits.
func ask(t *testing.T, url string, request map[string]any) answer {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url+"/api/v1/archives/query", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %s", body, resp.Status, b)
	}
	var a answer
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&a); err != nil {
		t.Fatal(err)
	}
	return a
}
