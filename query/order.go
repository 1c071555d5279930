package query

import (
	"slices"

	"frostline/coltype"
)

// sortKey is one key of ORDER BY.
type sortKey struct {
	col        int // of the columns that it was bound to
	form       form
	desc       bool
	nullsFirst bool
}

// maxOrder bounds ORDER BY.
const maxOrder = 64

// bindOrder types ORDER BY over cols.
func bindOrder(cols []coltype.Column, list []Order) ([]sortKey, error) {
	if len(list) > maxOrder {
		return nil, badRequest("too_many", "orderBy", "", "at most %d columns to order by are possible", maxOrder)
	}
	var keys []sortKey
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	for _, o := range list {
		at := slices.Index(names, o.Column)
		if at < 0 {
			return nil, badRequest("unknown_column", "orderBy", meant(o.Column, names), "column %q does not exist", o.Column)
		}
		if slices.ContainsFunc(keys, func(k sortKey) bool { return k.col == at }) {
			return nil, badRequest("duplicate_column", "orderBy", "", "column %q is asked for twice", o.Column)
		}
		f, can := formOf(cols[at].Type)
		if can != totalOrder {
			return nil, badRequest("type_mismatch", "orderBy", "", "column %q is %s, whose values have no order here", o.Column, cols[at].Type.Name)
		}
		k := sortKey{col: at, form: f, desc: o.Desc, nullsFirst: o.Desc}
		if o.NullsFirst != nil {
			k.nullsFirst = *o.NullsFirst
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// append adds the key of c as this key of ORDER BY has it.
func (k sortKey) append(dst []byte, t coltype.Type, c cell) ([]byte, error) {
	if c.null {
		return append(dst, k.nullByte()), nil
	}
	at := len(dst) + 1
	dst, err := appendCellKey(append(dst, 1), t, k.form, c)
	if err == nil && k.desc {
		invert(dst[at:])
	}
	return dst, err
}

func (k sortKey) nullByte() byte {
	if k.nullsFirst {
		return 0
	}
	return 2
}

func invert(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}
