package predicate

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
)

// list is an array value.
type list struct {
	dims, lower []int
	elems       *vec // in storage order
	n           int
}

// listAt is row i of an Arrow list: one dimension, counted from 1.
func listAt(t coltype.Type, arr arrow.Array, i int) (*list, error) {
	a, ok := arr.(array.ListLike)
	if !ok {
		return nil, wrongArray(arr, "a list")
	}
	from, to := a.ValueOffsets(i)
	values := a.ListValues()
	c := classOf(*t.Elem)
	out := newList(c, int(to-from))
	for k := range out.n {
		at := int(from) + k
		if values.IsNull(at) {
			out.elems.null[k/64] |= 1 << (k % 64)
			continue
		}
		v, err := coltype.ValueAt(*t.Elem, values, at)
		if err != nil {
			return nil, err
		}
		out.elems.set(k, c, v)
	}
	return out, nil
}

func newList(c class, n int) *list {
	l := &list{elems: newVec(c.form(), n), n: n}
	if n > 0 {
		l.dims, l.lower = []int{n}, []int{1}
	}
	return l
}

// parseList reads an array literal of type t.
func parseList(t coltype.Type, s string) (*list, error) {
	delim := byte(',')
	if t.Delim != "" {
		delim = t.Delim[0]
	}
	a, err := coltype.ParseArray(s, delim)
	if err != nil {
		return nil, err
	}
	c := classOf(*t.Elem)
	out := newList(c, len(a.Elems))
	out.dims, out.lower = a.Dims, a.Lower
	for k, e := range a.Elems {
		if e == nil {
			out.elems.null[k/64] |= 1 << (k % 64)
			continue
		}
		v, err := coltype.ParseText(*t.Elem, *e)
		if err != nil {
			return nil, err
		}
		if c == numeric && t.Elem.Precision > 0 {
			n, err := numOf(v).fit(t.Elem.Precision, t.Elem.Scale)
			if err != nil {
				return nil, fmt.Errorf("%w for type %s: out of range", coltype.ErrValue, t.Elem.Name)
			}
			v = n.value()
		}
		out.elems.set(k, c, v)
	}
	return out, nil
}

// text is what array_out prints.
func (l *list) text(t coltype.Type) string {
	a := coltype.Array{Dims: l.dims, Lower: l.lower, Elems: make([]*string, l.n)}
	c := classOf(*t.Elem)
	for k := range a.Elems {
		if !l.elems.isNull(k) {
			s := string(coltype.AppendText(nil, *t.Elem, l.elems.value(k, c)))
			a.Elems[k] = &s
		}
	}
	delim := byte(',')
	if t.Delim != "" {
		delim = t.Delim[0]
	}
	return string(coltype.AppendArray(nil, a, delim))
}

// compareLists is array_cmp: by the elements, NULL highest, then by their number, the dimensions and the bounds.
func compareLists(a, b *list, by compareFunc) (int, error) {
	for k := range min(a.n, b.n) {
		switch x, y := a.elems.isNull(k), b.elems.isNull(k); {
		case x && y:
			continue
		case x:
			return 1, nil
		case y:
			return -1, nil
		}
		if c, err := by(a.elems, k, b.elems, k); c != 0 || err != nil {
			return c, err
		}
	}
	if a.n != b.n {
		return a.n - b.n, nil
	}
	if len(a.dims) != len(b.dims) {
		return len(a.dims) - len(b.dims), nil
	}
	if c := slices.Compare(a.dims, b.dims); c != 0 {
		return c, nil
	}
	return slices.Compare(a.lower, b.lower), nil
}

// has reports whether some element of l equals element k of e.
func (l *list) has(e *vec, k int, by compareFunc) (bool, error) {
	for j := range l.n {
		if l.elems.isNull(j) {
			continue
		}
		if c, err := by(l.elems, j, e, k); c == 0 || err != nil {
			return err == nil, err
		}
	}
	return false, nil
}

// contains is a @> b: NULL equals nothing.
func (l *list) contains(b *list, by compareFunc) (bool, error) {
	for k := range b.n {
		if b.elems.isNull(k) {
			return false, nil
		}
		if ok, err := l.has(b.elems, k, by); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// overlaps is a && b.
func (l *list) overlaps(b *list, by compareFunc) (bool, error) {
	for k := range b.n {
		if b.elems.isNull(k) {
			continue
		}
		if ok, err := l.has(b.elems, k, by); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}
