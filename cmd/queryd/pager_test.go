package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"frostline/query/querytest"
)

// pager is a reader who looks at the first screen for longer than a server waits for a client, or for a query.
type pager struct {
	output
	looked bool
}

func (p *pager) Write(b []byte) (int, error) {
	if !p.looked {
		p.looked = true
		time.Sleep(301 * time.Second)
	}
	return p.output.Write(b)
}

// A query of the warehouse waits for its reader. The clock is a made one, in a process of its own: decoders that stay in pools belong
// to that clock, and no other test could use them.
func TestQueryIntoPager(t *testing.T) {
	clearEnv(t)
	if os.Getenv("FROSTLINE_TEST_PAGER") == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestQueryIntoPager$", "-test.v")
		cmd.Env = append(os.Environ(), "FROSTLINE_TEST_PAGER=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestQueryIntoPager") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	w := querytest.Events(t)
	var stdout pager
	var stderr output
	code := 0
	synctest.Test(t, func(*testing.T) {
		code = run(context.Background(), []string{"query", "--table", "public.events", "--format", "csv", "--warehouse", w.Store.Root()}, &stdout, &stderr)
	})
	if lines := strings.Count(stdout.String(), "\n"); code != 0 || lines != 6001 {
		t.Errorf("exit code %d, %d lines: %s", code, lines, stderr.String())
	}
}
