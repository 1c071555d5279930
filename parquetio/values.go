package parquetio

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
)

// pageValues gathers one page of one leaf: levels, and the values that are not NULL in the one
// slice that fits the physical type. Floats are kept as their bits.
type pageValues struct {
	rows  int
	defs  []byte
	reps  []byte
	nulls int // levels without a value
	i32   []int32
	i64   []int64
	bools []byte
	data  []byte   // byte arrays, or fixed ones end to end
	offs  []uint32 // byte arrays: n+1 offsets into data
	lent  bool     // data is one huge value, in the batch's memory
}

func (p *pageValues) reset() {
	p.rows, p.nulls = 0, 0
	p.defs, p.reps = p.defs[:0], p.reps[:0]
	p.i32, p.i64, p.bools = p.i32[:0], p.i64[:0], p.bools[:0]
	if p.lent || cap(p.data) > 16<<20 { // one huge cell must not stay
		p.data, p.lent = nil, false
	}
	p.data = p.data[:0]
	p.offs = append(p.offs[:0], 0)
}

func (p *pageValues) bytes() int {
	return len(p.defs)/4 + 4*len(p.i32) + 8*len(p.i64) + len(p.bools)/8 + len(p.data) + 4*len(p.offs)
}

// lend takes row of the batch column arr as the whole page, without a copy, where it is one huge value.
func (p *pageValues) lend(l *leaf, arr arrow.Array, row int) bool {
	offs := stringOffsets(arr)
	if offs == nil || l.shape != shapeFlat || l.elem.typ != physByteArray || int(offs[row+1]-offs[row]) < hugeValue || arr.IsNull(row) {
		return false
	}
	b := arr.Data().Buffers()[2].Bytes()
	p.rows, p.defs, p.lent = 1, append(p.defs, 1), true
	p.data = b[offs[row]:offs[row+1]:offs[row+1]]
	p.offs = append(p.offs, uint32(len(p.data)))
	return true
}

// appendRows adds rows [from, to) of the batch column arr.
func (p *pageValues) appendRows(l *leaf, arr arrow.Array, from, to int) error {
	p.rows += to - from
	switch l.shape {
	case shapeList:
		list, ok := arr.(*array.List)
		if !ok {
			return fmt.Errorf("column %q: list expected, got %s", l.path[0], arr.DataType())
		}
		return p.appendNested(l, list, list.Offsets(), list.Data().Offset(), list.ListValues(), from, to)
	case shapeMap:
		m, ok := arr.(*array.Map)
		if !ok {
			return fmt.Errorf("column %q: map expected, got %s", l.path[0], arr.DataType())
		}
		child := m.Keys()
		if l.value {
			child = m.Items()
		}
		return p.appendNested(l, m, m.Offsets(), m.Data().Offset(), child, from, to)
	}
	p.appendFlatLevels(arr, from, to)
	return p.appendDense(l, arr, from, to)
}

func (p *pageValues) appendFlatLevels(arr arrow.Array, from, to int) {
	n := len(p.defs)
	p.defs = append(p.defs, make([]byte, to-from)...)
	d := p.defs[n:]
	if arr.NullN() == 0 {
		for i := range d {
			d[i] = 1
		}
		return
	}
	for i := range d {
		if arr.IsValid(from + i) {
			d[i] = 1
		} else {
			p.nulls++
		}
	}
}

// appendNested adds lists. Arrow offsets are those of the unsliced array.
func (p *pageValues) appendNested(l *leaf, arr arrow.Array, offsets []int32, first int, child arrow.Array, from, to int) error {
	elemNullable := byte(l.maxDef - 2) // 1 when the element is optional
	for i := from; i < to; i++ {
		if arr.IsNull(i) {
			p.defs, p.reps = append(p.defs, 0), append(p.reps, 0)
			p.nulls++
			continue
		}
		a, b := int(offsets[first+i]), int(offsets[first+i+1])
		if a == b {
			p.defs, p.reps = append(p.defs, 1), append(p.reps, 0)
			p.nulls++
			continue
		}
		for j := a; j < b; j++ {
			def := byte(2) + elemNullable
			if child.IsNull(j) {
				if elemNullable == 0 {
					return fmt.Errorf("column %q: NULL key in a map", l.path[0])
				}
				def = 2
				p.nulls++
			}
			rep := byte(1)
			if j == a {
				rep = 0
			}
			p.defs, p.reps = append(p.defs, def), append(p.reps, rep)
		}
		if err := p.appendDense(l, child, a, b); err != nil {
			return err
		}
	}
	return nil
}

// appendDense adds the values of arr[from:to] that are not NULL.
func (p *pageValues) appendDense(l *leaf, arr arrow.Array, from, to int) error {
	if ext, ok := arr.(array.ExtensionArray); ok {
		arr = ext.Storage()
	}
	switch a := arr.(type) {
	case *array.Boolean:
		for i := from; i < to; i++ {
			if a.IsValid(i) {
				b := byte(0)
				if a.Value(i) {
					b = 1
				}
				p.bools = append(p.bools, b)
			}
		}
		return l.want(physBool, arr)
	case *array.Int32:
		return appendWords(&p.i32, a, a.Int32Values(), from, to, l.want(physInt32, arr))
	case *array.Date32:
		return appendWords(&p.i32, a, arrow.Int32Traits.CastFromBytes(arrow.Date32Traits.CastToBytes(a.Date32Values())), from, to, l.want(physInt32, arr))
	case *array.Float32:
		return appendWords(&p.i32, a, arrow.Int32Traits.CastFromBytes(arrow.Float32Traits.CastToBytes(a.Float32Values())), from, to, l.want(physFloat, arr))
	case *array.Int64:
		return appendWords(&p.i64, a, a.Int64Values(), from, to, l.want(physInt64, arr))
	case *array.Time64:
		return appendWords(&p.i64, a, arrow.Int64Traits.CastFromBytes(arrow.Time64Traits.CastToBytes(a.Time64Values())), from, to, l.want(physInt64, arr))
	case *array.Timestamp:
		return appendWords(&p.i64, a, arrow.Int64Traits.CastFromBytes(arrow.TimestampTraits.CastToBytes(a.TimestampValues())), from, to, l.want(physInt64, arr))
	case *array.Float64:
		return appendWords(&p.i64, a, arrow.Int64Traits.CastFromBytes(arrow.Float64Traits.CastToBytes(a.Float64Values())), from, to, l.want(physDouble, arr))
	case *array.Decimal128:
		return p.appendDecimals(l, a, from, to)
	case *array.String:
		return p.appendStrings(a, a.ValueOffsets(), from, to, l.want(physByteArray, arr))
	case *array.Binary:
		return p.appendStrings(a, a.ValueOffsets(), from, to, l.want(physByteArray, arr))
	case *array.FixedSizeBinary:
		if w := a.DataType().(*arrow.FixedSizeBinaryType).ByteWidth; w != int(l.elem.typeLength) {
			return fmt.Errorf("column %q: values of %d bytes, the column has %d", l.path[0], w, l.elem.typeLength)
		}
		for i := from; i < to; i++ {
			if a.IsValid(i) {
				p.data = append(p.data, a.Value(i)...)
			}
		}
		return l.want(physFixed, arr)
	}
	return fmt.Errorf("column %q: Arrow type %s cannot be written", l.path[0], arr.DataType())
}

// want refuses an array that is not of the column's type.
func (l *leaf) want(p physical, arr arrow.Array) error {
	if l.elem.typ != p {
		return fmt.Errorf("column %q: Arrow type %s does not fit %s", l.path[0], arr.DataType(), l.elem.typ)
	}
	return nil
}

func appendWords[T int32 | int64](dst *[]T, arr arrow.Array, vals []T, from, to int, err error) error {
	if err != nil {
		return err
	}
	if arr.NullN() == 0 {
		*dst = append(*dst, vals[from:to]...)
		return nil
	}
	for i := from; i < to; i++ {
		if arr.IsValid(i) {
			*dst = append(*dst, vals[i])
		}
	}
	return nil
}

// appendStrings takes offsets of the sliced array into the unsliced bytes.
func (p *pageValues) appendStrings(arr arrow.Array, offs []int32, from, to int, err error) error {
	if err != nil || from == to {
		return err
	}
	var b []byte
	if buf := arr.Data().Buffers()[2]; buf != nil {
		b = buf.Bytes()
	}
	if arr.NullN() == 0 {
		shift := len(p.data) - int(offs[from])
		p.data = append(p.data, b[offs[from]:offs[to]]...)
		for _, o := range offs[from+1 : to+1] {
			p.offs = append(p.offs, uint32(int(o)+shift))
		}
		return nil
	}
	for i := from; i < to; i++ {
		if arr.IsValid(i) {
			p.data = append(p.data, b[offs[i]:offs[i+1]]...)
			p.offs = append(p.offs, uint32(len(p.data)))
		}
	}
	return nil
}

func (p *pageValues) appendDecimals(l *leaf, a *array.Decimal128, from, to int) error {
	if l.typ.Kind != coltype.Decimal {
		return l.want(physInt96, a)
	}
	vals := a.Values()
	width := int(l.elem.typeLength)
	for i := from; i < to; i++ {
		if a.IsNull(i) {
			continue
		}
		v := vals[i]
		hi, lo := v.HighBits(), v.LowBits()
		switch l.elem.typ {
		case physInt32:
			if hi != int64(lo)>>63 || int64(lo) != int64(int32(lo)) {
				return fmt.Errorf("column %q: decimal does not fit precision %d", l.path[0], l.elem.precision)
			}
			p.i32 = append(p.i32, int32(lo))
		case physInt64:
			if hi != int64(lo)>>63 {
				return fmt.Errorf("column %q: decimal does not fit precision %d", l.path[0], l.elem.precision)
			}
			p.i64 = append(p.i64, int64(lo))
		default:
			var be [16]byte
			for k := range 8 {
				be[k] = byte(uint64(hi) >> (56 - 8*k))
				be[8+k] = byte(lo >> (56 - 8*k))
			}
			sign := byte(hi >> 63)
			for _, x := range be[:16-width] {
				if x != sign {
					return fmt.Errorf("column %q: decimal does not fit precision %d", l.path[0], l.elem.precision)
				}
			}
			p.data = append(p.data, be[16-width:]...)
		}
	}
	return nil
}
