package predicate

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

// Evaluator evaluates a predicate on one batch of rows after the other. It serves one goroutine.
type Evaluator struct {
	p     *Predicate
	plain bool
	c     call
}

// Batch is the rows that an Evaluator looks at. Its functions are called when the evaluation needs what they give: what
// comes cheap first may decide a whole batch.
type Batch struct {
	Rows int
	// Column gives the column Columns()[j] of the predicate.
	Column func(j int) (arrow.Array, error)
	// Exact gives the side column. It is nil when that has no entries.
	Exact func() (arrow.Array, error)
	// Stop is asked before each operator; its error ends the evaluation. It may be nil.
	Stop func() error
}

// Evaluator is a new evaluator of p.
func (p *Predicate) Evaluator() *Evaluator {
	return &Evaluator{p: p, plain: !takesAny(p.root), c: call{cols: p.bound, arrs: make([]arrow.Array, len(p.cols)), dicts: map[*leaf]passed{}}}
}

// Plain reports whether columns must have the Arrow type of coltype.Column.ArrowField. Otherwise they may also come
// dictionary-encoded, and decimals of up to 18 digits as the Int32 or Int64 of their unscaled numbers.
func (e *Evaluator) Plain() bool { return e.plain }

// takesAny reports whether all tests under n take a column in any form.
func takesAny(n node) bool {
	var list []node
	switch n := n.(type) {
	case constant, *leaf, *nullLeaf:
	case *andNode:
		list = n.list
	case *orNode:
		list = n.list
	case *notNode:
		list = []node{n.x}
	case *isTest:
		list = []node{n.x}
	default:
		return false
	}
	for _, x := range list {
		if !takesAny(x) {
			return false
		}
	}
	return true
}

// Bits sets a bit for every row that is TRUE (not NULL, not FALSE): row i is bit i%64 of word i/64. The bits after the last row
// are 0. The slice is valid until the next call. The errors are those of Eval, and those of the batch's functions.
func (e *Evaluator) Bits(b Batch) ([]uint64, error) {
	c := &e.c
	if words := (b.Rows + 63) / 64; words != c.words {
		c.words, c.free = words, nil
	}
	c.rows, c.column, c.stop, c.cells, c.kept = b.Rows, b.Column, b.Stop, nil, nil
	clear(c.arrs)
	if e.p.exact && b.Exact != nil {
		exact, err := b.Exact()
		if err != nil {
			return nil, err
		}
		if err := c.readCells(exact); err != nil {
			return nil, err
		}
	}
	t, n, active := c.get(), c.get(), c.get()
	fillBits(active, true)
	if err := e.p.root.eval(c, active, t, n); err != nil {
		return nil, err
	}
	c.put(n, active, t) // t is used before the next call
	if rest := b.Rows % 64; rest > 0 {
		t[len(t)-1] &= 1<<rest - 1
	}
	return t, nil
}

// array is the column of a slot.
func (c *call) array(slot int) (arrow.Array, error) {
	if c.arrs[slot] != nil {
		return c.arrs[slot], nil
	}
	arr, err := c.column(slot)
	if err == nil && arr.Len() != c.rows {
		err = fmt.Errorf("evaluate predicate: column %q has %d rows, want %d", c.cols[slot].Name, arr.Len(), c.rows)
	}
	c.arrs[slot] = arr
	return arr, err
}

// passed is which entries of a dictionary pass a leaf.
type passed struct {
	dict arrow.ArrayData
	bits []uint64
}

// fillCodes sets the bits of the rows whose index into a dictionary is of one that passed. An index that is NULL may be anything.
func fillCodes(codes []int32, passed, t []uint64) {
	if len(passed) == 1 {
		only := passed[0]
		for w := range t {
			var word uint64
			for i, k := range codes[w*64 : min(w*64+64, len(codes))] {
				word |= (only >> (k & 63) & 1) << (i & 63)
			}
			t[w] = word
		}
		return
	}
	for w := range t {
		var word uint64
		for i, k := range codes[w*64 : min(w*64+64, len(codes))] {
			if at := int(uint32(k) >> 6); at < len(passed) {
				word |= (passed[at] >> (k & 63) & 1) << (i & 63)
			}
		}
		t[w] = word
	}
}
