package predicate

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
)

// Eval sets sel[i] to whether row i is TRUE (not NULL, not FALSE). arrs[j] is the column Columns()[j]
// with the Arrow type of coltype.Column.ArrowField, or that one dictionary-encoded: a condition is
// then evaluated once per dictionary entry. exact is the side column (map<string,string>) or nil
// when it has no entries. len(sel) is the row count. The errors are of the data: an array of another
// type or length, a cell in the side column that its type does not read.
func (p *Predicate) Eval(arrs []arrow.Array, exact arrow.Array, sel []bool) error {
	if len(arrs) != len(p.cols) {
		return fmt.Errorf("evaluate predicate: %d arrays for %d columns", len(arrs), len(p.cols))
	}
	for j, a := range arrs {
		if a.Len() != len(sel) {
			return fmt.Errorf("evaluate predicate: column %q has %d rows, want %d", p.bound[j].Name, a.Len(), len(sel))
		}
	}
	b := Batch{Rows: len(sel), Column: func(j int) (arrow.Array, error) { return arrs[j], nil }}
	if exact != nil {
		b.Exact = func() (arrow.Array, error) { return exact, nil }
	}
	t, err := p.Evaluator().Bits(b)
	if err != nil {
		return err
	}
	for w, word := range t {
		out := sel[w*64 : min(w*64+64, len(sel))]
		for i := range out {
			out[i] = word>>i&1 != 0
		}
	}
	return nil
}

// call is one evaluation: the batch and scratch space.
type call struct {
	rows, words int
	arrs        []arrow.Array // nil as long as column was not asked
	column      func(slot int) (arrow.Array, error)
	cols        []coltype.Column
	cells       [][]cell // per column, nil without
	free        [][]uint64
	dicts       map[*leaf]passed // of the chunk being read; nil: not kept
	kept        map[*once]kept   // of this batch
	stop        func() error     // nil: never
}

// cell is a row's value out of the side column.
type cell struct {
	row   int
	value coltype.Value
	text  string // of an array, which has no value
}

func (c *call) get() []uint64 {
	if n := len(c.free); n > 0 {
		b := c.free[n-1]
		c.free = c.free[:n-1]
		return b
	}
	return make([]uint64, c.words)
}

// stopped is the error that ends the evaluation.
func (c *call) stopped() error {
	if c.stop == nil {
		return nil
	}
	return c.stop()
}

func (c *call) put(list ...[]uint64) { c.free = append(c.free, list...) }

func fillBits(b []uint64, on bool) {
	var w uint64
	if on {
		w = ^w
	}
	for i := range b {
		b[i] = w
	}
}

// readCells takes the entries of the predicate's columns out of the side column.
func (c *call) readCells(exact arrow.Array) error {
	m, ok := exact.(*array.Map)
	if !ok || m.Len() != c.rows {
		return fmt.Errorf("evaluate predicate: the side column is %v of %d rows, want a map of %d", exact.DataType(), exact.Len(), c.rows)
	}
	if m.NullN() == m.Len() {
		return nil
	}
	keys, ok1 := m.Keys().(*array.String)
	items, ok2 := m.Items().(*array.String)
	if !ok1 || !ok2 {
		return fmt.Errorf("evaluate predicate: the side column is %v, want map<utf8, utf8>", exact.DataType())
	}
	c.cells = make([][]cell, len(c.cols))
	for row := range c.rows {
		if m.IsNull(row) {
			continue
		}
		from, to := m.ValueOffsets(row)
		for i := int(from); i < int(to); i++ {
			if items.IsNull(i) {
				continue
			}
			for j := range c.cols {
				if c.cols[j].Name != keys.Value(i) || !c.cols[j].Type.MayBeExact() {
					continue
				}
				var v coltype.Value
				if c.cols[j].Type.Kind != coltype.List {
					var err error
					if v, err = coltype.ParseText(c.cols[j].Type, items.Value(i)); err != nil {
						return fmt.Errorf("evaluate predicate: column %q, row %d, side column: %w", c.cols[j].Name, row, err)
					}
				}
				c.cells[j] = append(c.cells[j], cell{row, v, items.Value(i)})
			}
		}
	}
	return nil
}

func (c *call) cellsOf(slot int) []cell {
	if c.cells == nil {
		return nil
	}
	return c.cells[slot]
}

func (k constant) eval(_ *call, _, t, n []uint64) error {
	fillBits(t, k == isTrue)
	fillBits(n, k == isNull)
	return nil
}

func none(b []uint64) bool {
	for _, w := range b {
		if w != 0 {
			return false
		}
	}
	return true
}

func (x *andNode) eval(c *call, active, t, n []uint64) error {
	if err := x.list[0].eval(c, active, t, n); err != nil {
		return err
	}
	t2, n2, left := c.get(), c.get(), c.get()
	defer c.put(t2, n2, left)
	for _, y := range x.list[1:] {
		for i := range left {
			left[i] = active[i] & (t[i] | n[i])
			if x.top {
				left[i] = active[i] & t[i]
			}
		}
		if none(left) {
			break
		}
		if err := y.eval(c, left, t2, n2); err != nil {
			return err
		}
		for i := range t {
			some := (t[i] | n[i]) & (t2[i] | n2[i])
			t[i] &= t2[i]
			n[i] = some &^ t[i]
		}
	}
	return nil
}

func (x *orNode) eval(c *call, active, t, n []uint64) error {
	if err := x.list[0].eval(c, active, t, n); err != nil {
		return err
	}
	t2, n2, left := c.get(), c.get(), c.get()
	defer c.put(t2, n2, left)
	for _, y := range x.list[1:] {
		for i := range left {
			left[i] = active[i] &^ t[i]
		}
		if none(left) {
			break
		}
		if err := y.eval(c, left, t2, n2); err != nil {
			return err
		}
		for i := range t {
			// Rows that are TRUE already stay so, whatever y left there.
			t[i] |= t2[i] & left[i]
			n[i] = (n[i] | n2[i]) &^ t[i]
		}
	}
	return nil
}

func (x *notNode) eval(c *call, active, t, n []uint64) error {
	if err := x.x.eval(c, active, t, n); err != nil {
		return err
	}
	for i := range t {
		t[i] = ^(t[i] | n[i])
	}
	return nil
}

func (x *isTest) eval(c *call, active, t, n []uint64) error {
	if err := x.x.eval(c, active, t, n); err != nil {
		return err
	}
	for i := range t {
		w := t[i]
		switch x.what {
		case isNull:
			w = n[i]
		case isFalse:
			w = ^(t[i] | n[i])
		}
		if x.neg {
			w = ^w
		}
		t[i], n[i] = w, 0
	}
	return nil
}

func (x *nullLeaf) eval(c *call, _, t, n []uint64) error {
	arr, err := c.array(x.slot)
	if err != nil {
		return err
	}
	nullBits(arr, t)
	for _, cell := range c.cellsOf(x.slot) {
		t[cell.row/64] &^= 1 << (cell.row % 64)
	}
	for i := range t {
		if x.neg {
			t[i] = ^t[i]
		}
		n[i] = 0
	}
	return nil
}

func (x *leaf) eval(c *call, active, t, n []uint64) error {
	arr, err := c.array(x.slot)
	if err != nil {
		return err
	}
	nullBits(arr, n)
	if err := x.fill(c, arr, active, t); err != nil {
		return fmt.Errorf("evaluate predicate: column %q: %w", c.cols[x.slot].Name, err)
	}
	for i := range t {
		t[i] &^= n[i]
	}
	for _, cell := range c.cellsOf(x.slot) {
		w, bit := cell.row/64, uint64(1)<<(cell.row%64)
		n[w] &^= bit
		t[w] &^= bit
		if x.test.holds(cell.value) {
			t[w] |= bit
		}
	}
	return nil
}

// fill sets the bits of t for the values that pass; rows that are NULL get anything.
func (x *leaf) fill(c *call, arr arrow.Array, active, t []uint64) error {
	switch a := arr.(type) {
	case *array.Null:
		fillBits(t, false)
		return nil
	case *array.Dictionary:
		return x.fillDictionary(c, a, t)
	case array.ExtensionArray:
		arr = a.Storage()
	}
	return x.match.fill(arr, active, t)
}

func (x *leaf) fillDictionary(c *call, a *array.Dictionary, t []uint64) error {
	got := c.dicts[x]
	if got.bits == nil || got.dict != a.Data().Dictionary() {
		dict := a.Dictionary()
		got = passed{dict: a.Data().Dictionary(), bits: make([]uint64, (dict.Len()+63)/64)}
		all := make([]uint64, len(got.bits))
		fillBits(all, true)
		if err := x.fill(c, dict, all, got.bits); err != nil {
			return err
		}
		if c.dicts != nil {
			c.dicts[x] = got
		}
	}
	if codes, ok := a.Indices().(*array.Int32); ok {
		fillCodes(codes.Int32Values(), got.bits, t)
		return nil
	}
	fillBits(t, false)
	for i := range a.Len() {
		if a.IsNull(i) {
			continue
		}
		k := a.GetValueIndex(i)
		t[i/64] |= (got.bits[k/64] >> (k % 64) & 1) << (i % 64)
	}
	return nil
}

// nullBits sets the bits of the rows that are NULL.
func nullBits(arr arrow.Array, n []uint64) {
	d, isDict := arr.(*array.Dictionary)
	switch {
	case arr.DataType().ID() == arrow.NULL:
		fillBits(n, true)
		return
	case isDict && d.Dictionary().NullN() > 0:
		fillBits(n, false)
		for i := range arr.Len() {
			if arr.IsNull(i) || d.Dictionary().IsNull(d.GetValueIndex(i)) {
				n[i/64] |= 1 << (i % 64)
			}
		}
		return
	case arr.NullN() == 0 || len(arr.NullBitmapBytes()) == 0:
		fillBits(n, false)
		return
	}
	loadBits(arr.NullBitmapBytes(), arr.Data().Offset(), arr.Len(), n)
	for i := range n {
		n[i] = ^n[i]
	}
}

// loadBits copies the rows bits of an Arrow bitmap that start at bit off. Those after the last are any.
func loadBits(bitmap []byte, off, rows int, out []uint64) {
	shift := uint(off % 8)
	bitmap = bitmap[off/8:]
	for w := range out {
		at := w * 8
		var word, next uint64
		if at+9 <= len(bitmap) {
			word, next = binary.LittleEndian.Uint64(bitmap[at:]), uint64(bitmap[at+8])
		} else {
			var tail [16]byte
			copy(tail[:], bitmap[at:])
			word, next = binary.LittleEndian.Uint64(tail[:]), uint64(tail[8])
		}
		if shift > 0 {
			word = word>>shift | next<<(64-shift)
		}
		out[w] = word
	}
}

// eachBit calls f for the rows below n whose bit is set, and sets in t what it returns.
func eachBit(active, t []uint64, n int, f func(i int) bool) {
	for w := range t {
		var word uint64
		for left := active[w]; left != 0; left &= left - 1 {
			bit := bits.TrailingZeros64(left)
			i := w*64 + bit
			if i >= n {
				break
			}
			if f(i) {
				word |= 1 << bit
			}
		}
		t[w] = word
	}
}
