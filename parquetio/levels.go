package parquetio

import (
	"encoding/binary"

	"github.com/parquet-go/bitpack"
)

// decodeLevels reads len(dst) levels of the hybrid encoding from src, each at most maxLevel. Values
// of the last bit-packed group beyond len(dst) may be anything.
func decodeLevels(dst, src []byte, maxLevel int) error {
	width := indexWidth(maxLevel + 1)
	for len(dst) > 0 {
		h, n := binary.Uvarint(src)
		if n <= 0 {
			return corruptf("levels end too early")
		}
		src = src[n:]
		if h&1 == 0 {
			run := h >> 1
			if run == 0 || len(src) == 0 {
				return corruptf("levels have an empty run")
			}
			k := int(min(run, uint64(len(dst))))
			v := src[0]
			src = src[1:]
			if int(v) > maxLevel {
				return corruptf("level %d is above %d", v, maxLevel)
			}
			for i := range dst[:k] {
				dst[i] = v
			}
			dst = dst[k:]
			continue
		}
		groups := h >> 1
		if groups == 0 || groups > 1<<28 {
			return corruptf("levels have a run of %d groups", groups)
		}
		k := min(int(groups)*8, len(dst))
		if len(src)*8 < k*width {
			return corruptf("levels end too early")
		}
		unpackLevels(dst[:k], src, width)
		for _, v := range dst[:k] {
			if int(v) > maxLevel {
				return corruptf("level %d is above %d", v, maxLevel)
			}
		}
		src = src[min(int(groups)*width, len(src)):]
		dst = dst[k:]
	}
	return nil
}

func unpackLevels(dst, src []byte, width int) {
	if width == 1 {
		i := 0
		for ; i+8 <= len(dst); i += 8 {
			b, d := src[i/8], dst[i:i+8:i+8]
			d[0], d[1], d[2], d[3] = b&1, b>>1&1, b>>2&1, b>>3&1
			d[4], d[5], d[6], d[7] = b>>4&1, b>>5&1, b>>6&1, b>>7
		}
		for ; i < len(dst); i++ {
			dst[i] = src[i/8] >> (i % 8) & 1
		}
		return
	}
	mask := uint16(1)<<width - 1
	for i := range dst {
		bit := i * width
		x := uint16(src[bit/8])
		if bit/8+1 < len(src) {
			x |= uint16(src[bit/8+1]) << 8
		}
		dst[i] = byte(x >> (bit % 8) & mask)
	}
}

// decodeIndices reads len(dst) dictionary indices below size. src has padding behind it.
func decodeIndices(dst []int32, src []byte, width, size int) error {
	if width > 32 {
		return corruptf("dictionary indices of %d bits", width)
	}
	if len(dst) > 0 && size == 0 {
		return corruptf("values without a dictionary")
	}
	if width == 0 {
		clear(dst)
		return nil
	}
	for len(dst) > 0 {
		h, n := binary.Uvarint(src)
		if n <= 0 {
			return corruptf("dictionary indices end too early")
		}
		src = src[n:]
		if h&1 == 0 {
			run, bytes := h>>1, (width+7)/8
			if run == 0 || len(src) < bytes {
				return corruptf("dictionary indices have an empty run")
			}
			v := uint32(0)
			for i := range bytes {
				v |= uint32(src[i]) << (8 * i)
			}
			src = src[bytes:]
			if v >= uint32(size) {
				return corruptf("dictionary index %d of %d", v, size)
			}
			k := int(min(run, uint64(len(dst))))
			for i := range dst[:k] {
				dst[i] = int32(v)
			}
			dst = dst[k:]
			continue
		}
		groups := h >> 1
		if groups == 0 || groups > 1<<28 {
			return corruptf("dictionary indices have a run of %d groups", groups)
		}
		k := min(int(groups)*8, len(dst))
		if len(src)*8 < k*width {
			return corruptf("dictionary indices end too early")
		}
		bitpack.Unpack(dst[:k], src[:(k*width+7)/8], uint(width))
		if top := highest(dst[:k], uint32(size)); top >= uint32(size) {
			return corruptf("dictionary index %d of %d", top, size)
		}
		src = src[min(int(groups)*width, len(src)):]
		dst = dst[k:]
	}
	return nil
}

// highest is the largest of the indices, or less than size where all are.
func highest(list []int32, size uint32) uint32 {
	var a, b, c, d int32
	rest := list
	for ; len(rest) >= 4; rest = rest[4:] {
		a, b, c, d = a|rest[0], b|rest[1], c|rest[2], d|rest[3]
	}
	for _, v := range rest {
		a |= v
	}
	if all := uint32(a | b | c | d); all < size { // no index is above all their bits
		return all
	}
	top := uint32(0)
	for _, v := range list {
		top = max(top, uint32(v))
	}
	return top
}

// decodeDelta reads the first len(dst) values of DELTA_BINARY_PACKED, which must hold exactly total values, and gives what
// follows all of them. src has padding behind it.
func decodeDelta[T int32 | int64](dst []T, src []byte, total int) ([]byte, error) {
	var head [3]uint64
	for i := range head {
		v, n := binary.Uvarint(src)
		if n <= 0 {
			return nil, corruptf("delta header ends too early")
		}
		head[i], src = v, src[n:]
	}
	first, n := binary.Varint(src)
	if n <= 0 {
		return nil, corruptf("delta header ends too early")
	}
	src = src[n:]
	block, minis := head[0], head[1]
	if head[2] != uint64(total) {
		return nil, corruptf("delta block of %d values, the page has %d", head[2], total)
	}
	if block == 0 || block > 1<<16 || minis == 0 || minis > block || block%minis != 0 || block/minis%8 != 0 {
		return nil, corruptf("delta blocks of %d values in %d", block, minis)
	}
	if len(dst) == 0 {
		return src, nil
	}
	per := int(block / minis)
	last := T(first)
	dst[0] = last
	pos := 1
	for left := total - 1; left > 0; {
		d, n := binary.Varint(src)
		if n <= 0 || len(src)-n < int(minis) {
			return nil, corruptf("delta block ends too early")
		}
		widths := src[n : n+int(minis)]
		src = src[n+int(minis):]
		start := pos
		for _, w := range widths {
			if left == 0 {
				break
			}
			k := min(per, left, len(dst)-pos)
			var err error
			if k == 0 { // behind the values that are wanted
				if src, err = skipMini(src, int(w), per, min(per, left)); err != nil {
					return nil, err
				}
			} else if src, err = unpackMini(dst[pos:pos+k], src, int(w), per); err != nil {
				return nil, err
			}
			left -= min(per, left)
			pos += k
		}
		out, step := dst[start:pos], T(d)
		for i := range out {
			last += step + out[i]
			out[i] = last
		}
	}
	return src, nil
}

// skipMini passes over a miniblock whose first values count.
func skipMini(src []byte, w, per, values int) ([]byte, error) {
	if w > 64 || len(src) < (values*w+7)/8 {
		return nil, corruptf("delta miniblock of %d bits ends too early", w)
	}
	return src[min(per*w/8, len(src)):], nil
}

// unpackMini unpacks the first len(dst) of the per values of a miniblock.
func unpackMini[T int32 | int64](dst []T, src []byte, w, per int) ([]byte, error) {
	if w == 0 {
		clear(dst)
		return src, nil
	}
	var zero T
	limit := 64
	if _, is32 := any(zero).(int32); is32 {
		limit = 32
	}
	size := per * w / 8
	need := (len(dst)*w + 7) / 8
	if w > limit || len(src) < need {
		return nil, corruptf("delta miniblock of %d bits ends too early", w)
	}
	if cap(src)-need < padding { // cannot happen for a page's own buffer
		padded := make([]byte, need, need+padding)
		copy(padded, src)
		bitpack.Unpack(dst, padded, uint(w))
	} else {
		bitpack.Unpack(dst, src[:need], uint(w))
	}
	return src[min(size, len(src)):], nil
}
