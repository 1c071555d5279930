package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"
	"time"

	"frostline/internal/cli"
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

// resultsPrefix is the folder of the warehouse. No table stands there: below a schema's folder are tables, and no table's name is a
// query's id.
const resultsPrefix = "_queries/"

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
		o.Folder = folder{warehouse, resultsPrefix}
	default:
		store, err := objstore.Open(ctx, strings.TrimRight(l.Results, "/"), objstore.Options{})
		if err != nil {
			return rest.LongOptions{}, fmt.Errorf("%w: --long-results: %w", cli.ErrUsage, err)
		}
		o.Folder = folder{store, ""}
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

// folder is a part of a store as package rest wants it.
type folder struct {
	store  objstore.Store
	prefix string
}

func (f folder) Put(ctx context.Context, name string, r io.Reader) error {
	_, err := f.store.Put(ctx, f.prefix+name, r)
	return err
}

func (f folder) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	r, _, err := f.store.Get(ctx, f.prefix+name)
	if errors.Is(err, objstore.ErrNotExist) {
		err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return r, err
}

func (f folder) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for o, err := range f.store.List(ctx, f.prefix+prefix) {
			if !yield(strings.TrimPrefix(o.Key, f.prefix), err) {
				return
			}
		}
	}
}

func (f folder) Delete(ctx context.Context, names ...string) error {
	keys := make([]string, len(names))
	for i, n := range names {
		keys[i] = f.prefix + n
	}
	return f.store.Delete(ctx, keys...)
}
