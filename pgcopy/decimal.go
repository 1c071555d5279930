package pgcopy

import (
	"encoding/binary"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// pow10 are the powers of ten that a uint64 holds.
var pow10 = func() (p [20]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = 10 * p[i-1]
	}
	return p
}()

// muladd is hi:lo * m + a; the caller knows that it fits.
func muladd(hi, lo, m, a uint64) (uint64, uint64) {
	h, l := bits.Mul64(lo, m)
	l, carry := bits.Add64(l, a, 0)
	return h + carry + hi*m, l
}

// decimal is n as an unscaled decimal(precision, scale), if it has just that scale and fits.
func (n number) decimal(precision, scale int) (decimal128.Num, bool) {
	if n.special() || n.dscale != scale {
		return decimal128.Num{}, false
	}
	count := n.len()
	if count == 0 {
		return decimal128.Num{}, true
	}
	if wholeDigits(n.weight, n.digit(0)) > precision-scale {
		return decimal128.Num{}, false
	}
	// The value is below 10^precision now, so nothing overflows below.
	var hi, lo uint64
	for i := range count - 1 {
		if i < 4 {
			lo = lo*10000 + uint64(n.digit(i))
		} else {
			hi, lo = muladd(hi, lo, 10000, uint64(n.digit(i)))
		}
	}
	last := uint64(n.digit(count - 1))
	if shift := (n.weight-count+1)*4 + scale; shift < 0 {
		hi, lo = muladd(hi, lo, pow10[4+shift], last/pow10[-shift])
	} else {
		hi, lo = muladd(hi, lo, 10000, last)
		for ; shift > 19; shift -= 19 {
			hi, lo = muladd(hi, lo, pow10[19], 0)
		}
		hi, lo = muladd(hi, lo, pow10[shift], 0)
	}
	if n.sign == numericNeg {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	return decimal128.New(int64(hi), lo), true
}

// wholeDigits is the number of decimal digits before the point.
func wholeDigits(weight, first int) int {
	if weight < 0 {
		return 0
	}
	n := 4*weight + 1
	for first >= 10 {
		first /= 10
		n++
	}
	return n
}

// appendDecimal appends the binary form of the unscaled decimal d with that scale.
func appendDecimal(dst []byte, d decimal128.Num, scale int) []byte {
	hi, lo := uint64(d.HighBits()), d.LowBits()
	sign := uint16(0)
	if int64(hi) < 0 {
		sign = numericNeg
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	if hi == 0 {
		return appendDecimal64(dst, lo, sign, scale)
	}
	var digits [14]uint16 // from the right; 128 bits are 39 decimal digits, and a part of one
	count := 0
	if part := scale % 4; part > 0 {
		var rem uint64
		hi, lo, rem = divmod(hi, lo, pow10[part])
		digits[0] = uint16(rem * pow10[4-part])
		count = 1
	}
	for hi > 0 {
		var rem uint64
		hi, lo, rem = divmod(hi, lo, pow10[16])
		for range 4 {
			digits[count] = uint16(rem % 10000)
			rem /= 10000
			count++
		}
	}
	for ; lo > 0; lo /= 10000 {
		digits[count] = uint16(lo % 10000)
		count++
	}
	for count > 0 && digits[count-1] == 0 {
		count--
	}
	first := 0
	for first < count && digits[first] == 0 {
		first++
	}
	weight := count - 1 - (scale+3)/4
	if count == 0 {
		weight, sign = 0, 0
	}
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	putNumericHead(dst[start:], count-first, weight, sign, scale)
	for i := count - 1; i >= first; i-- {
		dst = binary.BigEndian.AppendUint16(dst, digits[i])
	}
	return dst
}

// appendDecimal64 is appendDecimal of an absolute value that fits; dividing by constants is what makes it fast.
func appendDecimal64(dst []byte, v uint64, sign uint16, scale int) []byte {
	if v == 0 {
		return be.AppendUint64(dst, uint64(uint16(scale)))
	}
	var digits [6]uint16 // from the right
	count := 1
	switch scale % 4 {
	case 0:
		count = 0
	case 1:
		digits[0], v = uint16(v%10*1000), v/10
	case 2:
		digits[0], v = uint16(v%100*100), v/100
	case 3:
		digits[0], v = uint16(v%1000*10), v/1000
	}
	for ; v > 0; v /= 10000 {
		digits[count] = uint16(v % 10000)
		count++
	}
	for digits[count-1] == 0 { // only the first may be
		count--
	}
	first := 0
	for digits[first] == 0 {
		first++
	}
	weight := count - 1 - (scale+3)/4
	dst = be.AppendUint64(dst, uint64(count-first)<<48|uint64(uint16(weight))<<32|uint64(sign)<<16|uint64(uint16(scale)))
	for i := count - 1; i >= first; i-- {
		dst = be.AppendUint16(dst, digits[i])
	}
	return dst
}

func divmod(hi, lo, by uint64) (qhi, qlo, rem uint64) {
	qhi, rem = hi/by, hi%by
	qlo, rem = bits.Div64(rem, lo, by)
	return qhi, qlo, rem
}

// appendDecimalText appends the unscaled decimal d with that scale, as numeric_out prints it.
func appendDecimalText(dst []byte, d decimal128.Num, scale int) []byte {
	var scratch [48]byte
	b := appendDecimal(scratch[:0], d, scale)
	return appendNumericText(dst, number{
		weight: int(int16(binary.BigEndian.Uint16(b[2:]))),
		sign:   binary.BigEndian.Uint16(b[4:]),
		dscale: scale,
		digits: b[numericHead:],
	})
}

func (c *column) oneDecimal(v []byte) (bool, error) {
	n, err := readNumeric(v)
	if err != nil {
		return false, err
	}
	d, fits := n.decimal(c.typ.Precision, c.typ.Scale)
	if fits {
		c.putDecimal(d)
	}
	return fits, nil
}

func (c *column) putDecimal(d decimal128.Num) {
	p := c.data.extend(16)
	binary.LittleEndian.PutUint64(p, d.LowBits())
	binary.LittleEndian.PutUint64(p[8:], uint64(d.HighBits()))
	c.n++
}

// loopDecimal is loopEach without the calls, for decimals of up to 16 digits.
func (c *column) loopDecimal(buf []byte, fields []field) error {
	scale, precision := c.typ.Scale, c.typ.Precision
	for i, f := range fields {
		if d, ok := smallDecimal(buf, f, precision, scale); ok {
			c.putDecimal(decimal128.FromI64(d))
			continue
		}
		if err := c.loopEach(buf, fields[i:i+1]); err != nil {
			return at(err, i)
		}
	}
	return nil
}

// smallDecimal reads a numeric of at most four digits; !ok means that it takes the long way, not that
// it is wrong.
func smallDecimal(buf []byte, f field, precision, scale int) (value int64, ok bool) {
	if f.n < numericHead+2 || f.n > numericHead+8 {
		return 0, false
	}
	head := binary.BigEndian.Uint64(buf[f.off:])
	count := int(head >> 48)
	weight := int(int16(head >> 32))
	sign := uint16(head >> 16)
	shift := (weight-count+1)*4 + scale
	if int(f.n) != numericHead+2*count || int(uint16(head)) != scale || sign&^numericNeg != 0 || shift <= -4 || shift > 3 {
		return 0, false
	}
	digits := buf[f.off+numericHead : f.off+f.n]
	var acc, d uint64
	for i := 0; i < len(digits); i += 2 {
		if d = uint64(binary.BigEndian.Uint16(digits[i:])); d > 9999 {
			return 0, false
		}
		acc = acc*10000 + d
	}
	if d == 0 || digits[0] == 0 && digits[1] == 0 {
		return 0, false
	}
	if shift >= 0 {
		acc *= pow10[shift] // below 10^19
	} else {
		if acc%pow10[-shift] != 0 {
			return 0, false
		}
		acc /= pow10[-shift]
	}
	if acc > 999_999_999_999_999_999 || precision < 19 && acc >= pow10[precision] {
		return 0, false
	}
	if value = int64(acc); sign == numericNeg {
		value = -value
	}
	return value, true
}
