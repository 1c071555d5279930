// Package parquetio turns Arrow batches into one Parquet object, and reads one back: footer,
// page index, and only the pages that hold the rows asked for.
//
// A file has row groups of 122 880 rows. The data pages of all its columns are cut at the same
// rows, at most 20 480, so that a range of rows is a range of pages in every column; each page has
// a CRC-32 and its bounds in the page index. Row groups and pages end earlier where values are wide.
//
// Columns are matched by field id, in files without ids by name. A Writer serves one goroutine. A
// File may be read by many. What is read may be anything: a file that is not valid is [ErrCorrupt],
// never a panic and never an allocation that its size does not warrant.
package parquetio

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"frostline/coltype"
	"frostline/objstore"
)

// ErrCorrupt is wrapped by every refusal of a file.
var ErrCorrupt = errors.New("corrupt Parquet file")

func corruptf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// WriteOptions choose the layout. The zero value is the layout of docs/format.md.
type WriteOptions struct {
	RowGroupRows int  // default 122880
	PageRows     int  // default 20480: pages are cut at the same rows in every column
	Compatible   bool // PLAIN and dictionary encodings and V1 pages, for older readers

	// Bloom names the columns (PostgreSQL's names) whose chunks get a Bloom filter, sized by the
	// distinct values of each for 2 % false positives. It must be a column for which CanBloom is true.
	Bloom []string

	keepZipped int // keepZipped, less in tests
}

// Info describes a written file.
type Info struct {
	Rows, Bytes  int64
	SHA256       [32]byte
	SplitOffsets []int64
	Columns      []ColumnInfo // every leaf column with a field id, nested ones too
}

// ColumnInfo is one leaf column of a file. Bounds of nested leaves are unknown; their Nulls count
// what stands in the leaf without a value: NULL elements, and NULL and empty lists.
type ColumnInfo struct {
	FieldID int
	Bytes   int64 // compressed
	Values  int64 // values and NULLs, as Iceberg counts
	Bounds  coltype.Bounds
}

// Source is the file's bytes.
type Source interface {
	Size() int64
	ReadRanges(ctx context.Context, ranges []objstore.Range) ([][]byte, error)
}

// Bytes is a file in memory.
type Bytes []byte

// Size implements Source.
func (b Bytes) Size() int64 { return int64(len(b)) }

// ReadRanges implements Source.
func (b Bytes) ReadRanges(_ context.Context, ranges []objstore.Range) ([][]byte, error) {
	out := make([][]byte, len(ranges))
	for i, r := range ranges {
		if r.Off < 0 || r.Len < 0 || r.Off > int64(len(b)) || r.Len > int64(len(b))-r.Off {
			return nil, corruptf("range %d+%d is beyond the end %d", r.Off, r.Len, len(b))
		}
		out[i] = b[r.Off : r.Off+r.Len]
	}
	return out, nil
}

type storeSource struct {
	store objstore.Store
	key   string
	size  int64
}

// StoreSource is the object key of store, size bytes long.
func StoreSource(store objstore.Store, key string, size int64) Source {
	return storeSource{store, key, size}
}

func (s storeSource) Size() int64 { return s.size }

func (s storeSource) ReadRanges(ctx context.Context, ranges []objstore.Range) ([][]byte, error) {
	return s.store.ReadRanges(ctx, s.key, ranges)
}

// Stats counts what reading cost. All fields are added to atomically.
type Stats struct {
	Requests, Bytes, Pages atomic.Int64 // calls of ReadRanges; bytes asked for; data pages decoded
}

// ReadOptions tune a File.
type ReadOptions struct {
	Stats *Stats // may be nil
}

// Page is one data page of a flat column, in rows of its row group.
type Page struct {
	FirstRow, Rows int64
	Bounds         coltype.Bounds
}

// RowRange is [Start, End) in rows of one row group.
type RowRange struct{ Start, End int64 }
