package parquetio

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

// Windows give the same rows as were written, in whatever form, also when some are never looked at.
func TestWindows(t *testing.T) {
	s := allKinds()
	forms := map[string]int{}
	for seed := range uint64(2) {
		rng := newRand(seed)
		all := batch(s, rng, 3000)
		b, _ := write(t, s, WriteOptions{RowGroupRows: 3000, PageRows: 500, Compatible: seed%2 == 1}, all)
		f := open(t, b)
		for _, plain := range []bool{true, false} {
			for range 4 {
				ranges := randomRanges(rng, 3000)
				var rows int64
				err := f.Windows(context.Background(), 0, s.Columns, true, ranges, plain, func(w *Window) error {
					rows += w.End - w.Start
					for i, c := range s.Columns {
						if rng.IntN(3) == 0 {
							continue
						}
						got, err := w.Column(i)
						if err != nil {
							return err
						}
						want := array.NewSlice(all.Column(i), w.Start, w.End)
						defer want.Release()
						if plain && !arrow.TypeEqual(got.DataType(), want.DataType()) {
							t.Fatalf("column %q has type %s", c.Name, got.DataType())
						}
						forms[got.DataType().ID().String()]++
						if got := asWritten(t, got, want.DataType()); !array.ApproxEqual(want, got, array.WithNaNsEqual(true), array.WithAbsTolerance(0)) {
							t.Fatalf("column %q, rows %d to %d:\n got %.500s\nwant %.500s", c.Name, w.Start, w.End, got, want)
						}
					}
					exact, err := w.Exact()
					if err != nil {
						return err
					}
					want := array.NewSlice(all.Column(len(s.Columns)), w.Start, w.End)
					defer want.Release()
					if !array.Equal(want, exact) {
						t.Fatalf("side column, rows %d to %d: %.300s, want %.300s", w.Start, w.End, exact, want)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				var want int64
				for _, r := range ranges {
					want += r.End - r.Start
				}
				if rows != want {
					t.Fatalf("windows of %d rows, want %d", rows, want)
				}
			}
		}
	}
	for _, form := range []string{"DICTIONARY", "INT32", "INT64", "DECIMAL128", "STRING"} {
		if forms[form] == 0 {
			t.Errorf("no column came as %s: %v", form, forms)
		}
	}
}

// asWritten undoes a dictionary and the short form of decimals.
func asWritten(t *testing.T, arr arrow.Array, dt arrow.DataType) arrow.Array {
	t.Helper()
	at := func(i int) int { return i }
	values := arr
	if d, ok := arr.(*array.Dictionary); ok {
		at, values = d.GetValueIndex, d.Dictionary()
	} else if arrow.TypeEqual(arr.DataType(), dt) {
		return arr
	}
	b := array.NewBuilder(memory.DefaultAllocator, dt)
	defer b.Release()
	for i := range arr.Len() {
		if arr.IsNull(i) {
			b.AppendNull()
			continue
		}
		if d, ok := b.(*array.Decimal128Builder); ok {
			switch v := values.(type) {
			case *array.Int32:
				d.Append(decimal128.FromI64(int64(v.Value(at(i)))))
			case *array.Int64:
				d.Append(decimal128.FromI64(v.Value(at(i))))
			}
			continue
		}
		if err := b.AppendValueFromString(values.ValueStr(at(i))); err != nil {
			t.Fatal(err)
		}
	}
	return b.NewArray()
}

// A few rows of a page are read without the rest of it, in memory that was used before.
func TestFewRowsOfLongPages(t *testing.T) {
	s := coltype.Schema{Columns: []coltype.Column{
		{Name: "a", FieldName: "a", FieldID: 1, Type: kindType(coltype.String)},
		{Name: "b", FieldName: "b", FieldID: 2, Type: kindType(coltype.String)},
		{Name: "n", FieldName: "n", FieldID: 3, Type: kindType(coltype.Int64)},
	}, ExactID: 900, ExactKeyID: 901, ExactValueID: 902}
	const rows = 20_480
	rng := newRand(7)
	rb := array.NewRecordBuilder(memory.DefaultAllocator, s.Arrow())
	for i := range rows {
		rb.Field(0).(*array.StringBuilder).Append(randomText(rng, 40))
		n := 300 // the first texts are longer than the others
		if i > rows/10 {
			n = 5
		}
		if i%5 == 0 {
			rb.Field(1).AppendNull()
		} else {
			rb.Field(1).(*array.StringBuilder).Append(randomText(rng, rng.IntN(n)))
		}
		rb.Field(2).(*array.Int64Builder).Append(int64(i) * int64(i))
		rb.Field(3).AppendNull()
	}
	all := rb.NewRecordBatch()
	b, _ := write(t, s, WriteOptions{}, all)
	f := open(t, b)
	for range 120 {
		first := rng.Int64N(rows)
		ranges := []RowRange{{first, min(first+1+rng.Int64N(50), rows)}}
		if rng.IntN(3) == 0 {
			ranges = randomRanges(rng, rows)
		}
		read := f.Read
		if rng.IntN(2) == 0 {
			read = f.ReadLent
		}
		got, err := read(context.Background(), 0, s.Columns, false, ranges)
		if err != nil {
			t.Fatal(err)
		}
		at := int64(0)
		for _, r := range ranges {
			n := r.End - r.Start
			for i := range s.Columns {
				want, have := array.NewSlice(all.Column(i), r.Start, r.End), array.NewSlice(got.Column(i), at, at+n)
				if !array.Equal(want, have) {
					t.Fatalf("column %d, rows %d to %d differ", i, r.Start, r.End)
				}
				want.Release()
				have.Release()
			}
			at += n
		}
		got.Release()
	}
}

// A batch takes no more memory than its texts, whatever the first of them let expect.
func TestShorterThanExpected(t *testing.T) {
	s := oneColumn(kindType(coltype.String))
	rb := array.NewRecordBuilder(memory.DefaultAllocator, s.Arrow())
	for i := range 60_000 {
		if i < 20_480 {
			rb.Field(0).(*array.StringBuilder).Append(strings.Repeat(fmt.Sprint(i), 60))
		} else {
			rb.Field(0).(*array.StringBuilder).Append("x")
		}
		rb.Field(1).AppendNull()
	}
	all := rb.NewRecordBatch()
	b, _ := write(t, s, WriteOptions{}, all)
	got, err := open(t, b).ReadLent(context.Background(), 0, s.Columns, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	if !array.Equal(all.Column(0), got.Column(0)) {
		t.Fatal("the texts differ")
	}
	text := got.Column(0).Data().Buffers()[2].Bytes()
	if len(text) < 5_000_000 || cap(text) > 2*len(text)+leastPooled {
		t.Errorf("%d bytes of text take %d", len(text), cap(text))
	}
}

func TestDecompressStart(t *testing.T) {
	rng := newRand(8)
	text := []byte(randomText(rng, 900_000))
	whole := zstdEncoder().EncodeAll(text, nil)
	for _, enough := range []int{1, 1000, 128 << 10, 128<<10 + 1, 400_000, 700_000} {
		got, ok := decompressStart(nil, whole, len(text), enough)
		if !ok {
			t.Fatalf("%d bytes: refused", enough)
		}
		if len(got) < enough || len(got) >= len(text) || !bytes.Equal(got, text[:len(got)]) {
			t.Fatalf("%d bytes: %d came, equal %v", enough, len(got), bytes.Equal(got, text[:len(got)]))
		}
	}
	if _, ok := decompressStart(nil, whole, len(text), len(text)-1000); ok {
		t.Error("all blocks are needed, but a part was decompressed")
	}
	for i := range 600 { // damaged frames are refused, or give something of the right size
		bad := bytes.Clone(whole)
		bad[rng.IntN(len(bad))] ^= byte(1 << rng.IntN(8))
		if i%3 == 0 {
			bad = bad[:rng.IntN(len(bad))]
		}
		if got, ok := decompressStart(nil, bad, len(text), 200_000); ok && (len(got) < 200_000 || len(got) > 256<<10) {
			t.Fatalf("%d bytes came of a damaged frame", len(got))
		}
	}
}

func TestSizeClasses(t *testing.T) {
	last := -1
	for n := 1; n <= mostPooled; n += max(n/97, 1) {
		class, size := sizeClass(n)
		if size < n || size > leastPooled && size > n+n/3 || class < last {
			t.Fatalf("%d bytes are of class %d with %d bytes after class %d", n, class, size, last)
		}
		if again, same := sizeClass(size); again != class || same != size {
			t.Fatalf("%d bytes give %d, which is of another class", n, size)
		}
		last = class
	}
	if class, _ := sizeClass(mostPooled + 1); class != -1 {
		t.Error("more than the most is pooled")
	}
}

func BenchmarkReadLent(b *testing.B) {
	s := coltype.Schema{Columns: []coltype.Column{
		{Name: "t", FieldName: "t", FieldID: 1, Type: kindType(coltype.String)},
		{Name: "n", FieldName: "n", FieldID: 2, Type: kindType(coltype.Int64)},
	}, ExactID: 900, ExactKeyID: 901, ExactValueID: 902}
	rng := rand.New(rand.NewPCG(1, 1))
	rb := array.NewRecordBuilder(memory.DefaultAllocator, s.Arrow())
	for range 122_880 {
		rb.Field(0).(*array.StringBuilder).Append(strings.Repeat("abc", rng.IntN(10)))
		rb.Field(1).(*array.Int64Builder).Append(rng.Int64N(1 << 20))
		rb.Field(2).AppendNull()
	}
	data, _ := write(b, s, WriteOptions{}, rb.NewRecordBatch())
	f := open(b, data)
	for _, every := range []int64{1, 10, 1000} {
		var ranges []RowRange
		for row := int64(0); row < 122_880; row += every {
			ranges = append(ranges, RowRange{row, row + 1})
		}
		if every == 1 {
			ranges = nil
		}
		b.Run(fmt.Sprintf("one of %d", every), func(b *testing.B) {
			for b.Loop() {
				got, err := f.ReadLent(context.Background(), 0, s.Columns, false, ranges)
				if err != nil {
					b.Fatal(err)
				}
				got.Release()
			}
		})
	}
}
