package parquetio

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/cespare/xxhash/v2"

	"frostline/coltype"
)

// Split-block Bloom filters (parquet-format, BloomFilter.md). A filter is a row of blocks of 256
// bits. The upper half of a value's hash chooses the block, the lower half one bit in each of the
// block's eight words. The hash is XXH64 with seed 0 of the value in PLAIN, without the length in
// front of a byte array.

const (
	bloomBlock    = 32 // bytes of a block
	maxBloomBytes = 128 << 20
	// bloomFPP is the share of absent values that a filter may let pass, by the formula of
	// BloomFilter.md. A full one lets 2.6 % pass: values do not spread over its blocks evenly. So a row
	// group of 122 880 distinct values takes 128 KiB.
	bloomFPP = 0.02
)

// bloomSalt are the multipliers that choose the bits, from BloomFilter.md.
var bloomSalt = [8]uint32{0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31}

// bloomBlockOf is the block of h in bits, as its offset in bytes.
func bloomBlockOf(bits []byte, h uint64) int {
	return int((h>>32)*uint64(len(bits)/bloomBlock)>>32) * bloomBlock
}

func bloomInsert(bits []byte, h uint64) {
	block := bits[bloomBlockOf(bits, h):][:bloomBlock]
	for i, salt := range bloomSalt {
		word := block[4*i : 4*i+4]
		binary.LittleEndian.PutUint32(word, binary.LittleEndian.Uint32(word)|1<<(uint32(h)*salt>>27))
	}
}

func bloomHas(bits []byte, h uint64) bool {
	block := bits[bloomBlockOf(bits, h):][:bloomBlock]
	for i, salt := range bloomSalt {
		if binary.LittleEndian.Uint32(block[4*i:])>>(uint32(h)*salt>>27)&1 == 0 {
			return false
		}
	}
	return true
}

// bloomBytes is the size of a filter of n distinct values: a power of two, since some readers want
// one, that keeps bloomFPP.
func bloomBytes(n int) int {
	want := -8 * float64(n) / math.Log(1-math.Pow(bloomFPP, 1.0/8)) / 8
	size := bloomBlock
	for float64(size) < want && size < maxBloomBytes {
		size *= 2
	}
	return size
}

// CanBloom reports whether a column of type t can have a Bloom filter: equal values must have equal
// bytes, which floats (two zeros, many NaNs) have not; two bits of a boolean, and lists, are no
// lookup keys.
func CanBloom(t coltype.Type) bool {
	switch t.Kind {
	case coltype.Int32, coltype.Int64, coltype.Decimal, coltype.String, coltype.Binary, coltype.UUID,
		coltype.Date, coltype.Time, coltype.Timestamp, coltype.TimestampTZ:
		return true
	}
	return false
}

// bloomColumns says which columns of s get a filter.
func bloomColumns(s coltype.Schema, names []string) (map[int]bool, error) {
	out := map[int]bool{}
	for _, name := range names {
		i := slices.IndexFunc(s.Columns, func(c coltype.Column) bool { return c.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("write Parquet: Bloom filter of column %q: there is no such column", name)
		}
		if t := s.Columns[i].Type; !CanBloom(t) {
			return nil, fmt.Errorf("write Parquet: column %q is of type %s (%v), which has no Bloom filter", name, t.Name, t.Kind)
		}
		out[i] = true
	}
	return out, nil
}

// hashSet gathers the hashes of a column chunk's distinct values, so that its filter has the size
// that they need.
type hashSet struct {
	slots []uint64 // open addressing, 0 is free; len is a power of two
	n     int      // in slots
	zero  bool     // the hash 0 is there
}

func (s *hashSet) reset() {
	clear(s.slots)
	s.n, s.zero = 0, false
}

func (s *hashSet) add(h uint64) {
	if h == 0 {
		s.zero = true
		return
	}
	if 2*s.n >= len(s.slots) {
		s.grow()
	}
	i := h & uint64(len(s.slots)-1)
	for s.slots[i] != 0 {
		if s.slots[i] == h {
			return
		}
		i = (i + 1) & uint64(len(s.slots)-1)
	}
	s.slots[i] = h
	s.n++
}

func (s *hashSet) grow() {
	old := s.slots
	s.slots, s.n = make([]uint64, max(1<<10, 2*len(old))), 0
	for _, h := range old {
		if h != 0 {
			s.add(h)
		}
	}
}

// addPage adds the values of a page.
func (s *hashSet) addPage(p *pageValues, e *schemaElement) {
	switch e.typ {
	case physInt32:
		b := arrow.Int32Traits.CastToBytes(p.i32)
		for ; len(b) > 0; b = b[4:] {
			s.add(xxhash.Sum64(b[:4]))
		}
	case physInt64:
		b := arrow.Int64Traits.CastToBytes(p.i64)
		for ; len(b) > 0; b = b[8:] {
			s.add(xxhash.Sum64(b[:8]))
		}
	case physFixed:
		w := int(e.typeLength)
		for b := p.data; len(b) > 0; b = b[w:] {
			s.add(xxhash.Sum64(b[:w]))
		}
	case physByteArray:
		for i := 1; i < len(p.offs); i++ {
			s.add(xxhash.Sum64(p.data[p.offs[i-1]:p.offs[i]]))
		}
	}
}

// encode is the filter with its header.
func (s *hashSet) encode() []byte {
	n := s.n
	if s.zero {
		n++
	}
	size := bloomBytes(n)
	out := appendBloomHeader(make([]byte, 0, size+bloomHeaderMax), size)
	start := len(out)
	out = out[:start+size]
	if s.zero {
		bloomInsert(out[start:], 0)
	}
	for _, h := range s.slots {
		if h != 0 {
			bloomInsert(out[start:], h)
		}
	}
	return out
}

// bloomHeaderMax is room for a header: it takes 15 to 18 bytes.
const bloomHeaderMax = 32

// appendBloomHeader appends BloomFilterHeader: SplitBlock, XXH64, uncompressed.
func appendBloomHeader(dst []byte, size int) []byte {
	w := thriftWriter{b: dst}
	w.begin()
	w.i32(1, int32(size))
	for id := int16(2); id <= 4; id++ { // unions whose first member is the one
		w.strct(id)
		w.strct(1)
		w.end()
		w.end()
	}
	w.end()
	return w.b
}

// readBloom cuts header and bits of one filter apart. known is false for an algorithm, hash or
// compression that the format has added since.
func readBloom(b []byte) (bits []byte, known bool, err error) {
	r := thriftReader{b: b}
	size, members := int32(-1), 0
	r.fields(func(id int16, typ byte) {
		switch {
		case id == 1 && typ == thriftI32:
			size = r.i32()
		case id >= 2 && id <= 4 && typ == thriftStruct:
			r.fields(func(member int16, typ byte) {
				if member == 1 {
					members++
				}
				r.skip(typ)
			})
		default:
			r.skip(typ)
		}
	})
	if r.err != nil {
		return nil, false, r.err
	}
	if bits = b[r.off:]; size < bloomBlock || size > maxBloomBytes || size%bloomBlock != 0 || int(size) != len(bits) {
		return nil, false, corruptf("Bloom filter of %d bytes in %d", size, len(bits))
	}
	return bits, members == 3, nil
}

// Filter is the Bloom filter of one column chunk. The zero Filter knows nothing.
type Filter struct {
	bits []byte
	typ  coltype.Type
	elem schemaElement // as the file stores the column
}

// Bytes is the memory that the filter takes.
func (f Filter) Bytes() int { return len(f.bits) }

// May reports whether the column chunk may hold v. False is certain: no cell of the typed column
// equals v. Cells in the side column are not in the filter. A value of another kind than the
// column's may always be there.
func (f Filter) May(v coltype.Value) bool {
	if f.bits == nil {
		return true
	}
	plain, known := plainOf(&f.elem, f.typ, v)
	if !known {
		return true
	}
	return plain != nil && bloomHas(f.bits, xxhash.Sum64(plain))
}

// plainOf is v in PLAIN as a column of type t is stored in e, without a length in front; nil when e
// cannot hold v. known is false when v says nothing of the column.
func plainOf(e *schemaElement, t coltype.Type, v coltype.Value) (plain []byte, known bool) {
	if v.Kind != t.Kind {
		return nil, false
	}
	n := v.I
	switch t.Kind {
	case coltype.String, coltype.Binary, coltype.UUID:
		if e.typ == physFixed && len(v.S) != int(e.typeLength) {
			return nil, true
		}
		return append([]byte{}, v.S...), true
	case coltype.Decimal:
		big := rescale(v, int(e.scale))
		if big == nil {
			return nil, true
		}
		if e.typ == physFixed {
			return twosComplement(big, int(e.typeLength)), true
		}
		if !big.IsInt64() {
			return nil, true
		}
		n = big.Int64()
	case coltype.Date:
		n += coltype.UnixToPGDays
	case coltype.Timestamp, coltype.TimestampTZ:
		if n > math.MaxInt64-coltype.UnixToPGMicros {
			return nil, true
		}
		n += coltype.UnixToPGMicros
	}
	switch {
	case e.typ == physInt32 && n == int64(int32(n)):
		return binary.LittleEndian.AppendUint32(nil, uint32(n)), true
	case e.typ == physInt64:
		return binary.LittleEndian.AppendUint64(nil, uint64(n)), true
	}
	return nil, e.typ == physInt32
}

// rescale is v × 10^scale, nil when that is no whole number.
func rescale(v coltype.Value, scale int) *big.Int {
	if v.Special != coltype.Finite {
		return nil
	}
	pow := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(scale-v.Scale, v.Scale-scale))), nil)
	if v.Scale <= scale {
		return pow.Mul(v.Big, pow)
	}
	q, r := new(big.Int).QuoRem(v.Big, pow, new(big.Int))
	if r.Sign() != 0 {
		return nil
	}
	return q
}

// twosComplement is n in w bytes, highest first, nil when it does not fit.
func twosComplement(n *big.Int, w int) []byte {
	x := n
	if n.Sign() < 0 {
		x = new(big.Int).Not(n)
	}
	if x.BitLen() > 8*w-1 {
		return nil
	}
	out := x.FillBytes(make([]byte, w))
	if n.Sign() < 0 {
		for i := range out {
			out[i] = ^out[i]
		}
	}
	return out
}

// bloomable reports whether the filter of a column that is stored in e can be asked for values of t:
// the bytes of a value must be known from the value alone.
func bloomable(t coltype.Type, e *schemaElement) bool {
	return CanBloom(t) && fits(t, e) == nil && !(t.Kind == coltype.Decimal && e.typ == physByteArray) &&
		!(t.Kind == coltype.String && t.Base == "numeric")
}
