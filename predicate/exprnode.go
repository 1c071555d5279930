package predicate

import (
	"errors"
	"math/bits"
	"sort"

	"frostline/coltype"
)

func trailing(w uint64) int { return bits.TrailingZeros64(w) }

var errLabel = errors.New("a value is not a label of the enum, so that it has no place in its order")

// exprTest compares two values that rows have.
type exprTest struct {
	x, y       scalar
	by         compareFunc
	lt, eq, gt bool
	may        bool // the comparison may raise
	bounded    bool // both are columns whose bounds compare as their values do
	whole      bool // both are of classes whose numbers compare
	e          Expr
	at         place
}

// passes tells what op lets pass.
func passes(op string) (lt, eq, gt bool) {
	switch op {
	case "=":
		return false, true, false
	case "<>":
		return true, false, true
	case "<":
		return true, false, false
	case "<=":
		return true, true, false
	case ">":
		return false, false, true
	}
	return false, true, true
}

func (n *exprTest) eval(c *call, active, t, null []uint64) error {
	if err := c.stopped(); err != nil {
		return err
	}
	x, err := n.x.eval(c, active)
	if err != nil {
		return err
	}
	y, err := n.y.eval(c, active)
	if err != nil {
		return err
	}
	left := c.get()
	defer c.put(left)
	for w := range null {
		null[w] = x.null[w&x.mask] | y.null[w&y.mask]
		left[w] = active[w] &^ null[w]
		t[w] = 0
	}
	err = eachRow(left, c.rows, func(i int) error {
		k, err := n.by(x, i, y, i)
		if k < 0 && n.lt || k == 0 && n.eq || k > 0 && n.gt {
			t[i/64] |= 1 << (i % 64)
		}
		return err
	})
	if err != nil {
		return raised(err, n.e, n.at)
	}
	return nil
}

func (n *exprTest) outcomes(k Known) outcomes {
	if o, ok := n.reaches(k); ok {
		return o
	}
	x, ok := n.x.(*cellsIn)
	y, ok2 := n.y.(*cellsIn)
	if !ok || !ok2 {
		return anything
	}
	a, b := k.Bounds(x.col), k.Bounds(y.col)
	known := func(c *cellsIn, b coltype.Bounds) (some, others, sure bool) {
		if b.Rows <= 0 || c.typ.MayBeExact() && b.Exact != 0 && b.Nulls != 0 {
			return true, true, false
		}
		some, others = nulls(b, c.typ.MayBeExact())
		return some, others, true
	}
	null1, other1, sure1 := known(x, a)
	null2, other2, sure2 := known(y, b)
	switch {
	case sure1 && !other1 || sure2 && !other2:
		return outcomes{n: true}
	case !sure1 || !sure2 || !n.bounded:
		return anything
	}
	alo, ahi, ok := ends(x, a)
	blo, bhi, ok2 := ends(y, b)
	if !ok || !ok2 {
		return anything
	}
	lt, eq, gt := true, true, true
	if alo != nil && bhi != nil {
		c := coltype.Compare(*alo, *bhi)
		lt, eq = c < 0, c <= 0
	}
	if ahi != nil && blo != nil {
		c := coltype.Compare(*ahi, *blo)
		gt, eq = c > 0, eq && c >= 0
	}
	return outcomes{
		t: lt && n.lt || eq && n.eq || gt && n.gt,
		f: lt && !n.lt || eq && !n.eq || gt && !n.gt,
		n: null1 || null2,
	}
}

// ends are a column's bounds in one kind for all whole numbers; nil is open. NaN is above every maximum.
func ends(x *cellsIn, b coltype.Bounds) (lo, hi *coltype.Value, ok bool) {
	one := func(v *coltype.Value) *coltype.Value {
		if v == nil {
			return nil
		}
		w := *v
		switch {
		case x.class == numeric:
			if w.Kind != coltype.Decimal {
				ok = false
			}
		case x.class.isInt():
			if w.Kind != coltype.Int32 && w.Kind != coltype.Int64 {
				ok = false
			}
			w.Kind = coltype.Int64
		case x.class.isFloat():
			if w.Kind != coltype.Float32 && w.Kind != coltype.Float64 || w.F != w.F {
				ok = false
			}
			w.Kind = coltype.Float64
		case w.Kind != x.typ.Kind:
			ok = false
		}
		if w.Kind == coltype.TimestampTZ {
			w.Kind = coltype.Timestamp
		}
		return &w
	}
	ok = true
	lo, hi = one(b.Min), one(b.Max)
	if x.class.isFloat() && b.NaNs != 0 {
		hi = nil
		if b.Min == nil {
			lo = nil
		}
	}
	return lo, hi, ok
}

// boundedPair tells whether the bounds of columns of these classes compare as their values.
func boundedPair(l, r side) bool {
	switch {
	case l.class.isInt() && r.class.isInt(), l.class.isFloat() && r.class.isFloat():
		return true
	case l.class == timestamp || l.class == timestamptz:
		return r.class == timestamp || r.class == timestamptz
	case l.class == text:
		return r.class == text
	case l.class == numeric:
		return r.class == numeric && l.typ.Kind == coltype.Decimal && r.typ.Kind == coltype.Decimal
	case l.class == date, l.class == clock, l.class == uuid, l.class == bytea, l.class == boolean, l.class == oid:
		return l.class == r.class
	}
	return false
}

// exprNull is IS [NOT] NULL of a value.
type exprNull struct {
	x   scalar
	neg bool
}

func (n *exprNull) eval(c *call, active, t, null []uint64) error {
	x, err := n.x.eval(c, active)
	if err != nil {
		return err
	}
	for w := range t {
		t[w], null[w] = x.null[w&x.mask], 0
		if n.neg {
			t[w] = ^t[w]
		}
	}
	return nil
}

func (*exprNull) outcomes(Known) outcomes { return outcomes{t: true, f: true} }

// truth is a boolean value as a condition.
type truth struct{ x scalar }

func (n *truth) eval(c *call, active, t, null []uint64) error {
	x, err := n.x.eval(c, active)
	if err != nil {
		return err
	}
	for w := range t {
		t[w], null[w] = 0, x.null[w&x.mask]
	}
	for i := range c.rows {
		t[i/64] |= uint64(x.int(i)&1) << (i % 64)
	}
	for w := range t {
		t[w] &^= null[w]
	}
	return nil
}

func (*truth) outcomes(Known) outcomes { return anything }

// exprLike is LIKE where the text or the pattern is no plain column or constant.
type exprLike struct {
	x, p      scalar
	get       func(*vec, int) string
	escape    string
	fold, raw bool
	e         Expr
	at        place
}

func (n *exprLike) eval(c *call, active, t, null []uint64) error {
	if err := c.stopped(); err != nil {
		return err
	}
	x, err := n.x.eval(c, active)
	if err != nil {
		return err
	}
	p, err := n.p.eval(c, active)
	if err != nil {
		return err
	}
	left := c.get()
	defer c.put(left)
	for w := range null {
		null[w] = x.null[w&x.mask] | p.null[w&p.mask]
		left[w] = active[w] &^ null[w]
		t[w] = 0
	}
	var last string
	var pat *pattern
	err = eachRow(left, c.rows, func(i int) error {
		if s := n.get(p, i); pat == nil || s != last {
			made, err := newPattern(s, n.escape, n.fold, n.raw)
			if err != nil {
				return err
			}
			last, pat = s, made
		}
		if pat.dangling {
			if pat.reaches([]byte(x.str(i))) {
				return errEscapeEnd
			}
			return nil
		}
		if pat.match([]byte(x.str(i))) {
			t[i/64] |= 1 << (i % 64)
		}
		return nil
	})
	if err != nil {
		return raised(err, n.e, n.at)
	}
	return nil
}

func (*exprLike) outcomes(Known) outcomes { return anything }

// anyTest is x op ANY (a), or ALL.
type anyTest struct {
	x, a       scalar
	by         compareFunc
	lt, eq, gt bool
	all        bool
	e          Expr
	at         place
}

func (n *anyTest) eval(c *call, active, t, null []uint64) error {
	if err := c.stopped(); err != nil {
		return err
	}
	x, err := n.x.eval(c, active)
	if err != nil {
		return err
	}
	a, err := n.a.eval(c, active)
	if err != nil {
		return err
	}
	left := c.get()
	defer c.put(left)
	for w := range null {
		null[w] = a.null[w&a.mask]
		left[w] = active[w] &^ null[w]
		t[w] = 0
	}
	err = eachRow(left, c.rows, func(i int) error {
		l := a.list(i)
		decided, unsure := false, l.n > 0 && x.isNull(i)
		for k := 0; k < l.n && !decided && !x.isNull(i); k++ {
			if l.elems.isNull(k) {
				unsure = true
				continue
			}
			o, err := n.by(x, i, l.elems, k)
			if err != nil {
				return err
			}
			decided = (o < 0 && n.lt || o == 0 && n.eq || o > 0 && n.gt) != n.all
		}
		switch {
		case decided && !n.all, !decided && !unsure && n.all:
			t[i/64] |= 1 << (i % 64)
		case !decided && unsure:
			null[i/64] |= 1 << (i % 64)
		}
		return nil
	})
	if err != nil {
		return raised(err, n.e, n.at)
	}
	return nil
}

func (*anyTest) outcomes(Known) outcomes { return anything }

// exprIn is x = one of some constants, none of them NULL.
type exprIn struct {
	x   scalar
	set *vec // ascending
	n   int
	by  compareFunc // of x and set, which cannot fail
}

func (n *exprIn) eval(c *call, active, t, null []uint64) error {
	if err := c.stopped(); err != nil {
		return err
	}
	x, err := n.x.eval(c, active)
	if err != nil {
		return err
	}
	left := c.get()
	defer c.put(left)
	for w := range null {
		null[w] = x.null[w&x.mask]
		left[w] = active[w] &^ null[w]
		t[w] = 0
	}
	return eachRow(left, c.rows, func(i int) error {
		k := sort.Search(n.n, func(k int) bool { o, _ := n.by(x, i, n.set, k); return o <= 0 })
		if k < n.n {
			if o, _ := n.by(x, i, n.set, k); o == 0 {
				t[i/64] |= 1 << (i % 64)
			}
		}
		return nil
	})
}

func (*exprIn) outcomes(Known) outcomes { return anything }
