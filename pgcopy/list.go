package pgcopy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"

	"frostline/coltype"
)

// An array travels as int32 dimensions, int32 null flag, uint32 element OID, for each dimension int32
// length and int32 lower bound, then for each element int32 length (-1 for NULL) and bytes: array_send,
// src/backend/utils/adt/arrayfuncs.c. An empty array has no dimensions.
const (
	arrayHead = 12
	maxDims   = 6 // MAXDIM
)

func newList(c *column) (*column, error) {
	t := c.typ
	if t.Elem == nil || t.Elem.Kind == coltype.List {
		return nil, fmt.Errorf("type %s: a list needs a scalar element type", t.Name)
	}
	if t.Wire != coltype.WireArray && t.Wire != coltype.WireText {
		return nil, fmt.Errorf("type %s: kind list has no wire form %v", t.Name, t.Wire)
	}
	lt, ok := c.dt.(*arrow.ListType)
	if !ok {
		return nil, fmt.Errorf("type %s: its Arrow type is %v, want a list", t.Name, c.dt)
	}
	elem, err := newColumn(*t.Elem, lt.Elem())
	if err != nil {
		return nil, err
	}
	c.elem, c.one = elem, (*column).oneList
	return c, nil
}

// arrayValue is the head of an array field.
type arrayValue struct {
	dims, lower []int
	elems       []byte
	count       int
	space       [2 * maxDims]int
}

// read parses the head of v, and bounds the element count by the bytes there are.
func (a *arrayValue) read(v []byte) error {
	if len(v) < arrayHead {
		return fmt.Errorf("array field of %d bytes, want at least 12", len(v))
	}
	dims := int(int32(binary.BigEndian.Uint32(v)))
	if dims < 0 || dims > maxDims {
		return fmt.Errorf("array field of %d dimensions, want 0 to 6", dims)
	}
	if flag := binary.BigEndian.Uint32(v[4:]); flag > 1 {
		return fmt.Errorf("array field with null flag %d, want 0 or 1", flag)
	}
	if len(v) < arrayHead+8*dims {
		return fmt.Errorf("array field of %d bytes for %d dimensions", len(v), dims)
	}
	a.dims, a.lower, a.count = a.space[:0:maxDims], a.space[maxDims:maxDims], 0
	a.elems = v[arrayHead+8*dims:]
	for i := range dims {
		n := int(int32(binary.BigEndian.Uint32(v[arrayHead+8*i:])))
		low := int(int32(binary.BigEndian.Uint32(v[arrayHead+8*i+4:])))
		if n <= 0 {
			return fmt.Errorf("array field with a dimension of %d elements", n)
		}
		if low+n-1 > math.MaxInt32 {
			return fmt.Errorf("array field with a dimension of %d elements from %d, beyond 2147483647", n, low)
		}
		if a.count = max(a.count, 1) * n; a.count > len(a.elems)/4 {
			return fmt.Errorf("array field with %d bytes for at least %d elements", len(a.elems), a.count)
		}
		a.dims, a.lower = append(a.dims, n), append(a.lower, low)
	}
	return nil
}

// next takes the next element off; null is true for NULL.
func (a *arrayValue) next() (v []byte, null bool, err error) {
	if len(a.elems) < 4 {
		return nil, false, errors.New("array field ends before its last element")
	}
	n := int(int32(binary.BigEndian.Uint32(a.elems)))
	rest := a.elems[4:]
	if n == -1 {
		a.elems = rest
		return nil, true, nil
	}
	if n < 0 || n > len(rest) {
		return nil, false, fmt.Errorf("array element of %d bytes with %d there", n, len(rest))
	}
	a.elems = rest[n:]
	return rest[:n], false, nil
}

func (a *arrayValue) end() error {
	if len(a.elems) > 0 {
		return fmt.Errorf("array field with %d bytes after its last element", len(a.elems))
	}
	return nil
}

// maxText bounds the elements' text of a batch, which Arrow's int32 offsets must reach.
const maxText = 1 << 30

// oneList appends an array of no or one dimension with lower bound 1, unless an element does not fit.
func (c *column) oneList(v []byte) (fits bool, err error) {
	var a arrayValue
	if err := a.read(v); err != nil {
		return false, err
	}
	if len(a.dims) > 1 || len(a.dims) == 1 && a.lower[0] != 1 {
		return false, nil
	}
	before := c.elem.mark()
	for i := range a.count {
		e, null, err := a.next()
		if err != nil {
			return false, err
		}
		if null {
			c.elem.appendNull()
			continue
		}
		fits, err := c.elem.one(c.elem, e)
		if err != nil {
			return false, fmt.Errorf("array element %d: %w", i+1, err)
		}
		if !fits {
			c.elem.cut(before)
			return false, nil
		}
		if c.elem.data.n > maxText+len(v) {
			return false, errors.New("array whose elements are more than 1 GiB of text")
		}
	}
	if err := a.end(); err != nil {
		return false, err
	}
	c.endValue()
	return true, nil
}

// appendArrayText appends what array_out prints of the array field v of type t.
func appendArrayText(dst []byte, t coltype.Type, v []byte) ([]byte, error) {
	var a arrayValue
	if err := a.read(v); err != nil {
		return dst, err
	}
	out := coltype.Array{Dims: a.dims, Lower: a.lower}
	var text []byte
	total := 0
	for i := range a.count {
		e, null, err := a.next()
		if err != nil {
			return dst, err
		}
		if null {
			out.Elems = append(out.Elems, nil)
			continue
		}
		if text, err = appendText(text[:0], *t.Elem, e); err != nil {
			return dst, fmt.Errorf("array element %d: %w", i+1, err)
		}
		if total += len(text); total > maxText {
			return dst, errors.New("array whose elements are more than 1 GiB of text")
		}
		s := string(text)
		out.Elems = append(out.Elems, &s)
	}
	if err := a.end(); err != nil {
		return dst, err
	}
	return coltype.AppendArray(dst, out, delimiter(t)), nil
}
