package main

import (
	"context"
	"io"

	"frostline/archive"
	"frostline/iceberg"
	"frostline/parquetio"
	"frostline/postgres"
)

// archiveCmd archives one partition, or the old ones, or a day's rows.
type archiveCmd struct {
	Table           string   `help:"Table to archive from." required:""`
	Schema          string   `help:"Its schema." default:"public"`
	PartitionColumn string   `help:"Column of the partition key, or of a date export; it also names the archive path."`
	PartitionValue  string   `help:"Value that names the partition: a value of the column, a period such as 2024-01, the partition's name, or its bounds: [2024-01-01,2024-02-01)."`
	BatchSize       int      `help:"Rows decoded at once." default:"20480"`
	Workers         int      `help:"COPY streams at once; 0 is the number of cores, 4 at most." default:"0"`
	FileSize        int64    `help:"Size of a data file in MiB." default:"200"`
	Compatible      bool     `help:"Encodings that older Parquet readers know."`
	SortBy          []string `help:"Columns that order the rows in the files: better pruning, and the server sorts."`
	Bloom           []string `help:"Columns whose row groups get a Bloom filter: a query for one value skips those that lack it."`
	MaxRate         float64  `help:"MiB a second taken from the server at most; 0 is no limit." default:"0"`
	Retire          string   `help:"After the proof: detach the partition, or detach and drop it." enum:"none,detach,drop" default:"none"`
	Replace         bool     `help:"Swap an archived partition that differs from the source."`
	DryRun          bool     `help:"Show the plan and its SQL; change nothing."`
	kinds
	reports
}

func (c *archiveCmd) run(ctx context.Context, f *flags, stderr io.Writer) (_ any, err error) {
	told := c.begin(f, stderr)
	defer func() {
		if !c.DryRun {
			told.end(ctx, c.Schema+"."+c.Table, iceberg.PartitionName(c.PartitionColumn, c.PartitionValue), err)
		}
	}()
	if err := c.check(); err != nil {
		return nil, err
	}
	a, close, err := f.archiver(ctx, stderr)
	if err != nil {
		return nil, err
	}
	defer close()
	if err := c.watch(a, told); err != nil {
		return nil, err
	}
	a.Workers, a.FileBytes, a.BatchRows = c.Workers, c.FileSize<<20, c.BatchSize
	a.SortBy, a.MaxRate = c.SortBy, int64(c.MaxRate*(1<<20))
	a.Layout = parquetio.WriteOptions{Compatible: c.Compatible, Bloom: c.Bloom}
	req := archive.Request{Table: postgres.Name{Schema: c.Schema, Table: c.Table}, Column: c.PartitionColumn, Value: c.PartitionValue}
	if c.Mode != "" || c.Date != "" {
		if req, err = c.export(req.Table); err != nil {
			return nil, err
		}
	}
	req.Replace, req.DryRun = c.Replace, c.DryRun
	if c.Retire != "none" {
		req.Retire = archive.Retire(c.Retire)
	}
	if c.OlderThan != "" {
		return c.older(ctx, a, req)
	}
	return a.Run(ctx, req)
}
