package pgcopy

import (
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

// column collects one column of a batch in Arrow's own layout.
type column struct {
	typ   coltype.Type
	dt    arrow.DataType
	width int // bytes of a fixed-width value, else 0

	n, nulls int
	valid    buffer // bitmap, empty until the first NULL; every bit not yet used is 1
	data     buffer // values; bits for Bool
	offs     buffer // int32, n+1 of them, of strings and lists
	elem     *column

	one  func(c *column, v []byte) (fits bool, err error) // appends a value, unless it does not fit
	loop func(c *column, buf []byte, fields []field) error

	index  int // of the table's column
	exacts *[]exactCell
}

// exactCell is a cell that its typed column cannot hold.
type exactCell struct {
	row, column int
	text        []byte
}

// field is where a value lies in the read buffer; n is -1 for NULL.
type field struct{ off, n int32 }

// buffer is a growing memory.Buffer with its bytes at hand.
type buffer struct {
	b     *memory.Buffer
	p     []byte // as long as the capacity
	n     int    // bytes in use
	alloc memory.Allocator
}

// extend makes room for more bytes and takes them into use; they are not cleared.
func (b *buffer) extend(more int) []byte {
	if b.n+more > len(b.p) {
		b.grow(b.n + more)
	}
	s := b.p[b.n : b.n+more]
	b.n += more
	return s
}

func (b *buffer) grow(want int) {
	if b.b == nil {
		b.b = memory.NewResizableBuffer(b.alloc)
	}
	b.b.ResizeNoShrink(b.n) // the bytes in use are what growing copies
	b.b.ResizeNoShrink(max(want, 2*len(b.p), 64))
	b.p = b.b.Buf()
}

// take gives up the buffer, which may be nil.
func (b *buffer) take() *memory.Buffer {
	out := b.b
	if out != nil {
		out.ResizeNoShrink(b.n)
	}
	*b = buffer{alloc: b.alloc}
	return out
}

// start makes the column ready for a batch of about so many rows and bytes of data.
func (c *column) start(rows, bytes int) {
	if c.width > 0 {
		bytes = rows * c.width
	}
	if bytes > 0 {
		c.data.grow(bytes)
	}
	if c.hasOffsets() {
		c.offs.grow(4 * (rows + 1))
		clear(c.offs.extend(4))
	}
	if c.elem != nil {
		c.elem.start(0, 0)
	}
}

func (c *column) hasOffsets() bool {
	return c.typ.Kind == coltype.String || c.typ.Kind == coltype.Binary || c.typ.Kind == coltype.List
}

// setNull makes row i, which is within the room the caller has taken, NULL.
func (c *column) setNull(i int) {
	c.needValid(i + 1)
	bitutil.ClearBit(c.valid.p, i)
	c.nulls++
}

// needValid makes the bitmap hold n rows.
func (c *column) needValid(n int) {
	if n <= 8*len(c.valid.p) {
		return
	}
	old := len(c.valid.p)
	c.valid.n = old
	c.valid.grow(max((n+7)/8, c.rowRoom()/8))
	fill := c.valid.p[old:]
	for i := range fill {
		fill[i] = 0xff
	}
}

// rowRoom is about how many rows the other buffers have room for.
func (c *column) rowRoom() int {
	if c.width > 0 {
		return len(c.data.p) / c.width
	}
	return len(c.offs.p) / 4
}

// appendNull adds a NULL.
func (c *column) appendNull() {
	switch {
	case c.hasOffsets():
		c.endValue()
	case c.typ.Kind == coltype.Bool:
		c.appendBit(false)
	default:
		clear(c.data.extend(c.width))
		c.n++
	}
	c.setNull(c.n - 1)
}

// endValue ends a string or a list where the data now ends.
func (c *column) endValue() {
	end := c.data.n
	if c.elem != nil {
		end = c.elem.n
	}
	*(*int32)(unsafe.Pointer(&c.offs.extend(4)[0])) = int32(end)
	c.n++
}

func (c *column) appendBit(v bool) {
	if c.n%8 == 0 {
		c.data.extend(1)[0] = 0
	}
	if v {
		bitutil.SetBit(c.data.p, c.n)
	}
	c.n++
}

// appendExact makes the next row NULL and keeps its text for the side column.
func (c *column) appendExact(text []byte) {
	*c.exacts = append(*c.exacts, exactCell{row: c.n, column: c.index, text: text})
	c.appendNull()
}

// mark is a length to which a column can be cut back.
type mark struct{ n, nulls, data, offs int }

func (c *column) mark() mark { return mark{c.n, c.nulls, c.data.n, c.offs.n} }

// cut takes back what was added after m.
func (c *column) cut(m mark) {
	for i := m.n; i < min(c.n, 8*len(c.valid.p)); i++ {
		bitutil.SetBit(c.valid.p, i)
	}
	if c.typ.Kind == coltype.Bool {
		for i := m.n; i < min(c.n, (m.n+7)/8*8); i++ {
			bitutil.ClearBit(c.data.p, i)
		}
	}
	c.n, c.nulls, c.data.n, c.offs.n = m.n, m.nulls, m.data, m.offs
}

// bytes is what the column's values take up so far, in bytes.
func (c *column) bytes() int {
	n := c.data.n
	if c.elem != nil {
		n += c.elem.bytes()
	}
	return n
}

// finish gives the column as an array and empties it.
func (c *column) finish() *array.Data {
	var valid *memory.Buffer
	if c.nulls > 0 {
		c.needValid(c.n)
		c.valid.n = (c.n + 7) / 8
		if c.n%8 != 0 {
			c.valid.p[c.valid.n-1] &= 1<<(c.n%8) - 1
		}
		valid = c.valid.take()
	} else {
		c.drop(&c.valid)
	}
	buffers := []*memory.Buffer{valid, nil}
	var children []arrow.ArrayData
	switch {
	case c.elem != nil:
		buffers[1] = c.offs.take()
		children = []arrow.ArrayData{c.elem.finish()}
	case c.hasOffsets():
		buffers[1] = c.offs.take()
		buffers = append(buffers, c.data.take())
	default:
		buffers[1] = c.data.take()
	}
	data := array.NewData(c.dt, c.n, buffers, children, c.nulls, 0)
	for _, b := range buffers {
		if b != nil {
			b.Release()
		}
	}
	for _, child := range children {
		child.Release()
	}
	c.n, c.nulls = 0, 0
	return data
}

// discard gives back the buffers of an unfinished batch.
func (c *column) discard() {
	c.drop(&c.valid)
	c.drop(&c.data)
	c.drop(&c.offs)
	c.n, c.nulls = 0, 0
	if c.elem != nil {
		c.elem.discard()
	}
}

func (c *column) drop(b *buffer) {
	if out := b.take(); out != nil {
		out.Release()
	}
}
