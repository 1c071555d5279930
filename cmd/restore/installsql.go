package main

import (
	"context"
	"io"

	fsql "frostline/sql"
)

// installCmd installs the SQL routines or drops them, or prints how.
type installCmd struct {
	Schema    string `help:"Schema of the routines." default:"public"`
	Uninstall bool   `help:"Drop the routines of any version from the schema, and nothing else."`
	Print     bool   `help:"Print the SQL, for change control; connect to nothing."`
}

func (c *installCmd) run(ctx context.Context, f *flags, _ io.Writer) (any, error) {
	script, op := fsql.Install(c.Schema), "install the SQL routines"
	result := map[string]any{"status": "success", "schema": c.Schema, "routines": fsql.Routines, "version": fsql.Version}
	if c.Uninstall {
		script, op = fsql.Uninstall(c.Schema), "drop the SQL routines"
		result = map[string]any{"status": "success", "schema": c.Schema, "action": "uninstalled"}
	}
	if c.Print {
		return text(script), nil
	}
	db, err := f.Server.Open(ctx, "frostline restore install-sql")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if err := db.Exec(ctx, op, script); err != nil {
		return nil, err
	}
	return result, nil
}
