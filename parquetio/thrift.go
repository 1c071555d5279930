package parquetio

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Thrift compact protocol, as far as Parquet's metadata uses it
// (thrift/doc/specs/thrift-compact-protocol.md).
const (
	thriftStop   = 0
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// thriftWriter appends structs. Fields must be written in ascending order of their ids.
type thriftWriter struct {
	b    []byte
	last []int16 // the last field id of each open struct
}

func (w *thriftWriter) begin() { w.last = append(w.last, 0) }

func (w *thriftWriter) end() {
	w.b = append(w.b, thriftStop)
	w.last = w.last[:len(w.last)-1]
}

func (w *thriftWriter) field(id int16, typ byte) {
	top := &w.last[len(w.last)-1]
	if d := id - *top; d > 0 && d <= 15 {
		w.b = append(w.b, byte(d)<<4|typ)
	} else {
		w.b = append(w.b, typ)
		w.b = binary.AppendVarint(w.b, int64(id))
	}
	*top = id
}

func (w *thriftWriter) i32(id int16, v int32) {
	w.field(id, thriftI32)
	w.b = binary.AppendVarint(w.b, int64(v))
}

func (w *thriftWriter) i64(id int16, v int64) {
	w.field(id, thriftI64)
	w.b = binary.AppendVarint(w.b, v)
}

func (w *thriftWriter) boolean(id int16, v bool) {
	if v {
		w.field(id, thriftTrue)
	} else {
		w.field(id, thriftFalse)
	}
}

func (w *thriftWriter) bytes(id int16, v []byte) {
	w.field(id, thriftBinary)
	w.rawBytes(v)
}

func (w *thriftWriter) rawBytes(v []byte) {
	w.b = binary.AppendUvarint(w.b, uint64(len(v)))
	w.b = append(w.b, v...)
}

func (w *thriftWriter) str(id int16, v string) { w.bytes(id, []byte(v)) }

// strct opens the struct field id; the caller ends it.
func (w *thriftWriter) strct(id int16) {
	w.field(id, thriftStruct)
	w.begin()
}

// list opens the list field id of n elements; the caller appends them.
func (w *thriftWriter) list(id int16, elem byte, n int) {
	w.field(id, thriftList)
	if n < 15 {
		w.b = append(w.b, byte(n)<<4|elem)
		return
	}
	w.b = append(w.b, 0xf0|elem)
	w.b = binary.AppendUvarint(w.b, uint64(n))
}

// thriftReader reads structs with one sticky error. Nothing is allocated that the input does not
// back with at least one byte an element.
type thriftReader struct {
	b   []byte
	off int
	err error
}

func (r *thriftReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: metadata: %s", ErrCorrupt, fmt.Sprintf(format, args...))
	}
	r.off = len(r.b)
}

func (r *thriftReader) byte() byte {
	if r.err != nil || r.off >= len(r.b) {
		r.fail("ends too early")
		return 0
	}
	r.off++
	return r.b[r.off-1]
}

func (r *thriftReader) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.b[r.off:])
	if n <= 0 {
		r.fail("bad varint")
		return 0
	}
	r.off += n
	return v
}

func (r *thriftReader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *thriftReader) i32() int32 {
	v := r.varint()
	if v < math.MinInt32 || v > math.MaxInt32 {
		r.fail("%d is no int32", v)
		return 0
	}
	return int32(v)
}

// bytes gives a slice of the input.
func (r *thriftReader) bytes() []byte {
	n := r.uvarint()
	if r.err != nil || n > uint64(len(r.b)-r.off) {
		r.fail("%d bytes are not there", n)
		return nil
	}
	r.off += int(n)
	return r.b[r.off-int(n) : r.off : r.off]
}

// list reads a list header. The element count never exceeds the bytes left.
func (r *thriftReader) list() (elem byte, n int) {
	h := r.byte()
	elem = h & 15
	size := uint64(h >> 4)
	if size == 15 {
		size = r.uvarint()
	}
	if size > uint64(len(r.b)-r.off) {
		r.fail("list of %d elements", size)
		return 0, 0
	}
	return elem, int(size)
}

// structs reads a list field of structs.
func (r *thriftReader) structs(typ byte, one func(i, n int)) {
	if typ != thriftList {
		r.fail("list expected")
		return
	}
	elem, n := r.list()
	if n > 0 && elem != thriftStruct {
		r.fail("list of structs expected")
		return
	}
	for i := 0; i < n && r.err == nil; i++ {
		one(i, n)
	}
}

// fields calls one for every field of a struct. one reads the value or calls skip.
func (r *thriftReader) fields(one func(id int16, typ byte)) {
	last := int16(0)
	for r.err == nil {
		h := r.byte()
		typ := h & 15
		if r.err != nil || h == thriftStop {
			return
		}
		if d := h >> 4; d != 0 {
			last += int16(d)
		} else {
			last = int16(r.varint())
		}
		one(last, typ)
	}
}

func (r *thriftReader) skip(typ byte) { r.skipDepth(typ, 0) }

func (r *thriftReader) skipDepth(typ byte, depth int) {
	if depth > 16 {
		r.fail("nested too deeply")
		return
	}
	switch typ {
	case thriftTrue, thriftFalse:
	case thriftByte:
		r.byte()
	case thriftI16, thriftI32, thriftI64:
		r.varint()
	case thriftDouble:
		if len(r.b)-r.off < 8 {
			r.fail("ends too early")
			return
		}
		r.off += 8
	case thriftBinary:
		r.bytes()
	case thriftList, thriftSet:
		elem, n := r.list()
		for i := 0; i < n && r.err == nil; i++ {
			r.skipElem(elem, depth+1)
		}
	case thriftMap:
		n := r.uvarint()
		if n == 0 || r.err != nil {
			return
		}
		kv := r.byte()
		if n > uint64(len(r.b)-r.off) {
			r.fail("map of %d elements", n)
			return
		}
		for i := uint64(0); i < n && r.err == nil; i++ {
			r.skipElem(kv>>4, depth+1)
			r.skipElem(kv&15, depth+1)
		}
	case thriftStruct:
		r.fields(func(_ int16, t byte) { r.skipDepth(t, depth+1) })
	default:
		r.fail("unknown type %d", typ)
	}
}

// skipElem skips a container's element, where a boolean takes a byte.
func (r *thriftReader) skipElem(typ byte, depth int) {
	if typ == thriftTrue || typ == thriftFalse {
		r.byte()
		return
	}
	r.skipDepth(typ, depth)
}
