package predicate

import (
	"math"
	"math/big"
	"sort"

	"frostline/coltype"
)

// span is an interval of a column's values in PostgreSQL's order. A nil end is open-ended, so a nil
// hi includes NaN and infinity.
type span struct {
	lo, hi         *coltype.Value
	loOpen, hiOpen bool
	none           bool // nothing is inside
}

func (s span) holds(v coltype.Value) bool {
	if s.none {
		return false
	}
	if s.lo != nil {
		if c := coltype.Compare(v, *s.lo); c < 0 || c == 0 && s.loOpen {
			return false
		}
	}
	if s.hi != nil {
		if c := coltype.Compare(v, *s.hi); c > 0 || c == 0 && s.hiOpen {
			return false
		}
	}
	return true
}

// spanOf is {x : x op v}; op is not <>.
func spanOf(op string, v coltype.Value) span {
	switch op {
	case "=":
		return span{lo: &v, hi: &v}
	case "<", "<=":
		return span{hi: &v, hiOpen: op == "<"}
	}
	return span{lo: &v, loOpen: op == ">"}
}

// steps is spanOf on a column of whole numbers of kind k between least and most, for a literal
// between floor and floor+1, or equal to floor when exact.
func steps(op string, k coltype.Kind, floor *big.Int, exact bool) span {
	lo, hi := (*big.Int)(nil), (*big.Int)(nil)
	up := func(n int64) *big.Int { return new(big.Int).Add(floor, big.NewInt(n)) }
	switch op {
	case "=":
		if !exact {
			return span{none: true}
		}
		lo, hi = floor, floor
	case "<":
		if hi = floor; exact {
			hi = up(-1)
		}
	case "<=":
		hi = floor
	case ">":
		lo = up(1)
	case ">=":
		if lo = floor; !exact {
			lo = up(1)
		}
	}
	var s span
	if lo != nil {
		if lo.IsInt64() {
			s.lo = &coltype.Value{Kind: k, I: lo.Int64()}
		} else if lo.Sign() > 0 {
			return span{none: true}
		}
	}
	if hi != nil {
		if hi.IsInt64() {
			s.hi = &coltype.Value{Kind: k, I: hi.Int64()}
		} else if hi.Sign() < 0 {
			return span{none: true}
		}
	}
	return s
}

// floorDiv is the floor of a/b and whether it is exact, b > 0.
func floorDiv(a, b *big.Int) (*big.Int, bool) {
	q, r := new(big.Int).DivMod(a, b, new(big.Int)) // Euclidean: r ≥ 0, so q is the floor
	return q, r.Sign() == 0
}

const dayMicros = 24 * 60 * 60 * 1_000_000

// dateSpan is spanOf on a date column for a timestamp, which lies inside a day.
func dateSpan(op string, us int64) span {
	switch us {
	case math.MaxInt64:
		return spanOf(op, coltype.Value{Kind: coltype.Date, I: math.MaxInt32})
	case math.MinInt64:
		return spanOf(op, coltype.Value{Kind: coltype.Date, I: math.MinInt32})
	}
	floor, exact := floorDiv(big.NewInt(us), big.NewInt(dayMicros))
	return steps(op, coltype.Date, floor, exact)
}

// midnight is a date as a timestamp. A date beyond the last timestamp becomes a number between it
// and infinity, which no timestamp has; ok is false then.
func midnight(days int64) (us int64, ok bool) {
	const end = 9223371331200000000 // END_TIMESTAMP of src/include/datatype/timestamp.h
	switch {
	case days == math.MaxInt32:
		return math.MaxInt64, true
	case days == math.MinInt32:
		return math.MinInt64, true
	case days >= end/dayMicros:
		return math.MaxInt64 - 1, false
	}
	return days * dayMicros, true
}

// values is a set of points in PostgreSQL's order.
type values []coltype.Value

func newValues(list []coltype.Value) values {
	sort.Slice(list, func(i, j int) bool { return coltype.Compare(list[i], list[j]) < 0 })
	out := list[:0]
	for i, v := range list {
		if i == 0 || coltype.Compare(out[len(out)-1], v) != 0 {
			out = append(out, v)
		}
	}
	return out
}

// find is the first index whose value is not below v.
func (l values) find(v coltype.Value) int {
	return sort.Search(len(l), func(i int) bool { return coltype.Compare(l[i], v) >= 0 })
}

func (l values) holds(v coltype.Value) bool {
	i := l.find(v)
	return i < len(l) && coltype.Compare(l[i], v) == 0
}
