package predicate

import (
	"fmt"

	"frostline/coltype"
)

// binder types an expression. It panics with *Error.
type binder struct {
	cols   []coltype.Column
	slots  map[int]int // column index → slot, filled in at the end
	refs   []*ref
	digits int // of numeric literals so far

	computed int // operators that rows are computed with
	idle     int // above 0 within a condition whose value a constant before it has decided

	seen   []coltype.Column // with narrow: where names are looked up
	narrow bool
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
	late  bool           // PostgreSQL computes it when it runs, not when it plans
	lit   *literal       // of a literal
	e     Expr           // for messages
	at    place
}

func (b *binder) column(c *column) side {
	i := b.lookup(c)
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
	case *guarded:
		return b.guarded(e)
	case *and:
		return allOf(b.preds(e.list, isFalse))
	case *or:
		return anyOf(b.preds(e.list, isTrue))
	case *not:
		return notOf(b.pred(e.x))
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

// preds binds what AND or OR joins. Behind the constant that decides it, the rest has to be well typed but is not worked out, as in
// simplify_and_arguments of src/backend/optimizer/util/clauses.c.
func (b *binder) preds(list []Expr, decides constant) []node {
	before := b.idle
	defer func() { b.idle = before }()
	out := make([]node, len(list))
	for i, e := range list {
		if out[i] = b.pred(e); out[i] == decides {
			b.idle++
		}
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
		return testOf(b.pred(e.x), what, e.neg)
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
		return testOf(b.pred(e.x), isNull, e.neg)
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
	return &nullLeaf{ref: b.ref(s.col), exact: b.cols[s.col].Type.MayBeExact(), neg: neg}
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
	same := testOf(eq, isTrue, false)
	if (!l.isConst() || l.isNull()) && (!r.isConst() || r.isNull()) {
		same = anyOf([]node{same, allOf([]node{b.nullTest(l, false), b.nullTest(r, false)})})
	}
	if e.neg {
		return same
	}
	return notOf(same)
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
