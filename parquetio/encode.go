package parquetio

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/parquet-go/parquet-go/encoding/delta"
)

// count is the number of values that are not NULL.
func (p *pageValues) count(t physical, width int) int {
	switch t {
	case physBool:
		return len(p.bools)
	case physInt32, physFloat:
		return len(p.i32)
	case physInt64, physDouble:
		return len(p.i64)
	case physFixed:
		return len(p.data) / width
	}
	return len(p.offs) - 1
}

// appendPlain appends the values in PLAIN (parquet-format, Encodings.md).
func (p *pageValues) appendPlain(dst []byte, t physical) []byte {
	switch t {
	case physBool:
		return appendBits(dst, p.bools)
	case physInt32, physFloat:
		return append(dst, arrow.Int32Traits.CastToBytes(p.i32)...)
	case physInt64, physDouble:
		return append(dst, arrow.Int64Traits.CastToBytes(p.i64)...)
	case physFixed:
		return append(dst, p.data...)
	}
	for i := 1; i < len(p.offs); i++ {
		v := p.data[p.offs[i-1]:p.offs[i]]
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(v)))
		dst = append(dst, v...)
	}
	return dst
}

func appendBits(dst, bools []byte) []byte {
	n := len(dst)
	dst = append(dst, make([]byte, (len(bools)+7)/8)...)
	for i, b := range bools {
		dst[n+i/8] |= b << (i % 8)
	}
	return dst
}

// appendDelta appends integers in DELTA_BINARY_PACKED, byte arrays in DELTA_LENGTH_BYTE_ARRAY.
func (p *pageValues) appendDelta(dst []byte, t physical) ([]byte, error) {
	var enc []byte
	var err error
	switch t {
	case physInt32:
		enc, err = new(delta.BinaryPackedEncoding).EncodeInt32(nil, p.i32)
	case physInt64:
		enc, err = new(delta.BinaryPackedEncoding).EncodeInt64(nil, p.i64)
	default:
		lengths := make([]int32, len(p.offs)-1)
		for i := range lengths {
			lengths[i] = int32(p.offs[i+1] - p.offs[i])
		}
		if enc, err = new(delta.BinaryPackedEncoding).EncodeInt32(nil, lengths); err == nil {
			dst = append(dst, enc...)
			return append(dst, p.data...), nil
		}
	}
	return append(dst, enc...), err
}

// appendHybrid appends v in the RLE and bit-packing hybrid: runs of 8 and more as RLE.
func appendHybrid[T byte | uint32](dst []byte, v []T, width int) []byte {
	lit := 0 // start of the values not yet written, a multiple of 8 before i
	flush := func(end int) {
		if end == lit {
			return
		}
		groups := (end - lit + 7) / 8
		dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
		dst = appendPacked(dst, v[lit:end], groups*8, width)
	}
	i := 0
	for i < len(v) {
		r := 1
		for i+r < len(v) && v[i+r] == v[i] {
			r++
		}
		if r >= 8 {
			flush(i)
			dst = binary.AppendUvarint(dst, uint64(r)<<1)
			x := uint32(v[i])
			for b := 0; b < (width+7)/8; b++ {
				dst = append(dst, byte(x>>(8*b)))
			}
			i += r
			lit = i
			continue
		}
		i = min(i+8, len(v))
	}
	flush(i)
	return dst
}

// appendPacked packs v, padded with zeros to n values.
func appendPacked[T byte | uint32](dst []byte, v []T, n, width int) []byte {
	var acc uint64
	have := 0
	for _, x := range v {
		acc |= uint64(x) << have
		have += width
		for have >= 8 {
			dst = append(dst, byte(acc))
			acc >>= 8
			have -= 8
		}
	}
	have += (n - len(v)) * width
	for have >= 8 {
		dst = append(dst, byte(acc))
		acc >>= 8
		have -= 8
	}
	return dst
}

const (
	maxDictEntries = 1 << 16
	maxDictBytes   = 1 << 20
)

// dict is the dictionary of one column chunk. Keys are integers or byte strings.
type dict struct {
	vals  pageValues
	table []uint32 // index+1, open addressing; len is a power of two
	seed  maphash.Seed
	size  int // bytes of the values
}

func newDict() *dict {
	d := &dict{table: make([]uint32, 1<<10), seed: maphash.MakeSeed()}
	d.vals.reset()
	return d
}

// add appends the indices of p's values to idx. It gives up, with ok false, when the dictionary
// grows beyond its limits or limit entries.
func (d *dict) add(idx []uint32, p *pageValues, t physical, limit int) (_ []uint32, ok bool) {
	limit = min(limit, maxDictEntries)
	switch t {
	case physInt32, physFloat:
		for _, v := range p.i32 {
			h := hashInt(uint64(uint32(v))) & uint64(len(d.table)-1)
			for d.table[h] != 0 && d.vals.i32[d.table[h]-1] != v {
				h = (h + 1) & uint64(len(d.table)-1)
			}
			if d.table[h] == 0 {
				if len(d.vals.i32) >= limit {
					return idx, false
				}
				d.vals.i32 = append(d.vals.i32, v)
				d.size += 4
				idx = append(idx, d.put(h, len(d.vals.i32), t))
				continue
			}
			idx = append(idx, d.table[h]-1)
		}
	case physInt64, physDouble:
		for _, v := range p.i64 {
			h := hashInt(uint64(v)) & uint64(len(d.table)-1)
			for d.table[h] != 0 && d.vals.i64[d.table[h]-1] != v {
				h = (h + 1) & uint64(len(d.table)-1)
			}
			if d.table[h] == 0 {
				if len(d.vals.i64) >= limit {
					return idx, false
				}
				d.vals.i64 = append(d.vals.i64, v)
				d.size += 8
				idx = append(idx, d.put(h, len(d.vals.i64), t))
				continue
			}
			idx = append(idx, d.table[h]-1)
		}
	default:
		for i := 1; i < len(p.offs); i++ {
			v := p.data[p.offs[i-1]:p.offs[i]]
			h := maphash.Bytes(d.seed, v) & uint64(len(d.table)-1)
			for d.table[h] != 0 && string(d.str(d.table[h]-1)) != string(v) {
				h = (h + 1) & uint64(len(d.table)-1)
			}
			if d.table[h] == 0 {
				if len(d.vals.offs)-1 >= limit || d.size+len(v) > maxDictBytes {
					return idx, false
				}
				d.vals.data = append(d.vals.data, v...)
				d.vals.offs = append(d.vals.offs, uint32(len(d.vals.data)))
				d.size += 4 + len(v)
				idx = append(idx, d.put(h, len(d.vals.offs)-1, t))
				continue
			}
			idx = append(idx, d.table[h]-1)
		}
	}
	return idx, true
}

func (d *dict) str(i uint32) []byte { return d.vals.data[d.vals.offs[i]:d.vals.offs[i+1]] }

// put notes that the n-th value stands in slot h and gives its index.
func (d *dict) put(h uint64, n int, t physical) uint32 {
	d.table[h] = uint32(n)
	if n*2 > len(d.table) {
		d.table = make([]uint32, 4*len(d.table))
		for i := range n {
			var x uint64
			switch t {
			case physInt32, physFloat:
				x = hashInt(uint64(uint32(d.vals.i32[i])))
			case physInt64, physDouble:
				x = hashInt(uint64(d.vals.i64[i]))
			default:
				x = maphash.Bytes(d.seed, d.str(uint32(i)))
			}
			x &= uint64(len(d.table) - 1)
			for d.table[x] != 0 {
				x = (x + 1) & uint64(len(d.table)-1)
			}
			d.table[x] = uint32(i + 1)
		}
	}
	return uint32(n - 1)
}

func hashInt(v uint64) uint64 {
	v *= 0x9e3779b97f4a7c15
	return v ^ v>>32
}

func (d *dict) count(t physical) int { return d.vals.count(t, 1) }

// indexWidth is the bit width that indices below n need.
func indexWidth(n int) int { return max(1, bits.Len32(uint32(max(n-1, 0)))) }
