package query

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

// The quotients are PostgreSQL 16's: SELECT sum / n.
func TestAverage(t *testing.T) {
	for _, tt := range []struct {
		sum   string
		scale int32
		n     int64
		want  string
	}{
		{"10", 0, 4, "2.5000000000000000"},
		{"1", 0, 3, "0.33333333333333333333"},
		{"2", 0, 3, "0.66666666666666666667"},
		{"-2", 0, 3, "-0.66666666666666666667"},
		{"0", 0, 7, "0.00000000000000000000"},
		{"1000000", 0, 3, "333333.333333333333"},
		{"12345", 2, 10, "12.3450000000000000"},
		{"1", 20, 3, "0.0000000000000000000033333333333333333333"},
		{"100000000000000000000000000000000000000", 0, 3, "33333333333333333333333333333333333333"},
		{"99990000", 0, 9999, "10000.0000000000000000"},
		{"5", 1, 2, "0.25000000000000000000"},
		{strings.Repeat("3", 1100), 1100, 2, "0.1" + strings.Repeat("6", 998) + "7"}, // no more than 1000 decimals
		{"1", 1005, 2, "0." + strings.Repeat("0", 1000)},
	} {
		s := exactSum{n: tt.n, scale: tt.scale}
		v, _ := new(big.Int).SetString(tt.sum, 10)
		s.addBig(v, tt.scale)
		got, err := s.average()
		if text := string(coltype.AppendText(nil, numericType, got)); err != nil || text != tt.want {
			t.Errorf("%s × 10^-%d / %d: got %s %v, want %s", tt.sum, tt.scale, tt.n, text, err, tt.want)
		}
	}
}

// Sums leave 64 and 128 bits without a loss, in whatever parts they are added.
func TestExactSum(t *testing.T) {
	most, _ := new(big.Int).SetString("99999999999999999999999999999999999999", 10)
	var one, a, b exactSum
	want := new(big.Int)
	for i := range 1000 {
		one.addNum(decimal128.FromBigInt(most))
		a.addInt(math.MinInt64)
		b.addNum(decimal128.FromBigInt(new(big.Int).Neg(most)))
		want.Add(want, most)
		if i%3 == 0 {
			b.addInt(math.MaxInt64)
		}
	}
	if one.total().Cmp(want) != 0 {
		t.Errorf("got %s, want %s", one.total(), want)
	}
	one.merge(&a)
	one.merge(&b)
	want.SetInt64(math.MinInt64)
	want.Mul(want, big.NewInt(1000))
	want.Add(want, new(big.Int).Mul(big.NewInt(math.MaxInt64), big.NewInt(334)))
	if one.total().Cmp(want) != 0 {
		t.Errorf("merged: got %s, want %s", one.total(), want)
	}
}

func TestSumOfTexts(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []string
		want string
	}{
		{"scales", []string{"1.5", "2", "-0.25", "0.000"}, "3.250"},
		{"long", []string{"12345678901234567890123456789.5", "0.50", "-0.00000000000000000001"}, "12345678901234567890123456789.99999999999999999999"},
		{"NaN", []string{"1", "NaN", "Infinity"}, "NaN"},
		{"infinities", []string{"Infinity", "-Infinity"}, "NaN"},
		{"infinity", []string{"-5", "-Infinity"}, "-Infinity"},
	} {
		s := exactSums{t: numericType}
		s.grow(1)
		for _, x := range tt.in {
			if err := s.addCell(0, cell{v: coltype.Value{Kind: coltype.String, S: x}}); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := s.result(0); err != nil || got.v.S != tt.want {
			t.Errorf("%s: got %q %v, want %q", tt.name, got.v.S, err, tt.want)
		}
	}
	var s exactSum
	for _, bad := range []string{"", "x", "1e5", "1.2.3", "--1"} {
		if err := s.addText(bad); err == nil {
			t.Errorf("%q was added", bad)
		}
	}
}

// The memory of a sum grows with its digits, wherever they come from.
func TestSumBytes(t *testing.T) {
	const groups, digits = 10, 50_000
	long := coltype.Value{Kind: coltype.String, S: strings.Repeat("9", digits)}
	least := int64(groups * digits * 3 / 8) // a digit has more than 3 bits
	var cells, merged exactSums
	cells.grow(groups)
	merged.grow(groups)
	into := make([]int32, groups)
	for g := range into {
		into[g] = int32(g)
		if err := cells.addCell(int32(g), cell{v: long}); err != nil {
			t.Fatal(err)
		}
	}
	if err := merged.merge(&cells, into); err != nil {
		t.Fatal(err)
	}
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues([]string{long.S, "1"}, nil)
	rows := exactSums{t: numericType}
	rows.grow(1)
	if err := rows.add(nil, b.NewArray(), nil); err != nil {
		t.Fatal(err)
	}
	if cells.bytes() < least || merged.bytes() < least || rows.bytes() < least/groups {
		t.Errorf("%d bytes in cells, %d merged, want %d; %d of rows", cells.bytes(), merged.bytes(), least, rows.bytes())
	}
}

// A sum of floats is the exact one rounded once, whatever the order.
func TestFloatTotal(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []float64
		want float64
		ok   bool
	}{
		{"tenths", []float64{.1, .1, .1, .1, .1, .1, .1, .1, .1, .1}, 1, true},
		{"cancelling", []float64{1e100, 1, -1e100}, 1, true},
		{"smallest", []float64{5e-324, 5e-324, 1, -1}, 1e-323, true},
		{"beyond in between", []float64{math.MaxFloat64, math.MaxFloat64, -math.MaxFloat64, 2}, math.MaxFloat64, true},
		{"too large", []float64{math.MaxFloat64, math.MaxFloat64}, math.Inf(1), false},
		{"infinity", []float64{1, math.Inf(-1)}, math.Inf(-1), true},
	} {
		var there, back, merged floatTotal
		for i := range tt.in {
			there.add(tt.in[i])
			back.add(tt.in[len(tt.in)-1-i])
			var part floatTotal
			part.add(tt.in[i])
			merged.merge(&part)
		}
		for _, s := range []*floatTotal{&there, &back, &merged} {
			if got, ok := s.value(); got != tt.want || ok != tt.ok {
				t.Errorf("%s: got %g %v, want %g %v", tt.name, got, ok, tt.want, tt.ok)
			}
		}
	}
	var s floatTotal
	s.add(math.Inf(1))
	s.add(math.Inf(-1))
	if v, ok := s.value(); !math.IsNaN(v) || !ok {
		t.Errorf("both infinities: %g %v", v, ok)
	}
}
