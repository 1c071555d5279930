package query

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"frostline/coltype"
)

// exactSum is a sum of whole numbers × 10^-scale.
type exactSum struct {
	n             int64
	hi            int64 // hi × 2^64 + lo, and big beside
	lo            uint64
	big           *big.Int
	scale         int32 // the largest of the inputs'
	nan, pos, neg bool
}

func (s *exactSum) addInt(v int64) {
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, uint64(v), 0)
	s.hi += v>>63 + int64(carry)
}

func (s *exactSum) addNum(v decimal128.Num) {
	if s.hi >= 1<<61 || s.hi < -1<<61 {
		s.spill()
	}
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, v.LowBits(), 0)
	s.hi += v.HighBits() + int64(carry)
}

// spill empties the small part into the big one. A decimal128 is below 2^127, 38 digits even below 2^126.3.
func (s *exactSum) spill() {
	if s.hi == 0 && s.lo == 0 {
		return
	}
	if s.big == nil {
		s.big = new(big.Int)
	}
	s.big.Add(s.big, decimal128.New(s.hi, s.lo).BigInt())
	s.hi, s.lo = 0, 0
}

func (s *exactSum) addBig(v *big.Int, scale int32) {
	s.spill()
	if s.big == nil {
		s.big = new(big.Int)
	}
	s.rescale(scale)
	if scale < s.scale {
		v = new(big.Int).Mul(v, tens(s.scale-scale))
	}
	s.big.Add(s.big, v)
}

// rescale makes the scale at least this.
func (s *exactSum) rescale(scale int32) {
	if scale <= s.scale {
		return
	}
	if s.hi != 0 || s.lo != 0 || s.big != nil {
		s.spill()
		s.big.Mul(s.big, tens(scale-s.scale))
	}
	s.scale = scale
}

func tens(n int32) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// addText adds a numeric's text.
func (s *exactSum) addText(text string) error {
	switch text {
	case "NaN":
		s.nan = true
		return nil
	case "Infinity":
		s.pos = true
		return nil
	case "-Infinity":
		s.neg = true
		return nil
	}
	whole, frac, _ := strings.Cut(text, ".")
	scale := int32(len(frac))
	if len(whole)+len(frac) <= 18 {
		m, err := strconv.ParseInt(whole+frac, 10, 64)
		if err != nil {
			return fmt.Errorf("%w for type numeric: %q", coltype.ErrValue, clipped(text))
		}
		s.rescale(scale)
		if scale == s.scale {
			s.addInt(m)
			return nil
		}
		s.addBig(big.NewInt(m), scale)
		return nil
	}
	m, ok := new(big.Int).SetString(whole+frac, 10)
	if !ok {
		return fmt.Errorf("%w for type numeric: %q", coltype.ErrValue, clipped(text))
	}
	s.addBig(m, scale)
	return nil
}

func (s *exactSum) addValue(v coltype.Value) error {
	switch {
	case v.Kind == coltype.String:
		return s.addText(v.S)
	case v.Kind != coltype.Decimal:
		s.addInt(v.I)
	case v.Special == coltype.NaN:
		s.nan = true
	case v.Special == coltype.PosInf:
		s.pos = true
	case v.Special == coltype.NegInf:
		s.neg = true
	default:
		s.addBig(v.Big, int32(v.Scale))
	}
	return nil
}

func (s *exactSum) merge(o *exactSum) {
	s.n += o.n
	s.nan, s.pos, s.neg = s.nan || o.nan, s.pos || o.pos, s.neg || o.neg
	s.addBig(o.total(), o.scale)
}

func (s *exactSum) total() *big.Int {
	t := decimal128.New(s.hi, s.lo).BigInt()
	if s.big != nil {
		t.Add(t, s.big)
	}
	return t
}

// special is the sum where an input had no digits (numeric_sum in src/backend/utils/adt/numeric.c).
func (s *exactSum) special() (string, bool) {
	switch {
	case s.nan, s.pos && s.neg:
		return "NaN", true
	case s.pos:
		return "Infinity", true
	case s.neg:
		return "-Infinity", true
	}
	return "", false
}

// average is the sum divided by n with the scale that numeric_div gives it.
func (s *exactSum) average() string {
	total := s.total()
	scale := divScale(total, s.scale, big.NewInt(s.n))
	// |total| × 10^-s.scale / n, rounded half away from zero.
	num := new(big.Int).Mul(new(big.Int).Abs(total), tens(scale-s.scale))
	num.Add(num.Lsh(num, 1), big.NewInt(s.n))
	num.Quo(num, new(big.Int).Lsh(big.NewInt(s.n), 1))
	if total.Sign() < 0 {
		num.Neg(num)
	}
	return decimalText(num, scale)
}

// divScale is select_div_scale of src/backend/utils/adt/numeric.c for a × 10^-aScale / b: at least 16 significant digits, counted in
// digits of base 10 000.
func divScale(a *big.Int, aScale int32, b *big.Int) int32 {
	weight1, first1 := leading(a, aScale)
	weight2, first2 := leading(b, 0)
	weight := weight1 - weight2
	if first1 <= first2 {
		weight--
	}
	return min(max(16-4*weight, aScale, 0), 1000)
}

// leading is the weight and the value of the first digit of base 10 000, 0 and 0 for zero.
func leading(v *big.Int, scale int32) (weight int32, digit int64) {
	if v.Sign() == 0 {
		return 0, 0
	}
	digits := new(big.Int).Abs(v).String()
	top := int32(len(digits)) - scale - 1 // the power of ten of the first digit
	weight = top / 4
	if top < 0 && top%4 != 0 {
		weight--
	}
	n := int(top-4*weight) + 1
	for len(digits) < n {
		digits += "0"
	}
	digit, _ = strconv.ParseInt(digits[:n], 10, 64)
	return weight, digit
}

// decimalText is v × 10^-scale with scale decimals.
func decimalText(v *big.Int, scale int32) string {
	if scale == 0 {
		return v.String()
	}
	digits := new(big.Int).Abs(v).String()
	if len(digits) <= int(scale) {
		digits = strings.Repeat("0", int(scale)-len(digits)+1) + digits
	}
	text := digits[:len(digits)-int(scale)] + "." + digits[len(digits)-int(scale):]
	if v.Sign() < 0 {
		return "-" + text
	}
	return text
}

// exactSums is sum and avg of integers and numerics.
type exactSums struct {
	t     coltype.Type
	avg   bool
	whole bool // the result is a bigint
	s     []exactSum
}

func (s *exactSums) grow(n int) {
	from := len(s.s)
	s.s = ensure(s.s, n)
	for i := from; i < n; i++ {
		if s.t.Kind == coltype.Decimal {
			s.s[i].scale = int32(s.t.Scale)
		}
	}
}

func (s *exactSums) add(groups []int32, arr arrow.Array, side []sideText) error {
	if d, ok := arr.(*array.Dictionary); ok {
		for i := range d.Len() {
			if isNull(d, i) {
				continue
			}
			c, err := cellAt(s.t, d.Dictionary(), d.GetValueIndex(i))
			if err != nil {
				return err
			}
			if err := s.addCell(groupOf(groups, i), c); err != nil {
				return err
			}
		}
	} else if err := s.addTyped(groups, arr); err != nil {
		return err
	}
	for _, c := range side {
		v, err := exactCell(s.t, c.text)
		if err != nil {
			return err
		}
		if err := s.addCell(groupOf(groups, c.row), v); err != nil {
			return err
		}
	}
	return nil
}

func (s *exactSums) addTyped(groups []int32, arr arrow.Array) error {
	all := arr.NullN() == 0
	switch a := arr.(type) {
	case *array.Null:
	case *array.Int32:
		for i, v := range a.Int32Values() {
			if all || a.IsValid(i) {
				to := &s.s[groupOf(groups, i)]
				to.n++
				to.addInt(int64(v))
			}
		}
	case *array.Int64:
		for i, v := range a.Int64Values() {
			if all || a.IsValid(i) {
				to := &s.s[groupOf(groups, i)]
				to.n++
				to.addInt(v)
			}
		}
	case *array.Decimal128:
		if int(a.DataType().(*arrow.Decimal128Type).Scale) != s.t.Scale {
			return fmt.Errorf("an Arrow array of %v does not hold values of %s", a.DataType(), s.t.Name)
		}
		for i, v := range a.Values() {
			if all || a.IsValid(i) {
				to := &s.s[groupOf(groups, i)]
				to.n++
				to.addNum(v)
			}
		}
	case *array.String:
		for i := range a.Len() {
			if all || a.IsValid(i) {
				to := &s.s[groupOf(groups, i)]
				to.n++
				if err := to.addText(a.Value(i)); err != nil {
					return err
				}
			}
		}
	default:
		return fmt.Errorf("an Arrow array of %v does not hold values of %s", arr.DataType(), s.t.Name)
	}
	return nil
}

func (s *exactSums) addCell(g int32, c cell) error {
	s.s[g].n++
	return s.s[g].addValue(c.v)
}

func (s *exactSums) merge(o state, into []int32) error {
	for g, to := range into {
		s.s[to].merge(&o.(*exactSums).s[g])
	}
	return nil
}

func (s *exactSums) result(g int) (cell, error) {
	sum := &s.s[g]
	if sum.n == 0 {
		return cell{null: true}, nil
	}
	if s.whole {
		t := sum.total()
		if !t.IsInt64() {
			return cell{}, outOfRange("bigint")
		}
		return cell{v: coltype.Value{Kind: coltype.Int64, I: t.Int64()}}, nil
	}
	text, special := sum.special()
	switch {
	case special:
	case s.avg:
		text = sum.average()
	default:
		text = decimalText(sum.total(), sum.scale)
	}
	return cell{v: coltype.Value{Kind: coltype.String, S: text}}, nil
}

func (s *exactSums) bytes() int64 {
	return int64(cap(s.s)) * 64
}

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
	at := func(i int) float64 { return 0 }
	switch a := arr.(type) {
	case *array.Null:
		return nil
	case *array.Float32:
		at = func(i int) float64 { return float64(a.Value(i)) }
	case *array.Float64:
		at = a.Value
	case *array.Dictionary:
		switch d := a.Dictionary().(type) {
		case *array.Float32:
			at = func(i int) float64 { return float64(d.Value(a.GetValueIndex(i))) }
		case *array.Float64:
			at = func(i int) float64 { return d.Value(a.GetValueIndex(i)) }
		}
	default:
		return fmt.Errorf("an Arrow array of %v does not hold floats", arr.DataType())
	}
	for i := range arr.Len() {
		if !isNull(arr, i) {
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
