package predicate

import (
	"bytes"
	"math/big"
	"sort"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
)

// digits is a numeric of any size, as text cut up for comparing: no leading zeros in whole, no
// trailing ones in frac.
type digits struct {
	special     coltype.Special
	neg         bool
	whole, frac []byte
}

// cut reads what numeric_out prints, and any plain decimal. ok is false for everything else.
func cut(s []byte) (d digits, ok bool) {
	if len(s) > 0 && s[0] == '-' {
		d.neg = true
		s = s[1:]
	}
	if len(s) == 0 {
		return d, false
	}
	if !isDigit(s[0]) {
		switch string(s) {
		case "NaN":
			d.special = coltype.NaN
		case "Infinity":
			if d.special = coltype.PosInf; d.neg {
				d.special = coltype.NegInf
			}
		default:
			return d, false
		}
		return d, !d.neg || d.special == coltype.NegInf
	}
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	d.whole = s[:i]
	if i < len(s) {
		if s[i] != '.' {
			return d, false
		}
		d.frac = s[i+1:]
		for _, c := range d.frac {
			if !isDigit(c) {
				return d, false
			}
		}
	}
	for len(d.whole) > 0 && d.whole[0] == '0' {
		d.whole = d.whole[1:]
	}
	for n := len(d.frac); n > 0 && d.frac[n-1] == '0'; n-- {
		d.frac = d.frac[:n-1]
	}
	if len(d.whole) == 0 && len(d.frac) == 0 {
		d.neg = false
	}
	return d, true
}

// digitsOf is v, a Decimal, cut up.
func digitsOf(v coltype.Value) digits {
	if v.Special != coltype.Finite {
		return digits{special: v.Special}
	}
	s := new(big.Int).Abs(v.Big).String()
	if v.Scale > 0 {
		if len(s) <= v.Scale {
			s = strings.Repeat("0", v.Scale-len(s)+1) + s
		}
		s = s[:len(s)-v.Scale] + "." + s[len(s)-v.Scale:]
	} else if v.Scale < 0 {
		s += strings.Repeat("0", -v.Scale)
	}
	if v.Big.Sign() < 0 {
		s = "-" + s
	}
	d, _ := cut([]byte(s))
	return d
}

func (d digits) rank() int {
	switch d.special {
	case coltype.NegInf:
		return 0
	case coltype.PosInf:
		return 2
	case coltype.NaN:
		return 3
	}
	return 1
}

func (d digits) compare(e digits) int {
	if a, b := d.rank(), e.rank(); a != b || a != 1 {
		return a - b
	}
	if d.neg != e.neg {
		if d.neg {
			return -1
		}
		return 1
	}
	c := len(d.whole) - len(e.whole)
	if c == 0 {
		c = bytes.Compare(d.whole, e.whole)
	}
	if c == 0 {
		c = bytes.Compare(d.frac, e.frac)
	}
	if d.neg {
		return -c
	}
	return c
}

// numericMatch tests numeric without precision, which is kept as text.
type numericMatch struct {
	test   *leafTest
	lo, hi digits
	set    []digits // ascending
}

func newNumericMatch(test *leafTest) matcher {
	m := &numericMatch{test: test}
	if test.span.lo != nil {
		m.lo = digitsOf(*test.span.lo)
	}
	if test.span.hi != nil {
		m.hi = digitsOf(*test.span.hi)
	}
	for _, v := range test.set {
		m.set = append(m.set, digitsOf(v))
	}
	return m
}

func (m *numericMatch) holds(d digits) bool {
	if m.test.isSet {
		i := sort.Search(len(m.set), func(i int) bool { return m.set[i].compare(d) >= 0 })
		return i < len(m.set) && m.set[i].compare(d) == 0
	}
	s := &m.test.span
	if s.none {
		return false
	}
	if s.lo != nil {
		if c := d.compare(m.lo); c < 0 || c == 0 && s.loOpen {
			return false
		}
	}
	if s.hi != nil {
		if c := d.compare(m.hi); c > 0 || c == 0 && s.hiOpen {
			return false
		}
	}
	return true
}

func (m *numericMatch) fill(arr arrow.Array, active, t []uint64) error {
	if arr.Len() == 0 {
		return nil
	}
	v, err := viewOf(arr)
	if err != nil {
		return err
	}
	eachBit(active, t, v.rows, func(i int) bool {
		d, ok := cut(v.at(i))
		if !ok {
			if arr.IsNull(i) {
				return false
			}
			value, bad := coltype.ParseText(plain[numeric], string(v.at(i)))
			if bad != nil {
				err = bad
				return false
			}
			d = digitsOf(value)
		}
		return m.holds(d)
	})
	return err
}
