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
	"frostline/parquetio"
	"frostline/postgres"
)

type flags struct {
	Table           string           `help:"Table to archive from." required:""`
	Schema          string           `help:"Its schema." default:"public"`
	PartitionColumn string           `help:"Column of the partition key; it also names the archive path." required:""`
	PartitionValue  string           `help:"Value that names the partition: a value of the column, a period such as 2024-01, or the partition's name." required:""`
	BatchSize       int              `help:"Rows decoded at once." default:"20480"`
	Workers         int              `help:"COPY streams at once; 0 is the number of cores, 4 at most." default:"0"`
	FileSize        int64            `help:"Size of a data file in MiB." default:"200"`
	Compatible      bool             `help:"Encodings that older Parquet readers know."`
	Retire          string           `help:"After the proof: detach the partition, or detach and drop it." enum:"none,detach,drop" default:"none"`
	Replace         bool             `help:"Swap an archived partition that differs from the source."`
	DryRun          bool             `help:"Show the plan and its SQL; change nothing."`
	Version         kong.VersionFlag `help:"Print the version."`

	cli.Server    `embed:"" group:"PostgreSQL"`
	cli.Warehouse `embed:"" group:"Warehouse"`
	cli.Log       `embed:"" group:"Output"`
}

func main() { cli.Exit(run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var f flags
	_, done, err := cli.Parse(&f, "archive", "Archive one partition to Iceberg, proven. Prints one JSON object.", args, stdout)
	if done {
		return cli.OK
	}
	var res archive.Result
	if err == nil {
		res, err = f.archive(ctx, stderr)
	}
	if err == nil {
		err = cli.PrintJSON(stdout, res)
	}
	if err != nil {
		return cli.Fail(stderr, err, exitCode(err))
	}
	return cli.OK
}

func (f *flags) archive(ctx context.Context, stderr io.Writer) (archive.Result, error) {
	store, err := f.Warehouse.Open(ctx)
	if err != nil {
		return archive.Result{}, err
	}
	db, err := f.Server.Open(ctx, "frostline archive")
	if err != nil {
		return archive.Result{}, err
	}
	defer db.Close()
	a := &archive.Archiver{
		DB: db, Store: store, Catalog: iceberg.NewCatalog(store), Log: f.Logger(stderr), Progress: progress.Silent,
		Workers: f.Workers, FileBytes: f.FileSize << 20, BatchRows: f.BatchSize,
		Layout: parquetio.WriteOptions{Compatible: f.Compatible}, Version: cli.Version,
	}
	if file, ok := stderr.(*os.File); ok && !f.Quiet {
		a.Progress = progress.To(file)
	}
	req := archive.Request{
		Table:  postgres.Name{Schema: f.Schema, Table: f.Table},
		Column: f.PartitionColumn, Value: f.PartitionValue,
		Replace: f.Replace, DryRun: f.DryRun,
	}
	if f.Retire != "none" {
		req.Retire = archive.Retire(f.Retire)
	}
	return a.Run(ctx, req)
}

func exitCode(err error) int {
	switch {
	case errors.Is(err, iceberg.ErrUnknownOutcome):
		return cli.Unknown
	case errors.Is(err, archive.ErrBadInput), errors.Is(err, archive.ErrNotRetire):
		return cli.Usage
	case errors.Is(err, archive.ErrProof):
		return cli.Unproven
	case errors.Is(err, archive.ErrDiffers), errors.Is(err, archive.ErrBusy):
		return cli.Conflict
	}
	return cli.ExitCode(err)
}
