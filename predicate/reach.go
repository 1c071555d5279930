package predicate

import (
	"math"
	"math/big"

	"frostline/coltype"
)

// reach is the interval that the values of a scalar lie in.
type reach struct {
	lo, hi *big.Int
	null   bool // some may be NULL
	other  bool // some may be not
}

// limits are the least and the greatest value of a class whose arithmetic reachOf knows.
func limits(c class) (lo, hi int64, ok bool) {
	switch {
	case c.isInt():
		return leastOf(c), -(leastOf(c) + 1), true
	case c == date:
		return coltype.MinDate, coltype.MaxDate, true
	case c == timestamp || c == timestamptz:
		return coltype.MinTimestamp, coltype.MaxTimestamp, true
	}
	return 0, 0, false
}

// reachOf is where the values of x lie under what is known. ok is false where that is not known, or where a value may raise an
// error.
func reachOf(x scalar, k Known) (r reach, ok bool) {
	switch x := x.(type) {
	case *once:
		return reachOf(x.x, k)
	case *fixed:
		if _, _, ok := limits(x.class); !ok || x.v.isNull(0) {
			return reach{}, false
		}
		switch x.v.int(0) { // infinity, of some class
		case math.MaxInt64, math.MinInt64, math.MaxInt32, math.MinInt32:
			return reach{}, false
		}
		n := big.NewInt(x.v.int(0))
		return reach{lo: n, hi: n, other: true}, true
	case *cellsIn:
		if _, _, ok := limits(x.class); !ok {
			return reach{}, false
		}
		b := k.Bounds(x.col)
		if b.Rows <= 0 || b.Min == nil || b.Max == nil || x.typ.MayBeExact() && b.Exact != 0 && b.Nulls != 0 {
			return reach{}, false
		}
		lo, hi, ok := ends(x, b)
		if !ok {
			return reach{}, false
		}
		r.null, r.other = nulls(b, x.typ.MayBeExact())
		r.lo, r.hi = big.NewInt(lo.I), big.NewInt(hi.I)
		return r, true
	case *apply:
		return x.reach(k)
	}
	return reach{}, false
}

func (a *apply) reach(k Known) (r reach, ok bool) {
	e, isOp := a.e.(*operation)
	least, most, bounded := limits(a.out)
	if !isOp || !bounded || a.y == nil {
		return reach{}, false
	}
	x, ok := reachOf(a.x, k)
	if !ok {
		return reach{}, false
	}
	y, ok := reachOf(a.y, k)
	if d, isFixed := a.y.(*fixed); isFixed && d.v.iv != nil && !d.v.isNull(0) && (a.out == timestamp || a.out == timestamptz) {
		// A month is 28 to 31 days; the day that it is cut to is within that.
		iv := d.v.duration(0)
		months := [2]int64{int64(iv.months) * 28, int64(iv.months) * 31}
		fixed := func(monthDays int64) *big.Int {
			n := big.NewInt(monthDays + int64(iv.days))
			return n.Add(n.Mul(n, big.NewInt(dayMicros)), big.NewInt(iv.us))
		}
		y = reach{lo: fixed(min(months[0], months[1])), hi: fixed(max(months[0], months[1])), other: true}
		src, isColumn := a.x.(*cellsIn)
		// Of one sign, since the steps in between must be in range as well.
		signs := iv.months >= 0 && iv.days >= 0 && iv.us >= 0 || iv.months <= 0 && iv.days <= 0 && iv.us <= 0
		if ok = isColumn && (src.class == timestamp || src.class == timestamptz) && signs && !iv.isInf(); !ok {
			return reach{}, false
		}
	}
	if !ok {
		return reach{}, false
	}
	r = reach{null: x.null || y.null, other: x.other && y.other}
	switch e.op {
	case "+":
		r.lo, r.hi = new(big.Int).Add(x.lo, y.lo), new(big.Int).Add(x.hi, y.hi)
	case "-":
		r.lo, r.hi = new(big.Int).Sub(x.lo, y.hi), new(big.Int).Sub(x.hi, y.lo)
	default:
		return reach{}, false
	}
	return r, r.lo.Cmp(big.NewInt(least)) >= 0 && r.hi.Cmp(big.NewInt(most)) <= 0
}

// reaches says what comparing values of two intervals may give; ok is false where that is not known.
func (n *exprTest) reaches(k Known) (o outcomes, ok bool) {
	if !n.whole {
		return anything, false
	}
	x, ok := reachOf(n.x, k)
	if !ok {
		return anything, false
	}
	y, ok := reachOf(n.y, k)
	if !ok {
		return anything, false
	}
	lt, gt := x.lo.Cmp(y.hi) < 0, x.hi.Cmp(y.lo) > 0
	eq := x.lo.Cmp(y.hi) <= 0 && x.hi.Cmp(y.lo) >= 0
	o = outcomes{t: lt && n.lt || eq && n.eq || gt && n.gt, f: lt && !n.lt || eq && !n.eq || gt && !n.gt, n: x.null || y.null}
	if !x.other || !y.other {
		o = outcomes{n: true}
	}
	return o, true
}
