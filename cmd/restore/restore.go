package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"frostline/internal/cli"
	"frostline/postgres"
	"frostline/restore"
)

// restoreCmd restores one partition, or several of a table.
type restoreCmd struct {
	SourcePath       string   `help:"Archive path: s3://bucket/prefix/schema/table/column=value; for several partitions the table's: s3://bucket/prefix/schema/table." required:""`
	FromPartition    string   `help:"First value of a range of partitions, such as 2024-01."`
	ToPartition      string   `help:"Last value of it, which belongs to it."`
	Partitions       []string `help:"Values of several partitions."`
	Jobs             int      `help:"Partitions at once, 12 at most. They share the workers; tables are made, attached and migrated one after the other." default:"1"`
	Snapshot         int64    `help:"Restore the partition as this Iceberg snapshot had it." default:"0" placeholder:"ID"`
	TargetTable      string   `help:"Staging table; with --attach it has a default. For several partitions, what their names begin with."`
	TargetSchema     string   `help:"Its schema; without it, that of the archived partition."`
	TargetTablespace string   `help:"Its tablespace; without it, that of the archived partition where the server has it."`
	BatchSize        int      `help:"Rows encoded at once." default:"10000"`
	Workers          int      `help:"COPY streams at once; 0 is the number of cores, 8 at most." default:"0"`
	NoCreate         bool     `help:"The staging table exists, is empty and matches."`
	Unlogged         bool     `help:"Create the staging table UNLOGGED."`
	Attach           bool     `help:"Go on: indexes, constraints, and attach to the partitioned table."`
	To               string   `help:"How far to go: a staging table, attach (the same as --attach), or migrate: copy the rows into the live table where attaching is not possible, in batches, and prove them there." enum:",staging,attach,migrate" default:""`
	IntoTable        string   `help:"With --to migrate: the live table; without it, the archived one."`
	IntoSchema       string   `help:"Its schema."`
	OnConflict       string   `help:"With --to migrate: what becomes of rows whose primary key the live table has: error, skip (the live row stays) or overwrite." enum:"error,skip,overwrite" default:"error"`
	ReplaceExisting  bool     `help:"With --attach: detach and rename what is in the way, to <name>_old_<time>. It is never dropped."`
	DryRun           bool     `help:"Show the plan and its SQL; change nothing."`

	cli.Memory `embed:""`
}

func (c *restoreCmd) run(ctx context.Context, f *flags, stderr io.Writer) (any, error) {
	if c.To != "migrate" && c.IntoTable+c.IntoSchema != "" {
		return nil, fmt.Errorf("restore: %w: --into-table and --into-schema are for --to migrate", cli.ErrUsage)
	}
	r, close, err := f.restorer(ctx, stderr)
	if err != nil {
		return nil, err
	}
	defer close()
	c.Limit()
	r.Workers, r.BatchRows = c.Workers, c.BatchSize
	if cores := shareCores(r.DB); r.Workers == 0 {
		r.Workers = cores
	}
	req := restore.Request{
		SourcePath: c.SourcePath, Target: postgres.Name{Schema: c.TargetSchema, Table: c.TargetTable}, Snapshot: c.Snapshot,
		NoCreate: c.NoCreate, Unlogged: c.Unlogged, Tablespace: c.TargetTablespace, Attach: c.Attach, Replace: c.ReplaceExisting, DryRun: c.DryRun,
	}
	switch c.To {
	case "migrate":
		req.Migrate, req.Into = true, postgres.Name{Schema: c.IntoSchema, Table: c.IntoTable}
	case "attach":
		req.Attach = true
	case "staging":
		if c.Attach {
			return nil, fmt.Errorf("restore: %w: --to staging and --attach", cli.ErrUsage)
		}
	}
	if c.OnConflict != "error" {
		req.OnConflict = restore.OnConflict(c.OnConflict)
	}
	if c.FromPartition == "" && c.ToPartition == "" && len(c.Partitions) == 0 {
		if c.Jobs > 1 {
			return nil, fmt.Errorf("restore: %w: --jobs is for several partitions: --from-partition, --to-partition or --partitions", cli.ErrUsage)
		}
		return r.Run(ctx, req)
	}
	b, err := r.Many(ctx, restore.ManyRequest{Request: req, From: c.FromPartition, To: c.ToPartition, Partitions: c.Partitions, Jobs: c.Jobs})
	if err != nil {
		return nil, err
	}
	return several{b}, nil
}

// several is the result of several runs. It is printed also when some failed, and the exit code is then that of the worst.
type several struct{ restore.Batch }

func (s several) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := cli.PrintJSON(&b, s.Batch)
	return b.Bytes(), err
}

// gravest are the exit codes from the worst on.
var gravest = []int{
	cli.Unproven, cli.Damaged, cli.Unknown, cli.Interrupted, cli.Internal, cli.NoConditional, cli.NoStore, cli.NoServer,
	cli.Privilege, cli.LockTimeout, cli.Conflict, cli.NotFound, cli.Usage,
}

// Err is the worst failure.
func (s several) Err() error {
	failures := s.Failures()
	if len(failures) == 0 {
		return nil
	}
	worst := slices.MinFunc(failures, func(a, b error) int {
		return slices.Index(gravest, exitCode(a)) - slices.Index(gravest, exitCode(b))
	})
	if len(failures) == 1 {
		return worst
	}
	return fmt.Errorf("%d partitions were not restored, the worst: %w", len(failures), worst)
}
