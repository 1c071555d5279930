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
}

// ref is a column that a leaf reads.
type ref struct {
	col, slot int
}

func mismatch(at place, format string, args ...any) *Error {
	return &Error{Code: CodeTypeMismatch, Field: at.field, Pos: at.pos, Msg: fmt.Sprintf(format, args...)}
}

// side is one side of a comparison: a column, or a literal with its value.
type side struct {
	class class
	col   int            // -1 for a literal
	value *coltype.Value // of a literal; nil is NULL, and nil while it is unknown
	lit   *literal
	at    place
}

func (b *binder) column(c *column) side {
	i := find(c, b.cols)
	return side{class: classOf(b.cols[i].Type), col: i, at: c.at}
}

func (b *binder) side(e Expr) side {
	switch e := e.(type) {
	case *column:
		return b.column(e)
	case *literal:
		return b.literal(e)
	}
	panic(mismatch(place{}, "%s is neither a column nor a literal", e))
}

func (b *binder) typeName(s side) string {
	if s.col >= 0 {
		return b.cols[s.col].Type.Name
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
	}
	panic(mismatch(place{}, "%T is not an expression of this package", e))
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
	return &isTest{x: b.pred(e.x), what: isNull, neg: e.neg}
}

func (b *binder) nullTest(s side, neg bool) node {
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
	eq := b.compare("=", b.side(e.l), b.side(e.r), e.at)
	return &isTest{x: eq, what: isTrue, neg: !e.neg}
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
	if r.col >= 0 && l.col < 0 || l.class == unknown && r.class != unknown && l.col < 0 {
		l, r, op = r, l, flip(op)
	}
	if r.col >= 0 {
		panic(syntax(at.pos, "comparing two columns is not supported"))
	}
	l, r = b.operator(op, l, r, at)
	if r.value == nil || l.col < 0 && l.value == nil {
		return isNull
	}
	if op == "<>" {
		return &notNode{b.testNode(l, b.test("=", l, r))}
	}
	return b.testNode(l, b.test(op, l, r))
}

// operator gives both sides their types, or refuses.
func (b *binder) operator(op string, l, r side, at place) (side, side) {
	if l.class == unknown && r.class == unknown {
		l, r = b.resolve(l, text), b.resolve(r, text)
	}
	if l.class == opaque {
		panic(b.noOperators(l, at))
	}
	if r.class == unknown {
		if l.class == enum {
			return l, b.label(l, r)
		}
		return l, b.resolve(r, l.class)
	}
	if !comparable(l.class, r.class) {
		panic(b.noOperator(op, l, r, at))
	}
	return l, r
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
	c := b.cols[l.col]
	why := "its values are kept as exact text, whose order and equality are not the type's"
	switch {
	case c.Type.Kind == coltype.List:
		why = "arrays are not compared"
	case c.Type.Kind == coltype.Binary:
		why = "its equality is not that of its bytes"
	}
	return mismatch(at, "column %q is of type %s, on which only IS NULL and IS NOT NULL work", c.Name, c.Type.Name).hint("%s", why)
}

// testNode is test on the column l, or its result on the literal l.
func (b *binder) testNode(l side, t leafTest) node {
	if l.col < 0 {
		return truthOf(t.holds(l.comparison()))
	}
	return b.leaf(l, t)
}

func (b *binder) between(e *between) node {
	pair := func(lo, hi Expr) node {
		x := b.compare(">=", b.side(e.x), b.side(lo), e.at)
		y := b.compare("<=", b.side(e.x), b.side(hi), e.at)
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
	s.none = s.none || t.none
	s.hi, s.hiOpen = t.hi, t.hiOpen
	a.test.span = s
	a.compile()
	return a
}

// in is transformAExprIn of src/backend/parser/parse_expr.c: two literals or more take one common
// type with x, where there is one; otherwise each is compared by itself.
func (b *binder) in(e *in) node {
	x := b.side(e.x)
	var lits []side
	var out []node
	for _, y := range e.list {
		if s := b.side(y); s.col >= 0 {
			out = append(out, b.compare("=", x, s, e.at))
		} else {
			lits = append(lits, s)
		}
	}
	if x.class == opaque {
		panic(b.noOperators(x, e.at))
	}
	target := unknown
	if len(lits) > 1 && x.class != enum {
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
	out = append(out, b.points(x, lits, e.at)...)
	n := anyOf(out)
	if e.neg {
		return &notNode{n}
	}
	return n
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
		switch {
		case r.value == nil || l.col < 0 && l.value == nil:
			out = append(out, isNull)
		case l.col < 0:
			out = append(out, truthOf(b.test("=", l, r).holds(l.comparison())))
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
	if p.class != unknown || !x.class.isText() && (x.class != bytea || e.fold) {
		panic(b.noOperator(op, x, p, e.at).hint("%s works on text and a pattern in single quotes", op))
	}
	as := text
	if x.class == bytea {
		as = bytea
	}
	p = b.resolve(p, as)
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
	if p.value == nil || x.col < 0 && x.value == nil {
		return isNull
	}
	pat, err := newPattern(p.value.S, escape, e.fold, as == bytea)
	if err != nil {
		panic(mismatch(p.at, "%s %s: %v", op, e.pattern, err))
	}
	n := b.testNode(x, leafTest{like: pat})
	if e.neg {
		return &notNode{n}
	}
	return n
}
