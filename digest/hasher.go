package digest

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/zeebo/xxh3"

	"frostline/coltype"
)

// Hasher hashes tuples of one column list. It serves one goroutine.
type Hasher struct {
	Digest Digest

	changed []column // those whose bytes may not be hashed as they are, ascending
	scratch []byte
	pieces  *xxh3.Hasher // of a tuple given in pieces, nil before the first
}

// column is an array column, a float column, or both.
type column struct {
	index int
	array bool
	float int // width of a float or a float element, else 0
}

// NewHasher is a hasher for tuples with these columns in this order.
func NewHasher(cols []coltype.Column) *Hasher {
	h := &Hasher{}
	for i, c := range cols {
		t := c.Type
		out := column{index: i, array: t.Kind == coltype.List}
		if out.array && t.Elem != nil {
			t = *t.Elem
		}
		switch t.Kind {
		case coltype.Float32:
			out.float = 4
		case coltype.Float64:
			out.float = 8
		}
		if out.array || out.float > 0 {
			h.changed = append(h.changed, out)
		}
	}
	return h
}

// Tuple adds one row: the tuple as COPY binary has it after its int16 field count, that is for each
// field an int32 length (-1 for NULL) and the bytes. The tuple must be well formed; one that is
// not panics with an index out of range at the worst and is the caller's fault.
func (h *Hasher) Tuple(fields []byte) {
	if len(h.changed) > 0 {
		fields = h.normalise(fields, h.changed)
	}
	h.add(xxh3.Hash128(fields))
}

func (h *Hasher) add(sum xxh3.Uint128) {
	var carry uint64
	h.Digest.Lo, carry = bits.Add64(h.Digest.Lo, sum.Lo, 0)
	h.Digest.Hi, _ = bits.Add64(h.Digest.Hi, sum.Hi, carry)
	h.Digest.Rows++
}

// arrayHead is the shortest array value: int32 dimensions, int32 null flag, uint32 element OID.
const arrayHead = 12

// normalise is the fields as they are hashed: themselves, or a copy in the scratch buffer without what is not
// hashed of the arrays, and with one NaN.
func (h *Hasher) normalise(fields []byte, changed []column) []byte {
	out := h.scratch[:0]
	pos, kept, index := 0, 0, 0 // fields[kept:pos] is not copied yet
	for _, c := range changed {
		for ; index < c.index; index++ {
			pos = next(fields, pos)
		}
		value, end := pos+4, next(fields, pos)
		index++
		pos = end
		switch {
		case c.array && end >= value+arrayHead:
			out = append(out, fields[kept:value+4]...)
			kept = value + arrayHead
			if c.float > 0 {
				out = appendElements(out, fields[value:end], c.float)
				kept = end
			}
		case !c.array && isNaN(fields[value:end], c.float):
			out = append(out, fields[kept:value]...)
			out = append(out, canonical(c.float)...)
			kept = end
		}
	}
	if kept == 0 {
		return fields
	}
	out = append(out, fields[kept:]...)
	h.scratch = out
	return out
}

// next is the position after the field that begins at pos.
func next(fields []byte, pos int) int {
	n := int(int32(binary.BigEndian.Uint32(fields[pos:])))
	return pos + 4 + max(n, 0)
}

// appendElements appends an array of floats after its head, every NaN in its canonical form.
func appendElements(out, value []byte, width int) []byte {
	pos := arrayHead + 8*int(binary.BigEndian.Uint32(value))
	out = append(out, value[arrayHead:pos]...)
	for pos < len(value) {
		end := next(value, pos)
		if isNaN(value[pos+4:end], width) {
			out = append(out, value[pos:pos+4]...)
			out = append(out, canonical(width)...)
		} else {
			out = append(out, value[pos:end]...)
		}
		pos = end
	}
	return out
}

// isNaN tells whether v is a float of that width, and a NaN.
func isNaN(v []byte, width int) bool {
	switch {
	case len(v) != width:
		return false
	case width == 4:
		f := math.Float32frombits(binary.BigEndian.Uint32(v))
		return f != f
	case width == 8:
		f := math.Float64frombits(binary.BigEndian.Uint64(v))
		return f != f
	}
	return false
}

// canonical is the NaN that float4in and float8in give.
func canonical(width int) string {
	if width == 4 {
		return "\x7f\xc0\x00\x00"
	}
	return "\x7f\xf8\x00\x00\x00\x00\x00\x00"
}
