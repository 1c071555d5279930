package predicate

import "golang.org/x/sys/cpu"

// hasAVX2 chooses the vector code when the program starts.
var hasAVX2 = cpu.X86.HasAVX2

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
