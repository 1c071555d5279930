package predicate

import (
	"errors"

	"frostline/coltype"
)

func listType(elem coltype.Type) coltype.Type {
	return coltype.Type{Kind: coltype.List, Wire: coltype.WireArray, Elem: &elem, Delim: ",", Base: "_" + elem.Base, Name: elem.Name + "[]"}
}

// sameElem tells whether two arrays are of one type: PostgreSQL's array operators take no others.
func sameElem(l, r coltype.Type) bool {
	a, b := l.Elem, r.Elem
	if a.Base != b.Base || len(a.Labels) != len(b.Labels) {
		return false
	}
	for i := range a.Labels {
		if a.Labels[i] != b.Labels[i] {
			return false
		}
	}
	return true
}

// resolveList reads an unknown literal as an array of type t.
func (b *binder) resolveList(s side, t coltype.Type) side {
	s.class, s.typ = arrayType, t
	if s.lit.kind == litNull {
		return s
	}
	b.count(len(s.lit.text), s.at)
	l, err := parseList(t, s.lit.text)
	if err != nil {
		panic(mismatch(s.at, "%v", err))
	}
	if l.n > MaxList {
		panic((&Error{Code: CodeTooLong, Field: s.at.field, Pos: s.at.pos, Msg: "the array is too long"}).hint("%d items are allowed", MaxList))
	}
	v := newVec(formList, 1)
	v.mask = 0
	v.a[0] = l
	s.expr = &fixed{v: v}
	return s
}

// arrayOf binds ARRAY[…]: the elements take one common type.
func (b *binder) arrayOf(e *arrayOf) side {
	if len(e.list) == 0 {
		panic(mismatch(e.at, "the type of an empty array is not clear").hint("write ARRAY[]::integer[]"))
	}
	var classes []class
	varchar := true
	var first side
	for _, x := range e.list {
		if _, ok := x.(*arrayOf); ok {
			panic(mismatch(e.at, "ARRAY[…] of several dimensions is not supported").hint("write '{{1,2},{3,4}}'::integer[]"))
		}
		s := b.side(x)
		classes = append(classes, s.class)
		if s.class != unknown {
			first = s
			varchar = varchar && s.class == text && s.typ.Base == "varchar"
		}
	}
	c := common(classes)
	if first.class == enum {
		c = enum
	}
	if c == unknown || !c.isElement() {
		panic(mismatch(e.at, "the elements of the array have no common type").hint("cast them"))
	}
	elem := plain[c]
	switch {
	case c == enum:
		elem = first.typ
	case c == text && varchar && first.typ.Base == "varchar":
		elem.Base, elem.Name = "varchar", "character varying"
	}
	return b.arrayOfType(e, listType(elem))
}

// arrayOfType binds ARRAY[…] with elements of a known type.
func (b *binder) arrayOfType(e *arrayOf, t coltype.Type) side {
	c := classOf(*t.Elem)
	l := newList(c, len(e.list))
	for k, x := range e.list {
		if _, ok := x.(*arrayOf); ok {
			panic(mismatch(e.at, "ARRAY[…] of several dimensions is not supported").hint("write '{{1,2},{3,4}}'::integer[]"))
		}
		var s side
		if c == enum {
			if s = b.side(x); s.class == unknown {
				s = b.label(side{class: enum, typ: *t.Elem}, s)
			}
		} else {
			s = b.cast(&cast{x, *t.Elem, e.at})
		}
		switch {
		case !s.isConst():
			panic(mismatch(e.at, "ARRAY[…] takes constants only, not columns").hint("write an IN list, or conditions joined by OR"))
		case s.isNull():
			l.elems.null[k/64] |= 1 << (k % 64)
		default:
			l.elems.set(k, c, *s.value)
		}
	}
	v := newVec(formList, 1)
	v.mask = 0
	v.a[0] = l
	return side{class: arrayType, typ: t, col: -1, expr: &fixed{v: v}, e: e, at: e.at}
}

// arrayOp is @>, <@ and &&.
func (b *binder) arrayOp(e *operation, l, r side) side {
	if l.class == unknown && r.class == arrayType {
		l = b.resolveList(l, r.typ)
	}
	if r.class == unknown && l.class == arrayType {
		r = b.resolveList(r, l.typ)
	}
	if l.class != arrayType || r.class != arrayType || !sameElem(l.typ, r.typ) {
		panic(b.noOperator(e.op, l, r, e.at).hint("%s takes two arrays of one type: cast one of them", e.op))
	}
	by := b.comparator(elemOf(l), elemOf(r))
	f := func(x, y *vec, i int) (bool, error) { return x.list(i).contains(y.list(i), by) }
	switch e.op {
	case "<@":
		back := b.comparator(elemOf(r), elemOf(l))
		f = func(x, y *vec, i int) (bool, error) { return y.list(i).contains(x.list(i), back) }
	case "&&":
		f = func(x, y *vec, i int) (bool, error) { return x.list(i).overlaps(y.list(i), by) }
	}
	return b.make(e, e.at, boolean, false, func(x, y *vec, i int, out *vec) error {
		ok, err := f(x, y, i)
		out.i[i] = int64(bit(ok))
		return err
	}, l, r)
}

// castList converts each element.
func (b *binder) castList(s side, t coltype.Type) (rowFunc, bool) {
	from, to := elemOf(s), classOf(*t.Elem)
	f, may := b.castFunc(from, to, *t.Elem)
	if f == nil && from.class == to {
		f = func(x, _ *vec, i int, out *vec) error { return copyRow(x, i, out) }
	}
	if f == nil && from.class.isInt() && to.isInt() {
		f, may = toInteger(from.class, to)
	}
	if f == nil {
		return nil, false
	}
	return func(x, _ *vec, i int, out *vec) error {
		l := x.list(i)
		n := &list{dims: l.dims, lower: l.lower, n: l.n, elems: newVec(to.form(), l.n)}
		copy(n.elems.null, l.elems.null)
		for k := range l.n {
			if l.elems.isNull(k) {
				continue
			}
			if err := f(l.elems, nil, k, n.elems); errors.Is(err, errNull) {
				n.elems.null[k/64] |= 1 << (k % 64)
			} else if err != nil {
				return err
			}
		}
		out.a[i] = n
		return nil
	}, may
}

// quantified binds x op ANY (array), or ALL.
func (b *binder) quantified(e *quantified) node {
	x, a := b.side(e.x), b.side(e.a)
	if a.class == unknown {
		elem := plain[x.class]
		switch {
		case x.class == unknown:
			elem = plain[text]
		case x.class == enum:
			elem = x.typ
		case !x.class.isElement():
			panic(b.noOperator(e.op+" ANY", x, a, e.at))
		}
		a = b.resolveList(a, listType(elem))
	}
	if a.class != arrayType {
		panic(mismatch(e.at, "ANY and ALL take an array, not %s", b.typeName(a)).hint("write ARRAY[…] or '{…}', or an IN list"))
	}
	elem := elemOf(a)
	if x.class == unknown {
		x = b.typedAs(x, elem)
	}
	if x.class == opaque || !b.comparable(x, elem) {
		panic(b.noOperator(e.op+" ANY", x, a, e.at))
	}
	if a.isNull() {
		return isNull
	}
	if f, ok := a.expr.(*fixed); ok {
		return b.eachElement(e, x, elem, f.v.list(0))
	}
	lt, eq, gt := passes(e.op)
	return &anyTest{x: b.scalar(x), a: b.scalar(a), by: b.comparator(x, elem), lt: lt, eq: eq, gt: gt, all: e.all, e: e, at: e.at}
}

// eachElement is x op each of some constants, joined by OR, or AND for ALL.
func (b *binder) eachElement(e *quantified, x, elem side, l *list) node {
	if l.n == 0 {
		return truthOf(e.all)
	}
	sides := make([]side, l.n)
	for k := range sides {
		sides[k] = elem
		if !l.elems.isNull(k) {
			v := l.elems.value(k, elem.class)
			sides[k].value = &v
		}
	}
	points := x.col >= 0 && (e.op == "=" && !e.all || e.op == "<>" && e.all)
	if points {
		n := anyOf(b.points(x, sides, e.at))
		if e.all {
			return notOf(n)
		}
		return n
	}
	x = b.shared(x)
	if e.op == "=" && !e.all {
		return anyOf(b.oneOf(x, sides, e.at))
	}
	if e.op == "<>" && e.all {
		return notOf(anyOf(b.oneOf(x, sides, e.at)))
	}
	list := make([]node, l.n)
	for k, s := range sides {
		list[k] = b.compare(e.op, x, s, e.at)
	}
	if e.all {
		return allOf(list)
	}
	return anyOf(list)
}
