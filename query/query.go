// Package query answers filtered queries over the archive: it binds a request to a table's
// columns, prunes by partition, file, row group (statistics, then Bloom
// filters) and page, evaluates the filter on what is left,
// and reads only the selected rows of the projected columns.
//
// Contract:
//   - The answer is that of the table's current snapshot, wholly: a file that cannot be read fails
//     the query and never makes it return fewer rows.
//   - Rows come in one stable order (partition name, file location, row in the file), so pages cut
//     by offset and limit neither overlap nor leave a gap while the table does not change.
//   - Pruning only skips what is proven: unknown statistics keep the data.
//   - Memory is bounded by the limit, [Options.MaxResultBytes] and the workers, not by the files.
//   - Every error is an [*Error] with a code. A cancelled context ends a query promptly.
//
// An Engine may be used by many goroutines. It writes nothing.
package query

import (
	"context"
	"math"
	"runtime"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/internal/lru"
	"frostline/objstore"
	"frostline/parquetio"
)

// Options tune an Engine; zero fields take the defaults.
type Options struct {
	Workers        int           // row groups worked on at once in one query; default GOMAXPROCS
	Queries        int           // queries running at once, others wait; default 16
	MaxLimit       int64         // largest limit of a request; default 100 000
	MaxResultBytes int64         // decoded rows of one result; default 256 MiB
	Timeout        time.Duration // of one query, waiting included; default 300 s
	CacheFiles     int           // footers kept; default 4096
	CacheBytes     int64         // estimated memory of the kept footers; default 128 MiB
	BloomBytes     int64         // kept Bloom filters; default 64 MiB
}

// Engine answers queries over one warehouse.
type Engine struct {
	catalog *iceberg.Catalog
	store   objstore.Store
	opt     Options
	slots   chan struct{}
	footers *footerCache
	blooms  *bloomCache
	schemas *schemaCache
}

// New is an engine over the warehouse that catalog and store share.
func New(catalog *iceberg.Catalog, store objstore.Store, o Options) *Engine {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Queries <= 0 {
		o.Queries = 16
	}
	if o.MaxLimit <= 0 {
		o.MaxLimit = 100_000
	}
	if o.MaxResultBytes <= 0 {
		o.MaxResultBytes = 256 << 20
	}
	if o.Timeout <= 0 {
		o.Timeout = 300 * time.Second
	}
	if o.CacheFiles <= 0 {
		o.CacheFiles = 4096
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = 128 << 20
	}
	if o.BloomBytes <= 0 {
		o.BloomBytes = 64 << 20
	}
	return &Engine{
		catalog: catalog,
		store:   store,
		opt:     o,
		slots:   make(chan struct{}, o.Queries),
		footers: lru.New[footerKey, *parquetio.File](o.CacheFiles, o.CacheBytes),
		blooms:  lru.New[bloomKey, parquetio.Filter](math.MaxInt, o.BloomBytes),
		schemas: newSchemaCache(),
	}
}

// Count says whether the total is wanted.
type Count uint8

// CountExact counts every matching row. CountNone stops once the page is full.
const (
	CountExact Count = iota
	CountNone
)

// Request is one query.
type Request struct {
	Path       string         // an archive path or a table's location: "s3://bucket/prefix/schema/table[/column=value]"
	Columns    []string       // PostgreSQL's names, in the order wanted; empty is all
	Filters    map[string]any // as predicate.FromFilters takes them
	Expression string         // as predicate.Parse takes it; "" is true
	Limit      int64          // rows to return, 0 to only count
	Offset     int64          // matching rows before the page
	Count      Count
	NoPrune    bool // read and evaluate everything: the oracle of pruning in tests and benchmarks
}

// Result is the answer. The caller releases it.
type Result struct {
	Path     string           // the absolute location that was queried
	Columns  []coltype.Column // of every batch, in the order asked
	Batches  []arrow.RecordBatch
	Rows     int64 // in Batches
	Matched  int64 // rows for which the filter is true; valid when Counted
	Counted  bool  // false when the query stopped before it had seen everything
	Scanned  int64 // rows whose values were looked at: evaluated by the filter, or returned without that
	Snapshot int64 // the Iceberg snapshot that was read, 0 for a table that never had one
	Pruning  Pruning
	Warnings []string // columns that are NULL in a partition where they had another type
	Elapsed  time.Duration
}

// Exact is the side column of batch b (map<string,string>, column name → exact text), or nil.
func (r *Result) Exact(b arrow.RecordBatch) arrow.Array {
	if int(b.NumCols()) > len(r.Columns) {
		return b.Column(len(r.Columns))
	}
	return nil
}

// Release gives the batches back.
func (r *Result) Release() {
	for _, b := range r.Batches {
		b.Release()
	}
	r.Batches = nil
}

// Level counts the parts of one level and those of them that were not read: proven to hold no
// matching row, proven to match wholly where only their number was needed, or not reached.
type Level struct {
	Total   int64 `json:"total"`
	Skipped int64 `json:"skipped"`
}

// Pruning is what was skipped and what reading cost.
type Pruning struct {
	Partitions Level `json:"partitions"` // of the path asked for; read is: one of its files was opened
	Files      Level `json:"files"`      // of all those partitions; read is: opened, the footer at least
	RowGroups  Level `json:"rowGroups"`  // of the opened files; read is: data pages were read
	// BloomSkipped are the row groups among RowGroups.Skipped that statistics alone would have kept:
	// Bloom filters have shown that they hold no matching row.
	BloomSkipped int64 `json:"bloomSkipped"`
	// Pages are the data pages of the filter's columns in the row groups that statistics could not
	// decide; read is: decoded to evaluate the filter.
	Pages     Level `json:"pages"`
	PagesRead int64 `json:"pagesRead"` // data pages decoded, of the filter's and of the returned columns
	BytesRead int64 `json:"bytesRead"` // asked of the store for data files, footers included
	Requests  int64 `json:"requests"`  // reads asked of the store for data files
}

// Query answers r.
func (e *Engine) Query(ctx context.Context, r Request) (*Result, error) {
	start := time.Now()
	if err := e.check(r); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, e.opt.Timeout)
	defer cancel()
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return nil, e.failed(ctx, r.Path, ctx.Err())
	}
	t, err := e.open(ctx, r.Path)
	if err != nil {
		return nil, e.failed(ctx, r.Path, err)
	}
	p, err := e.plan(ctx, t, r)
	if err != nil {
		return nil, e.failed(ctx, r.Path, err)
	}
	res, err := e.scan(ctx, p, r)
	if err != nil {
		return nil, e.failed(ctx, r.Path, err)
	}
	res.Path = t.location
	res.Snapshot = t.table.SnapshotID()
	res.Elapsed = time.Since(start)
	return res, nil
}

// check refuses limits out of range.
func (e *Engine) check(r Request) error {
	switch {
	case r.Limit < 0:
		return badRequest("bad_limit", "limit", "", "limit %d is negative", r.Limit)
	case r.Limit > e.opt.MaxLimit:
		return badRequest("bad_limit", "limit", "ask for pages with offset, or filter more",
			"limit %d is above the largest allowed, %d", r.Limit, e.opt.MaxLimit)
	case r.Offset < 0:
		return badRequest("bad_offset", "offset", "", "offset %d is negative", r.Offset)
	case r.Offset > 1<<62:
		return badRequest("bad_offset", "offset", "", "offset %d is too large", r.Offset)
	}
	return nil
}

// Ready shows that the warehouse can be reached.
func (e *Engine) Ready(ctx context.Context) error {
	for _, err := range e.store.List(ctx, readyPrefix) {
		return e.failed(ctx, e.store.Root(), err)
	}
	return nil
}

// readyPrefix is a prefix that nothing stands under: a listing of it is one cheap request.
const readyPrefix = "ready/"
