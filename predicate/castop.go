package predicate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"frostline/coltype"
)

// cast binds CAST(x AS type): the conversions of pg_cast, output and input functions from and to text.
func (b *binder) cast(e *cast) side {
	to := classOf(e.typ)
	if list, ok := e.x.(*arrayOf); ok && to == arrayType {
		return b.arrayOfType(list, e.typ)
	}
	s := b.side(e.x)
	s.at = e.at
	if s.class == unknown {
		return b.literalOf(s, e, to)
	}
	switch {
	case s.class == to && e.typ.Precision == 0 && (to != arrayType || sameElem(s.typ, e.typ)), s.class.isInt() && to.isInt() && s.class < to,
		s.class == timestamp && to == timestamptz, s.class == timestamptz && to == timestamp: // the time zone is UTC
		return b.renamed(s, to, e.typ)
	}
	f, may := b.castFunc(s, to, e.typ)
	if f == nil {
		panic(mismatch(e.at, "there is no cast from %s to %s", b.typeName(s), e.typ.Name))
	}
	out := b.make(e, e.at, to, may, f, s)
	out.typ = e.typ
	if to == date && s.col >= 0 && (s.class == timestamp || s.class == timestamptz) {
		out.day = s.col + 1
	}
	return out
}

// renamed is s under another type, which holds its values in the same form.
func (b *binder) renamed(s side, to class, typ coltype.Type) side {
	s.late = s.late || s.class == timestamp && to == timestamptz || s.class == timestamptz && to == timestamp
	if s.value != nil {
		v := newVec(to.form(), 1)
		v.mask = 0
		v.set(0, to, *s.value)
		s.class, s.typ = to, typ
		return constant1(s, v)
	}
	s.class, s.typ = to, typ
	return s
}

// literalOf reads a quoted literal of unknown type as the type of a cast.
func (b *binder) literalOf(s side, e *cast, to class) side {
	switch {
	case to == arrayType:
		s = b.resolveList(s, e.typ)
	case to == jsonType || to == jsonbType:
		if s.lit.kind != litNull {
			panic(mismatch(e.at, "literals of type %s are not supported", e.typ.Name).hint("compare ->> with a text"))
		}
		s.class = to
	case to == text && e.typ.Precision == 0, to == bpchar && e.typ.Precision == 0:
		s = b.resolve(s, text)
		s.class = to
	default:
		in := to
		if to == text || to == bpchar {
			in = text
		}
		s = b.resolve(s, in)
		s.typ = plain[in]
		if e.typ.Precision > 0 {
			if f, may := b.castFunc(s, to, e.typ); f != nil {
				s = b.make(e, e.at, to, may, f, s)
			}
		}
	}
	s.typ, s.e = e.typ, e
	return s
}

func (b *binder) castFunc(s side, to class, typ coltype.Type) (f rowFunc, may bool) {
	from := s.class
	text1 := textOf(s)
	switch {
	case to == text || to == bpchar || to == name:
		if text1 == nil {
			return nil, false
		}
		return func(x, _ *vec, i int, out *vec) error { out.s[i] = cutText(text1(x, i), to, typ.Precision); return nil }, false
	case from.isText():
		return fromText(s, to, typ, text1)
	case to == numeric:
		return toNumeric(from, typ)
	case to.isInt():
		return toInteger(from, to)
	case to.isFloat():
		return toFloat(from, to)
	case to == oid && from.isInt():
		return func(x, _ *vec, i int, out *vec) error {
			n := x.int(i)
			if from == bigint && (n < 0 || n > math.MaxUint32) {
				return errRange
			}
			out.i[i] = int64(uint32(n))
			return nil
		}, from == bigint
	case to == boolean && from == integer:
		return func(x, _ *vec, i int, out *vec) error { out.i[i] = int64(bit(x.int(i) != 0)); return nil }, false
	case to == arrayType && from == arrayType:
		return b.castList(s, typ)
	}
	return momentCast(from, to)
}

// momentCast is among dates, times and intervals.
func momentCast(from, to class) (f rowFunc, may bool) {
	stamp := from == timestamp || from == timestamptz
	switch {
	case to == date && stamp:
		return func(x, _ *vec, i int, out *vec) error { out.i[i] = microsToDay(x.int(i)); return nil }, false
	case from == date && (to == timestamp || to == timestamptz):
		return func(x, _ *vec, i int, out *vec) (err error) { out.i[i], err = dayToMicros(x.int(i)); return err }, true
	case to == clock && stamp:
		return func(x, _ *vec, i int, out *vec) error {
			if !finite(x.int(i)) {
				return errNull
			}
			_, out.i[i] = splitDay(x.int(i))
			return nil
		}, false
	case to == clock && from == interval:
		return func(x, _ *vec, i int, out *vec) error { _, out.i[i] = splitDay(x.duration(i).us); return nil }, false
	case to == interval && from == clock:
		return func(x, _ *vec, i int, out *vec) error { out.iv[i] = duration{us: x.int(i)}; return nil }, false
	}
	return nil, false
}

// cutText makes a text one of char(n) or varchar(n): an explicit cast cuts.
func cutText(s string, to class, n int) string {
	switch {
	case to == name:
		v, err := coltype.ParseText(plain[name], s)
		if err != nil {
			return s
		}
		return v.S
	case n == 0:
		return s
	}
	have := utf8.RuneCountInString(s)
	if have > n {
		at := 0
		for i := range s {
			if at == n {
				return s[:i]
			}
			at++
		}
	}
	if to == bpchar {
		return s + strings.Repeat(" ", n-have)
	}
	return s
}

// fromText is a type's input function.
func fromText(s side, to class, typ coltype.Type, get func(*vec, int) string) (rowFunc, bool) {
	if s.class == bpchar || s.class == name { // the input function sees the padding; it does not matter but to bytea
		raw := func(v *vec, i int) string { return v.str(i) }
		get = raw
	}
	switch to {
	case interval:
		return func(x, _ *vec, i int, out *vec) (err error) {
			if out.iv[i], err = parseDuration(get(x, i)); err != nil {
				err = errInput(typ)
			}
			return err
		}, true
	case arrayType:
		return func(x, _ *vec, i int, out *vec) (err error) {
			if out.a[i], err = parseList(typ, get(x, i)); err != nil {
				err = errInput(typ)
			}
			return err
		}, true
	case jsonType, jsonbType, enum, opaque:
		return nil, false
	}
	return func(x, _ *vec, i int, out *vec) error {
		v, err := coltype.ParseText(plain[to], get(x, i))
		if err != nil {
			return errInput(typ)
		}
		if to == numeric && typ.Precision > 0 {
			n, err := numOf(v).fit(typ.Precision, typ.Scale)
			out.n[i] = n
			return err
		}
		out.set(i, to, v)
		return nil
	}, true
}

// errInput does not tell the text: it is the table's.
func errInput(typ coltype.Type) error { return fmt.Errorf("a text that is no %s", typ.Name) }

func toNumeric(from class, typ coltype.Type) (rowFunc, bool) {
	var get func(x *vec, i int) (num, error)
	switch {
	case from.isInt() || from == numeric:
		get = func(x *vec, i int) (num, error) { return x.asNum(from, i), nil }
	case from.isFloat():
		digits := map[class]int{float4: 6, float8: 15}[from] // FLT_DIG, DBL_DIG
		get = func(x *vec, i int) (num, error) {
			f := x.float(i)
			switch {
			case math.IsNaN(f):
				return nanNum, nil
			case math.IsInf(f, 0):
				return infinite(int(math.Copysign(1, f))), nil
			}
			v, err := coltype.ParseText(plain[numeric], shortest(strconv.FormatFloat(f, 'e', digits-1, 64)))
			return numOf(v), err
		}
	default:
		return nil, false
	}
	return func(x, _ *vec, i int, out *vec) error {
		n, err := get(x, i)
		if err == nil && typ.Precision > 0 {
			n, err = n.fit(typ.Precision, typ.Scale)
		}
		out.n[i] = n
		return err
	}, typ.Precision > 0
}

// shortest takes the zeros off the end of d.ddde±xx, as %g does.
func shortest(s string) string {
	mantissa, exp, _ := strings.Cut(s, "e")
	return strings.TrimSuffix(strings.TrimRight(mantissa, "0"), ".") + "e" + exp
}

func toInteger(from, to class) (rowFunc, bool) {
	least := leastOf(to)
	most := -(least + 1)
	switch {
	case from == boolean && to == integer:
		return func(x, _ *vec, i int, out *vec) error { out.i[i] = x.int(i); return nil }, false
	case from == oid && to == bigint:
		return func(x, _ *vec, i int, out *vec) error { out.i[i] = x.int(i); return nil }, false
	case from == oid && to == integer:
		return func(x, _ *vec, i int, out *vec) error { out.i[i] = int64(int32(x.int(i))); return nil }, false
	case from.isInt():
		return func(x, _ *vec, i int, out *vec) error {
			if n := x.int(i); n < least || n > most {
				return errRange
			}
			out.i[i] = x.int(i)
			return nil
		}, true
	case from == numeric:
		return func(x, _ *vec, i int, out *vec) (err error) { out.i[i], err = x.num(i).whole(least, most); return err }, true
	case from.isFloat():
		return func(x, _ *vec, i int, out *vec) error {
			f := math.RoundToEven(x.float(i))
			if math.IsNaN(f) || f < float64(least) || f >= -float64(least) {
				return errRange
			}
			out.i[i] = int64(f)
			return nil
		}, true
	}
	return nil, false
}

func toFloat(from, to class) (rowFunc, bool) {
	t := plain[to]
	switch {
	case from.isInt():
		return func(x, _ *vec, i int, out *vec) error {
			if to == float4 {
				out.f[i] = float64(float32(x.int(i)))
			} else {
				out.f[i] = float64(x.int(i))
			}
			return nil
		}, false
	case from == numeric:
		return func(x, _ *vec, i int, out *vec) (err error) { out.f[i], err = x.num(i).float(t); return err }, true
	case from.isFloat():
		return func(x, _ *vec, i int, out *vec) error {
			f := x.float(i)
			if to == float4 {
				g := float64(float32(f))
				if math.IsInf(g, 0) && !math.IsInf(f, 0) || g == 0 && f != 0 {
					return errRange
				}
				f = g
			}
			out.f[i] = f
			return nil
		}, true
	}
	return nil, false
}

// textOf is the output function of a side's type; nil where it has none here. char(n) loses its padding, as it does in a cast.
func textOf(s side) func(v *vec, i int) string {
	c := s.class
	switch c {
	case bpchar:
		return func(v *vec, i int) string { return trimSpaces(v.str(i)) }
	case text, name, enum, jsonType, jsonbType:
		return func(v *vec, i int) string { return v.str(i) }
	case boolean:
		return func(v *vec, i int) string { return strconv.FormatBool(v.int(i) != 0) }
	case numeric:
		return func(v *vec, i int) string { return v.num(i).text() }
	case interval:
		return func(v *vec, i int) string { return v.duration(i).text() }
	case arrayType:
		return func(v *vec, i int) string { return v.list(i).text(s.typ) }
	case opaque, unknown:
		return nil
	}
	return func(v *vec, i int) string { return string(coltype.AppendText(nil, plain[c], v.value(i, c))) }
}
