package load

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"frostline/coltype"
)

// appender appends the text of row i, which is not NULL, as the input function of the target's type reads it. An error is of
// the row: its value does not fit the column as it is.
type appender func(dst []byte, i int) ([]byte, error)

// want is what the target column can hold beyond its type's name.
type want struct {
	base     string // typname under all domains, "" no target: the plain text of the value
	scale    int    // digits after the point that the column keeps, -1 any
	fraction int    // digits of a second that the column keeps
	srid     int
	delim    byte
	elem     *want // of an array
}

const (
	unixDays   = 10957               // from 1970-01-01 to 2000-01-01
	unixMicros = 946684800 * 1000000 // the same
)

var errTime = errors.New("the time is out of range")

// bind makes the appender of one array.
func bind(a arrow.Array, w want) (appender, error) {
	switch a := a.(type) {
	case array.ExtensionArray:
		if fixed, ok := a.Storage().(*array.FixedSizeBinary); ok && a.DataType().(arrow.ExtensionType).ExtensionName() == "arrow.uuid" && isText(w.base) {
			return func(dst []byte, i int) ([]byte, error) {
				return coltype.AppendUUID(dst, [16]byte(fixed.Value(i))), nil
			}, nil
		}
		return bind(a.Storage(), w)
	case int96s:
		return timestamps(a.micros, true, w), nil
	case *array.Dictionary:
		values, err := bind(a.Dictionary(), w)
		return func(dst []byte, i int) ([]byte, error) { return values(dst, a.GetValueIndex(i)) }, err
	case *array.Null:
		return func(dst []byte, _ int) ([]byte, error) { return dst, nil }, nil
	case *array.Boolean:
		return func(dst []byte, i int) ([]byte, error) { return strconv.AppendBool(dst, a.Value(i)), nil }, nil
	case *array.Int8:
		return ints(a.Value), nil
	case *array.Int16:
		return ints(a.Value), nil
	case *array.Int32:
		return checkedInts(a.Value, w), nil
	case *array.Int64:
		return checkedInts(a.Value, w), nil
	case *array.Uint8:
		return ints(a.Value), nil
	case *array.Uint16:
		return ints(a.Value), nil
	case *array.Uint32:
		return checkedInts(a.Value, w), nil
	case *array.Uint64:
		return func(dst []byte, i int) ([]byte, error) { return strconv.AppendUint(dst, a.Value(i), 10), nil }, nil
	case *array.Float16:
		return floats(func(i int) float64 { return float64(a.Value(i).Float32()) }, 32, w), nil
	case *array.Float32:
		return floats(func(i int) float64 { return float64(a.Value(i)) }, 32, w), nil
	case *array.Float64:
		return floats(a.Value, 64, w), nil
	case *array.Decimal32:
		return decimals(a.ValueStr, w), nil
	case *array.Decimal64:
		return decimals(a.ValueStr, w), nil
	case *array.Decimal128:
		scale := int(a.DataType().(arrow.DecimalType).GetScale())
		if w.scale >= 0 && w.scale < scale {
			return decimals(func(i int) string { return string(coltype.AppendNumeric(nil, a.Value(i), scale)) }, w), nil
		}
		return func(dst []byte, i int) ([]byte, error) { return coltype.AppendNumeric(dst, a.Value(i), scale), nil }, nil
	case *array.Decimal256:
		scale := a.DataType().(arrow.DecimalType).GetScale()
		return decimals(func(i int) string { return a.Value(i).ToString(scale) }, w), nil
	case *array.String:
		return strs(a.Value, w), nil
	case *array.LargeString:
		return strs(a.Value, w), nil
	case *array.StringView:
		return strs(a.Value, w), nil
	case *array.Binary:
		return binaries(a.Value, w), nil
	case *array.LargeBinary:
		return binaries(a.Value, w), nil
	case *array.BinaryView:
		return binaries(a.Value, w), nil
	case *array.FixedSizeBinary:
		return binaries(a.Value, w), nil
	}
	return bindTime(a, w)
}

func bindTime(a arrow.Array, w want) (appender, error) {
	switch a := a.(type) {
	case *array.Date32:
		return func(dst []byte, i int) ([]byte, error) {
			return coltype.AppendDate(dst, int64(a.Value(i))-unixDays), nil
		}, nil
	case *array.Date64:
		return func(dst []byte, i int) ([]byte, error) {
			ms := int64(a.Value(i))
			if ms%86400000 != 0 {
				return dst, errors.New("a date would lose the time of day")
			}
			return coltype.AppendDate(dst, ms/86400000-unixDays), nil
		}, nil
	case *array.Time32:
		unit := a.DataType().(*arrow.Time32Type).Unit
		return times(func(i int) int64 { return int64(a.Value(i)) }, unit, w), nil
	case *array.Time64:
		unit := a.DataType().(*arrow.Time64Type).Unit
		return times(func(i int) int64 { return int64(a.Value(i)) }, unit, w), nil
	case *array.Timestamp:
		typ := a.DataType().(*arrow.TimestampType)
		return timestamps(func(i int) (int64, error) { return micros(int64(a.Value(i)), typ.Unit) }, typ.TimeZone != "", w), nil
	case *array.Duration:
		unit := a.DataType().(*arrow.DurationType).Unit
		return func(dst []byte, i int) ([]byte, error) {
			us, err := micros(int64(a.Value(i)), unit)
			return append(strconv.AppendInt(dst, us, 10), " microseconds"...), err
		}, nil
	case array.ListLike, *array.Struct:
		return bindNested(a, w)
	}
	return nil, fmt.Errorf("Arrow type %s has no form in PostgreSQL", a.DataType())
}

func ints[T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32](value func(int) T) appender {
	return func(dst []byte, i int) ([]byte, error) { return strconv.AppendInt(dst, int64(value(i)), 10), nil }
}

// checkedInts refuses a whole number that a float column would round.
func checkedInts[T int32 | int64 | uint32](value func(int) T, w want) appender {
	bits := map[string]int{"float4": 24, "float8": 53}[w.base]
	if bits == 0 {
		return ints(value)
	}
	return func(dst []byte, i int) ([]byte, error) {
		v := int64(value(i))
		if v > 1<<bits || v < -(1<<bits) {
			return dst, fmt.Errorf("%d would be rounded", v)
		}
		return strconv.AppendInt(dst, v, 10), nil
	}
}

func floats(value func(int) float64, bits int, w want) appender {
	return func(dst []byte, i int) ([]byte, error) {
		v := value(i)
		switch {
		case w.base == "float4" && bits == 64 && float64(float32(v)) != v && !math.IsNaN(v):
			return dst, fmt.Errorf("%v would be rounded", v)
		case w.base == "numeric" && !math.IsNaN(v) && !math.IsInf(v, 0):
			return appendScaled(dst, strconv.FormatFloat(v, 'f', -1, bits), w.scale)
		case bits == 32:
			return coltype.AppendFloat4(dst, float32(v)), nil
		}
		return coltype.AppendFloat8(dst, v), nil
	}
}

func decimals(value func(int) string, w want) appender {
	return func(dst []byte, i int) ([]byte, error) { return appendScaled(dst, value(i), w.scale) }
}

// appendScaled appends a decimal number of which no more than scale digits after the point (-1 any) are other than zero.
func appendScaled(dst []byte, s string, scale int) ([]byte, error) {
	point := strings.IndexByte(s, '.')
	if scale < 0 || point < 0 || len(s)-point-1 <= scale {
		return append(dst, s...), nil
	}
	if strings.Trim(s[point+1+scale:], "0") != "" {
		return dst, fmt.Errorf("%s would be rounded to %d digits after the point", s, scale)
	}
	return append(dst, strings.TrimSuffix(s[:point+1+scale], ".")...), nil
}

func strs(value func(int) string, w want) appender {
	if w.base != "numeric" || w.scale < 0 {
		return func(dst []byte, i int) ([]byte, error) { return append(dst, value(i)...), nil }
	}
	return func(dst []byte, i int) ([]byte, error) {
		s := strings.TrimSpace(value(i))
		if strings.ContainsAny(s, "eE") {
			return append(dst, s...), nil
		}
		return appendScaled(dst, s, w.scale)
	}
}

func binaries(value func(int) []byte, w want) appender {
	switch {
	case w.base == "geometry" || w.base == "geography":
		return func(dst []byte, i int) ([]byte, error) { return appendEWKB(dst, value(i), w.srid) }
	case w.base == "uuid":
		return func(dst []byte, i int) ([]byte, error) {
			v := value(i)
			if len(v) != 16 {
				return dst, fmt.Errorf("%d bytes are no uuid", len(v))
			}
			return coltype.AppendUUID(dst, [16]byte(v)), nil
		}
	case w.base == "bytea":
		return func(dst []byte, i int) ([]byte, error) { return coltype.AppendBytea(dst, value(i)), nil }
	}
	return func(dst []byte, i int) ([]byte, error) {
		v := value(i)
		if !utf8.Valid(v) {
			return dst, errors.New("the bytes are no UTF-8 text")
		}
		return append(dst, v...), nil
	}
}

// micros are whole microseconds of a count of units.
func micros(v int64, unit arrow.TimeUnit) (int64, error) {
	switch unit {
	case arrow.Nanosecond:
		if v%1000 != 0 {
			return 0, fmt.Errorf("%d ns: PostgreSQL keeps microseconds, and the nanoseconds would be lost", v)
		}
		return v / 1000, nil
	case arrow.Microsecond:
		return v, nil
	}
	factor := int64(1000)
	if unit == arrow.Second {
		factor = 1000000
	}
	if v > math.MaxInt64/factor || v < math.MinInt64/factor {
		return 0, errTime
	}
	return v * factor, nil
}

// kept says whether a column that keeps some digits of a second keeps us as it is.
func (w want) kept(us int64) error {
	unit := int64(1)
	for range 6 - w.fraction {
		unit *= 10
	}
	if us%unit != 0 {
		return fmt.Errorf("the column keeps %d digits of a second, and more would be lost", w.fraction)
	}
	return nil
}

func times(value func(int) int64, unit arrow.TimeUnit, w want) appender {
	return func(dst []byte, i int) ([]byte, error) {
		us, err := micros(value(i), unit)
		if err == nil && (us < 0 || us > 86400*1000000) {
			err = errTime
		}
		if err == nil {
			err = w.kept(us)
		}
		if err != nil {
			return dst, err
		}
		return coltype.AppendTime(dst, us), nil
	}
}

// timestamps takes microseconds since 1970; zone says that they are instants.
func timestamps(value func(int) (int64, error), zone bool, w want) appender {
	zone = zone && w.base != "timestamp" && w.base != "date"
	return func(dst []byte, i int) ([]byte, error) {
		us, err := value(i)
		if err == nil && us <= math.MinInt64+unixMicros {
			err = errTime
		}
		if err == nil {
			err = w.kept(us)
		}
		if err == nil && w.base == "date" && us%(86400*1000000) != 0 {
			err = errors.New("a date would lose the time of day")
		}
		if err != nil {
			return dst, err
		}
		if w.base == "date" {
			return coltype.AppendDate(dst, (us-unixMicros)/(86400*1000000)), nil
		}
		return coltype.AppendTimestamp(dst, us-unixMicros, zone || w.base == "timestamptz"), nil
	}
}

// appendField appends text as a field of text COPY (manual page of COPY, "Text Format").
func appendField(dst, text []byte) []byte {
	if !bytes.ContainsAny(text, "\\\b\t\n\v\f\r") {
		return append(dst, text...)
	}
	for _, b := range text {
		switch b {
		case '\\':
			dst = append(dst, '\\', '\\')
		case '\b', '\t', '\n', '\v', '\f', '\r':
			dst = append(dst, '\\', "btnvfr"[b-'\b'])
		default:
			dst = append(dst, b)
		}
	}
	return dst
}

// fields are those of a line that appendField wrote, nil for NULL.
func fields(line []byte) []*string {
	parts := bytes.Split(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\t'})
	out := make([]*string, len(parts))
	for i, part := range parts {
		if string(part) == `\N` {
			continue
		}
		text := make([]byte, 0, len(part))
		for k := 0; k < len(part); k++ {
			if part[k] == '\\' && k+1 < len(part) {
				k++
				if at := strings.IndexByte("btnvfr", part[k]); at >= 0 {
					text = append(text, '\b'+byte(at))
					continue
				}
			}
			text = append(text, part[k])
		}
		s := string(text)
		out[i] = &s
	}
	return out
}

func isText(base string) bool {
	switch base {
	case "", "text", "varchar", "bpchar", "citext", "name":
		return true
	}
	return false
}
