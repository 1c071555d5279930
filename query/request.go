package query

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
)

// Count says whether the total is wanted.
type Count uint8

// CountExact counts every matching row. CountNone stops once the page is full.
const (
	CountExact Count = iota
	CountNone
)

// Request is one query.
//
// With Aggregates or GroupBy the result has one row a group: the columns of GroupBy, then the aggregates, and Columns
// must be empty. Limit, Offset and OrderBy are then about groups; without OrderBy groups come in the order of GroupBy's columns.
type Request struct {
	Path       string         // an archive path or a table's location: "s3://bucket/prefix/schema/table[/column=value]"
	Columns    []string       // PostgreSQL's names, in the order wanted; empty is all
	Filters    map[string]any // as predicate.FromFilters takes them
	Expression string         // as predicate.Parse takes it; "" is true
	GroupBy    []string       // columns
	Aggregates []Aggregate
	OrderBy    []Order   // ties, and rows without it, stand in the stable order
	Limit      int64     // rows to return, 0 to only count
	Offset     int64     // matching rows before the page
	After      *Position // where the page begins: Result.Next of the page before. Offset counts from there
	Snapshot   int64     // the Iceberg snapshot to read; 0 is the current one, or that of After
	Count      Count
	NoPrune    bool // read and evaluate everything: the oracle of pruning in tests and benchmarks
}

// Order is one key of ORDER BY.
type Order struct {
	Column     string // a column; with aggregates one of GroupBy or the name of an aggregate
	Desc       bool
	NullsFirst *bool // nil is PostgreSQL's default: NULLs last when ascending, first when descending
}

// Aggregate is one aggregate function over the matching rows of a group.
type Aggregate struct {
	Func     string // "count", "sum", "min", "max", "avg"
	Column   string // "" only for count: count(*)
	Distinct bool   // each value once; NULL never counts
	As       string // the result's column; "" is func_column, and "count" for count(*)
}

// Position is where a page begins: a row of a data file, or for an ordered or aggregated result a number of
// rows. It holds no value of the data, is valid for the request that gave it (but for Limit, Count and Columns) and stable
// in its snapshot. A door that hands it out signs it.
type Position struct {
	Snapshot  int64  `json:"s"`
	Seen      int64  `json:"n"`           // matching rows before it
	Partition string `json:"p,omitempty"` // by name; "" for an ordered or aggregated result
	File      string `json:"f,omitempty"` // location below the table's
	RowGroup  int    `json:"g,omitempty"`
	Row       int64  `json:"r,omitempty"` // in the row group
}

// Result is the answer. The caller releases it.
type Result struct {
	Path     string           // the absolute location that was queried
	Columns  []coltype.Column // of every batch, in the order asked
	Batches  []arrow.RecordBatch
	Rows     int64     // in Batches, or streamed
	Matched  int64     // rows for which the filter is true, those before After included; valid when Counted
	Counted  bool      // false when the query stopped before it had seen everything
	Next     *Position // where the next page begins; nil when nothing is left
	Scanned  int64     // rows whose values were looked at: evaluated by the filter, or returned without that
	Snapshot int64     // the Iceberg snapshot that was read, 0 for a table that never had one
	Pruning  Pruning
	Warnings []string // columns that are NULL in a partition where they had another type
	Cost     float64  // USD: Pruning.BytesRead at Options.PricePerTB
	Memory   int64    // the most bytes that were reserved for the query at once
	Queued   time.Duration
	Planned  time.Duration // binding, and the table's and the partitions' metadata
	Elapsed  time.Duration // from the call to the answer, Queued included
	// Filtered: the caller's rights have a row filter. Scanned, Pruning, Cost, Memory and the times tell of rows that he may not see.
	Filtered bool

	release func() // gives the memory of Batches back
}

// Exact is the side column of batch b (map<string,string>, column name → exact text), or nil.
func (r *Result) Exact(b arrow.RecordBatch) arrow.Array {
	if int(b.NumCols()) > len(r.Columns) {
		return b.Column(len(r.Columns))
	}
	return nil
}

// Release gives the batches back: their memory is used again, and nothing of them, not even a string, may be looked at after
// that. It may be called again.
func (r *Result) Release() {
	for _, b := range r.Batches {
		b.Release()
	}
	r.Batches = nil
	if r.release != nil {
		r.release()
		r.release = nil
	}
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
	// Opening is the time of reading footers and Bloom filters and of deciding row groups, summed over files that are opened at once.
	Opening   time.Duration `json:"-"`
	BytesRead int64         `json:"bytesRead"` // asked of the store for data files, footers included
	Requests  int64         `json:"requests"`  // reads asked of the store for data files
}
