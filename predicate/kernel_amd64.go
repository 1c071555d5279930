package predicate

import (
	"math"
	"unsafe"
)

// vectorRange is fillRange for the first words of t, as many as it returns.
func vectorRange[T ~int32 | ~int64](list []T, lo, hi int64, t []uint64) int {
	words := len(list) / 64
	if !hasAVX2 || words == 0 {
		return 0
	}
	if unsafe.Sizeof(list[0]) == 8 {
		rangeBits64AVX2((*int64)(unsafe.Pointer(&list[0])), words, uint64(lo), uint64(hi)-uint64(lo), &t[0])
		return words
	}
	if lo > math.MaxInt32 || hi < math.MinInt32 {
		fillBits(t[:words], false)
		return words
	}
	lo32, hi32 := int32(max(lo, math.MinInt32)), int32(min(hi, math.MaxInt32))
	rangeBits32AVX2((*int32)(unsafe.Pointer(&list[0])), words, uint32(lo32), uint32(hi32)-uint32(lo32), &t[0])
	return words
}

// vectorPair is the first i of those it looks at, below n, with a at b[i] and c at b[i+gap]; when none is found, how many it has
// looked at.
func vectorPair(b []byte, n, gap int, a, c byte) (i int, found bool) {
	whole := n &^ 31
	if !hasAVX2 || whole <= 0 {
		return 0, false
	}
	if i = pairAVX2(&b[0], whole, gap, a, c); i >= 0 {
		return i, true
	}
	return whole, false
}

// rangeBits32AVX2 sets the 64 bits of out[w] to which of list[64w:64w+64] are at most width above lo. words is at least 1.
//
//go:noescape
func rangeBits32AVX2(list *int32, words int, lo, width uint32, out *uint64)

// rangeBits64AVX2 is rangeBits32AVX2 for 64-bit numbers.
//
//go:noescape
func rangeBits64AVX2(list *int64, words int, lo, width uint64, out *uint64)

// pairAVX2 is the first i below n, a multiple of 32, for which data[i] is a and data[i+gap] is b; -1 without. n+gap
// bytes are read.
//
//go:noescape
func pairAVX2(data *byte, n, gap int, a, b byte) int
