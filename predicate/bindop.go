package predicate

import (
	"math"
	"strings"
	"unicode/utf8"

	"frostline/coltype"
)

// rowFunc computes row i of out from x and y, neither NULL there.
type rowFunc = func(x, y *vec, i int, out *vec) error

// scalar is s as something to evaluate. An unknown literal has its class by now.
func (b *binder) scalar(s side) scalar {
	switch {
	case s.expr != nil:
		return s.expr
	case s.col >= 0:
		return &cellsIn{ref: b.ref(s.col), typ: b.cols[s.col].Type, class: s.class}
	}
	return fixedValue(s.class, s.value)
}

// isConst reports whether no column is in s.
func (s side) isConst() bool {
	if s.expr == nil {
		return s.col < 0
	}
	_, ok := s.expr.(*fixed)
	return ok
}

// isNull reports whether s is the constant NULL.
func (s side) isNull() bool {
	if s.class == unknown {
		return s.lit.kind == litNull
	}
	if f, ok := s.expr.(*fixed); ok {
		return f.v.isNull(0)
	}
	return s.expr == nil && s.col < 0 && s.value == nil
}

// made is the side that a computes, worked out where no column is in it. An error of what is late is left to the rows that need it.
func (b *binder) made(a *apply, typ coltype.Type, late bool) side {
	s := side{class: a.out, typ: typ, col: -1, expr: a, e: a.e, at: a.at, late: late}
	for _, x := range []scalar{a.x, a.y} {
		if x == nil {
			continue
		}
		if _, ok := x.(*fixed); !ok {
			b.compute(a.at)
			return s
		}
	}
	c := &call{rows: 1, words: 1}
	v, err := a.eval(c, []uint64{1})
	switch {
	case err != nil && b.idle > 0:
		v = newVec(a.out.form(), 1)
		v.null[0] = 1
	case err != nil && late:
		b.compute(a.at)
		return s
	case err != nil:
		panic(raised(err, a.e, a.at))
	}
	v.mask = 0
	v.null[0] = -(v.null[0] & 1)
	if a.out == numeric && v.null[0] == 0 && v.n[0].special == coltype.Finite {
		b.count(len(v.n[0].digits().Bits())*19, a.at)
	}
	return constant1(s, v)
}

// constant1 is s with the value of a vec of one row.
func constant1(s side, v *vec) side {
	s.expr = nil
	switch {
	case s.class == interval || s.class == arrayType || s.class == jsonType || s.class == jsonbType:
		s.expr = &fixed{v: v}
	case !v.isNull(0):
		x := v.value(0, s.class)
		s.value = &x
	}
	return s
}

func (b *binder) make(e Expr, at place, out class, may bool, f rowFunc, args ...side) side {
	for _, s := range args {
		if s.isNull() { // the operator is not called
			return constant1(side{class: out, typ: plain[out], col: -1, e: e, at: at}, fixedValue(out, nil).v)
		}
	}
	a := &apply{x: b.scalar(args[0]), out: out, f: f, may: may, e: e, at: at}
	if len(args) > 1 {
		a.y = b.scalar(args[1])
	}
	return b.made(a, plain[out], isLate(out, args))
}

// isLate reports whether the operator or cast is stable, not immutable (pg_proc.provolatile), since it depends on settings, or
// has such an operand.
func isLate(out class, args []side) bool {
	zoned, other := out == timestamptz, false
	for _, s := range args {
		if s.late || s.class.isText() && (out.isMoment() || out == clock || out == interval || out == arrayType) {
			return true
		}
		zoned = zoned || s.class == timestamptz
		other = other || s.class != timestamptz
	}
	return zoned && other // a difference of two timestamptz is not
}

func (b *binder) binary(e *operation) side {
	l, r := b.side(e.l), b.side(e.r)
	switch e.op {
	case "||":
		return b.concat(e, l, r)
	case "->", "->>", "#>", "#>>":
		return b.jsonOp(e, l, r)
	case "@>", "<@", "&&":
		return b.arrayOp(e, l, r)
	}
	l, r = b.arithmeticSides(e, l, r)
	for _, op := range arithmetics {
		if op.op == e.op && op.l(l.class) && op.r(r.class) {
			out, f := op.make(l.class, r.class)
			return b.make(e, e.at, out, true, f, l, r)
		}
	}
	panic(b.noOperator(e.op, l, r, e.at))
}

// arithmeticSides types a literal of unknown type beside a typed side: like that side, where there is such an
// operator, else as the only type that there is.
func (b *binder) arithmeticSides(e *operation, l, r side) (side, side) {
	typed := func(s, other side) side {
		c := other.class
		switch {
		case s.class != unknown:
			return s
		case e.op == "%" && c.isFloat(), c == unknown:
		case c.isNumber() && c != oid:
			return b.resolve(s, c)
		case c == interval && (e.op == "+" || e.op == "-"), (c.isMoment() || c == clock) && e.op == "-":
			return b.resolve(s, c)
		case (c == timestamp || c == timestamptz) && e.op == "+":
			return b.resolve(s, interval)
		}
		panic(mismatch(e.at, "the type of %s beside %s is not clear", s.lit, e.op).hint("write INTERVAL '…', DATE '…' or a cast: '…'::type"))
	}
	return typed(l, r), typed(r, l)
}

// sign binds -x and +x.
func (b *binder) sign(e *sign) side {
	s := b.side(e.x)
	out := s.class
	switch {
	case e.op == "+" && s.class.isNumber() && s.class != oid:
		return b.make(e, e.at, out, false, func(x, _ *vec, i int, out *vec) error { return copyRow(x, i, out) }, s)
	case s.class == interval && e.op == "-":
		return b.make(e, e.at, out, true, func(x, _ *vec, i int, out *vec) (err error) {
			out.iv[i], err = duration{}.add(x.duration(i), -1)
			return err
		}, s)
	case s.class.isInt() && e.op == "-":
		least := leastOf(s.class)
		return b.make(e, e.at, out, true, func(x, _ *vec, i int, out *vec) error {
			if x.int(i) == least {
				return errRange
			}
			out.i[i] = -x.int(i)
			return nil
		}, s)
	case s.class.isFloat() && e.op == "-":
		return b.make(e, e.at, out, false, func(x, _ *vec, i int, out *vec) error { out.f[i] = -x.float(i); return nil }, s)
	case s.class == numeric && e.op == "-":
		return b.make(e, e.at, out, false, func(x, _ *vec, i int, out *vec) error { out.n[i] = x.num(i).neg(); return nil }, s)
	}
	panic(mismatch(e.at, "there is no operator %s %s", e.op, b.typeName(s)))
}

func copyRow(x *vec, i int, out *vec) error {
	switch {
	case x.i != nil:
		out.i[i] = x.int(i)
	case x.f != nil:
		out.f[i] = x.float(i)
	case x.n != nil:
		out.n[i] = x.num(i)
	case x.s != nil:
		out.s[i] = x.str(i)
	case x.iv != nil:
		out.iv[i] = x.duration(i)
	default:
		out.a[i] = x.list(i)
	}
	return nil
}

func leastOf(c class) int64 {
	switch c {
	case smallint:
		return math.MinInt16
	case integer:
		return math.MinInt32
	}
	return math.MinInt64
}

// function binds lower, upper and length. Letters are those of ASCII, as under the C locale.
func (b *binder) function(e *function) side {
	s := b.side(e.x)
	if s.class == unknown {
		s = b.resolve(s, text)
	}
	if !s.class.isText() && (s.class != bytea || e.name != "length") {
		panic(mismatch(e.at, "there is no function %s(%s)", e.name, b.typeName(s)).hint("it takes a text; cast with ::text"))
	}
	get := textOf(s)
	switch {
	case e.name == "length" && s.class == bytea:
		return b.make(e, e.at, integer, false, func(x, _ *vec, i int, out *vec) error { out.i[i] = int64(len(x.str(i))); return nil }, s)
	case e.name == "length":
		return b.make(e, e.at, integer, false, func(x, _ *vec, i int, out *vec) error {
			out.i[i] = int64(utf8.RuneCountInString(get(x, i)))
			return nil
		}, s)
	case e.name == "lower":
		return b.make(e, e.at, text, false, func(x, _ *vec, i int, out *vec) error { out.s[i] = lowerASCII(get(x, i)); return nil }, s)
	}
	return b.make(e, e.at, text, false, func(x, _ *vec, i int, out *vec) error {
		out.s[i] = strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' {
				return r - 'a' + 'A'
			}
			return r
		}, get(x, i))
		return nil
	}, s)
}

// concat is ||: text with text, or with the text of a value of another type.
func (b *binder) concat(e *operation, l, r side) side {
	isText := func(s side) bool { return s.class.isText() || s.class == unknown }
	fits := func(s side) bool {
		return isText(s) || s.class == boolean || s.class.isNumber() || s.class.isMoment() || s.class == clock || s.class == uuid || s.class == enum || s.class == interval
	}
	if !isText(l) && !isText(r) || !fits(l) || !fits(r) {
		panic(b.noOperator("||", l, r, e.at).hint("|| joins texts; cast with ::text"))
	}
	l, r = b.resolve(l, text), b.resolve(r, text)
	left, right := textOf(l), textOf(r)
	return b.make(e, e.at, text, false, func(x, y *vec, i int, out *vec) error {
		out.s[i] = left(x, i) + right(y, i)
		return nil
	}, l, r)
}

// jsonOp is ->, ->>, #> and #>>.
func (b *binder) jsonOp(e *operation, l, r side) side {
	out := text
	if e.op == "->" || e.op == "#>" {
		out = l.class
	}
	if l.class != jsonType && l.class != jsonbType {
		panic(b.noOperator(e.op, l, r, e.at).hint("%s takes a json or jsonb column on its left", e.op))
	}
	finish := func(value string, ok bool, i int, v *vec) (err error) {
		if !ok {
			return errNull
		}
		if out == text {
			value, err = jsonText(value)
		}
		v.s[i] = value
		return err
	}
	if strings.HasPrefix(e.op, "#") {
		if r.class == unknown {
			r = b.resolveList(r, listType(plain[text]))
		}
		if r.class != arrayType || r.typ.Elem.Base != "text" {
			panic(b.noOperator(e.op, l, r, e.at).hint("the path is an array of texts: '{a,0,b}'"))
		}
		return b.make(e, e.at, out, out == text, func(x, y *vec, i int, v *vec) error {
			p := y.list(i)
			for k := range p.n {
				if p.elems.isNull(k) {
					return errNull
				}
			}
			value, ok := jsonPath(x.str(i), p.elems.s[:p.n])
			return finish(value, ok, i, v)
		}, l, r)
	}
	if r.class == unknown {
		r = b.resolve(r, text)
	}
	switch {
	case r.class.isText():
		get := textOf(r)
		return b.make(e, e.at, out, out == text, func(x, y *vec, i int, v *vec) error {
			value, ok := jsonField(x.str(i), get(y, i))
			return finish(value, ok, i, v)
		}, l, r)
	case r.class == smallint || r.class == integer:
		scalarRoot := l.class == jsonbType // is an array of one to jsonb
		return b.make(e, e.at, out, out == text, func(x, y *vec, i int, v *vec) error {
			s, n := x.str(i), y.int(i)
			if scalarRoot && s != "" && s[0] != '[' && s[0] != '{' {
				return finish(s, n == 0 || n == -1, i, v)
			}
			value, ok := jsonElement(s, n)
			return finish(value, ok, i, v)
		}, l, r)
	}
	panic(b.noOperator(e.op, l, r, e.at).hint("%s takes a name in single quotes or a number", e.op))
}
