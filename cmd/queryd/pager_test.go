package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"frostline/query/querytest"
)

// pager is a reader who looks at the first screen for longer than a server waits for a client.
type pager struct {
	output
	looked bool
}

func (p *pager) Write(b []byte) (int, error) {
	if !p.looked {
		p.looked = true
		time.Sleep(65 * time.Second)
	}
	return p.output.Write(b)
}

// A query of the warehouse waits for its reader.
func TestQueryIntoPager(t *testing.T) {
	if os.Getenv("FROSTLINE_LONG") == "" {
		t.Skip("FROSTLINE_LONG is not set; it takes 65 s")
	}
	clearEnv(t)
	w := querytest.Events(t)
	var stdout pager
	var stderr output
	code := run(context.Background(), []string{"query", "--table", "public.events", "--format", "csv", "--warehouse", w.Store.Root()}, &stdout, &stderr)
	if lines := strings.Count(stdout.String(), "\n"); code != 0 || lines != 6001 {
		t.Errorf("exit code %d, %d lines: %s", code, lines, stderr.String())
	}
}
