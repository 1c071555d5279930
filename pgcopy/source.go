package pgcopy

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"frostline/coltype"
)

// source is one column of a batch, its buffers at hand.
type source struct {
	typ  coltype.Type
	elem *source // of a list
	oid  uint32  // of a list's elements, 0 unknown

	valid  []byte // bitmap, nil without NULLs
	offset int    // of row 0 in valid and bits
	bits   []byte // Bool
	i32    []int32
	i64    []int64
	u32    []uint32
	u64    []uint64
	dec    []decimal128.Num
	fixed  []byte // UUID
	offs   []int32
	bytes  []byte
	codes  []int32 // of a dictionary-encoded string: row → value

	exact map[int]string // row → exact text; only for rows that are NULL here
	cells []byte         // fields of the rows that are being encoded, where their length is not known before
}

// newSource checks the type; decoding it must be possible, so that encoding gives the same bytes.
func newSource(t coltype.Type) (*source, error) {
	if err := checkType(t); err != nil {
		return nil, err
	}
	if _, err := newColumn(t, coltype.Column{Type: t}.ArrowField().Type); err != nil {
		return nil, err
	}
	s := &source{typ: t}
	if t.Kind == coltype.List {
		s.elem = &source{typ: *t.Elem}
		s.oid = elementOID(*t.Elem)
	}
	return s, nil
}

// bind points the source at an array of its type.
func (s *source) bind(a arrow.Array) error {
	*s = source{typ: s.typ, elem: s.elem, oid: s.oid, cells: s.cells}
	if ext, ok := a.(array.ExtensionArray); ok {
		a = ext.Storage()
	}
	data := a.Data()
	n := data.Len()
	s.offset = data.Offset()
	if a.NullN() > 0 {
		s.valid = a.NullBitmapBytes()
	}
	if dict, ok := a.(*array.Dictionary); ok {
		if s.codes = make([]int32, n); n > 0 {
			for i := range s.codes {
				if s.valid == nil || bitutil.BitIsSet(s.valid, s.offset+i) {
					s.codes[i] = int32(dict.GetValueIndex(i))
				}
			}
		}
		values := source{typ: s.typ}
		if err := values.bind(dict.Dictionary()); err != nil {
			return err
		}
		if values.valid != nil {
			return fmt.Errorf("type %s: its dictionary holds a NULL", s.typ.Name)
		}
		s.offs, s.bytes = values.offs, values.bytes
		return nil
	}
	return s.bindValues(a, n)
}

func (s *source) bindValues(a arrow.Array, n int) error {
	var ok bool
	switch s.typ.Kind {
	case coltype.Bool:
		if _, ok = a.(*array.Boolean); ok && n > 0 {
			s.bits = a.Data().Buffers()[1].Bytes()
		}
	case coltype.Int32:
		var x *array.Int32
		if x, ok = a.(*array.Int32); ok {
			s.i32 = x.Int32Values()
		}
	case coltype.Int64:
		var x *array.Int64
		if x, ok = a.(*array.Int64); ok {
			s.i64 = x.Int64Values()
		}
	case coltype.Float32:
		if _, ok = a.(*array.Float32); ok && n > 0 { // as bits: a float's NaN may change when it is loaded
			s.u32 = arrow.Uint32Traits.CastFromBytes(a.Data().Buffers()[1].Bytes())[s.offset : s.offset+n]
		}
	case coltype.Float64:
		if _, ok = a.(*array.Float64); ok && n > 0 {
			s.u64 = arrow.Uint64Traits.CastFromBytes(a.Data().Buffers()[1].Bytes())[s.offset : s.offset+n]
		}
	case coltype.Decimal:
		var x *array.Decimal128
		if x, ok = a.(*array.Decimal128); ok {
			dt := x.DataType().(*arrow.Decimal128Type)
			ok = int(dt.Scale) == s.typ.Scale
			s.dec = x.Values()
		}
	case coltype.String, coltype.Binary:
		id := a.DataType().ID()
		if ok = id == arrow.STRING && s.typ.Kind == coltype.String || id == arrow.BINARY && s.typ.Kind == coltype.Binary; ok && n > 0 {
			buffers := a.Data().Buffers()
			s.offs = arrow.Int32Traits.CastFromBytes(buffers[1].Bytes())[s.offset : s.offset+n+1]
			if buffers[2] != nil {
				s.bytes = buffers[2].Bytes()
			}
		}
	case coltype.UUID:
		var x *array.FixedSizeBinary
		if x, ok = a.(*array.FixedSizeBinary); ok {
			ok = x.DataType().(*arrow.FixedSizeBinaryType).ByteWidth == 16
			if ok && n > 0 {
				s.fixed = a.Data().Buffers()[1].Bytes()[16*s.offset : 16*(s.offset+n)]
			}
		}
	case coltype.Date:
		if _, ok = a.(*array.Date32); ok && n > 0 {
			s.i32 = arrow.Int32Traits.CastFromBytes(a.Data().Buffers()[1].Bytes())[s.offset : s.offset+n]
		}
	case coltype.Time:
		if _, ok = a.(*array.Time64); ok {
			ok = a.DataType().(*arrow.Time64Type).Unit == arrow.Microsecond
		}
		s.int64s(a, n, ok)
	case coltype.Timestamp, coltype.TimestampTZ:
		if _, ok = a.(*array.Timestamp); ok {
			ok = a.DataType().(*arrow.TimestampType).Unit == arrow.Microsecond
		}
		s.int64s(a, n, ok)
	case coltype.List:
		if _, ok = a.(*array.List); ok {
			if n > 0 {
				s.offs = arrow.Int32Traits.CastFromBytes(a.Data().Buffers()[1].Bytes())[s.offset : s.offset+n+1]
			}
			return s.elem.bind(a.(*array.List).ListValues())
		}
	}
	if !ok {
		return fmt.Errorf("type %s: the batch has %v, want %v", s.typ.Name, a.DataType(), s.typ.Arrow())
	}
	return nil
}

func (s *source) int64s(a arrow.Array, n int, ok bool) {
	if ok && n > 0 {
		s.i64 = arrow.Int64Traits.CastFromBytes(a.Data().Buffers()[1].Bytes())[s.offset : s.offset+n]
	}
}

// null tells whether row i is NULL in the typed column.
func (s *source) null(i int) bool {
	return s.valid != nil && !bitutil.BitIsSet(s.valid, s.offset+i)
}

// str is the bytes of row i of a string or binary column.
func (s *source) str(i int) []byte {
	if s.codes != nil {
		i = int(s.codes[i])
	}
	return s.bytes[s.offs[i]:s.offs[i+1]]
}

// setExact keeps the exact text of row i.
func (s *source) setExact(i int, text string) error {
	if !s.null(i) {
		return fmt.Errorf("row %d has a value and exact text %q too", i, text)
	}
	if s.exact == nil {
		s.exact = map[int]string{}
	}
	if _, twice := s.exact[i]; twice {
		return fmt.Errorf("row %d has exact text twice", i)
	}
	s.exact[i] = text
	return nil
}
