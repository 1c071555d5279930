package pgcopy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// A numeric travels as uint16 ndigits, int16 weight, uint16 sign, uint16 dscale, then ndigits base-10000
// digits, the first worth 10000^weight: numeric_send, src/backend/utils/adt/numeric.c. What the server
// sends is canonical: no zero digit first or last, zero without digits, nothing beyond dscale.
const (
	numericHead = 8
	numericNeg  = 0x4000
	numericNaN  = 0xc000
	numericPInf = 0xd000
	numericNInf = 0xf000
	infScale    = 32     // the dscale that numeric_send gives an infinity
	maxScale    = 0x3fff // NUMERIC_DSCALE_MASK
)

// number is a numeric as it travels.
type number struct {
	weight, dscale int
	sign           uint16
	digits         []byte // two bytes each
}

func (n number) len() int        { return len(n.digits) / 2 }
func (n number) digit(i int) int { return int(binary.BigEndian.Uint16(n.digits[2*i:])) }
func (n number) special() bool   { return n.sign&numericNaN == numericNaN }

// readNumeric checks v wholly: what it accepts is encoded to the same bytes again.
func readNumeric(v []byte) (number, error) {
	if len(v) < numericHead {
		return number{}, fmt.Errorf("numeric field of %d bytes, want at least 8", len(v))
	}
	n := number{
		weight: int(int16(binary.BigEndian.Uint16(v[2:]))),
		sign:   binary.BigEndian.Uint16(v[4:]),
		dscale: int(binary.BigEndian.Uint16(v[6:])),
		digits: v[numericHead:],
	}
	count := int(binary.BigEndian.Uint16(v))
	if len(n.digits) != 2*count {
		return number{}, fmt.Errorf("numeric field of %d bytes for %d digits", len(v), count)
	}
	switch n.sign {
	case 0, numericNeg:
	case numericNaN, numericPInf, numericNInf:
		want := infScale
		if n.sign == numericNaN {
			want = 0
		}
		if count != 0 || n.weight != 0 || n.dscale != want {
			return number{}, errors.New("numeric field with a special sign and digits, weight or scale")
		}
		return n, nil
	default:
		return number{}, fmt.Errorf("numeric field with sign %#04x", n.sign)
	}
	if n.dscale > maxScale {
		return number{}, fmt.Errorf("numeric field with scale %d, want at most %d", n.dscale, maxScale)
	}
	if count == 0 {
		if n.weight != 0 || n.sign != 0 {
			return number{}, errors.New("numeric field of zero with a sign or a weight")
		}
		return n, nil
	}
	for i := range count {
		if d := n.digit(i); d > 9999 {
			return number{}, fmt.Errorf("numeric field with digit %d, want at most 9999", d)
		}
	}
	last := n.digit(count - 1)
	if n.digit(0) == 0 || last == 0 {
		return number{}, errors.New("numeric field with a zero digit at an end")
	}
	// Decimals in the digits, less those that dscale shows: they must be zeros of the last digit.
	if excess := (count-1-n.weight)*4 - n.dscale; excess >= 4 || excess > 0 && last%int(pow10[excess]) != 0 {
		return number{}, fmt.Errorf("numeric field with decimals beyond its scale %d", n.dscale)
	}
	return n, nil
}

// appendNumericText appends what numeric_out prints.
func appendNumericText(dst []byte, n number) []byte {
	switch n.sign {
	case numericNaN:
		return append(dst, "NaN"...)
	case numericPInf:
		return append(dst, "Infinity"...)
	case numericNInf:
		return append(dst, "-Infinity"...)
	case numericNeg:
		dst = append(dst, '-')
	}
	group := func(i int) int { // the digit worth 10000^-i
		if k := n.weight + i; k >= 0 && k < n.len() {
			return n.digit(k)
		}
		return 0
	}
	if n.weight < 0 || n.len() == 0 {
		dst = append(dst, '0')
	} else {
		start := len(dst)
		for i := -n.weight; i <= 0; i++ {
			dst = append4(dst, group(i))
		}
		zeros := 0
		for dst[start+zeros] == '0' {
			zeros++ // at most 3: the first digit is not zero
		}
		dst = append(dst[:start], dst[start+zeros:]...)
	}
	if n.dscale == 0 {
		return dst
	}
	dst = append(dst, '.')
	end := len(dst) + n.dscale
	for i := 1; len(dst) < end; i++ {
		dst = append4(dst, group(i))
	}
	return dst[:end]
}

func append4(dst []byte, d int) []byte {
	return append(dst, byte('0'+d/1000), byte('0'+d/100%10), byte('0'+d/10%10), byte('0'+d%10))
}

// parseNumeric appends the binary form of what numeric_out printed: digits with an optional sign and
// decimals, NaN or an infinity. It returns dst unchanged and false for anything else.
func parseNumeric(dst, s []byte) ([]byte, bool) {
	switch string(s) {
	case "NaN":
		return append(dst, 0, 0, 0, 0, 0xc0, 0, 0, 0), true
	case "Infinity":
		return append(dst, 0, 0, 0, 0, 0xd0, 0, 0, infScale), true
	case "-Infinity":
		return append(dst, 0, 0, 0, 0, 0xf0, 0, 0, infScale), true
	}
	sign := uint16(0)
	if len(s) > 0 && s[0] == '-' {
		sign, s = numericNeg, s[1:]
	}
	point := len(s)
	for i, b := range s {
		if b == '.' && point == len(s) {
			point = i
		} else if b < '0' || b > '9' {
			return dst, false
		}
	}
	whole, decimals := s[:point], s[min(point+1, len(s)):]
	if len(whole) == 0 || point < len(s) && len(decimals) == 0 || len(decimals) > maxScale {
		return dst, false
	}
	for len(whole) > 0 && whole[0] == '0' {
		whole = whole[1:]
	}
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	body := len(dst)
	weight := (len(whole)+3)/4 - 1
	put := func(d uint16) {
		if d == 0 && len(dst) == body {
			weight--
			return
		}
		dst = binary.BigEndian.AppendUint16(dst, d)
	}
	for len(whole) > 0 {
		k := (len(whole)-1)%4 + 1
		put(group4(whole[:k]))
		whole = whole[k:]
	}
	dscale := len(decimals)
	for len(decimals) >= 4 {
		put(group4(decimals[:4]))
		decimals = decimals[4:]
	}
	if len(decimals) > 0 {
		put(group4(decimals) * uint16(pow10[4-len(decimals)]))
	}
	for len(dst) > body && dst[len(dst)-1] == 0 && dst[len(dst)-2] == 0 {
		dst = dst[:len(dst)-2]
	}
	if len(dst) == body {
		weight, sign = 0, 0
	}
	if weight > 0x7fff {
		return dst[:start], false
	}
	putNumericHead(dst[start:], (len(dst)-body)/2, weight, sign, dscale)
	return dst, true
}

func group4(s []byte) uint16 {
	d := uint16(0)
	for _, b := range s {
		d = 10*d + uint16(b-'0')
	}
	return d
}

func putNumericHead(p []byte, digits, weight int, sign uint16, dscale int) {
	binary.BigEndian.PutUint16(p, uint16(digits))
	binary.BigEndian.PutUint16(p[2:], uint16(weight))
	binary.BigEndian.PutUint16(p[4:], sign)
	binary.BigEndian.PutUint16(p[6:], uint16(dscale))
}

// pow10 are the powers of ten that a uint64 holds.
var pow10 = func() (p [20]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = 10 * p[i-1]
	}
	return p
}()

// limit is 10^p in 128 bits, for p ≤ 38.
var limit = func() (p [39][2]uint64) {
	p[0] = [2]uint64{0, 1}
	for i := 1; i < len(p); i++ {
		p[i][0], p[i][1] = muladd(p[i-1][0], p[i-1][1], 10, 0)
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

func (c *column) oneNumericText(v []byte) (bool, error) {
	n, err := readNumeric(v)
	if err != nil {
		return false, err
	}
	room := 4*max(n.weight+1, 1) + n.dscale + 12
	p := c.data.extend(room)
	text := appendNumericText(p[:0], n)
	c.data.n -= room - len(text)
	c.endValue()
	return true, nil
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
