package main

import (
	"context"
	"io"

	"frostline/archive"
	"frostline/postgres"
)

// estimateCmd says what archiving would save. The prices are Aurora's and S3 Standard's in eu-west-1 of 2026, in US dollars.
type estimateCmd struct {
	Table           string  `help:"Table whose partitions are estimated." required:""`
	Schema          string  `help:"Its schema." default:"public"`
	OlderThan       string  `help:"Only partitions whose rows are all older, as a PostgreSQL interval: \"24 months\"." placeholder:"AGE"`
	PartitionColumn string  `help:"With --older-than: the date column, where the key does not tell."`
	PriceDB         float64 `name:"price-db" help:"Price of database storage per GB (2^30 bytes) and month." default:"0.11"`
	PriceS3         float64 `name:"price-s3" help:"Price of object storage per GB (2^30 bytes) and month." default:"0.023"`
	PriceRequests   float64 `name:"price-requests" help:"Price of 1000 PUT requests." default:"0.005"`
}

func (c *estimateCmd) run(ctx context.Context, f *flags, stderr io.Writer) (any, error) {
	a, close, err := f.archiver(ctx, stderr)
	if err != nil {
		return nil, err
	}
	defer close()
	res, err := a.Estimate(ctx, archive.EstimateRequest{
		Table: postgres.Name{Schema: c.Schema, Table: c.Table}, Column: c.PartitionColumn, OlderThan: c.OlderThan,
		Prices: archive.Prices{DB: c.PriceDB, S3: c.PriceS3, Put: c.PriceRequests},
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}
