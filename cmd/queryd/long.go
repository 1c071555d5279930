package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"frostline/internal/cli"
	"frostline/internal/restio"
	"frostline/objstore"
	"frostline/query"
	"frostline/rest"
)

// long are the flags of long queries.
type long struct {
	Results     string        `help:"Where results are kept: file:///folder or s3://bucket/prefix, or none. The default is the folder _queries of the warehouse." placeholder:"URL" env:"QUERYD_LONG_RESULTS"`
	Running     int           `help:"Long queries that run at once." default:"2"`
	Queued      int           `help:"Long queries that may wait; more are refused." default:"100"`
	Timeout     time.Duration `help:"Longest execution of one." default:"300s"`
	Retention   time.Duration `help:"How long a result is kept." default:"24h"`
	ResultBytes int64         `help:"Largest result, as JSON Lines." default:"1073741824"`
	Kept        int           `help:"Long queries that are kept with their results." default:"1000"`
}

func (l long) options(ctx context.Context, listen string, warehouse objstore.Store) (rest.LongOptions, error) {
	if l.Running <= 0 || l.Queued <= 0 || l.Timeout <= 0 || l.Retention <= 0 || l.ResultBytes <= 0 || l.Kept <= 0 {
		return rest.LongOptions{}, fmt.Errorf("%w: --long-running, --long-queued, --long-timeout, --long-retention, --long-result-bytes and --long-kept must be above 0", cli.ErrUsage)
	}
	host, err := os.Hostname()
	if err != nil {
		return rest.LongOptions{}, fmt.Errorf("name of this host: %w", err)
	}
	o := rest.LongOptions{Instance: host + " " + listen, Running: l.Running, Queued: l.Queued, Timeout: l.Timeout, Retention: l.Retention,
		ResultBytes: l.ResultBytes, Kept: l.Kept}
	switch l.Results {
	case "none":
	case "":
		o.Folder = restio.Folder{Store: warehouse, Prefix: restio.Warehouse}
	default:
		store, err := objstore.Open(ctx, strings.TrimRight(l.Results, "/"), objstore.Options{})
		if err != nil {
			return rest.LongOptions{}, fmt.Errorf("%w: --long-results: %w", cli.ErrUsage, err)
		}
		o.Folder = restio.Folder{Store: store}
	}
	return o, nil
}

// limits are those of the engine that runs long queries beside the one that has o: its own time and slots, and a third of the
// memory that the other one has.
func (l long) limits(o query.Options) query.Options {
	o.Timeout = l.Timeout + time.Minute // rest ends a query at l.Timeout, and says so
	o.Queries, o.Queue = l.Running, -1
	o.MemoryBytes /= 3
	o.CacheFiles, o.CacheBytes, o.BloomBytes = 1024, 32<<20, 16<<20
	return o
}
