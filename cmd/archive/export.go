package main

import (
	"context"
	"fmt"
	"time"

	"frostline/archive"
	"frostline/internal/cli"
	"frostline/postgres"
)

// kinds are the flags of the default command that make it something else than one partition.
type kinds struct {
	OlderThan       string `help:"All partitions older than this, instead of one: '24 months', 90d." placeholder:"AGE"`
	Jobs            int    `help:"With --older-than: partitions at once." default:"1"`
	Verify          bool   `help:"With --older-than: prove also what is archived already; retiring always does."`
	IncludeRestored bool   `help:"With --older-than: retire also partitions that were restored since they were archived, and have not changed."`
	Mode            string `help:"A date export: one day of --partition-column (incremental), or the whole table (full)." enum:",incremental,full" default:""`
	Date            string `help:"Day of a date export; default yesterday (UTC), and today for a full one." placeholder:"2025-12-22"`
}

// check refuses flags that have no meaning together.
func (c *archiveCmd) check() error {
	older, export := c.OlderThan != "", c.Mode != "" || c.Date != ""
	var why string
	switch {
	case older && export:
		why = "--older-than takes partitions, --mode and --date export rows: use one of them"
	case (older || export) && c.PartitionValue != "":
		why = "--partition-value names one partition: it does not go with --older-than, --mode and --date"
	case !older && c.Jobs != 1:
		why = "--jobs is for --older-than; one partition has --workers"
	case !older && c.IncludeRestored:
		why = "--include-restored is for --older-than; a run of one partition takes what it names"
	case !older && c.Verify:
		why = "--verify is for --older-than; a run of one partition always proves it"
	}
	if why != "" {
		return fmt.Errorf("archive: %w: %s", cli.ErrUsage, why)
	}
	return nil
}

// older archives the partitions of an age.
func (c *archiveCmd) older(ctx context.Context, a *archive.Archiver, req archive.Request) (any, error) {
	batch, err := a.Older(ctx, archive.OlderRequest{
		Table: req.Table, Column: req.Column, OlderThan: c.OlderThan,
		Retire: req.Retire, Replace: req.Replace, Verify: c.Verify, IncludeRestored: c.IncludeRestored, DryRun: req.DryRun,
	}, c.Jobs)
	if err != nil {
		return nil, err
	}
	return several{batch, batch.Failures()}, nil
}

// export turns a request into that of a date export. --date alone means an incremental one.
func (c *archiveCmd) export(table postgres.Name) (req archive.Request, err error) {
	mode := archive.Export(c.Mode)
	if mode == "" {
		mode = archive.Incremental
	}
	date, err := dateFlag(c.Date)
	if err != nil {
		return req, err
	}
	return archive.ExportRequest(table, mode, c.PartitionColumn, date, time.Now())
}
