//go:build !amd64

package predicate

// There is no vector code: none of the words is filled.
func vectorRange[T ~int32 | ~int64](_ []T, _, _ int64, _ []uint64) int { return 0 }

// There is no vector code: no place is looked at.
func vectorPair(_ []byte, _, _ int, _, _ byte) (int, bool) { return 0, false }
