// Package querytest builds small archived tables for tests of queries: columns, rows as JSON or as
// batches, files with small row groups and pages, committed to a local warehouse.
package querytest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
	"frostline/iceberg"
	"frostline/objstore"
	"frostline/parquetio"
)

// Warehouse is a warehouse of a test.
type Warehouse struct {
	Store   objstore.Store
	Catalog *iceberg.Catalog
}

// New is an empty warehouse in a folder that goes with the test.
func New(tb testing.TB) *Warehouse {
	tb.Helper()
	return Open(tb, "file://"+tb.TempDir())
}

// Open is the warehouse at location.
func Open(tb testing.TB, location string) *Warehouse {
	tb.Helper()
	s, err := objstore.Open(context.Background(), location, objstore.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return &Warehouse{Store: s, Catalog: iceberg.NewCatalog(s)}
}

// Col is a column of a type that has no modifier.
func Col(name string, k coltype.Kind, w coltype.Wire, pg string) coltype.Column {
	return coltype.Column{Name: name, Type: coltype.Type{Kind: k, Wire: w, Name: pg, Base: pg}}
}

// Columns numbers cols and names their fields.
func Columns(cols ...coltype.Column) []coltype.Column {
	for i := range cols {
		cols[i].AttNum = i + 1
	}
	coltype.NameFields(cols)
	return cols
}

// Table is a table of a test.
type Table struct {
	w     *Warehouse
	T     *iceberg.Table
	runs  int
	names [2]string
}

// Table makes or evolves a table.
func (w *Warehouse) Table(tb testing.TB, schema, table string, cols []coltype.Column, spec iceberg.PartitionSpec) *Table {
	tb.Helper()
	t, err := w.Catalog.Ensure(context.Background(), iceberg.TableSpec{Schema: schema, Table: table, Columns: cols, Partition: spec,
		Properties: map[string]string{"source.schema": schema, "source.table": table, "source.partition_column": spec.Column}})
	if err != nil {
		tb.Fatal(err)
	}
	return &Table{w: w, T: t, names: [2]string{schema, table}}
}

// File is the rows of one data file.
type File struct {
	Tuple   iceberg.Tuple
	Batches []arrow.RecordBatch
	Options parquetio.WriteOptions
}

// Rows reads JSON objects, one a row; a missing member is NULL. The side column is a list of {"key","value"}.
func (t *Table) Rows(tb testing.TB, objects string) arrow.RecordBatch {
	tb.Helper()
	b, _, err := array.RecordFromJSON(memory.DefaultAllocator, t.T.Schema().Arrow(), strings.NewReader("["+objects+"]"))
	if err != nil {
		tb.Fatalf("rows of %v: %v", t.names, err)
	}
	tb.Cleanup(b.Release)
	return b
}

// Add commits one partition, "column=value", of these files.
func (t *Table) Add(tb testing.TB, partition string, files ...File) {
	tb.Helper()
	ctx := context.Background()
	t.runs++
	run := fmt.Sprintf("run%d-%s", t.runs, partition)
	commit := iceberg.Commit{Partition: iceberg.Partition{Name: partition, RunID: run, Digest: "xxh3-128:00000000000000000000000000000000:0",
		ArchivedAt: time.Date(2024, 3, 1, 12, 0, t.runs, 0, time.UTC)}}
	for i, f := range files {
		key := fmt.Sprintf("%s/data/%s-%05d.parquet", iceberg.PartitionKey(t.names[0], t.names[1], partition), objstore.Segment(run), i)
		d := t.write(tb, key, f)
		commit.Files = append(commit.Files, d)
		commit.Partition.Rows += d.Rows
		commit.Partition.Bytes += d.Bytes
	}
	commit.Record = func(ctx context.Context, snapshot int64, schema int) error {
		return t.w.Catalog.WriteRecord(ctx, t.T.Key(), &iceberg.Record{RunID: run, Partition: partition, Rows: commit.Partition.Rows,
			Digest: commit.Partition.Digest, Schema: t.T.Schema(), SchemaID: schema, SnapshotID: snapshot, ArchivedAt: commit.Partition.ArchivedAt})
	}
	table, err := t.w.Catalog.Commit(ctx, t.T.Key(), commit)
	if err != nil {
		tb.Fatal(err)
	}
	t.T = table
}

func (t *Table) write(tb testing.TB, key string, f File) iceberg.DataFile {
	tb.Helper()
	var buf bytes.Buffer
	w, err := parquetio.NewWriter(&buf, t.T.Schema(), f.Options)
	if err != nil {
		tb.Fatal(err)
	}
	for _, b := range f.Batches {
		if err := w.Write(b); err != nil {
			tb.Fatal(err)
		}
	}
	info, err := w.Close()
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := t.w.Store.Put(context.Background(), key, io.Reader(&buf)); err != nil {
		tb.Fatal(err)
	}
	d := iceberg.DataFile{Location: objstore.Location(t.w.Store, key), Rows: info.Rows, Bytes: info.Bytes, Tuple: f.Tuple, SplitOffsets: info.SplitOffsets}
	for _, c := range info.Columns {
		d.Columns = append(d.Columns, iceberg.ColumnStats{FieldID: c.FieldID, Bytes: c.Bytes, Values: c.Values, Bounds: c.Bounds})
	}
	return d
}
