package coltype

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/bits"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// AppendText appends what t's output function prints with the pinned settings (DateStyle ISO,
// TimeZone UTC, extra_float_digits 3, bytea_output hex). A boolean is t or f, as in COPY text and
// in arrays; a value of numeric(p,s) has at least s decimals.
func AppendText(dst []byte, t Type, v Value) []byte {
	switch v.Kind {
	case Bool:
		return AppendBool(dst, v.I != 0)
	case Int32, Int64:
		return strconv.AppendInt(dst, v.I, 10)
	case Float32:
		return AppendFloat4(dst, float32(v.F))
	case Float64:
		return AppendFloat8(dst, v.F)
	case Decimal:
		return appendDecimal(dst, t, v)
	case String:
		return append(dst, v.S...)
	case Binary:
		if isGeometry(t) {
			return appendUpperHex(dst, v.S)
		}
		return AppendBytea(dst, v.S)
	case UUID:
		return AppendUUID(dst, [16]byte([]byte(v.S)))
	case Date:
		return AppendDate(dst, v.I)
	case Time:
		return AppendTime(dst, v.I)
	case Timestamp, TimestampTZ:
		return AppendTimestamp(dst, v.I, v.Kind == TimestampTZ)
	}
	panic(fmt.Sprintf("coltype.AppendText: %v is no scalar", v.Kind))
}

// isGeometry reports whether a Binary is PostGIS's, whose text is bare upper-case hex.
func isGeometry(t Type) bool { return t.Base == "geometry" || t.Base == "geography" }

// AppendBool appends t or f.
func AppendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 't')
	}
	return append(dst, 'f')
}

// AppendDate appends a date of days since 2000-01-01; math.MaxInt32 and MinInt32 are ±infinity.
func AppendDate(dst []byte, days2000 int64) []byte {
	switch days2000 {
	case math.MaxInt32:
		return append(dst, "infinity"...)
	case math.MinInt32:
		return append(dst, "-infinity"...)
	}
	dst, bc := appendDay(dst, days2000)
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}

// AppendTimestamp appends a timestamp of µs since 2000-01-01, with the zone +00 when tz is set;
// math.MaxInt64 and MinInt64 are ±infinity.
func AppendTimestamp(dst []byte, us2000 int64, tz bool) []byte {
	switch us2000 {
	case math.MaxInt64:
		return append(dst, "infinity"...)
	case math.MinInt64:
		return append(dst, "-infinity"...)
	}
	day := floorDiv(us2000, MicrosPerDay)
	dst, bc := appendDay(dst, day)
	dst = AppendTime(append(dst, ' '), us2000-day*MicrosPerDay)
	if tz {
		dst = append(dst, "+00"...)
	}
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}

// AppendTime appends a time of µs since midnight, 24:00:00 included: 09:05:00, 09:05:00.25.
func AppendTime(dst []byte, us int64) []byte {
	sec, frac := us/1000000, us%1000000
	dst = appendTwo(dst, int(sec/3600))
	dst = appendTwo(append(dst, ':'), int(sec/60%60))
	dst = appendTwo(append(dst, ':'), int(sec%60))
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.')
	for div := int64(100000); frac > 0; div /= 10 {
		dst = append(dst, byte('0'+frac/div))
		frac %= div
	}
	return dst
}

func appendDay(dst []byte, days2000 int64) (out []byte, bc bool) {
	year, month, day := civil(days2000)
	if year <= 0 {
		year, bc = 1-year, true
	}
	if year < 10000 {
		dst = appendTwo(appendTwo(dst, int(year/100)), int(year%100))
	} else {
		dst = strconv.AppendInt(dst, year, 10)
	}
	dst = appendTwo(append(dst, '-'), month)
	return appendTwo(append(dst, '-'), day), bc
}

func appendTwo(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

// AppendUUID appends a uuid as 8-4-4-4-12 lower-case hex digits.
func AppendUUID(dst []byte, u [16]byte) []byte {
	var b [36]byte
	hex.Encode(b[:8], u[:4])
	b[8] = '-'
	hex.Encode(b[9:13], u[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], u[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], u[8:10])
	b[23] = '-'
	hex.Encode(b[24:], u[10:])
	return append(dst, b[:]...)
}

// AppendBytea appends \x and the bytes in lower-case hex.
func AppendBytea[S string | []byte](dst []byte, s S) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, `\x`...)
	for i := range len(s) {
		dst = append(dst, digits[s[i]>>4], digits[s[i]&15])
	}
	return dst
}

func appendUpperHex(dst []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		dst = append(dst, digits[s[i]>>4], digits[s[i]&15])
	}
	return dst
}

func appendDecimal(dst []byte, t Type, v Value) []byte {
	switch v.Special {
	case NaN:
		return append(dst, "NaN"...)
	case PosInf:
		return append(dst, "Infinity"...)
	case NegInf:
		return append(dst, "-Infinity"...)
	}
	start := len(dst)
	dst = v.Big.Append(dst, 10)
	dst = placePoint(dst, start, v.Scale)
	if t.Kind == Decimal && v.Scale < t.Scale {
		if v.Scale == 0 {
			dst = append(dst, '.')
		}
		for range t.Scale - v.Scale {
			dst = append(dst, '0')
		}
	}
	return dst
}

// AppendNumeric appends n × 10^-scale with scale decimals, 0 ≤ scale ≤ 38: the text of a
// numeric(p,s) value.
func AppendNumeric(dst []byte, n decimal128.Num, scale int) []byte {
	start := len(dst)
	hi, lo := uint64(n.HighBits()), n.LowBits()
	if n.HighBits() < 0 {
		dst = append(dst, '-')
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	const e19 = 10000000000000000000
	if hi == 0 {
		dst = strconv.AppendUint(dst, lo, 10)
		return placePoint(dst, start, scale)
	}
	var parts [3]uint64 // base 10^19, lowest first
	count := 0
	for hi != 0 || lo != 0 {
		var rem uint64
		q := hi / e19
		lo, rem = bits.Div64(hi%e19, lo, e19)
		hi, parts[count] = q, rem
		count++
	}
	dst = strconv.AppendUint(dst, parts[count-1], 10)
	for i := count - 2; i >= 0; i-- {
		for limit := uint64(e19 / 10); limit > 1 && parts[i] < limit; limit /= 10 {
			dst = append(dst, '0')
		}
		dst = strconv.AppendUint(dst, parts[i], 10)
	}
	return placePoint(dst, start, scale)
}

// placePoint puts the decimal point into the integer that dst holds from start on.
func placePoint(dst []byte, start, scale int) []byte {
	if scale == 0 {
		return dst
	}
	if dst[start] == '-' {
		start++
	}
	digits := len(dst) - start
	if digits <= scale { // zeros in front, one of them before the point
		zeros := scale + 1 - digits
		for range zeros {
			dst = append(dst, '0')
		}
		copy(dst[start+zeros:], dst[start:start+digits])
		for i := range zeros {
			dst[start+i] = '0'
		}
	}
	dst = append(dst, 0)
	point := len(dst) - 1 - scale
	copy(dst[point+1:], dst[point:len(dst)-1])
	dst[point] = '.'
	return dst
}
