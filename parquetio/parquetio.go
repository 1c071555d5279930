// Package parquetio turns Arrow batches into one Parquet object, and reads one back: footer,
// page index, and only the pages that hold the rows asked for.
//
// Columns are matched by field id. A Writer serves one goroutine. A File may be read by many.
package parquetio

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
	"frostline/objstore"
)

// ErrCorrupt is wrapped by every refusal of a file.
var ErrCorrupt = errors.New("corrupt Parquet file")

// WriteOptions choose the layout. The zero value is the layout of docs/format.md.
type WriteOptions struct {
	RowGroupRows int  // default 122880
	PageRows     int  // default 20480: pages are cut at the same rows in every column
	Compatible   bool // PLAIN and dictionary encodings and V1 pages, for older readers
}

// Writer writes one file.
type Writer struct{}

// NewWriter writes a file of the columns of s to w.
func NewWriter(w io.Writer, s coltype.Schema, o WriteOptions) (*Writer, error) { panic("stub") }

// Write adds the rows of b, whose schema is s.Arrow(). It does not keep b.
func (w *Writer) Write(b arrow.RecordBatch) error { panic("stub") }

// Bytes is what the file would hold if closed now, nearly: written plus buffered.
func (w *Writer) Bytes() int64 { panic("stub") }

// Close writes the footer and describes the file.
func (w *Writer) Close() (Info, error) { panic("stub") }

// Abort gives back what the writer holds; the output is not a Parquet file.
func (w *Writer) Abort() { panic("stub") }

// Info describes a written file.
type Info struct {
	Rows, Bytes  int64
	SHA256       [32]byte
	SplitOffsets []int64
	Columns      []ColumnInfo // every leaf column with a field id, nested ones too
}

// ColumnInfo is one leaf column of a file. Bounds of nested leaves are unknown.
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

// Stats counts what reading cost. All fields are added to atomically.
type Stats struct {
	Requests, Bytes, Pages atomic.Int64 // calls of ReadRanges; bytes asked for; data pages decoded
}

// ReadOptions tune a File.
type ReadOptions struct {
	Stats *Stats // may be nil
}

// File is an open Parquet file: its footer is decoded, page indexes are read when first asked for.
type File struct{}

// Open reads the footer.
func Open(ctx context.Context, src Source, o ReadOptions) (*File, error) { panic("stub") }

// With is the same file counting into other stats, sharing the decoded metadata.
func (f *File) With(src Source, s *Stats) *File { panic("stub") }

// Rows is the file's row count.
func (f *File) Rows() int64 { panic("stub") }

// RowGroups is their number.
func (f *File) RowGroups() int { panic("stub") }

// RowGroupRows is the row count of row group rg.
func (f *File) RowGroupRows(rg int) int64 { panic("stub") }

// RowGroupBytes is the compressed size of row group rg.
func (f *File) RowGroupBytes(rg int) int64 { panic("stub") }

// Bounds are the footer statistics of column c in row group rg, as values of c's type; unknown
// where the file has none. Bounds.Exact comes from the side column's chunk.
func (f *File) Bounds(rg int, c coltype.Column) coltype.Bounds { panic("stub") }

// Page is one data page of a flat column, in rows of its row group.
type Page struct {
	FirstRow, Rows int64
	Bounds         coltype.Bounds
}

// Pages are the pages of column c in row group rg with their bounds, from the page index. A file
// without one gives a single page with the chunk's bounds.
func (f *File) Pages(ctx context.Context, rg int, c coltype.Column) ([]Page, error) { panic("stub") }

// RowRange is [Start, End) in rows of one row group.
type RowRange struct{ Start, End int64 }

// Read gives the rows of ranges (ascending, disjoint; nil is all) of row group rg as one batch, in
// order, with exactly the columns cols (and the side column when exact is true, last). A column
// that the file lacks is all NULL; one of a narrower type is promoted. Only the pages that hold the rows are
// read and decoded. The caller releases the batch.
func (f *File) Read(ctx context.Context, rg int, cols []coltype.Column, exact bool, ranges []RowRange) (arrow.RecordBatch, error) {
	panic("stub")
}

// Scan yields all rows of row group rg in batches of at most rows rows, the chunks fetched once.
// The batch is valid until the next one is asked for.
func (f *File) Scan(ctx context.Context, rg int, s coltype.Schema, rows int) iter.Seq2[arrow.RecordBatch, error] {
	panic("stub")
}
