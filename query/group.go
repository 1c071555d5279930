package query

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
)

// table is the groups of some rows and the states of their aggregates. It serves one goroutine.
type table struct {
	keys   []*interner // by column of GROUP BY
	fold   []*pairs    // two numbers to one, column by column
	tuples [][]uint32  // by column, then group: the number of the value
	n      int
	states []state

	ids    [][]uint32
	group  []int32
	single []int32 // of one column: group by number + 1, 0 for none
}

func newTable(keys []coltype.Column, states []state) *table {
	t := &table{states: states, tuples: make([][]uint32, len(keys)), ids: make([][]uint32, len(keys))}
	for i, c := range keys {
		t.keys = append(t.keys, newInterner(c.Type))
		if i > 0 {
			t.fold = append(t.fold, &pairs{})
		}
	}
	if len(keys) == 0 {
		t.n = 1
		for _, s := range states {
			s.grow(1)
		}
	}
	return t
}

// groups numbers the groups of a batch's rows; nil when all are one.
func (t *table) groups(rows int, arrs []arrow.Array, side [][]sideText) ([]int32, error) {
	if len(t.keys) == 0 {
		return nil, nil
	}
	if cap(t.group) < rows {
		t.group = make([]int32, rows)
	}
	for c, in := range t.keys {
		if cap(t.ids[c]) < rows {
			t.ids[c] = make([]uint32, rows)
		}
		t.ids[c] = t.ids[c][:rows]
		if err := in.ids(arrs[c], side[c], t.ids[c]); err != nil {
			return nil, err
		}
	}
	out := t.group[:rows]
	if len(t.keys) == 1 {
		for i, id := range t.ids[0] {
			out[i] = t.ofOne(id)
		}
	} else {
		tuple := make([]uint32, len(t.keys))
		for i := range out {
			for c := range tuple {
				tuple[c] = t.ids[c][i]
			}
			out[i] = t.ofTuple(tuple)
		}
	}
	for _, s := range t.states {
		s.grow(t.n)
	}
	return out, nil
}

func (t *table) ofOne(id uint32) int32 {
	for int(id) >= len(t.single) {
		t.single = append(t.single, make([]int32, max(64, len(t.single)))...)
	}
	if t.single[id] == 0 {
		t.n++
		t.single[id] = int32(t.n)
		t.tuples[0] = append(t.tuples[0], id)
	}
	return t.single[id] - 1
}

// ofTuple is the group of one number for each column, of two or more.
func (t *table) ofTuple(tuple []uint32) int32 {
	at := tuple[0]
	for c := 1; c < len(tuple); c++ {
		at = t.fold[c-1].of(at, tuple[c])
	}
	if int(at) == t.n {
		t.n++
		for c, id := range tuple {
			t.tuples[c] = append(t.tuples[c], id)
		}
	}
	return int32(at)
}

// merge adds the groups of o.
func (t *table) merge(ctx context.Context, o *table) error {
	into := make([]int32, o.n)
	tuple := make([]uint32, len(t.keys))
	for g := range into {
		if g%takeRows == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		for c, in := range t.keys {
			id, err := in.slow(o.keys[c].cell(o.tuples[c][g]))
			if err != nil {
				return err
			}
			tuple[c] = id
		}
		switch len(tuple) {
		case 0:
		case 1:
			into[g] = t.ofOne(tuple[0])
		default:
			into[g] = t.ofTuple(tuple)
		}
	}
	for i, s := range t.states {
		s.grow(t.n)
		if err := s.merge(o.states[i], into); err != nil {
			return err
		}
	}
	return nil
}

// cell is the value of key column c in group g.
func (t *table) cell(c, g int) cell { return t.keys[c].cell(t.tuples[c][g]) }

// bytes is the memory of the table, roughly.
func (t *table) bytes() int64 {
	n := int64(len(t.single)) * 4
	for c, in := range t.keys {
		n += in.bytes() + int64(cap(t.tuples[c])+cap(t.ids[c]))*4
	}
	for _, m := range t.fold {
		n += m.bytes()
	}
	for _, s := range t.states {
		n += s.bytes()
	}
	return n
}
