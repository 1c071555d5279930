package pgcopy

import (
	"encoding/binary"

	"frostline/coltype"
)

const (
	rowsAtOnce  = 256       // encoded column by column
	bytesAtOnce = 128 << 10 // of them, about: they stay in the cache
)

// rowWriter encodes rows of bound columns a chunk at a time: first the length of every field, which gives every row its place,
// then column by column the fields into their places. That is twice as fast as row by row.
type rowWriter struct {
	at [rowsAtOnce]int // where the next field of each row goes
}

// chunk is how many rows are encoded at once, of columns that are bound to a batch of n rows.
func chunk(cols []*source, n int) int {
	if n == 0 {
		return 1
	}
	size := 1
	for _, c := range cols {
		size += 16 + c.held()/n
	}
	return min(max(bytesAtOnce/size, 1), rowsAtOnce)
}

// append appends rows from to from+n of cols, at most rowsAtOnce; fieldCount puts the int16 of a tuple before each. The rows end
// at w.at. When err is not nil it is that of column bad.
func (w *rowWriter) append(dst []byte, cols []*source, from, n int, fieldCount bool) (out []byte, bad int, err error) {
	at := w.at[:n]
	first := 0
	if fieldCount {
		first = 2
	}
	for i := range at {
		at[i] = first
	}
	for k, c := range cols {
		if err := c.measure(at, from); err != nil {
			return dst, k, err
		}
	}
	begin := len(dst)
	for i, size := range at {
		at[i] = begin
		begin += size
	}
	out = grow(dst, begin)
	if fieldCount {
		for i, p := range at {
			binary.BigEndian.PutUint16(out[p:], uint16(len(cols)))
			at[i] = p + 2
		}
	}
	for _, c := range cols {
		c.put(out, at, from)
	}
	return out, 0, nil
}

// grow makes dst n bytes long.
func grow(dst []byte, n int) []byte {
	if n <= cap(dst) {
		return dst[:n]
	}
	bigger := make([]byte, n, max(n, min(2*cap(dst), n+1<<20)))
	copy(bigger, dst)
	return bigger
}

// shape is how a column's fields are put into their places.
type shape int

const (
	shapeAny     shape = iota // by appendField, into cells
	shape4                    // 4 bytes of i32
	shape4Bits                // 4 bytes of u32
	shape8                    // 8 bytes of i64
	shape8Bits                // 8 bytes of u64
	shapeDate                 // days of i32
	shapeStamp                // µs of i64
	shapeBytes                // of offs and bytes
	shapeDecimal              // of dec, into cells
)

// shapeOf is for columns without exact cells: those go by appendField.
func (s *source) shapeOf() shape {
	switch {
	case s.exact != nil || s.elem != nil:
		return shapeAny
	case s.typ.Wire == coltype.WireInt4:
		return shape4
	case s.typ.Wire == coltype.WireInt8:
		return shape8
	case s.typ.Wire == coltype.WireFloat4:
		return shape4Bits
	case s.typ.Wire == coltype.WireFloat8:
		return shape8Bits
	case s.typ.Wire == coltype.WireDate:
		return shapeDate
	case s.typ.Wire == coltype.WireTimestamp:
		return shapeStamp
	case s.typ.Wire == coltype.WireRaw, s.typ.Wire == coltype.WireText:
		return shapeBytes
	case s.typ.Wire == coltype.WireNumeric && s.typ.Kind == coltype.Decimal:
		return shapeDecimal
	}
	return shapeAny
}

// held is about how many bytes the values of a bound column have in memory, those of fixed width aside.
func (s *source) held() int {
	n := 0
	if s.elem != nil {
		n = s.elem.held()
		if k := len(s.offs); k > 0 {
			n += 16 * int(s.offs[k-1]-s.offs[0])
		}
		return n
	}
	if k := len(s.offs); k > 1 {
		n = int(s.offs[k-1] - s.offs[0])
		if s.codes != nil {
			n = n / (k - 1) * len(s.codes)
		}
	}
	for _, text := range s.exact {
		n += len(text)
	}
	return n
}

// measure adds the length of the column's field to each of the rows from from on.
func (s *source) measure(sizes []int, from int) error {
	width := 12
	kind := s.shapeOf()
	switch kind {
	case shape4, shape4Bits, shapeDate:
		width = 8
	case shapeBytes:
		s.measureBytes(sizes, from)
		return nil
	case shapeAny, shapeDecimal:
		return s.measureCells(sizes, from)
	}
	for i := range sizes {
		if s.null(from + i) {
			sizes[i] += 4
			continue
		}
		sizes[i] += width
		var err error
		switch kind {
		case shapeDate:
			_, err = s.date(from + i)
		case shapeStamp:
			_, err = s.timestamp(from + i)
		}
		if err != nil {
			return &badCell{from + i, err}
		}
	}
	return nil
}

func (s *source) measureBytes(sizes []int, from int) {
	for i := range sizes {
		sizes[i] += 4
		if s.valid == nil || !s.null(from+i) {
			sizes[i] += len(s.str(from + i))
		}
	}
}

// measureCells encodes the fields into cells.
func (s *source) measureCells(sizes []int, from int) (err error) {
	cells := s.cells[:0]
	decimals := s.shapeOf() == shapeDecimal
	for i := range sizes {
		begin := len(cells)
		if decimals && !s.null(from+i) {
			cells = append(cells, 0, 0, 0, 0)
			cells = appendDecimal(cells, s.dec[from+i], s.typ.Scale)
			binary.BigEndian.PutUint32(cells[begin:], uint32(len(cells)-begin-4))
		} else if cells, err = s.appendField(cells, from+i); err != nil {
			return &badCell{from + i, err}
		}
		sizes[i] += len(cells) - begin
	}
	s.cells = cells
	return nil
}

// put writes the column's fields of the rows from from on, which measure has seen, to where at says, and moves at behind them.
func (s *source) put(out []byte, at []int, from int) {
	to := from + len(at)
	switch s.shapeOf() {
	case shape4:
		put4(s, out, at, s.i32[from:to], from, 0)
	case shape4Bits:
		put4(s, out, at, s.u32[from:to], from, 0)
	case shapeDate:
		put4(s, out, at, s.i32[from:to], from, unixDays)
	case shape8:
		put8(s, out, at, s.i64[from:to], from, 0)
	case shape8Bits:
		put8(s, out, at, s.u64[from:to], from, 0)
	case shapeStamp:
		put8(s, out, at, s.i64[from:to], from, unixMicros)
	case shapeBytes:
		s.putBytes(out, at, from)
	default:
		cells := s.cells
		for i, p := range at {
			n := 4 + max(int(int32(binary.BigEndian.Uint32(cells))), 0)
			at[i] = p + copy(out[p:], cells[:n])
			cells = cells[n:]
		}
		s.release()
	}
}

// release lets go of what long values left behind.
func (s *source) release() {
	if cap(s.cells) > 1<<20 {
		s.cells = nil
	}
}

const isNull = 0xffffffff

// put4 puts the values less minus.
func put4[T int32 | uint32](s *source, out []byte, at []int, v []T, from int, minus T) {
	for i, p := range at {
		if s.null(from + i) {
			binary.BigEndian.PutUint32(out[p:], isNull)
			at[i] = p + 4
			continue
		}
		binary.BigEndian.PutUint64(out[p:], 4<<32|uint64(uint32(v[i]-minus)))
		at[i] = p + 8
	}
}

func put8[T int64 | uint64](s *source, out []byte, at []int, v []T, from int, minus T) {
	for i, p := range at {
		if s.null(from + i) {
			binary.BigEndian.PutUint32(out[p:], isNull)
			at[i] = p + 4
			continue
		}
		b := out[p : p+12]
		binary.BigEndian.PutUint32(b, 8)
		binary.BigEndian.PutUint64(b[4:], uint64(v[i]-minus))
		at[i] = p + 12
	}
}

func (s *source) putBytes(out []byte, at []int, from int) {
	for i, p := range at {
		if s.null(from + i) {
			binary.BigEndian.PutUint32(out[p:], isNull)
			at[i] = p + 4
			continue
		}
		v := s.str(from + i)
		binary.BigEndian.PutUint32(out[p:], uint32(len(v)))
		at[i] = p + 4 + copy(out[p+4:], v)
	}
}
