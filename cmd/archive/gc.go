package main

import (
	"context"
	"io"
	"time"

	"frostline/archive"
)

// gcCmd removes what killed runs have left in the warehouse. It needs no server.
type gcCmd struct {
	Table  string        `help:"This table only."`
	Schema string        `help:"This schema only; with --table, public when it is not given."`
	MinAge time.Duration `help:"Age below which a run may still be at work, at least 1h: longer than your longest run." default:"24h"`
	Expire time.Duration `name:"expire-snapshots" help:"Also take away snapshots older than this, but for each table's current one, and the files that only they name: those of replaced archives. Restores and queries at those snapshots are then no more." placeholder:"720h"`
	Delete bool          `help:"Remove what the plan lists. Without it the plan is printed and nothing is changed." xor:"act"`
	DryRun bool          `help:"Print the plan; this is the default." xor:"act"`
}

func (c *gcCmd) run(ctx context.Context, f *flags, stderr io.Writer) (any, error) {
	a, err := f.warehouse(ctx, stderr)
	if err != nil {
		return nil, err
	}
	sel := scope{Table: c.Table, Schema: c.Schema}
	res, err := a.GC(ctx, archive.GCRequest{Scope: sel.selection(), MinAge: c.MinAge, Expire: c.Expire, Delete: c.Delete})
	if res == nil {
		return nil, err
	}
	return res, nil
}
