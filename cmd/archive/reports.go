package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"frostline/archive"
	"frostline/internal/cli"
	"frostline/internal/metrics"
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
		if a.AuditTable, err = cli.TableName(r.AuditTable); err != nil {
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
