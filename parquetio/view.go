package parquetio

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

// form is how the values of a flat column are shown in place; copied means that they are not.
type form uint8

const (
	copied form = iota
	words4      // 32-bit values
	words8      // 64-bit values
	texts       // byte arrays
)

// formOf chooses the form of a column, and whether pages keep indices into the dictionary.
func (c *flatCursor) formOf() (f form, codes bool) {
	e := c.dec.leaf.elem
	if c.dec.leaf.maxDef > 1 {
		return copied, false
	}
	switch k := c.sink.typ.Kind; k {
	case coltype.Int32, coltype.Float32, coltype.Date:
		return words4, true
	case coltype.Int64, coltype.Float64, coltype.Time, coltype.Timestamp, coltype.TimestampTZ:
		if e.typ == physInt64 || e.typ == physDouble {
			return words8, true
		}
	case coltype.Decimal:
		switch e.typ {
		case physInt32:
			return words4, true
		case physInt64:
			return words8, true
		}
	case coltype.String, coltype.Binary:
		return texts, true
	}
	return copied, false
}

// shownType is the Arrow type of the values as they are stored.
func (c *flatCursor) shownType() arrow.DataType {
	if c.sink.typ.Kind != coltype.Decimal {
		return c.sink.dt
	}
	if c.form == words4 {
		return arrow.PrimitiveTypes.Int32
	}
	return arrow.PrimitiveTypes.Int64
}

func (c *flatCursor) view(from, to int64) (arrow.Array, error) {
	if c.form == copied {
		c.sink.reset()
		if err := c.take(from, to); err != nil {
			return nil, err
		}
		return c.sink.array(), nil
	}
	if from >= c.end {
		if err := c.load(from); err != nil {
			return nil, err
		}
		c.spreadPage()
	}
	if from < c.first || to > c.end {
		return nil, corruptf("rows %d to %d are not in one page", from, to)
	}
	p := &c.dec.page
	var valid *memory.Buffer
	nulls := 0
	if p.defs != nil {
		valid, nulls = memory.NewBufferBytes(c.dec.valid), array.UnknownNullCount
	}
	at, n := int(from-c.first), int(to-from)
	if p.byDict {
		dict := c.dec.dictData(c)
		codes := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(c.dec.idx))
		dt := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: c.shownType()}
		return array.MakeFromData(array.NewDataWithDictionary(dt, n, []*memory.Buffer{valid, codes}, nulls, at, dict)), nil
	}
	return array.MakeFromData(array.NewData(c.shownType(), n, p.buffers(c.form, valid), nil, nulls, at)), nil
}

// buffers are those of an Arrow array over the page's values.
func (p *decodedPage) buffers(f form, valid *memory.Buffer) []*memory.Buffer {
	switch f {
	case words4:
		return []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(p.i32))}
	case words8:
		return []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(p.i64))}
	}
	return []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Uint32Traits.CastToBytes(p.offs)), memory.NewBufferBytes(p.data)}
}

// dictData is the chunk's dictionary: the same value for all its pages.
func (d *decoder) dictData(c *flatCursor) *array.Data {
	if d.shownDict == nil {
		d.shownDict = array.NewData(c.shownType(), d.dict.n, d.dict.buffers(c.form, nil), nil, 0, 0)
	}
	return d.shownDict
}

// spreadPage moves the values of a page with NULLs to their rows, and notes in the bitmap which those are.
func (c *flatCursor) spreadPage() {
	d, p := &c.dec, &c.dec.page
	if p.defs == nil {
		return
	}
	d.valid = packBits(d.valid, p.defs)
	switch {
	case p.n == 0 && c.form == texts:
		p.byDict, p.data = false, nil
		p.offs = zeroed(p.offs, p.levels+1)
	case p.n == 0:
		p.byDict = false
		p.i32, p.i64 = zeroed(p.i32, p.levels), zeroed(p.i64, p.levels)
	case p.byDict:
		d.idx = spread(d.idx, p.defs, p.n-1)
	case c.form == words4:
		p.i32 = spread(p.i32, p.defs, p.n-1)
	case c.form == words8:
		p.i64 = spread(p.i64, p.defs, p.n-1)
	default:
		end := p.offs[p.n]
		p.offs = append(spread(p.offs, p.defs, p.n), end)
	}
}

// spread moves values to the places where defs is 1. At the others stands the next value, at the end element last.
func spread[T any](v []T, defs []byte, last int) []T {
	rows := len(defs)
	if cap(v) < rows+1 {
		v = slices.Grow(v, rows+1-len(v))
	}
	v = v[:max(rows, len(v))]
	at := 0
	for _, d := range defs {
		at += int(d)
	}
	for i := rows - 1; i >= 0; i-- { // from the back: at is never beyond i
		at -= int(defs[i])
		v[i] = v[min(at, last)]
	}
	return v[:rows]
}

func zeroed[T any](v []T, n int) []T {
	v = grow(v, n)
	clear(v)
	return v
}

// packBits makes a bitmap of bytes that are 0 or 1.
func packBits(dst, src []byte) []byte {
	dst = grow(dst, (len(src)+7)/8)
	i := 0
	for ; i+8 <= len(src); i += 8 {
		b := src[i : i+8 : i+8]
		dst[i/8] = b[0] | b[1]<<1 | b[2]<<2 | b[3]<<3 | b[4]<<4 | b[5]<<5 | b[6]<<6 | b[7]<<7
	}
	if i < len(src) {
		dst[i/8] = 0
		for k, x := range src[i:] {
			dst[i/8] |= x << k
		}
	}
	return dst
}
