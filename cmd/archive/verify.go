package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"frostline/archive"
	"frostline/internal/cli"
)

// verifyCmd proves what is archived against its records. It needs no server.
type verifyCmd struct {
	scope
	Quick   bool   `help:"Look at sizes and ETags only; read no data."`
	Sample  string `help:"Share of the partitions: 10% or 0.1." placeholder:"SHARE"`
	Seed    uint32 `help:"Draw the sample that an earlier run printed this seed of; 0 draws another." default:"0"`
	Thawed  bool   `help:"Read objects in archival storage classes too: temporary copies have been restored."`
	Workers int    `help:"Files read at once; 0 is the number of cores, 4 at most." default:"0"`
}

func (c *verifyCmd) run(ctx context.Context, f *flags, stderr io.Writer) (any, error) {
	share, err := parseShare(c.Sample)
	if err != nil {
		return nil, err
	}
	a, err := f.warehouse(ctx, stderr)
	if err != nil {
		return nil, err
	}
	a.Workers = c.Workers
	res, err := a.Check(ctx, archive.CheckRequest{Scope: c.selection(), Quick: c.Quick, Sample: share, Seed: c.Seed, Thawed: c.Thawed})
	if res == nil {
		return nil, err
	}
	return res, nil
}

// parseShare reads 10% or 0.1; "" is all.
func parseShare(s string) (float64, error) {
	if s == "" {
		return 1, nil
	}
	number, percent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v > 0 && v <= 1) {
		return 0, fmt.Errorf("%w: --sample %q: want a share of the partitions such as 10%% or 0.1", cli.ErrUsage, s)
	}
	return v, nil
}
