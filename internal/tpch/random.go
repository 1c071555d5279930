package tpch

import "math"

// The generator of clause 4.2.2: Lehmer's, with the multiplier of Park and Miller.
const (
	multiplier = 16807
	modulus    = math.MaxInt32
)

// stream is one random stream. An order takes exactly perOrder values, used or not.
type stream struct {
	seed     int64
	used     int
	perOrder int
}

func newStream(seed int64, perOrder int) stream { return stream{seed: seed, perOrder: perOrder} }

// between takes the next value and makes it one of lo to hi.
func (s *stream) between(lo, hi int64) int64 {
	s.used++
	s.seed = s.seed * multiplier % modulus
	return s.scaled(lo, hi)
}

// scaled computes in floating point, as dbgen does.
func (s *stream) scaled(lo, hi int64) int64 {
	return lo + int64(float64(s.seed)/modulus*float64(hi-lo+1))
}

// endOrder passes over the values that the order did not use.
func (s *stream) endOrder() {
	for ; s.used < s.perOrder; s.used++ {
		s.seed = s.seed * multiplier % modulus
	}
	s.used = 0
}
