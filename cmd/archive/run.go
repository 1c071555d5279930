package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"frostline/archive"
	"frostline/internal/cli"
)

// runCmd runs a policy file: what cron, a Kubernetes CronJob or a GitHub Action calls.
type runCmd struct {
	Policy string   `help:"Policy file (docs/operations/policy.md)." required:"" placeholder:"FILE"`
	Only   []string `help:"Only these tables of it: schema.table, or patterns." placeholder:"SCHEMA.TABLE"`
	Date   string   `help:"Day of the date exports; default yesterday (UTC), and today for full ones." placeholder:"2025-12-22"`
	Jobs   int      `help:"Partitions at once; 0 is what the policy says." default:"0"`
	DryRun bool     `help:"Show the plan and its SQL; change nothing."`
	reports
}

func (c *runCmd) run(ctx context.Context, f *flags, stderr io.Writer) (_ any, err error) {
	told := c.begin(f, stderr)
	defer func() {
		if !c.DryRun {
			told.end(ctx, "policy", c.Policy, err)
		}
	}()
	policy, err := archive.ReadPolicy(c.Policy)
	if err != nil {
		return nil, err
	}
	date, err := dateFlag(c.Date)
	if err != nil {
		return nil, err
	}
	if f.Warehouse.Warehouse == "" && f.Bucket == "" {
		f.Warehouse.Warehouse = policy.Warehouse
	}
	a, close, err := f.archiver(ctx, stderr)
	if err != nil {
		return nil, err
	}
	defer close()
	if err := c.watch(a, told); err != nil {
		return nil, err
	}
	res, err := a.RunPolicy(ctx, archive.PolicyRun{Policy: policy, Only: c.Only, Date: date, Jobs: c.Jobs, DryRun: c.DryRun})
	if err != nil {
		return nil, err
	}
	return several{res, res.Failures()}, nil
}

func dateFlag(s string) (date time.Time, err error) {
	if s == "" {
		return date, nil
	}
	if date, err = time.Parse(time.DateOnly, s); err != nil {
		return date, fmt.Errorf("%w: --date %q is not a day such as 2025-12-22", cli.ErrUsage, s)
	}
	return date, nil
}

// several is the result of several runs. It is printed also when some failed, and the exit code is then that of the worst.
type several struct {
	result   any
	failures []error
}

func (s several) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := cli.PrintJSON(&b, s.result)
	return b.Bytes(), err
}

// gravest are the exit codes from the worst on.
var gravest = []int{
	cli.Unproven, cli.Damaged, cli.Unknown, cli.Interrupted, cli.Internal, cli.NoConditional, cli.NoStore, cli.NoServer,
	cli.Privilege, cli.LockTimeout, cli.Conflict, cli.NotFound, cli.Usage,
}

// Err is the worst failure.
func (s several) Err() error {
	if len(s.failures) == 0 {
		return nil
	}
	worst := slices.MinFunc(s.failures, func(a, b error) int {
		return slices.Index(gravest, exitCode(a)) - slices.Index(gravest, exitCode(b))
	})
	if len(s.failures) == 1 {
		return worst
	}
	return fmt.Errorf("%d runs failed, the worst: %w", len(s.failures), worst)
}
