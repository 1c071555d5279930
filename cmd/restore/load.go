package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"frostline/internal/cli"
	"frostline/internal/progress"
	"frostline/load"
	"frostline/postgres"
)

type loadCmd struct {
	Source         string   `arg:"" help:"Folder or file of Parquet: path, file:///path or s3://bucket/prefix."`
	TargetTable    string   `help:"Table; made from the files when it is not there." required:""`
	TargetSchema   string   `help:"Its schema." default:"public"`
	Create         bool     `help:"The table must not be there."`
	Unlogged       bool     `help:"Make the new table UNLOGGED."`
	Method         string   `help:"How rows travel: copy, insert or auto." enum:"copy,insert,auto" default:"auto"`
	OnConflict     string   `help:"Rows in conflict with a key of the table: fail, skip, or update by primary key." enum:"fail,skip,update" default:"fail"`
	IgnoreExtra    bool     `help:"Leave out columns that the table lacks."`
	Geometry       []string `help:"Columns of WKB that become geometry in a new table." placeholder:"COLUMN"`
	SRID           int      `name:"srid" help:"SRID of WKB that has none." default:"0"`
	DeadLetter     string   `help:"JSON Lines file for rejected rows; without it the first ends the load." placeholder:"FILE"`
	MaxRejected    int      `help:"More rejected rows than this end the load; -1 is no limit." default:"1000"`
	RebuildIndexes bool     `help:"Drop plain indexes and foreign keys, and make them again after, in one transaction."`
	SkipTriggers   bool     `help:"The table's triggers do not fire."`
	Workers        int      `help:"Files at once; 0 is the number of cores, 8 at most." default:"0"`
	BatchSize      int      `help:"Rows sent at once." default:"10000"`
	DryRun         bool     `help:"Print the mapping; change nothing."`
	AuditTable     string   `help:"Also write the run's audit line to this table, made when it is not there." env:"ARCHIVE_AUDIT_TABLE" placeholder:"SCHEMA.TABLE"`
}

func (c *loadCmd) run(ctx context.Context, f *flags, stderr io.Writer) (any, error) {
	var audit postgres.Name
	var err error
	if c.AuditTable != "" {
		if audit, err = cli.TableName(c.AuditTable); err != nil {
			return nil, fmt.Errorf("--audit-table: %w", err)
		}
	}
	db, err := f.Server.Open(ctx, "frostline restore load")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	l := &load.Loader{DB: db, Region: f.Region, Log: f.Logger(stderr), Progress: progress.Silent, Version: cli.Version, AuditTable: audit,
		Workers: c.Workers, BatchRows: c.BatchSize}
	if !f.Quiet {
		l.Planned = func(r load.Result) { printMapping(stderr, r) }
		if file, ok := stderr.(*os.File); ok {
			l.Progress = progress.To(file)
		}
	}
	return l.Run(ctx, load.Request{
		Source: c.Source, Target: postgres.Name{Schema: c.TargetSchema, Table: c.TargetTable}, Create: c.Create, Unlogged: c.Unlogged,
		Method: c.Method, OnConflict: c.OnConflict, IgnoreExtra: c.IgnoreExtra, Geometry: c.Geometry, SRID: c.SRID,
		DeadLetter: c.DeadLetter, MaxRejected: c.MaxRejected, RebuildIndexes: c.RebuildIndexes, SkipTriggers: c.SkipTriggers, DryRun: c.DryRun,
	})
}

// printMapping shows what goes where before anything is written.
func printMapping(w io.Writer, r load.Result) {
	kind := "existing"
	if r.Created {
		kind = "new"
	}
	fmt.Fprintf(w, "%s → %s (%s table): %d rows in %d files, %d bytes\n", r.Source, r.Target, kind, r.Records, r.Files, r.Bytes)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, m := range r.Mapping {
		fmt.Fprintf(t, "  %s\t%s\t→ %s\t%s\t%s\n", orDash(m.Source), m.SourceType, orDash(m.Target), m.TargetType, m.Note)
	}
	t.Flush()
	fmt.Fprintf(w, "method: %s: %s\n", r.Method, r.Reason)
	for _, line := range r.Plan {
		fmt.Fprintln(w, "plan:", line)
	}
	if len(r.Ignored) > 0 {
		fmt.Fprintln(w, "no Parquet, ignored:", strings.Join(r.Ignored, ", "))
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// loadExitCode is the exit code of the errors of a load, 0 for others.
func loadExitCode(err error) int {
	for _, c := range []struct {
		err  error
		code int
	}{
		{load.ErrBadInput, cli.Usage}, {load.ErrNoSource, cli.NotFound}, {load.ErrCorrupt, cli.Damaged}, {load.ErrRejected, cli.Conflict},
		{load.ErrMismatch, cli.Conflict}, {load.ErrExists, cli.Conflict}, {load.ErrBusy, cli.Conflict}, {load.ErrProof, cli.Unproven},
	} {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return 0
}
