//go:build !amd64

package predicate

var hasAVX2 = false

func rangeBits32AVX2(*int32, int, uint32, uint32, *uint64) { panic("unreachable") }

func rangeBits64AVX2(*int64, int, uint64, uint64, *uint64) { panic("unreachable") }

func pairAVX2(*byte, int, int, byte, byte) int { panic("unreachable") }
