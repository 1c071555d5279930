package parquetio

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

func decimalType(p, s int) coltype.Type {
	return coltype.Type{Kind: coltype.Decimal, Precision: p, Scale: s, Name: "numeric", Base: "numeric"}
}

func kindType(k coltype.Kind) coltype.Type {
	return coltype.Type{Kind: k, Name: k.String(), Base: k.String()}
}

// allKinds has a column of every kind, in several shapes of data (see fill).
func allKinds() coltype.Schema {
	s := coltype.Schema{ExactID: 900, ExactKeyID: 901, ExactValueID: 902}
	add := func(name string, t coltype.Type) {
		c := coltype.Column{Name: name, FieldName: name, Type: t, FieldID: len(s.Columns) + 1}
		if t.Kind == coltype.List {
			c.ElemID = 1000 + c.FieldID
		}
		s.Columns = append(s.Columns, c)
	}
	list := func(t coltype.Type) coltype.Type {
		return coltype.Type{Kind: coltype.List, Elem: &t, Delim: ",", Name: "list", Base: "_x"}
	}
	for k := coltype.Bool; k < coltype.List; k++ {
		if k != coltype.Decimal {
			add(k.String(), kindType(k))
			add(k.String()+" few", kindType(k))
			add(k.String()+" dense", kindType(k))
			add("list of "+k.String(), list(kindType(k)))
		}
	}
	for _, p := range []int{1, 9, 10, 18, 19, 28, 38} {
		add(fmt.Sprintf("decimal %d", p), decimalType(p, p/2))
	}
	add("decimal few", decimalType(12, 2))
	add("list of decimal", list(decimalType(30, 4)))
	add("int64 ascending", kindType(coltype.Int64))
	add(`odd "name", é; -- `, kindType(coltype.String))
	add("all null", kindType(coltype.Int64))
	return s
}

// batch makes rows random rows: "few" columns hold few distinct values, "dense" ones no NULL.
func batch(s coltype.Schema, rng *rand.Rand, rows int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, s.Arrow())
	defer b.Release()
	for i, c := range s.Columns {
		switch {
		case c.Name == "int64 ascending":
			for r := range rows {
				b.Field(i).(*array.Int64Builder).Append(int64(r) * 3)
			}
		case c.Name == "all null":
			b.Field(i).AppendNulls(rows)
		case c.Type.Kind == coltype.List:
			lb := b.Field(i).(*array.ListBuilder)
			for range rows {
				if rng.IntN(5) == 0 {
					lb.AppendNull()
					continue
				}
				lb.Append(true)
				for range rng.IntN(4) {
					fill(lb.ValueBuilder(), *c.Type.Elem, rng, false, 0.2)
				}
			}
		default:
			nulls := 0.2
			if strings.HasSuffix(c.Name, "dense") {
				nulls = 0
			}
			for range rows {
				fill(b.Field(i), c.Type, rng, strings.HasSuffix(c.Name, "few"), nulls)
			}
		}
	}
	mb := b.Field(len(s.Columns)).(*array.MapBuilder)
	for range rows {
		if rng.IntN(10) > 0 {
			mb.AppendNull()
			continue
		}
		mb.Append(true)
		for k := range 1 + rng.IntN(2) {
			mb.KeyBuilder().(*array.StringBuilder).Append(fmt.Sprint("column ", k))
			mb.ItemBuilder().(*array.StringBuilder).Append("infinity")
		}
	}
	return b.NewRecordBatch()
}

func fill(b array.Builder, t coltype.Type, rng *rand.Rand, few bool, nulls float64) {
	if rng.Float64() < nulls {
		b.AppendNull()
		return
	}
	n := int64(rng.Uint64())
	if few {
		n = rng.Int64N(7) - 3
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(n&1 == 0)
	case *array.Int32Builder:
		b.Append(int32(n))
	case *array.Int64Builder:
		b.Append(n)
	case *array.Date32Builder:
		b.Append(arrow.Date32(n % 20000))
	case *array.Time64Builder:
		b.Append(arrow.Time64((n & math.MaxInt64) % 86400_000_000))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(n % (1 << 58)))
	case *array.Float32Builder:
		b.Append([]float32{float32(n), float32(math.NaN()), float32(math.Copysign(0, -1)), 0, float32(math.Inf(1))}[pick(rng)])
	case *array.Float64Builder:
		b.Append([]float64{float64(n) / 7, math.NaN(), math.Copysign(0, -1), 0, math.Inf(-1)}[pick(rng)])
	case *array.Decimal128Builder:
		v := decimal128.New(n>>1, rng.Uint64())
		if few {
			v = decimal128.FromI64(n)
		}
		limit := decimal128.GetScaleMultiplier(t.Precision)
		_, rem := v.Div(limit)
		b.Append(rem)
	case *array.StringBuilder:
		if few {
			b.Append(fmt.Sprint("label ", n))
		} else {
			b.Append(randomText(rng, rng.IntN(90)))
		}
	case *array.BinaryBuilder:
		v := make([]byte, rng.IntN(90))
		for i := range v {
			v[i] = byte(rng.Uint32())
		}
		b.Append(v)
	case *extensions.UUIDBuilder:
		var u [16]byte
		for i := range u {
			u[i] = byte(rng.Uint32())
		}
		b.Append(u)
	default:
		panic(fmt.Sprintf("no generator for %T", b))
	}
}

// pick is mostly 0.
func pick(rng *rand.Rand) int { return max(0, rng.IntN(30)-25) }

func randomText(rng *rand.Rand, n int) string {
	words := []string{"carefully ", "éß", "日本", "\U0001F600", "regular ", "x", "\x00", "'", "\U0010FFFF"}
	var sb strings.Builder
	for sb.Len() < n {
		sb.WriteString(words[rng.IntN(len(words))])
	}
	return sb.String()
}

// write makes a file of batches.
func write(t testing.TB, s coltype.Schema, o WriteOptions, batches ...arrow.RecordBatch) ([]byte, Info) {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, s, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	info, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), info
}

func open(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := Open(context.Background(), Bytes(b), ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// sameRows fails unless rows [at, at+n) of want are rows [0, n) of got, bit by bit where floats are concerned.
func sameRows(t testing.TB, what string, want arrow.RecordBatch, at int64, got arrow.RecordBatch) {
	t.Helper()
	slice := want.NewSlice(at, at+got.NumRows())
	defer slice.Release()
	for i := range int(want.NumCols()) {
		a, b := slice.Column(i), got.Column(i)
		if !arrow.TypeEqual(a.DataType(), b.DataType()) {
			t.Fatalf("%s: column %q has type %s, want %s", what, want.ColumnName(i), b.DataType(), a.DataType())
		}
		if a.NullN() != b.NullN() || !array.ApproxEqual(a, b, array.WithNaNsEqual(true), array.WithAbsTolerance(0)) {
			t.Fatalf("%s: column %q differs:\n got %.600s\nwant %.600s", what, want.ColumnName(i), b, a)
		}
		if x, ok := a.(*array.Float64); ok {
			for r := range x.Len() {
				if x.IsValid(r) && math.Float64bits(x.Value(r)) != math.Float64bits(b.(*array.Float64).Value(r)) {
					t.Fatalf("%s: column %q row %d: %x is %x", what, want.ColumnName(i), r, x.Value(r), b.(*array.Float64).Value(r))
				}
			}
		}
	}
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }
