package predicate

import (
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"frostline/coltype"
)

// matcher tests every value of an array. It sets all of t's words; rows outside active and NULLs
// may get anything.
type matcher interface {
	fill(arr arrow.Array, active, t []uint64) error
}

func wrongArray(arr arrow.Array, want string) error {
	return fmt.Errorf("an Arrow array of %v, want %s", arr.DataType(), want)
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

type boolMatch struct{ f, t bool }

func newBoolMatch(test *leafTest) matcher {
	return boolMatch{
		f: test.holds(coltype.Value{Kind: coltype.Bool}),
		t: test.holds(coltype.Value{Kind: coltype.Bool, I: 1}),
	}
}

func (m boolMatch) fill(arr arrow.Array, _, t []uint64) error {
	a, ok := arr.(*array.Boolean)
	if !ok {
		return wrongArray(arr, "bool")
	}
	if m.f == m.t {
		fillBits(t, m.t)
		return nil
	}
	if a.Len() == 0 {
		return nil
	}
	loadBits(a.Data().Buffers()[1].Bytes(), a.Data().Offset(), a.Len(), t)
	if m.f {
		for i := range t {
			t[i] = ^t[i]
		}
	}
	return nil
}

// intMatch tests whole numbers, in Arrow's counting: days and microseconds since 1970.
type intMatch struct {
	lo, hi int64 // inclusive; lo > hi matches nothing
	set    []int64
	bits   []uint64 // of the set, from set[0], when it is dense
}

// maxBitset is the widest set of integers kept as a bitmap: 128 KiB.
const maxBitset = 1 << 20

func newIntMatch(test *leafTest, offset int64) matcher {
	if test.kind() == testSet {
		m := &intMatch{set: []int64{}}
		for _, v := range test.set {
			if x := v.I + offset; offset == 0 || x >= v.I { // infinity has no such number
				m.set = append(m.set, x)
			}
		}
		if n := len(m.set); n > 4 && uint64(m.set[n-1]-m.set[0]) < maxBitset {
			m.bits = make([]uint64, (m.set[n-1]-m.set[0])/64+1)
			for _, x := range m.set {
				d := x - m.set[0]
				m.bits[d/64] |= 1 << (d % 64)
			}
		}
		return m
	}
	m := &intMatch{lo: math.MinInt64, hi: math.MaxInt64}
	s := test.span
	if s.none {
		m.lo, m.hi = 1, 0
		return m
	}
	if s.lo != nil {
		m.lo = s.lo.I
		if s.loOpen {
			if m.lo == math.MaxInt64 {
				return &intMatch{lo: 1, hi: 0}
			}
			m.lo++
		}
		m.lo = addSaturated(m.lo, offset)
	}
	if s.hi != nil {
		m.hi = s.hi.I
		if s.hiOpen {
			if m.hi == math.MinInt64 {
				return &intMatch{lo: 1, hi: 0}
			}
			m.hi--
		}
		m.hi = addSaturated(m.hi, offset)
	}
	return m
}

// addSaturated is a + b, b ≥ 0.
func addSaturated(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func (m *intMatch) fill(arr arrow.Array, _, t []uint64) error {
	switch a := arr.(type) {
	case *array.Int32:
		fillInts(m, a.Int32Values(), t)
	case *array.Int64:
		fillInts(m, a.Int64Values(), t)
	case *array.Date32:
		fillInts(m, a.Date32Values(), t)
	case *array.Time64:
		fillInts(m, a.Time64Values(), t)
	case *array.Timestamp:
		fillInts(m, a.TimestampValues(), t)
	default:
		return wrongArray(arr, "whole numbers, dates or times")
	}
	return nil
}

func fillInts[T ~int32 | ~int64](m *intMatch, list []T, t []uint64) {
	switch {
	case m.set == nil && m.lo > m.hi:
		fillBits(t, false)
	case m.bits != nil:
		lo, width := m.set[0], uint64(m.set[len(m.set)-1]-m.set[0])
		fillWords(list, t, func(x T) bool {
			d := uint64(int64(x) - lo)
			return d <= width && m.bits[d/64]>>(d%64)&1 != 0
		})
	case m.set != nil && len(m.set) <= 8:
		for w := range t {
			var word uint64
			chunk := list[w*64 : min(w*64+64, len(list))]
			for _, want := range m.set {
				for i, x := range chunk {
					word |= bit(int64(x) == want) << (i & 63)
				}
			}
			t[w] = word
		}
	case m.set != nil:
		fillWords(list, t, func(x T) bool {
			_, ok := slices.BinarySearch(m.set, int64(x))
			return ok
		})
	default:
		fillRange(list, m.lo, m.hi, t)
	}
}

func fillWords[T any](list []T, t []uint64, f func(T) bool) {
	for w := range t {
		var word uint64
		for i, x := range list[w*64 : min(w*64+64, len(list))] {
			word |= bit(f(x)) << (i & 63)
		}
		t[w] = word
	}
}

// floatMatch tests floats. lo and hi are inclusive; NaN is beside them.
type floatMatch struct {
	lo, hi float64
	nan    bool
	set    []float64
	isSet  bool
}

func newFloatMatch(test *leafTest) matcher {
	m := &floatMatch{lo: math.Inf(-1), hi: math.Inf(1), isSet: test.kind() == testSet}
	m.nan = test.holds(coltype.Value{Kind: kindOfTest(test), F: math.NaN()})
	if m.isSet {
		for _, v := range test.set {
			if !math.IsNaN(v.F) {
				m.set = append(m.set, v.F)
			}
		}
		return m
	}
	s := test.span
	// above is the next float; NaN as an end leaves nothing or everything below it.
	if s.none {
		m.lo, m.hi = 1, 0
	}
	if s.lo != nil {
		switch v := s.lo.F; {
		case math.IsNaN(v) || s.loOpen && math.IsInf(v, 1):
			m.lo, m.hi = 1, 0
			return m
		case s.loOpen:
			m.lo = math.Nextafter(v, math.Inf(1))
		default:
			m.lo = v
		}
	}
	if s.hi != nil && !math.IsNaN(s.hi.F) {
		switch v := s.hi.F; {
		case s.hiOpen && math.IsInf(v, -1):
			m.lo, m.hi = 1, 0
		case s.hiOpen:
			m.hi = math.Nextafter(v, math.Inf(-1))
		default:
			m.hi = v
		}
	}
	return m
}

// kindOfTest is the kind of a span's or a set's values; Float64 when it has none.
func kindOfTest(t *leafTest) coltype.Kind {
	switch {
	case len(t.set) > 0:
		return t.set[0].Kind
	case t.span.lo != nil:
		return t.span.lo.Kind
	case t.span.hi != nil:
		return t.span.hi.Kind
	}
	return coltype.Float64
}

func (m *floatMatch) fill(arr arrow.Array, _, t []uint64) error {
	switch a := arr.(type) {
	case *array.Float32:
		fillFloats(m, a.Float32Values(), t)
	case *array.Float64:
		fillFloats(m, a.Float64Values(), t)
	default:
		return wrongArray(arr, "floats")
	}
	return nil
}

func fillFloats[T float32 | float64](m *floatMatch, list []T, t []uint64) {
	if m.isSet {
		fillWords(list, t, func(x T) bool { return x != x && m.nan || slices.Contains(m.set, float64(x)) })
		return
	}
	lo, hi, nan := m.lo, m.hi, bit(m.nan)
	for w := range t {
		var word uint64
		for i, x := range list[w*64 : min(w*64+64, len(list))] {
			f := float64(x)
			word |= (bit(f >= lo)&bit(f <= hi) | bit(f != f)&nan) << (i & 63)
		}
		t[w] = word
	}
}

// decimalMatch tests decimal(p,s) by its unscaled numbers.
type decimalMatch struct {
	lo, hi decimal128.Num // inclusive
	none   bool
	small  *intMatch // the same for precisions up to 18
	set    map[decimal128.Num]struct{}
	scale  int
}

func newDecimalMatch(test *leafTest, typ coltype.Type) matcher {
	limit := coltype.Pow10(38) // above every unscaled number
	m := &decimalMatch{scale: typ.Scale}
	if test.kind() == testSet {
		m.set = map[decimal128.Num]struct{}{}
		m.small = &intMatch{set: []int64{}}
		for _, v := range test.set {
			n, exact := unscaled(v, typ.Scale)
			if n == nil || !exact || n.CmpAbs(limit) > 0 {
				continue
			}
			m.set[decimal128.FromBigInt(n)] = struct{}{}
			if n.IsInt64() {
				m.small.set = append(m.small.set, n.Int64())
			}
		}
		return m
	}
	s := test.span
	lo, hi := new(big.Int).Neg(limit), new(big.Int).Set(limit)
	m.none = s.none
	if s.lo != nil {
		n, exact := unscaled(*s.lo, typ.Scale)
		switch {
		case n == nil && s.lo.Special != coltype.NegInf:
			m.none = true
		case n != nil:
			if !exact || s.loOpen {
				n = new(big.Int).Add(n, big.NewInt(1))
			}
			lo = n
		}
	}
	if s.hi != nil {
		n, exact := unscaled(*s.hi, typ.Scale)
		switch {
		case n == nil && s.hi.Special == coltype.NegInf:
			m.none = true
		case n != nil:
			if exact && s.hiOpen {
				n = new(big.Int).Sub(n, big.NewInt(1))
			}
			hi = n
		}
	}
	if m.none || lo.Cmp(hi) > 0 || lo.Cmp(limit) > 0 || hi.Cmp(new(big.Int).Neg(limit)) < 0 {
		m.none = true
		return m
	}
	m.lo, m.hi = decimal128.FromBigInt(clamp(lo, limit)), decimal128.FromBigInt(clamp(hi, limit))
	m.small = &intMatch{lo: clamp(lo, coltype.Pow10(18)).Int64(), hi: clamp(hi, coltype.Pow10(18)).Int64()}
	return m
}

// unscaled is the floor of v × 10^scale and whether it is exact; nil for NaN and infinity.
func unscaled(v coltype.Value, scale int) (*big.Int, bool) {
	if v.Special != coltype.Finite {
		return nil, false
	}
	if v.Scale <= scale {
		return new(big.Int).Mul(v.Big, coltype.Pow10(scale-v.Scale)), true
	}
	return floorDiv(v.Big, coltype.Pow10(v.Scale-scale))
}

// clamp brings n into [-limit, limit]. A column of that many digits has no value at the limits.
func clamp(n, limit *big.Int) *big.Int {
	if n.CmpAbs(limit) <= 0 {
		return n
	}
	if n.Sign() < 0 {
		return new(big.Int).Neg(limit)
	}
	return limit
}

// fillSmall calls fill, unless nothing passes.
func (m *decimalMatch) fillSmall(t []uint64, fill func()) {
	if m.none {
		fillBits(t, false)
		return
	}
	fill()
}

func (m *decimalMatch) fill(arr arrow.Array, _, t []uint64) error {
	switch a := arr.(type) { // unscaled numbers of up to 18 digits
	case *array.Int32:
		m.fillSmall(t, func() { fillInts(m.small, a.Int32Values(), t) })
		return nil
	case *array.Int64:
		m.fillSmall(t, func() { fillInts(m.small, a.Int64Values(), t) })
		return nil
	}
	a, ok := arr.(*array.Decimal128)
	if !ok {
		return wrongArray(arr, "decimal128")
	}
	typ := a.DataType().(*arrow.Decimal128Type)
	if int(typ.Scale) != m.scale {
		return wrongArray(arr, fmt.Sprintf("scale %d", m.scale))
	}
	list := a.Values()
	small := typ.Precision <= 18
	switch {
	case m.none:
		fillBits(t, false)
	case m.set != nil && small:
		fillWords(list, t, func(x decimal128.Num) bool {
			_, ok := slices.BinarySearch(m.small.set, int64(x.LowBits()))
			return ok
		})
	case m.set != nil:
		fillWords(list, t, func(x decimal128.Num) bool { _, ok := m.set[x]; return ok })
	case small:
		lo, width := uint64(m.small.lo), uint64(m.small.hi)-uint64(m.small.lo)
		for w := range t {
			var word uint64
			for i, x := range list[w*64 : min(w*64+64, len(list))] {
				word |= bit(x.LowBits()-lo <= width) << (i & 63)
			}
			t[w] = word
		}
	default:
		lo, hi := m.lo, m.hi
		fillWords(list, t, func(x decimal128.Num) bool { return !x.Less(lo) && !hi.Less(x) })
	}
	return nil
}
