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

	arrays  []array // array columns, ascending
	scratch []byte
}

// array is one array column of the tuple.
type array struct {
	column int
	float  int // width of a float element, else 0
}

// NewHasher is a hasher for tuples with these columns in this order.
func NewHasher(cols []coltype.Column) *Hasher {
	h := &Hasher{}
	for i, c := range cols {
		if c.Type.Kind != coltype.List {
			continue
		}
		a := array{column: i}
		if c.Type.Elem != nil {
			switch c.Type.Elem.Kind {
			case coltype.Float32:
				a.float = 4
			case coltype.Float64:
				a.float = 8
			}
		}
		h.arrays = append(h.arrays, a)
	}
	return h
}

// Tuple adds one row: the tuple as COPY binary has it after its int16 field count, that is for each
// field an int32 length (-1 for NULL) and the bytes. The tuple must be well formed; one that is
// not panics with an index out of range at the worst and is the caller's fault.
func (h *Hasher) Tuple(fields []byte) {
	if len(h.arrays) > 0 {
		fields = h.normalise(fields)
	}
	sum := xxh3.Hash128(fields)
	var carry uint64
	h.Digest.Lo, carry = bits.Add64(h.Digest.Lo, sum.Lo, 0)
	h.Digest.Hi, _ = bits.Add64(h.Digest.Hi, sum.Hi, carry)
	h.Digest.Rows++
}

// arrayHead is the shortest array value: int32 dimensions, int32 null flag, uint32 element OID.
const arrayHead = 12

// normalise copies the tuple to the scratch buffer without what is not hashed of its arrays.
func (h *Hasher) normalise(fields []byte) []byte {
	out := h.scratch[:0]
	pos, kept, column := 0, 0, 0 // fields[kept:pos] is not copied yet
	for _, a := range h.arrays {
		for ; column < a.column; column++ {
			pos = next(fields, pos)
		}
		end := next(fields, pos)
		column++
		if value := pos + 4; end >= value+arrayHead {
			out = append(out, fields[kept:value+4]...)
			kept = value + arrayHead
			if a.float > 0 && exactText(fields[value:end]) {
				out = appendNaNs(out, fields[value:end], a.float)
				kept = end
			}
		}
		pos = end
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

// exactText tells whether the array value has several dimensions, or a lower bound other than 1.
func exactText(value []byte) bool {
	dims := binary.BigEndian.Uint32(value)
	return dims > 1 || dims == 1 && binary.BigEndian.Uint32(value[16:]) != 1
}

// appendNaNs appends the array value after its head with every NaN in its canonical form.
func appendNaNs(out, value []byte, width int) []byte {
	pos := arrayHead + 8*int(binary.BigEndian.Uint32(value))
	out = append(out, value[arrayHead:pos]...)
	for pos < len(value) {
		end := next(value, pos)
		out = append(out, value[pos:end]...)
		switch elem := value[pos+4 : end]; {
		case width == 4 && len(elem) == 4:
			if f := math.Float32frombits(binary.BigEndian.Uint32(elem)); f != f {
				binary.BigEndian.PutUint32(out[len(out)-4:], 0x7fc00000)
			}
		case width == 8 && len(elem) == 8:
			if f := math.Float64frombits(binary.BigEndian.Uint64(elem)); f != f {
				binary.BigEndian.PutUint64(out[len(out)-8:], 0x7ff8000000000000)
			}
		}
		pos = end
	}
	return out
}
