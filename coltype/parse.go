package coltype

import (
	"encoding/hex"
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ParseText reads s as the input function of t does with the pinned settings (DateStyle ISO, TimeZone
// UTC). Of the forms that PostgreSQL accepts it takes the ISO ones and those that an output function
// prints; words that depend on the clock (now, today), other date orders, zone names but UTC,
// and numbers in hex are refused. A numeric is not rounded to the type's scale. bpchar is padded by the
// caller. Text with exact form (interval, inet, …) and json are not checked, an enum's label is. Errors wrap
// ErrValue.
func ParseText(t Type, s string) (Value, error) {
	switch t.Kind {
	case Bool:
		return parseBool(t, s)
	case Int32, Int64:
		return parseInt(t, s)
	case Float32, Float64:
		return parseFloat(t, s)
	case Decimal:
		return parseNumeric(t, s)
	case String:
		if t.Base == "numeric" {
			return parseNumeric(t, s)
		}
		return parseString(t, s)
	case Binary:
		return parseBinary(t, s)
	case UUID:
		return parseUUID(t, s)
	case Date, Time, Timestamp, TimestampTZ:
		return parseDateTime(t, s)
	case List:
		return Value{}, invalid(t, s, "an array is not a scalar")
	}
	return Value{}, invalid(t, s, "the type has no kind")
}

// trimSpace cuts what C's isspace calls white space.
func trimSpace(s string) string { return strings.Trim(s, " \t\n\v\f\r") }

func parseBool(t Type, s string) (Value, error) {
	b := strings.ToLower(trimSpace(s))
	is := func(word string, least int) bool { return len(b) >= least && strings.HasPrefix(word, b) }
	switch {
	case is("true", 1), is("yes", 1), b == "on", b == "1":
		return Value{Kind: Bool, I: 1}, nil
	case is("false", 1), is("no", 1), is("off", 2), b == "0":
		return Value{Kind: Bool}, nil
	}
	return Value{}, invalid(t, s, "want true or false")
}

func parseInt(t Type, s string) (Value, error) {
	least, most := int64(math.MinInt64), int64(math.MaxInt64)
	switch {
	case t.Base == "int2":
		least, most = math.MinInt16, math.MaxInt16
	case t.Base == "oid": // strtoul: a negative one wraps
		least, most = math.MinInt32, math.MaxUint32
	case t.Kind == Int32:
		least, most = math.MinInt32, math.MaxInt32
	}
	digits := trimSpace(s)
	if unsigned := strings.TrimLeft(digits, "0123456789"); digits == "" || unsigned == digits && digits[0] != '+' && digits[0] != '-' {
		return Value{}, invalid(t, s, "want an integer")
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		return Value{}, invalid(t, s, "want an integer")
	}
	if err != nil || n < least || n > most {
		return Value{}, invalid(t, s, "out of range, want %d to %d", least, most)
	}
	if t.Base == "oid" {
		n = int64(uint32(n))
	}
	return Value{Kind: t.Kind, I: n}, nil
}

func parseFloat(t Type, s string) (Value, error) {
	size := 64
	if t.Kind == Float32 {
		size = 32
	}
	text := trimSpace(s)
	if special, ok := parseSpecial(text); ok {
		f := math.NaN()
		switch special {
		case PosInf:
			f = math.Inf(1)
		case NegInf:
			f = math.Inf(-1)
		}
		return Value{Kind: t.Kind, F: f}, nil
	}
	if text == "" || strings.Trim(text, "0123456789.+-eE") != "" {
		return Value{}, invalid(t, s, "want a number")
	}
	f, err := strconv.ParseFloat(text, size)
	if errors.Is(err, strconv.ErrSyntax) {
		return Value{}, invalid(t, s, "want a number")
	}
	mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
	if err != nil || f == 0 && strings.ContainsAny(mantissa, "123456789") {
		return Value{}, invalid(t, s, "out of range")
	}
	return Value{Kind: t.Kind, F: f}, nil
}

// parseSpecial reads NaN and the infinities.
func parseSpecial(s string) (Special, bool) {
	switch strings.ToLower(s) {
	case "nan":
		return NaN, true
	case "inf", "infinity", "+inf", "+infinity":
		return PosInf, true
	case "-inf", "-infinity":
		return NegInf, true
	}
	return Finite, false
}

// The largest numeric of src/backend/utils/adt/numeric.c: 32768 groups of four digits before the
// point, NUMERIC_DSCALE_MAX after it.
const (
	maxNumericWhole = 131072
	maxNumericScale = 16383
)

func parseNumeric(t Type, s string) (Value, error) {
	text := trimSpace(s)
	if special, ok := parseSpecial(text); ok {
		return Value{Kind: Decimal, Special: special}, nil
	}
	mantissa, exponent, hasExp := text, "", false
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa, exponent, hasExp = text[:i], text[i+1:], true
	}
	negative := strings.HasPrefix(mantissa, "-")
	if negative || strings.HasPrefix(mantissa, "+") {
		mantissa = mantissa[1:]
	}
	whole, frac, _ := strings.Cut(mantissa, ".")
	if whole+frac == "" || strings.Trim(whole, "0123456789") != "" || strings.Trim(frac, "0123456789") != "" {
		return Value{}, invalid(t, s, "want a number")
	}
	exp := 0
	if hasExp {
		e, err := strconv.ParseInt(exponent, 10, 32)
		if errors.Is(err, strconv.ErrSyntax) {
			return Value{}, invalid(t, s, "want a number")
		}
		if err != nil || e > math.MaxInt32/2 || e < -math.MaxInt32/2 {
			return Value{}, invalid(t, s, "out of range")
		}
		exp = int(e)
	}
	digits := strings.TrimLeft(whole+frac, "0")
	scale := len(frac) - exp
	if max(scale, 0) > maxNumericScale || digits != "" && len(digits)-scale > maxNumericWhole {
		return Value{}, invalid(t, s, "out of range")
	}
	n := new(big.Int)
	if digits != "" {
		n.SetString(digits, 10)
		if scale < 0 {
			n.Mul(n, Pow10(-scale))
		}
	}
	if negative {
		n.Neg(n)
	}
	return Value{Kind: Decimal, Big: n, Scale: max(scale, 0)}, nil
}

// nameLength is NAMEDATALEN - 1: the bytes of type name that namein keeps.
const nameLength = 63

func parseString(t Type, s string) (Value, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return Value{}, invalid(t, s, "text cannot hold the character U+0000")
	}
	if !utf8.ValidString(s) {
		return Value{}, invalid(t, s, "not UTF-8")
	}
	if t.Base == "name" && len(s) > nameLength {
		cut := nameLength
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	if len(t.Labels) > 0 {
		for _, label := range t.Labels {
			if label == s {
				return Value{Kind: String, S: s}, nil
			}
		}
		return Value{}, invalid(t, s, "not a label of the enum")
	}
	return Value{Kind: String, S: s}, nil
}

func parseBinary(t Type, s string) (Value, error) {
	if isGeometry(t) {
		b, err := hex.DecodeString(trimSpace(s))
		if err != nil || len(b) == 0 {
			return Value{}, invalid(t, s, "want EWKB in hex")
		}
		return Value{Kind: Binary, S: string(b)}, nil
	}
	if strings.HasPrefix(s, `\x`) {
		return parseByteaHex(t, s)
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			out = append(out, s[i])
		case strings.HasPrefix(s[i+1:], `\`):
			out = append(out, '\\')
			i++
		case i+3 < len(s) && s[i+1] >= '0' && s[i+1] <= '3' && isOctal(s[i+2]) && isOctal(s[i+3]):
			out = append(out, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
		default:
			return Value{}, invalid(t, s, `a backslash needs \ or three octal digits after it`)
		}
	}
	return Value{Kind: Binary, S: string(out)}, nil
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

// parseByteaHex reads \x and pairs of hex digits, with white space between the pairs.
func parseByteaHex(t Type, s string) (Value, error) {
	out := make([]byte, 0, len(s)/2)
	for i := 2; i < len(s); {
		if strings.IndexByte(" \t\n\r", s[i]) >= 0 {
			i++
			continue
		}
		if i+1 == len(s) {
			return Value{}, invalid(t, s, "odd number of hex digits")
		}
		hi, ok1 := hexDigit(s[i])
		lo, ok2 := hexDigit(s[i+1])
		if !ok1 || !ok2 {
			return Value{}, invalid(t, s, "not a hex digit at byte %d", i+1)
		}
		out = append(out, hi<<4|lo)
		i += 2
	}
	return Value{Kind: Binary, S: string(out)}, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// parseUUID reads 32 hex digits, a hyphen allowed after each four, in braces or not.
func parseUUID(t Type, s string) (Value, error) {
	src := s
	braces := strings.HasPrefix(src, "{")
	if braces {
		src = src[1:]
	}
	var u [16]byte
	for i := range u {
		if len(src) < 2 {
			return Value{}, invalid(t, s, "want 32 hex digits")
		}
		hi, ok1 := hexDigit(src[0])
		lo, ok2 := hexDigit(src[1])
		if !ok1 || !ok2 {
			return Value{}, invalid(t, s, "want 32 hex digits")
		}
		u[i] = hi<<4 | lo
		src = src[2:]
		if i%2 == 1 && i < 15 {
			src = strings.TrimPrefix(src, "-")
		}
	}
	if braces && src != "}" || !braces && src != "" {
		return Value{}, invalid(t, s, "text after the 32 hex digits, or a brace too few")
	}
	return Value{Kind: UUID, S: string(u[:])}, nil
}
