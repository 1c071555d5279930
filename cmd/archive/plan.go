package main

import (
	"context"
	"fmt"
	"io"

	"frostline/archive"
	"frostline/postgres"
)

// planCmd shows what a run would do and what stands in its way; it changes nothing. A blocked plan is printed, and ends
// with the exit code of the run that it stands for.
type planCmd struct {
	Table           string `help:"Table to archive from." required:""`
	Schema          string `help:"Its schema." default:"public"`
	PartitionColumn string `help:"Column of the partition key." required:""`
	PartitionValue  string `help:"Value that names the partition, as for archive." required:""`
	Retire          string `help:"Also plan this: detach the partition, or detach and drop it." enum:"none,detach,drop" default:"none"`
}

func (c *planCmd) run(ctx context.Context, f *flags, stderr io.Writer) (any, error) {
	a, close, err := f.archiver(ctx, stderr)
	if err != nil {
		return nil, err
	}
	defer close()
	req := archive.Request{
		Table:  postgres.Name{Schema: c.Schema, Table: c.Table},
		Column: c.PartitionColumn, Value: c.PartitionValue, DryRun: true,
	}
	if c.Retire != "none" {
		req.Retire = archive.Retire(c.Retire)
	}
	res, err := a.Run(ctx, req)
	if err != nil {
		return nil, err
	}
	if !f.Quiet {
		printFindings(stderr, res.Findings)
	}
	return res, nil
}

// printFindings lists findings for people.
func printFindings(w io.Writer, findings []postgres.Finding) {
	for _, f := range findings {
		verdict := string(f.Severity)
		if f.Severity == postgres.Error {
			verdict = "blocks " + f.About
		}
		fmt.Fprintf(w, "%-14s %s: %s\n", verdict, f.Code, f.Object)
		fmt.Fprintf(w, "%14s %s\n", "", f.Means)
		if f.Do != "" {
			fmt.Fprintf(w, "%14s → %s\n", "", f.Do)
		}
	}
	if len(findings) == 0 {
		fmt.Fprintln(w, "nothing stands in the way")
	}
}
