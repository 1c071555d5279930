package predicate

import "frostline/coltype"

// merged joins the intervals that a list of conditions, all of which must hold, asks of one column.
func merged(list []node) []node {
	var out []node
	at := map[int]int{} // column → where its interval stands in out
	for _, n := range list {
		x, ok := n.(*leaf)
		if !ok || x.test.kind() != testSpan {
			out = append(out, n)
			continue
		}
		i, seen := at[x.col]
		if !seen {
			at[x.col] = len(out)
			out = append(out, n)
			continue
		}
		y := *out[i].(*leaf)
		y.test.span = y.test.span.and(x.test.span)
		y.compile()
		out[i] = &y
	}
	return out
}

// and is what both hold.
func (s span) and(o span) span {
	if s.none || o.none {
		return span{none: true}
	}
	if o.lo != nil {
		c := 1
		if s.lo != nil {
			c = coltype.Compare(*o.lo, *s.lo)
		}
		if c > 0 {
			s.lo, s.loOpen = o.lo, o.loOpen
		} else if c == 0 {
			s.loOpen = s.loOpen || o.loOpen
		}
	}
	if o.hi != nil {
		c := -1
		if s.hi != nil {
			c = coltype.Compare(*o.hi, *s.hi)
		}
		if c < 0 {
			s.hi, s.hiOpen = o.hi, o.hiOpen
		} else if c == 0 {
			s.hiOpen = s.hiOpen || o.hiOpen
		}
	}
	if s.lo != nil && s.hi != nil {
		if c := coltype.Compare(*s.lo, *s.hi); c > 0 || c == 0 && (s.loOpen || s.hiOpen) {
			return span{none: true}
		}
	}
	return s
}
