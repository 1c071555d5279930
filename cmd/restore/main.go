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
	"frostline/restore"
)

// flags are the command line: one field a command, each in a file of its own, and what they share.
type flags struct {
	Run        restoreCmd       `cmd:"" default:"withargs" help:"Restore one partition, or several of a table (the default command)."`
	InstallSQL installCmd       `cmd:"" name:"install-sql" help:"Install the SQL routines, or print them."`
	Load       loadCmd          `cmd:"" help:"Load plain Parquet files into a table."`
	SQLite     sqliteCmd        `cmd:"" name:"sqlite" help:"Write an archive, or plain Parquet files, as SQLite files."`
	Version    kong.VersionFlag `help:"Print the version."`

	cli.Server    `embed:"" group:"PostgreSQL"`
	cli.Warehouse `embed:"" group:"Warehouse"`
	cli.Log       `embed:"" group:"Output"`
}

// command is what every field of flags can do. Its result is printed on stdout, as JSON unless it is a text.
type command interface {
	run(ctx context.Context, f *flags, stderr io.Writer) (result any, err error)
}

// text is a result that is printed as it is.
type text string

func main() { cli.Exit(run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var f flags
	k, done, err := cli.Parse(&f, "restore", "Restore archived partitions, proven. Prints one JSON object.", args, stdout)
	if done {
		return cli.OK
	}
	var result any
	if err == nil {
		result, err = k.Selected().Target.Addr().Interface().(command).run(ctx, &f, stderr)
	}
	if err == nil {
		if t, ok := result.(text); ok {
			_, err = io.WriteString(stdout, string(t))
		} else {
			err = cli.PrintJSON(stdout, result)
		}
	}
	if r, ok := result.(interface{ Err() error }); ok && err == nil {
		err = r.Err() // what was restored is shown also when some failed
	}
	if err != nil {
		return cli.Fail(stderr, err, exitCode(err))
	}
	return cli.OK
}

// restorer opens the warehouse and the server. close ends the connections.
func (f *flags) restorer(ctx context.Context, stderr io.Writer) (r *restore.Restorer, close func(), err error) {
	store, err := f.Warehouse.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	db, err := f.Server.Open(ctx, "frostline restore")
	if err != nil {
		return nil, nil, err
	}
	r = &restore.Restorer{DB: db, Store: store, Catalog: iceberg.NewCatalog(store), Log: f.Logger(stderr), Progress: progress.Silent}
	if file, ok := stderr.(*os.File); ok && !f.Quiet {
		r.Progress = progress.To(file)
	}
	return r, db.Close, nil
}

func exitCode(err error) int {
	switch {
	case loadExitCode(err) != 0:
		return loadExitCode(err)
	case errors.Is(err, restore.ErrBadInput):
		return cli.Usage
	case errors.Is(err, restore.ErrProof):
		return cli.Unproven
	case errors.Is(err, restore.ErrExists), errors.Is(err, restore.ErrMismatch), errors.Is(err, restore.ErrBusy):
		return cli.Conflict
	case errors.Is(err, iceberg.ErrNoSnapshot):
		return cli.NotFound
	}
	return cli.ExitCode(err)
}
