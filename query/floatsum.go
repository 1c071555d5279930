package query

import (
	"fmt"
	"math"
	"math/big"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
)

// floatTotal is an exact sum of floats: parts that do not overlap, whose sum it is (Shewchuk, "Adaptive Precision
// Floating-Point Arithmetic", 1997; Python's math.fsum). So the result does not depend on the rows' order.
type floatTotal struct {
	n             int64
	parts         []float64
	wide          *big.Float // beyond the parts' range
	nan, pos, neg bool
}

// floatWide is where a sum leaves the parts: adding two below it does not overflow.
const floatWide = 0x1p1000

// widePrec holds the sum of any number of float64 exactly: 2^-1074 to 2^1024, and room for carries.
const widePrec = 2200

func (s *floatTotal) add(x float64) {
	switch {
	case math.IsNaN(x):
		s.nan = true
		return
	case math.IsInf(x, 1):
		s.pos = true
		return
	case math.IsInf(x, -1):
		s.neg = true
		return
	}
	if s.wide != nil || math.Abs(x) > floatWide || len(s.parts) > 0 && math.Abs(s.parts[len(s.parts)-1]) > floatWide {
		s.addWide(x)
		return
	}
	kept := 0
	for _, y := range s.parts {
		if math.Abs(x) < math.Abs(y) {
			x, y = y, x
		}
		hi := x + y
		if lo := y - (hi - x); lo != 0 {
			s.parts[kept] = lo
			kept++
		}
		x = hi
	}
	s.parts = append(s.parts[:kept], x)
}

func (s *floatTotal) addWide(x float64) {
	if s.wide == nil {
		s.wide = new(big.Float).SetPrec(widePrec)
		for _, p := range s.parts {
			s.wide.Add(s.wide, big.NewFloat(p))
		}
		s.parts = nil
	}
	s.wide.Add(s.wide, big.NewFloat(x))
}

func (s *floatTotal) merge(o *floatTotal) {
	s.n += o.n
	s.nan, s.pos, s.neg = s.nan || o.nan, s.pos || o.pos, s.neg || o.neg
	for _, p := range o.parts {
		s.add(p)
	}
	if o.wide != nil {
		s.addWide(0)
		s.wide.Add(s.wide, o.wide)
	}
}

// value is the sum rounded once; ok is false when finite values give none that is.
func (s *floatTotal) value() (v float64, ok bool) {
	switch {
	case s.nan, s.pos && s.neg:
		return math.NaN(), true
	case s.pos:
		return math.Inf(1), true
	case s.neg:
		return math.Inf(-1), true
	}
	sum := s.wide
	if sum == nil {
		sum = new(big.Float).SetPrec(widePrec)
		for _, p := range s.parts {
			sum.Add(sum, big.NewFloat(p))
		}
	}
	v, _ = sum.Float64()
	return v, !math.IsInf(v, 0)
}

// floatSum is sum and avg of floats.
type floatSum struct {
	avg, single bool
	s           []floatTotal
}

func (s *floatSum) grow(n int) { s.s = ensure(s.s, n) }

func (s *floatSum) put(g int32, v float64) {
	s.s[g].n++
	s.s[g].add(v)
}

func (s *floatSum) add(groups []int32, arr arrow.Array, _ []sideText) error {
	var at func(i int) float64
	switch a := arr.(type) {
	case *array.Float32:
		at = func(i int) float64 { return float64(a.Value(i)) }
	case *array.Float64:
		at = a.Value
	default:
		return fmt.Errorf("an Arrow array of %v does not hold floats", arr.DataType())
	}
	for i := range arr.Len() {
		if arr.IsValid(i) {
			s.put(groupOf(groups, i), at(i))
		}
	}
	return nil
}

func (s *floatSum) addCell(g int32, c cell) error {
	s.put(g, c.v.F)
	return nil
}

func (s *floatSum) merge(o state, into []int32) error {
	for g, to := range into {
		s.s[to].merge(&o.(*floatSum).s[g])
	}
	return nil
}

func (s *floatSum) result(g int) (cell, error) {
	sum := &s.s[g]
	if sum.n == 0 {
		return cell{null: true}, nil
	}
	v, ok := sum.value()
	if s.single && ok && !math.IsInf(v, 0) && math.IsInf(float64(float32(v)), 0) {
		ok = false
	}
	if !ok {
		return cell{}, outOfRange("value")
	}
	if s.avg {
		v /= float64(sum.n)
	}
	kind := coltype.Float64
	if s.single {
		kind = coltype.Float32
	}
	return cell{v: coltype.Value{Kind: kind, F: v}}, nil
}

func (s *floatSum) bytes() int64 {
	return int64(cap(s.s)) * 96
}
