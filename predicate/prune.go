package predicate

import (
	"bytes"
	"math"
	"strings"

	"frostline/coltype"
)

// Verdict is what bounds say of a predicate.
type Verdict uint8

// None: no row is TRUE. All: every row is TRUE. Some: unknown.
const (
	Some Verdict = iota
	None
	All
)

// String is the verdict's name in lower case.
func (v Verdict) String() string { return [...]string{"some", "none", "all"}[v] }

// Prune decides from bounds of columns (index into the bound cols). Unknown statistics give Some:
// Rows of zero or less are unknown too. Cells in the side column (Bounds.Exact != 0) make the
// bounds of a column unknown that can have such cells, unless it has no NULL.
func (p *Predicate) Prune(bounds func(col int) coltype.Bounds) Verdict {
	return p.PruneBy(Known{Bounds: bounds})
}

// Known is what is known of the columns (index into the bound cols) of some rows.
type Known struct {
	Bounds func(col int) coltype.Bounds
	// May reports whether a typed cell of col may equal v, a value of its kind; false must be certain.
	// nil knows nothing. It is asked only where that can decide, in the order of the conditions.
	May func(col int, v coltype.Value) bool
}

// PruneBy is Prune with a test of membership beside the bounds, such as a Bloom filter. It is asked for
// =, IN and their negations, and for LIKE without wildcards. It is not asked where equal values
// differ in their stored form: floats, char(n), and numeric that is kept as text.
func (p *Predicate) PruneBy(k Known) Verdict {
	switch o := p.root.outcomes(k); {
	case !o.t:
		return None
	case !o.f && !o.n:
		return All
	}
	return Some
}

// outcomes are the values that rows may have: a value that is not marked, no row has.
type outcomes struct{ t, f, n bool }

var anything = outcomes{true, true, true}

func (k constant) outcomes(Known) outcomes {
	return outcomes{t: k == isTrue, f: k == isFalse, n: k == isNull}
}

func (x *andNode) outcomes(k Known) outcomes {
	o := outcomes{t: true}
	for _, y := range x.list {
		p := y.outcomes(k)
		// A row's value is the lowest of its operands', FALSE < NULL < TRUE.
		o = outcomes{t: o.t && p.t, f: o.f || p.f, n: o.n && (p.t || p.n) || p.n && (o.t || o.n)}
	}
	return o
}

func (x *orNode) outcomes(k Known) outcomes {
	o := outcomes{f: true}
	for _, y := range x.list {
		p := y.outcomes(k)
		o = outcomes{t: o.t || p.t, f: o.f && p.f, n: o.n && (p.f || p.n) || p.n && (o.f || o.n)}
	}
	return o
}

func (x *notNode) outcomes(k Known) outcomes {
	o := x.x.outcomes(k)
	return outcomes{t: o.f, f: o.t, n: o.n}
}

func (x *isTest) outcomes(k Known) outcomes {
	o := x.x.outcomes(k)
	r := outcomes{t: o.t, f: o.f || o.n}
	switch x.what {
	case isNull:
		r = outcomes{t: o.n, f: o.t || o.f}
	case isFalse:
		r = outcomes{t: o.f, f: o.t || o.n}
	}
	if x.neg {
		r.t, r.f = r.f, r.t
	}
	return r
}

// nulls says whether there may be NULLs and others. Cells of the side column are counted as NULLs, so
// without a NULL there is none.
func nulls(b coltype.Bounds, mayBeExact bool) (some, others bool) {
	switch {
	case b.Rows <= 0 || b.Nulls < 0:
		return true, true
	case mayBeExact && b.Exact != 0 && b.Nulls > 0:
		return true, true
	}
	return b.Nulls > 0, b.Nulls < b.Rows
}

func (x *nullLeaf) outcomes(k Known) outcomes {
	some, others := nulls(k.Bounds(x.col), x.exact)
	if x.neg {
		some, others = others, some
	}
	return outcomes{t: some, f: others}
}

func (x *leaf) outcomes(k Known) outcomes {
	b := k.Bounds(x.col)
	if b.Rows <= 0 {
		return anything
	}
	some, others := nulls(b, x.typ.MayBeExact())
	if !others {
		return outcomes{n: true}
	}
	if x.typ.MayBeExact() && b.Exact != 0 && b.Nulls != 0 {
		return anything
	}
	t, f := x.values(x.end(b.Min), x.end(b.Max), b)
	if t && k.May != nil && x.absent(k.May) {
		t, f = false, true
	}
	return outcomes{t: t, f: f, n: some}
}

// end is a bound in the column's kind, or nil: unknown. Integers and floats are widened, as
// Iceberg promotes them; the bytes of a numeric that is kept as text do not order it.
func (x *leaf) end(v *coltype.Value) *coltype.Value {
	if v == nil {
		return nil
	}
	w := *v
	switch {
	case x.class == numeric:
		if w.Kind != coltype.Decimal {
			return nil
		}
		return &w
	case w.Kind == coltype.Int32 && x.typ.Kind == coltype.Int64, w.Kind == coltype.Float32 && x.typ.Kind == coltype.Float64:
		w.Kind = x.typ.Kind
	case w.Kind != x.typ.Kind:
		return nil
	}
	if math.IsNaN(w.F) {
		return nil
	}
	return &w
}

// values says whether values between lo and hi may pass and may fail.
func (x *leaf) values(lo, hi *coltype.Value, b coltype.Bounds) (t, f bool) {
	switch x.test.kind() {
	case testLabels:
		return x.labels(lo, hi)
	case testLike:
		return x.test.like.between(lo, hi)
	}
	if x.test.trim {
		return x.padded(lo, hi), true
	}
	if x.test.kind() == testSet {
		t = x.test.set.between(lo, hi)
		f = !(lo != nil && hi != nil && coltype.Compare(*lo, *hi) == 0 && x.test.set.holds(*lo))
	} else {
		t = x.test.span.meets(lo, hi)
		f = !x.test.span.covers(lo, hi)
	}
	if x.class.isFloat() && b.NaNs != 0 {
		if x.test.holds(coltype.Value{Kind: x.typ.Kind, F: math.NaN()}) {
			t = true
		} else {
			f = true
		}
	}
	return t, f
}

// meets reports whether s holds a value of [lo, hi]; nil is unknown.
func (s span) meets(lo, hi *coltype.Value) bool {
	if s.none {
		return false
	}
	if lo != nil && s.hi != nil {
		if c := coltype.Compare(*lo, *s.hi); c > 0 || c == 0 && s.hiOpen {
			return false
		}
	}
	if hi != nil && s.lo != nil {
		if c := coltype.Compare(*hi, *s.lo); c < 0 || c == 0 && s.loOpen {
			return false
		}
	}
	return true
}

// covers reports whether s holds all of [lo, hi].
func (s span) covers(lo, hi *coltype.Value) bool {
	if s.none {
		return false
	}
	if s.lo != nil {
		if lo == nil {
			return false
		}
		if c := coltype.Compare(*lo, *s.lo); c < 0 || c == 0 && s.loOpen {
			return false
		}
	}
	if s.hi != nil {
		if hi == nil {
			return false
		}
		if c := coltype.Compare(*hi, *s.hi); c > 0 || c == 0 && s.hiOpen {
			return false
		}
	}
	return true
}

// between reports whether a point lies in [lo, hi].
func (l values) between(lo, hi *coltype.Value) bool {
	i := 0
	if lo != nil {
		i = l.find(*lo)
	}
	return i < len(l) && (hi == nil || coltype.Compare(l[i], *hi) <= 0)
}

// labels: bounds are of the labels' bytes, tests of their positions.
func (x *leaf) labels(lo, hi *coltype.Value) (t, f bool) {
	for label, ok := range x.test.labels {
		if ok && (lo == nil || label >= lo.S) && (hi == nil || label <= hi.S) {
			t = true
		}
	}
	// A label that the type does not know may stand between two different bounds.
	return t, !(lo != nil && hi != nil && lo.S == hi.S && x.test.labels[lo.S])
}

// padded says whether a bpchar may pass. Its bounds are of the padded text, its tests of the text
// without trailing spaces: t < v for that text says t ≤ v, spaces added, for the padded one, unless
// v has characters below the space; and t > v says the same for the padded one.
func (x *leaf) padded(lo, hi *coltype.Value) bool {
	reaches := func(v string) bool { // some padding of v is at least lo
		if lo == nil || lo.S <= v {
			return true
		}
		low := strings.IndexFunc(v, func(r rune) bool { return r < ' ' }) >= 0
		rest, ok := strings.CutPrefix(lo.S, v)
		return low || ok && beforeSpaces(rest)
	}
	starts := func(v string) bool { return hi == nil || hi.S >= v }
	if x.test.kind() == testSet {
		for _, v := range x.test.set {
			if reaches(v.S) && starts(v.S) {
				return true
			}
		}
		return false
	}
	s := x.test.span
	return !s.none && (s.hi == nil || reaches(s.hi.S)) && (s.lo == nil || starts(s.lo.S))
}

// beforeSpaces reports whether s is not above a run of spaces without end.
func beforeSpaces(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != ' ' {
			return s[i] < ' '
		}
	}
	return true
}

// between says whether texts between lo and hi may match and may fail, by the prefix.
func (p *pattern) between(lo, hi *coltype.Value) (t, f bool) {
	if p.fold {
		return true, true
	}
	if e, ok := p.exact(); ok {
		v := coltype.Value{S: string(e)}
		t = (lo == nil || lo.S <= v.S) && (hi == nil || hi.S >= v.S)
		return t, !(lo != nil && hi != nil && lo.S == hi.S && lo.S == v.S)
	}
	has := func(v *coltype.Value) bool { return v != nil && bytes.HasPrefix([]byte(v.S), p.prefix) }
	t = (lo == nil || lo.S <= string(p.prefix) || has(lo)) && (hi == nil || hi.S >= string(p.prefix))
	onlyPrefix := p.plain && p.any && len(p.middle) == 0 && len(p.suffix) == 0
	return t, !(onlyPrefix && (len(p.prefix) == 0 || has(lo) && has(hi)))
}
