package predicate

// once keeps the values of an operand that stands in several comparisons.
type once struct{ x scalar }

type kept struct {
	active []uint64
	v      *vec
}

func (o *once) raises() bool { return o.x.raises() }

func (o *once) eval(c *call, active []uint64) (*vec, error) {
	if k, ok := c.kept[o]; ok {
		within := true
		for w := range active {
			within = within && active[w]&^k.active[w] == 0
		}
		if within {
			return k.v, nil
		}
	}
	v, err := o.x.eval(c, active)
	if err != nil {
		return nil, err
	}
	if c.kept == nil {
		c.kept = map[*once]kept{}
	}
	c.kept[o] = kept{append([]uint64(nil), active...), v}
	return v, nil
}

// raises reports whether the values of some rows end in an error.
func raises(n node) bool {
	switch n := n.(type) {
	case *andNode:
		return anyRaises(n.list)
	case *orNode:
		return anyRaises(n.list)
	case *notNode:
		return raises(n.x)
	case *isTest:
		return raises(n.x)
	case *exprTest:
		return n.may || n.x.raises() || n.y.raises()
	case *exprNull:
		return n.x.raises()
	case *exprIn:
		return n.x.raises()
	case *truth:
		return n.x.raises()
	case *exprLike:
		_, constant := n.p.(*fixed)
		return !constant || n.x.raises()
	case *anyTest:
		return true
	}
	return false
}

func anyRaises(list []node) bool {
	for _, n := range list {
		if raises(n) {
			return true
		}
	}
	return false
}
