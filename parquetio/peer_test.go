package parquetio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"frostline/coltype"
)

// refused are the files of apache/parquet-testing that are not read, or not wholly, and why.
var refused = map[string]string{
	"datapage_v1-corrupt-checksum.parquet":           "checksum",
	"rle-dict-uncompressed-corrupt-checksum.parquet": "checksum",
}

// TestParquetTesting reads the flat columns of apache/parquet-testing as arrow-go does.
func TestParquetTesting(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "data", "parquet-testing")
	files, _ := filepath.Glob(filepath.Join(dir, "*.parquet"))
	if len(files) == 0 {
		t.Skip("no files of apache/parquet-testing in " + dir)
	}
	compared := 0
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			want := readPeer(t, b)
			f, err := Open(context.Background(), Bytes(b), ReadOptions{})
			if filepath.Base(name) == "repeated_no_annotation.parquet" { // says 0 rows, has 6
				if !errors.Is(err, ErrCorrupt) {
					t.Fatalf("error is %v, want ErrCorrupt", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want != nil && want.NumRows() != f.Rows() {
				t.Fatalf("%d rows, want %d", f.Rows(), want.NumRows())
			}
			compared += comparePeer(t, filepath.Base(name), f, want)
		})
	}
	t.Logf("%d columns compared in %d files", compared, len(files))
	if compared < 150 {
		t.Errorf("only %d columns were compared", compared)
	}
}

// readPeer is the file as arrow-go reads it, nil where it cannot.
func readPeer(t *testing.T, b []byte) (tbl arrow.Table) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Logf("arrow-go panics: %v", p)
			tbl = nil
		}
	}()
	pf, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		t.Logf("arrow-go: %v", err)
		return nil
	}
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: 1 << 20}, memory.DefaultAllocator)
	if err != nil {
		t.Logf("arrow-go: %v", err)
		return nil
	}
	if tbl, err = fr.ReadTable(context.Background()); err != nil {
		t.Logf("arrow-go: %v", err)
		return nil
	}
	return tbl
}

// peerColumn is the column that reads what arrow-go reads as field; false for what coltype lacks.
func peerColumn(field arrow.Field) (coltype.Column, bool) {
	c := coltype.Column{Name: field.Name, FieldName: field.Name}
	switch d := field.Type.(type) {
	case *arrow.BooleanType:
		c.Type.Kind = coltype.Bool
	case *arrow.Int32Type:
		c.Type.Kind = coltype.Int32
	case *arrow.Int64Type:
		c.Type.Kind = coltype.Int64
	case *arrow.Float32Type:
		c.Type.Kind = coltype.Float32
	case *arrow.Float64Type:
		c.Type.Kind = coltype.Float64
	case *arrow.StringType:
		c.Type.Kind = coltype.String
	case *arrow.BinaryType:
		c.Type.Kind = coltype.Binary
	case *arrow.Date32Type:
		c.Type.Kind = coltype.Date
	case *arrow.TimestampType:
		if d.Unit != arrow.Microsecond {
			return c, false
		}
		c.Type.Kind = coltype.Timestamp
		if d.TimeZone != "" {
			c.Type.Kind = coltype.TimestampTZ
		}
	case *arrow.Decimal128Type:
		c.Type = decimalType(int(d.Precision), int(d.Scale))
	default:
		return c, false
	}
	return c, true
}

func comparePeer(t *testing.T, name string, f *File, tbl arrow.Table) int {
	t.Helper()
	compared := 0
	rng := rand.New(rand.NewPCG(3, 4))
	why, isRefused := refused[name]
	if tbl == nil {
		return 0
	}
	for i := range int(tbl.NumCols()) {
		c, ok := peerColumn(tbl.Schema().Field(i))
		if !ok || f.schema.byName[c.Name] == nil {
			continue
		}
		if tbl.NumRows() == 0 {
			continue
		}
		want, err := array.Concatenate(tbl.Column(i).Data().Chunks(), memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		if ts, ok := want.DataType().(*arrow.TimestampType); ok && ts.TimeZone != "" { // the zone is only a name
			d := want.Data().(*array.Data)
			want = array.MakeFromData(array.NewData(c.Type.Arrow(), d.Len(), d.Buffers(), nil, d.NullN(), d.Offset()))
		}
		at := 0
		for rg := range f.RowGroups() {
			n := f.RowGroupRows(rg)
			got, err := f.Read(context.Background(), rg, []coltype.Column{c}, false, nil)
			if isRefused && err != nil {
				if !errors.Is(err, ErrCorrupt) || !bytes.Contains([]byte(err.Error()), []byte(why)) {
					t.Errorf("column %q: %v, want ErrCorrupt with %q", c.Name, err, why)
				}
				return compared
			}
			if err != nil {
				t.Errorf("column %q: %v", c.Name, err)
				break
			}
			if err := equalArrays(array.NewSlice(want, int64(at), int64(at)+n), got.Column(0)); err != nil {
				t.Errorf("column %q: %v", c.Name, err)
				break
			}
			if n > 0 {
				ranges := randomRanges(rng, n)
				part, err := f.Read(context.Background(), rg, []coltype.Column{c}, false, ranges)
				if err != nil {
					t.Errorf("column %q, rows %v: %v", c.Name, ranges, err)
					break
				}
				row := int64(0)
				for _, r := range ranges {
					k := r.End - r.Start
					if err := equalArrays(array.NewSlice(want, int64(at)+r.Start, int64(at)+r.End), array.NewSlice(part.Column(0), row, row+k)); err != nil {
						t.Errorf("column %q, rows %v: %v", c.Name, ranges, err)
					}
					row += k
				}
			}
			checkBounds(t, f, rg, c, got.Column(0))
			at += int(n)
		}
		compared++
	}
	if isRefused {
		t.Errorf("was read, but should be refused: %s", why)
	}
	return compared
}

func equalArrays(want, got arrow.Array) error {
	if want.NullN() != got.NullN() || !array.ApproxEqual(want, got, array.WithNaNsEqual(true), array.WithAbsTolerance(0)) {
		return fmt.Errorf("differs:\n got %.400s\nwant %.400s", got, want)
	}
	return nil
}

// checkBounds fails when a value of arr, column c of row group rg, lies outside the bounds of the
// row group or of its page, or when a count that is known is wrong.
func checkBounds(t *testing.T, f *File, rg int, c coltype.Column, arr arrow.Array) {
	t.Helper()
	covers(t, "row group", c, f.Bounds(rg, c), arr)
	pages, err := f.Pages(context.Background(), rg, c)
	if err != nil {
		t.Fatal(err)
	}
	row := int64(0)
	for i, p := range pages {
		if p.FirstRow != row {
			t.Fatalf("page %d of column %q starts at row %d, want %d", i, c.Name, p.FirstRow, row)
		}
		covers(t, fmt.Sprint("page ", i), c, p.Bounds, array.NewSlice(arr, row, row+p.Rows))
		row += p.Rows
	}
	if row != int64(arr.Len()) {
		t.Fatalf("pages of column %q have %d rows, want %d", c.Name, row, arr.Len())
	}
}

func covers(t *testing.T, what string, c coltype.Column, b coltype.Bounds, arr arrow.Array) {
	t.Helper()
	if b.Rows != int64(arr.Len()) {
		t.Errorf("%s of column %q: %d rows, want %d", what, c.Name, b.Rows, arr.Len())
	}
	if b.Nulls >= 0 && b.Nulls != int64(arr.NullN()) {
		t.Errorf("%s of column %q: %d NULLs, want %d", what, c.Name, b.Nulls, arr.NullN())
	}
	nans := int64(0)
	for i := range arr.Len() {
		if arr.IsNull(i) {
			continue
		}
		v, err := coltype.ValueAt(c.Type, arr, i)
		if err != nil {
			continue
		}
		if v.F != v.F {
			nans++
			continue
		}
		if b.Min != nil && coltype.Compare(v, *b.Min) < 0 || b.Max != nil && coltype.Compare(v, *b.Max) > 0 {
			t.Errorf("%s of column %q: value %v is outside %v to %v", what, c.Name, v, b.Min, b.Max)
			return
		}
	}
	if b.NaNs >= 0 && b.NaNs != nans {
		t.Errorf("%s of column %q: %d NaNs, want %d", what, c.Name, b.NaNs, nans)
	}
}
