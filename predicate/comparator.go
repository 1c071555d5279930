package predicate

import (
	"cmp"
	"math"
	"strings"

	"frostline/coltype"
)

// compareFunc orders value i of x and value j of y, neither NULL, as PostgreSQL does. Its errors are of values that do not
// fit the type that both are compared in.
type compareFunc func(x *vec, i int, y *vec, j int) (int, error)

// trimming tells of which of two texts trailing spaces do not count.
type trimming struct{ x, y bool }

func (b *binder) comparator(l, r side) compareFunc {
	a, c := l.class, r.class
	switch {
	case a == oid && c == bigint || a == bigint && c == oid:
		get := func(c class, v *vec, i int) (int64, error) {
			n := v.int(i)
			if c == bigint && (n < 0 || n > math.MaxUint32) {
				return 0, errRange
			}
			return n, nil
		}
		return func(x *vec, i int, y *vec, j int) (int, error) {
			m, err := get(a, x, i)
			n, err2 := get(c, y, j)
			if err == nil {
				err = err2
			}
			return cmp.Compare(m, n), err
		}
	case a == oid || c == oid: // other integers wrap
		return func(x *vec, i int, y *vec, j int) (int, error) {
			return cmp.Compare(uint32(x.int(i)), uint32(y.int(j))), nil
		}
	case a.isFloat() || c.isFloat():
		return func(x *vec, i int, y *vec, j int) (int, error) {
			f, err := x.asFloat(a, i)
			g, err2 := y.asFloat(c, j)
			if err == nil {
				err = err2
			}
			return coltype.Compare(coltype.Value{Kind: coltype.Float64, F: f}, coltype.Value{Kind: coltype.Float64, F: g}), err
		}
	case a == numeric || c == numeric:
		return func(x *vec, i int, y *vec, j int) (int, error) {
			return x.asNum(a, i).compare(y.asNum(c, j)), nil
		}
	case a.isMoment() && a != c && (a == date || c == date):
		get := func(c class, v *vec, i int) int64 {
			n := v.int(i)
			if c == date {
				n, _ = midnight(n)
			}
			return n
		}
		return func(x *vec, i int, y *vec, j int) (int, error) { return cmp.Compare(get(a, x, i), get(c, y, j)), nil }
	case a.form() == formInt:
		return func(x *vec, i int, y *vec, j int) (int, error) { return cmp.Compare(x.int(i), y.int(j)), nil }
	case a == interval:
		return func(x *vec, i int, y *vec, j int) (int, error) { return x.duration(i).compare(y.duration(j)), nil }
	case a == arrayType:
		by := b.comparator(elemOf(l), elemOf(r))
		return func(x *vec, i int, y *vec, j int) (int, error) { return compareLists(x.list(i), y.list(j), by) }
	case a == enum:
		place := map[string]int{}
		for k, s := range l.typ.Labels {
			place[s] = k
		}
		return func(x *vec, i int, y *vec, j int) (int, error) {
			m, ok := place[x.str(i)]
			n, ok2 := place[y.str(j)]
			if !ok || !ok2 {
				return 0, errLabel
			}
			return m - n, nil
		}
	}
	trim := trimsOf(l, r)
	return func(x *vec, i int, y *vec, j int) (int, error) {
		s, t := x.str(i), y.str(j)
		if trim.x {
			s = trimSpaces(s)
		}
		if trim.y {
			t = trimSpaces(t)
		}
		return strings.Compare(s, t), nil
	}
}

// trimsOf: char(n) loses its padding as text; beside char(n) varchar does so too, and text does not, since
// PostgreSQL finds bpchar = bpchar for the one and text = text for the other.
func trimsOf(l, r side) trimming {
	padded := func(s, other side) bool {
		return s.class == bpchar || other.class == bpchar && s.class == text && s.typ.Base == "varchar"
	}
	return trimming{padded(l, r), padded(r, l)}
}

func (v *vec) asNum(c class, i int) num {
	if c == numeric {
		return v.num(i)
	}
	return num{small: v.int(i)}
}

func (v *vec) asFloat(c class, i int) (float64, error) {
	switch {
	case c.isFloat():
		return v.float(i), nil
	case c == numeric:
		return v.num(i).float(plain[float8])
	}
	return float64(v.int(i)), nil
}

// float is a numeric as a float: through its text, as the server does it.
func (a num) float(t coltype.Type) (float64, error) {
	switch a.special {
	case coltype.NaN:
		return math.NaN(), nil
	case coltype.PosInf:
		return math.Inf(1), nil
	case coltype.NegInf:
		return math.Inf(-1), nil
	}
	v, err := coltype.ParseText(t, decimalText(a.value()))
	if err != nil {
		return 0, errRange
	}
	return v.F, nil
}

// elemOf is an element of an array as a side of an operator.
func elemOf(s side) side {
	return side{class: classOf(*s.typ.Elem), typ: *s.typ.Elem, col: -1, at: s.at, e: s.e}
}
