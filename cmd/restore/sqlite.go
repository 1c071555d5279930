package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"frostline/internal/cli"
	"frostline/internal/progress"
	"frostline/load"
)

type sqliteCmd struct {
	SourcePath  string `help:"Archive path of a partition or table, or a folder or file of Parquet: path, file:///path or s3://bucket/prefix." required:""`
	To          string `help:"Folder, s3://bucket/prefix, or a file that ends in .sqlite, .sqlite3 or .db." required:""`
	RowsPerFile int64  `help:"More rows than this go to several files." default:"500000"`
	Table       string `help:"Name of the table in the files; without it, the archived table's or the folder's."`
	Snapshot    int64  `help:"The partition as this Iceberg snapshot had it." default:"0" placeholder:"ID"`
	Overwrite   bool   `help:"Replace files of another source, or of another state of it."`
	BatchSize   int    `help:"Rows read at once." default:"10000"`
	DryRun      bool   `help:"Print the mapping; write nothing."`
}

func (c *sqliteCmd) run(ctx context.Context, f *flags, stderr io.Writer) (any, error) {
	if c.RowsPerFile < 1 {
		return nil, fmt.Errorf("restore sqlite: %w: --rows-per-file is %d, want 1 or more", cli.ErrUsage, c.RowsPerFile)
	}
	s := &load.SQLite{Region: f.Region, Version: cli.Version, Log: f.Logger(stderr), Progress: progress.Silent, BatchRows: c.BatchSize}
	if _, err := f.Warehouse.Location(); err == nil { // plain Parquet needs none
		if s.Warehouse, err = f.Warehouse.Open(ctx); err != nil {
			return nil, err
		}
	}
	if !f.Quiet {
		s.Planned = func(r load.SQLiteResult) { printLite(stderr, r) }
		if file, ok := stderr.(*os.File); ok {
			s.Progress = progress.To(file)
		}
	}
	return s.Run(ctx, load.SQLiteRequest{Source: c.SourcePath, Snapshot: c.Snapshot, To: c.To, Table: c.Table,
		RowsPerFile: c.RowsPerFile, Overwrite: c.Overwrite, DryRun: c.DryRun})
}

// printLite shows what goes where before anything is written.
func printLite(w io.Writer, r load.SQLiteResult) {
	fmt.Fprintf(w, "%s (%s) → %s, table %s: %d rows in %d files\n", r.Source, r.Kind, r.Target, r.Table, r.Records, len(r.Files))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, m := range r.Mapping {
		fmt.Fprintf(t, "  %s\t%s\t→ %s\t%s\t%s\n", m.Source, m.SourceType, m.Target, m.TargetType, m.Note)
	}
	t.Flush()
	for _, note := range r.Notes {
		fmt.Fprintln(w, "note:", note)
	}
	if len(r.Ignored) > 0 {
		fmt.Fprintln(w, "no Parquet, ignored:", strings.Join(r.Ignored, ", "))
	}
}
