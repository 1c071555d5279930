package predicate

import (
	"slices"

	"frostline/coltype"
)

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
		return notOf(n)
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
		return notOf(n)
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
		case l.isNull() || r.isNull():
			out = append(out, isNull)
		case l.col < 0, r.value == nil, !ok:
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
		return notOf(n)
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
	if err == nil && pat.dangling {
		err = errEscapeEnd
	}
	if err != nil {
		panic(mismatch(p.at, "%s %s: %v", map[bool]string{false: "LIKE", true: "ILIKE"}[e.fold], e.pattern, err))
	}
	return b.testNode(x, leafTest{like: pat})
}
