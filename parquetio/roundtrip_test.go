package parquetio

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"frostline/coltype"
)

var layouts = []struct {
	name string
	o    WriteOptions
}{
	{"defaults", WriteOptions{}},
	{"small pages", WriteOptions{RowGroupRows: 1000, PageRows: 130}},
	{"compatible", WriteOptions{RowGroupRows: 1500, PageRows: 200, Compatible: true}},
	{"one row a page", WriteOptions{RowGroupRows: 50, PageRows: 1}},
}

func TestRoundTrip(t *testing.T) {
	s := allKinds()
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			rows := 2100
			if l.o.PageRows == 1 {
				rows = 120
			}
			all := batch(s, rng, rows)
			defer all.Release()
			var parts []arrow.RecordBatch
			for at := int64(0); at < all.NumRows(); { // batches of any size, sliced
				n := min(all.NumRows()-at, 1+rng.Int64N(500))
				parts = append(parts, all.NewSlice(at, at+n))
				at += n
			}
			b, info := write(t, s, l.o, parts...)
			if info.Rows != int64(rows) || info.Bytes != int64(len(b)) || info.SHA256 != sha256.Sum256(b) {
				t.Fatalf("info %d rows, %d bytes, %x of a file of %d rows, %d bytes", info.Rows, info.Bytes, info.SHA256, rows, len(b))
			}
			checkRead(t, s, b, all, rng)
			checkArrowGo(t, b, all)
		})
	}
}

// checkRead reads the file whole, by random ranges and by Scan.
func checkRead(t *testing.T, s coltype.Schema, b []byte, all arrow.RecordBatch, rng *rand.Rand) {
	t.Helper()
	ctx := context.Background()
	f := open(t, b)
	at := int64(0)
	for rg := range f.RowGroups() {
		n := f.RowGroupRows(rg)
		got, err := f.Read(ctx, rg, s.Columns, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.NumRows() != n {
			t.Fatalf("read %d rows of %d", got.NumRows(), n)
		}
		sameRows(t, "whole", all, at, got)
		got.Release()
		for range 2 {
			ranges := randomRanges(rng, n)
			got, err := f.Read(ctx, rg, s.Columns, true, ranges)
			if err != nil {
				t.Fatal(err)
			}
			sameRanges(t, all, at, ranges, got)
			got.Release()
		}
		row := at
		for got, err := range f.Scan(ctx, rg, s, 77) {
			if err != nil {
				t.Fatal(err)
			}
			if got.NumRows() < 1 || got.NumRows() > 77 {
				t.Fatalf("scan gives %d rows", got.NumRows())
			}
			sameRows(t, "scan", all, row, got)
			row += got.NumRows()
		}
		if row != at+n {
			t.Fatalf("scan gives %d rows of %d", row-at, n)
		}
		at += n
	}
	if at != all.NumRows() {
		t.Fatalf("row groups have %d rows of %d", at, all.NumRows())
	}
}

func randomRanges(rng *rand.Rand, n int64) []RowRange {
	ranges := []RowRange{}
	for at := rng.Int64N(n); at < n; {
		end := min(n, at+rng.Int64N(40))
		ranges = append(ranges, RowRange{at, end})
		at = end + rng.Int64N(300)
	}
	return ranges
}

func sameRanges(t *testing.T, all arrow.RecordBatch, base int64, ranges []RowRange, got arrow.RecordBatch) {
	t.Helper()
	row := int64(0)
	for _, r := range ranges {
		part := got.NewSlice(row, row+r.End-r.Start)
		sameRows(t, fmt.Sprintf("rows %d to %d", r.Start, r.End), all, base+r.Start, part)
		part.Release()
		row += r.End - r.Start
	}
	if row != got.NumRows() {
		t.Fatalf("got %d rows, want %d", got.NumRows(), row)
	}
}

// checkArrowGo reads our file with the reader of Apache arrow-go.
func checkArrowGo(t *testing.T, b []byte, all arrow.RecordBatch) {
	t.Helper()
	pf, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer pf.Close()
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: 1 << 20}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	tbl, err := fr.ReadTable(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer tbl.Release()
	if tbl.NumRows() != all.NumRows() || tbl.NumCols() != all.NumCols() {
		t.Fatalf("arrow-go reads %d rows of %d columns", tbl.NumRows(), tbl.NumCols())
	}
	for i := range int(tbl.NumCols()) {
		want := all.Column(i)
		chunks := tbl.Column(i).Data().Chunks()
		got, err := array.Concatenate(chunks, memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		if ext, ok := want.(array.ExtensionArray); ok {
			want = ext.Storage()
		}
		if ext, ok := got.(array.ExtensionArray); ok {
			got = ext.Storage()
		}
		if l, ok := want.(*array.List); ok { // an element's uuid is plain bytes to arrow-go
			compareLists(t, all.ColumnName(i), l, got.(*array.List))
			continue
		}
		if !array.ApproxEqual(want, got, array.WithNaNsEqual(true), array.WithAbsTolerance(0)) {
			t.Fatalf("arrow-go reads column %q otherwise:\n got %.500s\nwant %.500s", all.ColumnName(i), got, want)
		}
	}
}

func compareLists(t *testing.T, name string, want, got *array.List) {
	t.Helper()
	if want.String() != got.String() {
		t.Fatalf("arrow-go reads column %q otherwise", name)
	}
}

// TestParquetGo reads every leaf with parquet-go, which checks the pages' checksums.
func TestParquetGo(t *testing.T) {
	s := allKinds()
	for _, l := range layouts[1:3] {
		t.Run(l.name, func(t *testing.T) {
			all := batch(s, newRand(31), 1700)
			b, _ := write(t, s, l.o, all)
			pf, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			if pf.NumRows() != 1700 {
				t.Fatalf("parquet-go sees %d rows", pf.NumRows())
			}
			for i, c := range s.Columns {
				if c.Type.Kind == coltype.List || c.Type.Kind == coltype.Decimal {
					continue
				}
				leaf, ok := pf.Schema().Lookup(c.Name)
				if !ok {
					t.Fatalf("parquet-go finds no column %q", c.Name)
				}
				row := 0
				for _, rg := range pf.RowGroups() {
					row = comparePages(t, c, all.Column(i), row, rg.ColumnChunks()[leaf.ColumnIndex].Pages())
				}
				if row != 1700 {
					t.Errorf("parquet-go reads %d rows of column %q", row, c.Name)
				}
			}
		})
	}
}

func comparePages(t *testing.T, c coltype.Column, want arrow.Array, row int, pages parquet.Pages) int {
	t.Helper()
	defer pages.Close()
	for {
		p, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return row
		}
		if err != nil {
			t.Fatalf("parquet-go: column %q: %v", c.Name, err)
		}
		vals := make([]parquet.Value, p.NumValues())
		if n, err := p.Values().ReadValues(vals); n != len(vals) || err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("parquet-go: column %q: %d of %d values, %v", c.Name, n, len(vals), err)
		}
		for _, v := range vals {
			if got := peerText(v); v.IsNull() != want.IsNull(row) || !v.IsNull() && got != arrowText(want, row) {
				t.Fatalf("parquet-go reads row %d of column %q as %s, want %s", row, c.Name, got, arrowText(want, row))
			}
			row++
		}
		parquet.Release(p)
	}
}

func peerText(v parquet.Value) string {
	switch v.Kind() {
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return fmt.Sprintf("%x", v.ByteArray())
	case parquet.Float:
		return fmt.Sprintf("%x", math.Float32bits(v.Float()))
	case parquet.Double:
		return fmt.Sprintf("%x", math.Float64bits(v.Double()))
	}
	return v.String()
}

func arrowText(arr arrow.Array, i int) string {
	switch a := arr.(type) {
	case array.ExtensionArray:
		return arrowText(a.Storage(), i)
	case *array.String:
		return fmt.Sprintf("%x", a.Value(i))
	case *array.Binary:
		return fmt.Sprintf("%x", a.Value(i))
	case *array.FixedSizeBinary:
		return fmt.Sprintf("%x", a.Value(i))
	case *array.Float32:
		return fmt.Sprintf("%x", math.Float32bits(a.Value(i)))
	case *array.Float64:
		return fmt.Sprintf("%x", math.Float64bits(a.Value(i)))
	case *array.Date32:
		return fmt.Sprint(int32(a.Value(i)))
	case *array.Time64:
		return fmt.Sprint(int64(a.Value(i)))
	case *array.Timestamp:
		return fmt.Sprint(int64(a.Value(i)))
	}
	return arr.ValueStr(i)
}

// TestReadersAtOnce reads one File from several goroutines.
func TestReadersAtOnce(t *testing.T) {
	s := allKinds()
	all := batch(s, newRand(41), 900)
	b, _ := write(t, s, WriteOptions{RowGroupRows: 450, PageRows: 100}, all)
	f := open(t, b)
	var g errgroup.Group
	for i := range 4 {
		g.Go(func() error {
			rg := i % 2
			if _, err := f.Pages(context.Background(), rg, s.Columns[0]); err != nil {
				return err
			}
			got, err := f.Read(context.Background(), rg, s.Columns, true, []RowRange{{10, 20}, {90, 310}})
			if err != nil {
				return err
			}
			if want := all.NewSlice(int64(450*rg+10), int64(450*rg+20)); !array.Equal(want.Column(2), got.NewSlice(0, 10).Column(2)) {
				return errors.New("rows differ")
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestEmptyFile(t *testing.T) {
	s := allKinds()
	b, info := write(t, s, WriteOptions{})
	f := open(t, b)
	if f.Rows() != 0 || f.RowGroups() != 0 || info.Rows != 0 || len(info.SplitOffsets) != 0 {
		t.Fatalf("an empty file has %d rows, %d row groups, splits %v", f.Rows(), f.RowGroups(), info.SplitOffsets)
	}
	pf, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if pf.NumRows() != 0 || pf.MetaData().Schema.NumColumns() < len(s.Columns) {
		t.Fatalf("arrow-go sees %d rows of %d columns", pf.NumRows(), pf.MetaData().Schema.NumColumns())
	}
}
