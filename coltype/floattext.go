package coltype

import (
	"math"
	"math/bits"
	"strconv"
)

// AppendFloat8 appends what float8out prints with extra_float_digits above 0: the shortest digits
// that read back, an exponent below 1e-04 and from 1e+15 on.
func AppendFloat8(dst []byte, f float64) []byte { return appendFloat(dst, f, 64, 15) }

// AppendFloat4 is AppendFloat8 for float4out: an exponent from 1e+06 on.
func AppendFloat4(dst []byte, f float32) []byte { return appendFloat(dst, float64(f), 32, 6) }

func appendFloat(dst []byte, f float64, size, fixed int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case f == 0:
		if math.Signbit(f) {
			return append(dst, "-0"...)
		}
		return append(dst, '0')
	}
	if size == 32 && math.Abs(f) == 0x1p-12 {
		// Half way between …062 and …063: PostgreSQL takes the even one, Go 1.26 the odd one, since
		// strconv's exception for such a tie names double's exponent in its code for float.
		if f < 0 {
			dst = append(dst, '-')
		}
		return append(dst, "0.00024414062"...)
	}
	var buf [32]byte
	text := strconv.AppendFloat(buf[:0], f, 'e', -1, size)
	text = insideInterval(text, f, size)
	return layFloat(dst, text, fixed)
}

// layFloat appends text, which has the form -d.ddde±xx, without an exponent where -4 ≤ exponent <
// fixed.
func layFloat(dst, text []byte, fixed int) []byte {
	digits, exp := scanFloat(text)
	if exp < -4 || exp >= fixed {
		return append(dst, text...)
	}
	if text[0] == '-' {
		dst = append(dst, '-')
	}
	var buf [20]byte
	d := strconv.AppendUint(buf[:0], digits, 10)
	if exp < 0 {
		dst = append(dst, "0."...)
		for range -exp - 1 {
			dst = append(dst, '0')
		}
		return append(dst, d...)
	}
	for i, c := range d {
		if i == exp+1 {
			dst = append(dst, '.')
		}
		dst = append(dst, c)
	}
	for range exp + 1 - len(d) {
		dst = append(dst, '0')
	}
	return dst
}

// scanFloat takes -d.ddde±xx apart: all its digits as one integer, and the exponent of the first.
func scanFloat(text []byte) (digits uint64, exp int) {
	i := 0
	for ; text[i] != 'e'; i++ {
		if c := text[i]; c >= '0' && c <= '9' {
			digits = digits*10 + uint64(c-'0')
		}
	}
	for _, c := range text[i+2:] {
		exp = exp*10 + int(c-'0')
	}
	if text[i+1] == '-' {
		exp = -exp
	}
	return digits, exp
}

// insideInterval replaces the shortest digits where PostgreSQL prints others. Go takes a decimal that is
// exactly half way between two floats when it reads back by rounding to even; PostgreSQL does not rely
// on the reader's rounding (STRICTLY_SHORTEST is off in src/common/d2s.c) and prints the shortest one
// strictly between the half-way points: 1e23 is 9.999999999999999e+22. Such decimals are integers
// of more than 53 (24) bits, so all others leave at once.
func insideInterval(text []byte, f float64, size int) []byte {
	m, e := math.Frexp(math.Abs(f))
	mantBits := 53
	if size == 32 {
		mantBits = 24
	}
	if m == 0 || e <= mantBits || e > 180 {
		return text
	}
	mant := uint64(math.Ldexp(m, mantBits))
	e -= mantBits // |f| = mant × 2^e
	if mant&1 == 1 || !onBoundary(text, mant, e, mantBits) {
		return text
	}
	digits := 0
	for _, c := range text {
		if c == 'e' {
			break
		}
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	for ; digits < 17; digits++ {
		next := strconv.AppendFloat(text[:0], f, 'e', digits-1, size)
		if back, err := strconv.ParseFloat(string(next), size); err == nil && back == f && !onBoundary(next, mant, e, mantBits) {
			return next
		}
	}
	return strconv.AppendFloat(text[:0], f, 'e', 16, size)
}

// onBoundary reports whether text is exactly half way between mant × 2^e and one of its neighbours.
func onBoundary(text []byte, mant uint64, e, mantBits int) bool {
	digits, exp := scanFloat(text)
	n := 0
	for d := digits; d > 0; d /= 10 {
		n++
	}
	k := exp - (n - 1) // |text| = digits × 10^k
	for digits%10 == 0 {
		digits, k = digits/10, k+1
	}
	if k < 0 || k > 27 {
		return false
	}
	equal := func(odd uint64, e int) bool { // digits × 10^k == odd × 2^e
		for range k {
			if odd%5 != 0 {
				return false
			}
			odd /= 5
		}
		shift := bits.TrailingZeros64(digits)
		return digits>>shift == odd && shift+k == e
	}
	if mant == 1<<(mantBits-1) { // the lower neighbour is nearer
		return equal(2*mant+1, e-1) || equal(4*mant-1, e-2)
	}
	return equal(2*mant+1, e-1) || equal(2*mant-1, e-1)
}
