package main

import (
	"context"
	"io"

	fsql "frostline/sql"
)

// installCmd installs the SQL routines, or prints them.
type installCmd struct {
	Schema string `help:"Schema of the routines." default:"public"`
	Print  bool   `help:"Print the SQL and change nothing."`
}

func (c *installCmd) run(ctx context.Context, f *flags, _ io.Writer) (any, error) {
	script := fsql.Install(c.Schema)
	if c.Print {
		return text(script), nil
	}
	db, err := f.Server.Open(ctx, "frostline restore install-sql")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if err := db.Exec(ctx, "install the SQL routines", script); err != nil {
		return nil, err
	}
	return map[string]any{"status": "success", "schema": c.Schema, "routines": fsql.Routines}, nil
}
