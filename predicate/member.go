package predicate

import "frostline/coltype"

// maxMembers is the longest list whose values are looked up one by one: of so many, a filter lets some
// pass by chance, and then it has decided nothing.
const maxMembers = 100

// absent reports whether no typed cell can pass, since each value that would is proven not to be there.
func (x *leaf) absent(may func(col int, v coltype.Value) bool) bool {
	if !x.listed {
		return false
	}
	for _, v := range x.members {
		if may(x.col, v) {
			return false
		}
	}
	return true
}

// list gives the only values that pass, as typed cells hold them; ok is false when there are others, too
// many, or such as have several forms.
func (x *leaf) list() (list []coltype.Value, ok bool) {
	switch {
	case x.test.trim, x.class.isFloat(), x.class == boolean, x.class == numeric && x.typ.Kind != coltype.Decimal:
		return nil, false
	}
	switch t := &x.test; t.kind() {
	case testLike:
		s, ok := t.like.exact()
		return []coltype.Value{{Kind: x.typ.Kind, S: string(s)}}, ok
	case testLabels:
		for label, pass := range t.labels {
			if pass {
				list = append(list, coltype.Value{Kind: coltype.String, S: label})
			}
		}
	case testSet:
		list = t.set
	default:
		s := &t.span
		if s.none || s.lo == nil || s.hi == nil || s.loOpen || s.hiOpen || coltype.Compare(*s.lo, *s.hi) != 0 {
			return nil, false
		}
		list = []coltype.Value{*s.lo}
	}
	if len(list) > maxMembers {
		return nil, false
	}
	if x.class == numeric {
		list = rescaled(list, x.typ.Scale)
	}
	return list, true
}

// rescaled brings decimals to the scale of a column, and leaves out those that it cannot hold.
func rescaled(list []coltype.Value, scale int) []coltype.Value {
	out := make([]coltype.Value, 0, len(list))
	for _, v := range list {
		if n, exact := unscaled(v, scale); n != nil && exact {
			out = append(out, coltype.Value{Kind: coltype.Decimal, Big: n, Scale: scale})
		}
	}
	return out
}
