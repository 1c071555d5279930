package predicate

import (
	"fmt"
	"slices"

	"frostline/coltype"
)

func flip(op string) string {
	switch op {
	case "<":
		return ">"
	case "<=":
		return ">="
	case ">":
		return "<"
	case ">=":
		return "<="
	}
	return op
}

// compare resolves l op r as PostgreSQL's oper() does, and binds it.
func (b *binder) compare(op string, l, r side, at place) node {
	e := &compare{op: op, l: l.e, r: r.e, at: at}
	if l.isConst() && (!r.isConst() || l.class == unknown && r.class != unknown) {
		l, r, op = r, l, flip(op)
	}
	l, r = b.operator(op, l, r, at)
	if l.isNull() || r.isNull() {
		return isNull
	}
	if r, ok := b.testable(l, r); ok && r.value != nil && (l.col >= 0 || l.day > 0 && r.class.isMoment()) {
		if op == "<>" {
			return notOf(b.testNode(l, b.test("=", l, r)))
		}
		return b.testNode(l, b.test(op, l, r))
	}
	lt, eq, gt := passes(op)
	n := &exprTest{x: b.scalar(l), y: b.scalar(r), by: b.comparator(l, r), lt: lt, eq: eq, gt: gt, e: e, at: at}
	n.may = mayFail(l, r)
	n.whole = l.class.isInt() && r.class.isInt() || l.class == r.class && l.class.isMoment() || l.class.isMoment() && r.class.isMoment() && l.class != date && r.class != date
	n.bounded = l.col >= 0 && r.col >= 0 && boundedPair(l, r)
	if l.isConst() {
		return b.folded(n, l.late || r.late)
	}
	b.compute(at)
	return n
}

// testable gives the constant r as a test of l takes it; ok is false where l has to be converted for the comparison.
func (b *binder) testable(l, r side) (side, bool) {
	switch {
	case (l.class.isInt() || l.class == numeric) && r.class.isFloat():
		return r, false
	case !l.class.isText():
		return r, true
	}
	trim := trimsOf(l, r)
	if trim.y && r.value != nil {
		r.value = &coltype.Value{Kind: coltype.String, S: trimSpaces(r.value.S)}
	}
	return r, trim.x == (l.class == bpchar)
}

// folded is the value of a condition on constants; late is as in made.
func (b *binder) folded(n *exprTest, late bool) node {
	c := &call{rows: 1, words: 1}
	t, null := []uint64{0}, []uint64{0}
	switch err := n.eval(c, []uint64{1}, t, null); {
	case err != nil && b.idle == 0 && late:
		b.compute(n.at)
		return n
	case err != nil && b.idle == 0:
		panic(raised(err, n.e, n.at))
	case err != nil, null[0]&1 != 0:
		return isNull
	}
	return truthOf(t[0]&1 != 0)
}

// operator gives both sides their types, or refuses.
func (b *binder) operator(op string, l, r side, at place) (side, side) {
	if l.class == unknown && r.class == unknown {
		l, r = b.resolve(l, text), b.resolve(r, text)
	}
	for _, s := range []side{l, r} {
		if s.class == opaque {
			panic(b.noOperators(s, at))
		}
	}
	if l.class == jsonType || l.class == jsonbType || r.class == jsonType || r.class == jsonbType {
		panic(b.noOperator(op, l, r, at).hint("values of %s are kept as exact text: compare ->> with a text", b.typeName(l)))
	}
	if r.class == unknown {
		return l, b.typedAs(r, l)
	}
	if l.class == clock && r.class == interval { // a time is an interval implicitly
		l = b.cast(&cast{x: l.e, typ: plain[interval], at: at})
	}
	if l.class == interval && r.class == clock {
		r = b.cast(&cast{x: r.e, typ: plain[interval], at: at})
	}
	if !b.comparable(l, r) {
		panic(b.noOperator(op, l, r, at))
	}
	return l, r
}

// typedAs reads an unknown literal as a value of the type of other.
func (b *binder) typedAs(s, other side) side {
	switch other.class {
	case enum:
		return b.label(other, s)
	case arrayType:
		return b.resolveList(s, other.typ)
	}
	return b.resolve(s, other.class)
}

// comparable tells whether PostgreSQL has l = r.
func (b *binder) comparable(l, r side) bool {
	switch {
	case l.class == arrayType && r.class == arrayType:
		return sameElem(l.typ, r.typ)
	case l.class == enum && r.class == enum:
		return l.typ.Base == r.typ.Base && slices.Equal(l.typ.Labels, r.typ.Labels)
	}
	return comparable(l.class, r.class)
}

func (b *binder) noOperator(op string, l, r side, at place) *Error {
	e := mismatch(at, "there is no operator %s %s %s", b.typeName(l), op, b.typeName(r))
	if l.col >= 0 {
		e.Msg = fmt.Sprintf("column %q is of type %s: there is no operator %s %s %s", b.cols[l.col].Name, b.typeName(l), b.typeName(l), op, b.typeName(r))
	}
	if r.lit != nil && r.lit.kind == litNumber && (l.class.isText() || l.class == enum) {
		return e.hint("write the literal in single quotes: %s", quote(r.lit.text))
	}
	return e.hint("a literal in single quotes takes the column's type")
}

// noOperators is the refusal of a type that is kept as its exact text.
func (b *binder) noOperators(l side, at place) *Error {
	if l.col < 0 {
		return mismatch(at, "%s is of type %s, which has no operators here", short(l.e), b.typeName(l))
	}
	c := b.cols[l.col]
	why := "its values are kept as exact text, whose order and equality are not the type's"
	switch {
	case c.Type.Kind == coltype.List:
		why = "arrays of its elements are not compared"
	case c.Type.Kind == coltype.Binary:
		why = "its equality is not that of its bytes"
	}
	return mismatch(at, "column %q is of type %s, on which only IS NULL and IS NOT NULL work", c.Name, c.Type.Name).hint("%s", why)
}

// testNode is test on the column l, or its result on the literal l.
func (b *binder) testNode(l side, t leafTest) node {
	switch {
	case l.day > 0:
		return b.leaf(b.sideOf(l.day-1), leafTest{span: daysAsMoments(t.span, b.cols[l.day-1].Type.Kind)})
	case l.col < 0:
		return truthOf(t.holds(*l.value))
	}
	return b.leaf(l, t)
}

func (b *binder) sideOf(col int) side {
	return side{class: classOf(b.cols[col].Type), typ: b.cols[col].Type, col: col}
}

// daysAsMoments is {t : date of t is in s} for timestamps of kind k.
func daysAsMoments(s span, k coltype.Kind) span {
	out := span{none: s.none}
	start := func(day int64) *coltype.Value {
		us, _ := midnight(day)
		return &coltype.Value{Kind: k, I: us}
	}
	if s.lo != nil {
		if !finiteDate(s.lo.I) {
			out.lo, out.loOpen = start(s.lo.I), s.loOpen
		} else if out.lo = start(s.lo.I); s.loOpen {
			out.lo = start(s.lo.I + 1)
		}
	}
	if s.hi != nil {
		if !finiteDate(s.hi.I) {
			out.hi, out.hiOpen = start(s.hi.I), s.hiOpen
		} else if out.hi, out.hiOpen = start(s.hi.I), true; !s.hiOpen {
			out.hi = start(s.hi.I + 1)
		}
	}
	return out
}
