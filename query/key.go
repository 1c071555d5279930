package query

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"frostline/coltype"
	"frostline/predicate"
)

// A key is bytes that compare as the values do in PostgreSQL, and are equal when they are: what ORDER BY, GROUP BY,
// DISTINCT and the minima of long values work on. Text compares by bytes, an enum by its labels' order, char without its
// padding, NaN above infinity, and a numeric whatever its scale is.

// order is what can be done with the values of a type.
type order uint8

const (
	noOrder    order = iota // nothing: PostgreSQL has no equality for it, or another than this program knows
	equality                // GROUP BY, DISTINCT
	totalOrder              // ORDER BY too
)

// form is how a type's values become keys.
type form uint8

const (
	noForm    form = iota
	wholeForm      // Value.I
	floatForm
	decimalForm
	numericForm // the text of a numeric
	bytesForm   // strings, bytes and uuids as they are
	paddedForm  // char: spaces at the end do not count
	enumForm
	intervalForm
	timetzForm
	numbersForm // text in which numbers are equal whatever their trailing zeros: jsonb, numrange
	listForm
)

// byText are the built-in types that are kept as text, and whose values are equal when their texts are.
var byText = map[string]bool{"bit": true, "varbit": true, "inet": true, "cidr": true, "macaddr": true, "macaddr8": true, "money": true,
	"int4range": true, "int8range": true, "daterange": true, "tsrange": true, "tstzrange": true, "pg_lsn": true, "int4multirange": true,
	"int8multirange": true, "datemultirange": true, "tsmultirange": true, "tstzmultirange": true}

// formOf is the form of t, and what it serves for.
func formOf(t coltype.Type) (form, order) {
	switch t.Kind {
	case coltype.Bool, coltype.Int32, coltype.Int64, coltype.Date, coltype.Time, coltype.Timestamp, coltype.TimestampTZ:
		return wholeForm, totalOrder
	case coltype.Float32, coltype.Float64:
		return floatForm, totalOrder
	case coltype.Decimal:
		return decimalForm, totalOrder
	case coltype.UUID:
		return bytesForm, totalOrder
	case coltype.Binary:
		if t.Base == "bytea" {
			return bytesForm, totalOrder
		}
		return noForm, noOrder
	case coltype.List:
		if _, o := formOf(*t.Elem); o != noOrder {
			return listForm, o
		}
		return noForm, noOrder
	case coltype.String:
		return textForm(t)
	}
	return noForm, noOrder
}

func textForm(t coltype.Type) (form, order) {
	switch t.Wire {
	case coltype.WireNumeric:
		return numericForm, totalOrder
	case coltype.WireJSONB:
		return numbersForm, equality
	case coltype.WireRaw:
		switch {
		case len(t.Labels) > 0:
			return enumForm, totalOrder
		case t.Base == "text", t.Base == "varchar", t.Base == "name":
			return bytesForm, totalOrder
		case t.Base == "bpchar":
			return paddedForm, totalOrder
		}
	case coltype.WireText:
		switch {
		case !builtIn(t):
		case t.Base == "interval":
			return intervalForm, totalOrder
		case t.Base == "timetz":
			return timetzForm, totalOrder
		case t.Base == "numrange", t.Base == "nummultirange":
			return numbersForm, equality
		case byText[t.Base]:
			return bytesForm, equality
		}
	}
	return noForm, noOrder
}

// builtIn tells a type of pg_catalog, or a domain over one, from a user's type of the same name: that is always written with
// its schema.
func builtIn(t coltype.Type) bool {
	at := strings.LastIndexByte(t.Name, '.')
	return at < 0 || strings.Trim(t.Name[at+1:], `"`) != t.Base
}

// appendKey appends the key of v, of a type with f. A list's key is of its array: appendListKey.
func appendKey(dst []byte, t coltype.Type, f form, v coltype.Value) ([]byte, error) {
	switch f {
	case wholeForm:
		return appendWhole(dst, v.I), nil
	case floatForm:
		return appendFloat(dst, v.F), nil
	case decimalForm:
		return appendDecimal(dst, t.Scale, v)
	case numericForm:
		return appendNumeric(dst, v.S)
	case bytesForm:
		return appendBytes(dst, v.S), nil
	case paddedForm:
		return appendBytes(dst, strings.TrimRight(v.S, " ")), nil
	case enumForm:
		i := slices.Index(t.Labels, v.S)
		if i < 0 {
			return nil, fmt.Errorf("the value %q is not a label of the enum %s, so that it has no place in its order", v.S, t.Name)
		}
		return binary.BigEndian.AppendUint32(dst, uint32(i)), nil
	case intervalForm:
		return appendInterval(dst, v.S)
	case timetzForm:
		return appendTimeTZ(dst, v.S)
	case numbersForm:
		return appendBytes(dst, plainNumbers(v.S)), nil
	}
	return nil, fmt.Errorf("values of %s have no order", t.Name)
}

func appendWhole(dst []byte, i int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(i)^1<<63)
}

func appendFloat(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(dst, floatKey(f))
}

// floatKey orders floats as unsigned numbers: one zero, one NaN above all.
func floatKey(f float64) uint64 {
	switch {
	case math.IsNaN(f):
		return math.MaxUint64
	case f == 0:
		return 1 << 63
	}
	b := math.Float64bits(f)
	if b>>63 != 0 {
		return ^b
	}
	return b | 1<<63
}

// The first byte of a numeric's key.
const (
	numNegInf byte = iota + 1
	numNegative
	numZero
	numPositive
	numPosInf
	numNaN
)

// appendDecimal is the key of a value of numeric(p,s) with s = scale.
func appendDecimal(dst []byte, scale int, v coltype.Value) ([]byte, error) {
	switch v.Special {
	case coltype.NaN:
		return append(dst, numNaN), nil
	case coltype.PosInf:
		return append(dst, numPosInf), nil
	case coltype.NegInf:
		return append(dst, numNegInf), nil
	}
	n, ok := unscaled(v, scale)
	if !ok {
		return nil, fmt.Errorf("%w for a numeric of scale %d", coltype.ErrValue, scale)
	}
	return appendNum(dst, n), nil
}

// unscaled is v × 10^scale; ok is false where v has no such decimal.
func unscaled(v coltype.Value, scale int) (n decimal128.Num, ok bool) {
	if v.Special != coltype.Finite || v.Scale > scale {
		return n, false
	}
	whole := v.Big
	if v.Scale < scale {
		whole = new(big.Int).Mul(whole, coltype.Pow10(scale-v.Scale))
	}
	if whole.BitLen() > 127 {
		return n, false
	}
	return decimal128.FromBigInt(whole), true
}

// appendNum is appendDecimal of a finite value.
func appendNum(dst []byte, n decimal128.Num) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, numZero), uint64(n.HighBits())^1<<63)
	return binary.BigEndian.AppendUint64(dst, n.LowBits())
}

// appendNumeric is the key of a numeric's text: its sign, how many digits stand before the point, and the digits without zeros at
// either end.
func appendNumeric(dst []byte, s string) ([]byte, error) {
	switch s {
	case "NaN":
		return append(dst, numNaN), nil
	case "Infinity":
		return append(dst, numPosInf), nil
	case "-Infinity":
		return append(dst, numNegInf), nil
	}
	digits, negative := strings.CutPrefix(s, "-")
	whole, frac, _ := strings.Cut(digits, ".")
	if whole == "" && frac == "" || strings.Trim(whole, "0123456789") != "" || strings.Trim(frac, "0123456789") != "" {
		return nil, fmt.Errorf("%w for type numeric: %q", coltype.ErrValue, clipped(s))
	}
	whole = strings.TrimLeft(whole, "0")
	frac = strings.TrimRight(frac, "0")
	exponent := len(whole)
	if whole == "" {
		n := len(frac)
		frac = strings.TrimLeft(frac, "0")
		exponent = len(frac) - n
	}
	if frac == "" {
		whole = strings.TrimRight(whole, "0")
	}
	if whole == "" && frac == "" {
		return append(dst, numZero), nil
	}
	if negative {
		dst = append(dst, numNegative)
	} else {
		dst = append(dst, numPositive)
	}
	at := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(int32(exponent))^1<<31)
	dst = append(append(append(dst, whole...), frac...), 0)
	if negative {
		for i := at; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
	}
	return dst, nil
}

// appendBytes ends with 0 0, which a longer value's next byte is above: a zero byte in it is followed by 0xff.
func appendBytes(dst []byte, s string) []byte {
	for {
		i := strings.IndexByte(s, 0)
		if i < 0 {
			return append(append(dst, s...), 0, 0)
		}
		dst = append(append(dst, s[:i+1]...), 0xff)
		s = s[i+1:]
	}
}

func clipped(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

// appendInterval is the key of an interval.
func appendInterval(dst []byte, s string) ([]byte, error) {
	days, us, err := predicate.IntervalSpan(s)
	if err != nil {
		return nil, err
	}
	return appendWhole(appendWhole(dst, days), us), nil
}

var clockType = coltype.Type{Kind: coltype.Time, Wire: coltype.WireTime, Name: "time without time zone", Base: "time"}

// appendTimeTZ is the key of a timetz as timetz_cmp_internal has it (src/backend/utils/adt/date.c): the moment, then how far
// west the zone is.
func appendTimeTZ(dst []byte, s string) ([]byte, error) {
	fail := func() ([]byte, error) { return nil, fmt.Errorf("%w for type timetz: %q", coltype.ErrValue, clipped(s)) }
	at := strings.LastIndexAny(s, "+-")
	if at < 0 {
		return fail()
	}
	zone := s[at+1:]
	if !strings.Contains(zone, ":") {
		zone += ":00"
	}
	clock, err1 := coltype.ParseText(clockType, s[:at])
	east, err2 := coltype.ParseText(clockType, zone)
	if err1 != nil || err2 != nil {
		return fail()
	}
	west := east.I
	if s[at] == '+' {
		west = -west
	}
	return appendWhole(appendWhole(dst, clock.I+west), west), nil
}

// plainNumbers drops the zeros after the point that end a number, outside of quoted strings.
func plainNumbers(s string) string {
	if !strings.ContainsRune(s, '.') {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"':
			j := i + 1
			for j < len(s) && s[j] != '"' {
				if s[j] == '\\' {
					j++
				}
				j++
			}
			j = min(j+1, len(s))
			out = append(out, s[i:j]...)
			i = j
		case c >= '0' && c <= '9':
			j := i
			for j < len(s) && (s[j] >= '0' && s[j] <= '9' || s[j] == '.') {
				j++
			}
			n := s[i:j]
			if strings.ContainsRune(n, '.') {
				n = strings.TrimSuffix(strings.TrimRight(n, "0"), ".")
			}
			out = append(out, n...)
			i = j
		default:
			out = append(out, c)
			i++
		}
	}
	return string(out)
}
