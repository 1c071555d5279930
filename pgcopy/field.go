package pgcopy

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow/bitutil"

	"frostline/coltype"
)

var be = binary.BigEndian

// appendField appends row i as a field of a COPY tuple: int32 length and bytes.
func (s *source) appendField(dst []byte, i int) ([]byte, error) {
	if s.null(i) {
		if s.exact != nil {
			if text, ok := s.exact[i]; ok {
				return appendExactField(dst, s.typ, s.oid, []byte(text))
			}
		}
		return append(dst, 0xff, 0xff, 0xff, 0xff), nil
	}
	switch s.typ.Wire {
	case coltype.WireText, coltype.WireRaw:
		if s.typ.Kind == coltype.List {
			return s.appendList(dst, i)
		}
		v := s.str(i)
		return append(be.AppendUint32(dst, uint32(len(v))), v...), nil
	case coltype.WireJSONB:
		v := s.str(i)
		return append(append(be.AppendUint32(dst, uint32(len(v)+1)), 1), v...), nil
	case coltype.WireBool:
		b := byte(0)
		if bitutil.BitIsSet(s.bits, s.offset+i) {
			b = 1
		}
		return append(dst, 0, 0, 0, 1, b), nil
	case coltype.WireInt2:
		v := s.i32[i]
		if v != int32(int16(v)) {
			return dst, fmt.Errorf("%d is not a smallint", v)
		}
		return append(dst, 0, 0, 0, 2, byte(v>>8), byte(v)), nil
	case coltype.WireInt4:
		return be.AppendUint64(dst, 4<<32|uint64(uint32(s.i32[i]))), nil
	case coltype.WireInt8:
		return be.AppendUint64(append(dst, 0, 0, 0, 8), uint64(s.i64[i])), nil
	case coltype.WireOID:
		v := s.i64[i]
		if v != int64(uint32(v)) {
			return dst, fmt.Errorf("%d is not an oid", v)
		}
		return be.AppendUint64(dst, 4<<32|uint64(v)), nil
	case coltype.WireFloat4:
		return be.AppendUint64(dst, 4<<32|uint64(s.u32[i])), nil
	case coltype.WireFloat8:
		return be.AppendUint64(append(dst, 0, 0, 0, 8), s.u64[i]), nil
	case coltype.WireNumeric:
		start := len(dst)
		dst = append(dst, 0, 0, 0, 0)
		if s.typ.Kind == coltype.Decimal {
			dst = appendDecimal(dst, s.dec[i], s.typ.Scale)
		} else {
			var ok bool
			if dst, ok = parseNumeric(dst, s.str(i)); !ok {
				return dst, fmt.Errorf("%q is not a numeric", s.str(i))
			}
		}
		be.PutUint32(dst[start:], uint32(len(dst)-start-4))
		return dst, nil
	case coltype.WireUUID:
		return append(append(dst, 0, 0, 0, 16), s.fixed[16*i:16*i+16]...), nil
	case coltype.WireDate:
		days, err := s.date(i)
		return be.AppendUint64(dst, 4<<32|uint64(uint32(days))), err
	case coltype.WireTime:
		us, err := s.time(i)
		return be.AppendUint64(append(dst, 0, 0, 0, 8), uint64(us)), err
	case coltype.WireTimestamp:
		us, err := s.timestamp(i)
		return be.AppendUint64(append(dst, 0, 0, 0, 8), uint64(us)), err
	case coltype.WireArray:
		return s.appendList(dst, i)
	}
	return dst, fmt.Errorf("type %s has no wire form", s.typ.Name)
}

// date is row i in days since 2000-01-01.
func (s *source) date(i int) (int32, error) {
	days := int64(s.i32[i]) - unixDays
	if days < minDate || days >= endDate {
		return 0, fmt.Errorf("%d days since 1970-01-01 is outside PostgreSQL's range", s.i32[i])
	}
	return int32(days), nil
}

// time is row i in µs since midnight; 24:00 stands as exact text.
func (s *source) time(i int) (int64, error) {
	us := s.i64[i]
	if us < 0 || us >= dayMicros {
		return 0, fmt.Errorf("%d µs is no time of day", us)
	}
	return us, nil
}

// timestamp is row i in µs since 2000-01-01.
func (s *source) timestamp(i int) (int64, error) {
	us := s.i64[i]
	if us < minTime+unixMicros {
		return 0, fmt.Errorf("%d µs since 1970-01-01 is outside PostgreSQL's range", us)
	}
	return us - unixMicros, nil
}

// appendList appends row i as an array of no or one dimension.
func (s *source) appendList(dst []byte, i int) ([]byte, error) {
	from, to := int(s.offs[i]), int(s.offs[i+1])
	if from == to {
		dst = append(dst, 0, 0, 0, arrayHead, 0, 0, 0, 0, 0, 0, 0, 0)
		return be.AppendUint32(dst, s.oid), nil
	}
	start := len(dst)
	dst = appendArrayHead(dst, s.oid, []int{to - from}, []int{1})
	var err error
	for k := from; k < to; k++ {
		if s.elem.null(k) {
			dst[start+11] = 1
		}
		if dst, err = s.elem.appendField(dst, k); err != nil {
			return dst, fmt.Errorf("array element %d: %w", k-from+1, err)
		}
	}
	be.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst, nil
}

// appendArrayHead appends room for the length and the head of an array without NULLs.
func appendArrayHead(dst []byte, oid uint32, dims, lower []int) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = be.AppendUint32(dst, uint32(len(dims)))
	dst = append(dst, 0, 0, 0, 0)
	dst = be.AppendUint32(dst, oid)
	for d := range dims {
		dst = be.AppendUint32(dst, uint32(dims[d]))
		dst = be.AppendUint32(dst, uint32(lower[d]))
	}
	return dst
}

// appendExactField appends the field of a value of type t that prints as text, as PostgreSQL sends it.
func appendExactField(dst []byte, t coltype.Type, oid uint32, text []byte) ([]byte, error) {
	start := len(dst)
	if t.Kind == coltype.List {
		a, err := coltype.ParseArray(string(text), delimiter(t))
		if err != nil {
			return dst, fmt.Errorf("exact text: %w", err)
		}
		dst = appendArrayHead(dst, oid, a.Dims, a.Lower)
		for i, e := range a.Elems {
			if e == nil {
				dst[start+11] = 1
				dst = append(dst, 0xff, 0xff, 0xff, 0xff)
			} else if dst, err = appendExactField(dst, *t.Elem, 0, []byte(*e)); err != nil {
				return dst, fmt.Errorf("array element %d: %w", i+1, err)
			}
		}
		be.PutUint32(dst[start:], uint32(len(dst)-start-4))
		return dst, nil
	}
	dst, err := appendExactValue(append(dst, 0, 0, 0, 0), t, text)
	if err != nil {
		return dst, fmt.Errorf("exact text: %w", err)
	}
	be.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst, nil
}

// appendExactValue appends the bytes of a scalar of type t that prints as text.
func appendExactValue(dst []byte, t coltype.Type, text []byte) ([]byte, error) {
	switch t.Wire {
	case coltype.WireText:
		return append(dst, text...), nil
	case coltype.WireRaw:
		if t.Kind == coltype.Binary {
			return appendBytes(dst, t, text)
		}
		return append(dst, text...), nil
	case coltype.WireJSONB:
		return append(append(dst, 1), text...), nil
	case coltype.WireNumeric:
		dst, ok := parseNumeric(dst, text)
		if !ok {
			return dst, fmt.Errorf("%q is not a numeric", text)
		}
		return dst, nil
	}
	v, err := coltype.ParseText(t, string(text))
	if err != nil {
		return dst, err
	}
	switch t.Wire {
	case coltype.WireBool:
		return append(dst, byte(v.I)), nil
	case coltype.WireInt2:
		if v.I != int64(int16(v.I)) {
			return dst, fmt.Errorf("%q is not a smallint", text)
		}
		return be.AppendUint16(dst, uint16(v.I)), nil
	case coltype.WireInt4, coltype.WireOID, coltype.WireDate:
		return be.AppendUint32(dst, uint32(v.I)), nil
	case coltype.WireInt8, coltype.WireTime, coltype.WireTimestamp:
		return be.AppendUint64(dst, uint64(v.I)), nil
	case coltype.WireFloat4:
		if v.F != v.F {
			return be.AppendUint32(dst, 0x7fc00000), nil // the NaN of float4in, and the digest's
		}
		return be.AppendUint32(dst, math.Float32bits(float32(v.F))), nil
	case coltype.WireFloat8:
		if v.F != v.F {
			return be.AppendUint64(dst, 0x7ff8000000000000), nil
		}
		return be.AppendUint64(dst, math.Float64bits(v.F)), nil
	case coltype.WireUUID:
		return append(dst, v.S...), nil
	}
	return dst, fmt.Errorf("type %s has no wire form", t.Name)
}

// appendBytes appends the bytes that byteaout, or PostGIS, printed.
func appendBytes(dst []byte, t coltype.Type, text []byte) ([]byte, error) {
	digits := text
	if t.Base != "geometry" && t.Base != "geography" {
		if len(text) < 2 || text[0] != '\\' || text[1] != 'x' {
			return dst, fmt.Errorf("%q is not a bytea in hex", text)
		}
		digits = text[2:]
	}
	out, err := hex.AppendDecode(dst, digits)
	if err != nil {
		return dst, fmt.Errorf("%q is not a value in hex: %w", text, err)
	}
	return out, nil
}
