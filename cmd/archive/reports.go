package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"frostline/archive"
	"frostline/internal/cli"
	"frostline/internal/metrics"
	"frostline/postgres"
)

// reports are the flags of commands that archive: what is told of every run besides the result.
type reports struct {
	metrics.Flags `embed:"" group:"Metrics"`
	AuditTable    string `help:"Also write each run's audit line to this table, made when it is not there." group:"Metrics" env:"ARCHIVE_AUDIT_TABLE" placeholder:"SCHEMA.TABLE"`
}

// telling collects the runs of one command.
type telling struct {
	flags   metrics.Flags
	log     *slog.Logger
	emf     io.Writer
	started time.Time

	mu   sync.Mutex
	runs []metrics.Run
}

func (r reports) begin(f *flags, stderr io.Writer) *telling {
	return &telling{flags: r.Flags, log: f.Logger(stderr), emf: stderr, started: time.Now()}
}

// watch makes a tell of its runs.
func (r reports) watch(a *archive.Archiver, t *telling) (err error) {
	if r.AuditTable != "" {
		if a.AuditTable, err = tableName(r.AuditTable); err != nil {
			return fmt.Errorf("--audit-table: %w", err)
		}
	}
	a.Ended = func(au archive.Audit) {
		run := metrics.Run{
			Table: au.Schema + "." + au.Table, Partition: au.Partition, Success: au.Outcome == "success",
			Rows: au.Records, Bytes: au.Bytes, Duration: au.Ended.Sub(au.Started), Ended: au.Ended,
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.runs = append(t.runs, run)
	}
	return nil
}

// end tells of the runs. A command that came to no run, but to an error, is one failed run on what it was asked for. What cannot be told is
// a warning.
func (t *telling) end(ctx context.Context, table, partition string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil && len(t.runs) == 0 {
		now := time.Now().UTC()
		t.runs = append(t.runs, metrics.Run{Table: table, Partition: partition, Duration: now.Sub(t.started), Ended: now})
	}
	if err := t.flags.Report(ctx, t.emf, t.runs); err != nil {
		t.log.Warn("the metrics could not be told; the run is not affected", "error", err)
	}
}

// tableName reads schema.table; a name with dots or other marks stands in double quotes, and without a schema it is public. Names are taken
// as they are, as by --table: nothing is folded to lower case.
func tableName(s string) (postgres.Name, error) {
	var parts []string
	for rest := s; ; {
		part, after, err := identifier(rest)
		if err != nil {
			return postgres.Name{}, fmt.Errorf("%w: %q: %w", cli.ErrUsage, s, err)
		}
		parts = append(parts, part)
		if after == "" {
			break
		}
		rest = after[1:]
	}
	switch len(parts) {
	case 1:
		return postgres.Name{Schema: "public", Table: parts[0]}, nil
	case 2:
		return postgres.Name{Schema: parts[0], Table: parts[1]}, nil
	}
	return postgres.Name{}, fmt.Errorf("%w: %q has %d parts, want schema.table", cli.ErrUsage, s, len(parts))
}

// identifier takes the first name off s; after is empty or starts with a dot.
func identifier(s string) (name, after string, err error) {
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexByte(s, '.')
		if i < 0 {
			i = len(s)
		}
		name, after = s[:i], s[i:]
	} else {
		end := 1
		for ; end < len(s); end++ {
			if s[end] != '"' {
				continue
			}
			if end+1 == len(s) || s[end+1] != '"' {
				break
			}
			end++
		}
		if end == len(s) {
			return "", "", fmt.Errorf("a quote is not closed")
		}
		name, after = strings.ReplaceAll(s[1:end], `""`, `"`), s[end+1:]
		if after != "" && after[0] != '.' {
			return "", "", fmt.Errorf("%q stands after a quoted name", after)
		}
	}
	if name == "" {
		return "", "", fmt.Errorf("a name is empty")
	}
	return name, after, nil
}
