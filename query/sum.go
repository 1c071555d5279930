package query

import (
	"fmt"
	"math/big"
	"math/bits"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"frostline/coltype"
	"frostline/predicate"
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

// bytes is what it takes beyond itself: of long numbers the digits.
func (s *exactSum) bytes() int64 {
	if s.big == nil {
		return 0
	}
	return int64(cap(s.big.Bits())) * 8
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
		v = new(big.Int).Mul(v, coltype.Pow10(int(s.scale-scale)))
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
		s.big.Mul(s.big, coltype.Pow10(int(scale-s.scale)))
	}
	s.scale = scale
}

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

// numeric is a total as a numeric.
func (s *exactSum) numeric() coltype.Value {
	return coltype.Value{Kind: coltype.Decimal, Big: s.total(), Scale: int(s.scale)}
}

// average is the sum divided by n, with the scale that PostgreSQL gives it.
func (s *exactSum) average() (coltype.Value, error) {
	return predicate.Divide(s.numeric(), coltype.Value{Kind: coltype.Int64, I: s.n})
}

// exactSums is sum and avg of integers and numerics.
type exactSums struct {
	t     coltype.Type
	avg   bool
	whole bool // the result is a bigint
	s     []exactSum
	wide  int64 // bytes of the sums beyond themselves
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
	if err := s.addTyped(groups, arr); err != nil {
		return err
	}
	return addSide(s, s.t, groups, side)
}

func (s *exactSums) addTyped(groups []int32, arr arrow.Array) error {
	all := arr.NullN() == 0
	switch a := arr.(type) {
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
				was := to.bytes()
				if err := to.addText(a.Value(i)); err != nil {
					return err
				}
				s.wide += to.bytes() - was
			}
		}
	default:
		return fmt.Errorf("an Arrow array of %v does not hold values of %s", arr.DataType(), s.t.Name)
	}
	return nil
}

func (s *exactSums) addCell(g int32, c cell) error {
	to := &s.s[g]
	to.n++
	was := to.bytes()
	err := to.addValue(c.v)
	s.wide += to.bytes() - was
	return err
}

func (s *exactSums) merge(o state, into []int32) error {
	for g, to := range into {
		was := s.s[to].bytes()
		s.s[to].merge(&o.(*exactSums).s[g])
		s.wide += s.s[to].bytes() - was
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
	if !special {
		v, err := sum.numeric(), error(nil)
		if s.avg {
			v, err = sum.average()
		}
		if err != nil {
			return cell{}, outOfRange("numeric")
		}
		text = string(coltype.AppendText(nil, numericType, v))
	}
	return cell{v: coltype.Value{Kind: coltype.String, S: text}}, nil
}

func (s *exactSums) bytes() int64 {
	return int64(cap(s.s))*64 + s.wide
}
