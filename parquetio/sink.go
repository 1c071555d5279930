package parquetio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"frostline/coltype"
)

var errBatchBytes = errors.New("a batch holds at most 2 GiB of one text column; read fewer rows at once")

// fits says whether a file's column can be read as type t, and why not.
func fits(t coltype.Type, e *schemaElement) error {
	ok := false
	switch t.Kind {
	case coltype.Bool:
		ok = e.typ == physBool
	case coltype.Int32:
		ok = e.typ == physInt32 && e.plainInt()
	case coltype.Int64:
		ok = (e.typ == physInt32 || e.typ == physInt64) && e.plainInt()
	case coltype.Float32:
		ok = e.typ == physFloat
	case coltype.Float64:
		ok = e.typ == physFloat || e.typ == physDouble
	case coltype.Decimal:
		switch e.typ {
		case physInt32, physInt64, physByteArray:
			ok = true
		case physFixed:
			ok = e.typeLength <= 32
		}
		ok = ok && (e.logical == logicalDecimal || e.converted == convertedDecimal) && int(e.scale) == t.Scale && int(e.precision) <= t.Precision
	case coltype.String, coltype.Binary:
		ok = e.typ == physByteArray && e.logical != logicalDecimal && e.converted != convertedDecimal
	case coltype.UUID:
		ok = e.typ == physFixed && e.typeLength == 16
	case coltype.Date:
		ok = e.typ == physInt32 && (e.logical == logicalDate || e.converted == convertedDate)
	case coltype.Time:
		ok = e.typ == physInt64 && (e.logical == logicalTime && e.unit == unitMicros || e.logical == 0 && e.converted == convertedTimeMicros)
	case coltype.Timestamp, coltype.TimestampTZ:
		ok = e.typ == physInt64 && (e.logical == logicalTimestamp && e.unit == unitMicros || e.logical == 0 && e.converted == convertedTimestampMicros)
	}
	if !ok {
		return fmt.Errorf("column %q is a Parquet %s (logical type %d) and cannot be read as kind %d", e.name, e.typ, e.logical, t.Kind)
	}
	return nil
}

// plainInt is a signed integer without another meaning.
func (e *schemaElement) plainInt() bool {
	if e.logical == logicalInt {
		return e.signed
	}
	return e.logical == 0 && (e.converted < 0 || e.converted >= 15 && e.converted <= 18)
}

// sink gathers the values of one output column of a flat type, NULLs included.
type sink struct {
	typ   coltype.Type
	dt    arrow.DataType
	rows  int
	nulls int
	valid []byte // bitmap, nil as long as there is no NULL
	w4    []int32
	w8    []int64
	dec   []decimal128.Num
	bits  []byte // bitmap of booleans
	data  []byte // strings, uuids
	offs  []int32

	lent   bool     // large slices come from the pool, and go back there when the array is released
	pooled [][]byte // those that do
	wanted int      // rows that will come in all, as far as is known
}

func newSink(t coltype.Type, dt arrow.DataType) *sink {
	s := &sink{typ: t, dt: dt}
	s.reset()
	return s
}

// reset forgets the rows and keeps the memory.
func (s *sink) reset() {
	s.rows, s.nulls = 0, 0
	s.valid = s.valid[:0]
	s.w4, s.w8, s.dec = s.w4[:0], s.w8[:0], s.dec[:0]
	s.bits, s.data = s.bits[:0], s.data[:0]
	s.offs = append(s.offs[:0], 0)
}

// mark extends the validity bitmap by n rows.
func (s *sink) mark(n int, valid bool) {
	if valid && s.nulls == 0 {
		s.rows += n
		return
	}
	if s.nulls == 0 { // the first NULL: the rows so far are valid
		s.valid = growBits(s.valid[:0], s.rows)
		bitutil.SetBitsTo(s.valid, 0, int64(s.rows), true)
	}
	s.valid = growBits(s.valid, s.rows+n)
	bitutil.SetBitsTo(s.valid, int64(s.rows), int64(n), valid)
	s.rows += n
	if !valid {
		s.nulls += n
	}
}

// growBits extends a bitmap to n bits; the new bytes are zero.
func growBits(b []byte, n int) []byte {
	need := (n + 7) / 8
	if need <= len(b) {
		return b
	}
	if need > cap(b) {
		return append(b, make([]byte, need-len(b))...)
	}
	old := len(b)
	b = b[:need]
	clear(b[old:])
	return b
}

func (s *sink) appendNulls(n int) {
	s.mark(n, false)
	switch s.typ.Kind {
	case coltype.Bool:
		s.bits = growBits(s.bits, s.rows)
	case coltype.Int32, coltype.Float32, coltype.Date:
		s.w4 = appendZeros(s.w4, n)
	case coltype.Decimal:
		s.dec = appendZeros(s.dec, n)
	case coltype.String, coltype.Binary:
		for range n {
			s.offs = append(s.offs, int32(len(s.data)))
		}
	case coltype.UUID:
		s.data = appendZeros(s.data, 16*n)
	default:
		s.w8 = appendZeros(s.w8, n)
	}
}

func appendZeros[T any](s []T, n int) []T {
	old := len(s)
	if cap(s) < old+n {
		return append(s, make([]T, n)...)
	}
	s = s[:old+n]
	clear(s[old:])
	return s
}

// appendValues adds the values [from, to) of the decoder's page. The column was checked by fits.
func (s *sink) appendValues(d *decoder, from, to int) error {
	p := &d.page
	e := d.leaf.elem
	n := to - from
	if n == 0 {
		return nil
	}
	row := s.rows
	s.mark(n, true)
	switch s.typ.Kind {
	case coltype.Bool:
		s.bits = growBits(s.bits, s.rows)
		for i, v := range p.bools[from:to] {
			s.bits[(row+i)/8] |= v << ((row + i) % 8)
		}
	case coltype.Int32, coltype.Float32, coltype.Date:
		s.w4 = append(s.w4, p.i32[from:to]...)
	case coltype.Int64:
		if e.typ == physInt32 {
			for _, v := range p.i32[from:to] {
				s.w8 = append(s.w8, int64(v))
			}
			return nil
		}
		s.w8 = append(s.w8, p.i64[from:to]...)
	case coltype.Float64:
		if e.typ == physFloat {
			for _, v := range p.i32[from:to] {
				f := float64(math.Float32frombits(uint32(v)))
				s.w8 = append(s.w8, int64(math.Float64bits(f)))
			}
			return nil
		}
		s.w8 = append(s.w8, p.i64[from:to]...)
	case coltype.Time, coltype.Timestamp, coltype.TimestampTZ:
		s.w8 = append(s.w8, p.i64[from:to]...)
	case coltype.Decimal:
		return s.appendDecimals(d, from, to)
	case coltype.UUID:
		s.data = append(s.data, p.data[16*from:16*to]...)
	case coltype.String, coltype.Binary:
		return s.appendBytes(d, from, to)
	}
	return nil
}

func (s *sink) appendBytes(d *decoder, from, to int) error {
	p := &d.page
	if !p.byDict {
		a, b := p.offs[from], p.offs[to]
		if len(s.data)+int(b-a) > math.MaxInt32 {
			return errBatchBytes
		}
		shift := int32(len(s.data)) - int32(a)
		s.data = append(s.data, p.data[a:b]...)
		n := len(s.offs)
		s.offs = appendZeros(s.offs, to-from)
		out := s.offs[n:]
		for i, o := range p.offs[from+1 : to+1] {
			out[i] = int32(o) + shift
		}
		return nil
	}
	return s.appendFromDict(d.dict, d.idx[from:to])
}

// appendFromDict copies the values of a dictionary.
func (s *sink) appendFromDict(dict *decodedPage, idx []int32) error {
	total := 0
	for _, x := range idx {
		total += int(dict.offs[x+1] - dict.offs[x])
	}
	pos := len(s.data)
	if pos+total > math.MaxInt32 {
		return errBatchBytes
	}
	s.ensureData(total, len(idx))
	out := s.data[:pos+total+wide]
	n := len(s.offs)
	s.offs = extend(s.offs, len(idx))
	offs := s.offs[n:]
	src := dict.data
	if cap(src)-len(src) >= wide {
		src = src[:len(src)+wide]
	}
	for i, x := range idx {
		a, b := int(dict.offs[x]), int(dict.offs[x+1])
		if b-a <= wide && a+wide <= len(src) {
			*(*[wide]byte)(out[pos:]) = *(*[wide]byte)(src[a:])
		} else {
			copy(out[pos:], src[a:b])
		}
		pos += b - a
		offs[i] = int32(pos)
	}
	s.data = out[:pos]
	return nil
}

func (s *sink) appendDecimals(d *decoder, from, to int) error {
	p := &d.page
	switch d.leaf.elem.typ {
	case physInt32:
		for _, v := range p.i32[from:to] {
			s.dec = append(s.dec, decimal128.FromI64(int64(v)))
		}
	case physInt64:
		for _, v := range p.i64[from:to] {
			s.dec = append(s.dec, decimal128.FromI64(v))
		}
	default:
		w := int(d.leaf.elem.typeLength)
		for i := from; i < to; i++ {
			var b []byte
			if d.leaf.elem.typ == physFixed {
				b = p.data[i*w : (i+1)*w]
			} else {
				b = d.bytesAt(i)
			}
			v, err := bigEndian(b)
			if err != nil {
				return err
			}
			s.dec = append(s.dec, v)
		}
	}
	return nil
}

// bigEndian reads a two's complement of any length whose value fits 128 bits.
func bigEndian(b []byte) (decimal128.Num, error) {
	if len(b) == 0 {
		return decimal128.Num{}, corruptf("decimal without bytes")
	}
	sign := byte(int8(b[0]) >> 7)
	for len(b) > 16 {
		if b[0] != sign || (b[1]^sign)&0x80 != 0 {
			return decimal128.Num{}, corruptf("decimal of %d bytes", len(b))
		}
		b = b[1:]
	}
	var full [16]byte
	for i := range full[:16-len(b)] {
		full[i] = sign
	}
	copy(full[16-len(b):], b)
	return decimal128.New(int64(binary.BigEndian.Uint64(full[:8])), binary.BigEndian.Uint64(full[8:])), nil
}

// arrayData builds the array over the sink's own memory.
func (s *sink) arrayData() *array.Data {
	var valid *memory.Buffer
	if s.nulls > 0 {
		valid = memory.NewBufferBytes(s.valid)
	}
	var buffers []*memory.Buffer
	switch s.typ.Kind {
	case coltype.Bool:
		buffers = []*memory.Buffer{valid, memory.NewBufferBytes(s.bits)}
	case coltype.Int32, coltype.Float32, coltype.Date:
		buffers = []*memory.Buffer{valid, s.buffer(arrow.Int32Traits.CastToBytes(s.w4))}
	case coltype.Decimal:
		buffers = []*memory.Buffer{valid, s.buffer(arrow.Decimal128Traits.CastToBytes(s.dec))}
	case coltype.String, coltype.Binary:
		s.fit()
		buffers = []*memory.Buffer{valid, s.buffer(arrow.Int32Traits.CastToBytes(s.offs)), s.buffer(s.data)}
	case coltype.UUID:
		buffers = []*memory.Buffer{valid, memory.NewBufferBytes(s.data)}
	default:
		buffers = []*memory.Buffer{valid, s.buffer(arrow.Int64Traits.CastToBytes(s.w8))}
	}
	data := array.NewData(s.dt, s.rows, buffers, nil, s.nulls, 0)
	for _, b := range buffers {
		if b != nil {
			b.Release() // the array has it
		}
	}
	for _, b := range s.pooled { // outgrown
		giveBytes(b)
	}
	s.pooled = nil
	return data
}

// buffer is b, with its way back to the pool if it came from there.
func (s *sink) buffer(b []byte) *memory.Buffer {
	for i, p := range s.pooled {
		if cap(b) > 0 && &p[:1][0] == &b[:1][0] {
			s.pooled = slices.Delete(s.pooled, i, i+1)
			return memory.NewBufferWithAllocator(b, &lent{p})
		}
	}
	return memory.NewBufferBytes(b)
}

// reserve makes room for n values, where their number alone says how much; for a claim beyond a large batch, only for that.
func (s *sink) reserve(n int) {
	s.wanted = s.rows + n
	n = min(n, 1<<20) + padding
	switch s.typ.Kind {
	case coltype.Int32, coltype.Float32, coltype.Date:
		s.w4 = room(s, s.w4, n, 4, arrow.Int32Traits.CastFromBytes)
	case coltype.Int64, coltype.Float64, coltype.Time, coltype.Timestamp, coltype.TimestampTZ:
		s.w8 = room(s, s.w8, n, 8, arrow.Int64Traits.CastFromBytes)
	case coltype.Decimal:
		s.dec = room(s, s.dec, n, 16, arrow.Decimal128Traits.CastFromBytes)
	case coltype.String, coltype.Binary:
		s.offs = room(s, s.offs, n+1, 4, arrow.Int32Traits.CastFromBytes)
	}
}

// array is the array; its release is that of the sink's memory.
func (s *sink) array() arrow.Array {
	data := s.arrayData()
	defer data.Release()
	return array.MakeFromData(data)
}
