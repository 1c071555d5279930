// Package query answers filtered queries over the archive: it binds a request to a table's
// columns, prunes by partition, file, row group (statistics, then Bloom filters) and page, evaluates the filter on what is
// left, and reads only the selected rows of the projected columns. It also aggregates, groups and sorts
// them, streams them, and explains what it would read.
//
// Contract:
//   - The answer is that of one snapshot, the table's current one unless another is asked for, wholly: a file that
//     cannot be read fails the query and never makes it return fewer rows.
//   - Rows come in one stable order (partition name, file location, row in the file), which also decides ties of ORDER
//     BY. Pages cut by offset and limit neither overlap nor leave a gap while the table does not change; pages that go on from
//     a [Position] never do.
//   - Aggregates, groups and order are PostgreSQL's: exact sums, NaN highest, cells of the side column among the others, text by
//     bytes. Only a sum of floats differs, in that it does not depend on the order of addition.
//   - Pruning only skips what is proven: unknown statistics keep the data.
//   - Memory is bounded by [Options.QueryBytes] and [Options.MemoryBytes], not by the files: what does not fit waits or is
//     refused, and nothing is spilled.
//   - What a caller may see is bounded by the [Rights] of the context; see there.
//   - Every error is an [*Error] with a code. A cancelled context ends a query promptly, and it then holds nothing.
//
// An Engine may be used by many goroutines. It writes nothing.
package query

import (
	"context"
	"math"
	"runtime"
	"sync/atomic"
	"time"

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
	CacheBytes     int64         // memory of the kept footers and page indexes; default 128 MiB
	BloomBytes     int64         // kept Bloom filters; default 64 MiB
	Queue          int           // queries that may wait for one of Queries; more are refused as Busy; default 256, below 0 none
	MemoryBytes    int64         // of all queries at once, beside the caches: rows, sort keys, groups, units being read; default 512 MiB
	QueryBytes     int64         // the same of one query; default half of MemoryBytes
	MaxScanBytes   int64         // bytes of data files that one query may read; 0 is no bound
	MaxScanRows    int64         // rows that one query may look at; 0 is no bound
	PricePerTB     float64       // USD for 10^12 bytes read; 0 is 5.0, below 0 free
	NeedRights     bool          // calls whose context has no [Rights] are refused
}

// Engine answers queries over one warehouse.
type Engine struct {
	catalog *iceberg.Catalog
	store   objstore.Store
	opt     Options
	slots   chan struct{}
	waiting atomic.Int64 // for a slot
	memory  *ledger
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
	if o.Queue == 0 {
		o.Queue = 256
	}
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = 512 << 20
	}
	if o.QueryBytes <= 0 {
		o.QueryBytes = o.MemoryBytes / 2
	}
	if o.PricePerTB == 0 {
		o.PricePerTB = 5
	}
	return &Engine{
		catalog: catalog,
		store:   store,
		opt:     o,
		slots:   make(chan struct{}, o.Queries),
		memory:  newLedger(o.MemoryBytes),
		footers: lru.New[footerKey, *parquetio.File](o.CacheFiles, o.CacheBytes),
		blooms:  lru.New[bloomKey, parquetio.Filter](math.MaxInt, o.BloomBytes),
		schemas: lru.New[schemaKey, coltype.Schema](keptSchemas, keptSchemas),
	}
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
