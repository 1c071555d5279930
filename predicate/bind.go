package predicate

import (
	"fmt"
	"slices"

	"frostline/coltype"
)

// binder types an expression. It panics with *Error.
type binder struct {
	cols   []coltype.Column
	slots  map[int]int // column index → slot, filled in at the end
	refs   []*ref
	digits int // of numeric literals so far

	computed int // operators that rows are computed with
}

// ref is a column that a leaf reads.
type ref struct {
	col, slot int
}

func mismatch(at place, format string, args ...any) *Error {
	return &Error{Code: CodeTypeMismatch, Field: at.field, Pos: at.pos, Msg: fmt.Sprintf(format, args...)}
}

// side is an operand: a column, a constant with its value, or what is computed.
type side struct {
	class class
	typ   coltype.Type   // with modifiers, labels and the type of elements
	col   int            // -1 for all but a column
	value *coltype.Value // of a constant; nil is NULL, and nil while it is unknown
	expr  scalar         // of what is computed, and of constants that no coltype.Value holds
	day   int            // 1 + the column of timestamps whose date it is, 0
	lit   *literal       // of a literal
	e     Expr           // for messages
	at    place
}

func (b *binder) column(c *column) side {
	i := find(c, b.cols)
	return side{class: classOf(b.cols[i].Type), typ: b.cols[i].Type, col: i, e: c, at: c.at}
}

func (b *binder) side(e Expr) side {
	switch e := e.(type) {
	case *column:
		return b.column(e)
	case *literal:
		return b.literal(e)
	case *operation:
		return b.binary(e)
	case *sign:
		return b.sign(e)
	case *cast:
		return b.cast(e)
	case *arrayOf:
		return b.arrayOf(e)
	case *function:
		return b.function(e)
	}
	s := side{class: boolean, typ: plain[boolean], col: -1, e: e}
	n := b.pred(e)
	if k, ok := n.(constant); ok {
		if k != isNull {
			s.value = &coltype.Value{Kind: coltype.Bool, I: int64(bit(k == isTrue))}
		}
		return s
	}
	s.expr = condition{n}
	return s
}

func (b *binder) typeName(s side) string {
	switch {
	case s.col >= 0:
		return b.cols[s.col].Type.Name
	case s.typ.Name != "":
		return s.typ.Name
	}
	return s.class.String()
}

// pred binds a condition.
func (b *binder) pred(e Expr) node {
	switch e := e.(type) {
	case *and:
		return allOf(b.preds(e.list))
	case *or:
		return anyOf(b.preds(e.list))
	case *not:
		return &notNode{b.pred(e.x)}
	case *column:
		s := b.column(e)
		if s.class != boolean {
			panic(mismatch(e.at, "column %q is of type %s, not boolean", b.cols[s.col].Name, b.typeName(s)).
				hint("compare it with a literal"))
		}
		return b.leaf(s, leafTest{span: spanOf("=", coltype.Value{Kind: coltype.Bool, I: 1})})
	case *literal:
		return b.truth(e)
	case *is:
		return b.isNode(e)
	case *distinct:
		return b.distinct(e)
	case *compare:
		return b.compare(e.op, b.side(e.l), b.side(e.r), e.at)
	case *between:
		return b.between(e)
	case *in:
		return b.in(e)
	case *like:
		return b.like(e)
	case *quantified:
		return b.quantified(e)
	}
	s := b.side(e)
	switch {
	case s.class != boolean:
		panic(mismatch(s.at, "%s is of type %s, not boolean", short(e), b.typeName(s)).hint("compare it with something"))
	case s.isNull():
		return isNull
	case s.value != nil:
		return truthOf(s.value.I == 1)
	case s.col >= 0:
		return b.leaf(s, leafTest{span: spanOf("=", coltype.Value{Kind: coltype.Bool, I: 1})})
	}
	return &truth{s.expr}
}

func (b *binder) preds(list []Expr) []node {
	out := make([]node, len(list))
	for i, e := range list {
		out[i] = b.pred(e)
	}
	return out
}

func truthOf(t bool) constant {
	if t {
		return isTrue
	}
	return isFalse
}

// truth is a literal as a condition.
func (b *binder) truth(e *literal) node {
	s := b.literal(e)
	if s.class == unknown {
		s = b.resolve(s, boolean)
	}
	if s.class != boolean {
		panic(mismatch(e.at, "%s is of type %s, not boolean", e, s.class))
	}
	if s.value == nil {
		return isNull
	}
	return truthOf(s.value.I == 1)
}

func (b *binder) isNode(e *is) node {
	if e.what != "NULL" {
		what := isNull
		switch e.what {
		case "TRUE":
			what = isTrue
		case "FALSE":
			what = isFalse
		}
		return &isTest{x: b.pred(e.x), what: what, neg: e.neg}
	}
	switch x := e.x.(type) {
	case *column:
		return b.nullTest(b.column(x), e.neg)
	case *literal:
		b.literal(x) // may refuse it
		return truthOf((x.kind == litNull) != e.neg)
	}
	switch e.x.(type) {
	case *and, *or, *not, *is, *distinct, *compare, *between, *in, *like, *quantified:
		return &isTest{x: b.pred(e.x), what: isNull, neg: e.neg}
	}
	return b.nullTest(b.side(e.x), e.neg)
}

func (b *binder) nullTest(s side, neg bool) node {
	switch {
	case s.isConst():
		return truthOf(s.isNull() != neg)
	case s.col < 0:
		return &exprNull{s.expr, neg}
	}
	return &nullLeaf{ref: b.ref(s.col), exact: mayBeExact(b.cols[s.col].Type), neg: neg}
}

func (b *binder) ref(col int) *ref {
	r := &ref{col: col}
	b.slots[col] = 0
	b.refs = append(b.refs, r)
	return r
}

// distinct is null-safe equality. With an undecorated NULL it is IS NULL (transformAExprDistinct
// of src/backend/parser/parse_expr.c).
func (b *binder) distinct(e *distinct) node {
	if isNullLiteral(e.r) {
		return b.isNode(&is{x: e.l, what: "NULL", neg: !e.neg})
	}
	if isNullLiteral(e.l) {
		return b.isNode(&is{x: e.r, what: "NULL", neg: !e.neg})
	}
	l, r := b.shared(b.side(e.l)), b.shared(b.side(e.r))
	eq := b.compare("=", l, r, e.at)
	same := node(&isTest{x: eq, what: isTrue})
	if (!l.isConst() || l.isNull()) && (!r.isConst() || r.isNull()) {
		same = anyOf([]node{same, allOf([]node{b.nullTest(l, false), b.nullTest(r, false)})})
	}
	if e.neg {
		return same
	}
	return &notNode{same}
}

// shared is s, worked out once where it stands in several conditions.
func (b *binder) shared(s side) side {
	if s.expr != nil && !s.isConst() {
		s.expr = &once{s.expr}
	}
	return s
}

func isNullLiteral(e Expr) bool {
	l, ok := e.(*literal)
	return ok && l.kind == litNull
}

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
			return &notNode{b.testNode(l, b.test("=", l, r))}
		}
		return b.testNode(l, b.test(op, l, r))
	}
	lt, eq, gt := passes(op)
	n := &exprTest{x: b.scalar(l), y: b.scalar(r), by: b.comparator(l, r), lt: lt, eq: eq, gt: gt, e: e, at: at}
	n.may = mayFail(l, r)
	n.bounded = l.col >= 0 && r.col >= 0 && boundedPair(l, r)
	if l.isConst() {
		return b.folded(n)
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

// folded is the value of a condition on constants.
func (b *binder) folded(n *exprTest) node {
	c := &call{rows: 1, words: 1}
	t, null := []uint64{0}, []uint64{0}
	if err := n.eval(c, []uint64{1}, t, null); err != nil {
		panic(raised(err, n.e, n.at))
	}
	if null[0]&1 != 0 {
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

func (b *binder) between(e *between) node {
	shared := b.shared(b.side(e.x))
	pair := func(lo, hi Expr) node {
		x := b.compare(">=", shared, b.side(lo), e.at)
		y := b.compare("<=", shared, b.side(hi), e.at)
		if n := fuse(x, y); n != nil {
			return n
		}
		return allOf([]node{x, y})
	}
	n := pair(e.lo, e.hi)
	if e.sym {
		n = anyOf([]node{n, pair(e.hi, e.lo)})
	}
	if e.neg {
		return &notNode{n}
	}
	return n
}

// fuse joins x >= lo and x <= hi on one column.
func fuse(x, y node) node {
	a, ok := x.(*leaf)
	c, ok2 := y.(*leaf)
	if !ok || !ok2 || a.col != c.col || a.test.kind() != testSpan || c.test.kind() != testSpan {
		return nil
	}
	s, t := a.test.span, c.test.span
	if s.hi != nil || t.lo != nil { // x is the constant
		return nil
	}
	s.none = s.none || t.none
	s.hi, s.hiOpen = t.hi, t.hiOpen
	a.test.span = s
	a.compile()
	return a
}

// in is transformAExprIn of src/backend/parser/parse_expr.c: two literals or more take one common
// type with x, where there is one; otherwise each is compared by itself.
func (b *binder) in(e *in) node {
	x := b.shared(b.side(e.x))
	var lits []side
	var out []node
	for _, y := range e.list {
		if s := b.side(y); !s.isConst() {
			out = append(out, b.compare("=", x, s, e.at))
		} else {
			lits = append(lits, s)
		}
	}
	if x.class == opaque {
		panic(b.noOperators(x, e.at))
	}
	target := unknown
	if len(lits) > 1 && x.class != enum && x.class != arrayType && x.class != interval {
		classes := []class{x.class}
		for _, s := range lits {
			classes = append(classes, s.class)
		}
		target = common(classes)
	}
	if target != unknown {
		for i, s := range lits {
			lits[i] = b.coerce(s, target)
		}
	}
	if x.expr != nil || x.class == arrayType || x.class == interval || x.class == jsonType || x.class == jsonbType {
		out = append(out, b.oneOf(x, lits, e.at)...)
	} else {
		out = append(out, b.points(x, lits, e.at)...)
	}
	n := anyOf(out)
	if e.neg {
		return &notNode{n}
	}
	return n
}

// oneOf is x = any of lits, for what is no plain column.
func (b *binder) oneOf(x side, lits []side, at place) (out []node) {
	const few = 8
	var list []side // of one class
	for _, s := range lits {
		l, r := b.operator("=", x, s, at)
		if r.value == nil || x.isConst() || len(lits) <= few || mayFail(l, r) || len(list) > 0 && list[0].class != r.class || r.class == oid {
			out = append(out, b.compare("=", x, s, at))
			continue
		}
		list = append(list, r)
	}
	if len(list) == 0 {
		return out
	}
	self := b.comparator(list[0], list[0])
	one := func(s side) *vec { return fixedValue(s.class, s.value).v }
	slices.SortFunc(list, func(l, r side) int { o, _ := self(one(l), 0, one(r), 0); return o })
	set := newVec(list[0].class.form(), len(list))
	for k, s := range list {
		set.set(k, s.class, *s.value)
	}
	return append(out, &exprIn{x: b.scalar(x), set: set, n: len(list), by: b.comparator(x, list[0])})
}

// mayFail tells whether comparing l and r may be an error.
func mayFail(l, r side) bool {
	return l.class == oid && r.class == bigint || l.class == bigint && r.class == oid || l.class == numeric && r.class.isFloat() || l.class.isFloat() && r.class == numeric || l.class == enum || l.class == arrayType
}

// points is x = any of lits.
func (b *binder) points(x side, lits []side, at place) []node {
	var out []node
	var set []coltype.Value
	labels := map[string]bool{}
	for _, s := range lits {
		l, r := x, s
		if l.class == unknown && r.class != unknown {
			l = b.resolve(l, r.class)
		}
		l, r = b.operator("=", l, r, at)
		r, ok := b.testable(l, r)
		switch {
		case r.value == nil || l.col < 0 && l.value == nil:
			out = append(out, isNull)
		case l.col < 0, !ok:
			out = append(out, b.compare("=", l, r, at))
		default:
			t := b.test("=", l, r)
			for label, ok := range t.labels {
				labels[label] = labels[label] || ok
			}
			if t.kind() == testSpan && !t.span.none {
				set = append(set, *t.span.lo)
			}
		}
	}
	switch {
	case len(labels) > 0:
		out = append(out, b.leaf(x, leafTest{labels: labels}))
	case x.col >= 0 && len(set) == 1:
		out = append(out, b.leaf(x, leafTest{span: spanOf("=", set[0])}))
	case x.col >= 0:
		out = append(out, b.leaf(x, leafTest{set: newValues(slices.Clone(set)), isSet: true}))
	}
	return out
}

func (b *binder) like(e *like) node {
	x, p := b.side(e.x), b.side(e.pattern)
	op := "LIKE"
	if e.fold {
		op = "ILIKE"
	}
	if x.class == opaque {
		panic(b.noOperators(x, e.at))
	}
	if x.class == unknown {
		x = b.resolve(x, text)
	}
	as := text
	if x.class == bytea {
		as = bytea
	}
	if p.class == unknown {
		p = b.resolve(p, as)
	}
	if !x.class.isText() && (x.class != bytea || e.fold) || !p.class.isText() && p.class != as {
		panic(b.noOperator(op, x, p, e.at).hint("%s works on text and a pattern in single quotes", op))
	}
	escape := `\`
	if e.escape != nil {
		esc := b.literal(e.escape.(*literal))
		if esc.class != unknown {
			panic(mismatch(esc.at, "the escape is of type %s, not text", esc.class))
		}
		if esc = b.resolve(esc, as); esc.value == nil {
			return isNull
		}
		escape = esc.value.S
	}
	if p.isNull() || x.isNull() {
		return isNull
	}
	n := b.likeNode(e, x, p, escape)
	if e.neg {
		return &notNode{n}
	}
	return n
}

func (b *binder) likeNode(e *like, x, p side, escape string) node {
	raw := x.class == bytea
	if x.expr != nil || p.value == nil {
		get := func(v *vec, i int) string { return v.str(i) }
		if p.class == bpchar {
			get = textOf(p)
		}
		return &exprLike{x: b.scalar(x), p: b.scalar(p), get: get, escape: escape, fold: e.fold, raw: raw, e: e, at: e.at}
	}
	text := p.value.S
	if p.class == bpchar {
		text = trimSpaces(text)
	}
	pat, err := newPattern(text, escape, e.fold, raw)
	if err != nil {
		panic(mismatch(p.at, "%s %s: %v", map[bool]string{false: "LIKE", true: "ILIKE"}[e.fold], e.pattern, err))
	}
	return b.testNode(x, leafTest{like: pat})
}
