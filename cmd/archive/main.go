// Command archive moves one partition of a PostgreSQL table to its Iceberg table, and proves the copy.
package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"frostline/archive"
	"frostline/iceberg"
	"frostline/internal/cli"
	"frostline/internal/progress"
	"frostline/postgres"
)

// flags are the command line: one field a command, each in a file of its own, and what they share.
type flags struct {
	Archive  archiveCmd       `cmd:"" default:"withargs" help:"Archive one partition, the old ones, or a day (the default command)."`
	Plan     planCmd          `cmd:"" help:"Show what archiving one partition would do, and what stands in the way; change nothing."`
	Run      runCmd           `cmd:"" help:"Archive and export what a policy file says."`
	List     listCmd          `cmd:"" help:"List what is archived, from the warehouse alone."`
	Show     showCmd          `cmd:"" help:"Show the record of an archived partition, from the warehouse alone."`
	Verify   verifyCmd        `cmd:"" help:"Prove what is archived against its records, from the warehouse alone."`
	GC       gcCmd            `cmd:"" name:"gc" help:"List, or with --delete remove, what killed runs have left in the warehouse."`
	Estimate estimateCmd      `cmd:"" help:"Estimate bytes and monthly cost before and after archiving."`
	Version  kong.VersionFlag `help:"Print the version."`

	cli.Server    `embed:"" group:"PostgreSQL"`
	cli.Warehouse `embed:"" group:"Warehouse"`
	cli.Log       `embed:"" group:"Output"`
	cli.Memory    `embed:""`
}

// command is what every field of flags can do. Its result is printed as JSON on stdout.
type command interface {
	run(ctx context.Context, f *flags, stderr io.Writer) (result any, err error)
}

func main() { cli.Exit(run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var f flags
	k, done, err := cli.Parse(&f, "archive", "Archive partitions to Iceberg, proven. Prints one JSON object.", args, stdout)
	if done {
		return cli.OK
	}
	var result any
	if err == nil {
		f.Limit()
		result, err = k.Selected().Target.Addr().Interface().(command).run(ctx, &f, stderr)
	}
	if err == nil {
		if text, ok := result.(recordText); ok {
			err = text.print(stdout)
		} else {
			err = cli.PrintJSON(stdout, result)
		}
	}
	if r, ok := result.(interface{ Err() error }); ok && err == nil {
		err = r.Err() // a plan is shown also when it is blocked, findings with what they mean
	}
	if err != nil {
		return cli.Fail(stderr, err, exitCode(err))
	}
	return cli.OK
}

// warehouse opens the warehouse alone.
func (f *flags) warehouse(ctx context.Context, stderr io.Writer) (*archive.Archiver, error) {
	store, err := f.Warehouse.Open(ctx)
	if err != nil {
		return nil, err
	}
	a := &archive.Archiver{
		Store: store, Catalog: iceberg.NewCatalog(store), Log: f.Logger(stderr), Progress: progress.Silent, Version: cli.Version,
	}
	if file, ok := stderr.(*os.File); ok && !f.Quiet {
		a.Progress = progress.To(file)
	}
	return a, nil
}

// archiver opens the warehouse and the server. close ends the connections.
func (f *flags) archiver(ctx context.Context, stderr io.Writer) (a *archive.Archiver, close func(), err error) {
	if a, err = f.warehouse(ctx, stderr); err != nil {
		return nil, nil, err
	}
	if a.DB, err = f.Server.Open(ctx, "frostline archive"); err != nil {
		return nil, nil, err
	}
	return a, a.DB.Close, nil
}

func exitCode(err error) int {
	switch {
	case errors.Is(err, iceberg.ErrUnknownOutcome):
		return cli.Unknown
	case errors.Is(err, archive.ErrBadInput), errors.Is(err, archive.ErrNotRetire):
		return cli.Usage
	case errors.Is(err, archive.ErrProof):
		return cli.Unproven
	case errors.Is(err, postgres.ErrPrivilege):
		return cli.Privilege
	case errors.Is(err, archive.ErrDiffers), errors.Is(err, archive.ErrBusy), errors.Is(err, archive.ErrBlocked), errors.Is(err, postgres.ErrHalfDetached):
		return cli.Conflict
	}
	return cli.ExitCode(err)
}
