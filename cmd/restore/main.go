// Command restore brings an archived partition back into PostgreSQL, proven equal, and attaches it.
package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"frostline/iceberg"
	"frostline/internal/cli"
	"frostline/internal/progress"
	"frostline/postgres"
	"frostline/restore"
	fsql "frostline/sql"
)

type flags struct {
	Run        restoreFlags     `cmd:"" default:"withargs" help:"Restore one partition (the default command)."`
	InstallSQL installFlags     `cmd:"" name:"install-sql" help:"Install the SQL routines, or print them."`
	Version    kong.VersionFlag `help:"Print the version."`

	cli.Server    `embed:"" group:"PostgreSQL"`
	cli.Warehouse `embed:"" group:"Warehouse"`
	cli.Log       `embed:"" group:"Output"`
}

type restoreFlags struct {
	SourcePath   string `help:"Archive path: s3://bucket/prefix/schema/table/column=value." required:""`
	TargetTable  string `help:"Staging table; with --attach it has a default."`
	TargetSchema string `help:"Its schema; without it, that of the archived partition."`
	BatchSize    int    `help:"Rows encoded at once." default:"10000"`
	Workers      int    `help:"COPY streams at once; 0 is the number of cores, 8 at most." default:"0"`
	NoCreate     bool   `help:"The staging table exists, is empty and matches."`
	Unlogged     bool   `help:"Create the staging table UNLOGGED."`
	Attach       bool   `help:"Go on: indexes, constraints, and attach to the partitioned table."`
	DryRun       bool   `help:"Show the plan and its SQL; change nothing."`
}

type installFlags struct {
	Schema string `help:"Schema of the routines." default:"public"`
	Print  bool   `help:"Print the SQL and change nothing."`
}

func main() { cli.Exit(run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var f flags
	k, done, err := cli.Parse(&f, "restore", "Restore an archived partition, proven. Prints one JSON object.", args, stdout)
	if done {
		return cli.OK
	}
	if err == nil {
		if k.Command() == "install-sql" {
			err = f.installSQL(ctx, stdout)
		} else {
			err = f.restore(ctx, stdout, stderr)
		}
	}
	if err != nil {
		return cli.Fail(stderr, err, exitCode(err))
	}
	return cli.OK
}

func (f *flags) restore(ctx context.Context, stdout, stderr io.Writer) error {
	store, err := f.Warehouse.Open(ctx)
	if err != nil {
		return err
	}
	db, err := f.Server.Open(ctx, "frostline restore")
	if err != nil {
		return err
	}
	defer db.Close()
	r := &restore.Restorer{
		DB: db, Store: store, Catalog: iceberg.NewCatalog(store), Log: f.Logger(stderr), Progress: progress.Silent,
		Workers: f.Run.Workers, BatchRows: f.Run.BatchSize,
	}
	if file, ok := stderr.(*os.File); ok && !f.Quiet {
		r.Progress = progress.To(file)
	}
	res, err := r.Run(ctx, restore.Request{
		SourcePath: f.Run.SourcePath, Target: postgres.Name{Schema: f.Run.TargetSchema, Table: f.Run.TargetTable},
		NoCreate: f.Run.NoCreate, Unlogged: f.Run.Unlogged, Attach: f.Run.Attach, DryRun: f.Run.DryRun,
	})
	if err != nil {
		return err
	}
	return cli.PrintJSON(stdout, res)
}

func (f *flags) installSQL(ctx context.Context, stdout io.Writer) error {
	script := fsql.Install(f.InstallSQL.Schema)
	if f.InstallSQL.Print {
		_, err := io.WriteString(stdout, script)
		return err
	}
	db, err := f.Server.Open(ctx, "frostline restore install-sql")
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Exec(ctx, "install the SQL routines", script); err != nil {
		return err
	}
	return cli.PrintJSON(stdout, map[string]any{"status": "success", "schema": f.InstallSQL.Schema, "routines": fsql.Routines})
}

func exitCode(err error) int {
	switch {
	case errors.Is(err, restore.ErrBadInput):
		return cli.Usage
	case errors.Is(err, restore.ErrProof):
		return cli.Unproven
	case errors.Is(err, restore.ErrExists), errors.Is(err, restore.ErrMismatch), errors.Is(err, restore.ErrBusy):
		return cli.Conflict
	}
	return cli.ExitCode(err)
}
