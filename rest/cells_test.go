package rest

import (
	"math"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

// The short way to a cell's JSON gives what the long one gives, also at the ends of the types.
func TestDirectly(t *testing.T) {
	largest, err := decimal128.FromString("99999999999999999999999999999999.999999", 38, 6)
	if err != nil {
		t.Fatal(err)
	}
	decimals := array.NewDecimal128Builder(memory.DefaultAllocator, &arrow.Decimal128Type{Precision: 38, Scale: 6})
	for _, n := range []decimal128.Num{{}, decimal128.FromI64(1), decimal128.FromI64(-1), decimal128.FromI64(-999999), decimal128.FromI64(1000000),
		decimal128.FromI64(math.MaxInt64), decimal128.FromI64(math.MinInt64), largest, largest.Negate()} {
		decimals.Append(n)
	}
	dates := array.NewDate32Builder(memory.DefaultAllocator)
	for _, d := range []arrow.Date32{0, -1, 10957, 19723, -719163, -719162, -719528, 2932896, 2932897, math.MaxInt32, math.MinInt32} {
		dates.Append(d)
	}
	times := array.NewTimestampBuilder(memory.DefaultAllocator, &arrow.TimestampType{Unit: arrow.Microsecond})
	for _, us := range []arrow.Timestamp{0, -1, 1, 1704067200000000, 1704067200250000, 1704067199999999, -62135596800000000, -62135596800000001, 253402300800000000,
		math.MaxInt64, math.MinInt64 + coltype.UnixToPGMicros, math.MinInt64 + coltype.UnixToPGMicros + 1} {
		times.Append(us)
	}
	decimal, date, at := decimals.NewArray(), dates.NewArray(), times.NewArray()
	for _, tt := range []struct {
		typ   coltype.Type
		arr   arrow.Array
		first string
	}{
		{coltype.Type{Kind: coltype.Decimal, Precision: 38, Scale: 6, Name: "numeric(38,6)", Base: "numeric"}, decimal, "0.000000"},
		{coltype.Type{Kind: coltype.Date, Name: "date", Base: "date"}, date, `"1970-01-01"`},
		{coltype.Type{Kind: coltype.Timestamp, Name: "timestamp", Base: "timestamp"}, at, `"1970-01-01T00:00:00"`},
		{coltype.Type{Kind: coltype.TimestampTZ, Name: "timestamptz", Base: "timestamptz"}, at, `"1970-01-01T00:00:00Z"`},
	} {
		for _, asStrings := range []bool{false, true} {
			cell := directly(tt.typ, tt.arr, asStrings)
			if cell == nil {
				t.Fatalf("%s has no short way", tt.typ.Name)
			}
			for i := range tt.arr.Len() {
				got, err := cell([]byte("x"), i)
				if err != nil {
					t.Fatal(err)
				}
				v, err := coltype.ValueAt(tt.typ, tt.arr, i)
				if err != nil {
					t.Fatal(err)
				}
				if want := string(appendValue([]byte("x"), tt.typ, v, asStrings)); string(got) != want {
					t.Errorf("%s, cell %d: %s, want %s", tt.typ.Name, i, got, want)
				}
				if i == 0 && !asStrings && string(got) != "x"+tt.first {
					t.Errorf("%s: %s", tt.typ.Name, got)
				}
			}
		}
	}
	if directly(coltype.Type{Kind: coltype.Decimal, Precision: 38, Scale: 7, Name: "numeric(38,7)", Base: "numeric"}, decimal, false) != nil {
		t.Error("a scale that grew takes the short way")
	}
}
