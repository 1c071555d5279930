package rest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"frostline/internal/restio"
	"frostline/query"
	"frostline/query/querytest"
	"frostline/rest"
)

// TestInteropSchemathesis sends what the document allows and what it does not to a running server, and checks every answer
// against the document: status, content type, schema, refusal of what is wrong.
func TestInteropSchemathesis(t *testing.T) {
	python := os.Getenv("FROSTLINE_PYTHON")
	if python == "" {
		t.Skip("FROSTLINE_PYTHON is not set: `make interop` makes a Python with schemathesis and sets it")
	}
	w := querytest.Events(t)
	a := serve(t, w, query.Options{}, rest.Options{Parquet: restio.Parquet, Long: rest.LongOptions{Folder: results(w), Queued: 1000}})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	examples := os.Getenv("FROSTLINE_EXAMPLES") // of each operation
	if examples == "" {
		examples = "25"
	}
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(filepath.Dir(python), "schemathesis"), "--config-file", filepath.Join(testdata, "schemathesis.toml"),
		"run", a.URL+"/openapi.json", "--seed", "20240131", "--max-examples", examples, "--workers", "1", "--no-color", "--request-timeout", "20", "--generation-database", "none")
	cmd.Dir = t.TempDir() // it keeps what has failed there, and begins with that the next time
	cmd.Env = append(os.Environ(), "SCHEMATHESIS_HOOKS=schemathesis_hooks", "PYTHONPATH="+testdata, "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	a.settle(t)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
