package predicate

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"frostline/coltype"
)

// literal gives a literal its own type: a number is integer, bigint or numeric by its value, a
// quoted string and NULL are unknown.
func (b *binder) literal(l *literal) side {
	s := side{col: -1, lit: l, e: l, at: l.at, class: unknown}
	switch l.kind {
	case litBool:
		s.class = boolean
		s.value = &coltype.Value{Kind: coltype.Bool}
		if l.text == "TRUE" {
			s.value.I = 1
		}
	case litNumber:
		s.value = b.parse(numeric, l.text, l.at)
		s.class = numeric
		if whole := !strings.ContainsAny(l.text, ".eE"); whole && s.value.Big.IsInt64() {
			if s.class = bigint; int64(int32(s.value.Big.Int64())) == s.value.Big.Int64() {
				s.class = integer
			}
		}
	case litDate, litTime, litTimestamp, litTimestampTZ:
		s.class = map[litKind]class{litDate: date, litTime: clock, litTimestamp: timestamp, litTimestampTZ: timestamptz}[l.kind]
		s.value = b.parse(s.class, l.text, l.at)
	case litInterval:
		s = b.resolve(s, interval)
	}
	s.typ = plain[s.class]
	return s
}

// parse is the input function of c.
func (b *binder) parse(c class, s string, at place) *coltype.Value {
	if c == numeric {
		b.spend(s, at)
	}
	v, err := coltype.ParseText(plain[c], s)
	if err != nil {
		panic(mismatch(at, "%v", err))
	}
	return &v
}

// spend counts the digits of a number written out, so that exponents do not fill the memory.
func (b *binder) spend(s string, at place) {
	n := len(s)
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		exp, err := strconv.Atoi(strings.TrimSpace(s[i+1:]))
		if err == nil && exp >= -200_000 && exp <= 200_000 {
			n += max(exp, -exp)
		}
	}
	b.count(n, at)
}

// count adds to the digits of the numbers, those that the binder works out included.
func (b *binder) count(n int, at place) {
	if b.digits += n; b.digits > maxDigit {
		panic((&Error{Code: CodeTooLong, Field: at.field, Pos: at.pos, Msg: "the numbers of the expression have too many digits"}).
			hint("%d are allowed in all, exponents written out", maxDigit))
	}
}

// compute counts what is evaluated for each row beside tests of a column.
func (b *binder) compute(at place) {
	if b.computed++; b.computed > maxComputed {
		panic((&Error{Code: CodeTooLong, Field: at.field, Pos: at.pos, Msg: "the expression computes too much"}).
			hint("%d operators, casts and comparisons of computed values are allowed", maxComputed))
	}
}

// resolve reads an unknown literal as class c, which is not enum.
func (b *binder) resolve(s side, c class) side {
	if s.class != unknown {
		return s
	}
	s.class, s.typ = c, plain[c]
	if s.lit.kind == litNull {
		return s
	}
	t := s.lit.text
	switch c {
	case interval:
		d, err := parseDuration(t)
		if err != nil {
			panic(mismatch(s.at, "%v", err))
		}
		v := newVec(formDuration, 1)
		v.mask, v.iv[0] = 0, d
		s.expr = &fixed{v: v}
	case text:
		s.value = &coltype.Value{Kind: coltype.String, S: t}
	case bpchar:
		s.value = &coltype.Value{Kind: coltype.String, S: strings.TrimRight(t, " ")}
	case name: // namein cuts at 63 bytes, between characters
		if len(t) > 63 {
			n := 63
			for n > 0 && !utf8.RuneStart(t[n]) {
				n--
			}
			t = t[:n]
		}
		s.value = &coltype.Value{Kind: coltype.String, S: t}
	default:
		s.value = b.parse(c, t, s.at)
	}
	return s
}

// label reads an unknown literal as a label of the enum l.
func (b *binder) label(l, s side) side {
	s.class, s.typ = enum, l.typ
	if s.lit.kind == litNull {
		return s
	}
	labels := l.typ.Labels
	for _, have := range labels {
		if have == s.lit.text {
			s.value = &coltype.Value{Kind: coltype.String, S: have}
			return s
		}
	}
	e := mismatch(s.at, "%s is not a label of enum %s", quote(s.lit.text), b.typeName(l))
	if near, d := nearest(s.lit.text, labels); near != "" && d <= max(2, len(near)/3) {
		panic(e.hint("did you mean %s?", quote(near)))
	}
	if len(labels) > 12 {
		panic(e.hint("it has %d labels", len(labels)))
	}
	quoted := make([]string, len(labels))
	for i := range labels {
		quoted[i] = quote(labels[i])
	}
	panic(e.hint("the labels are %s", strings.Join(quoted, ", ")))
}

// coerce makes a literal one of class c, to which it casts implicitly.
func (b *binder) coerce(s side, c class) side {
	if s.class == unknown {
		return b.resolve(s, c)
	}
	switch {
	case s.class == c || s.value == nil:
	case s.class.isText() && c.isText():
		t := s.value.S
		if s.class == bpchar {
			t = trimSpaces(t)
		}
		s.value = &coltype.Value{Kind: coltype.String, S: cutText(t, c, 0)}
	case s.class.isFloat():
		s.value = &coltype.Value{Kind: plain[c].Kind, F: s.value.F}
	case c == float4:
		s.value = b.parse(float4, decimalText(*s.value), s.at)
	case c == float8:
		s.value = b.parse(float8, decimalText(*s.value), s.at)
	case c == oid:
		s.value = b.toOID(s)
	case c == timestamp || c == timestamptz:
		if s.class == date {
			us, ok := midnight(s.value.I)
			if !ok {
				panic(mismatch(s.at, "the date %s is out of range for a timestamp", s.e))
			}
			s.value = &coltype.Value{Kind: coltype.Timestamp, I: us}
		}
	}
	s.class, s.typ = c, plain[c]
	return s
}

// toOID casts integers as PostgreSQL does: int4 wraps, int8 must fit.
func (b *binder) toOID(s side) *coltype.Value {
	if s.class == oid {
		return s.value
	}
	n := asDecimal(*s.value).Big.Int64()
	if s.class == bigint && (n < 0 || n > math.MaxUint32) {
		panic(mismatch(s.at, "%s is out of range for type oid", s.e))
	}
	return &coltype.Value{Kind: coltype.Int64, I: int64(uint32(n))}
}

// decimalText is a finite decimal in plain or scientific notation.
func decimalText(v coltype.Value) string {
	v = asDecimal(v)
	return v.Big.String() + "e-" + strconv.Itoa(v.Scale)
}

// asDecimal is a number literal's value as a Decimal; integers come from input functions.
func asDecimal(v coltype.Value) coltype.Value {
	switch v.Kind {
	case coltype.Int32, coltype.Int64:
		return coltype.Value{Kind: coltype.Decimal, Big: big.NewInt(v.I)}
	}
	return v
}

// test is {x : x op r} for the column l, or the date of one, and a resolved, non-NULL literal r.
func (b *binder) test(op string, l, r side) leafTest {
	v := *r.value
	switch {
	case l.class == enum:
		return leafTest{labels: b.labelsThat(op, l, v.S)}
	case l.class == oid:
		v = *b.toOID(r)
	case l.class.isInt():
		d := asDecimal(v)
		k := b.cols[l.col].Type.Kind
		switch d.Special {
		case coltype.Finite:
			floor, exact := floorDiv(d.Big, coltype.Pow10(d.Scale))
			return leafTest{span: steps(op, k, floor, exact)}
		case coltype.NegInf: // from an IN list of numerics
			return leafTest{span: span{none: op == "=" || op[0] == '<'}}
		}
		return leafTest{span: span{none: op == "=" || op[0] == '>'}}
	case l.class.isFloat():
		if r.class.isInt() || r.class == numeric {
			v = *b.parse(float8, decimalText(v), r.at)
		}
		v.Kind = kindOf(b, l)
	case l.class == numeric:
		v = asDecimal(v)
	case l.class == date && r.class != date:
		return leafTest{span: dateSpan(op, v.I)}
	case l.class.isMoment():
		k := kindOf(b, l)
		if r.class == date && l.class != date {
			us, _ := midnight(v.I)
			v.I = us
		}
		v.Kind = k
	}
	return leafTest{span: spanOf(op, v)}
}

func kindOf(b *binder, l side) coltype.Kind {
	if l.col >= 0 {
		return b.cols[l.col].Type.Kind
	}
	return plain[l.class].Kind // the date of a timestamp
}

// labelsThat maps every label of the enum column l to whether it stands in op to label. Their order is
// their position. A label that is not known is neither above nor below: see enumMatch.
func (b *binder) labelsThat(op string, l side, label string) map[string]bool {
	labels := l.typ.Labels
	at := 0
	for i, s := range labels {
		if s == label {
			at = i
		}
	}
	out := make(map[string]bool, len(labels))
	for i, s := range labels {
		switch op {
		case "=":
			out[s] = i == at
		case "<":
			out[s] = i < at
		case "<=":
			out[s] = i <= at
		case ">":
			out[s] = i > at
		case ">=":
			out[s] = i >= at
		}
	}
	return out
}
