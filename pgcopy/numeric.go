package pgcopy

import (
	"encoding/binary"
	"errors"
	"fmt"
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
