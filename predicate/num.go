package predicate

import (
	"cmp"
	"math"
	"math/big"
	"math/bits"

	"frostline/coltype"
)

// num is a numeric: small or big × 10^-scale, or a special value.
type num struct {
	small   int64
	big     *big.Int // nil: small
	scale   int
	special coltype.Special
}

// The limits of src/backend/utils/adt/numeric.c and src/include/utils/numeric.h.
const (
	numericWhole    = 131072 // digits before the point
	numericScale    = 16383  // after it
	numericMinDigit = 16     // significant digits of a quotient, at least
	numericMaxShown = 1000   // digits after the point of a quotient, at most
)

func numOf(v coltype.Value) num {
	switch {
	case v.Kind != coltype.Decimal:
		return num{small: v.I}
	case v.Special != coltype.Finite:
		return num{special: v.Special}
	case v.Big.IsInt64():
		return num{small: v.Big.Int64(), scale: v.Scale}
	}
	return num{big: v.Big, scale: v.Scale}
}

func bigNum(n *big.Int, scale int) num {
	if n.IsInt64() {
		return num{small: n.Int64(), scale: scale}
	}
	return num{big: n, scale: scale}
}

// digits is the number without its scale; the caller does not change it.
func (a num) digits() *big.Int {
	if a.big != nil {
		return a.big
	}
	return big.NewInt(a.small)
}

func (a num) value() coltype.Value {
	if a.special != coltype.Finite {
		return coltype.Value{Kind: coltype.Decimal, Special: a.special}
	}
	return coltype.Value{Kind: coltype.Decimal, Big: a.digits(), Scale: a.scale}
}

func (a num) text() string { return string(coltype.AppendText(nil, plain[numeric], a.value())) }

func (a num) sign() int {
	switch {
	case a.special == coltype.NegInf:
		return -1
	case a.special == coltype.PosInf:
		return 1
	case a.big != nil:
		return a.big.Sign()
	case a.small < 0:
		return -1
	case a.small > 0:
		return 1
	}
	return 0
}

func (a num) isNaN() bool { return a.special == coltype.NaN }

func (a num) isInf() bool { return a.special == coltype.PosInf || a.special == coltype.NegInf }

func (a num) compare(b num) int {
	if a.special == coltype.Finite && b.special == coltype.Finite && a.big == nil && b.big == nil && a.scale == b.scale {
		return cmp.Compare(a.small, b.small)
	}
	if a.special == coltype.Finite && b.special == coltype.Finite && a.big == nil && b.big == nil {
		x, ok := scaled(a.small, b.scale-a.scale)
		y, ok2 := scaled(b.small, a.scale-b.scale)
		if ok && ok2 {
			return cmp.Compare(x, y)
		}
	}
	return coltype.Compare(a.value(), b.value())
}

// tens are the powers of ten that an int64 holds.
var tens = func() (list [19]int64) {
	list[0] = 1
	for i := 1; i < len(list); i++ {
		list[i] = list[i-1] * 10
	}
	return list
}()

// scaled is n × 10^by, or n where by is negative.
func scaled(n int64, by int) (int64, bool) {
	if by <= 0 {
		return n, true
	}
	if by >= len(tens) {
		return 0, n == 0
	}
	hi, lo := bits.Mul64(magnitude(n), uint64(tens[by]))
	return n * tens[by], hi == 0 && lo <= math.MaxInt64
}

var nanNum = num{special: coltype.NaN}

func infinite(sign int) num {
	if sign < 0 {
		return num{special: coltype.NegInf}
	}
	return num{special: coltype.PosInf}
}

func (a num) neg() num {
	switch {
	case a.isInf():
		return infinite(-a.sign())
	case a.isNaN():
		return a
	case a.big == nil && a.small != math.MinInt64:
		return num{small: -a.small, scale: a.scale}
	}
	return bigNum(new(big.Int).Neg(a.digits()), a.scale)
}

// at is the digits at a scale that is not below a's.
func (a num) at(scale int) *big.Int {
	if scale == a.scale {
		return a.digits()
	}
	return new(big.Int).Mul(a.digits(), coltype.Pow10(scale-a.scale))
}

func (a num) add(b num) (num, error) {
	switch {
	case a.isNaN() || b.isNaN(), a.isInf() && b.isInf() && a.special != b.special:
		return nanNum, nil
	case a.isInf():
		return a, nil
	case b.isInf():
		return b, nil
	}
	scale := max(a.scale, b.scale)
	if a.big == nil && b.big == nil {
		x, ok := scaled(a.small, scale-a.scale)
		y, ok2 := scaled(b.small, scale-b.scale)
		if sum := x + y; ok && ok2 && (sum > x) == (y > 0) {
			return num{small: sum, scale: scale}, nil
		}
	}
	return checked(new(big.Int).Add(a.at(scale), b.at(scale)), scale)
}

// checked refuses what numeric cannot hold.
func checked(n *big.Int, scale int) (num, error) {
	// Of the bit length b the digits are b × log10(2), rounded up or down.
	if over := float64(n.BitLen())*0.30103 - float64(scale); over > numericWhole-2 {
		if limit := coltype.Pow10(numericWhole + scale); n.CmpAbs(limit) >= 0 {
			return num{}, errRange
		}
	}
	return bigNum(n, scale), nil
}

func (a num) mul(b num) (num, error) {
	switch {
	case a.isNaN() || b.isNaN():
		return nanNum, nil
	case a.isInf() || b.isInf():
		if a.sign()*b.sign() == 0 {
			return nanNum, nil
		}
		return infinite(a.sign() * b.sign()), nil
	case a.big == nil && b.big == nil && a.scale+b.scale <= numericScale:
		if hi, lo := bits.Mul64(magnitude(a.small), magnitude(b.small)); hi == 0 && lo <= math.MaxInt64 {
			return num{small: a.small * b.small, scale: a.scale + b.scale}, nil
		}
	}
	n, scale := new(big.Int).Mul(a.digits(), b.digits()), a.scale+b.scale
	if scale > numericScale {
		n, scale = quotient(n, coltype.Pow10(scale-numericScale)), numericScale
	}
	return checked(n, scale)
}

func magnitude(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

// quotient is a/b rounded, halves away from zero.
func quotient(a, b *big.Int) *big.Int {
	q, r := new(big.Int).QuoRem(a, b, new(big.Int))
	if r.Lsh(r, 1).CmpAbs(b) >= 0 {
		q.Add(q, big.NewInt(int64(a.Sign()*b.Sign())))
	}
	return q
}

// Divide is a / b of numerics or whole numbers as numeric_div has it, with its scale. The errors are a division by zero
// and a quotient that numeric cannot hold.
func Divide(a, b coltype.Value) (coltype.Value, error) {
	q, err := numOf(a).div(numOf(b))
	return q.value(), err
}

func (a num) div(b num) (num, error) {
	switch {
	case a.isNaN() || b.isNaN(), a.isInf() && b.isInf():
		return nanNum, nil
	case b.sign() == 0:
		return num{}, errDivision
	case a.isInf():
		return infinite(a.sign() * b.sign()), nil
	case b.isInf():
		return num{}, nil
	}
	scale := divScale(a, b)
	shift := scale + b.scale - a.scale
	if a.big == nil && b.big == nil && shift >= 0 && shift < len(tens) {
		n := magnitude(b.small)
		if hi, lo := bits.Mul64(magnitude(a.small), uint64(tens[shift])); hi < n {
			q, r := bits.Div64(hi, lo, n)
			if r >= n-r {
				q++
			}
			if q <= math.MaxInt64 && q > 0 {
				if (a.small < 0) != (b.small < 0) {
					return num{small: -int64(q), scale: scale}, nil
				}
				return num{small: int64(q), scale: scale}, nil
			}
		}
	}
	x, y := a.digits(), b.digits()
	if shift >= 0 {
		x = new(big.Int).Mul(x, coltype.Pow10(shift))
	} else {
		y = new(big.Int).Mul(y, coltype.Pow10(-shift))
	}
	return checked(quotient(x, y), scale)
}

// divScale is select_div_scale of src/backend/utils/adt/numeric.c.
func divScale(a, b num) int {
	w1, d1 := leading(a)
	w2, d2 := leading(b)
	weight := w1 - w2
	if d1 <= d2 {
		weight--
	}
	return min(max(numericMinDigit-weight*4, a.scale, b.scale, 0), numericMaxShown)
}

// leading is the weight and the value of the first group of four digits that is not zero, counted from the point.
func leading(a num) (weight, digit int) {
	if a.sign() == 0 {
		return 0, 0
	}
	if a.big == nil {
		n, have := magnitude(a.small), 1
		for have < len(tens) && n >= uint64(tens[have]) {
			have++
		}
		top := have - 1 - a.scale
		weight = top >> 2
		if k := top - weight*4 + 1; have >= k {
			return weight, int(n / uint64(tens[have-k]))
		} else {
			return weight, int(n) * int(tens[k-have])
		}
	}
	s := new(big.Int).Abs(a.digits()).String()
	top := len(s) - 1 - a.scale // the power of ten of the first digit
	weight = top >> 2           // floor
	for i := range top - weight*4 + 1 {
		digit *= 10
		if i < len(s) {
			digit += int(s[i] - '0')
		}
	}
	return weight, digit
}

func (a num) mod(b num) (num, error) {
	switch {
	case a.isNaN() || b.isNaN():
		return nanNum, nil
	case b.sign() == 0:
		return num{}, errDivision
	case a.isInf():
		return nanNum, nil
	case b.isInf():
		return a, nil
	}
	scale := max(a.scale, b.scale)
	return bigNum(new(big.Int).Rem(a.at(scale), b.at(scale)), scale), nil
}

// round brings a to a scale, halves away from zero.
func (a num) round(scale int) num {
	if a.special != coltype.Finite {
		return a
	}
	if scale >= a.scale {
		return bigNum(a.at(scale), scale)
	}
	return bigNum(quotient(a.digits(), coltype.Pow10(a.scale-scale)), scale)
}

// fit is apply_typmod of src/backend/utils/adt/numeric.c.
func (a num) fit(precision, scale int) (num, error) {
	if a.isInf() {
		return num{}, errRange
	}
	r := a.round(scale)
	if r.special == coltype.Finite && r.digits().CmpAbs(coltype.Pow10(precision)) >= 0 {
		return num{}, errRange
	}
	return r, nil
}

// whole rounds to an integer of that range.
func (a num) whole(least, most int64) (int64, error) {
	if a.special != coltype.Finite {
		return 0, errRange
	}
	n := a
	if a.scale > 0 {
		n = a.round(0)
	}
	if n.big != nil || n.small < least || n.small > most {
		return 0, errRange
	}
	return n.small, nil
}

// parseNum reads what numeric_out prints, short numbers at once.
func parseNum(s string) (num, error) {
	n, scale, digits := int64(0), 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isDigit(c):
			n = n*10 + int64(c-'0')
			digits++
		case c == '.' && scale == 0 && digits > 0 && i+1 < len(s):
			scale = len(s) - i - 1
		case c == '-' && i == 0:
		default:
			digits = len(tens)
		}
		if digits >= len(tens) {
			break
		}
	}
	if digits == 0 || digits >= len(tens) || scale >= digits && scale > 0 {
		v, err := coltype.ParseText(plain[numeric], s)
		return numOf(v), err
	}
	if s[0] == '-' {
		n = -n
	}
	return num{small: n, scale: scale}, nil
}
