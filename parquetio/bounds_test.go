package parquetio

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

func oneColumn(t coltype.Type) coltype.Schema {
	return coltype.Schema{Columns: []coltype.Column{{Name: "c", FieldName: "c", Type: t, FieldID: 1}}, ExactID: 2, ExactKeyID: 3, ExactValueID: 4}
}

// rowsOf makes a batch of one column; nil is NULL.
func rowsOf(t testing.TB, s coltype.Schema, vals ...any) arrow.RecordBatch {
	t.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, s.Arrow())
	defer b.Release()
	for _, v := range vals {
		switch x := v.(type) {
		case nil:
			b.Field(0).AppendNull()
		case string:
			if sb, ok := b.Field(0).(*array.BinaryBuilder); ok {
				sb.Append([]byte(x))
			} else {
				b.Field(0).(*array.StringBuilder).Append(x)
			}
		case float64:
			b.Field(0).(*array.Float64Builder).Append(x)
		case int:
			switch fb := b.Field(0).(type) {
			case *array.Int64Builder:
				fb.Append(int64(x))
			case *array.Int32Builder:
				fb.Append(int32(x))
			case *array.Date32Builder:
				fb.Append(arrow.Date32(x))
			case *array.TimestampBuilder:
				fb.Append(arrow.Timestamp(x))
			}
		}
		b.Field(1).AppendNull()
	}
	return b.NewRecordBatch()
}

// TestRandomBounds checks that no value lies outside the bounds of its row group and page, as the
// footer and page index give them, and that the file's own bounds in Info hold all.
func TestRandomBounds(t *testing.T) {
	s := allKinds()
	for _, l := range layouts[1:3] {
		t.Run(l.name, func(t *testing.T) {
			all := batch(s, rand.New(rand.NewPCG(5, 6)), 3333)
			b, info := write(t, s, l.o, all)
			f := open(t, b)
			exact := all.Column(len(s.Columns)).Len() - all.Column(len(s.Columns)).NullN()
			infos := map[int]ColumnInfo{}
			for _, c := range info.Columns {
				infos[c.FieldID] = c
			}
			for i, c := range s.Columns {
				if c.Type.Kind == coltype.List {
					if got := f.Bounds(0, c); got.Min != nil || got.Max != nil || got.Nulls != -1 {
						t.Errorf("bounds of a list are %v", got)
					}
					checkListCounts(t, infos[c.ElemID], all.Column(i).(*array.List))
					continue
				}
				ci := infos[c.FieldID]
				covers(t, "file", c, ci.Bounds, all.Column(i))
				if ci.Bounds.Exact != int64(exact) || ci.Values != all.NumRows() || ci.Bytes <= 0 || ci.Bounds.Nulls < 0 || ci.Bounds.NaNs < 0 {
					t.Errorf("column %q: info %+v, want %d values, %d exact", c.Name, ci, all.NumRows(), exact)
				}
				if ci.Bounds.Min == nil && all.Column(i).NullN() < all.Column(i).Len() {
					t.Errorf("column %q has no minimum", c.Name)
				}
				at := int64(0)
				for rg := range f.RowGroups() {
					n := f.RowGroupRows(rg)
					checkBounds(t, f, rg, c, array.NewSlice(all.Column(i), at, at+n))
					at += n
				}
			}
			if len(infos) != len(s.Columns)+2 {
				t.Errorf("info has %d columns, want %d and the side column's key and value", len(infos), len(s.Columns))
			}
			checkExact(t, f, s, all.Column(len(s.Columns)))
		})
	}
}

func checkListCounts(t *testing.T, ci ColumnInfo, list *array.List) {
	t.Helper()
	values, nulls := int64(0), int64(0)
	for i := range list.Len() {
		a, b := list.ValueOffsets(i)
		if list.IsNull(i) || a == b {
			values++
			nulls++
			continue
		}
		for k := a; k < b; k++ {
			values++
			if list.ListValues().IsNull(int(k)) {
				nulls++
			}
		}
	}
	if ci.Values != values || ci.Bounds.Nulls != nulls || ci.Bounds.Min != nil || ci.Bounds.Max != nil {
		t.Errorf("info of a list's elements %+v, want %d values, %d NULLs and no bounds", ci, values, nulls)
	}
}

// checkExact compares Bounds.Exact of row groups and pages with the side column.
func checkExact(t *testing.T, f *File, s coltype.Schema, side arrow.Array) {
	t.Helper()
	at := 0
	for rg := range f.RowGroups() {
		count := func(a, b int) (n int64) {
			for i := a; i < b; i++ {
				if side.IsValid(i) {
					n++
				}
			}
			return n
		}
		rows := int(f.RowGroupRows(rg))
		if got := f.Bounds(rg, s.Columns[0]).Exact; got != count(at, at+rows) {
			t.Errorf("row group %d: %d exact, want %d", rg, got, count(at, at+rows))
		}
		pages, err := f.Pages(context.Background(), rg, s.Columns[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pages {
			a := at + int(p.FirstRow)
			if want := count(a, a+int(p.Rows)); p.Bounds.Exact != want {
				t.Errorf("page at row %d: %d exact, want %d", a, p.Bounds.Exact, want)
			}
		}
		at += rows
	}
}

// TestPagesAreAligned shows that all flat columns, and the side column, are cut at the same rows.
func TestPagesAreAligned(t *testing.T) {
	s := allKinds()
	all := batch(s, rand.New(rand.NewPCG(7, 8)), 2500)
	b, _ := write(t, s, WriteOptions{RowGroupRows: 1000, PageRows: 300}, all.NewSlice(0, 777), all.NewSlice(777, 2500))
	f := open(t, b)
	want := map[int]string{0: "[0 300 600 900]", 1: "[0 300 600 900]", 2: "[0 300]"}
	for rg := range f.RowGroups() {
		pages, err := f.pageIndex(context.Background(), rg)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range pages {
			var first []int64
			for _, l := range p.locs {
				first = append(first, l.first)
			}
			if got := fmt.Sprint(first); got != want[rg] {
				t.Errorf("column %d of row group %d has pages at %s, want %s", i, rg, got, want[rg])
			}
		}
	}
}

func TestBoundsOfHardValues(t *testing.T) {
	nan, negZero := math.NaN(), math.Copysign(0, -1)
	long := strings.Repeat("a", 63)
	text := kindType(coltype.String)
	tests := []struct {
		name     string
		typ      coltype.Type
		vals     []any
		min, max string // fmt of the value, "none"
		nulls    int64
		nans     int64
	}{
		{"NaN is outside", kindType(coltype.Float64), []any{nan, 1.5, nil, 2.5}, "1.5", "2.5", 1, 1},
		{"only NaN", kindType(coltype.Float64), []any{nan, nan}, "none", "none", 0, 2},
		{"zeros", kindType(coltype.Float64), []any{0.0, negZero}, "-0", "0", 0, 0},
		{"infinities", kindType(coltype.Float64), []any{math.Inf(1), math.Inf(-1)}, "-Inf", "+Inf", 0, 0},
		{"only NULL", kindType(coltype.Int64), []any{nil, nil}, "none", "none", 2, 0},
		{"int extremes", kindType(coltype.Int64), []any{math.MaxInt64, math.MinInt64}, "-9223372036854775808", "9223372036854775807", 0, 0},
		{"date counts from 2000", kindType(coltype.Date), []any{0, 10957}, "-10957", "0", 0, 0},
		{"timestamp counts from 2000", kindType(coltype.Timestamp), []any{946684800_000_000, 946684800_000_001}, "0", "1", 0, 0},
		{"empty text", text, []any{"", nil}, `""`, `""`, 1, 0},
		{"64 bytes stay", text, []any{long + "b"}, fmt.Sprintf("%q", long+"b"), fmt.Sprintf("%q", long+"b"), 0, 0},
		{"65 bytes are cut", text, []any{long + "bc"}, fmt.Sprintf("%q", long+"b"), fmt.Sprintf("%q", long+"c"), 0, 0},
		{"cut before a code point", text, []any{long + "é"}, fmt.Sprintf("%q", long), fmt.Sprintf("%q", long[:62]+"b"), 0, 0},
		{"highest code point is passed over", text, []any{long[:59] + "b\U0010FFFFcc"}, fmt.Sprintf("%q", long[:59]+"b\U0010FFFF"), fmt.Sprintf("%q", long[:59]+"c"), 0, 0},
		{"surrogates are passed over", text, []any{long[:61] + "\ud7ffcc"}, fmt.Sprintf("%q", long[:61]+"\ud7ff"), fmt.Sprintf("%q", long[:61]+"\ue000"), 0, 0},
		{"no upper bound", kindType(coltype.Binary), []any{strings.Repeat("\xff", 70)}, fmt.Sprintf("%q", strings.Repeat("\xff", 64)), "none", 0, 0},
		{"binary is cut anywhere", kindType(coltype.Binary), []any{strings.Repeat("\xff", 63) + "\x01\x02"}, fmt.Sprintf("%q", strings.Repeat("\xff", 63)+"\x01"), fmt.Sprintf("%q", strings.Repeat("\xff", 63)+"\x02"), 0, 0},
		{"numbers kept as text have none", coltype.Type{Kind: coltype.String, Base: "numeric"}, []any{"10", "9"}, "none", "none", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := oneColumn(tt.typ)
			for len(tt.vals) < 70 && tt.typ.Kind == coltype.String && tt.vals[0] != "" { // several values, so that a dictionary is used too
				tt.vals = append(tt.vals, tt.vals[0])
			}
			b, info := write(t, s, WriteOptions{}, rowsOf(t, s, tt.vals...))
			f := open(t, b)
			pages, err := f.Pages(context.Background(), 0, s.Columns[0])
			if err != nil || len(pages) != 1 {
				t.Fatalf("%d pages, %v", len(pages), err)
			}
			for where, got := range map[string]coltype.Bounds{"info": info.Columns[0].Bounds, "footer": f.Bounds(0, s.Columns[0]), "page": pages[0].Bounds} {
				if where == "page" { // the page index has no NaN count, and nothing for a page without an upper bound
					got.NaNs = tt.nans
					if tt.max == "none" {
						got.Min, got.Nulls = f.Bounds(0, s.Columns[0]).Min, tt.nulls
					}
				}
				if show(got.Min) != tt.min || show(got.Max) != tt.max || got.Nulls != tt.nulls || got.NaNs != tt.nans || got.Exact != 0 {
					t.Errorf("%s: %s to %s, %d NULLs, %d NaNs, %d exact; want %s to %s, %d, %d, 0", where, show(got.Min), show(got.Max),
						got.Nulls, got.NaNs, got.Exact, tt.min, tt.max, tt.nulls, tt.nans)
				}
			}
		})
	}
}

func show(v *coltype.Value) string {
	switch {
	case v == nil:
		return "none"
	case v.Kind == coltype.Float64:
		return fmt.Sprint(v.F)
	case v.Kind == coltype.String || v.Kind == coltype.Binary:
		return fmt.Sprintf("%q", v.S)
	}
	return fmt.Sprint(v.I)
}

func TestStatValueOfDecimals(t *testing.T) {
	tests := []struct {
		name string
		e    schemaElement
		raw  []byte
		want string
	}{
		{"int32", schemaElement{typ: physInt32}, []byte{0xff, 0xff, 0xff, 0xff}, "-1"},
		{"int64", schemaElement{typ: physInt64}, []byte{1, 0, 0, 0, 0, 0, 0, 0x80}, "-9223372036854775807"},
		{"fixed", schemaElement{typ: physFixed, typeLength: 2}, []byte{0x80, 0}, "-32768"},
		{"byte array", schemaElement{typ: physByteArray}, []byte{0x01, 0x00}, "256"},
		{"wrong length", schemaElement{typ: physFixed, typeLength: 3}, []byte{0x80, 0}, "none"},
		{"nothing", schemaElement{typ: physInt32}, nil, "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := statValue(decimalType(20, 2), &tt.e, tt.raw)
			got := "none"
			if v != nil {
				got = new(big.Int).Set(v.Big).String()
				if v.Scale != 2 {
					t.Errorf("scale %d, want 2", v.Scale)
				}
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
